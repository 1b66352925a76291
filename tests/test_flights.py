"""One flight per key, and nobody who leaves stops it (law 9)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import globalLogPublisher

from pypidaemon.flights import Flights
from tests.gear import later, now, waiting


@attrs.define
class Work:
    """Work that ends when the test says so."""

    result: Deferred[str] = attrs.field(factory=Deferred)
    begun: int = 0
    cleaned: bool = False

    async def __call__(self) -> str:
        self.begun += 1
        try:
            return await self.result
        finally:
            self.cleaned = True


@pytest.fixture
def logged() -> Any:
    """What is logged of failures while a test runs."""
    events: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if "log_failure" in event:
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


def test_F45_many_who_want_the_same_share_one_flight() -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    joined = [later(flights.join("a", work)) for _ in range(200)]
    assert flights.flying("a")
    work.result.callback("here")
    assert {now(deferred) for deferred in joined} == {"here"}
    assert work.begun == 1
    assert not flights.flying("a")


def test_work_that_never_pauses_is_told_to_who_began_it() -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    work.result.callback("at once")
    assert now(flights.join("a", work)) == "at once"
    assert not flights.flying("a")


def test_F47_all_share_one_failure_and_nothing_is_logged(logged: list[dict[str, Any]]) -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    joined = [later(flights.join("a", work)) for _ in range(3)]
    work.result.errback(LookupError("no"))
    for deferred in joined:
        with pytest.raises(LookupError):
            now(deferred)
    assert logged == []


def test_F46_a_waiter_who_leaves_stops_nobody() -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    leaving, staying = later(flights.join("a", work)), later(flights.join("a", work))
    leaving.cancel()
    with pytest.raises(CancelledError):
        now(leaving)
    assert not work.cleaned
    work.result.callback("here")
    assert now(staying) == "here"


def test_a_flight_that_all_have_left_goes_on_and_its_failure_is_logged(logged: list[dict[str, Any]]) -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    leaving = later(flights.join("a", work))
    leaving.cancel()
    leaving.addErrback(lambda _: None)
    assert flights.flying("a")
    work.result.errback(LookupError("no"))
    assert [event["log_failure"].type for event in logged] == [LookupError]


def test_start_waits_for_nothing_and_begins_nothing_twice() -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    flights.start("a", work)
    flights.start("a", work)
    assert work.begun == 1
    joined = later(flights.join("a", work))
    work.result.callback("here")
    assert now(joined) == "here"
    assert work.begun == 1


def test_expected_failures_of_work_nobody_waits_for_are_not_logged(logged: list[dict[str, Any]]) -> None:
    flights: Flights[str, str] = Flights((LookupError,))
    work = Work()
    flights.start("a", work)
    work.result.errback(KeyError("no"))
    assert logged == []
    assert not flights.flying("a")


def test_one_who_is_told_of_a_failure_may_begin_anew_at_once() -> None:
    flights: Flights[str, str] = Flights()
    broken, good = Work(), Work()
    good.result.callback("second")

    async def persistent() -> str:
        try:
            return await flights.join("a", broken)
        except LookupError:
            return await flights.join("a", good)

    joined = later(persistent())
    broken.result.errback(LookupError("no"))
    assert now(joined) == "second"


def test_one_who_is_told_may_cancel_another() -> None:
    flights: Flights[str, str] = Flights()
    work = Work()
    one, two = later(flights.join("a", work)), later(flights.join("a", work))
    one.addCallback(lambda _: two.cancel())
    work.result.callback("here")
    with pytest.raises(CancelledError):
        now(two)


def test_landing_cancels_all_and_waits_until_they_have_put_things_in_order() -> None:
    flights: Flights[str, str] = Flights()
    cleaning: Deferred[None] = Deferred()
    quick = Work()

    async def slow() -> str:
        try:
            return await Deferred()
        finally:
            await cleaning

    waiter = later(flights.join("quick", quick))
    flights.start("slow", slow)
    landed = later(flights.land())
    assert quick.cleaned
    with pytest.raises(CancelledError):
        now(waiter)
    assert waiting(landed)
    cleaning.callback(None)
    assert now(landed) is None
    assert not flights.flying("slow")


def test_who_waits_for_rest_disturbs_nobody() -> None:
    flights: Flights[str, str] = Flights()
    works = {key: Work() for key in "ab"}
    for key, work in works.items():
        flights.start(key, work)
    resting = later(flights.rest())
    works["a"].result.callback("here")
    assert waiting(resting)
    works["b"].result.callback("here")
    assert now(resting) is None
    assert now(flights.rest()) is None


def test_landing_without_flights_is_done_at_once() -> None:
    flights: Flights[str, str] = Flights()
    assert now(flights.land()) is None
