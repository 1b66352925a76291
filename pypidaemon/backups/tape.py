"""
A tar file of plain files alone, written and read one after the other; whatever else a tar file may hold is refused.

The reader believes nothing: no links, folders or devices, no names but those asked for, no lengths beyond what is left.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from pypidaemon.errors import PypidaemonError

BLOCK = 512
PIECE = 1 << 20
"""Bytes that are read at once."""
LONGEST = 100
"""Letters that a name has at most: more would need headers of other kinds."""


class Unreadable(PypidaemonError):
    """What was given is no backup, or one that is damaged."""


@attrs.define
class Writer:
    """Writes files behind one another. All of it blocks."""

    file: BinaryIO
    time: int
    _begun: int = attrs.field(init=False, default=0)
    _left: int = attrs.field(init=False, default=0)
    _size: int = attrs.field(init=False, default=0)

    def begin(self, name: str, size: int) -> None:
        """The next file; its bytes come by `write`, exactly so many."""
        if len(name) > LONGEST:
            raise ValueError(f"{name} is too long")
        self._begun = self.file.tell()
        self._left = self._size = size
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, self.time, 0o600
        self.file.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))

    def write(self, data: bytes) -> None:
        """More bytes of it."""
        self._left -= len(data)
        self.file.write(data)

    def finish(self) -> bool:
        """All its bytes have come; where they were not as many as promised the file is taken back, and the answer is False."""
        if self._left:
            self.undo()
            return False
        self.file.write(bytes(-self._size % BLOCK))
        return True

    def undo(self) -> None:
        """Take the file back that was begun last."""
        self.file.seek(self._begun)
        self.file.truncate()

    def add(self, name: str, data: bytes) -> None:
        """A whole file."""
        self.begin(name, len(data))
        self.write(data)
        self.finish()

    def end(self) -> None:
        """There are no more files."""
        self.file.write(bytes(2 * BLOCK))


@attrs.define
class Member:
    """A file that is being read; its bytes come once, in order."""

    name: str
    size: int
    _file: BinaryIO
    _what: str = "the backup"
    _left: int = attrs.field(init=False)
    _padding: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.size
        self._padding = -self.size % BLOCK

    def pieces(self) -> Iterator[bytes]:
        """
        Its bytes, in pieces.

        :raises Unreadable: there are fewer than promised.
        """
        while self._left:
            data = _exactly(self._file, min(PIECE, self._left), self._what)
            self._left -= len(data)
            yield data

    def whole(self, limit: int) -> bytes:
        """
        All its bytes.

        :raises Unreadable: there are more than `limit`, or fewer than promised.
        """
        if self.size > limit:
            raise Unreadable(f"{self._what} cannot be read: {self.name} is too large")
        return b"".join(self.pieces())

    def skip(self) -> None:
        """Go to the next file."""
        for _ in self.pieces():
            pass
        _exactly(self._file, self._padding, self._what)


def members(file: BinaryIO, what: str = "the backup") -> Iterator[Member]:
    """
    The files of it, in order; what was not read of one is passed over. All of it blocks.

    :param what: what it is, for messages.
    :raises Unreadable: it holds anything else, is damaged, or ends too early.
    """
    seen: set[str] = set()
    while True:
        block = _exactly(file, BLOCK, what)
        if not block.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.TarError, ValueError) as error:
            raise Unreadable(f"{what} cannot be read: it is no tar file, or damaged") from error
        if info.type != tarfile.REGTYPE or info.size < 0:
            raise Unreadable(f"{what} cannot be read: it holds something that is not a plain file")
        if info.name in seen:
            raise Unreadable(f"{what} cannot be read: it holds a file twice")
        seen.add(info.name)
        member = Member(info.name, info.size, file, what)
        yield member
        member.skip()


def _exactly(file: BinaryIO, count: int, what: str) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise Unreadable(f"{what} cannot be read: it ends too early")
    return data
