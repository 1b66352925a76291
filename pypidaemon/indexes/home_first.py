"""
Home and away: an index at home is asked first, and others at once while home cannot be reached, save for what is home's own (issue 8, N1).

By law 1 only an absence lets a combiner ask the next index. This one also goes on where home is out of reach, and so must know which names are home's own:
of those a stranger may have one as well (dependency confusion). They are told by the list of an index that has nothing else, as it was last seen, of
whatever age, and those that it ever had are in the ledger, under a label that no index has: who is let in no longer sees an empty list. As long as no such
list was ever seen, every name counts as home's own. Of a name that is home's own nobody else is asked, though home says that it has none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from itertools import islice
from typing import TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.errors import NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.explaining import explain, passed_on
from pypidaemon.flights import Flights, landing
from pypidaemon.interfaces import IContent, IExplaining, IFillable, IHealth, IIndex, IKnowing, IRecords, ISteady
from pypidaemon.leaves import leaves
from pypidaemon.listings import Numbers, combined, states_of
from pypidaemon.model import (
    AWAY,
    Change,
    Companion,
    Explanation,
    Filename,
    InThread,
    Listed,
    NormalizedName,
    Outcome,
    ProjectList,
    ProjectPage,
)
from pypidaemon.moments import written
from pypidaemon.serials import combined_serial
from pypidaemon.settings import duration, given, reference, references, setting

MOST = 50_000
"""Names of a list that are noted for ever; one that has more is no list of what is private."""
LASTS = 60.0
"""Seconds for which an answer of another index than home's holds at most, so that home is asked again soon after it is back."""

T = TypeVar("T")
log = Logger(namespace="pypidaemon")


@implementer(IIndex, IExplaining, ISteady)
@attrs.define(eq=False, slots=False)
class HomeFirst(Service):
    """
    A combiner: home's index answers for every project that it has, and while it cannot be reached the others answer for what is not home's own.

    What is home's own is then answered from what is known of it here, of whatever age, and else is an outage: never by anybody else. Reserved names
    no upstream hears of, this one's neither.
    """

    label: str = given("label")
    indexes: tuple[IIndex, ...] = references(
        IIndex, help="the index at home, and those that are asked where it has none, or is out of reach"
    )
    own: tuple[IIndex, ...] = references(
        IIndex,
        default=(),
        help="proxies of what is private at home, whose names nobody else is asked for; without it the index at home itself",
    )
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept, and the lists")
    clock: IReactorTime = given("clock")
    announcements: Announcements = given("announcements")
    cpu: InThread = given("cpu")
    every: float = setting(duration, default=600.0, help="how often the list of home's own names is looked at while home can be reached")
    _health: IHealth = attrs.field(init=False, repr=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _flights: Flights[str, None] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)), repr=False)
    _was_away: bool = attrs.field(init=False, default=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if len(self.indexes) < 2:
            raise ValueError("indexes: names home's index and at least one to ask while that is out of reach")
        found = [leaf.index for leaf in leaves(self.indexes[0]) if IFillable.providedBy(leaf.index)]
        if len(found) != 1:
            raise ValueError("indexes: the first is home's, one that asks one upstream, and that upstream is home")
        for index in self._owners:
            if not all(IKnowing.providedBy(leaf.index) for leaf in leaves(index)):
                raise ValueError("own: names proxies or mirrors of home's private indexes")
        self._health = IFillable(found[0]).upstream.health
        self._health.listen(self._changed)

    @property
    def _owners(self) -> tuple[IIndex, ...]:
        return self.own or self.indexes[:1]

    def startService(self) -> None:
        """Look at the list of home's own names, and again from time to time."""
        Service.startService(self)
        self._look()

    def stopService(self) -> Deferred[None]:
        """Look no more; fires when what was under way has ended."""
        Service.stopService(self)
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        return landing(self._flights)

    async def project_names(self) -> ProjectList:
        """As `IIndex`: the names of all its indexes. One whose list cannot be had is left out while another has one, and that is an old list then."""
        lists: list[ProjectList] = []
        trouble: UpstreamUnavailable | None = None
        for index in self.indexes:
            try:
                lists.append(await index.project_names())
            except UpstreamUnavailable as error:
                trouble = trouble or error
        if trouble is not None and not lists:
            raise trouble
        numbers = self.records.ledger.late(self.label)
        high = await self.records.ledger.high(self.label)
        ends = [one.fresh_until for one in lists if one.fresh_until is not None]
        ends += [self.clock.seconds() + LASTS] if trouble is not None else []
        whole = ProjectList(
            entries=lambda: iter(()),
            revision="-".join([*(one.revision for one in lists), str(high)]),
            serial=max([high, *(one.serial for one in lists)]),
            fresh_until=min(ends, default=None),
            source=self.label,
            stale=trouble is not None or any(one.stale for one in lists),
        )
        return combined(tuple(lists), lambda name, serial: max(serial, numbers.get(name, 0)), whole, Numbers(numbers).mark)

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        return states_of(self.indexes, self.records.ledger.changed(self.label))

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; for a minute at most where it is not home that answers, and home is out of reach."""

        async def ask(index: IIndex) -> ProjectPage:
            page = await index.project_page(name)
            return attrs.evolve(page, fresh_until=self._until(index, page.fresh_until))

        page = await self._answered(name, ask)
        return attrs.evolve(page, serial=await combined_serial(self.records, self, page, name))

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`: of the index that answers for the project now."""

        async def ask(index: IIndex) -> Listed:
            listed = await index.find(name, filename)
            return attrs.evolve(listed, fresh_until=self._until(index, listed.fresh_until))

        return await self._answered(name, ask)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: from the index that answers for the project now."""
        return await self._answered(name, lambda index: index.open_file(name, filename, companion))

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: with how home is, and whether the name is home's own."""
        told: list[Explanation] = []

        async def ask(index: IIndex) -> Explanation:
            told.append(await explain(index, name))
            match told[-1].outcome:
                case Outcome.ABSENT:
                    raise NoSuchProject(name)
                case Outcome.UNKNOWN:
                    raise UpstreamUnavailable(index.label, told[-1].cause or "")
            return told[-1]

        with suppress(NoSuchProject, UpstreamUnavailable):
            # The explanations say so themselves.
            await self._answered(name, ask)
        own = "yes, so nobody else is asked" if await self._is_own(name) else "no"
        facts = (("home", self._health.state), ("home's own", own), ("home's own names are as of", await self._as_of()))
        return attrs.evolve(passed_on(self.label, "home-first", told), facts=facts)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return await self.records.ledger.changes(self.label, since, 50_000)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`, of all its indexes."""
        return sum([await index.refresh(name) for index in self.indexes])

    @property
    def away(self) -> bool:
        """Whether home is out of reach, as far as is known."""
        return self._health.state in AWAY

    async def _answered(self, name: NormalizedName, ask: Callable[[IIndex], Awaitable[T]]) -> T:
        home, *others = self.indexes
        if not self.away:
            try:
                return await ask(home)
            except NoSuchProject as absence:
                if await self._has_not_seen():
                    await self._flights.join("", self._seen_anew)
                    if await self._has_not_seen():
                        raise UpstreamUnavailable(home.label, "home's own names were never seen, so nobody else is asked") from absence
                if await self._is_own(name):
                    raise
                return await _first(others, ask, absence)
            except UpstreamUnavailable as error:
                if await self._is_own(name):
                    raise
                return await _first(others, ask, error)
        if not await self._is_own(name):
            try:
                return await _first(others, ask, NoSuchProject(name))
            except (NoSuchProject, UpstreamUnavailable):
                # Then what was last known of home is the best there is; and that nobody else has it does not say that home has none (law 10).
                return await ask(home)
        return await ask(home)

    async def _is_own(self, name: NormalizedName) -> bool:
        """Whether that name is home's own, as far as was ever seen; every name is where nothing was."""
        if await self._has_not_seen():
            return True
        for index in self._owners:
            if await self.records.ledger.serial(_noted(index), name):
                return True
            for leaf in leaves(index):
                if await IKnowing(leaf.index).knows(name):
                    return True
        return False

    async def _has_not_seen(self) -> bool:
        for index in self._owners:
            for leaf in leaves(index):
                if await self._seen(leaf.index) is None:
                    return True
        return False

    async def _seen(self, index: IIndex) -> float | None:
        """When the names of that index were last seen; None where they never were."""
        remembered = await self.records.pages.recall_names(index.label)
        if remembered is not None:
            return remembered.fetched
        return (await self.records.mirrors.progress(index.label)).started or None

    async def _as_of(self) -> str:
        found = [await self._seen(leaf.index) for index in self._owners for leaf in leaves(index)]
        return "never, so every name counts as one of them" if None in found or not found else written(min(time for time in found if time))

    def _until(self, index: IIndex, until: float | None) -> float | None:
        if index is self.indexes[0] or not self.away:
            return until
        soon = self.clock.seconds() + LASTS
        return soon if until is None else min(until, soon)

    def _changed(self) -> None:
        """A listener of home's health."""
        before, self._was_away = self._was_away, self.away
        if self.running and self.away and not before:
            # What home answered is fresh for a while, and others may have more to offer than what is held here.
            self.announcements.announce(None)
        elif self.running and before and not self.away:
            self._look()

    def _look(self) -> None:
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._due = self.clock.callLater(self.every, self._look)
        if not self.away:
            self._flights.start("", self._seen_anew)

    async def _seen_anew(self) -> None:
        for index in self._owners:
            try:
                await self._note(index, await index.project_names())
            except PypidaemonError as error:
                log.info("{label}: the names of {index} cannot be seen now: {error}", label=self.label, index=index.label, error=str(error))

    async def _note(self, index: IIndex, listed: ProjectList) -> None:
        """Have it on record which names are home's own, for when the list has them no more."""
        names = await self.cpu(_beginning, listed)
        if len(names) > MOST:
            return
        known = await self.records.ledger.serials(_noted(index))
        for name in names:
            if name not in known:
                await self.records.ledger.number(_noted(index), name, "", 1)


def _noted(index: IIndex) -> str:
    return f"own:{index.label}"


def _beginning(listed: ProjectList) -> list[NormalizedName]:
    return [name for name, _ in islice(listed.entries(), MOST + 1)]


async def _first(indexes: list[IIndex], ask: Callable[[IIndex], Awaitable[T]], otherwise: PypidaemonError) -> T:
    """The answer of the first that has the project (law 1)."""
    for index in indexes:
        try:
            return await ask(index)
        except NoSuchProject:
            continue
    raise otherwise
