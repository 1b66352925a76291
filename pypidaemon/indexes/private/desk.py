"""
Where small uploads wait for one another, for a moment, so that the disk is waited for once and not for each of them.

To bring a wheel and its METADATA to the disk takes three times the processor, and ten times as long, where each comes alone. So who is ready to be stored waits
for those that are expected to be ready in a moment, which are the uploads that are being looked at just then; where there is none, nobody waits. What is ready
while others are being stored is stored after them, all of it together.

Who uploads several files at a time sends the next ones as soon as he is told of those before, one after the other. So as many as were stored together are waited
for once more, for a moment; an upload by itself waits for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pypidaemon.errors import StorageFailed
from pypidaemon.interfaces import IBlobStore, IKeeping
from pypidaemon.model import Digest

TOGETHER = 16 << 20
"""Bytes in memory of all drafts together: of a thousand uploads at once most go to the disk, as every one of them would without this."""

MOST = 64
"""Uploads that are stored at one stroke at most."""

PATIENCE = 0.01
"""Seconds that one waits at most for others that are not ready yet: about as long as it takes to be stored alone."""

LULL = 0.002
"""Seconds that one waits for as many as were stored together last, while none is being looked at: about as long as a client needs to send the next."""

STUCK = 60.0
"""Seconds that a round may take. Who is in it or behind it is told then that the disk does not answer; who comes until it does goes his own way to the store."""


@attrs.define(eq=False)
class Desk:
    """
    What all small uploads to one index share.

    :param store: the same as `keeping`, for what turns out not to be small.
    :param most: bytes in memory at most.
    """

    store: IBlobStore
    keeping: IKeeping
    clock: IReactorTime
    most: int = TOGETHER
    held: int = attrs.field(default=0, init=False)
    """Bytes that drafts hold in memory."""
    expected: int = attrs.field(default=0, init=False)
    """How many will be ready in a moment."""
    rounds: int = attrs.field(default=0, init=False)
    """How often something was stored."""
    _is_storing: bool = attrs.field(default=False, init=False)
    """Whether a round is under way; the next begins after it, with all that have come meanwhile."""
    _is_stuck: bool = attrs.field(default=False, init=False)
    """Whether the round that is under way has taken too long."""
    _waiting: list[tuple[bytes, bytes | None, Deferred[Digest]]] = attrs.field(factory=list, init=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)
    _since: float = attrs.field(default=0.0, init=False)
    """When those that wait began to."""
    _last: tuple[int, int] = attrs.field(default=(1, 1), init=False)
    """How many were stored together the last time, and the time before: who comes a little too late is alone once, and that says nothing of how many there are."""

    def take(self, count: int) -> bool:
        """Whether so many bytes more have room here, and may hope to be stored; they count as held then."""
        if self._is_stuck or self.held + count > self.most:
            return False
        self.held += count
        return True

    def expect(self, count: int, *, quietly: bool = False) -> None:
        """
        So many more are to be expected, or fewer.

        :param quietly: whether the one that is expected no longer is about to be kept.
        """
        self.expected += count
        if not self.expected and not quietly:
            self._begin_or_wait()

    async def keep(self, data: bytes, beside: bytes | None) -> Digest:
        """
        Make that a blob, and what stands beside it another.

        Who stops waiting does not know whether it is one.

        :raises Exception: as `IKeeping.keep`.
        :raises StorageFailed: also where that took too long; it may become one yet.
        """
        if self._is_stuck:
            raise _silence()
        waiter: Deferred[Digest] = Deferred()
        self._waiting.append((data, beside, waiter))
        self._begin_or_wait()
        return await waiter

    def _begin_or_wait(self) -> None:
        if self._is_storing or not self._waiting:
            return
        if len(self._waiting) >= (MOST if self.expected else max(self._last)):
            self._begin()
        elif self._timer is None:
            self._since = self.clock.seconds()
            self._timer = self.clock.callLater(PATIENCE if self.expected else LULL, self._end_of_patience)
        elif not self.expected:
            self._timer.reset(max(min(LULL, self._left()), 0.0))

    def _end_of_patience(self) -> None:
        self._timer = None
        if self.expected and (left := self._left()) > 0:
            self._timer = self.clock.callLater(left, self._begin)
        else:
            self._begin()

    def _left(self) -> float:
        """Seconds that those who wait may do so yet."""
        return self._since + PATIENCE - self.clock.seconds()

    def _begin(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._is_storing or not self._waiting:
            return
        served, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        self.rounds += 1
        self._last = (len(served), self._last[0])
        self._is_storing = True
        Deferred.fromCoroutine(self._serve(served))

    async def _serve(self, served: Sequence[tuple[bytes, bytes | None, Deferred[Digest]]]) -> None:
        outcomes: Sequence[Digest | Exception]
        alarm = self.clock.callLater(STUCK, self._give_up, served)
        try:
            outcomes = await self.keeping.keep_all([(data, beside) for data, beside, _ in served])
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait have to hear of it
            outcomes = [error] * len(served)
        self._is_storing = self._is_stuck = False
        if alarm.active():
            alarm.cancel()
        if self._waiting:
            self._begin_or_wait()
        for (_, _, waiter), outcome in zip(served, outcomes, strict=True):
            if waiter.called:
                continue  # cancelled by whoever waited, or given up
            if isinstance(outcome, Exception):
                waiter.errback(outcome)
            else:
                waiter.callback(outcome)

    def _give_up(self, served: Sequence[tuple[bytes, bytes | None, Deferred[Digest]]]) -> None:
        """Tell those of that round, and all behind it, that it has taken too long. Their bytes are let go, so that they fill no memory."""
        self._is_stuck = True
        behind, self._waiting = self._waiting, []
        for _, _, waiter in (*served, *behind):
            if not waiter.called:
                waiter.errback(_silence())


def _silence() -> StorageFailed:
    return StorageFailed("this cannot be stored: the disk does not answer")
