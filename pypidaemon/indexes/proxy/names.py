"""
The proxy's project list: asked of upstream only when somebody asks for it, kept in a store of its own, read in bounded memory.

Losing what is kept costs time, not truth (law 8): a list that is remembered and not there is asked for again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from hashlib import blake2b

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon import freshness
from pypidaemon.catalogues import entries, has_name, outdated
from pypidaemon.errors import PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBlobStore, IRecords, IUpstream
from pypidaemon.model import InThread, NormalizedName, ProjectList, RememberedNames
from pypidaemon.simple.names import merge
from pypidaemon.upstream_lists import UpstreamList
from pypidaemon.waits import first, pause


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

    def __attrs_post_init__(self) -> None:
        self._asking = UpstreamList(self.label, self.upstream, self.records, self.lists, self.clock, self.cpu, self.disk)

    async def project_names(self) -> ProjectList:
        """
        As `IIndex.project_names`: fresh, or the last known one while upstream cannot be asked.

        :raises UpstreamUnavailable: none is known, and none can be had.
        :raises StorageFull: none is known, and there is no room for one.
        """
        remembered = await self.records.pages.recall_names(self.label)
        if remembered is not None and freshness.is_fresh(self.clock.seconds(), remembered.fresh_until):
            found = await self._list(remembered, stale=False)
            if found is not None:
                return found
        health = self.upstream.health
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
        found = await self._list(remembered, stale=True) if remembered is not None else None
        if found is not None:
            return found
        raise trouble or UpstreamUnavailable(self.upstream.label, health.cause or "it does not answer", health.retry_after())

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
        numbers = self.records.ledger.late(self.label)
        high = await self.records.ledger.high(self.label)
        hides, own = self.hides, await self.kept()

        def listed() -> Iterator[tuple[NormalizedName, int]]:
            for name, serial in merge([entries(opened), ((name, 0) for name in own)]) if own else entries(opened):
                if not hides(name):
                    # bandersnatch skips a project without a serial (R48), so one that upstream does not number gets 1.
                    yield name, max(serial, numbers.get(name, 0), 1)

        return ProjectList(
            entries=listed,
            revision="-".join([kept.digest[:32], str(high), *_mark(own)]),
            serial=max(kept.serial, high, 1),
            fresh_until=kept.fresh_until,
            source=self.label,
            stale=stale,
        )


def _mark(own: list[NormalizedName]) -> list[str]:
    """What tells these projects of ours from others; nothing where there are none."""
    return [blake2b("\n".join(own).encode(), digest_size=8).hexdigest()] if own else []
