"""
The proxy's project list: asked of upstream only when somebody asks for it, kept in a store of its own, read in bounded memory.

Losing what is kept costs time, not truth (law 8): a list that is remembered and not there is asked for again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import closing
from hashlib import blake2b

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon import freshness
from pypidaemon.catalogues import LARGEST, Catalogues, Lines, beginning, entries, has_name, outdated
from pypidaemon.errors import PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBlobStore, IDraft, IRecords, IUpstream
from pypidaemon.model import InThread, NormalizedName, NotModified, ProjectList, RememberedNames, UpstreamNames, Validators
from pypidaemon.simple.names import merge
from pypidaemon.waits import first

MAX_AGE = 600.0
"""Seconds for which a list is fresh where upstream does not say."""
_PIECE = 1 << 20


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
    _catalogues: Catalogues = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._catalogues = Catalogues(self.label, self.lists, self.disk)

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
                if await first(self.flights.join(self.label, self._ask), health.doubted()) == 0:
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
        opened = await self._catalogues.opened(remembered.digest) if remembered is not None else None
        return opened is not None and await self.disk(has_name, opened, name)

    async def _ask(self) -> RememberedNames:
        before = await self.records.pages.recall_names(self.label)
        if before is not None and await self._catalogues.opened(before.digest) is None:
            before = None
        said = await self.upstream.fetch_names(before.validators if before is not None else Validators())
        now = self.clock.seconds()
        if isinstance(said, NotModified):
            if before is None:
                raise UpstreamUnavailable(self.upstream.label, "it confirms a list that we do not hold")
            kept = attrs.evolve(before, fetched=now, fresh_until=_until(now, said.max_age))
        else:
            with closing(said.body):
                kept = await self._take(said, now)
        await self.records.pages.keep_names(self.label, kept)
        if before is None or before.digest != kept.digest:
            await self._expire_outdated(kept)
            await self._catalogues.remove_others(kept.digest)
        return kept

    async def _take(self, said: UpstreamNames, now: float) -> RememberedNames:
        """Store the body as it comes, then read, sort and keep it as lines, piece by piece off the reactor's thread."""
        raw = await self.lists.draft()
        try:
            size = await self._spool(said, raw)
            lines = Lines(self.label, await beginning(raw, size), size, said.content_type, said.coding)
            digest = await self._catalogues.keep(self._pieces(lines))
        finally:
            # It was never to be a blob: an upstream could have it be the bytes of some file.
            await raw.abort()
            raw.close()
        return RememberedNames(digest, said.validators, max(said.serial or 0, lines.highest), now, _until(now, said.max_age))

    async def _spool(self, said: UpstreamNames, raw: IDraft) -> int:
        size = 0
        while piece := await said.body.read():
            size += len(piece)
            if size > LARGEST:
                raise UpstreamUnavailable(self.upstream.label, "its project list is too large")
            await raw.write(piece)
        return size

    async def _pieces(self, lines: Lines) -> AsyncGenerator[bytes]:
        try:
            while piece := await self.cpu(lines.read, _PIECE):
                yield piece
        except ValueError as error:
            raise UpstreamUnavailable(self.upstream.label, f"its project list cannot be read: {error}") from error

    async def _expire_outdated(self, kept: RememberedNames) -> None:
        """A page below the serial that the list now shows is old, whatever its age says (R70)."""
        opened = await self._catalogues.opened(kept.digest)
        if opened is not None:
            numbers = await self.records.ledger.serials(self.label)
            for name in await self.cpu(outdated, opened, numbers):
                await self.records.pages.expire(self.label, name)

    async def _list(self, kept: RememberedNames, *, stale: bool) -> ProjectList | None:
        """The list that is remembered, None where it is not there. It stays readable when it is replaced meanwhile."""
        opened = await self._catalogues.opened(kept.digest)
        if opened is None:
            return None
        numbers = await self.records.ledger.serials(self.label)
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


def _until(now: float, max_age: float | None) -> float:
    return now + (MAX_AGE if max_age is None else max_age)
