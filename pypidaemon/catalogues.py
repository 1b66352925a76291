"""
Project lists as bytes: how they are kept, opened, read and sorted. The reading and sorting runs on threads, in bounded memory (R82, S53).

As it is kept, a list is one line `#label` and then lines of `name<TAB>serial`. The first line makes the equal lists of two indexes two blobs,
so that either can be removed without a thought for the other.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from gzip import BadGzipFile
from pathlib import Path
from typing import Any, BinaryIO

import attrs
from isal import igzip, isal_zlib

from pypidaemon.blobs.descriptors import OpenFile
from pypidaemon.errors import Damaged, NoSuchBlob
from pypidaemon.interfaces import IBlobStore, IContent, IInFile, IOnDisk
from pypidaemon.model import Digest, InThread, NormalizedName
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.names import read_lines, read_names, write_lines

LARGEST = 512 << 20
"""Bytes of a project list, as sent and as decoded: more than ten times those of the public index (S53)."""
MOST = 4_000_000
"""Names of a list at most: more than five times as many as the public index has."""
ROOM = 128 << 20
"""Bytes of all names of a list at most, since they are sorted in memory."""
RATIO = 100
"""The highest compression that is believed beyond `UNSUSPICIOUS` bytes; that of a real list is about 8."""
UNSUSPICIOUS = 16 << 20

Opener = Callable[[], BinaryIO]
"""Starts a reading from the beginning; several may go on at once."""


def heading(label: str) -> bytes:
    """The first line of a kept list of that index."""
    return b"#%b\n" % label.encode()


@attrs.frozen
class Catalogues:
    """
    The kept lists of one index.

    :param lists: holds the lists of all indexes and nothing else, so that no list can take the place of a file, or a file's away.
    """

    label: str
    lists: IBlobStore
    disk: InThread

    async def keep(self, pieces: AsyncGenerator[bytes]) -> Digest:
        """
        Keep these bytes, which begin with the `heading`.

        :raises StorageFull: there is no room.
        """
        draft = await self.lists.draft()
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    await draft.write(piece)
            return await draft.commit(None)
        finally:
            # After a commit this does nothing.
            await draft.abort()
            draft.close()

    async def opened(self, digest: Digest) -> Opener | None:
        """A way to read that list from threads, None where it is not here. It stays readable when it is removed meanwhile."""
        try:
            with closing(await self.lists.open(digest)) as content:
                return await whole(content, self.disk)
        except (NoSuchBlob, FileNotFoundError):
            return None

    async def remove_others(self, kept: Digest) -> None:
        """Remove the lists of this index but the one that is kept, also those that a crash left."""
        async for digest in self.lists.digests():
            opened = await self.opened(digest) if digest != kept else None
            if opened is not None and await self.disk(is_of, opened, self.label):
                await self.lists.remove(digest)


async def whole(content: IContent, disk: InThread) -> Opener:
    """
    A way to read a blob from threads, also after it is removed from its store; the content itself may be closed.

    :raises FileNotFoundError: it was removed just now.
    """
    if IOnDisk.providedBy(content):
        return await disk(_held, content.path)
    return await _in_memory(content, content.size)


async def beginning(draft: Any, size: int) -> Opener:
    """A way to read the first `size` bytes of a draft from threads; they have been written, and it is not ended meanwhile."""
    if IInFile.providedBy(draft):
        path = Path(draft.path)
        return lambda: path.open("rb")
    return await _in_memory(draft, size)


def entries(opened: Opener) -> Iterator[tuple[NormalizedName, int]]:
    """
    The entries of a kept list.

    :raises Damaged: it is none, or not in order.
    """
    previous = ""
    with opened() as stream:
        try:
            if not stream.readline().startswith(b"#"):
                raise ValueError
            for entry in read_lines(stream):
                if entry[0] <= previous:
                    raise ValueError
                previous = entry[0]
                yield entry
        except ValueError:
            raise Damaged("a kept project list cannot be read") from None


def later(beside: Opener, serial: int) -> Iterator[tuple[NormalizedName, int]]:
    """
    The entries of another's kept list that are newer than any of an upstream's own, so that it cannot have told of them yet.

    What it lists no longer, and another one still does, has a lower serial than its list; and where either has none nothing can be told.

    :param serial: that of the upstream's list.
    :raises Damaged: as of `entries`.
    """
    return ((name, number) for name, number in entries(beside) if 0 < serial < number)


def is_of(opened: Opener, label: str) -> bool:
    """Whether that is a kept list of that index."""
    mine = heading(label)
    with opened() as stream:
        return stream.read(len(mine)) == mine


def has_name(opened: Opener, name: NormalizedName) -> bool:
    """Whether a kept list has that name."""
    # Read as bytes: telling half a million lines apart would take a second.
    wanted = b"\n%b\t" % name.encode()
    kept = b""
    with opened() as stream:
        while piece := stream.read(1 << 20):
            if wanted in kept + piece:
                return True
            kept = piece[-len(wanted) :]
    return False


def outdated(opened: Opener, numbers: Mapping[NormalizedName, int]) -> list[NormalizedName]:
    """The projects of a kept list whose serial there is higher than that in `numbers`."""
    return [name for name, serial in entries(opened) if serial > numbers.get(name, serial)]


@attrs.define(eq=False)
class Lines:
    """
    A list as upstream sent it, made into one to be kept, piece by piece; `read` is never entered twice at once.

    :param size: how many bytes upstream sent.
    """

    label: str
    opened: Opener
    size: int
    content_type: str
    coding: str
    highest: int = attrs.field(default=0, init=False)
    """The highest serial met so far."""
    _pieces: Iterator[bytes] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._pieces = self._start()

    def read(self, limit: int) -> bytes:
        """
        About `limit` bytes of whole lines, b"" at the end. The first reading reads and sorts all that upstream sent.

        :raises ValueError: it is no list, one that breaks off, or one that is larger than any can be.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            for piece in self._pieces:
                pieces.append(piece)
                size += len(piece)
                if size >= limit:
                    break
        except (EOFError, isal_zlib.error, BadGzipFile) as error:  # type: ignore[misc]  # isal does not say of what class its error is
            raise Unreadable(f"it is no whole gzip: {error}") from error
        return b"".join(pieces)

    def _start(self) -> Iterator[bytes]:
        yield heading(self.label)
        limit = min(LARGEST, max(UNSUSPICIOUS, RATIO * self.size)) if self.coding else LARGEST
        with self.opened() as stream:
            decoded: BinaryIO = igzip.open(stream, "rb") if self.coding == "gzip" else stream
            capped: Any = _Capped(decoded, limit)
            yield from write_lines(self._bounded(read_names(capped, self.content_type, "")))

    def _bounded(self, found: Iterable[tuple[NormalizedName, int]]) -> Iterator[tuple[NormalizedName, int]]:
        room = 0
        for count, (name, serial) in enumerate(found, 1):
            room += len(name)
            if count > MOST or room > ROOM:
                raise Unreadable("it has too many names")
            self.highest = max(self.highest, serial)
            yield name, serial


class _Capped(io.RawIOBase):
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size if size >= 0 else 1 << 16)
        self._left -= len(piece)
        if self._left < 0:
            raise Unreadable("it is too large, or compressed beyond belief")
        return piece


class _Reading(io.RawIOBase):
    """One reading of an open file, with a position of its own; as long as it is alive, so is the file."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._position if whence == os.SEEK_CUR else 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._file.descriptor, [buffer], self._position)
        self._position += count
        return count


def _held(path: str) -> Opener:
    file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
    return lambda: io.BufferedReader(_Reading(file), 1 << 16)


async def _in_memory(content: IContent, size: int | None) -> Opener:
    pieces: list[bytes] = []
    offset = 0
    while (size is None or offset < size) and (piece := await content.read(offset, 1 << 20)):
        pieces.append(piece)
        offset += len(piece)
    data = b"".join(pieces)
    return lambda: io.BytesIO(data)
