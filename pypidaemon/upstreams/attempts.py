"""
A connection to whichever of a host's addresses answers first (RFC 8305, "Happy Eyeballs").

Twisted's `HostnameEndpoint` tells of a refusal only when the time for the next address has come, be there another or not: 0.3 s during which everybody takes
a line for whole that was cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory
from twisted.python.failure import Failure

APART = 0.3
"""Seconds from one attempt to the next, where that one has not failed before (RFC 8305 section 5)."""


def attempted(reactor: Any, addresses: Sequence[str], port: int, timeout: float, factory: IProtocolFactory) -> Deferred[Any]:
    """
    The protocol of the first connection that stands; the other attempts are given up, and all of them where nobody waits any more.

    Fails as the last of the attempts did, once there are no more.

    :param reactor: provides `IReactorTCP` and `IReactorTime`.
    :param addresses: one or more, of either family; those of the first one's family and those of the other are tried by turns.
    :param timeout: seconds allowed for one address.
    """
    race = _Race(reactor, deque(_by_turns(addresses)), port, timeout, factory)
    race.go_on()
    return race.won


def _by_turns(addresses: Sequence[str]) -> list[str]:
    """RFC 8305 section 4: a network by which no address of one family can be reached must not cost `APART` for each of them."""
    first = [one for one in addresses if (":" in one) == (":" in addresses[0])]
    other = [one for one in addresses if (":" in one) != (":" in addresses[0])]
    return [one for pair in zip_longest(first, other) for one in pair if one is not None]


@attrs.define(eq=False)
class _Race:
    reactor: Any
    addresses: deque[str]
    port: int
    timeout: float
    factory: IProtocolFactory
    won: Deferred[Any] = attrs.field(init=False)
    _running: list[Deferred[Any]] = attrs.field(init=False, factory=list)
    _next: IDelayedCall | None = attrs.field(init=False, default=None)
    _over: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.won = Deferred(lambda _: self._end())

    def go_on(self) -> None:
        """Try the next address."""
        address = self.addresses.popleft()
        # Before the attempt, which may fail at once where there is no network at all.
        self._next = self.reactor.callLater(APART, self.go_on) if self.addresses else None
        endpoint = (TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint)(self.reactor, address, self.port, self.timeout)
        attempt: Deferred[Any] = endpoint.connect(self.factory)
        self._running.append(attempt)
        attempt.addCallbacks(self._stands, self._failed, (attempt,), errbackArgs=(attempt,))

    def _stands(self, protocol: Any, attempt: Deferred[Any]) -> None:
        self._running.remove(attempt)
        self._end()
        self.won.callback(protocol)

    def _failed(self, failure: Failure, attempt: Deferred[Any]) -> None:
        if self._over:
            return
        self._running.remove(attempt)
        if self._next is not None:
            # In a turn of its own, so that any number of addresses may fail at once.
            self._next.reset(0)
        elif not self._running:
            self.won.errback(failure)

    def _end(self) -> None:
        self._over = True
        if self._next is not None:
            self._next.cancel()
        for attempt in self._running:
            attempt.cancel()
