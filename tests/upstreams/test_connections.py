"""`pypidaemon.upstreams.connections`: whatever is cut short comes to what Twisted's own way comes to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, Request
from twisted.web.client import URI
from twisted.web.http_headers import Headers

from pypidaemon.upstreams.connections import LINE, Client, Fields, Pool, Question
from tests.upstreams.parts import cut_up

_LINES = st.sampled_from(
    [b"Content-Length: 5", b"content-length:0", b"Transfer-Encoding: chunked", b"Connection: close", b'ETag: "a"', b"ETag: b", b"X:\ty \x00z ", b"X : y",
     b"no colon", b" continued", b": nameless", b"X:", b"Content-Length: 5, 5", b"Content-Length: x", b"L: " + b"l" * LINE, b"B: bare\rreturn"]
)  # fmt: skip
_STATUS = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 204 None", b"HTTP/1.1 404 a b",
     b"HTTP/1.1 100 Continue", b"HTTP/1.1 20 x", b"HTTP/1.1 abc x", b"ICY 200 OK", b"", b"HTTP/1.1 200 O\rK"]
)  # fmt: skip


class Transport(StringTransport):
    """One that can be aborted."""

    def abortConnection(self) -> None:
        self.loseConnection()


class Sink(Protocol):
    """Notes what it is given, and how that ends."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def dataReceived(self, data: bytes) -> None:
        self.said.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.said.append(type(reason.value))


def outcome(kind: Any, pieces: list[bytes]) -> list[object]:
    """What comes of a request whose answer comes in these pieces, over a connection of that kind."""
    said: list[object] = []
    connection = kind(lambda _: said.append("kept"))
    transport = Transport()
    connection.makeConnection(transport)
    asked: Deferred[Any] = connection.request(Request(b"GET", b"/", Headers({"Host": ["index.example"]}), None, True))
    sink = Sink()

    def answered(response: Any) -> None:
        said.extend([response.version, response.code, response.phrase, response.length, sorted(response.headers.getAllRawHeaders())])
        response.deliverBody(sink)

    asked.addCallbacks(
        answered, lambda failed: said.append([type(failed.value), [type(one.value) for one in getattr(failed.value, "reasons", ())]])
    )
    for piece in pieces:
        if connection._parser is not None:
            connection.dataReceived(piece)
    connection.connectionLost(Failure(ConnectionDone()))
    body = b"".join(one for one in sink.said if isinstance(one, bytes))
    return [*said, body, [one for one in sink.said if not isinstance(one, bytes)], transport.disconnecting]


@given(
    _STATUS,
    st.lists(_LINES, max_size=4),
    st.sampled_from([b"\r\n", b"\n"]),
    st.binary(max_size=8),
    st.lists(st.integers(1, 60), max_size=3),
)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"ETag: b"], b"\r\n", b"12345", [])
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5"], b"\r\n", b"123456789", [40, 1])
@example(b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], b"\r\n", b"1\r\na\r\n0\r\n\r\n", [])
@example(b"HTTP/1.1 304 Not Modified", [], b"\r\n", b"surplus", [])
def test_any_answer_is_read_as_twisted_reads_it(status: bytes, lines: list[bytes], end: bytes, body: bytes, cuts: list[int]) -> None:
    pieces = cut_up(end.join([status, *lines, b"", b""]) + body, cuts)
    assert outcome(Client, pieces) == outcome(HTTP11ClientProtocol, pieces)


def test_a_request_is_written_as_twisted_writes_it() -> None:
    """And again, with what was made of its fields the first time."""
    fields = Fields({"User-Agent": ["us"], "Via": ["one", "two"], "Host": ["index.example"]})
    uri = URI(b"http", b"index.example", b"index.example", 80, b"/a/b", b"", b"", b"")
    theirs = StringTransport()
    Request(b"GET", b"/a/b", fields, None, True).writeTo(theirs)
    for _ in range(2):
        ours = StringTransport()
        Question(b"GET", b"/a/b", fields, uri).writeTo(ours)
        assert ours.value() == theirs.value()
    assert Question(b"GET", b"/a/b", fields, uri).absoluteURI == b"http://index.example/a/b"


class Connection:
    """One that is idle, and notes that it is closed."""

    state = "QUIESCENT"

    def __init__(self) -> None:
        self.transport = StringTransport()

    def abort(self) -> Deferred[None]:
        self.transport.loseConnection()
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting


def pool(clock: Clock) -> Pool:
    """One that keeps two connections to each host for ten seconds."""
    made = Pool(clock)
    made.cachedConnectionTimeout, made.maxPersistentPerHost = 10, 2
    return made


def test_what_is_kept_too_long_is_closed_and_one_timer_serves_all() -> None:
    clock = Clock()
    kept = pool(clock)
    first, second, other = Connection(), Connection(), Connection()
    kept._putConnection("here", first)
    clock.advance(4)
    kept._putConnection("here", second)
    kept._putConnection("there", other)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(6)
    assert (first.closed, second.closed, other.closed) == (True, False, False)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(4)
    assert second.closed
    assert other.closed
    assert clock.getDelayedCalls() == []


def test_what_is_lent_again_is_not_closed_and_the_oldest_gives_way() -> None:
    clock = Clock()
    kept = pool(clock)
    many = [Connection() for _ in range(3)]
    for one in many:
        kept._putConnection("here", one)
    assert [one.closed for one in many] == [True, False, False]
    lent = kept.getConnection("here", Any)
    assert lent.result._clientProtocol is many[1]
    clock.advance(20)
    assert [one.closed for one in many] == [True, False, True]


def test_what_was_connected_from_another_network_is_used_no_more() -> None:
    """What is lent out goes on, and comes back."""
    clock = Clock()
    kept = pool(clock)
    lent, one, other = Connection(), Connection(), Connection()
    kept._putConnection("here", one)
    kept._putConnection("there", other)
    kept.forget_all()
    kept._putConnection("here", lent)
    assert (one.closed, other.closed, lent.closed) == (True, True, False)
    assert kept.getConnection("here", Any).result._clientProtocol is lent


@pytest.mark.parametrize("lent", [True, False])
def test_a_closed_pool_keeps_nothing(lent: bool) -> None:
    """Neither what it had nor what comes back."""
    clock = Clock()
    kept = pool(clock)
    one = Connection()
    if not lent:
        kept._putConnection("here", one)
    kept.closeCachedConnections()
    if lent:
        kept._putConnection("here", one)
    assert one.closed
    assert clock.getDelayedCalls() == []
