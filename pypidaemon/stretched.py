"""
A kept project list read in stretches, and amended in a few places: where a name stands in it is found once, and what a stretch has is told by a hash of its lines.

So after a change of a few names no more is read than where they stand; and a list that upstream sent anew is hashed, which costs a tenth of reading it.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import attrs

from pypidaemon.catalogues import Opener
from pypidaemon.errors import Damaged
from pypidaemon.model import Digest, NormalizedName, Stretches
from pypidaemon.simple.names import CHUNK, read_lines

MOST = 20_000
"""Stretches of a list that are remembered, at some 400 bytes each; everybody who sees another list asks for others."""


@attrs.define(eq=False)
class Places:
    """What was found out about one kept list, which never changes; whoever reads it adds to that, on any thread."""

    digest: Digest
    marks: dict[tuple[str, str], bytes] = attrs.field(factory=dict, init=False, repr=False)
    offsets: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    """By name where the first line begins that stands not before it."""

    def nearest(self, name: str) -> tuple[str, int]:
        """The last name not behind that one of which it is known where it stands, and where; ("", 0) where none is."""
        offset = self.offsets.get(name)
        if offset is not None:
            return name, offset
        return max(((known, offset) for known, offset in tuple(self.offsets.items()) if known < name), default=("", 0))

    def note(self, start: str, end: str, mark: bytes) -> None:
        """That is the mark of that stretch."""
        if len(self.marks) >= MOST:
            self.marks.clear()
            self.offsets.clear()
        self.marks[start, end] = mark


@attrs.frozen(eq=False)
class Stretched:
    """A reading of a kept list; all of it is for threads."""

    opened: Opener
    places: Places

    @property
    def stretches(self) -> Stretches:
        """As `ProjectList.stretches`."""
        return Stretches(self.entries, self.mark)

    def entries(self, start: str, end: str) -> Iterator[tuple[NormalizedName, int]]:
        """
        As `Stretches.entries`.

        :raises Damaged: it is no kept list, or not in order.
        """
        previous = ""
        try:
            for block in self.blocks(start, end):
                for entry in read_lines(io.BytesIO(block)):
                    if entry[0] <= previous:
                        raise ValueError
                    previous = entry[0]
                    yield entry
        except ValueError:
            raise _damaged() from None

    def mark(self, start: str, end: str) -> bytes:
        """
        As `Stretches.mark`.

        :raises Damaged: as `entries`, as far as it is noticed.
        """
        known = self.places.marks.get((start, end))
        if known is None:
            seen = blake2b(digest_size=16)
            try:
                for block in self.blocks(start, end):
                    seen.update(block)
            except ValueError:
                raise _damaged() from None
            known = seen.digest()
            self.places.note(start, end, known)
        return known

    def blocks(self, start: str, end: str) -> Iterator[bytes]:
        """Whole lines of that stretch, many at a time."""
        if end and end <= start:
            return
        with self.opened() as stream:
            heading = stream.readline()
            if not heading.startswith(b"#"):
                raise ValueError
            name, at = self.places.nearest(start)
            at = at or len(heading)
            stream.seek(at)
            begun, left = name == start, b""
            while piece := stream.read(CHUNK):
                whole, newline, left = (left + piece).rpartition(b"\n")
                block = whole + newline
                if block and not begun:
                    skipped = _place(block, start)
                    begun = skipped < len(block)
                    block, at = block[skipped:], at + skipped
                    if begun:
                        self.places.offsets[start] = at
                stop = _place(block, end) if block and end else len(block)
                if stop:
                    yield block[:stop]
                at += stop
                if stop < len(block):
                    self.places.offsets[end] = at
                    return
            if left:
                raise ValueError


Changes = Sequence[tuple[NormalizedName, int | None]]
"""What names have from now on, in the order of the names; None is that they are on the list no longer."""


def differing(opened: Opener, changes: Changes) -> tuple[list[tuple[NormalizedName, int | None]], int]:
    """
    Those of the changes that would change a kept list, and how many names it would have more than before.

    :raises Damaged: as `Stretched.entries`, as far as it is noticed.
    """
    found: list[tuple[NormalizedName, int | None]] = []
    more = 0
    for _, before, change in _met(opened, changes):
        if change is not None and before != _line(change):
            found.append(change)
            more += (change[1] is not None) - bool(before)
    return found, more


def amended(opened: Opener, changes: Changes) -> Iterator[bytes]:
    """
    A kept list with these changes, from behind its heading on, in pieces of about `CHUNK`.

    :raises Damaged: as `differing`.
    """
    for unchanged, _, change in _met(opened, changes):
        made = unchanged if change is None else unchanged + _line(change)
        if made:
            yield made


def _met(opened: Opener, changes: Changes) -> Iterator[tuple[bytes, bytes, tuple[NormalizedName, int | None] | None]]:
    """
    Each change where it belongs: the lines before it that are met first and stay, the line that it has been so far, and the change; and lines that stay.
    """
    waiting = deque(changes)
    try:
        for block in Stretched(opened, Places(Digest(""))).blocks("", ""):
            at, last = 0, _name(block[block.rfind(b"\n", 0, len(block) - 1) + 1 :])
            while waiting and (name := waiting[0][0].encode("ascii")) <= last:
                place = at + _place(block[at:], waiting[0][0])
                end = block.index(b"\n", place) + 1
                line = block[place:end] if _name(block[place:end]) == name else b""
                yield block[at:place], line, waiting.popleft()
                at = place + len(line)
            yield block[at:], b"", None
    except ValueError:
        raise _damaged() from None
    for change in waiting:
        yield b"", b"", change


def _line(change: tuple[NormalizedName, int | None]) -> bytes:
    name, serial = change
    return b"" if serial is None else b"%b\t%d\n" % (name.encode(), serial)


def _damaged() -> Damaged:
    return Damaged("a kept project list cannot be read")


def _name(line: bytes) -> bytes:
    return line[: line.index(b"\t")]


def _place(block: bytes, name: str) -> int:
    """Where in these lines the first one begins whose name stands not before that one; their end where none does."""
    wanted = name.encode("ascii")
    last = block.rfind(b"\n", 0, len(block) - 1) + 1
    if _name(block[last:]) < wanted:
        return len(block)
    lines = block.split(b"\n")
    before = bisect_left(lines, wanted, hi=len(lines) - 1, key=_name)
    return sum(len(line) + 1 for line in lines[:before])
