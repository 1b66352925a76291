"""
The upstream of all servers: 500 projects, among them fifty of 50 files and five of 3,000, and large files that are made while they are sent.

`python -m benchmarks.side_by_side.source` prints one line of JSON when it listens, with its address, and ends with its standard input. `/simple/` is the
index, `/long/simple/` the same with 700,000 names in its list. `/+count` answers how often each large file was asked for and how many bytes of it were sent.

* `fifty-00` to `fifty-49`: 50 files of 50 kB each; every one of them can be had.
* `thousands-0` to `thousands-4`: 3,000 files each; only their pages are meant to be asked for.
* `cold-00` and so on: one file of 100 MB at 20 MiB a second. `passing-00` and so on: one of 60 MB at 6 MiB a second. `warm-large`: 100 MB without a limit.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import html
import json
import random
import re
import sys
import zlib
from typing import Any

import attrs
from upstream import Made, size

JSON = "application/vnd.pypi.simple.v1+json"
SMALL = 50_000
FIFTY, THOUSANDS = 50, 5
COLD, PASSING = 20, 200
PROJECTS = 500
LARGE = (*(f"cold-{number:02}" for number in range(COLD)), *(f"passing-{number:02}" for number in range(PASSING)), "warm-large")
LIMITS = {"cold": 20 << 20, "passing": 6 << 20, "warm": None}
"""Bytes a second of each connection, by the first word of the project's name."""


@attrs.frozen
class Shelf:
    """A project and how many files it has."""

    name: str
    files: int

    def filename(self, number: int) -> str:
        """What its files are called."""
        return f"{self.name.replace('-', '_')}-1.{number}-py3-none-any.whl"


def projects() -> dict[str, Shelf]:
    """All that have more than a made file."""
    found = [Shelf(f"fifty-{number:02}", 50) for number in range(FIFTY)]
    found += [Shelf(f"thousands-{number}", 3000) for number in range(THOUSANDS)]
    rest = PROJECTS - len(found) - len(LARGE)
    found += [Shelf(f"other-{number:03}", 1 + number * 7 % 40) for number in range(rest)]
    return {shelf.name: shelf for shelf in found}


def content(filename: str) -> bytes:
    """The bytes of a small file."""
    return random.Random(filename).randbytes(SMALL)


def metadata(filename: str) -> bytes:
    """What lies beside it."""
    name, version = filename.split("-")[:2]
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.8\n".encode()


def path(filename: str) -> str:
    """Where a file lies, in the shape that files of a public index have."""
    name = hashlib.blake2b(filename.encode(), digest_size=32).hexdigest()
    return f"/packages/{name[:2]}/{name[2:4]}/{name[4:]}/{filename}"


@attrs.define(eq=False)
class Source:
    """The index."""

    lengths: dict[str, int]
    """Bytes of made files, by the first word of the project's name."""
    names: int
    base: str = ""
    shelves: dict[str, Shelf] = attrs.field(factory=projects)
    made: dict[str, Made] = attrs.field(factory=dict)
    _pages: dict[tuple[str, bool], bytes] = attrs.field(factory=dict)
    _small: dict[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for shelf in self.shelves.values():
            if shelf.name.startswith("fifty-"):
                self._small |= {path(shelf.filename(number)): shelf.filename(number) for number in range(shelf.files)}

    def listed(self, is_long: bool) -> list[str]:
        """The names of the list."""
        more = (hashlib.blake2b(str(number).encode(), digest_size=6).hexdigest() for number in range(self.names)) if is_long else ()
        return sorted([*self.shelves, *LARGE, *(f"p{word}" for word in more)])

    def page(self, what: str, *, is_json: bool) -> bytes | None:
        """The list, the long list, or the page of a project; None where there is no such project."""
        key = what, is_json
        if key not in self._pages:
            body = self._list(what, is_json) if what in {"", "long"} else self._project(what, is_json)
            if body is None:
                return None
            self._pages[key] = body
        return self._pages[key]

    def file(self, target: str) -> bytes | None:
        """A small file, or its metadata; None where there is none."""
        filename = self._small.get(target.removesuffix(".metadata"))
        if filename is None:
            return None
        return metadata(filename) if target.endswith(".metadata") else content(filename)

    def large_file(self, target: str) -> Made | None:
        """A made file whose page was asked for."""
        return next((file for file in self.made.values() if file.path == target), None)

    def _list(self, what: str, is_json: bool) -> bytes:
        names = self.listed(what == "long")
        if is_json:
            entries = [{"name": name, "_last-serial": 1000 + number} for number, name in enumerate(names)]
            return json.dumps({"meta": {"api-version": "1.1", "_last-serial": 1000 + len(names)}, "projects": entries}).encode()
        links = "".join(f'<a href="/simple/{name}/">{name}</a><br>\n' for name in names)
        return f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()

    def _project(self, name: str, is_json: bool) -> bytes | None:
        entries = self._entries(name)
        if entries is None:
            return None
        if is_json:
            versions = [str(entry["filename"]).split("-")[1] for entry in entries]
            return json.dumps(
                {"meta": {"api-version": "1.1", "_last-serial": 1000}, "name": name, "versions": versions, "files": entries}
            ).encode()
        links = "".join(
            f'<a href="{entry["url"]}#sha256={entry["hashes"]["sha256"]}" data-requires-python="{html.escape(">=3.8")}">{entry["filename"]}</a><br>\n'
            for entry in entries
        )
        return f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()

    def _entries(self, name: str) -> list[dict[str, Any]] | None:
        if name in LARGE:
            kind = name.partition("-")[0]
            if name not in self.made:
                self.made[name] = Made(name.replace("-", "_"), self.lengths[kind], random.Random(name).randbytes((1 << 20) - 8))
            file = self.made[name]
            return [self._entry(file.filename, file.path, file.sha256, file.length)]
        shelf = self.shelves.get(name)
        if shelf is None:
            return None
        found = []
        for number in range(shelf.files):
            filename = shelf.filename(number)
            place = path(filename)
            # Nobody is meant to ask for the others, so their bytes need not be made.
            real, length = (content(filename), SMALL) if place in self._small else (filename.encode(), SMALL + number)
            found.append(self._entry(filename, place, hashlib.sha256(real).hexdigest(), length, has_metadata=True))
        return found

    def _entry(self, filename: str, place: str, digest: str, length: int, *, has_metadata: bool = False) -> dict[str, Any]:
        return {
            "filename": filename,
            "url": f"{self.base}{place}",
            "hashes": {"sha256": digest},
            "size": length,
            "upload-time": moment(filename),
            "requires-python": ">=3.8",
            "yanked": False,
            "core-metadata": {"sha256": hashlib.sha256(metadata(filename)).hexdigest()} if has_metadata else False,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                lines = (line.partition(":") for line in head.split("\r\n")[1:] if line)
                fields = {name.lower(): value.strip() for name, _, value in lines}
                await self._answer(writer, method, target.partition("?")[0], fields)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, method: str, target: str, fields: dict[str, str]) -> None:
        if target == "/+count":
            counts = {
                file.path: {"requests": file.requests, "sent": file.sent, "length": file.length, "sha256": file.sha256}
                for file in self.made.values()
            }
            await _say(writer, method, "200 OK", "application/json", json.dumps(counts).encode())
            return
        match = re.fullmatch(r"(/long)?/simple/(?:([a-z0-9-]+)/)?", target)
        if match is not None:
            is_json = JSON in fields.get("accept", "")
            what = match[2] or ("long" if match[1] else "")
            body = self.page(what, is_json=is_json)
            if body is not None:
                await self._page(writer, method, body, fields, is_json=is_json)
                return
        elif (file := self.large_file(target)) is not None:
            await _send(writer, method, file, fields.get("range"))
            return
        elif (small := self.file(target)) is not None:
            await _say(writer, method, "200 OK", "application/octet-stream", small)
            return
        await _say(writer, method, "404 Not Found", "text/plain", b"not found\n")

    async def _page(self, writer: asyncio.StreamWriter, method: str, body: bytes, fields: dict[str, str], *, is_json: bool) -> None:
        tag = f'"{zlib.crc32(body):08x}"'
        kind = JSON if is_json else "text/html; charset=utf-8"
        if tag in fields.get("if-none-match", ""):
            writer.write(f"HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nCache-Control: max-age=3600\r\n\r\n".encode())
            await writer.drain()
            return
        await _say(writer, method, "200 OK", kind, body, f"ETag: {tag}\r\nX-PyPI-Last-Serial: 1000\r\n")


def moment(filename: str) -> str:
    """When it was uploaded: some second of 2020 to 2023, with a fraction, so that pages compress no better than real ones."""
    number = zlib.crc32(filename.encode())
    return f"202{number % 4}-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:{number // 60 % 60:02}.{number % 1000000:06}Z"


async def _send(writer: asyncio.StreamWriter, method: str, file: Made, wanted: str | None) -> None:
    match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
    offset = int(match[1]) if match else 0
    status = f"206 Partial Content\r\nContent-Range: bytes {offset}-{file.length - 1}/{file.length}" if match else "200 OK"
    more = f'ETag: "{file.sha256[:32]}"\r\nAccept-Ranges: bytes\r\n'
    _head(writer, status, "application/octet-stream", file.length - offset, more)
    if method != "GET":
        return
    file.requests += 1
    limit = LIMITS[file.project.partition("_")[0]]
    loop = asyncio.get_running_loop()
    started, sent = loop.time(), 0
    for piece in file.pieces(offset):
        writer.write(piece)
        await writer.drain()
        sent += len(piece)
        file.sent += len(piece)
        # Held against the clock from the start, so that late wakings do not add up.
        if limit is not None and (ahead := started + sent / limit - loop.time()) > 0:
            await asyncio.sleep(ahead)


def _head(writer: asyncio.StreamWriter, status: str, kind: str, length: int, more: str = "") -> None:
    said = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: max-age=3600\r\n{more}\r\n"
    writer.write(said.encode())


async def _say(writer: asyncio.StreamWriter, method: str, status: str, kind: str, body: bytes, more: str = "") -> None:
    _head(writer, status, kind, len(body), more)
    if method == "GET":
        writer.write(body)
    await writer.drain()


async def main(arguments: list[str]) -> int:
    """Say where it listens, and serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side.source", description="The upstream of all servers.")
    parser.add_argument("--large", type=size, default=size("100MB"))
    parser.add_argument("--passing", type=size, default=size("60MB"))
    parser.add_argument("--names", type=int, default=700_000)
    options = parser.parse_args(arguments)
    source = Source({"cold": options.large, "warm": options.large, "passing": options.passing}, options.names)
    server = await asyncio.start_server(source.serve, "127.0.0.1", 0)
    source.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"base": source.base, "files": {}}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
