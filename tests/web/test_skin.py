"""The skin through the real channel: what every answer has, HEAD, clients that leave, streams that break."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from treq.testing import StubTreq
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.web.resource import IResource
from zope.interface.verify import verifyObject

from pypidaemon.errors import CorruptContent, NoSuchProject, UpstreamUnavailable
from pypidaemon.pace import PIECE, Held
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply, Stream, text
from pypidaemon.web.site import DoorSite
from pypidaemon.web.skin import LEFT, Skin, nobody_watches, nothing_ready
from tests.gear import now
from tests.web.wire import DATE, Client, Seen, Trickle, answers, get


def door(reply: Any, **more: Any) -> Seen:
    """A door that gives that reply, or raises it, or waits for that Deferred."""

    async def handler(ask: Ask) -> Reply:
        found = await reply if isinstance(reply, Deferred) else reply
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]  # tests say what they give

    return Seen(handler=handler, **more)


def test_it_is_a_resource_without_children() -> None:
    skin = Skin(Seen().handle, nothing_ready, Clock(), bytes, nobody_watches)
    assert verifyObject(IResource, skin)
    assert skin.getChildWithDefault(b"x", None) is skin  # type: ignore[arg-type]  # not looked at
    with pytest.raises(TypeError):
        skin.putChild(b"x", skin)


def test_R80_R85_every_answer_is_dated_named_and_measured() -> None:
    """Date, Server, Content-Length and the id, each once; nothing a handler did not say."""
    seen = door(Reply(200, (("X-A", "1"), ("X-A", "2"), ("Etag", '"é"')), b"body"))
    client = seen.client()
    (answer,) = answers(client.say(get()))
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"body")
    assert DATE.fullmatch(answer.one("date"))
    assert answer.one("etag") == '"é"'
    assert answer.headers["x-a"] == ["1", "2"]
    assert {k: v for k, v in answer.headers.items() if k not in ("date", "etag", "x-a")} == {
        "server": ["pypidaemon"],
        "content-length": ["4"],
        "x-request-id": ["0000000000000001"],
    }
    assert seen.ends == [(200, 4)]
    client.hang_up()


def test_a_ready_answer_needs_no_handler() -> None:
    """`quick` is asked first, and what it raises is answered like anything else."""

    def quick(ask: Ask) -> Reply | None:
        if ask.segments == ("a",):
            return Reply(200, (), b"ready")
        if ask.segments == ("b",):
            raise NoSuchProject("b")
        return None

    seen = Seen(quick=quick)
    client = seen.client()
    heard = answers(client.say(get("/a") + get("/b") + get("/c")))
    assert [(a.status, a.body[:5]) for a in heard] == [(200, b"ready"), (404, b"no su"), (200, b"c\nreq")]
    assert len(seen.asks) == 1
    assert len(seen.ends) == 3
    client.hang_up()


@pytest.mark.parametrize(
    ("reply", "length"),
    [
        (Reply(200, (("X", "y"),), b"body"), 4),
        (Reply(200, (("X", "y"),), stream=Stream(Trickle(b"abc"), 1, 3)), 3),
        (Reply(200, (("X", "y"),), length=12345), 12345),
        (Reply(404, (("X", "y"),), b""), 0),
    ],
)
def test_S65_R85_head_says_how_long_and_gives_nothing(reply: Reply, length: int) -> None:
    """HEAD has GET's headers and length; a stream is closed unread."""
    seen = door(reply)
    client = seen.client()
    head, after = answers(client.say(get(method="HEAD") + get("/after", method="HEAD")), ("HEAD", "HEAD"))
    assert head.one("content-length") == str(length)
    assert head.one("x") == "y"
    assert after.status == reply.status
    assert seen.ends == [(reply.status, 0)] * 2
    if reply.stream is not None:
        assert isinstance(reply.stream.content, Trickle)
        assert (reply.stream.content.reads, reply.stream.content.closed) == ([], 2)
    client.hang_up()


@pytest.mark.parametrize("status", [204, 304])
def test_R74_answers_without_a_body_have_none(status: int) -> None:
    """No length and no body, whatever the handler gave; the next answer is not mistaken."""
    client = door(Reply(status, (("ETag", '"x"'),))).client()
    first, second = answers(client.say(get() + get()))
    assert "content-length" not in first.headers
    assert "content-type" not in first.headers
    assert first.one("etag") == second.one("etag") == '"x"'
    client.hang_up()


def test_our_own_reason_phrase_stays_one_latin_line() -> None:
    """A phrase from outside can neither break the line nor leave Latin-1."""
    client = door(Reply(403, reason="Refused:\r\nX: y é\N{SNOWMAN}")).client()
    assert b"HTTP/1.1 403 Refused: X: y \xe9?\r\n" in client.say(get())
    client.hang_up()


def test_observers_learn_why_something_was_refused() -> None:
    """The line that the client was told; nothing of what went well."""
    for reply, reason in (
        (NoSuchProject("alpha"), "no such project: alpha"),
        (text(403, "you\nmay not", "0"), "you may not"),
        (text(200, "well", "0"), ""),
        (Reply(404), ""),
    ):
        seen = door(reply)
        client = seen.client()
        client.say(get())
        assert [ask.notes.reason for ask in seen.told] == [reason]
        client.hang_up()


@given(st.integers(0, 3 * PIECE), st.booleans(), st.integers(0, 100))
def test_R221_a_stream_arrives_whole(size: int, sized: bool, offset: int) -> None:
    """Bytes from the offset on, with a length or chunked, and the connection goes on."""
    data = bytes(n * 7 % 251 for n in range(1000)) * (size // 1000 + 1)
    client = door(Reply(200, stream=Stream(Held(data), offset, size if sized and offset + size <= len(data) else None))).client()
    wanted = data[offset : offset + size] if sized and offset + size <= len(data) else data[offset:]
    assert [a.body for a in answers(client.say(get() + get()))] == [wanted, wanted]
    client.hang_up()


def test_large_bodies_are_paced_like_files() -> None:
    """A ready body above one piece waits for a slow client piece by piece."""
    for seen in (door(Reply(200, (), bytes(3 * PIECE))), Seen(quick=lambda _: Reply(200, (), bytes(3 * PIECE)))):
        client = seen.client()
        client.wire.stalled = True
        got = len(client.say(get()).split(b"\r\n\r\n", 1)[1])
        assert got == PIECE
        while got < 3 * PIECE:
            client.channel.resumeProducing()
            got += len(client.heard())
        assert seen.ends == [(200, 3 * PIECE)]
        client.hang_up()


def logged(run: Any) -> list[str]:
    """The warnings written while `run` ran."""
    found: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"].name in ("warn", "error", "critical"):
            found.append(event["log_format"])

    globalLogPublisher.addObserver(observe)
    try:
        run()
    finally:
        globalLogPublisher.removeObserver(observe)
    return found


@pytest.mark.parametrize("error", [CorruptContent("wrong digest"), UpstreamUnavailable("pypi", "cut"), b""])
def test_R221_a_stream_that_breaks_drops_the_connection_short_of_its_length(error: Any) -> None:
    """No padding, no clean end, one line in the log, the content closed."""
    content = Trickle(b"abc", error)
    seen = door(Reply(200, stream=Stream(content, 0, 10)))
    client = seen.client()
    lines = logged(lambda: client.channel.dataReceived(get() + get()))
    assert client.heard().endswith(b"\r\n\r\nabc")
    assert client.wire.aborted
    assert len(lines) == 1
    client.hang_up()
    assert content.closed == 1
    assert seen.ends == [(200, 3)]
    assert len(seen.asks) == 1


def test_R221_a_chunked_stream_that_breaks_has_no_last_chunk() -> None:
    client = door(Reply(200, stream=Stream(Trickle(b"abc", CorruptContent("x"))))).client()
    assert client.say(get()).endswith(b"\r\n3\r\nabc\r\n")
    assert client.wire.aborted
    client.hang_up()


def test_R221_an_unforeseen_error_in_a_stream_is_logged_and_drops_it(no_logged_failures: list[dict[str, Any]]) -> None:
    client = door(Reply(200, stream=Stream(Trickle(b"abc", ZeroDivisionError()), 0, 10))).client()
    assert client.say(get()).endswith(b"abc")
    assert client.wire.aborted
    client.hang_up()
    (event,) = no_logged_failures
    assert event["id"] == "0000000000000001"
    no_logged_failures.clear()


def test_a_stream_that_fails_before_its_first_byte_still_gets_a_status() -> None:
    """Nothing has gone out, so the client is told what is wrong, without the headers of what it does not get."""
    content = Trickle(CorruptContent("wrong digest"))
    seen = door(Reply(206, (("ETag", '"x"'), ("Content-Range", "bytes 0-9/10")), stream=Stream(content, 0, 10)))
    client = seen.client()
    (answer,) = answers(client.say(get()))
    assert (answer.status, answer.body) == (502, b"wrong digest\nrequest id: 0000000000000001\n")
    assert "etag" not in answer.headers
    assert "content-range" not in answer.headers
    assert answer.one("cache-control") == "no-store"
    assert not client.wire.closed
    assert content.closed == 1
    client.hang_up()


def test_a_client_that_leaves_cancels_its_handler_silently() -> None:
    """The handler is cancelled at its await, and nobody is told but the observer."""
    cancelled: list[bool] = []
    pending: Deferred[Reply] = Deferred(lambda _: cancelled.append(True))
    seen = door(pending)
    client = seen.client()
    assert client.say(get()) == b""
    assert logged(client.hang_up) == []
    assert cancelled == [True]
    assert seen.ends == [(LEFT, 0)]


def test_a_handler_that_shrugs_off_cancelling_writes_to_nobody() -> None:
    """Its reply is closed unread."""
    content = Trickle(b"abc")
    waiting: Deferred[None] = Deferred()

    async def handler(ask: Ask) -> Reply:
        with contextlib.suppress(CancelledError):
            await waiting
        return Reply(200, stream=Stream(content, 0, 3))

    seen = Seen(handler=handler)
    client = seen.client()
    client.say(get())
    client.hang_up()
    assert (content.reads, content.closed, seen.ends) == ([], 1, [(LEFT, 0)])


@pytest.mark.parametrize("stalled", [True, False])
def test_a_client_that_leaves_midway_closes_the_content(stalled: bool) -> None:
    """While reading and while paused alike; silently."""
    content = Trickle(b"abc", None)
    seen = door(Reply(200, stream=Stream(content, 0, 10)))
    client = seen.client()
    client.wire.stalled = stalled
    client.say(get())
    assert content.closed == 0
    assert logged(client.hang_up) == []
    assert content.closed == 1
    assert seen.ends == [(200, 3)]


def test_S91_errors_of_handlers_are_answered_by_the_table(no_logged_failures: list[dict[str, Any]]) -> None:
    """What is in no row is 500 without details, and the connection lives on."""
    client = door(ZeroDivisionError("/secret")).client()
    (answer,) = answers(client.say(get()))
    assert (answer.status, answer.body) == (500, b"internal error\nrequest id: 0000000000000001\n")
    assert not client.wire.closed
    client.hang_up()
    no_logged_failures.clear()


def test_S59_a_handler_that_builds_a_bad_header_is_a_500(no_logged_failures: list[dict[str, Any]]) -> None:
    async def handler(ask: Ask) -> Reply:
        return Reply(200, (("X-Name", ask.query[0][1]),))

    client = Seen(handler=handler).client()
    (answer,) = answers(client.say(get("/?x=%0d%0aSet-Cookie:%20a=b")))
    assert answer.status == 500
    assert "set-cookie" not in answer.headers
    client.hang_up()
    no_logged_failures.clear()


def test_answers_wait_for_the_one_before() -> None:
    """A pipelined request is not even looked at while one is being answered."""
    first: Deferred[Reply] = Deferred()
    seen = door(first)
    client = seen.client()
    assert client.say(get("/a") + get("/b")) == b""
    assert [ask.segments for ask in seen.asks] == [("a",)]
    first.callback(Reply(200, (), b"one"))
    assert answers(client.heard())[0].body == b"one"
    assert [ask.segments for ask in seen.asks] == [("a",), ("b",)]
    client.hang_up()


def test_observers_are_told_how_long_it_took_and_of_unreadable_requests_too() -> None:
    told: list[tuple[tuple[str, ...], int, float]] = []
    clock = Clock()
    pending: Deferred[Reply] = Deferred()

    async def handle(ask: Ask) -> Reply:
        return await pending

    site = DoorSite(Skin(handle, nothing_ready, clock, lambda n: b"\1" * n, lambda a, s, _, t: told.append((a.segments, s, t))), clock)
    client = Client(site)
    client.say(get("/a"))
    clock.advance(2.5)
    pending.callback(Reply(200))
    client.say(get("/../a"))
    assert told == [(("a",), 200, 2.5), ((), 400, 0.0)]
    client.hang_up()


def test_it_works_below_twisteds_own_site_as_well() -> None:
    """treq.testing drives the skin as any resource."""

    async def handle(ask: Ask) -> Reply:
        return text(200, "/".join(ask.segments), ask.id)

    treq = StubTreq(Skin(handle, nothing_ready, Clock(), bytes, nobody_watches))
    response = now(treq.get("http://index.example/a%2Bb/c/"))
    assert response.headers.getRawHeaders("server") == ["pypidaemon"]
    assert now(response.content()) == b"a+b/c/\nrequest id: 0000000000000000\n"
