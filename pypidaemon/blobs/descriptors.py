"""Files as the system has them: descriptors that threads use, and the ways in which nothing can be stored."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import attrs

from pypidaemon.errors import StorageFailed, StorageFull
from pypidaemon.files import Files
from pypidaemon.model import Digest, InThread

P = ParamSpec("P")
T = TypeVar("T")

_PIECE = 1 << 18

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when there is no room: volume or inodes, quota, file-size limit (F53, F56, F57)."""


def digest_of(files: Files, descriptor: int) -> Digest:
    """The sha256 of all that is in that file now. It blocks."""
    found, offset = hashlib.sha256(), 0
    while piece := files.read(descriptor, _PIECE, offset):
        found.update(piece)
        offset += len(piece)
    return Digest(found.hexdigest())


class _Room:
    """What `room` gives. It knows nothing, so that there need be but one: each file that is stored goes through several."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not isinstance(error, OSError) or isinstance(error, FileNotFoundError):
            return
        if error.errno in FULL:
            raise StorageFull(f"no room to store this: {os.strerror(error.errno or 0)}") from error
        raise StorageFailed(f"this cannot be stored: {os.strerror(error.errno or 0)}") from error


_ROOM = _Room()


def room() -> _Room:
    """
    Let the system's ways to say that nothing can be written be two errors, within a `with`. What is not where it should be is no such thing.

    :raises StorageFull: the block failed for want of room.
    :raises StorageFailed: it failed otherwise: a volume that can only be read, a disk that fails, no descriptor left (F58, F60, F61).
    """
    return _ROOM


@attrs.define(eq=False)
class OpenFile:
    """
    A descriptor that closes when nobody wants it any more and no thread is using it.

    A thread goes on after its waiter has left, and the number of a descriptor closed too early may already name another file. One that
    is lost unclosed is closed by the garbage collector.
    """

    descriptor: int
    files: Files = Files()
    _using: int = attrs.field(init=False, default=0)
    _wanted: bool = attrs.field(init=False, default=True)
    _lock: threading.Lock = attrs.field(init=False, factory=threading.Lock)
    _shut: Callable[[], Any] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shut = weakref.finalize(self, os.close, self.descriptor)

    @property
    def usable(self) -> int | None:
        """The descriptor, for a use that is over before anybody else runs; None once it was closed."""
        return self.descriptor if self._wanted else None

    def another(self) -> int:
        """
        Another descriptor of the same file, for whoever takes care that it is closed.

        :raises ValueError: as `use`.
        :raises StorageFailed: there is none left.
        """
        if not self._wanted:
            raise ValueError("use of closed content")
        with room():
            return self.files.another(self.descriptor)

    async def use(self, disk: InThread, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run `function` on a thread; the descriptor stays open until it has run, also where whoever waits for it has long left.

        :raises ValueError: it was closed before; this is a mistake of the caller.
        """
        with self._lock:
            if not self._wanted:
                raise ValueError("use of closed content")
            self._using += 1
        return await disk(self._used, function, *args, **kwargs)

    async def read(self, disk: InThread, offset: int, limit: int) -> bytes:
        """
        Give the bytes at `offset`, at most `limit`.

        :raises ValueError: as `use`.
        """
        return await self.use(disk, self.files.read, self.descriptor, limit, offset)

    def close(self) -> None:
        """Close it as soon as the last use has ended."""
        with self._lock:
            self._wanted = False
            if not self._using:
                self._shut()

    def _used(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            with self._lock:
                self._using -= 1
                if not self._using and not self._wanted:
                    self._shut()
