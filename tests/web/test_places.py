"""Who may be connected at once, who makes way, and what is answered when all places are taken."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from pypidaemon.waits import Bell
from pypidaemon.web.ask import Ask
from pypidaemon.web.places import LEAVING, SPARE, Caps, Entry, Places
from pypidaemon.web.reply import Reply
from tests.web.wire import Client, Seen, answers, get


def at(number: int) -> IPv4Address:
    """The address of that client."""
    return IPv4Address("TCP", f"198.51.{number // 250}.{number % 250}", 1)


class Busy(Seen):
    """A door that answers nothing before it is told to."""

    def __init__(self, **more: Any) -> None:
        super().__init__(handler=self._pending, **more)
        self.bell = Bell()

    async def _pending(self, ask: Ask) -> Reply:
        if not ask.segments[0].startswith("+"):
            await self.bell.wait()
        return Reply(200, (), b"here")

    def at_work(self, **more: Any) -> Client:
        """A client with a request under way."""
        client = self.client(**more)
        assert client.say(get()) == b""
        return client


def test_S58_one_address_has_its_share_and_no_more() -> None:
    """Above it a cheap 503 says when to come back; others are not touched, and leaving makes room."""
    seen = Busy(caps=Caps(each=2, total=100))
    held = [seen.at_work(), seen.at_work()]
    extra = seen.client()
    (answer,) = answers(extra.heard())
    assert (answer.status, answer.one("retry-after"), answer.one("connection")) == (503, "1", "close")
    assert extra.wire.disconnecting
    extra.channel.dataReceived(get("/+health"))
    assert len(seen.asks) == 2
    other = seen.client(address=at(8))
    assert answers(other.say(get("/+x")))[0].status == 200
    assert seen.site.connections == 4
    extra.hang_up()
    held.pop().hang_up()
    assert seen.site.connections == 2
    again = seen.client()
    assert answers(again.say(get("/+x")))[0].status == 200
    for client in (*held, other, again):
        client.hang_up()
    assert seen.site.connections == 0
    assert seen.site.places.measures() == {"admitted": 4, "refused": 1, "closed": 0}
    assert seen.site.places.most == 4


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (IPv6Address("TCP", "2001:db8::1", 1), IPv6Address("TCP", "2001:db8::2", 1), True),
        (IPv6Address("TCP", "2001:db8::1", 1), IPv6Address("TCP", "2001:db8:0:1::1", 1), False),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 1), IPv4Address("TCP", "192.0.2.1", 1), True),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 1), IPv6Address("TCP", "::ffff:192.0.2.2", 1), False),
        (IPv6Address("TCP", "fe80::1%eth0", 1), IPv6Address("TCP", "fe80::2%eth0", 1), True),
        (UNIXAddress(b""), UNIXAddress(b""), False),
        (IPv4Address("TCP", "127.0.0.1", 1), IPv4Address("TCP", "127.0.0.1", 1), False),
        (IPv6Address("TCP", "::1", 1), IPv6Address("TCP", "::1", 1), False),
        (IPv4Address("TCP", "203.0.113.5", 1), IPv4Address("TCP", "203.0.113.5", 1), False),
    ],
)
def test_S58_whom_a_connection_counts_for(first: Any, second: Any, same: bool) -> None:
    """An IPv6 customer has a whole network; this machine, unix sockets and named proxies are nobody in particular."""
    seen = Busy(caps=Caps(each=1, total=100), uncapped=("203.0.113.5",))
    one, two = seen.at_work(address=first), seen.client(address=second)
    assert (b" 503 " in two.heard()) is same
    for client in (one, two):
        client.hang_up()
    assert seen.site.connections == 0


def test_S58_who_waits_longest_makes_way_when_places_run_out() -> None:
    """Those that have been answered, and those that never asked; nobody who is being answered."""
    seen = Busy(caps=Caps(each=100, total=4))
    working = seen.at_work(address=at(1))
    answered = seen.client(address=at(2))
    answered.say(get("/+x"))
    silent = seen.client(address=at(3))
    dripping = seen.client(address=at(4))
    dripping.say(get()[:20])
    answered.say(get("/+x"))
    first = seen.client(address=at(5))
    assert silent.wire.aborted
    second = seen.client(address=at(6))
    assert dripping.wire.aborted
    third = seen.client(address=at(7))
    assert answered.wire.disconnecting
    assert not answered.wire.aborted, "it has perhaps not taken the last answer"
    seen.clock.advance(2)
    assert answered.wire.aborted
    assert not working.wire.closed
    for client in (working, first, second, third):
        assert not client.wire.closed
    seen.bell.ring()
    assert answers(working.heard())[0].status == 200
    for client in (working, answered, silent, dripping, first, second, third):
        client.hang_up()
    assert seen.site.connections == 0
    assert not seen.clock.getDelayedCalls()
    assert seen.site.places.measures()["closed"] == 3


def test_S58_who_still_takes_the_end_of_an_answer_is_not_in_the_way() -> None:
    """The answer is written, and a slow line has not taken it: who had to make way now would have a part of it for the whole."""
    seen = Seen(caps=Caps(each=100, total=1))
    slow = seen.client(address=at(1))
    slow.wire.stalled = True
    slow.say(get())
    assert not slow.channel.requests
    other = seen.client(address=at(2))
    seen.clock.advance(seen.limits.linger)
    assert not slow.wire.closed
    assert answers(other.say(get("/simple/")))[0].status == 503
    slow.wire.stalled = False
    slow.wire.producer.resumeProducing()
    third = seen.client(address=at(3))
    assert slow.wire.closed
    assert answers(third.say(get("/+x")))[0].status == 200
    for client in (slow, other, third):
        client.hang_up(clean=True)
    assert seen.site.connections == 0


def test_S58_an_address_makes_way_for_itself_alone() -> None:
    """So a large office with many clients at rest goes on, and costs nobody else a connection."""
    seen = Busy(caps=Caps(each=2, total=100))
    stranger = seen.client(address=at(1))
    mine = [seen.client(address=at(2)) for _ in range(2)]
    third = seen.client(address=at(2))
    assert mine[0].wire.aborted
    assert not any(client.wire.closed for client in (mine[1], stranger, third))
    for client in (stranger, *mine, third):
        client.hang_up()


def test_S58_a_client_whose_connection_made_way_is_not_listened_to_any_more() -> None:
    """A request that crosses the closing is not begun."""
    seen = Busy(caps=Caps(each=1, total=100))
    one = seen.client()
    one.say(get("/+x"))
    two = seen.client()
    one.channel.dataReceived(get("/+late"))
    assert len(seen.asks) == 1
    for client in (one, two):
        client.hang_up()


def test_S58_who_is_refused_and_does_not_go_is_dropped() -> None:
    """As one who speaks TLS and never shakes hands, to whom nothing can be said: a crowd of these would have everybody shut out."""
    seen = Busy(caps=Caps(each=1, total=8))
    working = seen.at_work()
    refused = [seen.client() for _ in range(seen.site.places.allowed.leaving)]
    assert seen.site.buildProtocol(at(8)) is None
    seen.clock.advance(seen.limits.linger)
    assert [client.wire.aborted for client in refused] == [True] * len(refused)
    for client in refused:
        client.hang_up()
    assert seen.client(address=at(8)).say(get("/+x"))
    gone = seen.client()
    gone.hang_up(clean=True)
    seen.clock.advance(seen.limits.linger)
    assert not gone.wire.aborted
    working.hang_up()


@pytest.mark.parametrize("path", ["/+health", "/+ready?x=y", "/+metrics"])
def test_S58_the_health_is_told_when_all_places_are_at_work(path: str) -> None:
    """To one question each, above the total; everything else is told to come back."""
    seen = Busy(caps=Caps(each=100, total=2))
    working = [seen.at_work(address=at(n)) for n in range(2)]
    watcher = seen.client(address=at(8))
    (answer,) = answers(watcher.say(get(path)))
    assert (answer.status, answer.one("connection")) == (200, "close")
    assert watcher.wire.closed
    other = seen.client(address=at(9))
    (answer,) = answers(other.say(get("/simple/")))
    assert (answer.status, answer.one("retry-after"), answer.one("connection")) == (503, "1", "close")
    assert len(seen.asks) == 3
    for client in (*working, watcher, other):
        client.hang_up()
    assert seen.site.connections == 0


def test_S58_who_holds_the_spare_places_makes_way_too() -> None:
    """Dripping heads do not keep out who watches over us."""
    seen = Busy(caps=Caps(each=1000, total=4 * SPARE))
    working = [seen.at_work(address=at(0)) for n in range(4 * SPARE)]
    dripping = [seen.client(address=at(n)) for n in range(1, SPARE + 5)]
    watcher = seen.client(address=at(999))
    assert answers(watcher.say(get("/+health")))[0].status == 200
    assert [client.wire.aborted for client in dripping].count(True) == 5
    for client in (*working, watcher, *dripping):
        client.hang_up()


@pytest.mark.parametrize(("places", "leaving"), [(1, 8), (40, 20), (400, LEAVING)])
def test_S58_connections_that_do_not_go_are_not_too_many_either(places: int, leaving: int) -> None:
    """What makes way is closed by the next turn of the reactor; until then there is an end to it."""
    seen = Busy(caps=Caps(each=1000, total=places))
    clients = [seen.client(address=at(n)) for n in range(places + leaving)]
    assert seen.site.connections == places + leaving
    assert seen.site.buildProtocol(at(999)) is None
    assert seen.site.connections == places + leaving
    for client in clients:
        client.hang_up()
    assert seen.site.connections == 0


def test_S58_a_crowd_of_idle_connections_starves_nobody() -> None:
    """Over the real channel, three for each place."""
    seen = Seen(caps=Caps(each=20, total=200))
    idle: list[Client] = []
    for number in range(600):
        idle.append(Client(seen.site, at(number % 100)))
        for gone in [client for client in idle if client.wire.aborted]:
            gone.hang_up()
            idle.remove(gone)
    assert seen.site.connections == 200
    for number in range(50):
        client = seen.client(address=at(1000 + number))
        assert answers(client.say(get()))[0].status == 200
        client.hang_up()
    assert seen.site.places.measures()["refused"] == 0
    for client in idle:
        client.hang_up()


def test_S58_ten_thousand_connections_are_counted_at_no_cost() -> None:
    """From a thousand addresses over four thousand places: who comes is let in, and the oldest go."""
    places = Places(Caps())
    come = [Nobody(places) for _ in range(10_000)]
    for number, connection in enumerate(come):
        host = f"198.51.{number % 1000 // 250}.{number % 250}"
        assert places.ask(host) is Entry.ADMITTED
        places.enter(host, connection, spare=False)
    assert [connection.gone for connection in come] == [True] * 6000 + [False] * 4000
    assert len(places) == places.most == 4000
    for connection in come[6000:]:
        places.left(connection)
    assert len(places) == 0
    assert not any((places._by_place, places._idle_of, places._idle))


@pytest.mark.parametrize(("files", "total"), [(65536, 4000), (8448, 4000), (8446, 3999), (1024, 288), (256, 69), (64, 17), (4, 1), (0, 1)])
def test_F61_the_open_files_that_are_allowed_bound_the_connections(files: int, total: int) -> None:
    """Each may need a second file; some are kept for everything else."""
    assert Caps().within(files).total == total
    assert Caps(total=7).within(files).total == min(7, total)
    assert Places(Caps(), files=files).allowed.total == total


def test_F61_what_is_allowed_is_asked_for_and_what_is_given_counts() -> None:
    places = Places(Caps(each=10, total=1000))
    assert places.caps.files == 2448
    places.files = 8
    for number in range(3):
        assert places.ask(f"198.51.100.{number}") is Entry.ADMITTED
        places.enter(f"198.51.100.{number}", Nobody(places), spare=False)
    places.works(next(iter(places._held)))
    assert places.ask("198.51.100.9") is Entry.ADMITTED


@attrs.define(eq=False)
class Nobody:
    """A connection that goes when it is told to."""

    places: Places
    gone: bool = False

    def make_way(self) -> None:
        self.gone = True
        self.places.left(self)


def test_what_is_read_again_holds_for_the_connections_there_are() -> None:
    """A site that another takes the place of keeps its connections, under the new caps; both count the same ones."""
    old, new = Busy(caps=Caps(each=5, total=10)), Busy(caps=Caps(each=1, total=10), uncapped=("192.0.2.9",))
    # The system told the one that listens; how many it is that are wanted by the other was asked before.
    old.site.places.allow(4096)
    held = [old.at_work() for _ in range(2)]
    old.site.turn_to(new.site)
    assert new.site.connections == old.site.connections == 2
    refused = old.client()
    assert b" 503 " in refused.heard()
    spared = [old.at_work(address=IPv4Address("TCP", "192.0.2.9", 1)) for _ in range(2)]
    assert new.site.places.files == old.site.places.files == 4096
    for client in (*held, refused, *spared):
        client.hang_up()
    assert new.site.connections == 0
