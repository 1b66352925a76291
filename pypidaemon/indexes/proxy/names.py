"""
The proxy's project list: asked of upstream only when somebody asks for it, kept in a store of its own, read in bounded memory.

Losing what is kept costs time, not truth (law 8): a list that is remembered and not there is asked for again. While upstream cannot be asked its last
list stays, and the list of another index that stands in adds what is newer; that one is kept apart, so upstream's own word stays what it was (M18).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from functools import partial
from hashlib import blake2b

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon import freshness
from pypidaemon.catalogues import Opener, entries, has_name, later, outdated
from pypidaemon.errors import PypidaemonError, StorageFull, UpstreamDeclines, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBlobStore, IRecords, IUpstream
from pypidaemon.listings import Entry, Numbers, cut, in_stretches, marked
from pypidaemon.model import InThread, NormalizedName, ProjectList, RememberedNames, Stretches
from pypidaemon.simple.names import merge
from pypidaemon.stand_ins import able
from pypidaemon.stretched import Places, Stretched
from pypidaemon.upstream_lists import OTHERS, UpstreamList
from pypidaemon.waits import TookTooLong, first, pause, within

LASTS = 60.0
"""Seconds for which the list of another index is not asked for again."""


@attrs.define
class Names:
    """
    The project list of one proxy.

    :param lists: as in `Catalogues`.
    :param kept: gives the projects, in order, that stay on the list when upstream takes them off.
    """

    label: str
    upstream: IUpstream
    records: IRecords
    lists: IBlobStore
    clock: IReactorTime
    cpu: InThread
    disk: InThread
    hides: Callable[[NormalizedName], bool]
    kept: Callable[[], Awaitable[list[NormalizedName]]]
    flights: Flights[str, RememberedNames] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _asking: UpstreamList = attrs.field(init=False, repr=False)
    _others: UpstreamList = attrs.field(init=False, repr=False)
    """The list of those that stand in for upstream."""
    _looked: float = attrs.field(default=-math.inf, init=False)
    """When one of those last had a list."""
    _places: Places | None = attrs.field(default=None, init=False, repr=False)
    """What is known of the list that was read last."""

    def __attrs_post_init__(self) -> None:
        self._asking = UpstreamList(self.label, self.upstream, self.records, self.lists, self.clock, self.cpu, self.disk)
        self._others = attrs.evolve(self._asking, label=f"{self.label}/{OTHERS}")

    async def project_names(self) -> ProjectList:
        """
        As `IIndex.project_names`: fresh, or the last known one while upstream cannot be asked, with what another index knows since.

        :raises UpstreamUnavailable: none is known, and none can be had.
        :raises StorageFull: none is known, and there is no room for one.
        """
        remembered = await self.records.pages.recall_names(self.label)
        if remembered is not None and freshness.is_fresh(self.clock.seconds(), remembered.fresh_until):
            found = await self._list(remembered, stale=False)
            if found is not None:
                return found
        health = self.upstream.health
        began = self.clock.seconds()
        trouble: PypidaemonError | None = None
        if health.may_ask() or self.flights.flying(self.label):
            try:
                # The list is long, so on a slow line it comes too late for who asks now, and in time for the next.
                enough = [health.doubted()] if remembered is None else [health.doubted(), pause(self.clock, self.upstream.patience)]
                if await first(self.flights.join(self.label, self._ask), *enough) == 0:
                    kept = await self.records.pages.recall_names(self.label)
                    found = await self._list(kept, stale=False) if kept is not None else None
                    if found is not None:
                        return found
            except (UpstreamUnavailable, StorageFull) as error:
                trouble = error
        # What is known may have been replaced meanwhile.
        remembered = await self.records.pages.recall_names(self.label)
        failed = trouble is not None or health.state != "up"
        if failed and able(self.upstream) and not isinstance(trouble, UpstreamDeclines | StorageFull):
            left = None if remembered is None else max(began + self.upstream.patience - self.clock.seconds(), 0.0)
            found = await self._together(remembered, left)
            if found is not None:
                return found
        found = await self._list(remembered, stale=True) if remembered is not None else None
        if found is not None:
            return found
        raise trouble or UpstreamUnavailable(self.upstream.label, health.cause or "it does not answer", health.retry_after())

    def state(self) -> Hashable | None:
        """As `ISteady.names_state`, while nobody but upstream has a say in what is listed."""
        if able(self.upstream) and self.upstream.health.state != "up":
            return None
        return self.records.pages.names_changed(self.label), self.records.ledger.changed(self.label)

    async def lists_name(self, name: NormalizedName) -> bool:
        """Whether the list that is remembered, of whatever age, has that name; nothing is asked of upstream."""
        remembered = await self.records.pages.recall_names(self.label)
        opened = await self._asking.opened(remembered) if remembered is not None else None
        return opened is not None and await self.disk(has_name, opened, name)

    async def _ask(self) -> RememberedNames:
        before = await self.records.pages.recall_names(self.label)
        kept = await self._asking.ask()
        if before is None or before.digest != kept.digest:
            await self._expire_outdated(kept)
        return kept

    async def _together(self, known: RememberedNames | None, seconds: float | None) -> ProjectList | None:
        """
        What upstream said last, with what those that stand in have besides, or had last (law 10); None where none of them ever had a list, or not yet.

        :param seconds: how long to wait for it at most; None is for as long as it takes. What comes later is given to who asks next.
        """
        key = f"{self.label}/{OTHERS}"
        stale = False
        if not 0 <= self.clock.seconds() - self._looked < LASTS:
            if seconds is not None and seconds <= 0:
                self.flights.start(key, self._ask_others)
                return None
            try:
                asking = self.flights.join(key, self._ask_others)
                await (asking if seconds is None else within(self.clock, seconds, asking))
            except (TookTooLong, UpstreamUnavailable, StorageFull):
                stale = True
        beside = await self.records.pages.recall_names(key)
        opened = await self._others.opened(beside) if beside is not None else None
        if beside is None or opened is None:
            return None
        # The numbers of the index that stands in are not upstream's, so what is shown has none of them (F22).
        if known is None:
            known, own = attrs.evolve(beside, serial=0), partial(_unnumbered, opened)
            mark = ""
        else:
            mine = await self._asking.opened(known)
            if mine is None:
                return None
            own = partial(_with_later, mine, opened, known.serial)
            mark = beside.digest[:16]
        return await self._made(attrs.evolve(known, fresh_until=beside.fetched + LASTS), own, stale=stale, mark=mark)

    async def _ask_others(self) -> RememberedNames:
        kept = await self._others.ask_others()
        self._looked = self.clock.seconds()
        return kept

    async def _expire_outdated(self, kept: RememberedNames) -> None:
        """A page below the serial that the list now shows is old, whatever its age says (R70)."""
        opened = await self._asking.opened(kept)
        if opened is not None:
            numbers = await self.records.ledger.serials(self.label)
            for name in await self.cpu(outdated, opened, numbers):
                await self.records.pages.expire(self.label, name)

    async def _list(self, kept: RememberedNames, *, stale: bool) -> ProjectList | None:
        """The list that is remembered, None where it is not there. It stays readable when it is replaced meanwhile."""
        opened = await self._asking.opened(kept)
        if opened is None:
            return None
        if self._places is None or self._places.digest != kept.digest:
            self._places = Places(kept.digest)
        return await self._made(kept, partial(entries, opened), stale=stale, stretched=Stretched(opened, self._places))

    async def _made(
        self,
        kept: RememberedNames,
        read: Callable[[], Iterator[tuple[NormalizedName, int]]],
        *,
        stale: bool,
        mark: str = "",
        stretched: Stretched | None = None,
    ) -> ProjectList:
        """
        The list of those entries, as it is shown.

        :param mark: tells it from the list that is `kept`, where it has more.
        :param stretched: reads the same entries in stretches.
        """
        numbers = self.records.ledger.late(self.label)
        high = await self.records.ledger.high(self.label)
        hides, own = self.hides, await self.kept()

        unlisted = [(name, 0) for name in own]

        def shown(found: Iterator[Entry], besides: Sequence[Entry]) -> Iterator[Entry]:
            for name, serial in merge([found, iter(besides)]) if besides else found:
                if not hides(name):
                    # bandersnatch skips a project without a serial (R48), so one that upstream does not number gets 1.
                    yield name, max(serial, numbers.get(name, 0), 1)

        def listed() -> Iterator[Entry]:
            return shown(read(), unlisted)

        def in_part(read: Stretched) -> Stretches:
            besides, given = in_stretches(unlisted).mark, Numbers(numbers).mark
            return Stretches(
                lambda start, end: shown(read.entries(start, end), cut(unlisted, start, end)),
                lambda start, end: marked(one(start, end) for one in (read.mark, besides, given)),
            )

        return ProjectList(
            entries=listed,
            revision="-".join([kept.digest[:32], str(kept.serial), str(high), *_mark(own), *([mark] if mark else [])]),
            serial=max(kept.serial, high, 1),
            fresh_until=kept.fresh_until,
            source=self.label,
            stale=stale,
            stretches=None if stretched is None else in_part(stretched),
        )


def _with_later(own: Opener, beside: Opener, serial: int) -> Iterator[tuple[NormalizedName, int]]:
    return merge([entries(own), ((name, 0) for name, _ in later(beside, serial))])


def _unnumbered(beside: Opener) -> Iterator[tuple[NormalizedName, int]]:
    return ((name, 0) for name, _ in entries(beside))


def _mark(own: list[NormalizedName]) -> list[str]:
    """What tells these projects of ours from others; nothing where there are none."""
    return [blake2b("\n".join(own).encode(), digest_size=8).hexdigest()] if own else []
