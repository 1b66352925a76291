"""Taking turns: whoever changes a project is alone with it meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import attrs
from twisted.internet.defer import DeferredLock

K = TypeVar("K", bound=Hashable)


@attrs.define
class Turns(Generic[K]):
    """One lock per key, which exists only while somebody has it or waits for it. Those who wait are served in the order in which they came."""

    _locks: dict[K, DeferredLock] = attrs.field(factory=dict, init=False, repr=False)

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        """Wait for the turn, and have it for as long as the block lasts."""
        lock = self._locks.setdefault(key, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            # A release hands the lock to the next one who waits, so it is free only where nobody does.
            lock.release()
            if not lock.locked:
                del self._locks[key]

    def __len__(self) -> int:
        return len(self._locks)
