"""
Who may be connected at once (S58): places for connections, in all and for each address, and which of them have to make way.

A connection without a request under way costs nobody anything but its place. So where places run out, the one that has waited longest gives up
its own, before anybody is turned away: ten thousand clients that only sit there keep out none that asks. A head that drips is such a wait too.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Container, Mapping
from enum import Enum
from typing import Protocol

import attrs
from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from pypidaemon.interfaces import IMeasured

SPARE = 64
"""Connections above the total, each for one question of whoever watches over us: when all places are taken by work, that is what they want to see."""

LEAVING = 128
"""Connections that have made way and are not gone yet, at most; those are gone with the next turn of the reactor, or after `Limits.linger`.
Where there are few places it is half as many, and a quarter of the spare ones: each is an open file (F61)."""

KEPT_FILES = 256
"""Open files that are nobody's connection: records, listening sockets, workers, upstreams; where there are few in all, a quarter of them."""


@attrs.frozen
class Caps:
    """How many connections there may be at once (S58)."""

    each: int = 200
    """From one address (one /64 in IPv6); uv opens 50 and whole offices share one address."""
    total: int = 4000
    """In all; well below the 65,536 descriptors our service file asks for, since each may also open a file (F61)."""

    @property
    def spare(self) -> int:
        """Connections above the total, each for one question."""
        return min(SPARE, max(self.total // 4, 4))

    @property
    def leaving(self) -> int:
        """Connections that may be on their way out."""
        return min(LEAVING, max(self.total // 2, 8))

    @property
    def files(self) -> int:
        """How many files must be allowed to be open for that many connections."""
        return 2 * self.total + SPARE + LEAVING + KEPT_FILES

    def within(self, files: int) -> Caps:
        """These caps, or less, so that so many open files are enough (F61)."""
        left = files - min(KEPT_FILES, files // 4)
        # Two for each of the total, and as many as are spare and leaving then.
        return attrs.evolve(self, total=max(min(self.total, max((left - SPARE - LEAVING) // 2, left * 4 // 11)), 1))


class Entry(Enum):
    """What becomes of somebody who connects."""

    ADMITTED = "admitted"
    SPARE = "spare"
    REFUSED = "refused"
    SHUT = "shut"
    """Too many are on their way out already: nothing can be said to this one."""


class Connection(Protocol):
    """A connection as far as its place is concerned."""

    def make_way(self) -> None:
        """End, since somebody else needs the place; only called while no request is under way."""


def address_of(address: IAddress | None) -> str:
    """The other end's IP address, an IPv4 one as such even where it came in over IPv6; "" for what has none."""
    host = getattr(address, "host", "")
    if isinstance(host, str) and host.lower().startswith("::ffff:") and "." in host:
        return host[7:]
    return host if isinstance(host, str) else ""


def place_of(host: str) -> str:
    """Whom a connection is counted for: an IPv4 address, or the IPv6 network that one customer is given."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ipaddress.IPv6Network((ip.packed, 64), strict=False)) if ip.version == 6 else host


def is_our_own(host: str) -> bool:
    """Whether that is this machine: everybody may come through one address then, by way of a web server before us."""
    try:
        return not host or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@implementer(IMeasured)
@attrs.define(eq=False)
class Places:
    """
    The connections of a site.

    :param uncapped: addresses besides this machine's own of which only the total counts, as those of a proxy that stands before us.
    """

    caps: Caps
    uncapped: Container[str] = ()
    files: int | None = None
    """How many files may be open in this process, where that is known."""
    most: int = 0
    """The most connections there were at once."""
    _held: dict[Connection, str] = attrs.field(factory=dict, init=False, repr=False)
    _by_place: Counter[str] = attrs.field(factory=Counter, init=False, repr=False)
    _idle: OrderedDict[Connection, None] = attrs.field(factory=OrderedDict, init=False, repr=False)
    """Those without a request under way, the longest waiting first."""
    _idle_of: dict[str, OrderedDict[Connection, None]] = attrs.field(factory=dict, init=False, repr=False)
    _spare: OrderedDict[Connection, None] = attrs.field(factory=OrderedDict, init=False, repr=False)
    _leaving: set[Connection] = attrs.field(factory=set, init=False, repr=False)
    _counts: Counter[str] = attrs.field(factory=Counter, init=False, repr=False)

    def __len__(self) -> int:
        """How many connections there are, with those that are being closed."""
        return len(self._held) + len(self._spare) + len(self._leaving)

    @property
    def allowed(self) -> Caps:
        """How many there may be, after what the system allows."""
        return self.caps if self.files is None else self.caps.within(self.files)

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: those `admitted`, `refused`, and `closed` to make way for others."""
        return {what: float(self._counts[what]) for what in ("admitted", "refused", "closed")}

    def allow(self, files: int) -> None:
        """The system lets this process have so many files open."""
        self.files = files

    def ask(self, host: str) -> Entry:
        """Whether somebody from there may come in; who is in the way has made way when this returns."""
        place, allowed = place_of(host), self.allowed
        if len(self._leaving) >= allowed.leaving:
            self._counts["refused"] += 1
            return Entry.SHUT
        if self._by_place[place] >= self.caps.each and not (is_our_own(host) or host in self.uncapped) and not self._makes_way(place):
            return self._counted(Entry.REFUSED)
        if len(self._held) >= allowed.total and not self._makes_way(None):
            while len(self._spare) >= allowed.spare:
                self._end(next(iter(self._spare)))
            return self._counted(Entry.SPARE)
        return self._counted(Entry.ADMITTED)

    def enter(self, host: str, connection: Connection, spare: bool) -> None:
        """That one is connected, and waits for its first request."""
        if spare:
            self._spare[connection] = None
        else:
            self._held[connection] = place = place_of(host)
            self._by_place[place] += 1
            self.waits(connection)
        self.most = max(self.most, len(self))

    def dismiss(self, connection: Connection) -> None:
        """That one was refused, and is told so."""
        self._leaving.add(connection)

    def waits(self, connection: Connection) -> None:
        """No request of that one is under way any more."""
        place = self._held.get(connection)
        if place is not None:
            self._idle[connection] = None
            self._idle_of.setdefault(place, OrderedDict())[connection] = None

    def works(self, connection: Connection) -> None:
        """A request of that one is under way."""
        if connection in self._idle:
            place = self._held[connection]
            del self._idle[connection], self._idle_of[place][connection]
            if not self._idle_of[place]:
                del self._idle_of[place]

    def again(self, connection: Connection) -> None:
        """A request of that one, which waited, was under way, and is answered: the same as `works` and then `waits`."""
        if connection in self._idle:
            self._idle.move_to_end(connection)
            self._idle_of[self._held[connection]].move_to_end(connection)
        else:
            self.waits(connection)

    def left(self, connection: Connection) -> None:
        """That connection is lost."""
        self._take_off(connection)
        self._leaving.discard(connection)

    def _makes_way(self, place: str | None) -> bool:
        """Let the one end that has waited longest, of that place or of all; False where none waits."""
        idle = self._idle if place is None else self._idle_of.get(place)
        if not idle:
            return False
        self._end(next(iter(idle)))
        return True

    def _end(self, connection: Connection) -> None:
        self._take_off(connection)
        self._leaving.add(connection)
        self._counts["closed"] += 1
        connection.make_way()

    def _take_off(self, connection: Connection) -> None:
        self.works(connection)
        self._spare.pop(connection, None)
        place = self._held.pop(connection, None)
        if place is not None:
            self._by_place[place] -= 1
            if not self._by_place[place]:
                del self._by_place[place]

    def _counted(self, entry: Entry) -> Entry:
        self._counts["refused" if entry is Entry.REFUSED else "admitted"] += 1
        return entry
