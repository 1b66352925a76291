"""How fast a run may fetch: so many requests at once, and so many bytes a second."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from pypidaemon.interfaces import ITurn

MOST = 10
"""Requests to an upstream at once, at most (R210)."""
ASIDE = 48
"""Files at most that are being stored while their places serve others: the more are stored together, the less each costs."""

ASIDE_BYTES = 16 << 20
"""Bytes of them at most, since they are in memory; one of them may have more."""


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
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    async def enter(self) -> None:
        """Take a place."""
        if self._free:
            self._free -= 1
        else:
            turn: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(turn)
            await turn

    def leave(self) -> None:
        """Give a place back."""
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
    _aside: int = attrs.field(default=0, init=False)
    _aside_bytes: int = attrs.field(default=0, init=False)

    def set_aside(self, count: int) -> bool:
        """Whether a file of so many bytes may be stored without a place; if so it is one of these from now on."""
        if self._aside >= ASIDE or (self._aside and self._aside_bytes + count > ASIDE_BYTES):
            return False
        self._aside += 1
        self._aside_bytes += count
        return True

    def come_back(self, count: int) -> None:
        """One of these, of so many bytes, is stored."""
        self._aside -= 1
        self._aside_bytes -= count

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Within this, one request may be made."""
        await self._enter()
        try:
            yield
        finally:
            self._places.leave()

    async def turn(self) -> Turn:
        """Wait until a request may be made; the answer is to be ended."""
        await self._enter()
        return Turn(self)

    async def _enter(self) -> None:
        await self._places.enter()
        try:
            while self.bandwidth and (wait := self._free - self.clock.seconds()) > 0:
                await deferLater(self.clock, wait)
        except BaseException:
            self._places.leave()
            raise

    def took(self, count: int) -> None:
        """So many bytes came."""
        if self.bandwidth:
            self._free = max(self._free, self.clock.seconds()) + count / self.bandwidth


@implementer(ITurn)
@attrs.define(eq=False)
class Turn:
    """
    The turn of one file: a place for a request, which others may have while what came is stored.

    Since storing is done for all together that come meanwhile, it takes the less the more there are.
    """

    _allowance: Allowance
    _held: bool = attrs.field(default=True, init=False)
    _aside: int = attrs.field(default=-1, init=False)
    """How many bytes are being stored without a place; negative where none are."""
    _counted: int = attrs.field(default=0, init=False)

    async def enter(self) -> None:
        """As `ITurn`."""
        self._come_back()
        if not self._held:
            await self._allowance._enter()
            self._held = True

    def leave(self, count: int) -> None:
        """As `ITurn`; the place is kept where too many are being stored already."""
        allowance = self._allowance
        self._count(count)
        if self._held and allowance.set_aside(count):
            self._aside, self._held = count, False
            allowance._places.leave()

    def end(self, count: int) -> None:
        """It is over, and so many bytes came in all."""
        self._come_back()
        self._count(max(count - self._counted, 0))
        if self._held:
            self._held = False
            self._allowance._places.leave()

    def _count(self, count: int) -> None:
        self._counted += count
        self._allowance.took(count)

    def _come_back(self) -> None:
        if self._aside >= 0:
            self._allowance.come_back(self._aside)
            self._aside = -1
