"""
The room that files fetched on demand take: looked after all the time, and made when there is too little (F51, F53).

Over its budget, or with less free on the volume than there must be, what was used longest ago goes, until it is a tenth below. So do pages of projects of
which nothing is here. What is never evicted is weighed, so that no more of it is taken than its budget allows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.caches import Caches
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMeasured
from pypidaemon.services.recurring import Recurring
from pypidaemon.volume import Allotment, Allotments, Room, Space

FIRST = 5.0
"""Seconds after the start until it is looked for the first time."""
EVERY = 60.0
"""Seconds from the end of one look to the next."""
SOON = 5.0
"""Seconds that lie between two looks at least, also where something could not be kept for want of room."""
RARELY = 3600.0
"""Seconds until it is looked again for pages to forget after none were found, and from one weighing to the next."""
HIGH, LOW = 0.95, 0.9
"""From which part of its budget the cache is brought down, and to which, so that the next file does not call for the next eviction."""


async def _none() -> bool:
    return False


@implementer(IMeasured)
@attrs.define(eq=False, slots=False)
class Evicting(Service):
    """
    Looks, and evicts.

    :param let_go: as `Halves.let_go`.
    """

    caches: Caches
    room: Room
    clock: IReactorTime
    allotments: Allotments = attrs.field(factory=Allotments)
    let_go: Callable[[], Awaitable[bool]] = attrs.field(default=_none, repr=False)
    name: str = "evicting"
    files: int = attrs.field(init=False, default=0)
    """How many are held, as far as it is noted."""
    bytes: int = attrs.field(init=False, default=0)
    """Their bytes; `Room.held` counts what is about to come as well."""
    free: int = attrs.field(init=False, default=0)
    floor: int = attrs.field(init=False, default=0)
    evicted: int = attrs.field(init=False, default=0)
    evicted_bytes: int = attrs.field(init=False, default=0)
    failed: int = attrs.field(init=False, default=0)
    pages: int = attrs.field(init=False, default=0)
    """Bytes of what upstreams said."""
    forgotten: int = attrs.field(init=False, default=0)
    """Pages that were forgotten for want of room."""
    _pages_due: float = attrs.field(init=False, default=0.0)
    _weighing_due: float = attrs.field(init=False, default=0.0)
    _full: set[str] = attrs.field(init=False, factory=set)
    """The roles of which it was told that their budgets are used up."""
    _surveyed: bool = attrs.field(init=False, default=False)
    _told: bool = attrs.field(init=False, default=False)
    _recurring: Recurring = attrs.field(init=False, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def __attrs_post_init__(self) -> None:
        self._recurring = Recurring(self.clock, self._look, FIRST, EVERY)

    def startService(self) -> None:
        """Begin to look."""
        Service.startService(self)
        self.room.short = self._hurry
        self._recurring.start()

    def stopService(self) -> Deferred[None]:
        """Do nothing any more; fires when what was under way has ended."""
        Service.stopService(self)
        return self._recurring.stop()

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "limit": self.room.limit or 0,
            "free": self.free,
            "floor": self.floor,
            "evicted": self.evicted,
            "evicted_bytes": self.evicted_bytes,
            "failed": self.failed,
            "pages": self.pages,
            "pages_limit": self.room.pages,
            "forgotten": self.forgotten,
            **{
                word: value
                for one in self.allotments.all()
                for word, value in (
                    (one.role, one.held),
                    (f"{one.role}_limit", one.limit or 0),
                    (f"{one.role}_refused", one.refused),
                )
            },
        }

    def go_on_from(self, other: Evicting) -> None:
        """Count on from what that one, in whose place this one comes, has counted."""
        self.evicted, self.evicted_bytes, self.failed = other.evicted, other.evicted_bytes, other.failed
        self.pages, self.forgotten = other.pages, other.forgotten

    async def count(self) -> None:
        """Have `measures` say how it is now, for somebody who asks; where the records cannot say it, that is left as it was."""
        try:
            await self._count()
            if not self.pages:
                # A daemon that has just begun to keep some is not to say that there are none.
                self.pages = await self.caches.pages()
        except PypidaemonError as error:
            self._log.debug("what is held cannot be counted: {error}", error=str(error))

    def _hurry(self) -> None:
        """Something was not kept just now for want of room."""
        self._recurring.hurry(SOON)

    async def _look(self) -> None:
        try:
            await self.look()
        except PypidaemonError as error:
            self.failed += 1
            self._log.warn("room could not be made: {error}", error=str(error))

    async def look(self) -> None:
        """
        Count, and make room if there is too little.

        :raises PypidaemonError: the records cannot be read or written.
        """
        await self._make_room()
        await self._bound_pages()
        if self.clock.seconds() >= self._weighing_due and any(one.limit is not None for one in self.allotments.all()):
            # There may be millions, and eviction is not to wait for them.
            self._recurring.flights.start("weighing", self._weigh)

    async def _bound_pages(self) -> None:
        """Forget pages where they are too many; where those that stay are too many all the same, not soon again."""
        self.pages = await self.caches.pages()
        excess = self.pages - int(self.room.pages * LOW)
        if self.pages <= self.room.pages * HIGH or self.clock.seconds() < self._pages_due:
            return
        gone = await self.caches.forget_pages(excess)
        self.forgotten += gone.files
        self.pages -= gone.bytes
        if gone.files:
            self._log.info(
                "forgot {pages} pages of upstreams with {bytes} bytes, of projects of which nothing is here",
                pages=gone.files,
                bytes=gone.bytes,
            )
        if gone.bytes < excess:
            self._pages_due = self.clock.seconds() + RARELY

    async def _weigh(self) -> None:
        self._weighing_due = self.clock.seconds() + RARELY
        before = {one.role: one.held for one in self.allotments.all()}
        try:
            weight = await self.caches.weigh()
        except PypidaemonError as error:
            self.failed += 1
            self._log.warn("what is private and what is mirrored cannot be weighed: {error}", error=str(error))
            return
        for one in self.allotments.all():
            # What came meanwhile may have been weighed too, which is on the safe side.
            one.held = weight[one.role] + one.held - before[one.role]
            self._tell(one)

    def _tell(self, one: Allotment) -> None:
        full = one.limit is not None and one.held >= one.limit
        if full and one.role not in self._full:
            self._log.warn("what is {role} has {held} bytes and may have {limit} ([daemon] budget): no more of it is taken",
                           role=one.role, held=one.held, limit=one.limit)  # fmt: skip
        (self._full.add if full else self._full.discard)(one.role)

    async def _make_room(self) -> None:
        excess, names = await self._excess()
        if self.free < self.floor and await self.let_go():
            # Of what is whole nothing goes for what may never be; how much is free now is seen with the next look.
            return
        if (excess or names) and not self._surveyed:
            # Only now is it worth to know of what nobody has asked for since this is noted.
            await self.caches.survey()
            self._surveyed = True
            excess, names = await self._excess()
        if not excess and not names:
            self._told = False
            return
        gone = await self.caches.evict(excess, names)
        self.evicted += gone.files
        self.evicted_bytes += gone.bytes
        self.room.held -= gone.bytes
        if gone.files:
            self._log.info("evicted {files} files with {bytes} bytes that were used longest ago", files=gone.files, bytes=gone.bytes)
        if (gone.bytes < excess or gone.files < names) and not self._told:
            why = f"{self.free} bytes are free, {self.floor} must stay so"
            if gone.files < names:
                why = f"{names} inodes more must be free"
            elif self.free >= self.floor:
                why = f"{self.room.held} bytes are held, {self.room.limit} may be"
            self._log.warn(
                "there is too little room, and nothing more may be evicted: what is fetched passes through without being kept; {why}",
                why=why,
            )
            self._told = True

    async def _excess(self) -> tuple[int, int]:
        """How many bytes and how many files have to go."""
        space = await self._count()
        self.room.held = self.bytes
        excess = 0
        names = int(space.lacking_names / LOW) if space is not None else 0
        if space is not None and space.free < space.floor:
            excess = int(space.floor / LOW) - space.free
        if self.room.limit is not None and self.room.held > self.room.limit * HIGH:
            excess = max(excess, self.room.held - int(self.room.limit * LOW))
        return excess, names

    async def _count(self) -> Space | None:
        self.files, self.bytes = await self.caches.records.uses.weight()
        space = await self.room.space()
        if space is not None:
            self.free, self.floor = space.free, space.floor
        return space
