"""`pypidaemon.upstreams.sieve`: bounded heads, small pieces, nothing after the end (S53)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from pypidaemon.upstreams.sieve import GATHERS, HEAD_LINES, HEAD_SIZE, SLICE, TAKING, HeadTooLarge, Sieve, UnaskedBytes
from tests.needs import missing

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"


class Sink(Protocol):
    """Keeps what it is given."""

    state = "WAITING"

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ends.append(reason)


class Transport(StringTransport):
    """One that can be aborted, and says so."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


def sieve(sink: Sink | None = None) -> tuple[Sieve, Sink, Transport]:
    """A connected one over which a request was sent."""
    sink, transport = sink or Sink(), Transport()
    made = Sieve(WrappingFactory(None), sink)
    made.makeConnection(transport)
    made.write(b"GET / HTTP/1.1\r\n\r\n")
    return made, sink, transport


@given(
    st.lists(st.integers(1, 40_000), max_size=20),
    st.sampled_from(["", "Content-Encoding: gzip", "content-encoding : br", "X-Content-Encoding: gzip"]),
)
def test_whatever_the_pieces_all_bytes_pass_and_what_is_in_a_coding_in_small_slices(sizes: list[int], field: str) -> None:
    made, sink, transport = sieve()
    data = HEAD.replace(b"\r\n\r\n", b"\r\n%s\r\n\r\n" % field.encode() if field else b"\r\n\r\n") + bytes(300_000)
    position = 0
    for size in [*sizes, len(data)]:
        made.dataReceived(data[position : position + size])
        position += size
    assert b"".join(sink.pieces) == data
    coded = field.lower().startswith("content-encoding")
    assert max(map(len, sink.pieces)) <= SLICE or not coded
    if not sizes and not coded:
        assert len(sink.pieces) == 2
    assert not transport.aborted


def test_S53_a_head_that_is_too_long_is_cut() -> None:
    for flood in (b"X: " + b"x" * (HEAD_SIZE + 1), b"X: y\r\n" * (HEAD_LINES + 1), b"X: y\n" * (HEAD_LINES + 1)):
        for chunk in (7, 1000, len(flood) + 100):
            made, sink, transport = sieve()
            data = b"HTTP/1.1 200 OK\r\n" + flood
            for start in range(0, len(data), chunk):
                made.dataReceived(data[start : start + chunk])
            assert transport.aborted
            assert sink.ends[0].check(HeadTooLarge)
            assert sum(map(len, sink.pieces)) <= HEAD_SIZE
            made.connectionLost(Failure(ConnectionError()))
            assert len(sink.ends) == 1


def test_S53_interim_heads_count_with_the_one_they_precede() -> None:
    made, sink, transport = sieve()
    made.dataReceived(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * HEAD_LINES)
    assert transport.aborted
    made, sink, transport = sieve()
    made.dataReceived(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"body\n" * 1000)
    assert not transport.aborted
    assert b"".join(sink.pieces).endswith(b"body\n")


def test_the_count_begins_anew_with_each_request() -> None:
    made, _, transport = sieve()
    for _ in range(50):
        made.dataReceived(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100 + b"\r\n")
        made.write(b"GET / HTTP/1.1\r\n\r\n")
    assert not transport.aborted


def test_F10_bytes_that_nobody_asked_for_end_the_connection() -> None:
    made, sink, transport = sieve()
    made.dataReceived(HEAD)
    sink.state = "QUIESCENT"
    made.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
    assert transport.aborted
    assert sink.ends[0].check(UnaskedBytes)


def test_F10_the_rest_of_one_response_is_never_taken_for_the_next() -> None:
    class Eager(Sink):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.write(b"GET /next HTTP/1.1\r\n\r\n")  # type: ignore[union-attr]

    made, sink, transport = sieve(Eager())
    made.dataReceived(HEAD + bytes(SLICE))
    assert transport.aborted
    assert len(sink.pieces) == 1


def test_a_pause_that_is_taken_back_while_bytes_are_delivered_is_none() -> None:
    """As Twisted's client has it at the end of each head whose body somebody wants at once."""

    class Quick(Sink):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()  # type: ignore[union-attr]
            self.transport.resumeProducing()  # type: ignore[union-attr]

    made, _, transport = sieve(Quick())
    transport.pauseProducing = None  # type: ignore[assignment]  # it would fail
    made.dataReceived(HEAD)
    assert transport.producerState == "producing"


def test_a_pause_that_lasts_is_one_until_it_is_taken_back() -> None:
    class Slow(Sink):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()  # type: ignore[union-attr]

    made, _, transport = sieve(Slow())
    made.dataReceived(HEAD)
    assert transport.producerState == "paused"
    made.resumeProducing()
    assert transport.producerState == "producing"
    made.pauseProducing()
    assert transport.producerState == "paused"


class Wire(Connection):
    """A connection to nobody that takes so many bytes at a time."""

    def __init__(self, takes: int) -> None:
        self.takes, self.connected, self.sent, self.later = takes, 1, b"", b""
        self._tempDataBuffer: list[bytes] = []

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:
        if self.takes < 0:
            return ConnectionLost()
        self.sent += bytes(data[: self.takes])
        return min(len(data), self.takes)

    def write(self, data: bytes) -> None:
        self.later += data


@pytest.mark.parametrize(("takes", "sent"), [(100, b"GET / HTTP/1.1"), (5, b"GET /"), (0, b""), (-1, b"")])
def test_a_request_is_sent_at_once_as_far_as_the_connection_takes_it(takes: int, sent: bytes) -> None:
    wire = Wire(takes)
    made = Sieve(WrappingFactory(None), Sink())
    made.transport = wire
    made._line = bytearray()
    made.writeSequence([b"GET / ", b"HTTP/1.1"])
    assert (wire.sent, wire.later) == (sent, b"GET / HTTP/1.1"[len(sent) :])


@pytest.mark.parametrize(
    "state", [{"connected": 0}, {"disconnecting": 1}, {"TLS": True}, {"dataBuffer": b"x"}, {"_tempDataBuffer": [b"x"]}]
)
def test_nothing_is_sent_past_what_waits_and_past_encryption(state: dict[str, object]) -> None:
    wire = Wire(100)
    vars(wire).update(state)
    made = Sieve(WrappingFactory(None), Sink())
    made.transport = wire
    made._line = bytearray()
    made.write(b"GET /")
    assert (wire.sent, wire.later) == (b"", b"GET /")


def test_closing_is_aborting_and_nothing_comes_afterwards() -> None:
    made, sink, transport = sieve()
    made.loseConnection()
    made.dataReceived(HEAD)
    assert transport.aborted
    assert sink.pieces == []


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@pytest.fixture
def connected(ends: tuple[socket.socket, socket.socket]) -> Connection:
    """A connection with a socket of its own."""
    made = Wire(0)
    made.socket, made.reactor = ends[0], MemoryReactorClock()
    return made


@pytest.fixture
def other(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    """The other end of that."""
    return ends[1]


def gathered(connection: Connection) -> int:
    """How many bytes the system is to gather."""
    return connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)


def below(*layers: Any) -> Sieve:
    """A sieve on the last of these, each of which lies on the next."""
    made = Sieve(WrappingFactory(None), Sink())
    for upper, lower in pairwise([made, *layers]):
        upper.transport = lower
    return made


def test_the_system_gathers_below_whatever_lies_between(connected: Connection) -> None:
    if not GATHERS:
        missing("this system does not gather")
    usual = connected.bufferSize
    secured = below(ProtocolWrapper(WrappingFactory(None), Sink()), connected)
    for made, longest in ((below(connected), 500_000), (secured, usual)):
        assert made.gather(500_000)
        assert gathered(connected) == 500_000
        assert connected.bufferSize == longest
        assert made.gather(1)
        assert gathered(connected) == 1
        assert connected.bufferSize == longest
        assert made.gather(0)
        assert gathered(connected) == 1
        assert connected.bufferSize == usual
        assert "doRead" not in vars(connected)


def test_of_what_is_encrypted_no_more_is_taken_in_one_turn_than_there_is_time_for(
    connected: Connection, other: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a connection reads in one go is decrypted in one go, and may be forty thousand records."""
    if not GATHERS:
        missing("this system does not gather")
    now = [0.0]
    monkeypatch.setattr("pypidaemon.upstreams.sieve.thread_time", lambda: now[0])
    wrapper, sizes, cost = ProtocolWrapper(WrappingFactory(None), Sink()), [], TAKING * 0.75

    def decrypt(data: bytes) -> None:
        sizes.append(len(data))
        now[0] += cost

    connected.protocol = wrapper
    monkeypatch.setattr(wrapper, "dataReceived", decrypt)
    connected.bufferSize = 1000
    made = below(wrapper, connected)
    other.sendall(bytes(5000))
    assert made.gather(4000)
    assert connected.doRead() is None
    # The rest is fewer bytes than were to be gathered, and told of nevertheless.
    assert (sizes, gathered(connected)) == ([1000, 1000], 1)
    cost = 0.0
    assert connected.doRead() is None
    assert (sizes, gathered(connected)) == ([1000] * 5, 4000)


@pytest.mark.parametrize("end", ["paused", "let go", "aborted", "lost"])
def test_nothing_more_is_taken_in_a_turn_in_which_it_was_wanted_no_more(connected: Connection, other: socket.socket, end: str) -> None:
    if not GATHERS:
        missing("this system does not gather")
    connected.protocol = wrapper = ProtocolWrapper(WrappingFactory(None), Sink())
    connected.bufferSize = 1000
    made = below(wrapper, connected)
    sizes = []

    def decrypt(data: bytes) -> None:
        sizes.append(len(data))
        match end:
            case "paused":
                made.pauseProducing()
            case "let go":
                made.gather(0)
            case "aborted":
                made.loseConnection()
                assert not made.gather(0)

    wrapper.dataReceived = decrypt  # type: ignore[method-assign]
    assert made.gather(4000)
    other.sendall(bytes(100 if end == "lost" else 5000))
    other.shutdown(socket.SHUT_WR)
    assert (connected.doRead() is not None) is (end == "lost")
    assert sizes == [100 if end == "lost" else 1000]


@pytest.mark.parametrize("broken", [b"", b"\r\nX-Odd:\r\n and more"])
def test_of_a_body_in_chunks_nothing_is_gathered_and_no_more_is_read_at_once_than_at_first(connected: Connection, broken: bytes) -> None:
    """Each chunk costs the same, and may have one byte."""
    made, usual = below(connected), connected.bufferSize
    made._line = bytearray()
    for field, in_chunks in ((b"Content-Length: 9000000", False), (b"TRANSFER-Encoding: chunked", True)):
        made.write(b"GET / HTTP/1.1\r\n\r\n")
        assert connected.bufferSize == usual
        made.dataReceived(b"HTTP/1.1 200 OK\r\n" + field + broken + b"\r\n\r\n")
        made.dataReceived(bytes(usual))
        assert (connected.bufferSize == usual) is in_chunks
        assert made.gather(500_000) is (GATHERS and not in_chunks)
        assert made.gather(0) is GATHERS


def test_what_cannot_gather_says_so(connected: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not below(StringTransport()).gather(500_000)
    made, usual = below(connected), connected.bufferSize
    connected.socket.close()
    assert not made.gather(500_000)
    connected.connected = 0
    assert not made.gather(500_000)
    connected.connected = 1
    monkeypatch.setattr("pypidaemon.upstreams.sieve.GATHERS", False)
    assert not made.gather(500_000)
    assert connected.bufferSize == usual
