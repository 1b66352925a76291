"""
What lies between a connection and Twisted's HTTP client: the bounds that the client itself does not have (S53).

Twisted 26.10 accepts 20,000 response headers of 20 MB (measured in the reliability reference, section 3).
"""

from __future__ import annotations

import re
import socket
import sys
from contextlib import suppress
from functools import partial
from time import thread_time
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

HEAD_SIZE = 64 << 10
"""Bytes of a response head at most, interim responses (RFC 9110 §15.2) included."""
HEAD_LINES = 200
"""Lines of a response head at most, interim responses included."""
SLICE = 16 << 10
"""Bytes handed on at once, so that a decompressor below makes at most a thousand times that before anybody can object."""
LONG = 256 << 10
"""Bytes read at once where a server sends more than the system gives at first; what comes in no coding is handed on whole."""
TAKING = 0.01
"""Seconds of the processor's time for which what was gathered is decrypted in one turn of the reactor."""
GATHERS = sys.platform == "linux"
"""
Whether the system gathers what comes without slowing down who sends: where its room is used up, it tells of what there is, however little was gathered
(`tcp_epollin_ready` of Linux). Others would wait for more than they take.
"""

USUAL_HEAD = re.compile(rb"(HTTP/1\.1 [2-5][0-9]{2} [^\r\n]*+)\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\r\n]*+\r\n)*+)\r\n")
"""A whole response head as nearly all are: final, with no line that is continued, and every line ended by CR LF."""
_CODED = re.compile(rb"(?:^|\n)content-encoding", re.IGNORECASE)
_IN_CHUNKS = re.compile(rb"(?:^|\n)transfer-encoding", re.IGNORECASE)


class Asked(Protocol):
    """Who has asked over a connection past its client."""

    def received(self, data: bytes) -> None:
        """These bytes came."""

    def lost(self) -> None:
        """The connection is lost, of which its client hears next."""


class HeadTooLarge(Exception):
    """A response head is beyond what any honest server sends."""


class UnaskedBytes(Exception):
    """A server went on sending after the end of a response."""


class Sieve(ProtocolWrapper):
    """
    Counts the response head that follows each request, and cuts the connection where it grows too large.

    It is the transport of the protocol that it wraps: a write is the beginning of a request, and closing is always an abort, since a
    client that only sends GETs has nothing left to deliver and a stalled peer would never confirm a polite end.
    """

    asked: Asked | None = None
    """Who is given what comes, until he is satisfied or has had enough; then it is the client's again."""
    _in_head = False
    _aborted = False
    _told = False
    _gave_up_head = False
    _coded = False
    """Whether the body is in a coding."""
    _in_chunks = False
    """Whether it is in chunks, each of which costs the same however small it is."""
    _gathered = 0
    """How many bytes the system is to gather."""
    _in_a_hurry = False
    """Whether it tells of fewer, since some are left of those that it gathered."""
    _requests = 0
    _size = 0
    _lines = 0
    _delivering = False
    _paused = False
    _wants_pause = False

    def makeConnection(self, transport: Any) -> None:
        """Begin to count."""
        self._line = bytearray()
        self._status_line = b""
        ProtocolWrapper.makeConnection(self, transport)

    def write(self, data: bytes) -> None:
        """A request, or a piece of one: what comes next is a response head."""
        self._expect_head()
        self._send(data)

    def writeSequence(self, data: Any) -> None:
        """As `write`."""
        self._expect_head()
        self._send(b"".join(data))

    def ask(self, request: bytes, asked: Asked) -> None:
        """Send a whole request past the client, for somebody who is given what comes; the client is to be idle."""
        self.asked = asked
        self._send(request)

    def go_on(self, came: bytes) -> None:
        """Have the client, which is to think that it has asked, read the answer; that began with these bytes."""
        self._expect_head()
        if came:
            self.dataReceived(came)

    def pauseProducing(self) -> None:
        """
        Have nothing more read from the connection.

        Twisted's client pauses at the end of each head and goes on when somebody wants the body, which mostly is before what was read is
        delivered; the system is not asked twice for nothing then.
        """
        self._wants_pause = True
        self._settle()

    def resumeProducing(self) -> None:
        """Have it read again."""
        self._wants_pause = False
        self._settle()

    def loseConnection(self) -> None:
        """Cut the connection. Twisted's client does so in the middle of a head where a line is beyond its own bound of 16 KiB."""
        self._gave_up_head = self._in_head
        self.abortConnection()

    def abortConnection(self) -> None:
        """Cut the connection; what still arrives is dropped."""
        self._aborted = True
        self.disconnecting = 1
        transport: Any = self.transport
        transport.abortConnection()

    def gather(self, count: int) -> bool:
        """
        Have the system tell of what came only when there are so many bytes, when it has no room for more, or when the connection ends; answer whether it does.

        It does not of what comes in chunks. With 1 it tells of all that is there. With 0 too, and as much is read at once as ever: so a connection is left to who has it next.
        """
        transport: Any = self.transport
        connection = transport
        while isinstance(connection, ProtocolWrapper):
            connection = connection.transport
        able = GATHERS and isinstance(connection, Connection) and connection.connected and not self._aborted
        if not able or (count > 1 and self._in_chunks):
            return False
        with suppress(OSError):
            _tell_from(connection, count)
            self._gathered, self._in_a_hurry = count, False
            if connection is transport:
                connection.bufferSize = max(connection.bufferSize, count) if count else Connection.bufferSize
            elif count:
                vars(connection).setdefault("doRead", partial(self._take_secured, connection))
            else:
                vars(connection).pop("doRead", None)
            return True
        return False

    def _take_secured(self, connection: Any) -> Any:
        """
        Read what the system gathered of what is encrypted, as much as there is time for.

        Each record of TLS costs the same however small it is, and what is read in one go is decrypted in one go: a MiB may have forty thousand.
        """
        reading, until = connection.doRead, thread_time() + TAKING
        for _ in range(self._gathered // connection.bufferSize + 1):
            reason = type(connection).doRead(connection)
            # One that was let go of, or aborted, is read in another way by now.
            if reason is not None or self._paused or connection.doRead is not reading:
                return reason
            if thread_time() > until:
                # The rest may be less than would be told of.
                _tell_from(connection, 1)
                self._in_a_hurry = True
                return None
        if self._in_a_hurry:
            _tell_from(connection, self._gathered)
            self._in_a_hurry = False
        return None

    def dataReceived(self, data: bytes) -> None:
        """Count and hand on, slice by slice."""
        if not self._in_chunks and isinstance(self.transport, Connection) and len(data) == self.transport.bufferSize < LONG:
            self.transport.bufferSize = LONG
        if self.asked is not None:
            self.asked.received(data)
            return
        self._delivering = True
        try:
            self._deliver(data)
        finally:
            self._delivering = False
            self._settle()

    def _deliver(self, data: bytes) -> None:
        position = 0
        while position < len(data) and not self._aborted:
            if not self._in_head and getattr(self.wrappedProtocol, "state", "") == "QUIESCENT":
                self._refuse(UnaskedBytes("the server sent more than one response"))
                return
            asked_before = self._requests
            piece = data[position : position + SLICE] if self._in_head or self._coded else data[position:]
            position += len(piece)
            if self._in_head and not self._measure(piece):
                self._refuse(HeadTooLarge("the response head is too large"))
                return
            self.wrappedProtocol.dataReceived(piece)
            if position < len(data) and self._requests != asked_before:
                # The rest belongs to the last response and must not be taken for the answer to the next request.
                self._refuse(UnaskedBytes("the server sent more than one response"))

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted gives the default of a bare protocol
        """Pass the end on, unless the wrapped protocol was told already."""
        if self.asked is not None:
            self.asked.lost()
        if self._told:
            self.factory.unregisterProtocol(self)
        else:
            ProtocolWrapper.connectionLost(self, Failure(HeadTooLarge("a line is too long")) if self._gave_up_head else reason)

    def _expect_head(self) -> None:
        self._requests += 1
        if not self._in_head:
            self._in_head, self._size, self._lines, self._coded, self._in_chunks = True, 0, 0, False, False
            self._line.clear()
            self._status_line = b""

    def _settle(self) -> None:
        """Have the transport do what is wanted of it by now, unless what it read is being delivered: then afterwards."""
        if self._delivering or self._aborted or self._paused == self._wants_pause:
            return
        self._paused = self._wants_pause
        transport: Any = self.transport
        if self._paused:
            transport.pauseProducing()
        else:
            transport.resumeProducing()

    def _send(self, data: bytes) -> None:
        """A request is small, and a connection that waits for one takes it at once, so the system need not be asked when it would."""
        transport: Any = self.transport
        if isinstance(transport, Connection):
            # However long the last answer was: the next may be in chunks.
            transport.bufferSize = Connection.bufferSize
            if _is_idle(transport):
                sent = transport.writeSomeData(data)
                # What went wrong shows when it is tried in the usual way.
                data = data[sent:] if isinstance(sent, int) else data
        if data:
            transport.write(data)

    def _refuse(self, error: Exception) -> None:
        self.abortConnection()
        self._told = True
        self.wrappedProtocol.connectionLost(Failure(error))

    def _measure(self, piece: bytes) -> bool:
        """Follow the head through `piece`; False where it is too large. Lines may end in a bare LF, as the client has it."""
        if not self._size and (usual := USUAL_HEAD.match(piece)) is not None:
            self._in_head = False
            self._coded = _CODED.search(usual[2]) is not None
            self._in_chunks = _IN_CHUNKS.search(usual[2]) is not None
            return usual.end() <= HEAD_SIZE and piece.count(b"\n", 0, usual.end()) <= HEAD_LINES
        position = 0
        while self._in_head:
            end = piece.find(b"\n", position)
            if end < 0:
                self._size += len(piece) - position
                self._line += piece[position:]
                return self._size <= HEAD_SIZE
            self._size += end + 1 - position
            self._lines += 1
            line = bytes(self._line) + piece[position:end]
            self._line.clear()
            position = end + 1
            if self._size > HEAD_SIZE or self._lines > HEAD_LINES:
                return False
            self._follow(line.removesuffix(b"\r"))
        return True

    def _follow(self, line: bytes) -> None:
        if not self._status_line:
            self._status_line = line or b"?"
        elif not line:
            code = self._status_line.split(b" ", 2)[1:2]
            self._status_line = b""
            # An interim response is followed by another head; 101 is not, but nobody asked for an upgrade.
            self._in_head = code != [b"101"] and code[0:1] != [] and code[0].startswith(b"1") and len(code[0]) == 3
        elif line[:16].lower() == b"content-encoding":
            self._coded = True
        elif line[:17].lower() == b"transfer-encoding":
            self._in_chunks = True


def _tell_from(connection: Connection, count: int) -> None:
    """Have the system tell of so many bytes, and of no fewer."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _is_idle(connection: Connection) -> bool:
    """Whether what is written now may be sent at once: nothing waits to be sent before it, and it goes as it is."""
    waiting = connection.dataBuffer or connection._tempDataBuffer
    return bool(connection.connected) and not (connection.TLS or connection.disconnecting or waiting)


@implementer(IStreamClientEndpoint)
@attrs.frozen(eq=False)
class Sieved:
    """
    An endpoint whose connections have a sieve between themselves and their protocol.

    :param live: the sieves of all connections that are open, so that their owner can cut them.
    """

    endpoint: IStreamClientEndpoint
    live: dict[Sieve, int]

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """As `IStreamClientEndpoint`; fires with the protocol that the factory built."""
        wrapping = WrappingFactory(protocolFactory)
        wrapping.protocol = Sieve
        wrapping.protocols = self.live
        # Neither factory's coming and going is worth a line in the log.
        wrapping.noisy = False
        setattr(protocolFactory, "noisy", False)  # noqa: B010  # an attribute of factories that their interface does not name
        connecting: Deferred[Any] = self.endpoint.connect(wrapping)
        return connecting.addCallback(lambda sieve: sieve.wrappedProtocol)
