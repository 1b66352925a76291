"""Other index servers, as their own documentation has them: the same things are done to them, as far as they can do what that needs."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, ClassVar, Self

import attrs

from benchmarks.chaos.subjects import Wanted, slay
from benchmarks.measuring import family
from tests.clients.daemon import PAUSE, STOPPING, bare_environment, free_port
from tests.clients.posting import Poster

NO_MIRROR = "it has no mirror of its own that is filled by a command"
STARTING = 180.0
SETTLING = 15.0
FRESHNESS = 1
"""Seconds that a page is fresh: where it can be set at all, zero means something else to each of them."""
PASSWORD = "benchmark"


@attrs.define(eq=False)
class Peer:
    """What the three have in common; a `Subject` without the optional abilities."""

    folder: Path
    upstream: str
    wanted: Wanted
    port: int = attrs.field(factory=free_port, init=False)
    process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)
    name: ClassVar[str] = ""
    abilities: ClassVar[frozenset[str]] = frozenset({"tls", "prefix"})
    lacks: ClassVar[Mapping[str, str]] = {"sync": NO_MIRROR}
    freshness: ClassVar[float] = FRESHNESS
    settling: ClassVar[float] = SETTLING
    path: ClassVar[str] = ""
    troubles: ClassVar[tuple[str, ...]] = ()
    """What its log has where something broke that nobody expected. A peer that logs a traceback for every upstream that fails has no word of that kind."""

    @classmethod
    def make(cls, folder: Path, upstream: str, wanted: Wanted) -> Self:
        """As `Make`."""
        return cls(folder, wanted.upstream or upstream, wanted)

    @property
    def state(self) -> Path:
        """As `Subject`."""
        return self.wanted.state or self.folder / "state"

    @property
    def pid(self) -> int:
        """As `Subject`."""
        assert self.process is not None
        return self.process.pid

    @property
    def url(self) -> str:
        """As `Subject`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def simple(self) -> str:
        """As `Subject`."""
        return f"{self.url}{self.path}"

    def start(self) -> None:
        """As `Subject`."""
        is_new = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            self.configure()
            self.initialise()
        with (self.folder / "log").open("ab") as log:
            command = [*self.wanted.prefix, *self.command()]
            self.process = subprocess.Popen(command, env=self._environment(), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        if not self._answers(self.process):
            raise AssertionError(f"{self.name} is not ready:\n{(self.folder / 'log').read_text()[-1000:]}")
        if is_new:
            self.introduce()

    def stop(self) -> None:
        """As `Subject`."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            members = family(process.pid)
            try:
                process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                slay(members[1:])
                raise AssertionError(f"{self.name} did not stop within {STOPPING:.0f} s") from None

    def kill(self) -> None:
        """As `Subject`."""
        process, self.process = self.process, None
        assert process is not None
        members = family(process.pid)
        process.kill()
        process.wait()
        slay(members[1:])

    def complaints(self) -> list[str]:
        """As `Subject`."""
        lines = (self.folder / "log").read_text("utf-8", "replace").splitlines()
        return [line[:300] for line in lines if any(trouble in line for trouble in self.troubles)]

    def poster(self) -> Poster:
        """As `Subject`."""
        raise NotImplementedError

    def uploaded(self) -> str:
        """As `Subject`."""
        raise NotImplementedError

    def sync(self) -> dict[str, object]:
        """As `Subject`."""
        raise NotImplementedError

    def mirrored(self) -> str:
        """As `Subject`."""
        raise NotImplementedError

    def alerted(self, filename: str) -> bool:
        """As `Subject`."""
        raise NotImplementedError

    def verify(self) -> list[str]:
        """As `Subject`."""
        raise NotImplementedError

    def repair(self) -> dict[str, Any]:
        """As `Subject`."""
        raise NotImplementedError

    def stray(self, data: bytes) -> Path:
        """As `Subject`."""
        raise NotImplementedError

    def half(self, data: bytes) -> Path:
        """As `Subject`."""
        raise NotImplementedError

    def second(self) -> int | None:
        """As `Subject`; it would come to listen on another port."""
        port, self.port = self.port, free_port()
        try:
            self.configure()
            with (self.folder / "second.log").open("ab") as log:
                command = [*self.wanted.prefix, *self.command()]
                other = subprocess.Popen(command, env=self._environment(), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
            # Whoever serves runs as well; to find out that the state is taken may be the last thing that one does before.
            self._answers(other)
            ended = other.poll()
            slay(family(other.pid))
            other.wait()
            return ended
        finally:
            self.port = port
            self.configure()

    def metric(self, name: str, label: str = "") -> float:
        """As `Subject`."""
        raise NotImplementedError

    def initialise(self) -> None:
        """What is done once, before the first start."""

    def configure(self) -> None:
        """Write down its port and whatever else it reads at each start."""

    def introduce(self) -> None:
        """What is done once, after the first start."""

    def command(self) -> Sequence[str]:
        """The command line."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Settings in the environment."""
        return {}

    def program(self, name: str) -> str:
        """One of its programs; it is installed the first time."""
        return str(installed(self.name) / name)

    def run(self, *words: str) -> None:
        """Run a program of its to its end."""
        subprocess.run(words, env=self._environment(), cwd=self.folder, check=True, capture_output=True, timeout=120)

    def ask(self, method: str, path: str, body: object = None, login: str = "") -> tuple[int, Any]:
        """One request of its own interface: the status, and what the answer says in JSON, None where it is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        fields = {"Accept": "application/json", "Content-Type": "application/json"} | ({"X-Devpi-Auth": login} if login else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), fields)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if "json" in (answer.getheader("content-type") or "") else None
        finally:
            connection.close()

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until that process, which is to listen on this port, answers; whether it does."""
        until = time.monotonic() + STARTING
        while time.monotonic() < until and process.poll() is None:
            try:
                if self.ask("GET", "/")[0] < 500:
                    return True
            except (OSError, HTTPException):
                # Nobody listens yet.
                pass
            time.sleep(PAUSE)
        return False

    def _environment(self) -> dict[str, str]:
        trusted = {} if self.wanted.ca_file is None else dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(self.wanted.ca_file))
        # What uv installed is compiled at the first start, and has to be kept to be quick at the next.
        return {**bare_environment(self.folder / "home"), "PYTHONDONTWRITEBYTECODE": "", **trusted, **self.environment()}


class Devpi(Peer):
    """
    devpi-server: a mirror index, and an index of ann's for uploads.

    Its mirror does without the list of all projects, as its documentation allows. With the list, whoever asks at the moment at which devpi learns by 304
    that it has not changed is told that a project never seen has no files; a list that is fresh for a second would have that happen all the time.
    """

    name = "devpi"
    abilities = Peer.abilities | {"uploads", "json"}
    lacks = Peer.lacks | {"verify": "its devpi-fsck finds what is missing or altered, and nothing of its own repairs that"}
    path = "/root/pypi/+simple/"

    def initialise(self) -> None:
        """As `Peer`."""
        self.run(self.program("devpi-init"), "--serverdir", str(self.state), "--root-passwd", PASSWORD, "--no-root-pypi")

    def command(self) -> Sequence[str]:
        """As `Peer`."""
        return [self.program("devpi-server"), "--serverdir", str(self.state), "--host", "127.0.0.1", "--port", str(self.port)]

    def introduce(self) -> None:
        """As `Peer`."""
        root = self._login("root")
        mirror = {
            "type": "mirror",
            "mirror_url": self.upstream,
            "mirror_cache_expiry": FRESHNESS,
            "mirror_no_project_list": True,
            "volatile": False,
        }
        for path, body, login in (
            ("/root/pypi", mirror, root),
            ("/ann", {"password": PASSWORD}, root),
            ("/ann/dev", {"bases": [], "type": "stage"}, ""),
        ):
            status, said = self.ask("PUT", path, body, login or self._login("ann"))
            assert status in (200, 201), f"devpi: {path}: {status} {said}"

    def poster(self) -> Poster:
        """As `Subject`."""
        return Poster(self.port, PASSWORD, "/ann/dev/", "ann")

    def uploaded(self) -> str:
        """As `Subject`."""
        return f"{self.url}/ann/dev/+simple/"

    def _login(self, user: str) -> str:
        _, said = self.ask("POST", "/+login", {"user": user, "password": PASSWORD})
        return base64.b64encode(f"{user}:{said['result']['password']}".encode()).decode()


class Proxpi(Peer):
    """proxpi: a caching proxy, with its files on the disk. It takes no uploads. It waits for upstream without end unless it is told for how long."""

    name = "proxpi"
    abilities = Peer.abilities | {"json"}
    lacks = Peer.lacks | {"uploads": "it takes no uploads", "verify": "it has nothing that looks for damage"}
    path = "/index/"

    def command(self) -> Sequence[str]:
        """As `Peer`."""
        return [self.program("gunicorn"), "--threads", "8", "--bind", f"127.0.0.1:{self.port}", "proxpi.server:app"]

    def environment(self) -> Mapping[str, str]:
        """As `Peer`."""
        return {
            "PROXPI_INDEX_URL": self.upstream,
            "PROXPI_CACHE_DIR": str(self.state),
            "PROXPI_INDEX_TTL": str(FRESHNESS),
            "PROXPI_CONNECT_TIMEOUT": "3.1",
            "PROXPI_READ_TIMEOUT": "5",
        }


class Peryx(Peer):
    """peryx: a cached index, and a hosted one for uploads. It gives out pages of any age while upstream is down, which by itself it does for five minutes."""

    name = "peryx"
    abilities = Peer.abilities | {"uploads", "json", "metadata"}
    lacks = Peer.lacks | {"verify": "its cache fsck finds what is altered, and its cache repair leaves that as it is"}
    path = "/pypi/simple/"

    def configure(self) -> None:
        """As `Peer`."""
        (self.folder / "peryx.toml").write_text(
            f"host = '127.0.0.1'\nport = {self.port}\ndata_dir = '{self.state}'\ncache_ttl_secs = {FRESHNESS}\nmax_stale_secs = 0\n"
            f"[[index]]\necosystem = 'pypi'\nname = 'pypi'\n[[index.upstream]]\nname = 'primary'\nurl = '{self.upstream}'\n"
            f"[[index]]\necosystem = 'pypi'\nname = 'hosted'\nhosted = true\n"
            f"[[index.access_token]]\nname = 'upload'\nsecret = '{PASSWORD}'\nactions = ['read', 'write', 'delete']\n"
        )

    def command(self) -> Sequence[str]:
        """As `Peer`."""
        return [self.program("peryx"), "serve", "--config", str(self.folder / "peryx.toml")]

    def poster(self) -> Poster:
        """As `Subject`."""
        return Poster(self.port, PASSWORD, "/hosted/")

    def uploaded(self) -> str:
        """As `Subject`."""
        return f"{self.url}/hosted/simple/"


PARTS: Mapping[str, Sequence[str]] = {"devpi": ("devpi-server",), "proxpi": ("proxpi", "gunicorn"), "peryx": ("peryx",)}
"""What each of them consists of, as packages are called."""


def installed(name: str) -> Path:
    """The folder with the programs of a peer, which is installed the first time."""
    folder = str(Path(__file__).parents[2])
    if folder not in sys.path:
        # The scripts beside this package find each other so.
        sys.path.append(folder)
    from benchmarks import processes

    return processes.installed(name)


def release(name: str) -> str:
    """What a peer consists of, with versions."""
    found = {
        distribution.metadata["Name"]: distribution.version
        for distribution in distributions(path=[str(place) for place in installed(name).parent.glob("lib/python*/site-packages")])
    }
    return ", ".join(f"{part} {found[part]}" for part in PARTS[name])
