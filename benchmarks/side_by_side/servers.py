"""The servers that are compared, each started as its own documentation has it, on the first processor, with its state in a folder of its own."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import ClassVar

import attrs
import processes
from measuring import get

from benchmarks.side_by_side.pressing import Unable

PASSWORD = "benchmark"
LASTING = 3600
"""Seconds that a page of the upstream is fresh for everybody."""


def apart(command: Sequence[str]) -> list[str]:
    """A command that runs on the first processor."""
    return ["taskset", "-c", str(min(PROCESSORS)), *command]


PROCESSORS = os.sched_getaffinity(0)
"""Those of this machine. The servers have the first, everything else the last."""


@attrs.define(eq=False)
class Server:
    """One server on one folder; it may be started again on what it has."""

    folder: Path
    upstream: str
    """The URL of the upstream's simple index."""
    running: processes.Running | None = attrs.field(default=None, init=False)
    port: int = attrs.field(factory=processes.free_port, init=False)
    _is_new: bool = attrs.field(default=True, init=False)
    name: ClassVar[str] = ""
    simple: ClassVar[str] = "/simple/"
    uploads: ClassVar[str] = ""
    """Where files are posted to; empty where it takes none."""
    uploaded: ClassVar[str] = ""
    """The simple index that has them."""
    lacks: ClassVar[Mapping[str, str]] = {}
    """Why it has no part in a figure."""

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process from which all its others descend."""
        assert self.running is not None
        return self.running.pid

    def page(self, project: str) -> str:
        """The path of a project's page."""
        return f"{self.simple}{project}/"

    def start(self, first: str = "/") -> float:
        """Start it, and answer after how many seconds it answered this path with something else than a failure."""
        if self._is_new:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.prepare()
        log = self.folder / "log"
        running = processes.start(apart(self.command()), self.folder, log.name, self.environment())
        running.url = self.url
        good = (lambda answer: answer.status < 500) if first == "/" else (lambda answer: answer.status == 200)
        self.running = processes.await_answer(running, first, good, 180, log)
        if self._is_new:
            self._is_new = False
            self.introduce()
        return running.started

    def stop(self) -> None:
        """End it and all its processes."""
        running, self.running = self.running, None
        if running is not None:
            running.__exit__()

    def login(self) -> dict[str, str]:
        """The fields that an upload is sent with."""
        return {}

    def prepare(self) -> None:
        """What is done once, before the first start."""

    def introduce(self) -> None:
        """What is done once, after the first start."""

    def shelve(self, files: Mapping[str, bytes]) -> bool:
        """Put these files into its store before it is started, faster than by uploads; answer whether there is such a way."""
        return False

    def command(self) -> list[str]:
        """The command line."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Settings in the environment."""
        return {}

    def program(self, name: str) -> str:
        """One of its programs, which are installed the first time."""
        return str(processes.installed(self.name) / name)


class Devpi(Server):
    """devpi-server without its web pages: a mirror index, and one for uploads."""

    name = "devpi"
    simple, uploads, uploaded = "/root/pypi/+simple/", "/ann/dev/", "/ann/dev/+simple/"

    def prepare(self) -> None:
        """As `Server`."""
        words = [self.program("devpi-init"), "--serverdir", str(self.folder / "server"), "--root-passwd", PASSWORD, "--no-root-pypi"]
        subprocess.run(words, check=True, capture_output=True, timeout=120)

    def command(self) -> list[str]:
        """As `Server`."""
        return [self.program("devpi-server"), "--serverdir", str(self.folder / "server"), "--host", "127.0.0.1", "--port", str(self.port)]

    def introduce(self) -> None:
        """As `Server`."""
        mirror: dict[str, object] = {"type": "mirror", "mirror_url": self.upstream, "mirror_cache_expiry": LASTING, "volatile": False}
        self._order("PUT", "/root/pypi", mirror, self._token("root"))
        self._order("PUT", "/ann", {"password": PASSWORD}, self._token("root"))
        self._order("PUT", "/ann/dev", {"bases": [], "type": "stage"}, self._token("ann"))

    def login(self) -> dict[str, str]:
        """As `Server`."""
        return {"X-Devpi-Auth": self._token("ann")}

    def _token(self, user: str) -> str:
        said = self._order("POST", "/+login", {"user": user, "password": PASSWORD}, "")
        return base64.b64encode(f"{user}:{said['password']}".encode()).decode()

    def _order(self, method: str, path: str, body: Mapping[str, object], token: str) -> dict[str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        fields = {"Content-Type": "application/json", "Accept": "application/json"} | ({"X-Devpi-Auth": token} if token else {})
        connection.request(method, path, json.dumps(body), fields)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        if answer.status not in (200, 201):
            raise Unable(f"{method} {path}: {answer.status} {said}")
        result: dict[str, str] = said.get("result", {})
        return result


class Proxpi(Server):
    """proxpi, a caching proxy, with its files on the disk."""

    name = "proxpi"
    simple = "/index/"
    lacks: ClassVar[Mapping[str, str]] = dict.fromkeys(("uploads", "mixed"), "it takes no uploads") | {
        "start": "it keeps nothing but files"
    }

    def command(self) -> list[str]:
        """As `Server`."""
        return [self.program("gunicorn"), "--threads", "2", "--bind", f"127.0.0.1:{self.port}", "proxpi.server:app"]

    def environment(self) -> dict[str, str]:
        """As `Server`."""
        return {
            "PROXPI_INDEX_URL": self.upstream,
            "PROXPI_CACHE_DIR": str(self.folder / "cache"),
            "PROXPI_INDEX_TTL": str(LASTING),
            "PROXPI_LOGGING_LEVEL": "WARNING",
        }


class Peryx(Server):
    """peryx: a cached index, and a hosted one for uploads."""

    name = "peryx"
    simple, uploads, uploaded = "/pypi/simple/", "/hosted/", "/hosted/simple/"

    def prepare(self) -> None:
        """As `Server`."""
        (self.folder / "peryx.toml").write_text(
            f"host = '127.0.0.1'\nport = {self.port}\ndata_dir = '{self.folder / 'data'}'\ncache_ttl_secs = {LASTING}\n"
            f"[[index]]\necosystem = 'pypi'\nname = 'pypi'\n[[index.upstream]]\nname = 'primary'\nurl = '{self.upstream}'\n"
            f"[[index]]\necosystem = 'pypi'\nname = 'hosted'\nhosted = true\n"
            f"[[index.access_token]]\nname = 'upload'\nsecret = '{PASSWORD}'\nactions = ['read', 'write', 'delete']\n"
        )

    def command(self) -> list[str]:
        """As `Server`."""
        return [self.program("peryx"), "serve", "--config", str(self.folder / "peryx.toml")]

    def login(self) -> dict[str, str]:
        """As `Server`."""
        return {"Authorization": "Basic " + base64.b64encode(f"__token__:{PASSWORD}".encode()).decode()}


class Pypiserver(Server):
    """pypiserver under gunicorn, as its documentation advises: what lies in a folder, watched, and uploads into it by anybody."""

    name = "pypiserver"
    uploads, uploaded = "/", "/simple/"
    lacks: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("cold", "stampede", "mixed"), "it has no cache: what it has not got it sends elsewhere by a redirect"
    ) | {"list": "it has no upstream, so no list of 700,000", "first-page": "it has no upstream"}

    @property
    def place(self) -> Path:
        """Where its files are."""
        return self.folder / "packages"

    def prepare(self) -> None:
        """As `Server`."""
        self.place.mkdir(exist_ok=True)

    def shelve(self, files: Mapping[str, bytes]) -> bool:
        """As `Server`."""
        self.place.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (self.place / name).write_bytes(data)
        return True

    def command(self) -> list[str]:
        """As `Server`."""
        app = f"pypiserver:app(roots=[{str(self.place)!r}], disable_fallback=True, overwrite=True, authenticate=[], password_file='.')"
        return [self.program("gunicorn"), "-k", "gthread", "-w", "1", "--threads", "4", "--bind", f"127.0.0.1:{self.port}", app]


def release(name: str) -> str:
    """What a peer consists of, with versions; it is installed the first time."""
    if name == "nginx":
        said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
        return said.strip().removeprefix("nginx version: ").replace("/", " ")
    places = [str(place) for place in processes.installed(name).parent.glob("lib/python*/site-packages")]
    found = {one.metadata["Name"].lower(): one.version for one in distributions(path=places)}
    parts = {"devpi": ["devpi-server"], "proxpi": ["proxpi", "gunicorn"], "pypiserver": ["pypiserver", "gunicorn"]}.get(
        name, [name.partition("-")[0]]
    )
    return ", ".join(f"{part} {found[part]}" for part in parts)


def first_file(server: Server, project: str) -> str:
    """
    The path of the file that a project's page lists first.

    :raises Unable: it lists none.
    """
    from measuring import first_link

    with suppress(ValueError):
        link = first_link(server.url + server.page(project))
        if link.startswith(server.url):
            return link.removeprefix(server.url)
    raise Unable(f"its page of {project} lists no file of its own: {get(server.url + server.page(project)).status}")
