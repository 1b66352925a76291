"""Ways to wait: for something to happen, for not too long, for whichever comes first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

T = TypeVar("T")


class TookTooLong(Exception):
    """What was waited for did not come within the time allowed."""


@attrs.define(eq=False)
class Bell:
    """Wakes everybody who waits for it. It remembers nothing: who comes after a ring waits for the next one."""

    _waiting: dict[Deferred[None], None] = attrs.field(init=False, factory=dict)

    def ring(self) -> None:
        """Wake all who wait now. Those who begin to wait while being woken wait for the next ring."""
        for sleeper in list(self._waiting):
            # One who was woken may have cancelled another, which then is here no more.
            if sleeper in self._waiting:
                del self._waiting[sleeper]
                sleeper.callback(None)

    def wait(self) -> Deferred[None]:
        """A Deferred that fires with the next ring; cancelling it takes the waiter off the list."""
        sleeper: Deferred[None] = Deferred(lambda left: self._waiting.pop(left, None))
        self._waiting[sleeper] = None
        return sleeper

    @property
    def listeners(self) -> int:
        """How many are waiting."""
        return len(self._waiting)


async def _follow(awaitable: Awaitable[Any]) -> None:
    """Turn anything that can be awaited into a coroutine, the one thing that a Deferred can be made from."""
    await awaitable


async def _outcome(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def first(*awaitables: Awaitable[Any]) -> int:
    """
    Wait until one of them is done, cancel the others, and answer the position of the one that was.

    All are begun, in order; of several that are done at once the first in order counts. What becomes of the cancelled ones is of no
    interest, so their failures are dropped. Cancelling this wait cancels all.

    :raises ValueError: there is nothing to wait for.
    :raises Exception: whatever the one that was done first raised.
    """
    if not awaitables:
        raise ValueError("nothing to wait for")
    ended: Deferred[int] = Deferred()
    over: list[bool] = []

    def done(result: object, position: int) -> None:
        if ended.called or over:
            return
        if isinstance(result, Failure):
            ended.errback(result)
        else:
            ended.callback(position)

    running = [Deferred.fromCoroutine(_follow(awaitable)) for awaitable in awaitables]
    for position, deferred in enumerate(running):
        deferred.addBoth(done, position)
    try:
        return await ended
    finally:
        over.append(True)
        for deferred in running:
            deferred.cancel()


async def pause(clock: IReactorTime, seconds: float) -> None:
    """Come back after so many seconds."""
    await deferLater(clock, seconds)


async def entered(clock: IReactorTime, seconds: float, places: DeferredSemaphore) -> None:
    """
    Take one of these places, which mostly is free.

    :raises TookTooLong: as `within`.
    """
    if places.tokens:
        places.tokens -= 1
    else:
        await within(clock, seconds, places.acquire())


def _timers(
    clock: IReactorTime, seconds: float, late: Callable[[], None], doubt: tuple[float, Callable[[], object]] | None
) -> list[IDelayedCall]:
    """
    The timer of `within` at the end of a list, in whose place the next one comes.

    Before it is too late the reactor has a turn more, in which what has come is heard: a process that was held up for as long (a netbook that slept, a
    machine with too much to do) finds time that is over and data that lies there, and looks at the time first.
    """

    def nearly() -> None:
        timers.append(clock.callLater(0, late))

    if doubt is None or doubt[0] > seconds:
        timers = [clock.callLater(seconds, nearly)]
        return timers
    after, tell = doubt

    def doubted() -> None:
        timers.append(clock.callLater(seconds - after, nearly))
        tell()

    timers = [clock.callLater(after, doubted)]
    return timers


async def within(
    clock: IReactorTime, seconds: float, awaitable: Awaitable[T], doubt: tuple[float, Callable[[], object]] | None = None
) -> T:
    """
    Answer what `awaitable` comes to, unless that takes longer than `seconds`; it is then cancelled.

    :param doubt: after how many seconds what is called, where nothing has come by then; one timer serves both.
    :raises TookTooLong: the time is up. That does not depend on how quickly the cancelled one gives up.
    :raises Exception: whatever `awaitable` raised in time.
    """
    if isinstance(awaitable, Deferred) and awaitable.called and not awaitable.paused:
        # A place that was free is the usual case, and is worth no timer.
        ready: T = await awaitable
        return ready
    outcome: Deferred[T] = Deferred()
    over: list[bool] = []

    def done(result: T | Failure) -> None:
        # Whom the interpreter clears away while he waits has no outcome, and must not be woken by what he cancels on his way out: he is awake.
        if not (outcome.called or over):
            if isinstance(result, Failure):
                outcome.errback(result)
            else:
                outcome.callback(result)

    def late() -> None:
        if not outcome.called:
            outcome.errback(TookTooLong(f"nothing came within {seconds:g} seconds"))

    # Whoever waits for a Deferred of its own needs no coroutine in between.
    running = awaitable if isinstance(awaitable, Deferred) else Deferred.fromCoroutine(_outcome(awaitable))
    running.addBoth(done)
    if outcome.called:
        return await outcome
    timers = _timers(clock, seconds, late, doubt)
    try:
        return await outcome
    finally:
        over.append(True)
        if timers[-1].active():
            timers[-1].cancel()
        running.cancel()
