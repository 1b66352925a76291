"""
The proxy's pages: asked of upstream at most once at a time, remembered, and turned into what we show.

Three ages of what is remembered: fresh (answered at once), just over it (answered at once, and asked again behind the client's back), old (asked
again before answering, unless upstream is known not to answer). An upstream that cannot be asked never makes an absence (law 10).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon import freshness
from pypidaemon.announcements import Announcements
from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError, UpstreamDeclines, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.indexes.proxy.dates import Dates
from pypidaemon.indexes.proxy.doubting import AGAIN, Doubts
from pypidaemon.indexes.proxy.removal import Removal
from pypidaemon.indexes.proxy.standing_in import StandingIn
from pypidaemon.interfaces import IRecords, IUpstream
from pypidaemon.model import (
    Fact,
    File,
    Filename,
    InThread,
    Listed,
    NormalizedName,
    NotModified,
    ProjectPage,
    Remembered,
    UpstreamPage,
    Validators,
)
from pypidaemon.readings import Reading, Readings
from pypidaemon.serials import insist_on, serial_of, steps_back
from pypidaemon.shelf import Shelf
from pypidaemon.showing import changed, show, weight
from pypidaemon.simple.revision import revise
from pypidaemon.stand_ins import passed_over
from pypidaemon.waits import first, pause

MAX_AGE = 600.0
"""Seconds for which a page is fresh where upstream does not say; PyPI's own value."""
ABSENCE = 60.0
"""Seconds for which a true 404 is remembered (law 10, R216)."""
GRACE = 0.1
"""The part of its lifetime, at most a minute of it, for which a page is still given at once while it is asked for again."""
LONGEST = 12.0
"""Seconds for which who has nothing to fall back to waits for a page that comes slowly: pip gives up after 15."""
_MANY_FILES = 200

log = Logger()


@attrs.frozen
class Held:
    """What is remembered of a project, and the page made of it; `page` None is an absence."""

    remembered: Remembered
    page: ProjectPage | None


@attrs.define
class Pages:
    """
    All pages of one proxy.

    `shelf` holds those in use, weighed in bytes; `found` holds single entries, so that a client that takes files by a lock costs no page.
    """

    label: str
    upstream: IUpstream
    records: IRecords
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    removal: Removal
    dates: Dates
    flights: Flights[NormalizedName, Held] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    shelf: Shelf[NormalizedName, Held] = attrs.field(factory=lambda: Shelf(24 << 20), init=False)
    found: Shelf[tuple[NormalizedName, Filename], Listed] = attrs.field(factory=lambda: Shelf(5_000), init=False)
    readings: Readings[NormalizedName] = attrs.field(factory=Readings, init=False)
    standing: StandingIn = attrs.field(init=False)
    doubts: Doubts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.doubts = Doubts(self.label)
        self.standing = StandingIn(self.label, self.upstream, self.records, self.clock, self.cpu, self.removal)

    async def page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex.project_page`."""
        held = await self._held(name)
        now = self.clock.seconds()
        if held is not None and freshness.is_fresh(now, held.remembered.fresh_until):
            return self._answer(held, name)
        if held is not None and held.page is not None and self._within_grace(held.remembered, now):
            if self.upstream.health.may_ask():
                self.flights.start(name, lambda: self._ask(name))
            return self._answer(held, name)
        return await self._ask_or_recall(name, held)

    async def current(self, name: NormalizedName, announced: int) -> ProjectPage:
        """
        What upstream says now, whatever is remembered; while it cannot be asked, its last word with what an index that stands in has told of since (M18).

        :param announced: the serial that upstream's list has for the project, 0 where it has none.
        :raises NoSuchProject: upstream says that there is none.
        :raises UpstreamUnavailable: it cannot be asked, or its page is older than that.
        """
        trouble: UpstreamUnavailable | None = None
        if not passed_over(self.upstream) or self.flights.flying(name):
            try:
                held = await self.flights.join(name, lambda: self._ask(name))
            except UpstreamUnavailable as error:
                if isinstance(error, UpstreamDeclines) or not self.standing.able:
                    raise
                trouble = error
            else:
                if held.remembered.page is not None:
                    insist_on(self.upstream.label, held.remembered.page.serial, announced)
                return self._answer(held, name)
        before = await self._held(name)
        stood = await self.standing.page(name, before.remembered if before is not None else None, None)
        if stood is not None:
            return attrs.evolve(stood, lent=self.standing.lent(name))
        if before is not None and before.page is not None and self.standing.answered(name):
            return attrs.evolve(before.page, lent=frozenset())
        health = self.upstream.health
        raise trouble or UpstreamUnavailable(self.upstream.label, health.cause or "it does not answer", health.retry_after())

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex.find`: from what was found before, else from what is remembered, and only for an old page by way of the page."""
        now = self.clock.seconds()
        found = self.found.get((name, filename))
        if found is None or not freshness.is_fresh(now, found.fresh_until):
            with self.readings.of(name) as reading:
                found = await self._found(name, filename, now)
                if reading.holds:
                    self.found.put((name, filename), found, 1)
        return found

    async def _found(self, name: NormalizedName, filename: Filename, now: float) -> Listed:
        file: File | None = None
        fresh_until: float | None = None
        stale = False
        remembered = None if self.shelf.get(name) is not None else await self.records.pages.recall_file(self.label, name, filename)
        if remembered is not None and remembered.page is not None and self._will_do(name, remembered, now):
            facts = await self.records.facts.known(self.label, name)
            # One of which upstream has other bytes may be withheld, which the page knows.
            if not changed(remembered.page, facts):
                file, fresh_until = show(self.label, remembered.page, facts).file(filename), remembered.fresh_until
            stale = not freshness.is_fresh(now, fresh_until)
        if fresh_until is None or (file is None and ((stale and self.standing.able) or await self.removal.missed(name))):
            page = await self.page(name)
            file, fresh_until, stale = page.file(filename), page.fresh_until, page.stale
        if file is None and stale:
            # It may be there by now, and whoever says that it is not would be believed (law 10).
            health = self.upstream.health
            raise UpstreamUnavailable(self.upstream.label, health.cause or "it does not answer", health.retry_after())
        if file is None:
            raise NoSuchFile(filename)
        return Listed(name, file, self.label, fresh_until)

    def _will_do(self, name: NormalizedName, remembered: Remembered, now: float) -> bool:
        """Whether an entry may be taken from what is remembered: it is fresh, or upstream cannot be asked, so that it will not get better."""
        if freshness.is_fresh(now, remembered.fresh_until):
            return True
        if self.upstream.health.state == "up":
            return False
        if self.upstream.health.may_ask():
            self.flights.start(name, lambda: self._ask(name))
        return True

    def forget(self, name: NormalizedName | None) -> None:
        """Let go of what is held in memory of a project, or of all."""
        self.shelf.forget(name)
        self.found.drop_where(lambda held: name in (None, held[0]))
        self.standing.forget(name)
        self.readings.spoil(name)

    async def look_again(self, name: NormalizedName) -> None:
        """Make the page anew from what is remembered, since a fact about one of its files was learned."""
        self.forget(name)
        self.announcements.announce(name)

    async def _held(self, name: NormalizedName) -> Held | None:
        held = self.shelf.get(name)
        if held is None:
            with self.readings.of(name) as reading:
                remembered = await self.records.pages.recall(self.label, name)
                if remembered is None:
                    return None
                held = await self._make(name, remembered, reading)
        return held

    def _within_grace(self, remembered: Remembered, now: float) -> bool:
        lifetime = remembered.fresh_until - remembered.fetched
        return remembered.fresh_until <= now < remembered.fresh_until + min(GRACE * lifetime, 60.0)

    async def _ask_or_recall(self, name: NormalizedName, held: Held | None) -> ProjectPage:
        """
        Ask upstream, and fall back to what is held once upstream fails, falls silent, or takes longer than clients wait. Absence goes stale, never on.

        Who has nothing to fall back to waits for as long as upstream shows signs of life, but less than clients do; the page is kept when it comes.
        """
        health = self.upstream.health
        began = self.clock.seconds()
        usable = held if held is not None and held.page is not None else None
        trouble: UpstreamUnavailable | None = None
        if health.may_ask() or self.flights.flying(name):
            landed: list[Held] = []

            async def fly() -> None:
                landed.append(await self.flights.join(name, lambda: self._ask(name)))

            try:
                enough = [health.doubted(), pause(self.clock, LONGEST if usable is None else self.upstream.patience)]
                if await first(fly(), *enough) == 0:
                    return self._answer(landed[0], name)
            except UpstreamUnavailable as error:
                trouble = error
        if not isinstance(trouble, UpstreamDeclines):
            left = None if usable is None else max(began + self.upstream.patience - self.clock.seconds(), 0.0)
            stood = await self.standing.page(name, held.remembered if held is not None else None, left)
            if stood is not None:
                return stood
        if usable is not None:
            return attrs.evolve(self._answer(usable, name), stale=True)
        cause = health.cause or ("its page is still on its way" if self.flights.flying(name) else "it does not answer")
        raise trouble or UpstreamUnavailable(self.upstream.label, cause, health.retry_after())

    def _answer(self, held: Held, name: NormalizedName) -> ProjectPage:
        if held.page is None:
            raise NoSuchProject(name, held.remembered.fresh_until)
        return held.page

    async def _ask(self, name: NormalizedName) -> Held:
        """One request upstream; what it says is remembered before anybody is told."""
        before = await self.records.pages.recall(self.label, name)
        known = before.page if before is not None else None
        try:
            said = await self.upstream.fetch_page(name, known.validators if known is not None else Validators())
        except NoSuchProject:
            now = self.clock.seconds()
            self.doubts.clear(name)
            return await self._keep(name, Remembered(None, now, now + ABSENCE), before)
        now = self.clock.seconds()
        fresh_until = now + (MAX_AGE if said.max_age is None else said.max_age)
        if isinstance(said, NotModified):
            if known is None:
                raise UpstreamUnavailable(self.upstream.label, "it confirms a page that we do not hold")
            if said.serial is not None and said.serial > (known.serial or 0):
                known = attrs.evolve(known, serial=said.serial)
            self.doubts.clear(name)
            return await self._keep(name, Remembered(known, now, fresh_until), before)
        if before is not None and known is not None and steps_back(known, said, now - before.fetched):
            log.warn("{label}: {name} came back with serial {new} below {old}; kept the newer page",
                     label=self.label, name=name, new=said.serial, old=known.serial)  # fmt: skip
            return await self._keep(name, attrs.evolve(before, fresh_until=now + ABSENCE), before)
        if before is not None and known is not None and self.doubts.rejects(name, known, said, now):
            return await self._keep(name, attrs.evolve(before, fresh_until=now + AGAIN), before)
        if said.refused:
            log.warn("{label}: {count} entries of {name} are not clean and were dropped", label=self.label, count=said.refused, name=name)
        return await self._keep(name, Remembered(said, now, fresh_until), before)

    async def _keep(self, name: NormalizedName, remembered: Remembered, before: Remembered | None) -> Held:
        # What is taken away is on the disk before the page that no longer has it.
        remembered = await self.removal.noted(name, remembered, before)
        if remembered.page is not None:
            await self.dates.repair(name, remembered.page, before)
        # An absence that follows nothing is held in memory alone, so that asking for made-up names fills no disk (F52).
        if remembered.page is not None or before is not None:
            await self.records.pages.keep(self.label, name, remembered)
        old = self.shelf.get(name)
        self.standing.spoken(name)
        self.forget(name)
        with self.readings.of(name) as reading:
            held = await self._make(name, remembered, reading)
        was = old.page.revision if old is not None and old.page is not None else None
        if before is not None and was != (held.page.revision if held.page is not None else None):
            self.announcements.announce(name)
        return held

    async def _make(self, name: NormalizedName, remembered: Remembered, reading: Reading) -> Held:
        page: ProjectPage | None = None
        said = await self.removal.offered(name, remembered.page)
        if said is not None:
            facts = await self.records.facts.known(self.label, name)
            many = len(said.files) > _MANY_FILES
            shown = await self.cpu(_shown, self.label, said, facts) if many else _shown(self.label, said, facts)
            serial = await serial_of(self.records, self.label, name, shown.revision, said.serial or 0)
            page = attrs.evolve(shown, serial=serial, fresh_until=remembered.fresh_until)
        held = Held(remembered, page)
        if reading.holds:
            self.shelf.put(name, held, weight(page))
        return held


def _shown(label: str, said: UpstreamPage, facts: Mapping[Filename, Fact]) -> ProjectPage:
    return revise(show(label, said, facts))
