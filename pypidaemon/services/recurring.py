"""Something that is done again and again while a service runs, by the daemon's own clock, and never twice at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pypidaemon.flights import Flights, landing


@attrs.define(eq=False)
class Recurring:
    """
    Does `work` some time after it was started, and again when it has ended and some time has passed.

    :param work: deals with whatever may go wrong: what it raises ends nothing, and is a logged failure.
    :param first: seconds from the start to the first time.
    :param every: seconds from the end of one time to the beginning of the next.
    """

    clock: IReactorTime
    work: Callable[[], Awaitable[None]]
    first: float
    every: float
    flights: Flights[str, None] = attrs.field(init=False, factory=Flights, repr=False)
    """What is under way; what it begins besides has its own name there, and is waited for as well."""
    _is_on: bool = attrs.field(init=False, default=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)

    def start(self) -> None:
        """Begin to wait."""
        self._is_on = True
        self._due = self.clock.callLater(self.first, self._begin)

    def stop(self) -> Deferred[None]:
        """Do nothing any more; fires when what was under way has ended."""
        self._is_on = False
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        return landing(self.flights)

    def hurry(self, within: float) -> None:
        """Wait no longer than that many seconds, where it is being waited."""
        if self._due is not None and self._due.getTime() - self.clock.seconds() > within:
            self._due.reset(within)

    def _begin(self) -> None:
        self._due = None
        self.flights.start("", self._once)

    async def _once(self) -> None:
        try:
            await self.work()
        finally:
            if self._is_on:
                self._due = self.clock.callLater(self.every, self._begin)
