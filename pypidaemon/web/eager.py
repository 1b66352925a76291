"""
Writing at once: bytes go into the socket when they are there, and not with the reactor's next turn.

A transport of Twisted's gathers what is written and asks the reactor to be told when the socket takes it, which it nearly always does. That costs two
more calls of epoll and a turn of the loop for each answer: as much as all the rest of a ready one.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.tcp import Server

JOINED = 16 << 10
"""Up to so many bytes of body are copied behind their head; above that the system is given the two pieces."""


def able(transport: object) -> bool:
    """
    Whether it can be written to past its own buffer: a connection of plain TCP that the reactor made, and nothing else.

    TLS has to see every byte first, and what stands for a connection in a test, or before one, is not known here.
    """
    return type(transport) is Server and not transport.TLS


@attrs.define(eq=False)
class Outlet:
    """
    The way out of one connection.

    Of Twisted's TCP transports this relies on: bytes that wait are in `dataBuffer` and `_tempDataBuffer` and nowhere else, so that with both empty the
    next byte on the line is the next that is written; `socket` is theirs while they are `connected`; and `disconnecting` or `_writeDisconnected` say that
    nothing more is to be said. `tests/web/test_eager.py` notices when that changes.
    """

    transport: Any
    _eager: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._eager = able(self.transport)

    def write(self, head: bytes, body: bytes) -> None:
        """
        Write both, in that order, behind whatever waits to be written.

        What does not go out at once the transport takes, with all that belongs to that: it pauses who writes, and closes where the line is dead.
        """
        if len(body) <= JOINED:
            head, body = head + body, b""
        went = self.begin(head, body)
        if went < len(body):
            self.transport.write(body[went:] if went else body)

    def begin(self, head: bytes, body: bytes) -> int:
        """Write the head, and what goes out at once of a body behind it: answers how many bytes of that went. The others are for who asks to write."""
        transport = self.transport
        if (
            not self._eager
            or transport.dataBuffer
            or transport._tempDataBuffer
            or transport.disconnecting
            or transport._writeDisconnecting
            or not transport.connected
        ):
            transport.write(head)
            return 0
        try:
            sent: int = transport.socket.sendmsg((head, body)) if body else transport.socket.send(head)
        except OSError:
            # Either it takes nothing just now, or it is dead: the transport finds out which, as with anything it is to write.
            sent = 0
        if sent < len(head):
            transport.write(head[sent:])
            return 0
        return sent - len(head)
