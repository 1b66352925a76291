"""
Pages of a proxy while its upstream cannot be asked and another index stands in (M18).

They lie in memory alone, apart from what the upstream itself said: so its last word, the validators of that and the pins stay what they were, nothing
counts as taken away, and once the upstream answers again these pages are gone within a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon import freshness
from pypidaemon.errors import NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.indexes.proxy.removal import Removal
from pypidaemon.interfaces import IHealth, IRecords, IStandIns, IUpstream
from pypidaemon.model import AWAY, Fact, File, Filename, InThread, NormalizedName, ProjectPage, Remembered, UpstreamPage
from pypidaemon.serials import serial_of
from pypidaemon.shelf import Shelf
from pypidaemon.showing import show, weight
from pypidaemon.simple.revision import revise
from pypidaemon.stand_ins import able, line
from pypidaemon.standing import together
from pypidaemon.waits import TookTooLong, within

LASTS = 60.0
"""Seconds for which such a page is given before it is looked for anew."""

_ROOM = 8 << 20
_MOST_LENT = 100_000
"""Files of which it is known that only an index that stands in has told of them, in all projects together."""
_MANY_FILES = 200

log = Logger()


@attrs.frozen
class Stood:
    """A page put together, None where nobody has anything to add, and until when that will do."""

    page: ProjectPage | None
    added: frozenset[Filename]
    until: float


@attrs.define
class StandingIn:
    """Asks for them, of each project at most once at a time."""

    label: str
    upstream: IUpstream
    records: IRecords
    clock: IReactorTime
    cpu: InThread
    removal: Removal
    flights: Flights[NormalizedName, Stood | None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    shelf: Shelf[NormalizedName, Stood] = attrs.field(factory=lambda: Shelf(_ROOM), init=False)
    _lent: Shelf[NormalizedName, frozenset[Filename]] = attrs.field(factory=lambda: Shelf(_MOST_LENT), init=False, repr=False)
    """Such files of each project, for longer than its page is here: what is fetched by it may come much later."""

    @property
    def able(self) -> bool:
        """Whether anybody stands in at all."""
        return able(self.upstream)

    @property
    def line(self) -> IHealth:
        """Whether pages can be had from anybody."""
        return line(self.upstream)

    @property
    def lost(self) -> tuple[str, ...]:
        """As `IDependent`."""
        if IStandIns.providedBy(self.upstream):
            found: tuple[str, ...] = IStandIns(self.upstream).lost
            return found
        return (self.upstream.label,) if self.upstream.health.state in AWAY else ()

    def reaches(self, file: File) -> bool:
        """As `IDependent`."""
        return IStandIns(self.upstream).reaches(file) if IStandIns.providedBy(self.upstream) else not self.lost

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IDependent`."""
        (IStandIns(self.upstream) if IStandIns.providedBy(self.upstream) else self.upstream.health).listen(listener)

    async def page(self, name: NormalizedName, known: Remembered | None, seconds: float | None) -> ProjectPage | None:
        """
        The page while upstream cannot be asked; None where there is none that is better than what is known.

        What the upstream said is not there is not there, whoever has it.

        :param known: what the upstream said last.
        :param seconds: how long to wait for it at most; None is for as long as it takes. What comes later is given to who asks next.
        """
        if not self.able or (known is not None and known.page is None):
            return None
        stood: Stood | None = self.shelf.get(name)
        if stood is None or not freshness.is_fresh(self.clock.seconds(), stood.until):
            if seconds is not None and seconds <= 0:
                self.flights.start(name, lambda: self._stand(name, known))
                return None
            try:
                asking = self.flights.join(name, lambda: self._stand(name, known))
                stood = await asking if seconds is None else await within(self.clock, seconds, asking)
            except TookTooLong:
                return None
        return stood.page if stood is not None else None

    def added(self, name: NormalizedName, filename: Filename) -> bool:
        """Whether that file is on the page only for now, until the upstream itself has spoken of it."""
        return filename in self.lent(name)

    def lent(self, name: NormalizedName) -> frozenset[Filename]:
        """All such files of a project."""
        return self._lent.get(name) or frozenset()

    def spoken(self, name: NormalizedName) -> None:
        """The upstream itself has spoken of that project."""
        self._lent.drop(name)

    def answered(self, name: NormalizedName) -> bool:
        """Whether one that stands in has a page of that project, and nothing on it is newer than what is known."""
        stood = self.shelf.get(name)
        return stood is not None and stood.page is None

    def forget(self, name: NormalizedName | None) -> None:
        """Let go of what there is of a project, or of all."""
        self.shelf.forget(name)

    async def _stand(self, name: NormalizedName, known: Remembered | None) -> Stood | None:
        try:
            said = await IStandIns(self.upstream).stand_in(name)
        except (NoSuchProject, UpstreamUnavailable):
            # Who was asked in vain is known to be down, or to have none, so the next question costs nothing.
            return None
        gone = await self.records.withdrawn.withdrawn(self.label, name)
        base = await self.removal.offered(name, known.page) if known is not None else None
        made = together(base, known.fetched if known is not None else 0.0, said, gone)
        until = self.clock.seconds() + LASTS
        page = None if made is None else await self._shown(name, made.page, until)
        if page is not None:
            log.info("{label}: another index stands in for the page of {name}", label=self.label, name=name)
        stood = Stood(page, made.added if made is not None else frozenset(), until)
        self.shelf.put(name, stood, weight(page))
        # Its page may have been given before, when the upstream had told of less.
        lent = stood.added | self.lent(name)
        if lent:
            self._lent.put(name, lent, len(lent))
        return stood

    async def _shown(self, name: NormalizedName, said: UpstreamPage, until: float) -> ProjectPage:
        facts = await self.records.facts.known(self.label, name)
        many = len(said.files) > _MANY_FILES
        shown = await self.cpu(_revised, self.label, said, facts) if many else _revised(self.label, said, facts)
        # The numbers of the index that stands in are not the upstream's, so they count for nothing (F22).
        serial = await serial_of(self.records, self.label, name, shown.revision, said.serial or 0)
        return attrs.evolve(shown, serial=serial, fresh_until=until)


def _revised(label: str, said: UpstreamPage, facts: Mapping[Filename, Fact]) -> ProjectPage:
    return revise(show(label, said, facts))
