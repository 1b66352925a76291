"""
Writing at once: bytes go into the socket when they are there, and not with the reactor's next turn.

A transport of Twisted's gathers what is written and asks the reactor to be told when the socket takes it, which it nearly always does. That costs two
more calls of epoll and a turn of the loop for each answer: as much as all the rest of a ready one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.tcp import Server

from pypidaemon.web.copies import Copy

JOINED = 24 << 10
"""Up to so many bytes of body are copied behind their head; above that the system is given the two pieces."""
_MORE = getattr(socket, "MSG_MORE", 0)


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
    _send: Callable[[bytes], int] | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._eager = able(self.transport)

    def look(self) -> bool:
        """
        See how `say` can write: at once where nothing waits, else behind that by the transport.

        True is for as long as `say` says so, and nobody but it writes to the transport or closes it; until then there is no need to look again.
        """
        free = self._eager and self._free()
        self._send = self.transport.socket.send if free else None
        return free

    def say(self, data: bytes) -> bool:
        """Write that as `look` saw; whether all of it went out at once."""
        send, sent = self._send, 0
        if send is not None:
            try:
                sent = send(data)
            except OSError:
                # Either it takes nothing just now, or it is dead: the transport finds out which, as with anything it is to write.
                sent = 0
            if sent == len(data):
                return True
        self.transport.write(data[sent:] if sent else data)
        return False

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

    def begin(self, head: bytes, body: bytes, copy: Copy | None = None) -> int:
        """
        Write the head, and what goes out at once of a body behind it: answers how many bytes of that went. The others are for who asks to write.

        :param copy: one of the body, where there is one.
        """
        transport = self.transport
        if not self._eager or not self._free():
            transport.write(head)
            return 0
        went = _sent(transport.socket, head, body, copy)
        if went < len(head):
            transport.write(head[went:])
            return 0
        return went - len(head)

    def _free(self) -> bool:
        """Whether nothing waits to be written, and something may be."""
        transport = self.transport
        return not (
            transport.dataBuffer
            or transport._tempDataBuffer
            or transport.disconnecting
            or transport._writeDisconnecting
            or not transport.connected
        )


def _sent(line: socket.socket, head: bytes, body: bytes, copy: Copy | None) -> int:
    """How many bytes of these the system takes now; whether it takes none because the line is dead is found out as in `Outlet.say`."""
    went = 0
    try:
        if not body:
            return line.send(head)
        if copy is None or copy.descriptor < 0:
            return line.sendmsg((head, body))
        went = line.send(head, _MORE)
        return went + os.sendfile(line.fileno(), copy.descriptor, 0, len(body)) if went == len(head) else went
    except OSError:
        return went
