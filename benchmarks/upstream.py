"""
An index whose files are as large as one likes: made while they are sent, never held, at a given rate for each connection.

`python benchmarks/upstream.py --files 3 --size 100MB --rate 20MB` prints one line of JSON when it listens: the URL of its simple
index and, by project, the file's URL, size and sha256. `GET /+count` answers how often each file was asked for and how many bytes
of it were sent. It ends with its standard input, so that it cannot outlive whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import sys
from collections.abc import Iterator

import attrs

BLOCK = 1 << 20
"""Bytes that are made once for each file; every block of the file is these behind its own number."""

PIECE = 64 << 10
"""Bytes that are sent at once."""

_SIZE = re.compile(r"(\d+)(B|kB|MB|GB|KiB|MiB|GiB)?\Z")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(raw: str) -> int:
    """Bytes, as `100MB` or `64KiB`."""
    match = _SIZE.match(raw)
    if match is None:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a size such as 100MB or 64KiB")
    return int(match[1]) * _UNITS[match[2] or "B"]


@attrs.define(eq=False)
class Made:
    """A file that exists only as a rule; `requests` and `sent` count what was asked and sent of it."""

    project: str
    length: int
    noise: bytes
    requests: int = 0
    sent: int = 0
    sha256: str = ""
    path: str = ""

    def __attrs_post_init__(self) -> None:
        digest = hashlib.sha256()
        for piece in self.pieces(0):
            digest.update(piece)
        self.sha256 = digest.hexdigest()
        name = hashlib.blake2b(self.sha256.encode(), digest_size=32).hexdigest()
        self.path = f"/packages/{name[:2]}/{name[2:4]}/{name[4:]}/{self.filename}"

    @property
    def filename(self) -> str:
        """What the file is called."""
        return f"{self.project}-1.0-py3-none-any.whl"

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from `offset` on."""
        while offset < self.length:
            number, within = divmod(offset, BLOCK)
            block = number.to_bytes(8, "big") + self.noise
            count = min(PIECE, BLOCK - within, self.length - offset)
            yield block[within : within + count]
            offset += count


def made(count: int, length: int, name: str) -> list[Made]:
    """So many files of one length, no two alike, the same ones each time."""
    return [Made(f"{name}{number}", length, random.Random(f"{name}{number}").randbytes(BLOCK - 8)) for number in range(count)]


@attrs.define(eq=False)
class Upstream:
    """Serves the simple API (PEP 691 JSON and PEP 503 HTML) of some made files."""

    files: dict[str, Made]
    rate: int | None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                fields = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
                }
                await self._answer(writer, method, target.partition("?")[0], fields)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, method: str, path: str, fields: dict[str, str]) -> None:
        with_body = method == "GET"
        if path == "/+count":
            counts = {file.project: {"requests": file.requests, "sent": file.sent} for file in self.files.values()}
            await _say(writer, "200 OK", "application/json", json.dumps(counts).encode(), with_body)
        elif path == "/simple/":
            listed = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in self.files]}
            await _say(writer, "200 OK", "application/vnd.pypi.simple.v1+json", json.dumps(listed).encode(), with_body)
        elif path.startswith("/simple/") and (file := self.files.get(path.split("/")[2])) is not None:
            wants_json = "vnd.pypi.simple.v1+json" in fields.get("accept", "")
            content_type, body = _page_json(file) if wants_json else _page_html(file)
            await _say(writer, "200 OK", content_type, body, with_body)
        else:
            found = next((file for file in self.files.values() if file.path == path), None)
            if found is None:
                await _say(writer, "404 Not Found", "text/plain", b"not found\n", with_body)
            else:
                await self._send(writer, found, fields.get("range"), with_body)

    async def _send(self, writer: asyncio.StreamWriter, file: Made, wanted: str | None, with_body: bool) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        offset = int(match[1]) if match else 0
        status = f"206 Partial Content\r\nContent-Range: bytes {offset}-{file.length - 1}/{file.length}" if match else "200 OK"
        _head(writer, status, "application/octet-stream", file.length - offset, f'ETag: "{file.sha256[:32]}"\r\nAccept-Ranges: bytes\r\n')
        if not with_body:
            return
        file.requests += 1
        loop = asyncio.get_running_loop()
        started, sent = loop.time(), 0
        for piece in file.pieces(offset):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            file.sent += len(piece)
            if self.rate is not None:
                # Held against the clock from the start, so that late wakings do not add up.
                ahead = started + sent / self.rate - loop.time()
                if ahead > 0:
                    await asyncio.sleep(ahead)


def _page_json(file: Made) -> tuple[str, bytes]:
    entry = {
        "filename": file.filename,
        "url": f"../..{file.path}",
        "hashes": {"sha256": file.sha256},
        "size": file.length,
        "upload-time": "2020-01-01T00:00:00.000000Z",
        "yanked": False,
    }
    page = {"meta": {"api-version": "1.1"}, "name": file.project, "versions": ["1.0"], "files": [entry]}
    return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()


def _page_html(file: Made) -> tuple[str, bytes]:
    link = f'<a href="../..{file.path}#sha256={file.sha256}">{file.filename}</a>'
    return "text/html; charset=utf-8", f"<!DOCTYPE html><html><body>\n{link}<br>\n</body></html>\n".encode()


def _head(writer: asyncio.StreamWriter, status: str, content_type: str, length: int, more: str = "") -> None:
    said = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nCache-Control: max-age=600\r\n{more}\r\n"
    writer.write(said.encode())


async def _say(writer: asyncio.StreamWriter, status: str, content_type: str, body: bytes, with_body: bool) -> None:
    _head(writer, status, content_type, len(body))
    if with_body:
        writer.write(body)
    await writer.drain()


async def main(arguments: list[str]) -> int:
    """Make the files, say where they are, and serve them until standard input ends."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/upstream.py", description="An index of large files that are made while they are sent."
    )
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--size", type=size, default=size("100MB"), help="of each file")
    parser.add_argument("--rate", type=size, default=None, help="bytes a second of each connection, as 20MB; without it as fast as it goes")
    parser.add_argument("--name", default="big", help="what the projects' names begin with")
    options = parser.parse_args(arguments)
    files = {file.project: file for file in made(options.files, options.size, options.name)}
    server = await asyncio.start_server(Upstream(files, options.rate).serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    told = {file.project: {"url": base + file.path, "size": file.length, "sha256": file.sha256} for file in files.values()}
    print(json.dumps({"base": base, "files": told}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
