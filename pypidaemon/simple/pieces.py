"""
A large page in pieces, each rendered and compressed by itself, so that one file more costs one piece and not the page.

All of them together are one gzip member (RFC 1952) and one deflate stream: a piece ends on a byte boundary and refers to nothing before it (RFC 1951 §2.3),
as `Z_FULL_FLUSH` of zlib has it. Members one after the other would be simpler, and not every client reads past the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any

import attrs
from isal import isal_zlib

from pypidaemon.model import File

MANY = 500
"""From how many files on a page is made in pieces; below, all of it is made anew in a millisecond or two."""

STEP = 100
"""Files of a piece when it is first made. One that grows to twice as many becomes two."""

_LEVEL = 2
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Of a gzip member without name and time."""


@attrs.frozen
class Frame:
    """
    What stands around the files of a page, and what each of some files is there.

    :param spelled: these files, as they stand on the page one after the other.
    :param between: what stands between one and the next.
    """

    head: bytes
    tail: bytes
    spelled: Callable[[Sequence[File]], bytes]
    between: bytes = b""


@attrs.frozen(eq=False)
class Piece:
    """Some files that stand next to one another, as they stand on the page; what is `between` stands before all but the first of them."""

    files: tuple[File, ...]
    is_first: bool
    length: int
    crc: int
    packed: bytes

    @property
    def weight(self) -> int:
        """Bytes that are held."""
        return 300 + len(self.packed) + 8 * len(self.files)


@attrs.frozen(eq=False)
class Pieced:
    """A page made of pieces: the gzip member, how long it is unpacked, and the checksum of that."""

    pieces: tuple[Piece, ...]
    packed: bytes
    length: int
    crc: int


def pieced(frame: Frame, files: tuple[File, ...], before: Sequence[Piece] = ()) -> Pieced:
    """
    The page of these files.

    :param before: the pieces of the page as it was before, in the same frame but for what stands around the files; those that are as they were are
        taken as they are.
    """
    pieces = tuple(_pieces(frame, files, before))
    sums = [(isal_zlib.crc32(frame.head), len(frame.head)), *((one.crc, one.length) for one in pieces)]
    crc, length = joined(*sums, (isal_zlib.crc32(frame.tail), len(frame.tail)))
    whole = b"".join((GZIP_HEAD, packed(frame.head), *(one.packed for one in pieces), gzip_end(sums, frame.tail)))
    return Pieced(pieces, whole, length, crc)


def joined(*sums: tuple[int, int]) -> tuple[int, int]:
    """Checksum and length of what has parts with these."""
    crc, length = 0, 0
    for one, long in sums:
        crc, length = isal_zlib.crc32_combine(crc, one, long), length + long
    return crc, length


def gzip_end(sums: Sequence[tuple[int, int]], tail: bytes) -> bytes:
    """
    The end of a gzip member that `packed` pieces are in: the last of them, and what tells whether all of it is what it was.

    :param sums: checksum and length of what stands before that.
    """
    crc, length = joined(*sums, (isal_zlib.crc32(tail), len(tail)))
    return packed(tail, isal_zlib.Z_FINISH) + crc.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")


def _pieces(frame: Frame, files: tuple[File, ...], before: Sequence[Piece]) -> chain[Piece]:
    start, kept = 0, 0
    for piece in before:
        if files[start : start + len(piece.files)] != piece.files or piece.is_first != (start == 0):
            break
        start, kept = start + len(piece.files), kept + 1
    end, left = len(files), len(before)
    while left > kept:
        piece = before[left - 1]
        begin = end - len(piece.files)
        if begin < start or files[begin:end] != piece.files or piece.is_first != (begin == 0):
            break
        end, left = begin, left - 1
    if 0 < end - start < STEP // 2:
        # What comes between two pieces goes to one of them, or a page that grows at its end would come to be made of pieces of one file each.
        if kept:
            kept -= 1
            start -= len(before[kept].files)
        elif left < len(before):
            end += len(before[left].files)
            left += 1
    # Parts of about the same length, so that none of them is a small one.
    parts = max((end - start) // STEP, 1)
    borders = [start + (end - start) * part // parts for part in range(parts + 1)]
    new = (_piece(frame, files[begin:until], begin == 0) for begin, until in pairwise(borders) if begin < until)
    return chain(before[:kept], new, before[left:])


def _piece(frame: Frame, files: tuple[File, ...], is_first: bool) -> Piece:
    plain = frame.spelled(files)
    if not is_first:
        plain = frame.between + plain
    return Piece(files, is_first, len(plain), isal_zlib.crc32(plain), packed(plain))


def packing() -> Any:
    """What packs one piece, given bit by bit; its `flush` ends it."""
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -15)


def packed(plain: bytes, ending: int = isal_zlib.Z_FULL_FLUSH) -> bytes:
    """A piece of a deflate stream that refers to nothing before it, and with another ending the last one."""
    machine = packing()
    made: bytes = machine.compress(plain) + machine.flush(ending)
    return made
