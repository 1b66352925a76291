"""Writing at once, over real sockets and Twisted's own transport, with a reactor that only takes notes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server
from twisted.web.http_headers import Headers

from pypidaemon.web.copies import SMALLEST, Copies
from pypidaemon.web.eager import JOINED, Outlet, able
from pypidaemon.web.saying import Says
from tests.web.wire import Wire


class Notes:
    """As much of a reactor as a transport asks for."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, one: Any) -> None:
        self.readers.add(one)

    def addWriter(self, one: Any) -> None:
        self.writers.add(one)

    def removeReader(self, one: Any) -> None:
        self.readers.discard(one)

    def removeWriter(self, one: Any) -> None:
        self.writers.discard(one)


class Port:
    """As much of a port as a transport asks for."""

    _realPortNumber = 3141


class Producer:
    """A producer that knows whether it may go on."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pauseProducing(self) -> None:
        self.said.append("pause")

    def resumeProducing(self) -> None:
        self.said.append("resume")

    def stopProducing(self) -> None:
        self.said.append("stop")


class Line:
    """A connection, and what comes out at its other end."""

    def __init__(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.far = socket.create_connection(listening.getsockname())
        near, _ = listening.accept()
        listening.close()
        # Small on both sides, so that little is under way where nobody reads.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.far.setblocking(False)
        self.reactor = Notes()
        self.protocol = Protocol()
        self.transport: Any = Server(near, self.protocol, ("127.0.0.1", 1), Port(), 1, self.reactor)
        self.protocol.makeConnection(self.transport)
        self.outlet = Outlet(self.transport)

    def heard(self) -> bytes:
        """What came so far."""
        pieces = []
        while True:
            try:
                piece = self.far.recv(1 << 20)
            except BlockingIOError:
                return b"".join(pieces)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def drained(self) -> bytes:
        """All that comes when the reactor lets the transport write for as long as it wants to."""
        pieces = [self.heard()]
        while self.transport in self.reactor.writers:
            assert self.transport.doWrite() is None
            pieces.append(self.heard())
        return b"".join(pieces)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.far.close()
    if hasattr(line.transport, "socket"):
        line.transport.socket.close()


@pytest.mark.parametrize("size", [0, 1, 2000])
def test_what_fits_is_there_before_the_reactor_turns(line: Line, size: int) -> None:
    line.outlet.write(b"head\r\n\r\n", b"x" * size)
    assert line.heard() == b"head\r\n\r\n" + b"x" * size
    assert line.reactor.writers == set()


@pytest.mark.parametrize("size", [JOINED - 1, JOINED, JOINED + 1, 400_000])
def test_what_does_not_fit_follows_in_order(line: Line, size: int) -> None:
    """Whichever part of it, head or body, is cut; and who writes is told to wait."""
    producer = Producer()
    line.transport.registerProducer(producer, True)
    body = bytes(range(256)) * (size // 256 + 1)
    line.outlet.write(b"one\r\n\r\n", body)
    line.outlet.write(b"two\r\n\r\n", body)
    line.outlet.write(b"three\r\n\r\n", b"")
    found = line.drained()
    assert found == b"one\r\n\r\n" + body + b"two\r\n\r\n" + body + b"three\r\n\r\n"
    if size > 100_000:
        assert producer.said[0] == "pause"
        assert producer.said[-1] == "resume"


@pytest.mark.parametrize("size", [SMALLEST, 400_000])
@pytest.mark.parametrize("gone", [False, True])
def test_what_is_sent_from_a_copy_is_the_body(line: Line, size: int, gone: bool) -> None:
    """As far as it goes out at once, whether or not the copy is still there; the rest of it is for who asked."""
    body = bytes(range(256)) * (size // 256)
    copy = Copies().of(body)
    assert copy is not None
    if gone:
        copy.close()
    went = line.outlet.begin(b"head\r\n\r\n", body, copy)
    assert 0 < went <= len(body)
    assert (went < len(body)) == (size > 100_000)
    line.transport.write(body[went:])
    assert line.drained() == b"head\r\n\r\n" + body
    line.transport.write(b"waits")
    assert line.outlet.begin(b"behind", body, copy) == 0
    assert line.drained() == b"waitsbehind"


def test_it_is_seen_once_and_then_said_at_once(line: Line) -> None:
    """Until something did not go out; then what waits goes first, and what is said goes behind it."""
    assert line.outlet.look()
    assert line.outlet.say(b"one ")
    assert line.heard() == b"one "
    assert line.reactor.writers == set()
    large = b"x" * 3_000_000
    assert not line.outlet.say(large)
    assert not line.outlet.look()
    assert not line.outlet.say(b"two")
    assert line.drained() == large + b"two"
    assert line.outlet.look()
    assert line.outlet.say(b"three")
    assert line.heard() == b"three"


def test_a_line_that_is_full_or_dead_is_found_out_by_the_transport(line: Line) -> None:
    assert line.outlet.look()
    line.transport.socket.setblocking(False)
    while True:
        try:
            line.transport.socket.send(b"x" * 65536)
        except BlockingIOError:
            break
    assert not line.outlet.say(b"head")
    assert line.transport in line.reactor.writers
    assert line.drained().endswith(b"xhead")
    assert line.outlet.look()
    line.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.far.close()
    while line.outlet.say(b"head"):
        pass
    assert line.transport in line.reactor.writers


def test_what_is_no_plain_connection_is_written_to_as_ever() -> None:
    """It may have to see every byte, so nothing is at once."""
    wire = Wire(None)
    outlet = Outlet(wire)
    assert not outlet.look()
    assert not outlet.say(b"one ")
    assert outlet.begin(b"two ", b"body") == 0
    assert wire.out == b"one two "


def test_what_waits_goes_first(line: Line) -> None:
    """Bytes that the transport has, were they only given to it a moment ago."""
    line.transport.write(b"before ")
    line.outlet.write(b"behind", b"")
    assert line.heard() == b""
    assert line.drained() == b"before behind"


def test_a_line_that_takes_nothing_gets_it_later(line: Line) -> None:
    line.transport.socket.setblocking(False)
    filled = 0
    while True:
        try:
            filled += line.transport.socket.send(b"x" * 65536)
        except BlockingIOError:
            break
    line.outlet.write(b"head", b"body")
    assert line.transport in line.reactor.writers
    assert line.drained() == b"x" * filled + b"headbody"


def test_a_dead_line_is_the_transports_affair(line: Line) -> None:
    """Writing to it raises nothing; the transport notices, as with anything that it writes."""
    line.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.far.close()
    for _ in range(3):
        line.outlet.write(b"head", b"body")
    assert line.transport in line.reactor.writers
    assert isinstance(line.transport.doWrite(), Exception)


def test_nothing_is_said_where_nothing_more_is_to_be_said(line: Line) -> None:
    """A transport that closes, or has lost its connection, is left alone."""
    line.transport.loseConnection()
    line.outlet.write(b"head", b"body")
    assert line.heard() == b""
    other = Line()
    other.transport.connected = 0
    other.outlet.write(b"head", b"body")
    assert other.heard() == b""
    other.far.close()
    other.transport.socket.close()


def test_only_plain_tcp_is_written_past_its_transport(line: Line) -> None:
    """TLS has to see every byte; whatever else there is, is not known."""
    assert able(line.transport)
    line.transport.TLS = True
    assert not able(line.transport)
    wire = Wire(None)
    assert not able(wire)
    assert not able(None)
    for size in (10, JOINED + 1):
        Outlet(wire).write(b"head", b"x" * size)
    assert wire.out == b"head" + b"x" * 10 + b"head" + b"x" * (JOINED + 1)


def test_what_is_relied_on_of_twisted(line: Line) -> None:
    """A transport that keeps what waits elsewhere, or does not tell that it closes, is noticed here."""
    transport = line.transport
    assert (transport.dataBuffer, transport._tempDataBuffer, transport.disconnecting, transport._writeDisconnecting) == (b"", [], 0, False)
    assert transport.connected
    transport.write(b"x" * 3_000_000)
    assert transport._tempDataBuffer
    transport.doWrite()
    assert transport.dataBuffer
    assert not transport._tempDataBuffer
    line.drained()
    assert (transport.dataBuffer, transport._tempDataBuffer) == (b"", [])
    transport.loseWriteConnection()
    assert transport._writeDisconnecting
    transport.loseConnection()
    assert transport.disconnecting


@attrs.define
class Asked:
    """As much of a request as writes an answer: the head with the first bytes, as Twisted's does."""

    channel: Says
    headers: Headers = attrs.field(factory=lambda: Headers({b"X-Y": [b"z"]}))
    whole: bool = True

    def write(self, data: bytes) -> None:
        self.channel.writeHeaders(b"HTTP/1.0", b"200", b"OK", self.headers)
        if data:
            self.channel.write(data) if self.whole else self.channel.writeSequence([data, b"!"])


def talker(transport: Any) -> Says:
    """A connection that says something."""
    says = Says()
    says.transport, says.persistent = transport, True
    return says


@pytest.mark.parametrize("body", [b"", b"body", b"x" * (JOINED + 1)])
def test_an_answer_that_is_all_there_goes_out_head_and_body_together(line: Line, body: bytes) -> None:
    says = talker(line.transport)
    says.answer(Asked(says), body)
    assert line.reactor.writers == set() or len(body) > JOINED
    assert line.drained() == b"HTTP/1.1 200 OK\r\nX-Y: z\r\n\r\n" + body
    says.answer(Asked(says, Headers({b"Connection": [b"Close"]}), whole=False), body)
    assert not says.persistent
    assert line.drained() == b"HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n" + (body and body + b"!")


def test_what_is_said_bit_by_bit_goes_by_the_transport_and_in_order(line: Line) -> None:
    says = talker(line.transport)
    Asked(says).write(b"1")
    says.writeSequence([b"2", b"3"])
    says.answer(Asked(says), b"4")
    assert line.transport in line.reactor.writers
    head = b"HTTP/1.1 200 OK\r\nX-Y: z\r\n\r\n"
    assert line.drained() == head + b"123" + head + b"4"


def test_whoever_was_to_be_answered_and_has_left_hears_nothing(line: Line) -> None:
    class Gone:
        def write(self, data: bytes) -> None:
            """As Twisted's request does when its connection is lost."""

    talker(line.transport).answer(Gone(), b"body")
    assert line.drained() == b""
