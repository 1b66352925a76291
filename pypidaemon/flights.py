"""
Single flight: however many want the same thing at the same time, it is done once (law 9, F45, F47).

The work belongs to nobody who waits for it. Whoever leaves stops nobody, and when all have left it still goes on to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from pypidaemon.waits import Bell

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@attrs.define(eq=False)
class _Flight(Generic[T]):
    """One piece of work under way, and those who wait for it in the order in which they came."""

    waiting: dict[Deferred[T], None] = attrs.field(factory=dict)
    running: Deferred[None] | None = None
    cancelled: bool = False

    def wait(self) -> Deferred[T]:
        waiter: Deferred[T] = Deferred(lambda left: self.waiting.pop(left, None))
        self.waiting[waiter] = None
        return waiter

    def tell(self, result: T | Failure) -> bool:
        """Give the result to all who wait, and answer whether anybody did."""
        told = False
        for waiter in list(self.waiting):
            # One who was told may have cancelled another, which then is here no more.
            if waiter in self.waiting:
                del self.waiting[waiter]
                told = True
                if isinstance(result, Failure):
                    waiter.errback(result)
                else:
                    waiter.callback(result)
        return told

    def cancel(self) -> None:
        """Cancel the work, once: a second time would disturb it while it puts things in order."""
        if not self.cancelled and self.running is not None:
            self.cancelled = True
            self.running.cancel()


@attrs.define(eq=False)
class Flights(Generic[K, T]):
    """
    Work under way, by key; at most one piece per key.

    :param quiet: errors that are to be expected, so that they are not worth a line in the log when nobody waits for them.
    """

    quiet: tuple[type[Exception], ...] = ()
    _flights: dict[K, _Flight[T]] = attrs.field(init=False, factory=dict)
    _ended: Bell = attrs.field(init=False, factory=Bell)
    _log = Logger()

    async def join(self, key: K, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Answer what the work of this key comes to; begin it with `make` where it is not under way.

        Cancelling this wait leaves the work running.

        :raises Exception: whatever the work raised, the same to all who wait for it.
        :raises CancelledError: the work was cancelled by `land`.
        """
        flight = self._flights.get(key)
        if flight is not None:
            return await flight.wait()
        flight = _Flight()
        # Waiting begins before the work, which may be done before it first pauses.
        waiter = flight.wait()
        self._begin(key, flight, make)
        return await waiter

    def start(self, key: K, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Begin the work of this key without waiting for it; where it is under way already, do nothing."""
        if key not in self._flights:
            self._begin(key, _Flight(), make)

    def flying(self, key: K) -> bool:
        """Whether the work of this key is under way."""
        return key in self._flights

    @property
    def idle(self) -> bool:
        """Whether no work is under way."""
        return not self._flights

    async def rest(self) -> None:
        """Come back when no work is under way, without disturbing any."""
        while self._flights:
            await self._ended.wait()

    async def land(self) -> None:
        """Cancel all work, also what begins meanwhile, and come back when the last has ended. For shutdown."""
        while self._flights:
            ended = self._ended.wait()
            for flight in list(self._flights.values()):
                flight.cancel()
            await ended

    def _begin(self, key: K, flight: _Flight[T], make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._flights[key] = flight

        async def work() -> T:
            return await make()

        running = Deferred.fromCoroutine(work())
        flight.running = running.addBoth(self._land_one, key, flight)

    def _land_one(self, result: T | Failure, key: K, flight: _Flight[T]) -> None:
        # First off the list, so that one who is told and asks again gets a new flight.
        del self._flights[key]
        told = flight.tell(result)
        if isinstance(result, Failure) and not told and not result.check(CancelledError, *self.quiet):
            self._log.failure("work on {key} failed, and nobody was waiting for it", failure=result, level=LogLevel.warn, key=key)
        self._ended.ring()


def landing(*flights: Flights[Any, Any]) -> Deferred[None]:
    """For a service's `stopService`: cancel all their work, one after the other, and fire when the last has ended."""

    async def land() -> None:
        for one in flights:
            await one.land()

    return Deferred.fromCoroutine(land())
