"""
What nobody needs: found, and removed.

A blob is unowned if no record of a private file or of a mirror names it, what is leaving a mirror included, and nothing that is remembered of an upstream
does, nor of a project that a run is to finish. A young one is none: somebody may be about to record it (law 7).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.interfaces import ITended
from pypidaemon.model import Digest
from pypidaemon.verification.holdings import Holdings
from pypidaemon.verification.pace import Pace

AGE = 86_400.0
"""Seconds that something unowned may lie about before it is worth a word."""


@attrs.frozen
class Unowned:
    """
    Something that nobody needs.

    :param store: the label of the store.
    :param digest: of a blob; None where it is no blob.
    :param stray: where it lies in the store, if it is no blob.
    """

    store: str
    digest: Digest | None = None
    stray: str = ""


@attrs.define
class Clearing:
    """
    Finds and removes it.

    :param age: how old something unowned has to be, in seconds.
    :param pace: counts blobs.
    """

    holdings: Holdings
    clock: IReactorTime
    age: float
    pace: Pace

    async def unowned(self) -> AsyncIterator[Unowned]:
        """
        All of it that is old enough; drafts that a crash left are among it.

        :raises PypidaemonError: the records cannot be read.
        """
        before = self._before()
        for label, store in self._tended():
            for stray in await store.strays(before):
                yield Unowned(label, stray=stray)
        if not self.holdings.strangers:
            for digest, labels in (await self._loose(before)).items():
                for label in labels:
                    yield Unowned(label, digest)

    async def remove(self, one: Unowned) -> bool:
        """
        Remove it if nobody has come to need it meanwhile; answer whether it was.

        :raises PypidaemonError: the records cannot be read.
        """
        store = self.holdings.stores[one.store]
        if not ITended.providedBy(store):
            return False
        if one.digest is None:
            return bool(await store.discard(one.stray, self._before()))
        # Whoever is about to record it has renewed it before, so asking first and looking at its age then leaves no gap.
        return not await self.holdings.recorded(one.digest) and bool(await store.clear(one.digest, self._before()))

    async def _loose(self, before: float) -> dict[Digest, list[str]]:
        """The old blobs that no record names, and of those the ones that nothing remembered of an upstream names either."""
        found: dict[Digest, list[str]] = {}
        for label, store in self._tended():
            async for digest in store.older(before):
                if not await self.holdings.recorded(digest):
                    found.setdefault(digest, []).append(label)
                await self.pace.spend(1)
        for home in self.holdings.homes:
            if found:
                async for digest in home.awaited():
                    found.pop(digest, None)
            if found and home.remembers:
                async for named in home.cached():
                    found.pop(named.digest, None)
        return found

    def _tended(self) -> list[tuple[str, ITended]]:
        return [(label, ITended(store)) for label, store in self.holdings.stores.items() if ITended.providedBy(store)]

    def _before(self) -> float:
        return self.clock.seconds() - self.age
