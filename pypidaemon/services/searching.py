"""What keeps the search index up to date: all of it after a start and from time to time, and each project when it is announced."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.announcements import Announcements
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.interfaces import IIndex
from pypidaemon.model import NormalizedName
from pypidaemon.records.database import UnusableDatabase
from pypidaemon.searching.cards import CARDS, KNOWN, LISTED, Described, Place
from pypidaemon.searching.gathering import Gatherer, Listing, sources
from pypidaemon.searching.index import SearchIndex
from pypidaemon.services.recurring import Recurring

FIRST = 3.0
"""Seconds after the start when it begins: whoever comes at once is served first."""

EVERY = 60.0
"""Seconds until it looks again, though nothing was announced, whether a list has come, which is announced by nobody."""

WHOLE = 6 * 3600.0
"""Seconds after which it looks at everything."""

SOON = 1.0
"""Seconds after an announcement: many come together."""

REST = 10.0
"""How many times as long as it took to read what was announced nothing is read after it: uploads to one large project announce it again and again."""

LONGEST = 10.0
"""Seconds of such a rest at most: whoever has uploaded something looks for it."""

MOST_ANNOUNCED = 5_000
"""Announced projects that are looked at one by one; of more all are."""

_AT_ONCE = 100

log = Logger()


@attrs.define(eq=False, slots=False)
class Searching(Service):
    """
    Fills the search index.

    :param indexes: all there are, by whatever way they are reached.
    """

    index: SearchIndex
    gatherer: Gatherer
    indexes: tuple[IIndex, ...]
    announcements: Announcements
    clock: IReactorTime
    recurring: Recurring = attrs.field(init=False, repr=False)
    _announced: set[NormalizedName] = attrs.field(factory=set, init=False)
    _all: bool = attrs.field(default=True, init=False)
    _looked: float = attrs.field(default=0.0, init=False)
    """When it last looked at everything."""
    _pause: float = attrs.field(default=SOON, init=False)
    """Seconds from an announcement until it is heeded."""
    _trouble: str = attrs.field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self.recurring = Recurring(self.clock, self.work, FIRST, EVERY)

    def startService(self) -> None:
        """Begin, and hear of changes."""
        Service.startService(self)
        self.announcements.listen(self.hear)
        self.recurring.start()

    def stopService(self) -> Deferred[None]:
        """Fires when what was under way has ended."""
        Service.stopService(self)
        return self.recurring.stop()

    def hear(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`."""
        if name is None:
            self._all = True
        elif len(self._announced) >= MOST_ANNOUNCED:
            self._all = True
            self._announced.clear()
        else:
            # Also while all is to be looked at: of a block no list says that anything has changed.
            self._announced.add(name)
        if self.running:
            self.recurring.hurry(self._pause)

    async def work(self) -> None:
        """Take in what has changed. Where it cannot be done now, it is done the next time, and the log says why once."""
        everything, self._all = self._all, False
        announced, self._announced = self._announced, set()
        self.recurring.every = EVERY
        try:
            await self.index.look()
            found = sources(self.indexes)
            if everything or not self.index.complete or self.clock.seconds() - self._looked > WHOLE:
                everything = True
                await self._everything(found)
            begun = self.clock.seconds()
            await self._each(found, sorted(announced))
            self._pause = min(max(SOON, (self.clock.seconds() - begun) * REST), LONGEST)
            await self._describe(found)
            self._trouble = ""
            if self._all or self._announced:
                # It was announced meanwhile, when there was nothing to hurry.
                self.recurring.every = self._pause
        except UnusableDatabase as error:
            self._all = True
            self._tell(error)
            await self.index.begin_again()
        except PypidaemonError as error:
            self._all = self._all or everything
            self._announced |= announced
            self._tell(error)

    def _tell(self, error: PypidaemonError) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            log.warn("the search index is not up to date: {error}", error=str(error))

    async def _everything(self, found: Iterable[tuple[Place, IIndex]]) -> None:
        kept: list[tuple[str, str]] = []
        for its, index in found:
            kept += [(its.label, CARDS), (its.label, LISTED)]
            try:
                for listing in await self.gatherer.listings(its, index):
                    await self._take_in(its, listing)
            except UpstreamUnavailable:
                # Nothing is known of it yet.
                continue
        await self.index.drop_others(kept)
        self.index.complete = True
        self._looked = self.clock.seconds()

    async def _take_in(self, its: Place, listing: Listing) -> None:
        if await self.index.stamp(its.label, listing.table) != listing.stamp:
            await self.index.take_in(its.label, listing.table, listing.stamp, listing.names(), self.gatherer.cpu)

    async def _each(self, found: Iterable[tuple[Place, IIndex]], announced: list[NormalizedName]) -> None:
        for its, index in found:
            for start in range(0, len(announced), _AT_ONCE):
                await self._put(its, index, announced[start : start + _AT_ONCE])
            # Nobody announces that a list has come.
            if its.kind == KNOWN and await self.gatherer.digest(its) not in {"", await self.index.stamp(its.label, LISTED)}:
                listing = await self.gatherer.listed(its)
                if listing is not None:
                    await self._take_in(its, listing)

    async def _describe(self, found: Iterable[tuple[Place, IIndex]]) -> None:
        """Read what is not read yet; what is announced meanwhile is read again the next time."""
        for its, index in found:
            while names := await self.index.due(its.label, _AT_ONCE):
                await self._put(its, index, names)

    async def _put(self, its: Place, index: IIndex, names: Iterable[NormalizedName]) -> None:
        said: dict[str, Described | None] = {}
        for name in names:
            try:
                said[name] = await self.gatherer.described(its, index, name)
            except PypidaemonError as error:
                # One that cannot be read now is found by its name.
                log.debug("{name} of {label} cannot be read for the search index: {error}", name=name, label=its.label, error=str(error))
                said[name] = Described()
        await self.index.put(its.label, said)
