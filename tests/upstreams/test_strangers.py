"""How many unknown names an upstream is asked for, in all and for each client (F52)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from pypidaemon import passage
from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.strangers import AT_ONCE, BURST, CLIENTS, RATE, WAITING, Strangers
from pypidaemon.waits import Bell
from tests.fakes import FakeUpstream
from tests.gear import later, now, waiting
from tests.house import House
from tests.web.wire import Client, answers, get

GONE = NormalizedName("gone")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def strangers(clock: Clock) -> Strangers:
    return Strangers("pypi", clock)


async def absent() -> None:
    raise NoSuchProject(GONE)


async def present() -> str:
    return "here"


def asks(strangers: Strangers, client: str | None, question: Any = absent) -> str:
    """What comes of a question that a request from there leads to."""

    async def answered() -> str:
        passage.note((), client)
        try:
            return str(await strangers.ask(question))
        except NoSuchProject:
            return "absent"
        except UpstreamUnavailable as error:
            return "later" if error.retry_after == 2 else "at a loss"

    return now(answered())


def test_F52_a_client_has_so_many_made_up_names_and_then_some_each_second(strangers: Strangers, clock: Clock) -> None:
    """Names that exist cost nothing; nobody else is touched."""
    for _ in range(BURST):
        assert asks(strangers, "192.0.2.1", present) == "here"
        assert asks(strangers, "192.0.2.1") == "absent"
    assert asks(strangers, "192.0.2.1") == "later"
    assert asks(strangers, "192.0.2.1", present) == "later"
    assert asks(strangers, "192.0.2.2") == "absent"
    clock.advance(1)
    assert [asks(strangers, "192.0.2.1") for _ in range(int(RATE) + 1)] == ["absent"] * int(RATE) + ["later"]
    assert strangers.refused == 3
    clock.advance(10 * BURST / RATE)
    assert [asks(strangers, "192.0.2.1") for _ in range(BURST + 1)].count("absent") == BURST


@pytest.mark.parametrize("client", [None, "", "127.0.0.1", "::1", "127.8.9.1", "::ffff:127.0.0.1", "nonsense"])
def test_F52_the_daemon_itself_and_this_machine_are_nobody_in_particular(strangers: Strangers, client: str | None) -> None:
    """A web server on this machine brings everybody's requests."""
    assert {asks(strangers, client) for _ in range(BURST + 10)} == {"absent"}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("2001:db8::1", "2001:db8::2", True), ("2001:db8::1", "2001:db8:0:1::1", False), ("::ffff:192.0.2.1", "192.0.2.1", True)],
)
def test_F52_an_ipv6_customer_is_one_client(strangers: Strangers, first: str, second: str, same: bool) -> None:
    for _ in range(BURST):
        asks(strangers, first)
    assert (asks(strangers, second) == "later") is same


def test_F52_a_clock_that_is_put_back_gives_nothing_away(strangers: Strangers, clock: Clock) -> None:
    clock.advance(1000)
    for _ in range(BURST):
        asks(strangers, "192.0.2.1")
    clock.rightNow -= 900
    assert asks(strangers, "192.0.2.1") == "later"


def test_F52_the_table_of_clients_is_bounded(strangers: Strangers) -> None:
    for number in range(CLIENTS + 50):
        asks(strangers, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(strangers._purses) == CLIENTS


def begun(strangers: Strangers, bell: Bell, began: list[int]) -> Any:
    """A question under way, of another client each."""

    async def slow() -> str:
        began.append(1)
        await bell.wait()
        return "here"

    async def answered() -> str:
        passage.note((), f"192.0.2.{len(began) % 250}")
        return await strangers.ask(slow)

    return later(answered())


def test_F52_only_so_many_are_asked_at_once_and_only_so_many_wait(strangers: Strangers) -> None:
    bell, began = Bell(), []
    running = [begun(strangers, bell, began) for _ in range(AT_ONCE + WAITING)]
    assert len(began) == AT_ONCE
    assert asks(strangers, "192.0.2.9") == "later"
    assert asks(strangers, None, present) == "here"
    left = running.pop()
    left.cancel()
    left.addErrback(lambda _: None)
    another = begun(strangers, bell, began)
    assert waiting(another)
    while any(waiting(one) for one in (*running, another)):
        bell.ring()
    assert len(began) == AT_ONCE + WAITING
    assert strangers._waiting == 0
    assert asks(strangers, "192.0.2.9") == "absent"


def test_F52_a_page_with_validators_finds_a_place_of_its_own(strangers: Strangers) -> None:
    """Whatever line there is for the unknown ones."""
    upstream = FakeUpstream()
    upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), etag='"v"')
    guarded = Guarded(upstream, (), strangers=strangers)
    bell, began = Bell(), []
    running = [begun(strangers, bell, began) for _ in range(AT_ONCE + WAITING)]

    async def refreshed() -> Any:
        passage.note((), "192.0.2.1")
        return await guarded.fetch_page(NormalizedName("alpha"), Validators('"u"'))

    assert now(refreshed()).files
    assert guarded.measures() == {"strangers_refused": 0}
    while any(waiting(one) for one in running):
        bell.ring()


def test_F52_a_flood_of_made_up_names_leaves_the_known_ones_alone() -> None:
    """Over the real door: upstream hears of some of them, all are answered, and what is known is served to everybody, the flooder too."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), etag='"v"')
    house.upstream.add("beta", ("beta-1.0.tar.gz", b"one"))
    strangers = Strangers("pypi", house.clock, burst=50)
    house.proxy = house.new_proxy("pypi", Guarded(house.upstream, (), strangers=strangers))  # type: ignore[arg-type]  # an upstream around one
    house.open({"pypi": house.proxy}, "pypi")
    flooder = Client(house.door.site)

    def asked(path: str) -> int:
        (answer,) = answers(flooder.say(get(path)))
        assert answer.status != 503 or answer.one("retry-after") == "2"
        return answer.status

    assert asked("/simple/alpha/") == 200
    shapes = ("/simple/made-up-{}/", "/pypi/made-up-{}/json", "/packages/by-name/pypi/made-up-{0}/made_up_{0}-1.0.tar.gz")
    assert [asked(shapes[n % 3].format(n)) for n in range(70)] == [404] * 50 + [503] * 20
    assert len(house.upstream.asked) == 51
    assert asked("/simple/beta/") == 503
    house.clock.advance(1)
    house.door.routes.pages.answers.forget(None)
    assert asked("/simple/alpha/") == 200
    other = Client(house.door.site, IPv4Address("TCP", "192.0.2.200", 1))
    assert answers(other.say(get("/simple/beta/")))[0].status == 200
    for client in (flooder, other):
        client.hang_up()
