"""Counting failed logins, so that guessing is slow (S69). Bounded memory, the clock by argument."""

from __future__ import annotations

import ipaddress
import math
from collections import Counter, OrderedDict, deque

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import TooManyAttempts

LIMIT = 100
"""Failed logins within `WINDOW` after which there is no further try."""

MOST_TRYING = 16
"""Tries of one address that may be under way at once: checking a password takes a while, and everybody waits in one line."""

WINDOW = 60.0
"""Seconds that a failed login counts."""

MOST = 4096
"""Keys remembered; the one not touched for longest goes first."""

Key = tuple[str, str]
"""What failures are counted by."""


@attrs.define(eq=False)
class Throttle:
    """
    Counts failures by address, by account, and by both.

    An address with too many may try no more. An account with too many may not be tried from addresses that failed at it, while from
    elsewhere one try is open, so that the right password still works there and nobody can lock out somebody else. A try that
    succeeds is never counted; one under way takes a place, so that a thousand tries at once are not a thousand tries, and of those
    no address has more than a few, so that who fails a lot does not keep others waiting.
    """

    clock: IReactorTime
    _failed: OrderedDict[Key, deque[float]] = attrs.field(init=False, factory=OrderedDict, repr=False)
    _trying: Counter[Key] = attrs.field(init=False, factory=Counter, repr=False)

    def enter(self, account: str, address: str) -> None:
        """
        Ask for a try and begin it; `leave` ends it.

        :param account: what the try is about, "" where that is unknown.
        :param address: from where, "" for this machine's own sockets.
        :raises TooManyAttempts: there is none now.
        """
        self.ask(account, address)
        self._trying.update(_keys(account, address))

    def leave(self, account: str, address: str) -> None:
        """End a try that `enter` began."""
        for key in _keys(account, address):
            self._trying[key] -= 1
            if self._trying[key] <= 0:
                del self._trying[key]

    def ask(self, account: str, address: str) -> None:
        """
        Only ask, and begin nothing.

        :raises TooManyAttempts: there is no try now.
        """
        keys = _keys(account, address)
        if self._trying[keys[0]] >= MOST_TRYING:
            raise TooManyAttempts(1)
        if self._used(keys[0]) >= LIMIT:
            raise TooManyAttempts(self._wait(keys[0]))
        if account and self._used(keys[1]) >= LIMIT and self._used(keys[2]):
            raise TooManyAttempts(self._wait(keys[1]))

    def failed(self, account: str, address: str) -> bool:
        """Count a failure; answer whether it was the last that the address had."""
        now = self.clock.seconds()
        keys = _keys(account, address)
        before = self._recent(keys[0])
        for key in keys:
            times = self._failed.setdefault(key, deque(maxlen=LIMIT))
            times.append(now)
            self._failed.move_to_end(key)
        while len(self._failed) > MOST:
            self._failed.popitem(last=False)
        return before == LIMIT - 1

    def _used(self, key: Key) -> int:
        return self._recent(key) + self._trying[key]

    def _recent(self, key: Key) -> int:
        times = self._failed.get(key)
        if times is None:
            return 0
        horizon = self.clock.seconds() - WINDOW
        while times and times[0] <= horizon:
            times.popleft()
        if not times:
            del self._failed[key]
        return len(times)

    def _wait(self, key: Key) -> int:
        """Seconds until the oldest failure counts no more; where tries under way fill the places, one."""
        times = self._failed.get(key)
        return math.ceil(times[0] + WINDOW - self.clock.seconds()) if times and len(times) >= LIMIT else 1


def _keys(account: str, address: str) -> tuple[Key, ...]:
    """The keys of a try: by address, and where the account is known by account and by both."""
    network = _network(address)
    return (("address", network), ("account", account), (account, network)) if account else (("address", network),)


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the /64, all of which one machine can have."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
