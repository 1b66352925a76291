"""`pypidaemon.upstreams.sieve`: bounded heads, small pieces, nothing after the end (S53)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure

from pypidaemon.upstreams.sieve import HEAD_LINES, HEAD_SIZE, SLICE, HeadTooLarge, Sieve, UnaskedBytes

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
