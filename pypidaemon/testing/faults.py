"""What a scriptable index can do wrong: the faults that real upstreams, caches, portals and networks have been seen to have."""

from __future__ import annotations

import gzip
import json

import attrs

CHUNK = 1 << 20


@attrs.frozen
class Fault:
    """
    A way to answer wrongly. Faults of one object are combined; those that are not given leave the answer as it is.

    `status`, `headers`, `body`, `content_type` replace what would have been said (headers are set, or taken off where the value is
    ""); `redirect` answers 302 with that Location. `flip` turns one bit of the byte at that offset. `gzip` compresses the body
    whether asked or not. `length` announces that many bytes, whatever comes; `no_length` announces none and closes at the end;
    `cut_chunked` sends chunks without the last one. `truncate` sends that many bytes of the body and closes; `extra` sends those
    bytes after the end. `reset` sends that many bytes of the body and resets the connection; `drop` closes without a word.
    `stall` never answers; `stall_after` sends the head and that many bytes, then nothing. `delay` waits that many seconds first;
    `drip` sends that many bytes a second; `endless` sends the body again and again for as long as somebody takes it. `header_flood` adds that many header fields. `ignore_range` answers a range with
    everything, `bad_range` with the wrong part, `unasked_range` answers a plain request with a part.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str | None = None
    redirect: str | None = None
    flip: int | None = None
    gzip: bool = False
    length: int | None = None
    no_length: bool = False
    cut_chunked: bool = False
    truncate: int | None = None
    extra: bytes = b""
    reset: int | None = None
    drop: bool = False
    stall: bool = False
    stall_after: int | None = None
    delay: float = 0.0
    drip: int | None = None
    endless: bool = False
    header_flood: int = 0
    ignore_range: bool = False
    bad_range: bool = False
    unasked_range: bool = False

    @property
    def is_raw(self) -> bool:
        """Whether it needs an answer that no HTTP server would write."""
        given = (self.length, self.truncate, self.reset, self.stall_after, self.drip)
        return any(value is not None for value in given) or bool(self.no_length or self.cut_chunked or self.extra or self.endless)


def portal() -> Fault:
    """A captive portal: the same login page for everything (F7)."""
    body = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><form action='/login'><input name='room'></form></body></html>"
    return Fault(status=200, body=body, content_type="text/html", headers=(("ETag", ""),))


def empty_page(name: str) -> Fault:
    """A good page without files, for a project that has some (F5)."""
    return Fault(body=json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": []}).encode())


def wrong_project(name: str) -> Fault:
    """The page of another project (S32)."""
    return empty_page(name)


def gzip_bomb(size: int) -> Fault:
    """A page that decodes to `size` bytes of nothing (S53)."""
    blank = gzip.compress(b" " * CHUNK, mtime=0)
    # Members may follow each other (RFC 1952 §2.2), but clients stop after the first; so it is one long member where it is small.
    body = gzip.compress(b" " * size, mtime=0) if size <= 256 * CHUNK else blank * (size // CHUNK)
    return Fault(body=body, headers=(("Content-Encoding", "gzip"), ("ETag", "")))


def repeated(text: str, times: int) -> Fault:
    """An HTML page that says the same again and again (S54)."""
    body = f"<!DOCTYPE html><html><body>{text * times}</body></html>".encode()
    return Fault(body=body, content_type="text/html", headers=(("ETag", ""),))


def redirect_loop(path: str) -> Fault:
    """A redirect to itself (F17)."""
    return Fault(redirect=path)
