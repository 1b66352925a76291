"""
Questions about names that nothing is known of here: how many an upstream is asked at once, and how many made-up ones each client may ask for (F52).

Who asks for a hundred thousand names that nobody has would else have them all asked of the upstream, in a line in which everybody else waits
too. Names that are known here, by a page with validators, are not counted and always find a place. Nor is what the daemon asks of itself.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime

from pypidaemon import passage
from pypidaemon.errors import NoSuchProject, UpstreamUnavailable

T = TypeVar("T")

AT_ONCE = 8
"""Questions about unknown names at once; less than `Limits.pages_at_once`, so that there is a place for the others."""

WAITING = 1000
"""Such questions that may wait for a place: a few seconds' worth. A cold start for a large office is below that."""

BURST = 2000
"""Made-up names that a client may ask for in one go. Who asks two indexes for each of its packages does that with every name that only one has."""

RATE = 20.0
"""Made-up names a second that a client may go on with; who asks for the same again within a minute asks nobody upstream."""

CLIENTS = 4096
"""Clients remembered; the one that has not missed for longest goes first."""


@attrs.define
class _Purse:
    left: float
    moment: float


@attrs.define(eq=False)
class Strangers:
    """The questions about unknown names to one upstream."""

    label: str
    clock: IReactorTime
    burst: int = BURST
    _places: DeferredSemaphore = attrs.field(factory=lambda: DeferredSemaphore(AT_ONCE), init=False, repr=False)
    _waiting: int = attrs.field(default=0, init=False)
    _purses: OrderedDict[str, _Purse] = attrs.field(factory=OrderedDict, init=False, repr=False)
    refused: int = attrs.field(default=0, init=False)
    """Questions that were not asked."""

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """
        Ask that, for the client whose request is being answered.

        :raises UpstreamUnavailable: the client has asked for too many made-up names, or too many wait already. It says nothing of the upstream.
        :raises Exception: whatever the question raises.
        """
        client = passage.asker()
        if client is None:
            return await question()
        place = _network(client)
        self._insist(place)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            return await question()
        except NoSuchProject:
            self._missed(place)
            raise
        finally:
            self._places.release()

    def _insist(self, place: str) -> None:
        if self._waiting >= WAITING:
            self.refused += 1
            raise UpstreamUnavailable(self.label, "too many names that are not known here are being asked for", 2)
        purse = self._purses.get(place)
        if purse is not None and self._filled(purse).left < 1:
            self.refused += 1
            raise UpstreamUnavailable(self.label, "too many names that do not exist were asked for from your address", 2)

    def _missed(self, place: str) -> None:
        if not place:
            return
        purse = self._purses.setdefault(place, _Purse(self.burst, self.clock.seconds()))
        self._filled(purse).left -= 1
        self._purses.move_to_end(place)
        while len(self._purses) > CLIENTS:
            self._purses.popitem(last=False)

    def _filled(self, purse: _Purse) -> _Purse:
        now = self.clock.seconds()
        # A clock that is put back fills nothing.
        purse.left = min(purse.left + max(now - purse.moment, 0.0) * RATE, self.burst)
        purse.moment = now
        return purse


def _network(address: str) -> str:
    """Whom a question is counted for: an IPv4 address or an IPv6 customer; "" is nobody, as this machine, by way of which everybody may come."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return ""
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
