"""Compressed bytes made whole again, no more of them than an honest archive has (S15, S16)."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from typing import Any, BinaryIO

import attrs
from isal import igzip_lib

from pypidaemon.archives.sidecars import BadArchive

LARGE = 64 * 2**20
"""Bytes that anything may expand to (R131)."""

RATIO = 50
"""How many times its size an archive may expand to, where that is more than `LARGE` (R131)."""

MOST_STREAMS = 1000
"""How many compressed streams one file may be strung together from."""

_PIECE = 256 * 1024
_XZ_MEMORY = 192 * 2**20
_WRONG: tuple[type[Exception], ...] = (igzip_lib.error, lzma.LZMAError, OSError, EOFError, ValueError)  # type: ignore[assignment]  # isal's stubs give an instance


def inflater() -> Any:
    """A decompressor of raw deflate, as zip members are compressed with."""
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE, hist_bits=15)


def _gunzip() -> Any:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP, hist_bits=15)


def _unxz() -> Any:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


CODECS: dict[str, tuple[Callable[[], Any], bytes]] = {
    ".tar.gz": (_gunzip, b"\x1f\x8b\x08"),
    ".tgz": (_gunzip, b"\x1f\x8b\x08"),
    ".tar.bz2": (bz2.BZ2Decompressor, b"BZh"),
    ".tar.xz": (_unxz, b"\xfd7zXZ\0"),
}
"""How compressed tar archives begin, and what reads them, by extension."""


def decompressed(machine: Any, data: bytes, limit: int) -> bytes:
    """
    The next bytes out of a decompressor, at most `limit`.

    :raises BadArchive: the compressed data is damaged.
    """
    try:
        piece: bytes = machine.decompress(data, limit)
    except _WRONG as error:
        raise BadArchive("the compressed data is damaged") from error
    return piece


@attrs.define(eq=False)
class Expanded:
    """
    What a compressed file expands to, to be read once from front to back, a piece at a time.

    :param source: the compressed file, at its beginning.
    :param kind: its extension, one of `CODECS`.
    :param size: bytes of the compressed file.
    """

    source: BinaryIO
    kind: str
    size: int
    total: int = attrs.field(init=False, default=0)
    _machine: Any = attrs.field(init=False, default=None)
    _streams: int = attrs.field(init=False, default=0)
    _raw: bytes = attrs.field(init=False, default=b"")
    _ready: bytes = attrs.field(init=False, default=b"")
    _place: int = attrs.field(init=False, default=0)

    def read(self, count: int) -> bytes:
        """
        The next `count` bytes, fewer only at the end.

        :raises BadArchive: the data is damaged, cut short, or more than its size allows.
        :raises OSError: the file cannot be read.
        """
        end = self._place + count
        if end <= len(self._ready):
            piece, self._place = self._ready[self._place : end], end
            return piece
        pieces = [self._ready[self._place :]]
        missing = count - len(pieces[0])
        while missing:
            self._ready = self._expand()
            if not self._ready:
                break
            pieces.append(self._ready[:missing])
            missing -= len(pieces[-1])
        self._place = len(pieces[-1]) if len(pieces) > 1 else len(self._ready)
        return b"".join(pieces)

    def skip(self, count: int) -> int:
        """Pass over `count` bytes and answer how many there were; raises as `read`."""
        left = count
        while left:
            piece = self.read(min(left, _PIECE))
            if not piece:
                break
            left -= len(piece)
        return count - left

    def _expand(self) -> bytes:
        """The next piece of any size; b"" at the end."""
        make, magic = CODECS[self.kind]
        while True:
            if self._machine is None or self._machine.eof:
                if not self._next_stream(magic):
                    return b""
                self._machine = make()
            if self._machine.needs_input and not self._raw:
                self._raw = self.source.read(_PIECE)
                if not self._raw:
                    raise BadArchive("the compressed data is cut short")
            raw, self._raw = self._raw, b""
            piece = decompressed(self._machine, raw, _PIECE)
            if piece:
                self._count(len(piece))
                return piece

    def _next_stream(self, magic: bytes) -> bool:
        """Whether another compressed stream follows; anything else that follows is refused."""
        raw = self._machine.unused_data if self._machine is not None else b""
        while len(raw) < len(magic) and (more := self.source.read(_PIECE)):
            raw = (raw + more).lstrip(b"\0") if self._streams else raw + more
        if self._streams:
            raw = raw.lstrip(b"\0")
        if not raw and self._streams:
            return False
        if not raw.startswith(magic):
            raise BadArchive("data after the end of the compressed data" if self._streams else f"not a {self.kind} archive")
        self._streams += 1
        if self._streams > MOST_STREAMS:
            raise BadArchive(f"more than {MOST_STREAMS} compressed streams one after the other")
        self._raw = raw
        return True

    def _count(self, count: int) -> None:
        self.total += count
        if self.total > LARGE and self.total > RATIO * self.size:
            raise BadArchive(f"expands to more than {RATIO} times its size")
