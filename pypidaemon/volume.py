"""
How much room there is, and whether something more may be kept.

There is a floor: of what is free on the volume, 1 GiB or a twentieth of it, whichever is less, is for what is nowhere else (F53). So it is with the names that
a volume has room for, its inodes (F56).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.budget import MIRRORED, MOST_PAGES, PRIVATE
from pypidaemon.errors import StorageFull
from pypidaemon.model import InThread

RESERVE = 1 << 30
"""Bytes that the floor is at most."""

PART = 20
"""The floor is this part of a small volume."""

NAMES = 10_000
"""Inodes that the floor is at most."""

AGE = 1.0
"""Seconds for which it is believed how much is free."""


@attrs.frozen
class Space:
    """
    Of a volume, in bytes; what only root may use counts as taken.

    :param names: inodes that are free, and all there are; 0 of all is none in particular, as some file systems have it.
    """

    free: int
    total: int
    names: int = 0
    all_names: int = 0

    @property
    def floor(self) -> int:
        """How much is to stay free."""
        return min(RESERVE, self.total // PART)

    @property
    def lacking_names(self) -> int:
        """How many inodes more would have to be free."""
        return max(min(NAMES, self.all_names // PART) - self.names, 0)

    def lacking(self, size: int) -> str:
        """Why so many bytes more cannot be kept of what is also elsewhere, in words; "" where they can."""
        if self.free - size < self.floor:
            return f"there is too little room: {self.free} bytes are free, {self.floor} must stay so"
        if self.lacking_names:
            return f"there is room for too few files: {self.names} inodes are free, {self.names + self.lacking_names} must stay so"
        return ""


def measured(path: Path) -> Space:
    """
    How it is with the volume of that folder, or of the one above it that is there.

    :raises OSError: it cannot be asked.
    """
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, found.f_favail, found.f_files)


def _nothing() -> None:
    pass


@attrs.define(eq=False)
class Room:
    """
    What may still be kept of what was fetched on demand.

    :param limit: how many bytes of it there may be; None is no limit but the floor.
    :param held: how many there are, as far as that was counted.
    :param pages: how many bytes of upstreams' pages there may be.
    :param failed: says why nothing can be stored at all; "" where it can.
    :param short: called when something may not be kept.
    """

    path: Path
    clock: IReactorTime
    disk: InThread
    measure: Callable[[Path], Space] = measured
    limit: int | None = None
    held: int = 0
    pages: int = MOST_PAGES
    failed: Callable[[], str] = attrs.field(default=str, repr=False)
    short: Callable[[], None] = attrs.field(default=_nothing, repr=False)
    _space: Space | None = attrs.field(default=None, init=False)
    _at: float = attrs.field(default=0.0, init=False)

    async def space(self) -> Space | None:
        """How it is with the volume, at most a second ago; None where it cannot be asked."""
        now = self.clock.seconds()
        if self._space is None or not 0 <= now - self._at < AGE:
            try:
                self._space = await self.disk(self.measure, self.path)
            except OSError:
                self._space = None
            self._at = now
        return self._space

    async def lacking(self) -> str:
        """Why what is fetched is not kept now, in words; "" where it is."""
        if failed := self.failed():
            return failed
        space = await self.space()
        return "" if space is None else space.lacking(0)

    async def spare(self, size: int) -> bool:
        """Whether so many bytes more may be kept; if so they count as held and as taken from now on."""
        space = await self.space()
        low = space is not None and space.lacking(size)
        if low or (self.limit is not None and self.held + size > self.limit):
            self.short()
            return False
        self.held += size
        self._count(size)
        return True

    async def insist(self, size: int) -> None:
        """
        Let so many bytes more be taken of what could be fetched again, and is not evicted.

        :raises StorageFull: there would be less free than must stay so.
        """
        space = await self.space()
        if space is not None and (why := space.lacking(size)):
            self.short()
            raise StorageFull(why)
        self._count(size)

    def _count(self, size: int) -> None:
        if self._space is not None:
            space = self._space
            self._space = Space(space.free - size, space.total, space.names, space.all_names)


@attrs.define(eq=False)
class Allotment:
    """
    What may be taken of something that is never evicted, so that it is refused where its budget is used up.

    :param role: what it is, as `[daemon] budget` calls it.
    :param room: whose floor it respects, since it is also elsewhere; None where it is not, and may take the last byte.
    :param limit: how many bytes there may be; None is no limit.
    :param held: how many there are, as far as that was counted.
    """

    role: str
    room: Room | None = None
    limit: int | None = None
    held: int = 0
    refused: int = 0

    async def insist(self, size: int) -> None:
        """
        Insist that so many bytes more may be taken.

        :raises StorageFull: they may not.
        """
        try:
            if self.limit is not None and self.held + size > self.limit:
                raise StorageFull(
                    f"what is {self.role} may have {self.limit} bytes ([daemon] budget) and has {self.held} of them: {size} more are too many"
                )
            if self.room is not None:
                await self.room.insist(size)
        except StorageFull:
            self.refused += 1
            raise

    def took(self, size: int) -> None:
        """So many bytes have come."""
        self.held += size


@attrs.frozen(eq=False)
class Allotments:
    """Those of a daemon."""

    private: Allotment = attrs.field(factory=lambda: Allotment(PRIVATE))
    mirrored: Allotment = attrs.field(factory=lambda: Allotment(MIRRORED))

    def all(self) -> tuple[Allotment, ...]:
        """Each of them."""
        return (self.private, self.mirrored)
