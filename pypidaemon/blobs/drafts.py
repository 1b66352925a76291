"""
Blobs in the making: what any draft knows of its growth, and the draft that is a file.

A file is touched on threads alone. What belongs to the reactor's thread is in `Growth` and in the counting of `OpenFile`.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import attrs
from zope.interface import implementer

from pypidaemon.blobs.descriptors import FULL, OpenFile, room
from pypidaemon.errors import CorruptContent, StorageFull
from pypidaemon.files import Files
from pypidaemon.interfaces import IDraft, IInFile, ISendable
from pypidaemon.model import Digest, InThread
from pypidaemon.waits import Bell

PORTION = 8 << 20
"""Bytes of a draft after each of which the disk begins to write them: whoever waits for the end of the file waits for the last of them alone."""

_NAME = re.compile(r"[0-9a-f]{32}(?:-([0-9a-f]{64}))?\Z")
"""Some say what is in them; see `pypidaemon.blobs.twofold`."""
_OURS = secrets.token_hex(8)
_numbers = itertools.count()


@attrs.define(eq=False)
class Growth:
    """How far a draft has come, for those who read it meanwhile."""

    size: int = attrs.field(init=False, default=0)
    ended: bool = attrs.field(init=False, default=False)
    aborted: bool = attrs.field(init=False, default=False)
    _bell: Bell = attrs.field(init=False, factory=Bell)

    def grew(self, count: int) -> None:
        """There are `count` bytes more."""
        self.size += count
        self._bell.ring()

    def finish(self) -> None:
        """There will be no more; what is there is good."""
        self.ended = True
        self._bell.ring()

    def abort(self) -> None:
        """Nothing of it is good."""
        self.ended = self.aborted = True
        self._bell.ring()

    def writable(self) -> None:
        """
        Insist that the draft has not ended.

        :raises ValueError: it has; this is a mistake of the caller.
        """
        if self.ended:
            raise ValueError("the draft has ended")

    async def reach(self, offset: int) -> int:
        """
        Wait until there are bytes at `offset`, and answer how many; 0 means that there will be none.

        :raises CorruptContent: the draft was aborted.
        """
        while not self.ended and self.size <= offset:
            await self._bell.wait()
        if self.aborted:
            raise CorruptContent("the content was given up while it arrived")
        return max(self.size - offset, 0)


@implementer(IDraft, IInFile, ISendable)
@attrs.define(eq=False)
class FileDraft:
    """
    A draft in a file of its own, in the volume of its store. Make one with `create`, on a thread.

    :param shelve: makes the file at that path durable and moves it to the place of that digest so that it stays there after a power cut; of the
        descriptor, which is another one of that file, it takes care.
    """

    _path: str
    _file: OpenFile
    _disk: InThread
    _shelve: Callable[[str, Digest, int, int], Awaitable[object]]
    size: int | None = attrs.field(init=False, default=None)
    digest: Digest | None = attrs.field(init=False, default=None)
    _growth: Growth = attrs.field(init=False, factory=Growth)
    _closed: bool = attrs.field(init=False, default=False)
    _hash: Any = attrs.field(init=False, factory=hashlib.sha256)
    _written: int = attrs.field(init=False, default=0)
    _hastened: int = attrs.field(init=False, default=0)
    """How many of these bytes the disk has begun to write."""
    _unsure: bool = attrs.field(init=False, default=False)
    """Whether a write is under way, or ended in a way that leaves it open how much of it is here."""

    @classmethod
    def create(cls, files: Files, folder: str, disk: InThread, shelve: Callable[[str, Digest, int, int], Awaitable[object]]) -> FileDraft:
        """
        Begin a draft in `folder`.

        :raises StorageFull: there is no room.
        :raises StorageFailed: the disk takes nothing.
        """
        path, descriptor, _ = begun(files, folder)
        return cls(path, OpenFile(descriptor, files), disk, shelve)

    @property
    def written(self) -> int:
        """How many bytes there are so far."""
        return self._growth.size

    @property
    def path(self) -> str:
        """Where the file is until commit moves it or abort removes it."""
        return os.path.abspath(self._path)

    async def write(self, data: bytes) -> None:
        """Append `data`; as `IDraft.write`."""
        self._growth.writable()
        self._unsure = True
        try:
            await self._file.use(self._disk, self._append, data)
        except StorageFull:
            self._unsure = False
            raise
        self._unsure = False
        self._growth.grew(len(data))

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes already written, or wait for them; as `IContent.read`."""
        available = await self._growth.reach(offset)
        return await self._file.read(self._disk, offset, min(limit, available)) if available else b""

    def descriptor(self) -> int | None:
        """As `ISendable`: until it is closed, or aborted."""
        return self._file.usable

    async def reach(self, offset: int) -> int:
        """As `ISendable`: what is written already, or will be next."""
        return await self._growth.reach(offset)

    async def commit(self, expected: Digest | None) -> Digest:
        """Make it a blob; as `IDraft.commit`."""
        self._growth.writable()
        try:
            # A writer that was cancelled, or whose disk failed, does not know how much of what it wrote is here, or still will be.
            if self._unsure:
                raise CorruptContent("a write to the draft was interrupted")
            digest = Digest(self._hash.hexdigest())
            if expected is not None and digest != expected:
                raise CorruptContent(f"the content has sha256 {digest}, promised was {expected}")
            await self._shelve(self._path, digest, self._file.another(), self._growth.size)
        except Exception:
            await self.abort()
            raise
        self.size, self.digest = self._growth.size, digest
        self._growth.finish()
        if self._closed:
            self._file.close()
        return digest

    async def abort(self) -> None:
        """Make it never to have been; as `IDraft.abort`."""
        if self._growth.ended:
            return
        self._growth.abort()
        self._file.close()
        await self._disk(self._discard)

    def close(self) -> None:
        """Let go of the file, now or, where the draft has not ended, when it does."""
        self._closed = True
        if self._growth.ended:
            self._file.close()

    def _append(self, data: bytes) -> None:
        try:
            append(self._file.files, self._file.descriptor, data, self._written)
        except StorageFull:
            # Shorter it needs no room; should that fail too, what stands behind its end is written over, or never read.
            with suppress(OSError):
                self._file.files.shorten(self._file.descriptor, self._written)
            raise
        self._hash.update(data)
        self._written += len(data)
        if (portion := self._written - self._hastened) >= PORTION:
            self._file.files.hasten(self._file.descriptor, self._hastened, portion)
            self._hastened = self._written

    def _discard(self) -> None:
        discard_at(self._file.files, self._path)


def _name() -> str:
    """A name that no draft has. By chance alone it would cost a call to the system for each; a process that was forked off has another number."""
    return f"{_OURS}{os.getpid() & 0xFFFFFF:06x}{next(_numbers) & 0xFFFFFFFFFF:010x}"


def mark(digest: Digest) -> str:
    """What the name of a draft ends with that says what is in it."""
    return f"-{digest}"


def said(path: str) -> Digest | None:
    """What is in that draft, by its name; None where it does not say, or is none."""
    found = _NAME.match(os.path.basename(path))
    return Digest(found[1]) if found is not None and found[1] else None


def begun(files: Files, folder: str, mark: str = "") -> tuple[str, int, int]:
    """
    Make an empty draft in that folder; answer its path, its descriptor and its inode.

    The file is locked for as long as this process has it open, which is how `sweep` tells the living from the dead.

    :param mark: what its name ends with, where that says something.
    :raises StorageFull: there is no room.
    :raises StorageFailed: the disk takes nothing.
    """
    while True:
        path = f"{folder}/{_name()}{mark}"
        with room():
            descriptor = files.create(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another process may have swept the file away between its making and its locking.
            found = os.fstat(descriptor)
            if found.st_nlink:
                return path, descriptor, found.st_ino
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def linked(files: Files, descriptor: int, folder: str) -> str | None:
    """
    Let the file behind that descriptor be a draft in the folder too; answer its path, None where that cannot be.

    It is locked as a draft is (`begun`), for as long as the descriptor is open.
    """
    name = _name()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        place = files.folder(folder)
    except OSError:
        return None
    try:
        files.link(descriptor, place, name)
    except OSError as error:
        if error.errno in FULL:
            with room():
                raise
        return None
    finally:
        os.close(place)
    return os.path.join(folder, name)


def append(files: Files, descriptor: int, data: bytes, position: int) -> None:
    """
    Write all of that there.

    :raises StorageFull: there is no room; some of it may have been written.
    :raises StorageFailed: the disk takes nothing.
    """
    rest = memoryview(data)
    with room():
        while rest:
            count = files.write(descriptor, rest, position)
            position += count
            rest = rest[count:]


def discard_at(files: Files, path: str) -> None:
    """Remove one's own draft, if it is there. A disk that takes not even that keeps it until it is swept up; why it took nothing is told by then."""
    with suppress(OSError):
        files.remove(path)


def sweep(files: Files, folder: str) -> int:
    """
    Remove the drafts in `folder` that no living process has open, and answer how many those were (F65).

    Files that do not have a draft's name are left alone, and so are those whose names say what is in them: they may be blobs.
    """
    return sum(discard(files, os.path.join(folder, name)) for name in drafts_in(folder) if said(name) is None)


def discard(files: Files, path: str) -> bool:
    """Remove that draft if no living process has it open; answer whether it was removed."""
    with suppress(FileNotFoundError, BlockingIOError), held_alone(files, path):
        files.remove(path)
        return True
    return False


def abandoned(files: Files, folder: str) -> list[str]:
    """The names of the drafts in `folder` that no living process has open."""
    found = []
    for name in drafts_in(folder):
        with suppress(FileNotFoundError, BlockingIOError), held_alone(files, os.path.join(folder, name)):
            found.append(name)
    return found


def drafts_in(folder: str) -> list[str]:
    """The names of all drafts in `folder`, whoever's they are."""
    return [entry.name for entry in os.scandir(folder) if _NAME.match(entry.name) and entry.is_file(follow_symlinks=False)]


@contextmanager
def held_alone(files: Files, path: str) -> Iterator[int]:
    """
    Hold a draft that its process has left; gives a descriptor to read it.

    :raises BlockingIOError: somebody has it open.
    """
    descriptor = files.open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)
