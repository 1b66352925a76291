"""
The bytes of project lists, in any form and content coding, made part by part on a thread (R82): after a change only the parts that it is about.

A part is a stretch of names, written and compressed by itself, so that its bytes can be taken over from the list before. All parts together are one gzip
member and one deflate stream, as those of a large page are (`pypidaemon.simple.pieces`); in zstd each is a frame (RFC 8878 §3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs
import zstandard
from isal import isal_zlib

from pypidaemon.errors import Damaged
from pypidaemon.listings import Entry, Visible, seen
from pypidaemon.model import ProjectList
from pypidaemon.simple.names import HTML, JSON, Layout
from pypidaemon.simple.pieces import GZIP_HEAD, gzip_end, packed, packing
from pypidaemon.simple.xml_rpc import NAMES_ARRAY, NAMES_STRUCT

PIECE = 1 << 18
"""Bytes that are made at a time, about."""
STEP = 2000
"""Names of a part when it is first made: to make one anew takes some milliseconds. One that grows to twice as many becomes two."""
_BATCH = 500
"""Names that are written and compressed at a time: about a millisecond."""
_RUN = 1 << 20
"""Bytes that are taken over at a time at most."""

LAYOUTS: Mapping[str, Layout] = {"html": HTML, "json": JSON, "xml": NAMES_ARRAY, "xml-serials": NAMES_STRUCT}
"""All forms of a list; the last two are answers of XML-RPC."""


@attrs.frozen
class Part:
    """
    A stretch of a list as it was written.

    :param start: it has the names from this one on and before the `start` of the next part; "" is the first.
    :param mark: that of the stretch; b"" equals none.
    :param count: how many names it has.
    :param is_first: whether no name stands before it, so that it does not begin with what is between two.
    :param crc: the checksum of what was written, which is `length` bytes long.
    :param size: how many bytes that has come to, whose checksum is `check`.
    """

    start: str
    mark: bytes = attrs.field(repr=False)
    count: int
    is_first: bool
    crc: int
    length: int
    size: int
    check: int


@attrs.define
class Copy:
    """Parts of the list before that stand in this one as they were: `size` bytes, which began at `offset` there."""

    offset: int
    parts: list[Part] = attrs.field(factory=list)
    size: int = 0

    def add(self, part: Part) -> None:
        """The next one too."""
        self.parts.append(part)
        self.size += part.size

    def checked(self, data: bytes) -> bytes:
        """
        The bytes that were there.

        :raises Damaged: they are not those that were written.
        """
        at, view = 0, memoryview(data)
        for part in self.parts:
            if isal_zlib.crc32(view[at : at + part.size]) != part.check:
                raise Damaged("a rendered project list is not what was written")
            at += part.size
        return data


@attrs.define
class Written:
    """What a list is made of: its parts, of which the first begins at `offset`."""

    parts: list[Part] = attrs.field(factory=list)
    offset: int = 0

    def rows(self) -> list[Any]:
        """It as values that JSON has, for `of`."""
        return [
            self.offset,
            *((one.start, one.mark.hex(), one.count, one.is_first, one.crc, one.length, one.size, one.check) for one in self.parts),
        ]

    @classmethod
    def of(cls, rows: list[Any]) -> Written:
        """What `rows` gave."""
        offset, *parts = rows
        return cls([Part(start, bytes.fromhex(mark), *others) for start, mark, *others in parts], offset)


class _Coder:
    """
    One part while it is made, some names at a time: what compresses them lets other threads run meanwhile, the reactor's above all, which would have to wait
    for the interpreter's next turn else, at each of its calls to the system.
    """

    def __init__(self, layout: Layout, coding: str, is_first: bool) -> None:
        self.count = self.crc = self.length = 0
        self.is_first = is_first
        self._layout = layout
        self._coding = coding
        self._machine: Any = None
        if coding == "gzip":
            self._machine = packing()
        elif coding == "zstd":
            self._machine = zstandard.ZstdCompressor(level=3).compressobj()
        self._coded: list[bytes] = []

    def add(self, entries: Sequence[Entry]) -> None:
        """These too."""
        between = self._layout.between
        plain = between.join(self._layout.lines(entries))
        if entries and not (self.is_first and self.count == 0):
            plain = between + plain
        self.count += len(entries)
        self.crc, self.length = isal_zlib.crc32(plain, self.crc), self.length + len(plain)
        self._coded.append(plain if self._machine is None else self._machine.compress(plain))

    def end(self) -> bytes:
        """All of it, coded."""
        if self._coding == "gzip":
            self._coded.append(self._machine.flush(isal_zlib.Z_FULL_FLUSH))
        elif self._coding == "zstd":
            self._coded.append(self._machine.flush())
        return b"".join(self._coded)


@attrs.define
class Rendering:
    """
    One list being made, in one form and coding.

    :param before: what the list before was made of, of the same form and coding and for the same readers.
    """

    listing: ProjectList
    visible: Visible
    layout: Layout
    coding: str
    before: Written = attrs.field(factory=Written)
    written: Written = attrs.field(factory=Written, init=False)
    """What it is made of, once it is made."""
    _names: int = attrs.field(default=0, init=False)

    def pieces(self) -> Iterator[bytes | Copy]:
        """The list, piece by piece, where a piece may be one of the list before. What is made takes time, and reads files."""
        head = self.layout.head(self.listing.serial)
        waiting = [GZIP_HEAD if self.coding == "gzip" else b"", self._coded(head)]
        self.written.offset = size = sum(map(len, waiting))
        for made in self._parts():
            if isinstance(made, Copy):
                if waiting:
                    yield b"".join(waiting)
                    waiting, size = [], 0
                yield made
            else:
                waiting.append(made)
                size += len(made)
                if size >= PIECE:
                    yield b"".join(waiting)
                    waiting, size = [], 0
        yield b"".join([*waiting, self._end(head, self.layout.foot(self.listing.serial))])

    def _parts(self) -> Iterator[bytes | Copy]:
        stretches, before = self.listing.stretches, self.before.parts
        if stretches is None or not before or len(before) > 8 + 2 * sum(part.count for part in before) // STEP:
            yield from self._made(seen(self.listing, self.visible), "", "")
            return
        copy = Copy(self.before.offset)
        for part, end in zip(before, [*(part.start for part in before[1:]), ""], strict=True):
            if stretches.mark(part.start, end) == part.mark and part.is_first == (self._names == 0):
                self._note(part)
                copy.add(part)
                if copy.size >= _RUN:
                    yield copy
                    copy = Copy(copy.offset + copy.size)
            else:
                if copy.parts:
                    yield copy
                copy = Copy(copy.offset + copy.size + part.size)
                yield from self._made(seen(self.listing, self.visible, part.start, end), part.start, end)
        if copy.parts:
            yield copy

    def _made(self, entries: Iterator[Entry], start: str, end: str) -> Iterator[bytes]:
        """The parts of a stretch that has these: one, or as many as it takes. Never are more entries held than of three."""
        held = list(islice(entries, 3 * STEP))
        while len(held) == 3 * STEP:
            after = held[STEP][0]
            yield self._part(held[:STEP], start, after)
            start, held = after, [*held[STEP:], *islice(entries, STEP)]
        parts = max(len(held) // STEP, 1)
        borders = [len(held) * part // parts for part in range(parts)]
        for begin, until in zip(borders, [*borders[1:], len(held)], strict=True):
            following = held[until][0] if until < len(held) else end
            yield self._part(held[begin:until], start, following)
            start = following

    def _part(self, entries: Sequence[Entry], start: str, end: str) -> bytes:
        stretches, coder = self.listing.stretches, _Coder(self.layout, self.coding, self._names == 0)
        for at in range(0, len(entries), _BATCH):
            coder.add(entries[at : at + _BATCH])
        coded = coder.end()
        # After the entries were read: their files are known to be whole by then.
        mark = b"" if stretches is None else stretches.mark(start, end)
        self._note(Part(start, mark, coder.count, coder.is_first, coder.crc, coder.length, len(coded), isal_zlib.crc32(coded)))
        return coded

    def _note(self, part: Part) -> None:
        self.written.parts.append(part)
        self._names += part.count

    def _coded(self, plain: bytes) -> bytes:
        if self.coding == "gzip":
            return packed(plain)
        if self.coding == "zstd":
            return zstandard.ZstdCompressor(level=3).compress(plain)
        return plain

    def _end(self, head: bytes, foot: bytes) -> bytes:
        if self.coding != "gzip":
            return self._coded(foot)
        sums = [(isal_zlib.crc32(head), len(head)), *((part.crc, part.length) for part in self.written.parts)]
        return gzip_end(sums, foot)
