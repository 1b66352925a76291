"""Clients that close their half of the connection behind what they ask for, over real sockets: they get it, and nobody waits for those who have left."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.unix import Server as UnixServer

from pypidaemon.pace import PIECE
from pypidaemon.web.ask import Ask
from pypidaemon.web.channel import PIPELINED, DoorChannel
from pypidaemon.web.express_channel import ExpressChannel
from pypidaemon.web.reply import Reply
from pypidaemon.web.skin import LEFT
from tests.gear import now
from tests.house import House
from tests.roads import Roads
from tests.web.sockets import Plug, Turning, unplug
from tests.web.test_express import PIP, learnt, long, request
from tests.web.wire import Seen, answers, get


@pytest.fixture(autouse=True)
def unplugged() -> Iterator[None]:
    """No connection outlives its test."""
    yield
    unplug()


def door(**more: Any) -> tuple[Seen, Turning]:
    clock = Turning()
    return Seen(clock=clock, **more), clock


def plugged(seen: Any, clock: Turning, **more: Any) -> Plug:
    site = getattr(seen, "site", seen)
    channel = site.buildProtocol(None)
    return Plug(channel, clock, **more)


def last_words(plug: Plug, data: bytes) -> None:
    """All of that is sent, and the end of it, before anybody reads."""
    plug.socket.sendall(data)
    plug.socket.shutdown(socket.SHUT_WR)


def test_who_says_no_more_is_answered_and_then_the_connection_closes() -> None:
    seen, clock = door()
    plug = plugged(seen, clock)
    last_words(plug, get("/simple/a/"))
    (answer,) = answers(plug.hear())
    assert answer.body.startswith(b"simple/a/")
    plug.until(lambda: seen.site.connections == 0)
    assert clock.getDelayedCalls() == []


def test_what_takes_a_while_is_waited_for() -> None:
    pending: Deferred[Reply] = Deferred()

    async def handler(ask: Ask) -> Reply:
        return await pending

    seen, clock = door(handler=handler)
    plug = plugged(seen, clock)
    last_words(plug, get())
    for _ in range(20):
        clock.turn()
    assert seen.site.connections == 1
    # Nobody looks at a line on which nothing can come any more, again and again.
    assert clock.getReaders() == []
    pending.callback(Reply(200, (), b"at last"))
    (answer,) = answers(plug.hear())
    assert answer.body == b"at last"
    plug.until(lambda: seen.site.connections == 0)
    assert seen.ends == [(200, 7)]


@pytest.mark.parametrize("count", [2, PIPELINED + 1, 3 * PIPELINED])
def test_R222_each_of_several_requests_is_answered(count: int) -> None:
    """Also where others have their turn in between."""
    seen, clock = door()
    plug = plugged(seen, clock)
    last_words(plug, b"".join(get(f"/{number}") for number in range(count)))
    assert [answer.body.split(b"\n")[0] for answer in answers(plug.hear())] == [b"%d" % number for number in range(count)]
    plug.until(lambda: seen.site.connections == 0)


@pytest.mark.parametrize("way", [{}, {"buffers": 4096}])
def test_a_long_answer_is_given_whole_however_slowly_it_is_taken(way: dict[str, int]) -> None:
    body = bytes(range(256)) * (5 * PIECE // 256)

    async def handler(ask: Ask) -> Reply:
        return Reply(200, (), body)

    seen, clock = door(handler=handler)
    plug = plugged(seen, clock, **way)
    last_words(plug, get())
    (answer,) = answers(plug.hear(limit=50_000))
    assert answer.body == body
    plug.until(lambda: seen.site.connections == 0)


@pytest.mark.parametrize("said", [b"", b"GET /simple/ HT", get() + b"GET", b"\r\n"])
def test_where_nothing_more_was_asked_it_closes_at_once(said: bytes) -> None:
    seen, clock = door()
    plug = plugged(seen, clock)
    last_words(plug, said)
    assert len(answers(plug.hear())) == said.count(b"\r\n\r\n")
    plug.until(lambda: seen.site.connections == 0)
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_body_that_breaks_off_is_no_request(framing: str) -> None:
    seen, clock = door()
    plug = plugged(seen, clock)
    last_words(plug, get("/", framing, method="POST") + b"5\r\nab")
    assert plug.hear() == b""
    plug.until(lambda: seen.site.connections == 0)
    assert seen.asks == []


def test_who_was_turned_away_and_closes_is_waited_for_no_longer() -> None:
    seen, clock = door()
    plug = plugged(seen, clock)
    last_words(plug, b"NONSENSE\r\n\r\n" + bytes(100_000))
    (answer,) = answers(plug.hear())
    assert answer.status == 400
    plug.until(lambda: seen.site.connections == 0)
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("left", [True, False])
def test_who_leaves_on_this_machine_is_known_to_have_left(left: bool) -> None:
    """A socket of this machine says whether anybody is there; who only says no more is answered."""
    pending: Deferred[Reply] = Deferred()

    async def handler(ask: Ask) -> Reply:
        return await pending

    seen, clock = door(handler=handler)
    here, there = socket.socketpair()
    channel = seen.site.buildProtocol(UNIXAddress(""))
    here.setblocking(False)
    transport: Any = UnixServer(here, channel, "", None, 1, clock)  # type: ignore[arg-type]  # it is all that a transport needs
    channel.makeConnection(transport)
    there.sendall(get())
    if left:
        there.close()
    else:
        there.shutdown(socket.SHUT_WR)
    for _ in range(5):
        clock.turn()
    assert seen.ends == ([(LEFT, 0)] if left else [])
    assert seen.site.connections == int(not left)
    if not left:
        pending.callback(Reply(200, (), b"here"))
        for _ in range(5):
            clock.turn()
        (answer,) = answers(there.recv(1 << 16))
        assert answer.body == b"here"
        there.close()
    assert seen.site.connections == 0


def test_the_lane_hears_them_out_too() -> None:
    """Short answers and long ones, which go piece by piece."""
    clock = Turning()
    house = House(clock=clock, by_both_roads=False)
    now(house.doorkeeper.admit(None, ""))
    head, whole = long(house)
    roads = Roads(house.door.site)
    short = request("/simple/alpha/", *PIP)
    for asked in (short, head):
        learnt(roads, asked)
    for asked in (short, head):
        gave = roads.lane.gave
        plug = plugged(roads.express, clock, buffers=4096)
        last_words(plug, asked)
        (answer,) = answers(plug.hear(limit=50_000))
        assert answer.status == 200
        assert roads.lane.gave == gave + 1
        plug.until(lambda: roads.express.connections == 0)
    assert answer.body == answers(whole)[0].body
    roads.settle()


def test_only_channels_of_ours_are_heard_out() -> None:
    assert IHalfCloseableProtocol.implementedBy(DoorChannel)
    assert IHalfCloseableProtocol.implementedBy(ExpressChannel)
