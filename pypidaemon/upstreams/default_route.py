"""
Hears when the way out of this machine comes or goes: a cable that is pulled, another wireless network (N1).

No connection tells of it, and nobody asks an upstream just to see whether it is there. Linux tells whoever listens of each change of its routes
(rtnetlink(7)); where it does not, or this is another system, it is found out by those who ask, as it always is.
"""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

SETTLES = 0.5
"""Seconds for which changes are told of as one: where one network takes the place of another there are several."""
OFTEN = 4
"""How many such words may follow each other as quickly as that; each further one waits for twice as long as the one before."""
LONGEST = 20.0
"""Seconds that one waits at most: a network that comes and goes all day must not have upstreams asked, and the log written, all day."""
CALM = 60.0
"""Seconds without a word after which the next is told of as quickly as the first."""
_MOST = 32
"""Messages that are read in one go."""
_SIZE = 64 << 10

_NETLINK_ROUTE = 0
_GROUPS = 0x40 | 0x400
"""RTMGRP_IPV4_ROUTE and RTMGRP_IPV6_ROUTE."""
_NEW, _GONE = 24, 25
"""RTM_NEWROUTE and RTM_DELROUTE."""
_HEAD = struct.Struct("=IHHII")
"""`struct nlmsghdr`: length, type, flags, sequence and port."""
_ROUTE = struct.Struct("=BBBBBBBBI")
"""`struct rtmsg`: family, length of the destination, of the source, type of service, table, protocol, scope, type and flags."""
_ATTRIBUTE = struct.Struct("=HH")
"""`struct rtattr`: length and type."""
_WAYS = (4, 5, 6, 9, 18)
"""RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH and RTA_VIA: what makes one such route another than the next, unlike the time for which it is good."""
_MANY = 64
"""Routes that are remembered."""
_MAIN = (254, 252)
"""The tables that everything goes by: RT_TABLE_MAIN, and RT_TABLE_COMPAT for those whose number does not fit."""
_UNICAST = 1
"""RTN_UNICAST: it leads somewhere."""


def default_routes(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """Of each of these messages that is of a default route, whether that is there now, and which it is. What is no message tells of nothing."""
    for kind, body in _parts(data, _HEAD):
        if kind in (_NEW, _GONE) and len(body) >= _ROUTE.size:
            family, destination, _, _, table, _, _, leads, _ = _ROUTE.unpack_from(body)
            if destination == 0 and table in _MAIN and leads == _UNICAST:
                ways = [bytes([what]) + value for what, value in _parts(body[_ROUTE.size :], _ATTRIBUTE) if what in _WAYS]
                yield kind == _NEW, b"".join([bytes([family]), *sorted(ways)])


def _parts(data: bytes, head: struct.Struct) -> Iterator[tuple[int, bytes]]:
    """What follows one after the other, each with its length and its kind in front."""
    while len(data) >= head.size:
        length, kind, *_ = head.unpack_from(data)
        if not head.size <= length <= len(data):
            return
        yield kind, data[head.size : length]
        # NLMSG_ALIGN and RTA_ALIGN: the next one begins at a multiple of four.
        data = data[(length + 3) & ~3 :]


class DefaultRoute(FileDescriptor):
    """
    Listens for that.

    :param reactor: provides `IReactorFDSet` and `IReactorTime`.
    """

    def __init__(self, reactor: Any) -> None:
        FileDescriptor.__init__(self, reactor)
        self._clock: IReactorTime = reactor
        self._socket: socket.socket | None = None
        self._tell: Callable[[], None] | None = None
        self._due: IDelayedCall | None = None
        self._known: set[bytes] = set()
        self._pause = SETTLES
        self._told_at = -math.inf
        self._row = 0

    def begin(self, tell: Callable[[], None]) -> None:
        """Have that called soon after each change, as far as this system tells of any."""
        family = getattr(socket, "AF_NETLINK", None)
        if family is None:
            return
        # A system may have none of it, and a service's own limits may forbid it.
        with suppress(OSError):
            opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_ROUTE)
            try:
                opened.bind((0, _GROUPS))
            except OSError:
                opened.close()
                raise
            self._socket, self._tell = opened, tell
            self.startReading()  # type: ignore[no-untyped-call]  # Twisted's

    def end(self) -> None:
        """Listen no more."""
        self._tell = None
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._socket is not None:
            self.stopReading()  # type: ignore[no-untyped-call]  # Twisted's
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """As `IFileDescriptor`."""
        return self._socket.fileno() if self._socket is not None else -1

    def doRead(self) -> None:
        """As `IReadDescriptor`."""
        for _ in range(_MOST):
            if self._socket is None:
                return
            try:
                data, (port, _groups) = self._socket.recvfrom(_SIZE)
            except BlockingIOError:
                return
            except OSError:
                # There were so many that some were lost (ENOBUFS).
                self._changed()
                return
            # Only the system's own word counts, and that has no port.
            if port == 0:
                self._hear(data)

    def connectionLost(self, reason: Failure) -> None:
        """As `IReadDescriptor`: the reactor has given it up."""
        self.end()

    def _hear(self, data: bytes) -> None:
        for is_there, route in default_routes(data):
            # Some systems write the same route again and again, to have it last longer.
            if not is_there or route not in self._known:
                self._changed()
            if not is_there:
                self._known.discard(route)
            elif len(self._known) < _MANY:
                self._known.add(route)

    def _changed(self) -> None:
        if self._due is None:
            if not 0 <= self._clock.seconds() - self._told_at < CALM:
                self._row = 0
            self._pause = SETTLES if self._row < OFTEN else min(self._pause * 2, LONGEST)
            self._due = self._clock.callLater(self._pause, self._settled)

    def _settled(self) -> None:
        self._due = None
        self._told_at = self._clock.seconds()
        self._row += 1
        if self._tell is not None:
            self._tell()
