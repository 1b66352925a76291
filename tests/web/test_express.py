"""The express lane: what it takes, what it says, how it is told, and that nobody can tell it from the ordinary road."""

from __future__ import annotations

import re
from collections import Counter
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

import attrs
import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.logger import LogPublisher
from twisted.web.http import HTTPChannel

from pypidaemon.pace import PIECE
from pypidaemon.web import express
from pypidaemon.web.eager import JOINED
from pypidaemon.web.express_channel import ExpressChannel
from pypidaemon.web.request_ids import RequestIds
from tests.gear import now
from tests.house import House
from tests.roads import Kept, Roads, client_of
from tests.web.wire import Client, Heard, answers

JSON = "application/vnd.pypi.simple.v1+json"
PIP = (f"Accept: {JSON}", "Accept-Encoding: gzip, deflate", 'User-Agent: pip/26.3 {"ci":null}')


def request(path: str = "/simple/alpha/", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: 127.0.0.1:3141", *headers, "", ""]).encode("latin-1")


@pytest.fixture
def house() -> House:
    """Alpha with forty files and beta with one, public."""
    house = House()
    house.upstream.add("alpha", *((f"alpha-{n}.0.tar.gz", b"%d" % n) for n in range(40)), serial=10)
    house.upstream.add("beta", ("beta-1.0.tar.gz", b"beta"), serial=11)
    now(house.doorkeeper.admit(None, ""))
    return house


@pytest.fixture
def roads(house: House) -> Roads:
    return Roads(house.door.site)


def learnt(roads: Roads, head: bytes, **more: Any) -> bytes:
    """Ask until the lane knows it: once to have the page made, once to be met again; what the lane says then."""
    for _ in range(4):
        heard, taken = roads.ask(head, **more)
        if taken:
            return heard
    raise AssertionError("the lane did not learn that")


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers", [(), PIP, (*PIP, "Connection: keep-alive"), ("Accept: text/html", "Accept-Encoding: zstd"), (f"Accept: {JSON}", "X: \xe9")]
)
def test_both_roads_say_the_same_to_the_byte(roads: Roads, headers: tuple[str, ...], method: str, secure: bool) -> None:
    """Whatever is asked, by plain TCP or TLS; and a page that the client has is a 304 on both."""
    head = request("/simple/alpha/", *headers, method=method)
    heard = learnt(roads, head, secure=secure)
    assert heard == roads.plainly(head, secure=secure)
    (answer,) = answers(heard, (method,))
    assert answer.status == 200
    known = request("/simple/alpha/", *headers, f"If-None-Match: {answer.one('etag')}", method=method)
    heard = learnt(roads, known, secure=secure)
    assert heard == roads.plainly(known, secure=secure)
    assert answers(heard, (method,))[0].status == 304


@pytest.mark.parametrize(
    "what", ["/simple/alpha/?format=" + JSON, "/index/pypi/simple/alpha/", "/simple/%61lpha/", "/at/2026-05-01/simple/alpha/"]
)
def test_every_spelling_of_a_page_that_is_ready_is_learnt(roads: Roads, what: str) -> None:
    assert learnt(roads, request(what)) == roads.plainly(request(what))


def test_the_clock_goes_on_in_what_is_said(house: House, roads: Roads) -> None:
    """The date, and the seconds for which it may be kept, at every moment down to the last."""
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    seen = set()
    for wait in (0.0, 0.25, 0.5, 0.25, 0.75, 0.5, 1.0, 7.125, 60.0, 300.0, 229.0, 0.5):
        house.clock.advance(wait)
        heard, taken = roads.ask(head)
        assert taken
        assert heard == roads.plainly(head)
        seen.add(answers(heard)[0].one("cache-control"))
    assert len(seen) > 7
    house.clock.advance(0.125)
    assert not roads.ask(head)[1]


def test_F44_a_clock_that_is_put_back_ends_it(house: House, roads: Roads) -> None:
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    house.clock.rightNow -= 1.0
    assert not roads.ask(head)[1]


@pytest.mark.parametrize(
    "head",
    [
        request("/simple/alpha/", "Connection: close"),
        request("/simple/alpha/", "Via: 1.1 other.example (pypidaemon 0123)"),
        request("/simple/alpha/", version="1.0"),
        request("/simple/alpha/", method="POST"),
        request("/simple/unknown/"),
        request("/simple/Alpha/"),
        request("/simple/alpha/") + request("/simple/beta/"),
        request("/simple/alpha/") + b"G",
        b"\r\n" + request("/simple/alpha/"),
        request("/simple/alpha/", "Content-Length: 3") + b"abc",
        request("/simple/alpha/", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        request("/+health"),
        request("/"),
        b"GARBAGE\r\n\r\n",
    ],
    ids=range(14),
)
def test_what_is_not_for_the_lane_never_is(roads: Roads, head: bytes) -> None:
    for _ in range(6):
        assert not roads.ask(head)[1]
    assert len(roads.lane) == 0


def test_a_head_in_two_pieces_takes_the_ordinary_road_and_the_next_does_not(house: House, roads: Roads) -> None:
    """On one connection, which stays; whichever road each of them takes, nobody's answer is mixed up."""
    heads = [request("/simple/alpha/", *PIP), request("/simple/beta/", *PIP)]
    plain = []
    for head in heads:
        learnt(roads, head)
        plain.append(roads.plainly(head))
    client = client_of(roads.express)
    gave = roads.lane.gave
    for cut in (1, 20, len(heads[0]) - 1):
        assert client.say(heads[0][:cut]) == b""
        assert client.say(heads[0][cut:]) == plain[0]
        assert client.say(heads[1]) == plain[1]
    assert roads.lane.gave == gave + 3
    assert client.say(heads[0] + heads[1] + heads[0]) == plain[0] + plain[1] + plain[0]
    assert client.say(heads[0] + heads[1][:30]) == plain[0]
    assert client.say(heads[1][30:] + heads[0]) == plain[1] + plain[0]
    assert roads.lane.gave == gave + 3
    assert client.say(b"\r\n") == b""
    assert client.say(heads[0]) == plain[0]
    assert client.say(heads[0]) == plain[0]
    client.hang_up()
    roads.settle()


def test_a_connection_kept_busy_by_the_lane_alone_is_not_idle(house: House, roads: Roads) -> None:
    """S57: a minute after the last answer it is closed, whichever road that took."""
    head = request("/index/pypi/simple/alpha/", *PIP)
    learnt(roads, head)
    client = client_of(roads.express)
    for _ in range(9):
        house.clock.advance(59)
        assert client.say(head)
        assert not client.wire.closed
    house.clock.advance(59.5)
    assert not client.wire.closed
    house.clock.advance(1)
    assert client.wire.closed
    client.hang_up()
    roads.settle()
    assert house.clock.getDelayedCalls() == []


def test_S58_who_was_answered_last_makes_way_last(house: House, roads: Roads) -> None:
    """An answer of the lane is one like any other where places run out."""
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    first, second = (client_of(roads.express, peer=IPv4Address("TCP", "192.0.2.7", port)) for port in (1, 2))
    assert first.say(head)
    assert second.say(head)
    assert first.say(head)
    assert roads.express.places._makes_way(None)
    assert (first.wire.closed, second.wire.closed) == (False, True)
    for client in (first, second):
        client.hang_up()
    roads.settle()


def test_a_site_that_takes_its_leave_takes_the_ordinary_road(house: House, roads: Roads) -> None:
    """Which says so."""
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    client = client_of(roads.express)
    roads.express.leaving = True
    (answer,) = answers(client.say(head))
    assert answer.one("connection") == "close"
    assert client.wire.closed
    client.hang_up()
    roads.settle()


def test_who_does_not_read_is_cut_as_on_the_ordinary_road(house: House, roads: Roads) -> None:
    """S57: sixty seconds after he stopped; and while he takes nothing, his next request waits."""
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    client = client_of(roads.express)
    client.wire.stalled = True
    assert client.say(head)
    gave = roads.lane.gave
    assert not client.wire.reading
    assert client.say(head) == b""
    assert roads.lane.gave == gave
    house.clock.advance(60)
    assert client.wire.aborted
    client.hang_up()
    roads.settle()


def rested(house: House, roads: Roads, *heads: bytes) -> Kept:
    """A connection by a real socket on which the lane has just answered each of these."""
    kept = Kept(roads.express)
    for head in heads:
        learnt(roads, head)
        assert kept.say(head) == roads.plainly(head)
        assert kept.channel._resting
    return kept


def test_what_comes_behind_an_answer_of_the_lane_keeps_its_place(house: House, roads: Roads) -> None:
    """Also where the ordinary road has written what the reactor has not sent yet; then the lane takes its turn, and has it back after that."""
    heads = [request("/simple/alpha/", *PIP), request("/simple/beta/", *PIP)]
    plain = [roads.plainly(learnt(roads, head) and head) for head in heads]
    kept = rested(house, roads, *heads)
    plug = kept.plug
    assert plug is not None
    for sent, expected in (
        ((heads[0] + heads[1], heads[0]), plain[0] + plain[1] + plain[0]),
        ((heads[0][:30], heads[0][30:], heads[1]), plain[0] + plain[1]),
        ((heads[1], heads[1] + heads[0][:9], heads[0][9:]), plain[1] + plain[1] + plain[0]),
    ):
        for data in sent:
            kept.channel.dataReceived(data)
        heard = plug.take()
        while plug.transport in kept.reactor.writers:
            kept.reactor.turn()
            heard += plug.take()
        assert heard == expected
        gave = roads.lane.gave
        assert kept.say(heads[0]) == plain[0]
        assert roads.lane.gave == gave + 1
        assert kept.channel._resting
    kept.close()
    roads.settle()


@pytest.mark.parametrize("how", ["leave", "make way", "idle", "lose"])
def test_a_connection_that_ends_answers_nothing_more_though_it_was_at_rest(house: House, roads: Roads, how: str) -> None:
    head = request("/simple/alpha/", *PIP)
    kept = rested(house, roads, head)
    gave = roads.lane.gave
    if how == "leave":
        roads.express.leave()
    elif how == "make way":
        assert roads.express.places._makes_way(None)
    elif how == "idle":
        house.clock.advance(60)
    else:
        kept.channel.loseConnection()
    kept.channel.dataReceived(head)
    assert kept.plug is not None
    assert kept.plug.hear() == b""
    assert roads.lane.gave == gave
    kept.close()
    roads.settle()


def test_S57_who_does_not_read_is_paused_though_he_was_at_rest(house: House, roads: Roads) -> None:
    """His answers go out in order when he does, and none is begun meanwhile."""
    head, small = request("/simple/alpha/", "Accept: text/html", "Accept-Encoding: identity"), request("/simple/beta/", *PIP)
    whole = learnt(roads, head)
    assert JOINED > len(whole) > 8000
    kept = rested(house, roads, small)
    plug = kept.plug
    assert plug is not None
    plug.transport.socket.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
    asked = 0
    while not kept.channel._clogged:
        kept.channel.dataReceived(head)
        asked += 1
    assert not kept.channel._resting
    gave = roads.lane.gave
    kept.channel.dataReceived(small)
    assert roads.lane.gave == gave
    heard = bytearray()
    plug.until(lambda: bool(heard.extend(plug.take()) or len(heard) >= asked * len(whole) + 1))
    kept.reactor.turn()
    heard += plug.take()
    found = answers(bytes(heard))
    assert [len(answer.body) for answer in found] == [len(answers(whole)[0].body)] * asked + [len(answers(roads.plainly(small))[0].body)]
    kept.close()
    roads.settle()


@pytest.mark.parametrize("size", ["short", "long"])
def test_what_the_transport_has_left_is_not_overtaken(house: House, roads: Roads, size: str) -> None:
    """Also where the client has taken all that went out at once, so that there would be room for the next answer before the reactor's next turn."""
    if size == "long":
        head, _ = long(house)
        roads = Roads(house.door.site)
    else:
        head = request("/simple/alpha/", "Accept: text/html", "Accept-Encoding: identity")
    small = request("/simple/beta/", *PIP)
    whole, last = learnt(roads, head), learnt(roads, small)
    kept = rested(house, roads, small)
    plug = kept.plug
    assert plug is not None
    plug.transport.socket.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
    heard, asked = bytearray(), 0
    while not (plug.transport._tempDataBuffer or plug.transport.dataBuffer):
        kept.channel.dataReceived(head)
        asked += 1
    while piece := plug.take():
        heard += piece
    kept.channel.dataReceived(small)
    for _ in range(100_000):
        kept.reactor.turn()
        heard += plug.take()
        if len(heard) >= asked * len(whole) + len(last):
            break
    found = answers(bytes(heard))
    assert [answer.body for answer in found] == [answers(whole)[0].body] * asked + [answers(last)[0].body]
    kept.close()
    roads.settle()


def test_F72_a_new_configuration_meets_a_connection_that_is_at_rest(house: House, roads: Roads) -> None:
    """Whom it believes is found out anew, and so it is where there is no lane any more."""
    head = request("/simple/alpha/", *PIP)
    kept = rested(house, roads, head)
    plain = roads.plainly(head)
    lane = roads.lane
    other = attrs.evolve(lane, believes=lambda _: True)
    for now_there in (None, lane, other, lane):
        roads.express.lane = now_there
        assert kept.say(head) == plain
        assert now_there is None or kept.channel._origin == now_there.origin("127.0.0.1", False)
    kept.close()
    roads.settle()


def test_F44_a_clock_that_is_put_back_lets_nobody_stay_longer(house: House, roads: Roads) -> None:
    """A minute from when that is noticed, and no longer."""
    head = request("/simple/alpha/", *PIP)
    client = client_of(roads.express)
    learnt(roads, head)
    house.clock.advance(30)
    assert client.say(head)
    house.clock.rightNow -= 3600
    house.clock.advance(3600 + 30)
    assert not client.wire.closed
    house.clock.advance(30)
    assert client.wire.closed
    client.hang_up()
    roads.settle()


def test_what_is_told_late_stands_in_the_log_as_of_when_it_was(house: House, roads: Roads) -> None:
    """As workers tell of answers that they gave."""
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    said: list[str] = []
    roads.settle()
    roads.lane.access.lines.publisher = LogPublisher(lambda event: said.append(event["line"]))
    now = house.clock.seconds()
    ready = roads.lane.ready(roads.lane.origin("127.0.0.1", False) + head, now)
    assert ready is not None
    for moment in (now, now - 7, now + 1.5, now):
        roads.lane.answered(ready, "-", "id", moment)
    roads.settle()
    times = [int(line.partition(":")[2].partition(" ")[0][-2:]) for line in said]
    assert times == [times[0], (times[0] - 7) % 60, (times[0] + 1) % 60, times[0]]


@pytest.mark.parametrize("secure", [False, True])
def test_S58_who_asks_too_often_is_told_so_on_the_lane_too(house: House, secure: bool) -> None:
    """Each answer counts once, whichever road gives it, and the refusal is the ordinary road's."""
    house.requests_per_address = 10
    house.open({"pypi": house.proxy}, "pypi")
    roads = Roads(house.door.site)
    head = request("/simple/alpha/", *PIP)
    stranger, here = IPv4Address("TCP", "192.0.2.7", 1), IPv4Address("TCP", "127.0.0.1", 1)

    def asked(peer: Any) -> Heard:
        client = client_of(roads.express, secure=secure, peer=peer)
        (answer,) = answers(client.say(head))
        client.hang_up()
        return answer

    assert {asked(here).status for _ in range(6)} == {200}
    gave = roads.lane.gave
    found = [asked(stranger) for _ in range(13)]
    assert [answer.status for answer in found] == [200] * 10 + [429] * 3
    assert found[-1].one("retry-after") == "6"
    assert roads.lane.gave == gave + 10
    assert house.door.rates is not None
    assert house.door.rates.measures() == {"refused": 3.0}
    house.clock.advance(6)
    assert [asked(stranger).status for _ in range(2)] == [200, 429]
    assert {asked(UNIXAddress("x")).status for _ in range(30)} == {200}
    roads.settle()


def long(house: House) -> tuple[bytes, bytes]:
    """A head whose answer has several pieces, and the answer."""
    files = ((f"alpha-{n}.0.tar.gz", b"%d" % n) for n in range(2000))
    house.upstream.add("alpha", *files, serial=12)
    roads = Roads(house.door.site)
    head = request("/simple/alpha/", "Accept: text/html", "Accept-Encoding: identity")
    roads.ask(head)
    # A page as long as this is kept compressed alone, so put it there as if it were not.
    for answer, _ in house.door.routes.pages.answers._shelf._held.values():
        answer.bodies[""] = answer.plain()
    heard = learnt(roads, head)
    assert len(heard) > 2 * PIECE
    return head, heard


def test_a_long_answer_goes_piece_by_piece_and_the_next_request_waits(house: House) -> None:
    """What comes meanwhile is read behind it, and the line in the log stands for all that was sent."""
    house.by_both_roads = False
    head, whole = long(house)
    roads = Roads(house.door.site)
    client = client_of(roads.express)
    client.wire.stalled = True
    gave = roads.lane.gave
    heard = client.say(head)
    assert heard.endswith(b"\r\n\r\n")
    assert client.say(head) == b""
    assert roads.lane.gave == gave
    for _ in range(2):
        house.clock.advance(59)
        client.channel.resumeProducing()
        piece = client.heard()
        assert len(piece) == PIECE
        heard += piece
    client.wire.stalled = False
    client.channel.resumeProducing()
    heard += client.heard()
    first, second = answers(heard)
    assert first.body == second.body == answers(whole)[0].body
    assert roads.lane.gave == gave + 1
    assert not client.wire.closed
    client.hang_up()
    roads.settle()


def test_whoever_leaves_amid_a_long_answer_leaves_one_line(house: House) -> None:
    """With as many bytes as he was sent."""
    house.by_both_roads = False
    head, _ = long(house)
    roads = Roads(house.door.site)
    said: list[str] = []
    lines = roads.lane.access.lines
    lines.flush()
    lines.publisher = LogPublisher(lambda event: said.append(event["line"]))
    client = client_of(roads.express)
    client.wire.stalled = True
    client.say(head)
    house.clock.advance(30)
    client.channel.resumeProducing()
    house.clock.advance(60)
    assert client.wire.aborted
    client.hang_up()
    roads.settle()
    (line,) = said
    assert f'HTTP/1.1" 200 {PIECE} "-" "-" 90.000 ' in line


def test_a_site_that_takes_its_leave_lets_a_long_answer_end(house: House) -> None:
    house.by_both_roads = False
    head, whole = long(house)
    roads = Roads(house.door.site)
    client = client_of(roads.express)
    client.wire.stalled = True
    heard = client.say(head)
    roads.express.leave()
    assert not client.wire.closed
    client.wire.stalled = False
    client.channel.resumeProducing()
    heard += client.heard()
    assert answers(heard)[0].body == answers(whole)[0].body
    assert client.wire.closed
    client.hang_up()
    roads.settle()


def test_the_log_and_the_counts_say_of_the_lane_what_they_say_of_the_road(house: House, roads: Roads) -> None:
    """Whoever asks from wherever, by whatever name; but for the id, which is new each time."""
    token = house.token("ann")
    said: list[str] = []
    lines = roads.lane.access.lines
    lines.publisher = LogPublisher(lambda event: said.append(event["line"]))
    metrics = house.door.routes.operations.metrics
    head = request("/simple/alpha/", *PIP, f"Authorization: Bearer {token}")
    learnt(roads, head)
    learnt(roads, request("/simple/alpha/", *PIP))
    roads.settle()
    hits = house.door.routes.pages.answers.hits
    for peer in (IPv4Address("TCP", "192.0.2.7", 1), UNIXAddress("x"), IPv4Address("TCP", "::ffff:192.0.2.8", 1)):
        for asked in (head, request("/simple/alpha/", *PIP)):
            before = (Counter(metrics.requests), Counter(metrics.sent))
            said.clear()
            for site in (roads.express, roads.ordinary):
                client = client_of(site, peer=peer)
                client.say(asked)
                client.hang_up()
                roads.settle()
            assert len(said) == 2
            assert said[0] == said[1]
            found = (Counter(metrics.requests) - before[0], Counter(metrics.sent) - before[1])
            assert list(found[0].items()) == [(("simple", "200"), 2)]
            assert found[1][("simple",)] % 2 == 0
    assert house.door.routes.pages.answers.hits == hits + 12
    assert " - ann [" in "".join(said) or said[0].startswith("192.0.2.8 - - [")


def test_S61_what_a_trusted_proxy_says_is_of_the_request_and_no_others(house: House) -> None:
    """One that is believed is another origin than one that is not, and the log has the client that it named."""
    from pypidaemon.web.forwarding import Forwarding

    roads = Roads(house.door.site)
    roads.lane.believes = Forwarding(("198.51.100.0/24",)).believes
    assert roads.lane.origin("192.0.2.7", False) == roads.lane.origin("192.0.2.8", False)
    origins = {roads.lane.origin(peer, secure) for peer in ("192.0.2.7", "198.51.100.1", "198.51.100.2", "") for secure in (False, True)}
    assert len(origins) == 8
    assert not any(one != other and one.startswith(other) for one in origins for other in origins)


@pytest.mark.parametrize("secure", [False, True])
def test_S55_S61_nobody_passes_for_another_by_what_he_sends(house: House, secure: bool) -> None:
    """What stands before a head in a key is no head's to say: who sends it gets what anybody does who sends no request."""
    house.trusted_proxies = ("192.0.2.0/24",)
    house.open({"pypi": house.proxy}, "pypi")
    roads = Roads(house.door.site)
    head = request("/simple/alpha/", *PIP, "X-Forwarded-For: 198.51.100.9")
    for peer in (IPv4Address("TCP", "192.0.2.7", 1), IPv4Address("TCP", "203.0.113.5", 1)):
        for trusted_secure in (False, True):
            for _ in range(4):
                client = client_of(roads.express, secure=trusted_secure, peer=peer)
                assert answers(client.say(head))[0].status == 200
                client.hang_up()
    gave = roads.lane.gave
    assert gave
    beginnings = [roads.lane.origin(peer, other) for peer in ("192.0.2.7", "203.0.113.5") for other in (False, True)]
    for beginning in (*beginnings, b"\x00192.0.2.7\x00", b"\x01", b"\x01\x00192.0.2.7\x00"):
        client = client_of(roads.express, secure=secure, peer=IPv4Address("TCP", "203.0.113.5", 2))
        assert answers(client.say(beginning + head))[0].status == 400, beginning
        client.hang_up()
    assert roads.lane.gave == gave
    roads.settle()


def test_a_flood_of_heads_takes_no_place_and_leaves_the_others_theirs(house: House, roads: Roads) -> None:
    """What comes once is not kept, and what comes twice is bounded by bytes."""
    head = request("/simple/alpha/", *PIP)
    learnt(roads, head)
    for number in range(express.MET + 10):
        roads.lane.wants(b"%d" % number)
    assert len(roads.lane._met) <= express.MET
    assert len(roads.lane) == 1
    assert roads.ask(head)[1]


def test_it_is_bounded_by_bytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express, "LIMIT", 20_000)
    house.open({"pypi": house.proxy}, "pypi")
    roads = Roads(house.door.site)
    for number in range(12):
        for _ in range(3):
            roads.ask(request("/simple/alpha/", *PIP, f"X: {number}"))
        assert roads.lane.weight <= 20_000
    assert 2 < len(roads.lane) < 12
    assert sum(map(len, roads.lane._of.values())) == len(roads.lane)
    roads.lane.clear()
    assert (len(roads.lane), roads.lane.weight, roads.lane._of) == (0, 0, {})


def test_a_change_of_one_project_leaves_the_others(house: House, roads: Roads) -> None:
    heads = [request(f"/simple/{name}/", *PIP) for name in ("alpha", "beta")]
    for head in heads:
        learnt(roads, head)
    house.announcements.announce("alpha")  # type: ignore[arg-type]  # a name
    assert [roads.ask(head)[1] for head in heads] == [False, True]
    house.announcements.announce(None)
    assert not roads.ask(heads[1])[1]


def test_S73_a_token_that_is_revoked_is_refused_at_once(house: House, roads: Roads) -> None:
    """And so is one whose time is over, to the second."""
    from pypidaemon.accounts.people import OPERATOR

    token = house.token("ann")
    head = request("/simple/alpha/", *PIP, f"Authorization: Bearer {token}")
    learnt(roads, head)
    now(house.door.people.revoke_token(OPERATOR, token))
    heard, taken = roads.ask(head)
    assert not taken
    assert answers(heard)[0].status == 401


def test_each_request_has_an_id_of_its_own() -> None:
    """Drawn many at a time, none twice, and each of the digits that were drawn."""
    drawn: list[int] = []

    def random(count: int) -> bytes:
        drawn.append(count)
        return len(drawn).to_bytes(4, "big") * (count // 4)

    ids = RequestIds(random, 3)
    assert [ids.next() for _ in range(4)] == ["0000000100000001"] * 3 + ["0000000200000002"]
    assert drawn == [24, 24]
    import os

    many = RequestIds(os.urandom)
    found = {many.next() for _ in range(1000)}
    assert len(found) == 1000
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in found)


def test_what_we_override_is_there_and_nothing_else_of_twisteds_is_hidden(house: House) -> None:
    """A Twisted that renames one of these, or takes a name of ours, is noticed here."""
    inherited = set(dir(HTTPChannel)) | set(vars(HTTPChannel()))
    ours = {name for name in vars(ExpressChannel) if not name.startswith("__")}
    assert ours & inherited == {
        "dataReceived",
        "resumeProducing",
        "loseConnection",
        "timeoutConnection",
        "connectionLost",
    }
    assert client_timeout(ExpressChannel()) == (None, 5)
    fresh = set(vars(ExpressChannel())) - set(vars(HTTPChannel()))
    assert fresh & inherited == set()
    client = Client(house.door.site)
    assert (client.channel.requests, client.channel.line_mode) == ([], 1)
    client.hang_up()


def client_timeout(channel: Any) -> tuple[Any, Any]:
    """What the channel of Twisted's says of its time-out before and after it is set."""
    channel.callLater = lambda _seconds, _called: None
    before = channel.setTimeout(5)
    return before, channel.timeOut
