"""
What was made of other things and can be made again, kept over restarts, in files of its own.

Losing any of it costs time, never truth (law 8). So nothing is synced, what cannot be written is not kept, and what is read is believed by its checksum
alone, which is also one of what it was made by: of another program, or of another configuration, nothing is ever read here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import attrs
from twisted.logger import Logger

from pypidaemon.files import Files
from pypidaemon.model import InThread

LARGEST = 64 << 20
"""Bytes of one entry at most; a longer file is none of ours."""
_CHECK = 32
"""Bytes of the checksum, which stands first in a file."""


@lru_cache(maxsize=1)
def program(version: str, folder: Path) -> str:
    """
    A word that is another one as soon as the program is, whose modules are in that folder; asked once, since a process stays what it was when it began.

    It is known by the time and length of each of its modules, for not every change of it comes with another version. Blocks for some milliseconds.
    """
    seen = blake2b(f"{version}\n".encode(), digest_size=16)
    for path, changed, size in sorted(_modules(str(folder))):
        seen.update(f"{path.removeprefix(str(folder))}\n{changed}\n{size}\n".encode(errors="surrogateescape"))
    return seen.hexdigest()


def _modules(folder: str) -> Iterator[tuple[str, int, int]]:
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from _modules(entry.path)
            elif entry.name.endswith(".py"):
                found = entry.stat()
                yield entry.path, found.st_mtime_ns, found.st_size


def basis(program: str, configuration: str) -> str:
    """A word that is another one as soon as one of these is; of the configuration it tells nothing."""
    return blake2b(f"{program}\n{configuration}".encode(errors="surrogateescape"), digest_size=16).hexdigest()


async def _enough() -> str:
    return ""


@attrs.define(eq=False)
class Rendered:
    """
    A place of at most `limit` bytes, by key; what was not read for longest goes first.

    :param folder: belongs to this alone; made when something is kept, and it may be removed at any time.
    :param basis: what everything in it is made by, as `basis` has it.
    :param lacking: says why nothing is to be kept now; "" where it is.
    """

    folder: Path
    basis: str
    limit: int
    disk: InThread
    lacking: Callable[[], Awaitable[str]] = _enough
    files: Files = attrs.field(factory=Files, repr=False)
    _held: int | None = attrs.field(default=None, init=False)
    """Bytes that there are, as far as it was counted; None as long as it was not."""
    _fails: bool = attrs.field(default=False, init=False)
    """Whether the last writing failed, which was told then."""
    _log = Logger()

    async def find(self, key: str) -> bytes | None:
        """What was kept under that key; None where there is nothing, or nothing that can be believed."""
        return await self.disk(self._read, key)

    async def keep(self, key: str, data: bytes) -> None:
        """Keep that under that key, in place of what is there; where it cannot be, one line of the log says so, once."""
        if len(data) + _CHECK > LARGEST or await self.lacking():
            return
        try:
            await self.disk(self._write, key, data)
        except OSError as error:
            if not self._fails:
                self._log.warn("nothing that was rendered is kept for the next start: {error}", error=error.strerror or str(error))
            self._fails = True
        else:
            self._fails = False

    def _path(self, key: str) -> str:
        name = blake2b(key.encode(), digest_size=20).hexdigest()
        return os.path.join(self.folder, name[:2], name)

    def _check(self, key: str, data: bytes) -> bytes:
        seen = blake2b(f"{self.basis}\n{len(key)}\n{key}\n".encode(), digest_size=_CHECK)
        seen.update(data)
        return seen.digest()

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            whole = self._whole(path)
        except OSError:
            return None
        data = whole[_CHECK:]
        if whole[:_CHECK] != self._check(key, data):
            return None
        with suppress(OSError):
            self.files.touch(path)
        return data

    def _whole(self, path: str) -> bytes:
        descriptor = self.files.open(path)
        try:
            found = os.fstat(descriptor)
            wanted = stat.S_ISREG(found.st_mode) and _CHECK <= found.st_size <= LARGEST
            return self.files.read(descriptor, found.st_size, 0) if wanted else b""
        finally:
            os.close(descriptor)

    def _write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        for folder in (self.folder.parent, self.folder, os.path.dirname(path)):
            with suppress(FileExistsError):
                self.files.make(str(folder))
        draft = f"{path}.new"
        with suppress(FileNotFoundError):
            self.files.remove(draft)
        try:
            self._put(draft, self._check(key, data) + data)
            self.files.rename(draft, path)
        except OSError:
            with suppress(OSError):
                self.files.remove(draft)
            raise
        if self._held is not None:
            self._held += len(data) + _CHECK
        if self._held is None or self._held > self.limit:
            self._held = self._bound()

    def _put(self, path: str, whole: bytes) -> None:
        descriptor = self.files.create(path)
        try:
            rest, position = memoryview(whole), 0
            while rest:
                count = self.files.write(descriptor, rest, position)
                position, rest = position + count, rest[count:]
        finally:
            os.close(descriptor)

    def _bound(self) -> int:
        """Remove what was not used for longest, down to a little below the limit; answer how many bytes there are then."""
        found = []
        for shelf in os.scandir(self.folder):
            if shelf.is_dir(follow_symlinks=False):
                for entry in os.scandir(shelf.path):
                    one = entry.stat(follow_symlinks=False)
                    found.append((one.st_mtime_ns, one.st_size, entry.path))
        held = sum(size for _, size, _ in found)
        if held > self.limit:
            found.sort(reverse=True)
            while found and held > self.limit - self.limit // 8:
                _, size, path = found.pop()
                self.files.remove(path)
                held -= size
        return held
