"""
The hosts that hold an upstream's files, apart from the index itself (N6): how they are, and whether those that fell are back.

Nobody else would find out: while such a host is down, pages may leave out what only it has, so that no client asks for it (F40).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.upstreams.health import Health
from pypidaemon.upstreams.listeners import Listeners
from pypidaemon.waits import Bell, TookTooLong, first, within

LONGEST = 8.0
"""Seconds that a look takes at most."""
REMEMBERED = 4
"""URLs of each that are remembered, besides a good one."""
SHORTEST = 1.0
"""Seconds that a look is given at least."""


@attrs.define(eq=False)
class FileHosts:
    """
    Each of them with its health, and with URLs to ask for to see whether it is back: one that was good, else those that were wanted last, each in its turn,
    since any of them may be broken for good.

    :param patience: seconds that a look at a suspect takes at most, or `SHORTEST`: who is silent again is down.
    :param most: how many there may be; pages name them, so there may be any number, and the one that was met first is met anew.
    :param glimpse: asks for a URL, and comes back when there is an answer, which is told to the health.
    """

    clock: IReactorTime
    patience: float
    most: int
    glimpse: Callable[[str], Awaitable[None]]
    turned: Listeners = attrs.field(factory=Listeners, init=False, repr=False)
    """Called when one of them comes or goes."""
    fell: Listeners = attrs.field(factory=Listeners, init=False, repr=False)
    """Called when one of them that was up is not any more."""
    looks: Flights[str, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError, TookTooLong)), init=False, repr=False)
    known: dict[str, Health] = attrs.field(factory=dict, init=False, repr=False)
    _urls: dict[str, deque[str]] = attrs.field(factory=dict, init=False, repr=False)
    _good: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _turns: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    """How often each was looked at since it was up last."""
    _fallen: set[str] = attrs.field(factory=set, init=False, repr=False)
    _timers: dict[str, IDelayedCall] = attrs.field(factory=dict, init=False, repr=False)
    _running: bool = attrs.field(default=False, init=False)
    _moved: Bell = attrs.field(factory=Bell, init=False)

    def begin(self) -> None:
        """Look after them from now on, so that no request has to."""
        self._running = True
        for place, health in self.known.items():
            health.attend()
            self._wait(place)

    def end(self) -> None:
        """Look no more."""
        self._running = False
        for place in list(self._timers):
            self._rest(place)

    def moved(self) -> None:
        """As `IProbed`; a look that is under way would be waited for in vain, and says nothing of anybody."""
        self._moved.ring()
        for health in list(self.known.values()):
            health.moved()

    def at(self, place: str) -> Health:
        """The health of that one, which is new where it was not met before."""
        found = self.known.get(place)
        if found is None:
            if len(self.known) >= self.most:
                self._forget(next(iter(self.known)))
            found = self.known[place] = Health(self.clock)
            found.listen(partial(self._changed, place))
            if self._running:
                found.attend()
        return found

    def adopt(self, place: str, health: Health) -> None:
        """Look after one whose health is known to others as well."""
        self.known[place] = health
        health.listen(partial(self._changed, place))

    def note(self, place: str, url: str) -> None:
        """It is asked for that, or would be if it were up."""
        if place in self.known:
            urls = self._urls.setdefault(place, deque(maxlen=REMEMBERED))
            if url not in urls:
                urls.append(url)
                if self._turns.get(place):
                    # What is wanted just now is asked for next.
                    self._turns[place] = int(place in self._good)

    def praise(self, place: str, url: str) -> None:
        """It had that, and gave it."""
        if place in self.known:
            self._good[place] = url

    def asked(self) -> dict[str, Health]:
        """Those that were asked."""
        return {place: health for place, health in self.known.items() if place in self._urls}

    def _forget(self, place: str) -> None:
        self._rest(place)
        del self.known[place]
        self._urls.pop(place, None)
        self._good.pop(place, None)
        self._turns.pop(place, None)
        self._fallen.discard(place)

    def _changed(self, place: str) -> None:
        if place in self.known:
            if self.known[place].state == "up":
                self._fallen.discard(place)
                self._turns.pop(place, None)
            elif place not in self._fallen:
                self._fallen.add(place)
                self.fell.tell()
            self._wait(place)
            self.turned.tell()

    def _wait(self, place: str) -> None:
        self._rest(place)
        due = self.known[place].due() if place in self.known and self._running and not self.looks.flying(place) else None
        if due is not None and place in self._urls:
            self._timers[place] = self.clock.callLater(due, self._due, place)

    def _rest(self, place: str) -> None:
        timer = self._timers.pop(place, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _due(self, place: str) -> None:
        if self.known[place].begin():
            self.looks.start(place, lambda: self._look(place))
        else:
            self._wait(place)

    def _next(self, place: str) -> str:
        wanted = [url for url in reversed(self._urls[place]) if url != self._good.get(place)]
        urls = [self._good[place], *wanted] if place in self._good else wanted
        turn = self._turns.get(place, 0)
        self._turns[place] = turn + 1
        return urls[turn % len(urls)]

    async def _look(self, place: str) -> None:
        health = self.known[place]
        longest = min(max(health.patience(self.patience), SHORTEST), LONGEST) if health.state == "suspect" else LONGEST
        moved = False
        try:
            moved = bool(await first(within(self.clock, longest, self.glimpse(self._next(place))), self._moved.wait()))
        finally:
            if not moved:
                health.end()
            # Not before this look is over, since there is one at a time.
            self.clock.callLater(0, self._wait, place)
