"""Mirrors that are not ours: how each is told to mirror one daemon, and what it then has."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import attrs

from tests.clients.daemon import PAUSE, STOPPING, TRIES, Answer, ask, free_port
from tests.clients.installers import begin, must
from tests.clients.looking import JSON
from tests.clients.tools import TOOLS, installed
from tests.forked import Forked

BANDERSNATCHES: Mapping[str, tuple[str, str]] = {
    "bandersnatch 6, simple": ("bandersnatch-6", "api-method = simple"),
    "bandersnatch 6, xmlrpc": ("bandersnatch-6", "api-method = xmlrpc"),
    "bandersnatch 8": ("bandersnatch-8", ""),
}
"""By what is said to differ: the tool, and more of its configuration."""


def tried() -> list[str]:
    """Those for which this machine has a Python: 8 wants a newer one than we do."""
    return [name for name, (tool, _) in BANDERSNATCHES.items() if TOOLS[tool].python() is not None]


@attrs.frozen
class Bandersnatch:
    """A bandersnatch with a folder of its own, as its own example configuration has it."""

    tool: str
    url: str
    place: Path
    settings: str = ""

    def run(self, *words: str) -> str:
        """Mirror once, with these words besides; it has to succeed. Answers what it said."""
        self.place.mkdir(parents=True, exist_ok=True)
        file = self.place / "bandersnatch.conf"
        file.write_text(
            f"[mirror]\ndirectory = {self.place / 'mirror'}\nmaster = {self.url}\nallow-non-https = true\njson = true\nrelease-files = true\n"
            "hash-index = false\nworkers = 3\nverifiers = 2\ntimeout = 10\nglobal-timeout = 60\nstop-on-error = true\n"
            f"storage-backend = filesystem\ncompare-method = hash\ndigest_name = sha256\n{self.settings}\n"
        )
        return must([installed(self.tool).program("bandersnatch"), "-c", str(file), "mirror", *words], self.place)

    def status(self) -> int:
        """The serial up to which it has everything."""
        return int((self.place / "mirror" / "status").read_text())

    def files(self) -> dict[str, str]:
        """The sha256 of all files that it has, by their paths below the root."""
        web = self.place / "mirror" / "web"
        found = sorted(path for path in (web / "packages").rglob("*") if path.is_file())
        return {f"/{path.relative_to(web)}": hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@attrs.frozen
class Devpi:
    """A running devpi with one index, a mirror."""

    url: str

    def names(self) -> set[str]:
        """The projects of the mirror."""
        return {project["name"] for project in self._asked("/root/mirror/+simple/").json()["projects"]}

    def entries(self, project: str) -> list[dict[str, Any]]:
        """The files on a page of the mirror, with absolute URLs."""
        place = f"/root/mirror/+simple/{project}/"
        return [file | {"url": urljoin(self.url + place, file["url"])} for file in self._asked(place).json()["files"]]

    def hashes(self, project: str) -> dict[str, str]:
        """The sha256 of the bytes that it gives for each file, by file name."""
        found = {}
        for file in self.entries(project):
            answer = ask(self.url, "GET", file["url"].removeprefix(self.url))
            assert answer.status == 200, answer
            found[file["filename"]] = hashlib.sha256(answer.body).hexdigest()
        return found

    def _asked(self, place: str) -> Answer:
        answer = ask(self.url, "GET", place, {"Accept": JSON})
        assert answer.status == 200, answer
        return answer


@contextmanager
def devpi(place: Path, simple: str) -> Iterator[Devpi]:
    """A devpi that mirrors that simple index, as long as the block lasts."""
    with devpi_server(place) as (url, login):
        tell(url, "PUT", "/root/mirror", {"type": "mirror", "mirror_url": simple, "volatile": False}, login)
        yield Devpi(url)


@contextmanager
def devpi_server(place: Path) -> Iterator[tuple[str, str]]:
    """
    A devpi without any index, as long as the block lasts: its URL, and what the user `root` says to log in. Its data is in `devpi` there.

    It is spoken to as devpi-client does; a process for each order would only cost time. So would deriving its secret as slowly as it should.
    """
    tool, port = installed("devpi"), free_port()
    place.mkdir(parents=True, exist_ok=True)
    store = str(place / "devpi")
    must([tool.program("devpi-init"), "--serverdir", store, "--no-root-pypi", "--root-passwd", "secret"], place)
    weak = ["--argon2-memory-cost", "8", "--argon2-time-cost", "1", "--argon2-parallelism", "1"]
    command = [tool.program("devpi-server"), "--serverdir", store, "--host", "127.0.0.1", "--port", str(port), "--threads", "4", *weak]
    process = begin(command, place, place / "log")
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, place / "log")
        token = tell(url, "POST", "/+login", {"user": "root", "password": "secret"})["result"]["password"]
        yield url, "root:" + token
    finally:
        process.terminate()
        process.wait(STOPPING)


def _wait(process: subprocess.Popen[bytes] | Forked, url: str, log: Path) -> None:
    for _ in range(TRIES):
        if process.poll() is not None:
            break
        try:
            if ask(url, "GET", "/+api", {"Accept": "application/json"}).status == 200:
                return
        except OSError:
            # Nobody listens yet.
            pass
        time.sleep(PAUSE)
    raise AssertionError(f"devpi is not ready:\n{log.read_text('utf-8', 'replace')}")


def tell(url: str, method: str, target: str, order: Mapping[str, Any], login: str = "") -> dict[str, Any]:
    """Have a devpi do something; what it answers. `login` is who says so."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if login:
        headers["X-Devpi-Auth"] = base64.b64encode(login.encode()).decode()
    answer = ask(url, method, target, headers, json.dumps(order).encode())
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found
