"""How fast a run may fetch: so many requests at once, and so many bytes a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

MOST = 10
"""Requests to an upstream at once, at most (R210)."""


@attrs.define
class Allowance:
    """
    What the requests of a run have to keep to.

    A file comes as fast as it does; who has had more than its share then waits, so the bandwidth holds over the time that some files take.

    :param bandwidth: bytes a second; 0 is as much as there is.
    """

    clock: IReactorTime
    bandwidth: int = 0
    _places: DeferredSemaphore = attrs.field(factory=lambda: DeferredSemaphore(MOST), init=False)
    _free: float = attrs.field(default=0.0, init=False)
    """When all that was fetched so far is paid for."""

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Within this, one request may be made."""
        await self._places.acquire()
        try:
            while self.bandwidth and (wait := self._free - self.clock.seconds()) > 0:
                await deferLater(self.clock, wait)
            yield
        finally:
            self._places.release()

    def took(self, count: int) -> None:
        """So many bytes came."""
        if self.bandwidth:
            self._free = max(self._free, self.clock.seconds()) + count / self.bandwidth
