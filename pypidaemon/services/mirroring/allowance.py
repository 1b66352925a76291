"""How fast a run may fetch: so many requests at once, and so many bytes a second."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

MOST = 10
"""Requests to an upstream at once, at most (R210)."""


@attrs.define(eq=False)
class Places:
    """
    So many at once, and all others wait their turn.

    Whoever gets a place may be done with it before it first pauses, and so may the next. So those who wait are woken one after the other and never
    one within another: a few hundred in a row would be deeper than Python allows.
    """

    _free: int
    _waiting: deque[Deferred[None]] = attrs.field(factory=deque, init=False)
    _waking: bool = attrs.field(default=False, init=False)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Within this, one place is taken."""
        if self._free:
            self._free -= 1
        else:
            turn: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(turn)
            await turn
        try:
            yield
        finally:
            self._free += 1
            self._wake()

    def dismiss(self) -> None:
        """Cancel all who wait, the last first; who has a place keeps it."""
        for turn in reversed(list(self._waiting)):
            turn.cancel()

    def _wake(self) -> None:
        if self._waking:
            return
        self._waking = True
        try:
            while self._free and self._waiting:
                self._free -= 1
                self._waiting.popleft().callback(None)
        finally:
            self._waking = False


@attrs.define
class Allowance:
    """
    What the requests of a run have to keep to.

    A file comes as fast as it does; who has had more than its share then waits, so the bandwidth holds over the time that some files take.

    :param bandwidth: bytes a second; 0 is as much as there is.
    """

    clock: IReactorTime
    bandwidth: int = 0
    _places: Places = attrs.field(factory=lambda: Places(MOST), init=False)
    _free: float = attrs.field(default=0.0, init=False)
    """When all that was fetched so far is paid for."""

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Within this, one request may be made."""
        async with self._places.place():
            while self.bandwidth and (wait := self._free - self.clock.seconds()) > 0:
                await deferLater(self.clock, wait)
            yield

    def took(self, count: int) -> None:
        """So many bytes came."""
        if self.bandwidth:
            self._free = max(self._free, self.clock.seconds()) + count / self.bandwidth
