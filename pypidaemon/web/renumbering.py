"""New numbers for pages that orders and the clock change while nobody asks for them, so that mirrors of us hear of it (R71, R146)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import NoSuchProject, PypidaemonError, Refused
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IHostedIndex, IIndex, IKnowing, IRecords, ISeenThrough
from pypidaemon.leaves import leaves
from pypidaemon.model import Digest, NormalizedName, ProjectPage
from pypidaemon.rulings import digest_of, project_of
from pypidaemon.serials import BURIED

MOST_DUE = 10_000
"""Pages that are remembered until they are due, at some 200 bytes each; of more nobody hears until somebody asks for them."""
AT_ONCE = 50
"""Pages of an index that are looked at for one question about its changes; the others are for the next."""
MOST_EXAMINED = 1000
"""Projects of which it is found out for that whether they are known here at all."""
_MOST_FETCHES = 10_000


@attrs.define(eq=False)
class Renumbering:
    """
    Looks at the pages that changed by themselves, which gives them their numbers.

    Only at those of projects that are ours or that an upstream was asked for before: so an order tells no upstream a name.

    :param indexes: those with an address, by label.
    """

    indexes: Mapping[str, IIndex]
    records: IRecords
    clock: IReactorTime
    flights: Flights[str, None] = attrs.field(factory=Flights, init=False)
    _ordered: dict[str, None] = attrs.field(factory=dict, init=False)
    """What there were orders about, and was not looked at since."""
    _due: dict[tuple[str, NormalizedName], float] = attrs.field(factory=dict, init=False)
    """By index and project when to look at its page again."""
    _soonest: dict[str, float] = attrs.field(factory=dict, init=False)
    """By index a time before which no page of it is due."""
    _log: Logger = attrs.field(factory=lambda: Logger(namespace="pypidaemon.web"), init=False)

    def ordered(self, about: str) -> None:
        """There was an order about that target: look at the pages that it concerns, now."""
        self._ordered[about] = None
        self.flights.start("", self._follow)

    def learnt(self, about: Iterable[str]) -> None:
        """These rulings were found in force at a start: look at the pages of their projects when somebody asks for changes."""
        for one in about:
            if len(self._due) >= MOST_DUE:
                break
            name = project_of(one)
            if name is not None:
                for label in self.indexes:
                    self._put(label, name, 0.0)

    def shown(self, label: str, page: ProjectPage) -> None:
        """The index has shown that page, which may change by time alone."""
        if page.turns is not None:
            self._put(label, page.name, page.turns)

    async def settle(self, label: str) -> None:
        """Come back when the pages of that index have their numbers that orders concerned, and some of those whose time has come."""
        if self.flights.flying(""):
            await self.flights.join("", self._follow)
        await self.flights.join(label, lambda: self._look_at_due(label))

    def settled(self, label: str, now: float) -> bool:
        """Whether `settle` would find nothing to do."""
        return now < self._soonest.get(label, math.inf) and not self.flights.flying("") and not self.flights.flying(label)

    async def _follow(self) -> None:
        while self._ordered:
            about = next(iter(self._ordered))
            del self._ordered[about]
            for name in await self._concerned(about):
                for label in self.indexes:
                    await self._look(label, name)

    async def _look_at_due(self, label: str) -> None:
        now = self.clock.seconds()
        due = [key for key, time in self._due.items() if key[0] == label and time <= now][:MOST_EXAMINED]
        looked_at = 0
        for key in due:
            # Somebody may have shown it meanwhile.
            if self._due.get(key, now + 1) <= now:
                del self._due[key]
                looked_at += await self._look(label, key[1])
                if looked_at >= AT_ONCE:
                    break
        self._soonest[label] = min((time for key, time in self._due.items() if key[0] == label), default=math.inf)

    async def _concerned(self, about: str) -> Iterable[NormalizedName]:
        """The projects that are known to have what the target is about; of bytes those of ours, and those of which somebody took them."""
        name = project_of(about)
        if name is not None:
            return (name,)
        digest = Digest(digest_of(about))
        try:
            taken = await self.records.fetches.of_digest(digest, 0.0, _MOST_FETCHES)
            return {*await self.records.files.holders(digest), *(fetch.name for fetch in taken)}
        except PypidaemonError as error:
            self._log.warn("who has {about} cannot be found out, so mirrors hear of it late: {error}", about=about, error=str(error))
            return ()

    async def _look(self, label: str, name: NormalizedName) -> bool:
        """Have the page numbered; answer whether there was anything to look at."""
        index = self.indexes[label]
        try:
            if not await _is_known(index, name):
                return False
            self.shown(label, await index.project_page(name))
        except NoSuchProject:
            pass
        except Refused:
            await self._bury(index, name)
        except PypidaemonError as error:
            self._log.debug("{label}: {name} gets no number now: {error}", label=label, name=name, error=str(error))
            self._put(label, name, self.clock.seconds())
        return True

    async def _bury(self, index: IIndex, name: NormalizedName) -> None:
        """Number its absence, where it was ever shown."""
        try:
            if ISeenThrough.providedBy(index):
                await index.bury(name)
            elif await self.records.ledger.serial(index.label, name):
                await self.records.ledger.number(index.label, name, BURIED, 0)
        except PypidaemonError as error:
            self._log.warn("{label}: that {name} is gone gets no number: {error}", label=index.label, name=name, error=str(error))

    def _put(self, label: str, name: NormalizedName, time: float) -> None:
        if len(self._due) < MOST_DUE or (label, name) in self._due:
            self._due[label, name] = time
            self._soonest[label] = min(time, self._soonest.get(label, math.inf))


async def _is_known(index: IIndex, name: NormalizedName) -> bool:
    """Whether some leaf has the project, or had it when it was last asked for."""
    for leaf in leaves(index):
        if IKnowing.providedBy(leaf.index):
            found = await leaf.index.knows(name)
        elif IHostedIndex.providedBy(leaf.index):
            found = await leaf.index.has(name)
        else:
            found = leaf.local
        if found:
            return True
    return False
