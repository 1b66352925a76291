"""
An index of many small wheels that mirrors can be filled from, and that counts what it is asked.

It has the list of projects with serials, pages and the legacy JSON (which bandersnatch reads), files and their metadata, and validators for lists and
pages. `python benchmarks/catalogue.py --projects 200 --each 10 --size 20kB` prints one line of JSON when it listens: its URL, and the sha256 of every
file by its path. With `--listed 700000` its list has so many projects more, of which nothing can be had. It ends with its standard input.

* `GET /+count` answers how often each sort of thing was asked for since the last time.
* `GET /+touch?COUNT` gives so many of the listed projects a new serial and one file each.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from collections import Counter

import attrs
from upstream import size

from pypidaemon.testing.archives import core_metadata, make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
FIRST = 1000
"""The serial of what was there from the beginning."""


@attrs.frozen
class Wheel:
    """One file; `path` is where it lies."""

    filename: str
    version: str
    data: bytes
    metadata: bytes
    sha256: str
    path: str


def wheel(project: str, version: str, length: int) -> Wheel:
    """A real one of about that many bytes."""
    filename, data = make_wheel(project, version, size=length)
    name = hashlib.blake2b(data, digest_size=32).hexdigest()
    path = f"/packages/{name[:2]}/{name[2:4]}/{name[4:]}/{filename}"
    return Wheel(filename, version, data, core_metadata(project, version), hashlib.sha256(data).hexdigest(), path)


@attrs.define(eq=False)
class Catalogue:
    """The index. `asked` counts requests by what they were for."""

    sidecars: bool
    projects: dict[str, list[Wheel]]
    serials: dict[str, int]
    base: str = ""
    serial: int = FIRST
    asked: Counter[str] = attrs.field(factory=Counter)
    files: dict[str, bytes] = attrs.field(factory=dict)
    _list: tuple[bytes, str] = (b"", "")

    def __attrs_post_init__(self) -> None:
        for wheels in self.projects.values():
            self._shelve(wheels)

    def touch(self, count: int) -> None:
        """Let so many of the projects that were only listed have changed, spread over all of them."""
        empty = [name for name in self.serials if name not in self.projects]
        for name in empty[:: max(1, len(empty) // count)][:count]:
            self.serial += 1
            self.serials[name] = self.serial
            self.projects[name] = [wheel(name, "1.0", 2000)]
            self._shelve(self.projects[name])
        self._list = (b"", "")

    def answer(self, path: str, query: str, fields: dict[str, str]) -> tuple[int, str, bytes, str]:
        """Status, content type, body and validator of an answer."""
        words = path.split("/")
        if path == "/+count":
            counted, self.asked = self.asked, Counter()
            return 200, "application/json", json.dumps(counted).encode(), ""
        if path == "/+touch":
            self.touch(int(query))
            return 200, "text/plain", b"", ""
        if path in ("/simple", "/simple/"):
            body, tag = self._listed()
            return self._validated("list", JSON, body, tag, fields)
        if words[1] == "simple" and words[2] in self.projects:
            body = self._page(words[2])
            return self._validated("page", JSON, body, f'"{words[2]}-{self.serials[words[2]]}"', fields)
        if words[1] == "pypi" and words[-1] == "json" and words[2] in self.projects:
            self.asked["legacy"] += 1
            return 200, "application/json", self._legacy(words[2]), ""
        if path in self.files:
            self.asked["metadata" if path.endswith(".metadata") else "file"] += 1
            return 200, "application/octet-stream", self.files[path], ""
        self.asked["missing"] += 1
        return 404, "text/plain", b"not found\n", ""

    def _shelve(self, wheels: list[Wheel]) -> None:
        for one in wheels:
            self.files[one.path] = one.data
            if self.sidecars:
                self.files[f"{one.path}.metadata"] = one.metadata

    def _validated(self, what: str, kind: str, body: bytes, tag: str, fields: dict[str, str]) -> tuple[int, str, bytes, str]:
        if tag in fields.get("if-none-match", ""):
            self.asked[f"{what} not modified"] += 1
            return 304, kind, b"", tag
        self.asked[what] += 1
        return 200, kind, body, tag

    def _listed(self) -> tuple[bytes, str]:
        if not self._list[0]:
            entries = [{"name": name, "_last-serial": serial} for name, serial in self.serials.items()]
            body = json.dumps({"meta": {"api-version": "1.4", "_last-serial": self.serial}, "projects": entries}).encode()
            self._list = body, f'"{self.serial}"'
        return self._list

    def _page(self, name: str) -> bytes:
        entries = []
        for one in self.projects[name]:
            entry: dict[str, object] = {
                "filename": one.filename,
                "url": f"{self.base}{one.path}",
                "hashes": {"sha256": one.sha256},
                "size": len(one.data),
                "upload-time": "2020-01-01T00:00:00.000000Z",
                "requires-python": ">=3.8",
                "yanked": False,
                "core-metadata": {"sha256": hashlib.sha256(one.metadata).hexdigest()} if self.sidecars else False,
            }
            entry["data-dist-info-metadata"] = entry["dist-info-metadata"] = entry["core-metadata"]
            entries.append(entry)
        meta = {"api-version": "1.4", "_last-serial": self.serials[name]}
        return json.dumps({"meta": meta, "name": name, "versions": [one.version for one in self.projects[name]], "files": entries}).encode()

    def _legacy(self, name: str) -> bytes:
        releases = {
            one.version: [
                {
                    "filename": one.filename,
                    "url": f"{self.base}{one.path}",
                    "digests": {"sha256": one.sha256, "md5": hashlib.md5(one.data, usedforsecurity=False).hexdigest()},
                    "size": len(one.data),
                    "upload_time": "2020-01-01T00:00:00",
                    "upload_time_iso_8601": "2020-01-01T00:00:00.000000Z",
                    "packagetype": "bdist_wheel",
                    "python_version": "py3",
                    "requires_python": ">=3.8",
                    "yanked": False,
                    "yanked_reason": None,
                    "core-metadata": {"sha256": hashlib.sha256(one.metadata).hexdigest()} if self.sidecars else False,
                }
            ]
            for one in self.projects[name]
        }
        newest = self.projects[name][-1].version
        info = {"name": name, "version": newest, "requires_python": ">=3.8", "classifiers": []}
        return json.dumps({"info": info, "last_serial": self.serials[name], "releases": releases, "urls": releases[newest]}).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                _, target, _ = first.split(" ", 2)
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
                path, _, query = target.partition("?")
                status, kind, body, tag = self.answer(path, query, fields)
                said = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nCache-Control: max-age=600\r\n"
                said += f"X-PyPI-Last-Serial: {self._serial(path)}\r\n" + (f"ETag: {tag}\r\n" if tag else "")
                said += f"Content-Length: {len(body)}\r\n" if status != 304 else ""
                writer.write(f"{said}\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _serial(self, path: str) -> int:
        words = path.split("/")
        return self.serials.get(words[2], self.serial) if len(words) > 2 else self.serial


def invented(number: int) -> str:
    """The name of a project that is only listed; there is as little to compress in it as in real ones."""
    return f"made-up-{hashlib.blake2b(b'%d' % number, digest_size=6).hexdigest()}"


def catalogue(projects: int, each: int, length: int, listed: int, *, sidecars: bool) -> Catalogue:
    """So many projects with so many releases each, and so many of which there is a name alone."""
    stock = {f"seed-{number:05}": [wheel(f"seed-{number:05}", f"1.{minor}", length) for minor in range(each)] for number in range(projects)}
    names = [*stock, *map(invented, range(listed))]
    return Catalogue(sidecars, stock, dict.fromkeys(sorted(names), FIRST))


async def main(arguments: list[str]) -> int:
    """Make the files, say where they are, and serve them until standard input ends."""
    parser = argparse.ArgumentParser(prog="benchmarks/catalogue.py", description="An index of many small wheels.")
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--each", type=int, default=10, help="releases of each")
    parser.add_argument("--size", type=size, default=size("20kB"), help="of each file")
    parser.add_argument("--listed", type=int, default=0, help="projects besides, of which there is a name alone")
    parser.add_argument("--no-metadata", action="store_true", help="have no metadata beside the wheels")
    options = parser.parse_args(arguments)
    made = catalogue(options.projects, options.each, options.size, options.listed, sidecars=not options.no_metadata)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    told = {one.path: one.sha256 for wheels in made.projects.values() for one in wheels}
    print(json.dumps({"base": made.base, "files": told}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
