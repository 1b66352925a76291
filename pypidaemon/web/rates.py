"""
How often one address may ask (S58), where the configuration says so: above that it is told when to come back, before anything is looked up.

An address has a minute's worth of requests at once, and gets them back one by one as time passes. So who asks for a lot now and then, as installers do,
is not held up, and who never stops asking gets a minute's worth a minute.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import TooManyRequests
from pypidaemon.interfaces import IMeasured
from pypidaemon.web.ask import Ask
from pypidaemon.web.intake import Receive
from pypidaemon.web.places import is_our_own, place_of
from pypidaemon.web.reply import Reply

WINDOW = 60.0
"""Seconds in which an address has as many requests as it may have."""

MOST = 65_536
"""Addresses that are remembered; of more, those that have not asked for longest are forgotten, and begin anew."""

_WATCHED = (("+health",), ("+ready",), ("+metrics",))
_HAIR = 1e-6
"""Seconds that sums of fractions may be wrong by."""


@implementer(IMeasured)
@attrs.define(eq=False)
class Rates:
    """
    Counts the requests of each address; in IPv6 those of one /64 together, as connections are.

    This machine's own are never counted, nor those that watch over us.

    :param limit: requests that an address may make in a minute, at least 1.
    :param uncounted: addresses besides this machine's own that may ask as often as they like, as a proxy that stands before us.
    """

    clock: IReactorTime
    limit: int
    uncounted: Container[str] = ()
    refused: int = attrs.field(init=False, default=0)
    _used: OrderedDict[str, float] = attrs.field(init=False, factory=OrderedDict, repr=False)
    """When each has again all that it may have; the one that has not asked for longest comes first."""

    def spend(self, ask: Ask) -> None:
        """
        Count that request.

        :raises TooManyRequests: its address has none left; this one is not counted.
        """
        host = ask.client
        if ask.segments in _WATCHED or self._counts_never(host):
            return
        wait = self._spend(host)
        if wait:
            self.refused += 1
            raise TooManyRequests(wait)

    def allows(self, client: str) -> bool:
        """Count a request of that address, "-" where it has none, if it may make one; if not, `spend` is to say so."""
        host = "" if client == "-" else client
        return self._counts_never(host) or not self._spend(host)

    def _counts_never(self, host: str) -> bool:
        return is_our_own(host) or host in self.uncounted

    def _spend(self, host: str) -> int:
        """Count a request of that address, or else answer after how many seconds it may make another one."""
        place, now, each = place_of(host), self.clock.seconds(), WINDOW / self.limit
        # A clock that was put back must not keep anybody out for longer than it would take without that.
        used = min(max(self._used.get(place, now) - now, 0.0), WINDOW) + each
        if used > WINDOW + _HAIR:
            return math.ceil(used - WINDOW - _HAIR)
        self._used[place] = now + used
        self._used.move_to_end(place)
        if len(self._used) > MOST:
            self._used.popitem(last=False)
        return 0

    def before_quick(self, quick: Callable[[Ask], Reply | None]) -> Callable[[Ask], Reply | None]:
        """That `quick` of a skin, before which each request is counted."""

        def counted(ask: Ask) -> Reply | None:
            self.spend(ask)
            return quick(ask)

        return counted

    def before_receive(self, receive: Receive) -> Receive:
        """That `receive` of a skin; a body that means nothing comes to `quick` as well, and counts twice."""

        def counted(ask: Ask) -> object:
            self.spend(ask)
            return receive(ask)

        return counted  # type: ignore[return-value]  # it gives what the other one gives

    def go_on_from(self, other: Rates) -> None:
        """Remember what that one, in whose place this one comes, has counted."""
        self.refused, self._used = other.refused, other._used

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: requests that were `refused`."""
        return {"refused": float(self.refused)}
