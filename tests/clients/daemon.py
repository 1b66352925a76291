"""The processes of these tests: an upstream that does as it is told, and a daemon between it and the installers."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import attrs

from tests.clients.tools import ROOT
from tests.forked import NURSERIES, Forked

TRIES = 1000
PAUSE = 0.02
"""A daemon has `TRIES` times `PAUSE` seconds to become ready."""
LEAST = 11_000
"""The first of the ports that daemons here may have; a browser goes to none of some below it."""
STOPPING = 20.0
"""Seconds that a daemon has to end by itself once it is told to."""
IMPORTS = ("pypidaemon.*", "twisted.scripts.twistd", "twisted.plugins.*", "tests.clients.scripted_index", "tests.clients.lowered")
"""What a daemon, an order and an upstream import. Under pytest they are forked, since imports are most of what they would spend; `tests/frame` and others start programs."""


def bare_environment(home: Path) -> dict[str, str]:
    """
    What every process here gets instead of this one's environment: no settings of the user's, no proxies, no other index.

    Whoever breaks out of it is noticed all the same, since only the scripted index has projects of these names.
    """
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "LANG": "C.UTF-8",
        "NO_PROXY": "*",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@attrs.frozen
class Seen:
    """A request that reached the upstream."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int | None


@attrs.define(eq=False)
class Upstream:
    """A `TestIndex` in another process; methods that are not here are said with `tell`."""

    process: subprocess.Popen[bytes] | Forked
    said: IO[bytes]
    """What it is told goes there."""
    heard: IO[bytes]
    """What it answers comes from there."""
    url: str

    @classmethod
    def begin(cls, home: Path, *certificate: str) -> Upstream:
        """Start it; it has no projects yet. With a file of key and certificates it speaks https."""
        environment = {**bare_environment(home), "PYTHONPATH": str(ROOT)}
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        said, heard = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        process: subprocess.Popen[bytes] | Forked
        with os.fdopen(theirs_in, "rb") as hearing, os.fdopen(theirs_out, "wb") as speaking, (home / "log").open("ab") as log:
            if nursery := NURSERIES.of(sys.executable, *IMPORTS):
                process = nursery.begin("tests.clients.scripted_index:run", certificate, environment, home, hearing, speaking, log)
            else:
                command = [sys.executable, str(Path(__file__).with_name("scripted_index.py")), *certificate]
                process = subprocess.Popen(command, env=environment, stdin=hearing, stdout=speaking, cwd=home)
        return cls(process, said, heard, json.loads(heard.readline())["result"])

    @property
    def simple(self) -> str:
        """The URL of its simple index."""
        return f"{self.url}/simple/"

    def tell(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        """Have one of `TestIndex`'s methods called, or one of the script's own words obeyed."""
        self.said.write(json.dumps([name, arguments, keywords]).encode() + b"\n")
        self.said.flush()
        answer = json.loads(self.heard.readline())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def requests(self, path_glob: str = "*") -> list[Seen]:
        """The requests for matching paths since the last `clear`."""
        return [seen for seen in (Seen(*entry) for entry in self.tell("requests")) if fnmatchcase(seen.path, path_glob)]

    def paths(self, path_glob: str = "*") -> list[str]:
        """The paths of those requests, sorted."""
        return sorted(seen.path for seen in self.requests(path_glob))

    def clear(self) -> None:
        """Forget the requests so far."""
        self.tell("clear")

    def end(self) -> None:
        """Stop the process, which does so by itself once nobody speaks to it."""
        self.said.close()
        self.process.wait(STOPPING)
        self.heard.close()


def free_port() -> int:
    """
    A port that nobody listens on now. It is chosen here, not by the daemon, so that it stays the same over a restart.

    It is none of those that the system gives to whoever asks for any, so that no other test is given it before the daemon has it.
    """
    while True:
        port = LEAST + secrets.randbelow(_first_given() - LEAST)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@cache
def _first_given() -> int:
    """The first of the ports that the system gives (RFC 6335 section 6 where it does not say)."""
    try:
        return max(20_000, int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0]))
    except OSError:
        return 49_152


@attrs.frozen
class Answer:
    """A response that was read to its end; header names are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as a JSON document."""
        return json.loads(self.body)


def ask(url: str, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Send one request as it stands, on a connection of its own: nothing is added to the header fields but `Host`."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.reason, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


@attrs.define(eq=False)
class Daemon:
    """A real daemon in a folder of its own."""

    folder: Path
    upstream: str
    sections: str = ""
    """More of the configuration file, after the section of the upstream."""
    index: str = ""
    """The default index, where it is not the daemon's own choice."""
    uploads: str = ""
    """The index that uploads at the root go to, where it is not the daemon's own choice."""
    settings: str = ""
    """More of the section of the daemon itself."""
    prefix: tuple[str, ...] = ()
    """The words of a program that starts it, such as one that gives it other limits; it has to end as the daemon's own process."""
    options: tuple[str, ...] = ()
    """More of what twistd is told, such as whom to become."""
    entry: str = "twisted.scripts.twistd:run"
    """What is called to run twistd."""
    port: int = attrs.field(factory=free_port)
    process: subprocess.Popen[bytes] | Forked | None = attrs.field(default=None, init=False)

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def simple(self) -> str:
        """The URL of its simple index."""
        return f"{self.url}/simple/"

    @property
    def log(self) -> str:
        """All that it has said so far, over all its runs; with the lines of every answer that it has given, which wait for others for a moment."""
        file = self.folder / "log"
        if self.process is not None and self.process.poll() is None:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
            with suppress(OSError, HTTPException), closing(connection):
                connection.request("HEAD", "/+health")
                last = str(connection.getresponse().headers["X-Request-Id"])
                deadline = time.monotonic() + 5
                while last not in file.read_text("utf-8", "replace") and time.monotonic() < deadline:
                    time.sleep(0.02)
        return file.read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it, and come back when it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = f"[daemon]\nlisten = tcp:{self.port}:interface=127.0.0.1\ndata = %(here)s/var\n"
        if self.index:
            settings += f"index = {self.index}\n"
        if self.uploads:
            settings += f"uploads = {self.uploads}\n"
        settings += f"{self.settings}[upstream:pypi]\nuse = http\nurl = {self.upstream}\n{self.sections}"
        (self.folder / "config.ini").write_text(settings)
        words = [*self.options, "--nodaemon", "--pidfile=", "pypidaemon", "-c", "config.ini"]
        environment = {**bare_environment(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        with (self.folder / "log").open("ab") as log, open(os.devnull, "rb") as nothing:
            if (nursery := NURSERIES.of(sys.executable, *IMPORTS)) and not self.prefix:
                self.process = nursery.begin(self.entry, words, environment, self.folder, nothing, log, log)
            else:
                command = [*self.prefix, *_twistd(self.entry), *words]
                self.process = subprocess.Popen(command, env=environment, cwd=self.folder, stdin=nothing, stdout=log, stderr=log)
        for _ in range(TRIES):
            if self.process.poll() is not None:
                break
            try:
                if self.ask("GET", "/+ready").status == 200:
                    return
            except OSError:
                # Nobody listens yet.
                pass
            time.sleep(PAUSE)
        raise AssertionError(f"the daemon is not ready:\n{self.log}")

    def stop(self) -> None:
        """Have it end as a service manager would."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the daemon did not stop within {STOPPING:.0f} s:\n{self.log}") from None
        # twistd ends by the signal that it was sent, once everything is put away.
        assert code in (0, -signal.SIGTERM), f"the daemon ended with {code}:\n{self.log[-4000:]}"

    def restart(self) -> None:
        """End it and start it again on the same data and port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        process, self.process = self.process, None
        assert process is not None
        process.kill()
        process.wait()

    def check_log(self) -> None:
        """Fail where it said something that an operator would have to worry about."""
        log = self.log
        for sign in ("Traceback", "Unhandled", "#critical", "#error"):
            assert sign not in log, log

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """One request, on a connection of its own."""
        return ask(self.url, method, target, headers, body)

    def order(self, *words: str, said: str = "") -> str:
        """Have `pypidaemon` do something to this daemon, which runs or not; `said` is its standard input. Answers what it prints."""
        done = self.ordered(*words, said=said)
        assert done.returncode == 0, f"pypidaemon {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def ordered(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """The same, however it ends."""
        words = (*words, "-c", str(self.folder / "config.ini"))
        environment = {**bare_environment(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        if nursery := NURSERIES.of(sys.executable, *IMPORTS):
            return nursery.run("pypidaemon.commands:main", words, environment, self.folder, said, 60)
        command = [sys.executable, "-m", "pypidaemon", *words]
        return subprocess.run(
            command, env=environment, cwd=self.folder, input=said, capture_output=True, text=True, timeout=60, check=False
        )

    def page(self, project: str) -> dict[str, Any]:
        """A project's page as JSON."""
        answer = self.ask("GET", f"/simple/{project}/", {"Accept": "application/vnd.pypi.simple.v1+json"})
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found


def _twistd(entry: str) -> list[str]:
    """How to run twistd with this interpreter, whether or not its script is on the path."""
    module, _, function = entry.partition(":")
    return [sys.executable, "-c", f"import sys; sys.argv[0] = 'twistd'; from {module} import {function}; {function}()"]
