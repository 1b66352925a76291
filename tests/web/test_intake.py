"""Bodies that somebody takes: decided from the head, passed on as fast as they are taken, undone exactly once."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pypidaemon.errors import Conflict, NotAllowed, PypidaemonError, Refused, TooLarge, TooManyAttempts
from pypidaemon.pace import PIECE, Gone, Held
from pypidaemon.web.ask import Ask
from pypidaemon.web.heads import request_line
from pypidaemon.web.intake import Collected, Intake, Receiver, Room, nothing_received
from pypidaemon.web.reply import Reply, Stream, text
from pypidaemon.web.site import DoorSite
from pypidaemon.web.skin import LEFT, Skin, nothing_ready
from tests.gear import later, now
from tests.web.wire import Client, Seen, Trickle, answers, get

MIB = 1024 * 1024
CHUNKED = "Transfer-Encoding: chunked"
EXPECT = "Expect: 100-continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DENIED = NotAllowed("log in to upload", would_help=True)


@attrs.define(eq=False)
class Taker:
    """A receiver that notes what is called; each `write` waits for the next of `gates`, or raises it, and `finish` so with `ends`."""

    gates: list[Any] = attrs.field(factory=list)
    ends: list[Any] = attrs.field(factory=list)
    pieces: list[bytes] = attrs.field(factory=list)
    calls: list[str] = attrs.field(factory=list)
    stubborn: bool = False
    busy: bool = False

    async def _gate(self, gates: list[Any]) -> None:
        assert not self.busy, "one at a time"
        assert not {"finish", "drop"} & set(self.calls[:-1]), "nothing comes after the end"
        self.busy = True
        try:
            gate = gates.pop(0) if gates else None
            if isinstance(gate, Deferred):
                await gate
            elif gate is not None:
                raise gate
        except CancelledError:
            self.calls.append("cancelled")
            if not self.stubborn:
                raise
        finally:
            self.busy = False

    async def write(self, data: bytes) -> None:
        assert data
        self.pieces.append(data)
        self.calls.append("write")
        await self._gate(self.gates)

    async def finish(self) -> Reply:
        self.calls.append("finish")
        await self._gate(self.ends)
        return Reply(200, (), b"taken %d" % len(self.data))

    def drop(self) -> None:
        assert not self.busy
        assert not {"finish", "drop"} & set(self.calls)
        self.calls.append("drop")

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def roomy(size: int) -> Room:
    """That much room for everything."""
    return lambda *_: size


def taking(decision: Any, **more: Any) -> Seen:
    """A door whose bodies are taken by that receiver, refused by that error or Reply, or wait for that Deferred to say so."""

    async def decide() -> Any:
        found = await decision if isinstance(decision, Deferred) else decision
        if isinstance(found, Exception):
            raise found
        return found

    more.setdefault("room", roomy(1 << 40))
    return Seen(receive=lambda _: decide(), **more)


def post(*headers: str, length: int | None = None, path: str = "/legacy/", method: str = "POST") -> bytes:
    return get(path, *headers, *([] if length is None else [f"Content-Length: {length}"]), method=method)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def refused(data: bytes) -> int:
    (answer,) = answers(data)
    assert answer.one("connection") == "close"
    return answer.status


# What comes through.


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """That, in pieces."""
    places = sorted(draw(st.sets(st.integers(0, len(data)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(st.data(), st.binary(max_size=400), st.booleans(), st.booleans())
def test_R173_a_receiver_gets_the_same_bytes_however_they_are_framed_and_cut(
    data: st.DataObject, body: bytes, chunked: bool, slow: bool
) -> None:
    """In order, one call at a time, one end; and the requests behind it, in the same packets, have their turn after it."""
    framed = b"".join(chunk(piece) for piece in data.draw(cut(body)) if piece) + b"0\r\n\r\n" if chunked else body
    head = post(CHUNKED) if chunked else post(length=len(body))
    taker = Taker()
    decision: Deferred[Receiver] = Deferred()
    seen = taking(decision)
    client = seen.client()
    if not slow:
        decision.callback(taker)
    for piece in data.draw(cut(head + framed + get("/after") + post(length=0))):
        client.channel.dataReceived(piece)
    if slow:
        assert taker.calls == []
        gate = Deferred[None]()
        taker.gates.append(gate)
        decision.callback(taker)
        gate.callback(None)
    if chunked or body:
        assert taker.data == body
        assert taker.calls == ["write"] * len(taker.pieces) + ["finish"]
        assert answers(client.heard())[0].body == b"taken %d" % len(body)
    assert [ask.segments for ask in seen.asks][-2:] == [("after",), ("legacy", "")]
    client.hang_up()
    assert not seen.clock.getDelayedCalls()


def test_the_connection_goes_on_behind_a_body_that_was_taken() -> None:
    """Head, id, length and observers as for any answer; the next one has a receiver of its own."""
    takers: list[Taker] = []

    async def decide() -> Receiver:
        takers.append(Taker())
        return takers[-1]

    seen = Seen(receive=lambda _: decide())
    client = seen.client()
    heard = answers(client.say((post(length=3) + b"abc") * 2 + get("/a")))
    assert [answer.body for answer in heard] == [b"taken 3", b"taken 3", b"a\nrequest id: 0000000000000003\n"]
    assert [answer.one("x-request-id") for answer in heard] == ["0000000000000001", "0000000000000002", "0000000000000003"]
    assert "connection" not in heard[0].headers
    assert seen.ends == [(200, 7), (200, 7), (200, len(heard[2].body))]
    assert [taker.calls for taker in takers] == [["write", "finish"]] * 2
    client.hang_up()


def test_requests_behind_an_upload_wait_for_its_answer() -> None:
    """Also where it is still being written and finished after its last byte; an idle connection is closed afterwards as any other."""
    gate, end = Deferred[None](), Deferred[None]()
    taker = Taker([gate], [end])
    seen = taking(taker)
    client = seen.client()
    assert client.say(post(length=3) + b"abc" + get("/after")) == b""
    gate.callback(None)
    assert client.heard() == b""
    assert seen.asks == []
    seen.clock.advance(3600)
    assert client.wire.reading
    end.callback(None)
    assert [answer.body[:5] for answer in answers(client.heard())] == [b"taken", b"after"]
    seen.clock.advance(59)
    assert not client.wire.closed
    seen.clock.advance(1)
    assert client.wire.closed
    client.hang_up()


def test_the_ask_is_made_once_and_is_what_a_proxy_said() -> None:
    """The same for who decides and who observes, with one id; it stands for the request from its head on, in time as well."""
    asks: list[Ask] = []
    told: list[tuple[Ask, int, float]] = []
    clock = Clock()
    counter = iter(range(9))

    def receive(ask: Ask) -> Awaitable[Receiver | Reply]:
        asks.append(ask)

        async def decide() -> Receiver:
            return Taker()

        return decide()

    skin = Skin(
        Seen().handle,
        nothing_ready,
        clock,
        lambda count: next(counter).to_bytes(count, "big"),
        lambda ask, status, _, seconds: told.append((ask, status, seconds)),
        lambda ask: attrs.evolve(ask, client="203.0.113.9", secure=True),
        receive,
    )
    client = Client(DoorSite(skin, clock))
    client.say(post("X: y", length=3, path="/legacy/?a=b", method="PUT"))
    clock.advance(2)
    assert answers(client.say(b"abc"))[0].one("x-request-id") == "0" * 16
    (ask,) = asks
    assert told == [(ask, 200, 2.0)]
    assert told[0][0] is ask
    assert (ask.method, ask.segments, ask.query, ask.client, ask.secure) == ("PUT", ("legacy", ""), (("a", "b"),), "203.0.113.9", True)
    assert ask.headers.first("x") == "y"
    client.hang_up()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bodies_of_get_and_head_mean_nothing(method: str) -> None:
    seen = taking(Taker())
    client = seen.client()
    (answer,) = answers(client.say(post(length=3, method=method) + b"abc"), (method,))
    assert answer.status == 200
    assert len(seen.asks) == 1
    client.hang_up()


def test_requests_without_a_body_or_sense_have_nothing_to_take() -> None:
    """They are answered as ever: an empty body by the handler, an unreadable target by 400 behind its body."""
    taker = Taker()
    seen = taking(taker)
    client = seen.client()
    assert answers(client.say(post(length=0) + post()))[1].status == 200
    assert len(seen.asks) == 2
    assert client.say(post(length=3, path="/../x")) == b""
    assert refused(client.say(b"abc")) == 400
    assert taker.calls == []
    assert len(seen.ends) == 3
    client.hang_up()


def test_a_body_nobody_takes_is_let_go_of_within_the_old_limit() -> None:
    """Whatever room there is for others."""
    seen = Seen(room=roomy(1 << 40))
    client = seen.client()
    (answer,) = answers(client.say(post(EXPECT, length=3)) + client.say(b"abc"))
    assert answer.status == 200
    assert answers(client.say(post(length=MIB) + bytes(MIB)))[0].status == 200
    assert refused(client.say(post(EXPECT, length=MIB + 1))) == 413
    client.hang_up()
    client = seen.client()
    client.say(post(CHUNKED))
    assert refused(client.say(chunk(bytes(MIB + 1)))) == 413
    client.hang_up()
    assert len(seen.asks) == len(seen.ends) == 2


# What is decided from the head.


@pytest.mark.parametrize("expect", [[], [EXPECT]])
@pytest.mark.parametrize("framing", ["Content-Length: 10485760", CHUNKED])
@pytest.mark.parametrize("waits", [True, False])
def test_R188_a_refusal_comes_before_the_body(expect: list[str], framing: str, waits: bool) -> None:
    """401 at once, with the question for credentials; what comes of the body is neither asked for, passed on nor looked at."""
    decision: Deferred[Receiver] = Deferred()
    seen = taking(decision if waits else DENIED)
    client = seen.client()
    body = bytes(10 * MIB) if framing != CHUNKED else b"this is no chunk\r\n\r\n" + get("/evil")
    data = client.say(post(framing, *expect) + (b"" if expect else body))
    if waits:
        assert data == b""
        decision.errback(DENIED)
        data = client.heard()
    assert b"100 Continue" not in data
    (answer,) = answers(data)
    assert (answer.status, answer.reason) == (401, "log in to upload")
    assert answer.one("www-authenticate") == 'Basic realm="pypi"'
    assert answer.one("connection") == "close"
    assert answer.one("x-request-id") == "0000000000000001"
    assert client.wire.half_closed
    assert client.wire.reading
    assert client.say(body + get("/evil")) == b""
    assert seen.asks == []
    assert seen.ends == [(401, len(answer.body))]
    seen.clock.advance(2)
    assert client.wire.aborted
    client.hang_up()
    assert not seen.clock.getDelayedCalls()
    assert len(seen.ends) == 1


def test_a_refusal_over_tls_closes_as_ever() -> None:
    """Where a transport cannot half-close."""
    client = taking(DENIED).client(half_closes=False)
    assert refused(client.say(post(length=10))) == 401
    assert client.wire.disconnecting
    client.hang_up()


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (NotAllowed("not yours", would_help=False), 403, ""),
        (TooManyAttempts(7), 429, "retry-after"),
        (Refused("reserved", "the name is ours"), 403, ""),
        (TooLarge("too large"), 413, ""),
        (Conflict("File already exists"), 400, ""),
        (PypidaemonError("busy"), 503, "retry-after"),
        (ZeroDivisionError("secret"), 500, ""),
        (text(405, "not here", "x", (("Allow", "GET"),)), 405, "allow"),
        (Reply(403, stream=Stream(Held(b"abc"), 0, 3)), 403, ""),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
def test_S91_errors_of_the_decision_are_answered_by_the_table(
    error: Any, status: int, header: str, waits: bool, no_logged_failures: list[dict[str, Any]]
) -> None:
    """And so is a Reply; either way the connection ends with it."""
    decision: Deferred[Any] = Deferred()
    seen = taking(decision if waits else error)
    client = seen.client()
    data = client.say(post(length=100) + bytes(20))
    if waits:
        decision.callback(error)
        data = client.heard()
    (answer,) = answers(data)
    assert answer.status == status
    assert not header or answer.one(header)
    assert answer.one("connection") == "close"
    assert b"secret" not in answer.body
    assert client.wire.half_closed
    assert [ended for ended, _ in seen.ends] == [status]
    client.hang_up()
    if status == 500:
        no_logged_failures.clear()


def test_who_raises_before_there_is_anything_to_await_is_answered_too() -> None:
    def receive(ask: Ask) -> Awaitable[Receiver | Reply] | None:
        raise DENIED

    client = Seen(receive=receive).client()
    assert refused(client.say(post(length=3) + b"abc")) == 401
    client.hang_up()


def test_R173_until_it_is_decided_nothing_is_asked_for_or_looked_at_and_no_time_runs() -> None:
    """The transport is paused, bytes that come all the same wait, and the client is not the slow one, for an hour."""
    decision: Deferred[Receiver] = Deferred()
    taker = Taker()
    seen = taking(decision)
    client = seen.client()
    assert client.say(post(EXPECT, CHUNKED)) == b""
    assert not client.wire.reading
    client.wire.reading = True
    assert client.say(b"3\r\nab") == b""
    assert not client.wire.reading
    seen.clock.advance(3600)
    assert not client.wire.closed
    assert taker.calls == []
    assert not seen.clock.getDelayedCalls()
    decision.callback(taker)
    assert client.heard() == CONTINUE
    assert client.wire.reading
    assert taker.data == b"ab"
    assert answers(client.say(b"c\r\n0\r\n\r\n"))[0].body == b"taken 3"
    client.hang_up()
    assert not seen.clock.getDelayedCalls()


def test_a_client_that_did_not_read_before_stays_paused_while_its_body_is_decided() -> None:
    """That it takes what was written to it is no reason to read on."""
    decision: Deferred[Receiver] = Deferred()
    client = taking(decision).client()
    client.say(post(length=3))
    client.channel.pauseProducing()
    client.channel.resumeProducing()
    assert not client.wire.reading
    client.channel.pauseProducing()
    decision.callback(Taker())
    assert not client.wire.reading
    client.channel.resumeProducing()
    assert client.wire.reading
    assert answers(client.say(b"abc"))[0].status == 200
    client.hang_up()


def test_S62_the_head_alone_refuses_what_there_is_no_room_for() -> None:
    """By method and raw target, before anybody is asked who takes it."""
    asked: list[tuple[bytes, bytes]] = []

    def room(method: bytes, target: bytes) -> int:
        asked.append((method, target))
        return 5 * MIB if target.startswith(b"/legacy") else 10

    taker = Taker()
    seen = taking(taker, room=room)
    client = seen.client()
    assert answers(client.say(post(length=5 * MIB, path="/legacy/?a=%2F") + bytes(5 * MIB)))[0].status == 200
    assert asked == [(b"POST", b"/legacy/?a=%2F")]
    assert taker.calls[-1] == "finish"
    for path, length in (("/legacy/", 5 * MIB + 1), ("/other", 11)):
        client = seen.client()
        assert refused(client.say(post(EXPECT, length=length, path=path))) == 413
        client.hang_up()
    assert len(seen.ends) == 1


def test_the_request_line_of_what_is_none_is_nothing() -> None:
    assert request_line(b"POST /a?b HTTP/1.1\r\nHost: x\r\n\r\n") == (b"POST", b"/a?b", b"HTTP/1.1")
    assert request_line(b"POST /a b HTTP/1.1\r\n\r\n") == (b"", b"", b"")


# What goes wrong on the way.


@pytest.mark.parametrize("size", [10, 1000])
def test_S62_a_chunked_body_that_outgrows_its_room_is_refused_and_dropped(size: int) -> None:
    """Not one byte above the room is passed on."""
    taker = Taker()
    seen = taking(taker, room=roomy(3500))
    client = seen.client()
    client.say(post(CHUNKED))
    client.say(chunk(bytes(size)) * (3500 // size))
    assert len(taker.data) == 3500 // size * size
    assert refused(client.say(chunk(bytes(size)) + get("/evil"))) == 413
    assert len(taker.data) <= 3500
    assert taker.calls[-1] == "drop"
    assert client.wire.half_closed
    assert client.say(chunk(b"x") + b"0\r\n\r\n" + get("/evil")) == b""
    client.hang_up()
    assert seen.ends == [(413, 0)]
    assert seen.asks == []
    assert not seen.clock.getDelayedCalls()


@pytest.mark.parametrize("busy", [True, False])
def test_S55_broken_framing_is_refused_and_what_was_taken_dropped(busy: bool) -> None:
    """Also while the receiver is at work, which is cancelled; observers hear of it once."""
    taker = Taker([Deferred()] if busy else [])
    seen = taking(taker)
    client = seen.client()
    assert client.say(post(CHUNKED) + chunk(b"abc")) == b""
    assert refused(client.say(b"rubbish\r\n" + chunk(b"x"))) == 400
    assert taker.calls == (["write", "cancelled", "drop"] if busy else ["write", "drop"])
    assert seen.ends == [(400, 0)]
    client.hang_up()
    assert len(seen.ends) == 1


def test_S55_framing_that_turns_out_broken_once_it_is_looked_at_is_refused_just_so() -> None:
    """The bytes waited while the transport was paused, and the receiver itself let them in."""
    decision: Deferred[Receiver] = Deferred()
    taker = Taker()
    seen = taking(decision)
    client = seen.client()
    client.say(post(CHUNKED) + chunk(b"abc") + b"rubbish\r\n")
    decision.callback(taker)
    assert refused(client.heard()) == 400
    assert taker.calls == ["drop"]
    gate = Deferred[None]()
    taker.gates, taker.pieces, taker.calls = [gate], [], []
    client.hang_up()
    assert seen.ends == [(400, 0)]

    held = Taker([gate])
    client = taking(held).client()
    client.say(post(CHUNKED) + chunk(b"a"))
    client.say(chunk(bytes(PIECE + 1)))
    assert not client.wire.reading
    client.say(b"rubbish\r\n")
    gate.callback(None)
    assert refused(client.heard()) == 400
    assert held.calls == ["write", "drop"]
    client.hang_up()


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_an_error_of_the_receiver_is_the_answer_at_once(framed: bool, waits: bool) -> None:
    """However much is still to come; none of that is given, and what was taken is dropped once."""
    gate = Deferred[None]()
    taker = Taker([None, gate if waits else TooLarge("too large a file")])
    seen = taking(taker)
    client = seen.client()
    client.say(post(CHUNKED) if framed else post(length=10 * MIB))
    wrap: Callable[[bytes], bytes] = chunk if framed else bytes
    assert client.say(wrap(b"one")) == b""
    data = client.say(wrap(b"two"))
    if waits:
        assert client.say(wrap(b"three") * 3) == b""
        gate.errback(TooLarge("too large a file"))
        data = client.heard()
    (answer,) = answers(data)
    assert (answer.status, answer.one("connection")) == (413, "close")
    assert answer.body.startswith(b"too large a file\n")
    assert client.wire.half_closed
    assert client.say(wrap(bytes(MIB)) + get("/evil")) == b""
    assert taker.data == b"onetwo"
    assert taker.calls == ["write", "write", "drop"]
    client.hang_up()
    assert seen.ends == [(413, len(answer.body))]
    assert not seen.clock.getDelayedCalls()


def test_chunks_in_the_packet_of_the_error_are_not_given() -> None:
    """Twisted's parser goes through the whole packet; nothing of it reaches a receiver that is done, or makes a second answer."""
    taker = Taker([TooLarge("no")])
    seen = taking(taker, room=roomy(2 * PIECE))
    client = seen.client()
    assert refused(client.say(post(CHUNKED) + chunk(b"a") + chunk(bytes(PIECE)) * 4 + b"0\r\n\r\n" + get("/evil"))) == 413
    assert taker.calls == ["write", "drop"]
    client.hang_up()
    assert len(seen.ends) == 1


def test_an_error_behind_the_last_byte_keeps_the_connection() -> None:
    """Nothing is on its way any more that would have to be discarded."""
    gate = Deferred[None]()
    taker = Taker([gate])
    seen = taking(taker)
    client = seen.client()
    assert client.say(post(length=3) + b"abc" + get("/after")) == b""
    gate.errback(Conflict("File already exists"))
    first, after = answers(client.heard())
    assert (first.status, first.reason, after.status) == (400, "File already exists", 200)
    assert "connection" not in first.headers
    assert taker.calls == ["write", "drop"]
    client.hang_up()


def test_an_error_of_finish_is_answered_by_the_table_and_keeps_the_connection(no_logged_failures: list[dict[str, Any]]) -> None:
    """`finish` has ended the receiver, whatever came of it."""
    for error, status in ((Conflict("File already exists"), 400), (ZeroDivisionError(), 500)):
        taker = Taker(ends=[error])
        seen = taking(taker)
        client = seen.client()
        first, after = answers(client.say(post(length=3) + b"abc" + get("/after")))
        assert (first.status, after.status) == (status, 200)
        assert taker.calls == ["write", "finish"]
        client.hang_up()
        assert len(seen.ends) == 2
    no_logged_failures.clear()


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", CHUNKED])
def test_S57_a_slow_body_is_cut_and_dropped(framing: str) -> None:
    taker = Taker()
    seen = taking(taker)
    client = seen.client()
    client.say(post(framing))
    for _ in range(30):
        assert client.heard() == b""
        client.channel.dataReceived(chunk(b"x") if framing == CHUNKED else b"x")
        seen.clock.advance(1)
    assert refused(client.heard()) == 408
    assert taker.calls[-1] == "drop"
    client.hang_up()
    assert seen.ends == [(408, 0)]
    assert not seen.clock.getDelayedCalls()


def test_S57_time_in_which_we_do_not_read_is_not_the_clients() -> None:
    """The watch begins afresh when we go on, and a client that then sends nothing is cut by it."""
    gate = Deferred[None]()
    taker = Taker([gate])
    seen = taking(taker)
    client = seen.client()
    client.say(post(length=10 * MIB) + b"a")
    seen.clock.advance(29)
    client.say(bytes(PIECE + 1))
    assert not client.wire.reading
    for _ in range(120):
        seen.clock.advance(30)
    assert not client.wire.closed
    gate.callback(None)
    assert client.wire.reading
    seen.clock.advance(29)
    assert client.heard() == b""
    seen.clock.advance(1)
    assert refused(client.heard()) == 408
    client.hang_up()


def test_a_receiver_that_takes_its_time_to_give_up_is_left_to_it() -> None:
    """The refusal does not wait for that; that the connection ends too cancels nothing a second time, and the drop comes last."""
    calls: list[str] = []
    tidied = Deferred[None]()

    @attrs.define(eq=False)
    class Tidy:
        async def write(self, data: bytes) -> None:
            try:
                await Deferred[None]()
            finally:
                calls.append("tidying")
                await tidied
                calls.append("tidy")

        async def finish(self) -> Reply:
            raise AssertionError("never whole")

        def drop(self) -> None:
            calls.append("drop")

    seen = taking(Tidy())
    client = seen.client()
    client.say(post(CHUNKED) + chunk(b"abc"))
    assert refused(client.say(b"rubbish\r\n")) == 400
    client.hang_up()
    assert (calls, seen.ends) == (["tidying"], [])
    tidied.callback(None)
    assert (calls, seen.ends) == (["tidying", "tidy", "drop"], [(400, 0)])


# Clients that leave.


def test_F98_a_client_that_leaves_while_it_is_decided_cancels_that() -> None:
    cancelled: list[bool] = []
    decision: Deferred[Receiver] = Deferred(lambda _: cancelled.append(True))
    seen = taking(decision)
    client = seen.client()
    client.say(post(length=3))
    client.hang_up()
    assert cancelled == [True]
    assert seen.ends == [(LEFT, 0)]


def test_a_decision_that_shrugs_off_cancelling_has_its_receiver_dropped() -> None:
    """Or its reply closed, if it gives one."""
    content = Trickle(b"abc")
    taker = Taker()
    for found in (taker, Reply(403, stream=Stream(content, 0, 3))):
        held: Deferred[Any] = Deferred(lambda deferred, found=found: deferred.callback(found))
        seen = taking(held)
        client = seen.client()
        client.say(post(length=3))
        client.hang_up()
        assert seen.ends == [(LEFT, 0)]
    assert taker.calls == ["drop"]
    assert (content.closed, content.reads) == (1, [])


@pytest.mark.parametrize("sent", [0, 50, 99])
def test_F98_a_client_that_leaves_midway_has_its_body_dropped(sent: int) -> None:
    """Silently; whoever observes hears of it once."""
    taker = Taker()
    seen = taking(taker)
    client = seen.client()
    client.say(post(length=100) + bytes(sent))
    client.hang_up()
    assert taker.calls == ["write"] * bool(sent) + ["drop"]
    assert seen.ends == [(LEFT, 0)]
    assert not seen.clock.getDelayedCalls()


@pytest.mark.parametrize("stubborn", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_F98_a_client_that_leaves_while_its_bytes_are_taken(stubborn: bool, whole: bool) -> None:
    """The write is cancelled, and the drop follows once it has come back; a body that is whole is not finished either."""
    taker = Taker([Deferred()], stubborn=stubborn)
    seen = taking(taker)
    client = seen.client()
    client.say(post(length=2 * PIECE) + bytes(2 * PIECE if whole else PIECE + 1))
    client.say(b"" if whole else bytes(10))
    client.hang_up()
    assert taker.calls == ["write", "cancelled", "drop"]
    assert seen.ends == [(LEFT, 0)]


@pytest.mark.parametrize("stubborn", [True, False])
def test_F98_F99_a_client_that_leaves_in_finish_cancels_it_and_nothing_more(stubborn: bool) -> None:
    """What is to be undone then, only `finish` knows; its reply goes nowhere."""
    taker = Taker(ends=[Deferred()], stubborn=stubborn)
    seen = taking(taker)
    client = seen.client()
    client.say(post(length=3) + b"abc")
    assert client.wire.reading
    client.hang_up()
    assert taker.calls == ["write", "finish", "cancelled"]
    assert seen.ends == [(LEFT, 0)]


def test_a_client_that_leaves_during_a_long_refusal_closes_it() -> None:
    content = Trickle(b"abc", None)
    seen = taking(Reply(403, stream=Stream(content, 0, 10)))
    client = seen.client()
    client.say(post(CHUNKED) + chunk(bytes(PIECE)) * 3)
    client.say(chunk(bytes(PIECE)) + b"rubbish\r\n")
    assert client.wire.reading
    client.hang_up()
    assert content.closed == 1
    assert seen.ends == [(403, 3)]


@given(st.data(), st.booleans(), st.booleans())
def test_a_receiver_ends_exactly_once_wherever_the_client_leaves(data: st.DataObject, chunked: bool, slow: bool) -> None:
    """In whatever pieces, with or without broken framing or errors of the receiver's."""
    body = bytes(300)
    framed = chunk(body[:100]) + chunk(body[100:]) + b"0\r\n\r\n" if chunked else body
    whole = (post(CHUNKED) if chunked else post(length=300)) + framed
    whole = whole[: data.draw(st.integers(0, len(whole)))] + data.draw(st.sampled_from([b"", b"rubbish\r\n"]))
    gates = [Deferred[None]() if slow else data.draw(st.sampled_from([None, None, Conflict("x")])) for _ in range(4)]
    taker = Taker(list(gates), list(gates[3:]))
    seen = taking(taker)
    client = seen.client()
    for piece in data.draw(cut(whole)):
        client.channel.dataReceived(piece)
        if slow and taker.busy and data.draw(st.booleans()):
            next(gate for gate in gates if gate is not None and not gate.called).callback(None)
    client.hang_up()
    assert (taker.calls.count("drop") + taker.calls.count("finish") == 1) is (taker.calls != [])
    assert len(seen.told) == len({ask.id for ask in seen.told})
    assert not seen.clock.getDelayedCalls()


# Pace and memory.


def test_a_receiver_that_does_not_come_back_stops_the_reading() -> None:
    """Above one piece that waits; it goes on when that is taken, and what waited is given as one."""
    first, second = Deferred[None](), Deferred[None]()
    taker = Taker([first, second])
    client = taking(taker).client()
    client.say(post(length=10 * MIB) + b"a")
    client.say(bytes(PIECE))
    assert client.wire.reading
    client.say(b"b")
    assert not client.wire.reading
    first.callback(None)
    assert client.wire.reading
    assert [len(piece) for piece in taker.pieces] == [1, PIECE + 1]
    client.say(bytes(PIECE + 1))
    assert not client.wire.reading
    second.callback(None)
    assert client.wire.reading
    client.hang_up()
    assert taker.calls == ["write"] * 3 + ["drop"]


def test_a_body_that_is_whole_is_no_reason_to_stop_reading() -> None:
    """However much of it still waits to be taken: a client that leaves must be noticed, and one that is idle afterwards is closed."""
    gate, end = Deferred[None](), Deferred[None]()
    taker = Taker([gate], [end])
    seen = taking(taker)
    client = seen.client()
    client.say(post(length=PIECE + 2) + b"a")
    client.say(bytes(PIECE + 1))
    assert client.wire.reading
    gate.callback(None)
    end.callback(None)
    assert answers(client.heard())[0].body == b"taken %d" % (PIECE + 2)
    seen.clock.advance(59)
    assert not client.wire.closed
    seen.clock.advance(1)
    assert client.wire.closed
    client.hang_up()


def test_what_follows_a_body_is_no_part_of_it() -> None:
    """A bad head behind one is refused as any other, and however much is sent ahead, it counts for no body."""
    end = Deferred[None]()
    seen = taking(Taker(ends=[end]), room=roomy(10))
    client = seen.client()
    client.say(post(length=3) + b"abc")
    assert client.say(get("/a") * 2000) == b""
    end.callback(None)
    # Turns of others lie between them.
    seen.clock.advance(0)
    assert len(answers(client.heard())) == 2001
    assert refused(client.say(b"rubbish\r\n")) == 400
    client.hang_up()
    assert [status for status, _ in seen.ends] == [200] * 2001


@attrs.define(eq=False)
class Tap:
    """A valve that does what it is told to, and notes what it is asked."""

    calls: list[str] = attrs.field(factory=list)
    opening: Callable[[], None] = attrs.field(default=lambda: None)

    def hold(self) -> None:
        self.calls.append("hold")

    def go_on(self) -> None:
        self.calls.append("go on")

    def welcome(self) -> None:
        self.calls.append("welcome")
        self.opening()

    def turn_away(self) -> None:
        self.calls.append("turn away")


async def found(receiver: Receiver) -> Receiver:
    return receiver


def test_an_intake_keeps_nothing_once_it_is_answered() -> None:
    tap, taker = Tap(), Taker([TooLarge("no")])
    intake = Intake(tap)
    reply = later(intake.reply(found(taker)))
    intake.take(b"a")
    with pytest.raises(TooLarge):
        now(reply)
    intake.take(bytes(2 * PIECE))
    assert tap.calls == ["welcome"]


def test_an_intake_cut_by_the_bytes_it_let_in_itself_is_not_cancelled_but_looks() -> None:
    """Nothing is awaited then that could be."""
    cancelled: list[Any] = []
    taker = Taker()
    intake = Intake(Tap())
    intake.valve = Tap(opening=intake.cut)
    intake.running = Deferred(cancelled.append)
    with pytest.raises(Gone):
        now(intake.reply(found(taker)))
    assert cancelled == []
    assert taker.calls == ["drop"]


@pytest.mark.parametrize("framing", [f"Content-Length: {64 * MIB}", CHUNKED])
def test_R159_what_waits_is_bounded_however_large_the_body(framing: str) -> None:
    """64 MiB in packets of 64 KiB to a receiver that comes back one packet in six: never more than two pieces and two packets inside."""
    taken = most = given = 0
    gates: list[Deferred[None]] = []

    @attrs.define(eq=False)
    class Slow:
        async def write(self, data: bytes) -> None:
            nonlocal taken
            gates.append(Deferred())
            await gates[-1]
            taken += len(data)

        async def finish(self) -> Reply:
            return Reply(200, (), b"%d" % taken)

        def drop(self) -> None:
            raise AssertionError("nothing went wrong")

    packet = bytes(64 * 1024)
    client = taking(Slow()).client()
    client.channel.dataReceived(post(framing))
    turns = 0
    while given < 64 * MIB:
        turns += 1
        if client.wire.reading:
            client.channel.dataReceived(chunk(packet) if framing == CHUNKED else packet)
            given += len(packet)
            most = max(most, given - taken)
        if turns % 6 == 0 or not client.wire.reading:
            gates.pop().callback(None)
    if framing == CHUNKED:
        client.channel.dataReceived(b"0\r\n\r\n")
    while gates:
        gates.pop().callback(None)
    assert most <= 2 * (PIECE + len(packet))
    assert answers(client.heard())[0].body == b"%d" % (64 * MIB)
    client.hang_up()


# Small bodies.


def collecting(limit: int, then: Callable[[bytes], Awaitable[Reply]], **more: Any) -> Seen:
    return taking(Collected(limit, then), **more)


def test_a_small_body_is_collected_and_handed_over() -> None:
    async def then(body: bytes) -> Reply:
        return Reply(200, (), body[::-1])

    client = collecting(6, then).client()
    client.say(post(length=6) + b"abc")
    assert answers(client.say(b"def"))[0].body == b"fedcba"
    client.hang_up()


def test_S62_a_body_that_is_too_large_to_collect_is_refused_as_soon_as_that_is_known() -> None:
    async def then(body: bytes) -> Reply:
        raise AssertionError("never whole")

    client = collecting(6, then).client()
    client.say(post(CHUNKED) + chunk(b"abcdef"))
    (answer,) = answers(client.say(chunk(b"g")))
    assert (answer.status, answer.body.split(b"\n")[0]) == (413, b"the body is larger than 6 bytes")
    client.hang_up()


def test_what_was_collected_is_forgotten_when_it_is_dropped() -> None:
    async def then(body: bytes) -> Reply:
        return Reply(200, (), body)

    collected = Collected(10, then)
    now(collected.write(b"abc"))
    collected.drop()
    assert now(collected.finish()).body == b""
    assert nothing_received(Ask()) is None


class OverSockets(TestCase):
    """What only a real network shows."""

    async def test_R188_a_client_that_sends_all_before_it_reads_sees_the_refusal(self) -> None:
        """As twine does: 10 MiB go out, then the 401 is read, and no reset comes between."""
        decision: Deferred[Receiver] = Deferred()
        seen = taking(decision)
        port = IReactorTCP(reactor).listenTCP(0, seen.site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)

        def talk() -> bytes:
            with socket.create_connection(("127.0.0.1", port.getHost().port), 30) as client:
                client.sendall(post(length=10 * MIB))
                for _ in range(160):
                    client.sendall(bytes(64 * 1024))
                data = b""
                while piece := client.recv(65536):
                    data += piece
                return data

        heard = deferToThread(talk)
        while not seen.told:
            await deferToThread(lambda: None)
            if seen.site.connections and not decision.called:
                decision.errback(DENIED)
        assert refused(await heard) == 401
        while seen.site.connections:
            await deferToThread(lambda: None)
        assert not seen.clock.getDelayedCalls()
