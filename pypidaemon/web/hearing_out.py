"""
Clients that say no more and still listen: who closes his half of the connection behind a request (`nc -N`) is given what he asked for.

Nobody can tell that from one who has left, where both are on other machines, before something is said to him; so what is asked for is made in either case.
On a socket of this machine the system knows, and so does it of any connection that was reset.
"""

from __future__ import annotations

import select
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface import implementer


@implementer(IHalfCloseableProtocol)
class HearsOut:
    """
    A `DoorChannel`, as far as the end of what comes in is concerned.

    That end is found again whenever the transport is read from, so there is nothing to remember: each answer has the next read, and behind the last one
    there is nothing but the end. Of Twisted's transports this relies on that, and on their not being read from while a request is answered.
    """

    transport: Any
    requests: Any
    loseConnection: Any
    abort: Any
    _coming: bool
    _lingers: bool
    _waiting: list[bytes]

    def readConnectionLost(self) -> None:
        """Nothing more comes: close behind what is still to be said, and at once where that is nothing, or where a body broke off."""
        if _hung_up(self.transport):
            self.abort()
        elif self._lingers:
            # Who was turned away has heard it.
            self.transport.loseConnection()
        elif self._coming or not self.owes():
            self.loseConnection()

    def writeConnectionLost(self) -> None:
        """We say no more ourselves; nothing is left to be done about it."""

    def owes(self) -> bool:
        """Whether something that came is still to be answered."""
        return bool(self.requests or self._waiting)


def _hung_up(transport: Any) -> bool:
    """Whether nobody is at the other end, where the system knows."""
    line = select.poll()
    line.register(transport.fileno(), 0)
    return bool(line.poll(0))
