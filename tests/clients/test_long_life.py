"""A real daemon under a service manager: told to read its configuration again, to stop, and to stop at once, while somebody downloads."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.clients.daemon import IMPORTS, PAUSE, STOPPING, TRIES, ask, bare_environment, free_port
from tests.clients.tools import ROOT
from tests.forked import NURSERIES, Forked

pytestmark = pytest.mark.clients

FILE = "alpha-1.0-py3-none-any.whl"
CONFIGURATION = """\
[daemon]
listen = tcp:{port}:interface=127.0.0.1
data = %(here)s/var
index = shown
drain = 20s
[index:shown]
use = policed
index = files
policies = some
[policy:some]
use = names
deny = {deny}
[index:files]
use = directory
path = files
[upstream:pypi]
use = tests.parts:Silent
"""


@attrs.define(eq=False)
class Managed:
    """A daemon, and the service manager's side of its socket."""

    folder: Path
    port: int = attrs.field(factory=free_port)
    told: list[str] = attrs.field(factory=list)
    socket: socket.socket = attrs.field(factory=lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What it and its orders get."""
        home = bare_environment(self.folder / "home")
        return {**home, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "NOTIFY_SOCKET": str(self.folder / "notify")}

    def write(self, deny: str = "none") -> None:
        """Have the file say that."""
        (self.folder / "config.ini").write_text(CONFIGURATION.format(port=self.port, deny=deny))

    def start(self, *command: str, **more: str) -> None:
        """Start it, by twistd or else by this command, and come back when it says that it is ready."""
        self.socket.bind(str(self.folder / "notify"))
        self.socket.settimeout(TRIES * PAUSE)
        nursery = NURSERIES.of(sys.executable, *IMPORTS)
        with (self.folder / "log").open("ab") as log, open(os.devnull, "rb") as nothing:
            if not command:
                assert nursery is not None
                self.process = nursery.begin("twisted.scripts.twistd:run", TWISTD, self.environment, self.folder, nothing, log, log)
            else:
                environment = {**self.environment, **more}
                self.process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log, close_fds=not more)
        self.until("READY=1")

    def until(self, word: str) -> str:
        """Wait until it says that; its status then."""
        while True:
            try:
                self.told.append(self.socket.recv(10_000).decode())
            except TimeoutError:
                raise AssertionError(f"{self.told}\n{self.log}") from None
            if self.told[-1].split("\n")[0] == word:
                return self.told[-1].partition("STATUS=")[2]

    @property
    def log(self) -> str:
        """All that it has said."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def download(self) -> Download:
        """Begin to take the file, and stop after its first bytes."""
        for _ in range(TRIES):
            # The first look at the folder goes on behind the start.
            page = ask(f"http://127.0.0.1:{self.port}", "GET", "/simple/alpha/", {"Accept": "application/vnd.pypi.simple.v1+json"})
            if page.status == 200:
                break
            time.sleep(PAUSE)
        assert page.status == 200, f"{page}\n{self.log}"
        url = page.json()["files"][0]["url"]
        return Download(self.port, url if url.startswith("/") else "/" + url.lstrip("./"))

    def ended(self) -> int:
        """Wait for its end; the status."""
        assert self.process is not None
        return self.process.wait(STOPPING)


class Download:
    """A client that reads when it is told to."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._socket.settimeout(30)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._socket.recv(1024)
        self.head, _, self._begun = head.partition(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 200 "), head

    def rest(self, length: int) -> bytes:
        """All of the body, of that length."""
        body = bytearray(self._begun)
        while len(body) < length:
            piece = self._socket.recv(1 << 16)
            assert piece, f"cut after {len(body)} bytes"
            body += piece
        return bytes(body)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Managed]:
    """One that is not started yet, with a file that is larger than what a connection buffers."""
    (tmp_path / "files").mkdir()
    with zipfile.ZipFile(tmp_path / "files" / FILE, "w") as wheel:
        wheel.writestr("alpha-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n")
        wheel.writestr("alpha-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("alpha-1.0.dist-info/RECORD", "")
        wheel.writestr("alpha/data", bytes(range(256)) * (1 << 16))
    os.utime(tmp_path / "files" / FILE, (1_700_000_000, 1_700_000_000))
    one = Managed(tmp_path)
    one.write()
    yield one
    one.socket.close()
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
        one.process.wait()


TWISTD = ("--nodaemon", "--pidfile=", "pypidaemon", "-c", "config.ini")
HAND_OVER = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
RUN = (sys.executable, "-m", "pypidaemon", "run", "-c", "config.ini")


def test_F80_F79_F72_transfers_outlive_a_new_configuration_and_a_stop(managed: Managed) -> None:
    """And the service manager hears of each; twistd's own handlers of signals would end it at the first."""
    whole = (managed.folder / "files" / FILE).read_bytes()
    managed.start()
    first = managed.download()
    managed.write(deny="alpha")
    managed.send(signal.SIGHUP)
    managed.until("RELOADING=1")
    managed.until("READY=1")
    url = f"http://127.0.0.1:{managed.port}"
    assert ask(url, "GET", "/simple/alpha/").status == 404
    assert hashlib.sha256(first.rest(len(whole))).digest() == hashlib.sha256(whole).digest()
    # What is wrong is told, and changes nothing.
    (managed.folder / "config.ini").write_text("[daemon]\nlissen = x\n")
    managed.send(signal.SIGHUP)
    assert "lissen: unknown key" in managed.until("READY=1")
    assert ask(url, "GET", "/simple/alpha/").status == 404
    managed.write()
    nursery = NURSERIES.of(sys.executable, *IMPORTS)
    assert nursery is not None
    done = nursery.run("pypidaemon.commands:main", ["reload", "-c", "config.ini"], managed.environment, managed.folder, "", 60)
    assert (done.returncode, done.stdout) == (0, f"{managed.folder}/config.ini was read again and is in force\n")
    second = managed.download()
    managed.send(signal.SIGTERM)
    managed.until("STOPPING=1")
    for _ in range(TRIES):
        try:
            socket.create_connection(("127.0.0.1", managed.port)).close()
        except ConnectionRefusedError:
            break
        time.sleep(PAUSE)
    assert second.rest(len(whole)) == whole
    assert managed.ended() == 0
    for one in (first, second):
        one.close()
    assert "Traceback" not in managed.log
    assert "#critical" not in managed.log


def test_F80_a_second_signal_ends_it_and_a_socket_was_handed_over(managed: Managed) -> None:
    """At once, as one that was never handled would have; and the port was bound by who started it, so no request is refused meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", managed.port))
        bound.listen()
        os.set_inheritable(bound.fileno(), True)
        managed.start(sys.executable, "-c", HAND_OVER, str(bound.fileno()), *RUN, "--log", "own.log", LISTEN_FDS="1", LISTEN_FDNAMES="http")
    slow = managed.download()
    managed.send(signal.SIGTERM)
    managed.until("STOPPING=1")
    managed.send(signal.SIGINT)
    assert managed.ended() == -signal.SIGINT
    slow.close()
    assert "SIGINT for the second time: ending at once" in (managed.folder / "own.log").read_text()
    assert managed.log == ""
