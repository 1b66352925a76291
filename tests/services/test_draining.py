"""Those who are at a daemon when it is told to stop (F79)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from pypidaemon.services.draining import Draining
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply, Stream, text
from tests.gear import now, waiting
from tests.running import running
from tests.web.wire import Seen, Trickle, answers, get

TEXT = "[daemon]\nlisten = tcp:3141\nindex = root\n[index:root]\nuse = tests.parts:example.Fixed\nprojects = alpha\n"


def draining(seen: Seen, seconds: float = 30.0) -> Draining:
    """What drains that door."""
    return Draining(seen.clock, lambda: seconds, seen.site.leave, seen.site.empty, seen.site.drop)


def held(seen: Seen) -> list[Deferred[Reply]]:
    """Have that door keep everybody waiting; the Deferreds of those who wait."""
    waiting_ones: list[Deferred[Reply]] = []

    async def handler(ask: Ask) -> Reply:
        waiting_ones.append(Deferred())
        return await waiting_ones[-1]

    seen.handler = handler
    return waiting_ones


def test_F79_who_is_being_answered_gets_his_answer_and_who_waits_for_nothing_leaves() -> None:
    """The answer says that it is the last one; a request that came behind it is not looked at."""
    seen = Seen()
    answering = held(seen)
    idle, busy, halfway = seen.client(), seen.client(), seen.client()
    busy.say(get("/simple/alpha/"))
    halfway.say(get("/simple/beta/")[:20])
    service = draining(seen)
    service.startService()
    stopping = service.stopService()
    assert (idle.wire.closed, busy.wire.closed, halfway.wire.closed) == (True, False, False)
    idle.hang_up(clean=True)
    answering[0].callback(text(200, "here", "0" * 16))
    (answer,) = answers(busy.heard())
    assert (answer.status, answer.one("connection")) == (200, "close")
    assert busy.wire.closed
    busy.hang_up(clean=True)
    assert waiting(stopping)
    halfway.say(get("/simple/beta/")[20:])
    answering[1].callback(text(200, "there", "0" * 16))
    (answer,) = answers(halfway.heard())
    assert answer.one("connection") == "close"
    halfway.hang_up(clean=True)
    now(stopping)
    assert seen.clock.getDelayedCalls() == []


def test_F79_an_answer_whose_head_is_out_is_finished_and_the_connection_ends_with_it() -> None:
    """Nobody told the client, who sees it close behind the last byte."""
    seen = Seen()
    content = Trickle(b"a" * 10, None, b"")

    async def handler(ask: Ask) -> Reply:
        return Reply(200, (), stream=Stream(content, 0, 20))

    seen.handler = handler
    client = seen.client()
    heard = client.say(get("/packages/x"))
    stopping = draining(seen).stopService()
    assert not client.wire.closed
    assert content.waiting is not None
    content.waiting.callback(b"b" * 10)
    heard += client.heard()
    assert heard.endswith(b"a" * 10 + b"b" * 10)
    assert client.wire.closed
    client.hang_up(clean=True)
    now(stopping)


def test_F79_who_is_not_done_in_time_is_dropped() -> None:
    """Short of what was promised, so that nobody takes the part for the whole."""
    seen = Seen()
    held(seen)
    client = seen.client()
    client.say(get("/simple/alpha/"))
    stopping = draining(seen, 5.0).stopService()
    seen.clock.advance(4.9)
    assert not client.wire.aborted
    seen.clock.advance(0.2)
    assert client.wire.aborted
    now(stopping)
    client.hang_up()
    assert client.heard() == b""


def test_nobody_is_waited_for_where_nobody_is() -> None:
    """The usual case."""
    seen = Seen()
    now(draining(seen).stopService())
    assert seen.clock.getDelayedCalls() == []


def test_F79_one_that_stops_is_ready_for_nobody_and_alive(tmp_path: Path) -> None:
    """Who asks on a connection that is there already hears that he should ask elsewhere; the sockets are closed by then."""
    with running(tmp_path, TEXT) as daemon:
        assert daemon.ask("/+ready").status == 200
        client, other = daemon.client(), daemon.client()
        begun = get("/+ready")
        client.say(begun[:10])
        other.say(b"GET /+hea")
        stopping: Any = daemon.life.stopService()
        daemon.loop.turn()
        assert daemon.loop.ports[0].closed
        ready = client.say(begun[10:])
        alive = other.say(b"lth HTTP/1.1\r\nHost: index.example\r\n\r\n")
        daemon.loop.until(lambda: client.wire.closed and other.wire.closed)
        told = answers(ready + client.heard()) + answers(alive + other.heard())
        assert [(one.status, one.one("connection")) for one in told] == [(503, "close"), (200, "close")]
        daemon.hang_up()
        daemon.loop.result(stopping)
