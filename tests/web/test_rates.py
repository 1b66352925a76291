"""How often one address may ask, where the configuration says so (S58)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.errors import TooManyRequests
from pypidaemon.interfaces import IMeasured
from pypidaemon.web import rates as module
from pypidaemon.web.ask import Ask
from pypidaemon.web.rates import WINDOW, Rates
from tests.house import House
from tests.running import running
from tests.test_renewing import FIXED, HEAD, SILENT
from tests.web.wire import Client, answers, get


def asked(rates: Rates, client: str = "192.0.2.7", times: int = 1, *segments: str) -> int:
    """How many of so many requests are let through."""
    passed = 0
    for _ in range(times):
        with suppress(TooManyRequests):
            rates.spend(Ask(client=client, segments=segments or ("simple", "")))
            passed += 1
    return passed


@pytest.mark.parametrize("limit", [1, 3, 7, 60, 1000, 7919])
def test_S58_an_address_has_a_minutes_worth_at_once_and_gets_it_back_as_time_passes(limit: int) -> None:
    clock = Clock()
    clock.advance(1_780_000_000)
    rates = Rates(clock, limit)
    verifyObject(IMeasured, rates)
    assert asked(rates, times=limit + 5) == limit
    assert rates.measures() == {"refused": 5.0}
    clock.advance(WINDOW / limit + 0.001)
    assert asked(rates, times=2) == 1
    clock.advance(WINDOW)
    assert asked(rates, times=limit + 5) == limit
    # Who was refused is not kept out for longer by that.
    clock.advance(WINDOW + 0.001)
    assert asked(rates, times=limit + 5) == limit


def test_S58_who_comes_back_when_he_was_told_to_is_answered() -> None:
    clock = Clock()
    rates = Rates(clock, 2)
    assert asked(rates, times=2) == 2
    with pytest.raises(TooManyRequests) as caught:
        rates.spend(Ask(client="192.0.2.7"))
    assert caught.value.retry_after == 30
    clock.advance(29)
    assert asked(rates) == 0
    clock.advance(1)
    assert asked(rates) == 1


def test_S58_others_are_not_touched_and_one_network_of_ipv6_is_one() -> None:
    rates = Rates(Clock(), 2)
    assert asked(rates, "192.0.2.7", 3) == 2
    assert asked(rates, "192.0.2.8", 3) == 2
    assert asked(rates, "2001:db8::1", 1) + asked(rates, "2001:db8::2", 2) == 2
    assert asked(rates, "2001:db8:0:1::1", 3) == 2


@pytest.mark.parametrize("client", ["", "127.0.0.1", "127.9.9.9", "::1", "203.0.113.9"])
def test_S58_this_machine_and_what_stands_before_us_is_never_counted(client: str) -> None:
    rates = Rates(Clock(), 1, ("203.0.113.9",))
    assert asked(rates, client, 10) == 10
    assert rates.measures() == {"refused": 0.0}


def test_S58_whoever_watches_over_us_is_never_counted() -> None:
    rates = Rates(Clock(), 1)
    for word in ("+health", "+ready", "+metrics"):
        assert asked(rates, "192.0.2.7", 10, word) == 10
    assert asked(rates) == 1
    assert asked(rates, "192.0.2.7", 10, "+health", "") == 0


def test_a_clock_that_is_put_back_keeps_nobody_out() -> None:
    clock = Clock()
    clock.advance(1_000_000)
    rates = Rates(clock, 2)
    assert asked(rates, times=2) == 2
    clock.rightNow = 10.0
    assert asked(rates) == 0
    clock.advance(31)
    assert asked(rates) == 0
    clock.advance(30)
    clock.rightNow = 2_000_000.0
    assert asked(rates, times=3) == 2


def test_so_many_addresses_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    rates = Rates(Clock(), 1)
    for number in range(10):
        assert asked(rates, f"192.0.2.{number}") == 1
    # Asking again does not make it younger: it was not answered.
    assert asked(rates, "192.0.2.0") == 0
    assert asked(rates, "192.0.2.200") == 1
    assert len(rates._used) == 10
    assert asked(rates, "192.0.2.1") == 0
    assert asked(rates, "192.0.2.0") == 1


def heard(house: House, data: bytes, address: Any = None) -> Any:
    """What one connection is answered, and whether it ends."""
    client = Client(house.door.site, address)
    said = answers(client.say(data))
    closed = client.wire.closed
    client.hang_up(clean=True)
    return said, closed


def test_S58_above_it_429_says_when_to_come_back_and_the_connection_ends() -> None:
    """What lies behind it on the same connection is not looked at."""
    house = House(requests_per_address=3)
    (*fine, refused), closed = heard(house, get("/+x") * 10)
    assert [answer.status for answer in fine] == [404] * 3
    assert (refused.status, refused.one("retry-after"), refused.one("connection"), closed) == (429, "20", "close", True)
    assert refused.body.startswith(b"too many requests from this address\nrequest id: ")
    assert heard(house, get("/+health"))[0][0].status == 200
    assert heard(house, get("/+x"), IPv4Address("TCP", "127.0.0.1", 1))[0][0].status == 404
    assert heard(house, get("/+x"), UNIXAddress(None))[0][0].status == 404
    metrics = heard(house, get("/+metrics"))[0][0].body.decode()
    assert "pypidaemon_requests_refused_total 1.0" in metrics
    assert 'pypidaemon_requests_total{route="other",status="429"} 1.0' in metrics


def test_S58_an_upload_counts_and_is_refused_at_its_head() -> None:
    house = House(requests_per_address=1)
    house.with_private()
    post = get("/legacy/", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 9000", method="POST")
    (first,), _ = heard(house, post)
    assert first.status == 401
    (answer,), closed = heard(house, post)
    assert (answer.status, closed) == (429, True)


def test_S61_behind_a_trusted_proxy_it_is_the_client_that_counts() -> None:
    house = House(requests_per_address=2, trusted_proxies=("192.0.2.7",))
    for client in ("198.51.100.1", "198.51.100.2"):
        said = [heard(house, get("/+x", f"X-Forwarded-For: {client}"))[0][0].status for _ in range(3)]
        assert said == [404, 404, 429]
    assert [heard(house, get("/+x"))[0][0].status for _ in range(5)] == [404] * 5
    # Nobody else is believed, so it is no use to claim to be somebody else.
    other = IPv4Address("TCP", "203.0.113.5", 1)
    said = [heard(house, get("/+x", f"X-Forwarded-For: 198.51.100.{number}"), other)[0][0].status for number in range(50, 53)]
    assert said == [404, 404, 429]


def test_without_the_key_nobody_is_counted() -> None:
    house = House()
    assert house.door.rates is None
    assert {answer.status for answer in heard(house, get("/+x") * 16)[0]} == {404}
    assert "pypidaemon_requests_refused_total 0.0" in heard(house, get("/+metrics"))[0][0].body.decode()


def test_a_ready_page_is_counted_as_often_as_it_is_asked_for() -> None:
    """It would be answered without anybody looking where nobody counts."""
    house = House(requests_per_address=4)
    address = IPv6Address("TCP", "2001:db8::5", 1)
    client = Client(house.door.site, address)
    said = [answers(client.say(get("/simple/alpha/")))[0].status for _ in range(5)]
    assert said == [404] * 4 + [429]
    client.hang_up(clean=True)


def test_S58_the_configuration_says_it_and_a_reload_goes_on_counting(tmp_path: Path) -> None:
    text = HEAD.replace("[daemon]", "[daemon]\nrequests-per-address = 3") + FIXED + SILENT
    with running(tmp_path, text.format("alpha")) as daemon:
        assert [daemon.ask("/simple/").status for _ in range(4)] == [200, 200, 200, 429]
        daemon.reload(text.format("beta"))
        assert daemon.ask("/simple/").status == 429
        assert daemon.ask("/+health").status == 200
        daemon.reload(text.replace("requests-per-address = 3", "").format("beta"))
        assert [daemon.ask("/simple/").status for _ in range(4)] == [200] * 4
