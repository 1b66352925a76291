"""
How much room there is, and whether something more may be kept of what could be fetched again.

There is a floor: of what is free on the volume, 1 GiB or a twentieth of it, whichever is less, is for what is nowhere else (F53).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.model import InThread

RESERVE = 1 << 30
"""Bytes that the floor is at most."""

PART = 20
"""The floor is this part of a small volume."""

AGE = 1.0
"""Seconds for which it is believed how much is free."""


@attrs.frozen
class Space:
    """Of a volume, in bytes; what only root may use counts as taken."""

    free: int
    total: int

    @property
    def floor(self) -> int:
        """How much is to stay free."""
        return min(RESERVE, self.total // PART)


def measured(path: Path) -> Space:
    """
    How it is with the volume of that folder, or of the one above it that is there.

    :raises OSError: it cannot be asked.
    """
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def _nothing() -> None:
    pass


@attrs.define(eq=False)
class Room:
    """
    What may still be kept of what was fetched on demand.

    :param limit: how many bytes of it there may be; None is no limit but the floor.
    :param held: how many there are, as far as that was counted.
    :param failed: says why nothing can be stored at all; "" where it can.
    :param short: called when something may not be kept.
    """

    path: Path
    clock: IReactorTime
    disk: InThread
    measure: Callable[[Path], Space] = measured
    limit: int | None = None
    held: int = 0
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
        if space is not None and space.free < space.floor:
            return f"there is too little room: {space.free} bytes are free, {space.floor} must stay so"
        return ""

    async def spare(self, size: int) -> bool:
        """Whether so many bytes more may be kept; if so they count as held and as taken from now on."""
        space = await self.space()
        low = space is not None and space.free - size < space.floor
        if low or (self.limit is not None and self.held + size > self.limit):
            self.short()
            return False
        self.held += size
        if space is not None:
            self._space = attrs.evolve(space, free=space.free - size)
        return True
