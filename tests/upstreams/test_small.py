"""`pypidaemon.upstreams.small`: whatever an upstream does, who asks for a small file in few steps hears what he would hear in the usual way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import Clock, deferLater
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web._newclient import Request
from twisted.web.client import URI

from pypidaemon.errors import NoSuchFile, PypidaemonError, UpstreamUnavailable
from pypidaemon.interfaces import IWhole
from pypidaemon.settings import Secret
from pypidaemon.testing import TestIndex
from pypidaemon.upstreams.connections import LINE, Client, Fields
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.sieve import HEAD_LINES, Sieve
from pypidaemon.upstreams.small import Small, Unusual, Watch, body_of
from pypidaemon.upstreams.unasked import Unasked
from tests.gear import later
from tests.upstreams.parts import QUICK, Saying, cut_up, serve, started, whole
from tests.upstreams.test_connections import Sink, Transport

FIELDS = Fields({"Host": ["index.example"]})
WHERE = URI(b"http", b"index.example", b"index.example", 80, b"/a", b"", b"", b"")
SIZE = 5


def reply(body: bytes, *lines: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """A response, of which each part may be wrong."""
    size = len(body) if length is None else length
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, size, b"".join(line + b"\r\n" for line in lines), body)


GOOD = reply(b"12345")

_LENGTHS = (b"5", b"5 ", b"\t5", b"05", b"+5", b"-5", b"5_", b"0x5", b"\xd9\xa5", b"5\x0b", b"5 5", b"5, 5", b"5;x", b"", b"6", b"0")
_CONNECTIONS = (b"close", b"Close", b"Keep-Alive", b"keep-alive\x0b", b"keep-alive, close", b"keep-alive, x", b"x", b"")
_LINES = st.sampled_from(
    [*[b"Content-Length: " + said for said in _LENGTHS], *[b"Connection:" + said for said in _CONNECTIONS], b"content-length:5 ", b"Content-Length : 5",
     b"Content_Length: 6", b"X-Content-Length: 6", b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"Transfer-Encoding: identity",
     b"Transfer-Encoding : chunked", b"\tTransfer-Encoding: chunked", b"A: b\rTransfer-Encoding: chunked", b"Content-Encoding: gzip",
     b"Content-Encoding: identity", b"ETag: b", b"Content-Range: bytes 0-4/5", b"Trailer: x", b"Upgrade: h2", b"X:\ty \x00z ", b"X : y", b"no colon",
     b" continued", b"L: " + b"l" * LINE, b"B: bare\rreturn", b": unnamed", b"\xff: x"]
)  # fmt: skip
_STATUS = st.one_of(
    st.just(b"HTTP/1.1 200 OK"),
    st.sampled_from(
        [b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 0200 OK", b"http/1.1 200 OK", b"HTTP/1.1 203 Other",
         b"HTTP/1.1 204 No Content", b"HTTP/1.1 206 Part", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 404 a b", b"HTTP/1.1 100 Continue",
         b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 302 Found", b"ICY 200 OK", b"\r\nHTTP/1.1 200 OK", b""]
    ),
)  # fmt: skip


class Sieved:
    """A connection that is kept, with everything above the socket."""

    def __init__(self) -> None:
        self.kept = 0
        self.client = Client(self._keep)  # type: ignore[no-untyped-call]  # Twisted's
        self.transport = Transport()
        factory = WrappingFactory(Factory.forProtocol(lambda: self.client))  # type: ignore[arg-type]
        self.sieve = Sieve(factory, self.client)
        self.sieve.makeConnection(self.transport)

    def _keep(self, client: Client) -> None:
        self.kept += 1


def usually(link: Sieved, asking: Deferred[Any], said: list[object]) -> None:
    """Note what comes of a response that Twisted's client reads."""
    sink = Sink()
    said.append(sink)

    def answered(response: Any) -> None:
        said.append((response.code, response.length, sorted(response.headers.getAllRawHeaders())))
        response.deliverBody(sink)

    asking.addCallbacks(
        answered, lambda failed: said.append((type(failed.value), [type(one.value) for one in getattr(failed.value, "reasons", ())]))
    )


def plainly(said: list[object]) -> list[object]:
    """The same with what the body came to."""
    sink = said[0]
    assert isinstance(sink, Sink)
    return [
        *said[1:],
        b"".join(one for one in sink.said if isinstance(one, bytes)),
        [one for one in sink.said if not isinstance(one, bytes)],
    ]


def in_the_usual_way(pieces: list[bytes]) -> list[object]:
    """What comes of an answer in these pieces, and whether the connection is kept, and was cut."""
    link, said = Sieved(), list[object]()
    usually(link, link.client.request(Request(b"GET", b"/a", FIELDS, None, True)), said)
    _feed(link, pieces)
    return [plainly(said), link.kept, link.transport.disconnecting]


def in_few_steps(pieces: list[bytes], *, late: int = -1) -> tuple[bytes | None, list[object]]:
    """The same, and all bytes where they came at once; `late` is the piece before which the time is up."""
    link, clock, said = Sieved(), Clock(), list[object]()
    small = Small(link.client, lambda: link.client, (b"/a", FIELDS, WHERE), SIZE, Watch(clock, 2.0), link.client._quiescentCallback)
    small.ask()
    assert link.transport.value().startswith(b"GET /a HTTP/1.1\r\nHost: index.example\r\n")
    answers: list[bytes | Unusual] = []

    def answered(answer: bytes | Unusual) -> None:
        answers.append(answer)
        if isinstance(answer, Unusual) and answer.asking is not None:
            usually(link, answer.asking, said)

    small.answered.addCallback(answered)
    _feed(link, pieces, lambda number: clock.advance(2.0) if number == late else None)
    assert len(answers) == 1
    assert not clock.getDelayedCalls()
    if isinstance(answers[0], bytes):
        return answers[0], [link.kept, link.transport.disconnecting]
    assert answers[0].asking is None or answers[0].silent == (late == 0)
    return None, [plainly(said) if said else None, link.kept, link.transport.disconnecting]


def _feed(link: Sieved, pieces: list[bytes], before: Callable[[int], object] = bool) -> None:
    for number, piece in enumerate(pieces):
        before(number)
        if not link.sieve._aborted:
            link.sieve.dataReceived(piece)
    link.sieve.connectionLost(Failure(ConnectionDone()))


@given(
    _STATUS,
    st.lists(_LINES, max_size=4),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"]),
    st.one_of(st.binary(max_size=8), st.sampled_from([b"12345", b"12345" + GOOD, b"5\r\n12345\r\n0\r\n\r\n"])),
    st.lists(st.integers(1, 60), max_size=3),
    st.integers(-1, 3),
)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"connection: Keep-Alive"], b"\r\n", b"12345", [], -1)
@example(b"HTTP/1.1 200 OK", [b"ETag: b", b"content-length:5 "], b"\r\n", b"12345", [60, 2], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5"], b"\r\n", b"12345", [], 0)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5"], b"\r\n", b"12345", [41], 1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5"], b"\r\n", b"1234567", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5"], b"\r\n", b"123", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"Content-Length: 5"], b"\r\n", b"12345", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"Transfer-Encoding: chunked"], b"\r\n", b"0\r\n\r\n", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"Connection: close"], b"\r\n", b"12345", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"Connection: keep-alive, x"], b"\r\n", b"12345", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: 6"], b"\r\n", b"12345", [], -1)
@example(b"HTTP/1.1 200 OK", [b"Content-Length: +5"], b"\r\n", b"12345", [], -1)
@example(b"HTTP/1.1 206 Part", [b"Content-Length: 5"], b"\r\n", b"12345", [], -1)
def test_any_answer_comes_to_what_it_comes_to_in_the_usual_way(
    status: bytes, lines: list[bytes], end: bytes, body: bytes, cuts: list[int], late: int
) -> None:
    pieces = cut_up(end.join([status, *lines, b"", b""]) + body, cuts)
    usual: Any = in_the_usual_way(pieces)
    came, rest = in_few_steps(pieces, late=late)
    if came is None:
        assert rest == usual
        return
    (code, length, _), got, _ = usual[0]
    assert (code, length, got) == (200, SIZE, came)
    assert rest == usual[1:]


def test_what_is_usual_is_not_given_away() -> None:
    """Each of these is what nearly all servers say, so each was for nothing if it went the usual way."""
    for lines in (b"", b"ETag: b\r\n", b"Connection: keep-alive\r\n", b"Date: x\r\nServer: y\r\n"):
        head = b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 5\r\n\r\n"
        assert body_of(head + b"12345", SIZE) == len(head)
        assert in_few_steps([head + b"12345"])[0] == b"12345"
        assert in_few_steps([head, b"123", b"45"])[0] == b"12345"
    assert not body_of(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD_LINES + b"Content-Length: 5\r\n\r\n", SIZE)


def test_a_connection_that_is_lost_before_anything_came_is_told() -> None:
    assert in_few_steps([])[1] == [None, 0, False]


def test_who_leaves_cuts_the_connection() -> None:
    link, clock = Sieved(), Clock()
    small = Small(link.client, lambda: link.client, (b"/a", FIELDS, WHERE), SIZE, Watch(clock, 2.0), link.client._quiescentCallback)
    small.ask()
    left: list[Failure] = []
    small.answered.addErrback(left.append)
    small.answered.cancel()
    assert left[0].check(CancelledError)
    assert link.transport.disconnecting
    assert not clock.getDelayedCalls()
    link.sieve.connectionLost(connectionDone)


def test_one_timer_serves_all_and_each_has_the_same_time() -> None:
    clock = Clock()
    watch = Watch(clock, 2.0)
    late: list[int] = []

    @attrs.define(eq=False)
    class One:
        number: int

        def late(self) -> None:
            late.append(self.number)

    ones: list[Any] = []
    for number in range(4):
        ones.append(One(number))
        watch.begin(ones[-1])
        assert len(clock.getDelayedCalls()) == 1
        clock.advance(0.5)
    watch.end(ones[1])
    assert late == [0]
    clock.advance(0.9)
    assert late == [0]
    clock.advance(0.1)
    assert late == [0, 2]
    watch.end(ones[3])
    assert not clock.getDelayedCalls()


def test_who_hears_that_one_is_late_may_leave_another_and_ask_for_more() -> None:
    clock = Clock()
    watch = Watch(clock, 2.0)

    def asked() -> Small:
        link = Sieved()
        small = Small(link.client, lambda: link.client, (b"/a", FIELDS, WHERE), SIZE, watch, link.client._quiescentCallback)
        small.ask()
        return small

    late, left, third = asked(), asked(), asked()
    clock.advance(1.0)
    in_time = asked()
    heard: list[object] = []
    for one in (left, third):
        one.answered.addBoth(heard.append)
    late.answered.addCallback(lambda _: (left.answered.cancel(), heard.append(asked())))
    clock.advance(1.0)
    assert isinstance(heard[0], Failure)
    assert isinstance(heard[1], Small)
    assert isinstance(heard[2], Unusual)
    assert len(clock.getDelayedCalls()) == 1
    assert not in_time.answered.called
    clock.advance(1.0)
    assert in_time.answered.called
    assert not heard[1].answered.called
    clock.advance(1.0)
    assert heard[1].answered.called
    assert not clock.getDelayedCalls()


ANSWERS = {
    "good": (GOOD,),
    "absent": (reply(b"no", status=b"404 Not Found"),),
    "refused": (reply(b"", status=b"403 No"),),
    "broken": (reply(b"", status=b"500 Oh"),),
    "busy": (reply(b"", b"Retry-After: 30", status=b"503 Later"),),
    "too many": (reply(b"", b"Retry-After: 30", status=b"429 Slowly"),),
    "elsewhere": (reply(b"", b"Location: /there", status=b"302 Found"), GOOD),
    "round and round": (reply(b"", b"Location: /there", status=b"302 Found"),) * 7,
    "longer": (reply(b"123456"),),
    "coded": (reply(b"12345", b"Content-Encoding: gzip"),),
    "a part": (reply(b"12345", b"Content-Range: bytes 0-4/9", status=b"206 Partial Content"),),
    "more behind it": (GOOD + GOOD,),
    "two lengths": (reply(b"12345", b"Content-Length: 3"),),
    "a length with a sign": (GOOD.replace(b": 5", b": +5"),),
    "both ways": (reply(b"12345", b"Transfer-Encoding: chunked"),),
    "first another": (b"HTTP/1.1 103 Early\r\n\r\n" + GOOD,),
    "of old": (GOOD.replace(b"1.1", b"1.0"),),
    "a last one": (reply(b"12345", b"Connection: keep-alive, close"),),
    "of another's": (reply(b"12345", status=b"203 Other"),),
    "continued": (reply(b"12345", b"A: b", b" c"),),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",),
    "no head": (b"what?\r\n\r\n",),
    "too long a head": (reply(b"12345", *[b"X: y"] * 300),),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-",),
    "stalled": (reply(b"123", length=5),),
    "silent": (b"",),
}
"""What a server says to a request over a connection that it kept, and to those that follow."""


class OverASocket(TestCase):
    """A server that says exactly what it is told to."""

    async def _judged(self, answers: tuple[bytes, ...], *, few: bool, patience: float = 0.05) -> list[object]:
        """What comes of it, what is thought of the server then, and what it was asked."""
        server = Saying(self, GOOD, *answers)
        up = started(self, server.simple, limits=QUICK, patience=patience)
        url = f"http://127.0.0.1:{server.port}/a"
        assert await whole(await up.fetch_body(url, 0)) == b"12345"
        steps: list[object] = []
        small = up._bodies.small

        def counted(*given: Any) -> Small | None:
            steps.append(small(*given))
            return steps[-1]  # type: ignore[return-value]

        up._bodies.small = counted
        outcome: object
        try:
            said: Any = await up.fetch_whole(url, SIZE) if few else await up.fetch_body(url, 0)
            outcome = said if isinstance(said, bytes) else (said.total, await whole(said))
        except PypidaemonError as error:
            outcome = (type(error), getattr(error, "cause", ""), getattr(error, "retry_after", 0))
        assert (not few) or (len(steps) == 1 and steps[0] is not None)
        if isinstance(outcome, bytes):
            outcome = (len(outcome), outcome)
        return [
            outcome,
            up.health.state,
            up.health.cause,
            up.health.stumbles,
            up.failures,
            up.requests,
            len(server.heard),
            set(server.heard),
        ]

    async def test_every_answer_is_judged_as_in_the_usual_way(self) -> None:
        for what, answers in ANSWERS.items():
            usual = await self._judged(answers, few=False)
            few = await self._judged(answers, few=True)
            # The two servers have ports of their own.
            assert few[:-1] == usual[:-1], what

    async def test_the_request_is_the_very_same(self) -> None:
        server = Saying(self, GOOD, GOOD, GOOD)
        up = started(self, server.simple)
        url = f"http://127.0.0.1:{server.port}/a%20b"
        await whole(await up.fetch_body(url, 0))
        assert await up.fetch_whole(url, SIZE) == b"12345"
        assert up.bytes_in == 2 * SIZE
        assert server.heard[0] == server.heard[1]
        assert len(server.connections) == 1
        # And so is the connection, for whoever comes next.
        assert await whole(await up.fetch_body(url, 0)) == b"12345"
        assert len(server.connections) == 1

    async def test_S50_who_we_are_is_said_to_the_index_alone(self) -> None:
        own, other = Saying(self, GOOD, GOOD), Saying(self, GOOD, GOOD)
        up = started(self, own.simple, username="me", password=Secret("hidden"))
        for server in (own, other):
            url = f"http://127.0.0.1:{server.port}/a"
            await whole(await up.fetch_body(url, 0))
            assert await up.fetch_whole(url, SIZE) == b"12345"
            assert [b"\r\nAuthorization: " in heard for heard in server.heard] == [server is own] * 2

    async def test_N6_a_host_of_files_has_a_health_of_its_own_and_is_praised(self) -> None:
        server = Saying(self, GOOD, GOOD)
        up = started(self, "http://127.0.0.1:1/simple/")
        url = f"http://127.0.0.1:{server.port}/a"
        await whole(await up.fetch_body(url, 0))
        place = f"127.0.0.1:{server.port}"
        up._exchange.elsewhere._good.clear()
        assert await up.fetch_whole(url, SIZE) == b"12345"
        assert up._exchange.elsewhere._good == {place: url}

    async def test_a_connection_that_was_closed_meanwhile_costs_one_more_and_nothing_else(self) -> None:
        for when in ("before", "after"):
            server = Saying(self, GOOD, *([] if when == "before" else [b""]), GOOD)
            up = started(self, server.simple)
            url = f"http://127.0.0.1:{server.port}/a"
            await whole(await up.fetch_body(url, 0))
            if when == "before":
                server.connections[0].transport.abortConnection()  # type: ignore[union-attr]
                await deferLater(reactor, 0)
                said: Any = await up.fetch_whole(url, SIZE)
            else:
                asking = Deferred.fromCoroutine(up.fetch_whole(url, SIZE))
                while len(server.heard) < 2:
                    await deferLater(reactor, 0)
                server.connections[0].transport.abortConnection()  # type: ignore[union-attr]
                said = await asking
            assert (said if isinstance(said, bytes) else await whole(said)) == b"12345"
            assert up.health.state == "up"
            assert up.failures == 0

    async def test_what_cannot_be_had_in_few_steps_is_had_in_the_usual_way(self) -> None:
        server = Saying(self, GOOD)
        up = started(self, server.simple)
        # There is no connection yet.
        body: Any = await up.fetch_whole(f"http://127.0.0.1:{server.port}/a", SIZE)
        assert await whole(body) == b"12345"

    async def test_who_must_not_be_asked_is_not(self) -> None:
        up = started(self, "http://127.0.0.1:1/simple/")
        for url in ("ftp://127.0.0.1/a", "http://me:secret@127.0.0.1/a"):
            with pytest.raises(UpstreamUnavailable):
                await up.fetch_whole(url, SIZE)
        up.health.failed("it was down")
        up.health.failed("it was down")
        with pytest.raises(UpstreamUnavailable, match="it was down"):
            await up.fetch_whole("http://127.0.0.1:1/a", SIZE)
        assert up.requests == 0

    async def test_F32_it_is_waited_for_as_long_as_in_the_usual_way(self) -> None:
        """From when the request was sent, also where something came of the head meanwhile; and so is the patience of those who wait for a sign of life."""
        for something in (True, False):
            clock = Clock()
            up = started(self, "http://127.0.0.1:1/simple/", clock=clock, patience=2.0)
            up._bodies.exchange.clock = up._bodies._watch.clock = clock
            link = Sieved()

            def small(url: str, sent: Fields, size: int, watch: Watch, link: Sieved = link) -> Small:
                one = Small(link.client, lambda: link.client, (b"/a", sent, WHERE), size, watch, link.client._quiescentCallback)
                one.ask()
                return one

            up._bodies.small = small
            asking = later(up.fetch_whole("http://127.0.0.1:1/a", SIZE))
            asking.addErrback(lambda failed: failed.value)
            # The identity is known, so all of that is done before it first pauses.
            clock.advance(1.5)
            if something:
                link.sieve.dataReceived(b"HTTP/1.1 200 O")
            assert up.health.state == "up"
            clock.advance(0.5)
            assert up.health.state == "suspect"
            clock.advance(7.9)
            assert not asking.called
            clock.advance(0.1)
            assert asking.called
            error: Any = await asking
            assert error.cause == "it does not answer"
            assert link.transport.disconnecting

    async def test_a_guard_lets_it_through_and_keeps_it_from_who_has_no_such_way(self) -> None:
        index = TestIndex()
        wheel = index.add("thing", "1.0", size=5000)
        served = serve(self, index)
        up = started(self, served.simple)
        url, data = served.url + index.path("thing", wheel), index.projects["thing"].files[wheel].data
        guarded = Guarded(up, ("acme-*",))
        await whole(await guarded.fetch_body(url, 0))
        assert IWhole.providedBy(guarded)
        assert await guarded.fetch_whole(url, len(data)) == data

        class Plain:
            async def fetch_body(self, url: str, offset: int) -> Any:
                return await up.fetch_body(url, offset)

        body: Any = await Guarded(Plain(), ()).fetch_whole(url, len(data))  # type: ignore[arg-type]
        assert await whole(body) == data
        away = Guarded(up, (), Unasked("off line"))
        with pytest.raises(UpstreamUnavailable, match="off line"):
            await away.fetch_whole(url, len(data))
        with pytest.raises(NoSuchFile):
            await guarded.fetch_whole(url + "x", len(data))
