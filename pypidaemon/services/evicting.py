"""
The room that files fetched on demand take: looked after all the time, and made when there is too little (F51, F53).

Over its budget, or with less free on the volume than there must be, what was used longest ago goes, until it is a tenth below.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.caches import Caches
from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights, landing
from pypidaemon.interfaces import IMeasured
from pypidaemon.volume import Room

FIRST = 5.0
"""Seconds after the start until it is looked for the first time."""
EVERY = 60.0
"""Seconds from the end of one look to the next."""
SOON = 5.0
"""Seconds that lie between two looks at least, also where something could not be kept for want of room."""
HIGH, LOW = 0.95, 0.9
"""From which part of its budget the cache is brought down, and to which, so that the next file does not call for the next eviction."""


@implementer(IMeasured)
@attrs.define(eq=False, slots=False)
class Evicting(Service):
    """Looks, and evicts."""

    caches: Caches
    room: Room
    clock: IReactorTime
    name: str = "evicting"
    files: int = attrs.field(init=False, default=0)
    """How many are held, as far as it is noted."""
    free: int = attrs.field(init=False, default=0)
    floor: int = attrs.field(init=False, default=0)
    evicted: int = attrs.field(init=False, default=0)
    evicted_bytes: int = attrs.field(init=False, default=0)
    failed: int = attrs.field(init=False, default=0)
    _surveyed: bool = attrs.field(init=False, default=False)
    _told: bool = attrs.field(init=False, default=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _flights: Flights[str, None] = attrs.field(init=False, factory=Flights, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def startService(self) -> None:
        """Begin to look."""
        Service.startService(self)
        self.room.short = self._hurry
        self._due = self.clock.callLater(FIRST, self._begin)

    def stopService(self) -> Deferred[None]:
        """Do nothing any more; fires when what was under way has ended."""
        Service.stopService(self)
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        return landing(self._flights)

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`."""
        return {
            "files": self.files,
            "bytes": self.room.held,
            "limit": self.room.limit or 0,
            "free": self.free,
            "floor": self.floor,
            "evicted": self.evicted,
            "evicted_bytes": self.evicted_bytes,
            "failed": self.failed,
        }

    def _hurry(self) -> None:
        """Something was not kept just now for want of room."""
        if self._due is not None and self._due.getTime() - self.clock.seconds() > SOON:
            self._due.reset(SOON)

    def _begin(self) -> None:
        self._due = None
        self._flights.start("", self._look)

    async def _look(self) -> None:
        try:
            await self.look()
        except PypidaemonError as error:
            self.failed += 1
            self._log.warn("room could not be made: {error}", error=str(error))
        finally:
            if self.running:
                self._due = self.clock.callLater(EVERY, self._begin)

    async def look(self) -> None:
        """
        Count, and make room if there is too little.

        :raises PypidaemonError: the records cannot be read or written.
        """
        excess = await self._excess()
        if excess and not self._surveyed:
            # Only now is it worth to know of what nobody has asked for since this is noted.
            await self.caches.survey()
            self._surveyed = True
            excess = await self._excess()
        if not excess:
            self._told = False
            return
        gone = await self.caches.evict(excess)
        self.evicted += gone.files
        self.evicted_bytes += gone.bytes
        self.room.held -= gone.bytes
        if gone.files:
            self._log.info("evicted {files} files with {bytes} bytes that were used longest ago", files=gone.files, bytes=gone.bytes)
        if gone.bytes < excess and not self._told:
            self._log.warn(
                "there is too little room, and nothing more may be evicted: what is fetched passes through without being kept;"
                " {free} bytes are free, {floor} must stay so",
                free=self.free, floor=self.floor,
            )  # fmt: skip
            self._told = True

    async def _excess(self) -> int:
        """How many bytes have to go."""
        self.files, self.room.held = await self.caches.records.uses.weight()
        excess = 0
        space = await self.room.space()
        if space is not None:
            self.free, self.floor = space.free, space.floor
            if space.free < space.floor:
                excess = int(space.floor / LOW) - space.free
        if self.room.limit is not None and self.room.held > self.room.limit * HIGH:
            excess = max(excess, self.room.held - int(self.room.limit * LOW))
        return excess
