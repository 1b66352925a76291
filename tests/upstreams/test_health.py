"""`pypidaemon.upstreams.health`: one state per upstream, and few probes."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IAttended, IVouched
from pypidaemon.model import Outage
from pypidaemon.upstreams.health import LONGEST_SILENCE, PACES, SELDOM, VOUCHES, Health
from tests.gear import later, now, waiting


def fresh() -> tuple[Clock, Health]:
    """A health without jitter."""
    clock = Clock()
    return clock, Health(clock, lambda: 0.5)


def test_it_is_up_until_something_happens() -> None:
    _, health = fresh()
    verifyObject(IAttended, health)
    assert (health.state, health.cause, health.may_ask()) == ("up", "", True)


def test_F33_after_a_failure_one_asker_an_interval_is_let_through() -> None:
    clock, health = fresh()
    clock.advance(5)
    health.failed("it refuses connections")
    assert (health.state, health.cause, health.since) == ("down", "it refuses connections", 5.0)
    assert not health.may_ask()
    granted = []
    for _ in range(1000):
        clock.advance(0.1)
        if health.may_ask():
            assert not health.may_ask()
            granted.append(round(clock.seconds() - 5))
    assert granted == [1, 3, 7, 15, 31, 51, 71, 91]


def test_F40_an_answer_makes_it_up_and_the_next_failure_probes_soon() -> None:
    clock, health = fresh()
    for _ in range(20):
        health.failed("x")
        clock.advance(1.01)
        assert health.may_ask()
        health.succeeded()
        assert health.state == "up"
        assert health.cause == ""


def test_silence_is_a_suspicion_and_does_not_better_what_is_down() -> None:
    _, health = fresh()
    health.silent()
    assert health.state == "suspect"
    assert not health.may_ask()
    health.failed("gone")
    health.silent()
    assert (health.state, health.cause) == ("down", "gone")


def test_who_is_suspect_stays_so_while_it_is_probed_and_is_not_remembered() -> None:
    """It may be well, so nothing is taken off pages; and a restart does not make an outage of it (N1)."""
    _, health = fresh()
    health.attend()
    health.silent()
    assert (health.state, health.due(), health.outage()) == ("suspect", 0.0, None)
    assert health.begin()
    assert (health.state, health.outage()) == ("suspect", None)
    health.succeeded()
    health.end()
    assert health.state == "up"


def test_F44_a_clock_that_was_put_back_keeps_nobody_down_who_answers() -> None:
    """Whether somebody attends to it or not: it asked to be left alone until a time that is far ahead now."""
    for attended in (True, False):
        clock, health = fresh()
        clock.advance(1_780_000_000)
        if attended:
            health.attend()
        health.failed("too many requests", 3600.0)
        clock.rightNow = 1000.0
        assert health.begin() if attended else health.may_ask()
        health.succeeded()
        health.end()
        assert health.state == "up"


def test_N1_nothing_vouches_for_who_was_not_heard_of_for_a_minute() -> None:
    """So whoever attends looks, once in half a minute at most, and those who come meanwhile wait for moments."""
    clock, health = fresh()
    verifyObject(IVouched, health)
    clock.advance(1000)
    assert health.vouched() == math.inf
    health.attend()
    assert health.vouched() < clock.seconds()
    health.succeeded()
    assert health.vouched() == clock.seconds() + VOUCHES
    now(health.confirmed())
    assert health.due() is None
    clock.advance(VOUCHES)
    waits = [later(health.confirmed()) for _ in range(2)]
    assert [waiting(one) for one in waits] == [True, True]
    assert health.due() == 0.0
    assert health.begin()
    health.succeeded()
    assert not any(waiting(one) for one in waits)
    assert health.vouched() == clock.seconds() + VOUCHES
    # One that hears nothing is not repeated by each who comes.
    clock.advance(VOUCHES)
    wait = later(health.confirmed())
    assert health.begin()
    clock.advance(1)
    assert health.vouched() < clock.seconds()
    health.unheard()
    assert (health.vouched(), health.due()) == (clock.seconds() - 1 + SELDOM, None)
    now(health.confirmed())
    health.failed("gone")
    # What is known of it in a moment is worth a moment, whether it failed or was only one connection.
    assert (health.state, health.vouched(), waiting(wait)) == ("suspect", -math.inf, True)
    health.failed("gone")
    assert not waiting(wait)


def test_N1_whoever_has_noted_until_when_it_may_be_believed_is_told_that_it_may_not() -> None:
    clock, health = fresh()
    health.attend()
    health.succeeded()
    teller = Teller()
    health.listen(teller.hear)
    health.doubt()
    assert (teller.heard, health.vouched() <= clock.seconds()) == (1, True)


@attrs.define(eq=False)
class Teller:
    """Counts what it hears."""

    heard: int = 0

    def hear(self) -> None:
        self.heard += 1


def test_F30_who_was_slow_lately_is_waited_for_and_not_for_ever() -> None:
    _, health = fresh()
    assert health.patience(2.0) == 2.0
    health.took(0.1)
    assert health.patience(2.0) == 2.0
    health.took(2.5)
    assert (health.patience(2.0), health.patience(7.0)) == (5.0, 7.0)
    health.took(60.0)
    assert (health.patience(2.0), health.patience(30.0)) == (LONGEST_SILENCE, 30.0)
    for _ in range(PACES):
        health.took(0.1)
    assert health.patience(2.0) == 2.0


def test_N1_how_slow_it_was_in_another_network_is_forgotten() -> None:
    """Else the first outage in the next one is found out as late as that."""
    _, health = fresh()
    health.took(3.0)
    health.moved()
    assert health.patience(2.0) == 2.0


def test_F44_what_was_heard_before_the_clock_was_put_back_vouches_for_nothing() -> None:
    clock, health = fresh()
    health.attend()
    clock.advance(1_780_000_000)
    health.succeeded()
    clock.rightNow = 1000.0
    assert health.vouched() <= clock.seconds()


def test_an_answer_vouches_for_good_where_that_is_said() -> None:
    clock = Clock()
    health = Health(clock, lambda: 0.5, "", 0.0)
    health.attend()
    clock.advance(1000)
    assert health.vouched() == math.inf


def test_F35_one_connection_that_breaks_takes_nothing_off_any_page() -> None:
    """Where somebody attends to it another is tried at once; unless it said itself that it is not to be asked."""
    _, health = fresh()
    health.attend()
    health.failed("it broke the connection")
    assert (health.state, health.outage()) == ("suspect", None)
    assert health.begin()
    health.succeeded()
    assert health.state == "up"
    health.failed("too many requests", 20.0)
    assert (health.state, health.due()) == ("down", 20.0)


def test_F2_it_is_left_alone_for_as_long_as_it_asks_but_at_most_an_hour() -> None:
    clock, health = fresh()
    health.failed("too many requests", 120.0)
    clock.advance(119)
    assert not health.may_ask()
    assert health.retry_after() == 1
    health.succeeded()
    assert health.state == "down"
    clock.advance(2)
    assert health.may_ask()
    health.failed("too many requests", 1e9)
    assert health.retry_after() == 60
    clock.advance(3601)
    assert health.may_ask()


def test_F86_one_broken_project_does_not_take_the_upstream_down() -> None:
    _, health = fresh()
    for _ in range(10):
        health.stumbled("500")
        health.stumbled("500")
        health.succeeded()
    assert health.state == "up"


def test_F7_wrong_answers_in_a_row_do() -> None:
    _, health = fresh()
    for _ in range(3):
        health.stumbled("its page cannot be read")
    assert (health.state, health.cause) == ("down", "its page cannot be read")


def test_F86_of_the_same_thing_however_often_it_is_wrong_only_a_look_tells_more() -> None:
    _, health = fresh()
    health.attend()
    for _ in range(3):
        assert health.due() is None
        health.stumbled("500", "/simple/broken/")
    assert (health.state, health.due()) == ("up", 0.0)
    assert health.begin()
    health.stumbled("500", "/simple/broken/")
    health.succeeded()
    assert (health.state, health.due()) == ("up", None)
    for one in ("a", "b", "c"):
        assert health.state == "up"
        health.stumbled("500", one)
    assert (health.state, health.cause, health.due()) == ("suspect", "500", 0.0)


@pytest.mark.parametrize("attended", [False, True])
def test_F2_who_asks_to_be_left_alone_with_each_answer_is_once_that_counts(attended: bool) -> None:
    clock, health = fresh()
    if attended:
        health.attend()
    for one in ("a", "b"):
        health.stumbled("it asks us to come back later (503)", one, 120.0)
        assert (health.state, health.retry_after()) == ("up", 1)
    health.stumbled("it asks us to come back later (503)", "c", 120.0)
    if attended:
        assert (health.state, health.begin()) == ("suspect", True)
        health.stumbled("it asks us to come back later (503)", "c", 120.0)
    assert (health.state, health.retry_after()) == ("down", 60)
    clock.advance(119.0)
    assert not health.begin()
    clock.advance(1.0)
    assert health.begin()


def test_F7_two_wrong_answers_to_a_look_will_do() -> None:
    _, health = fresh()
    health.attend()
    health.question()
    assert health.begin()
    health.stumbled("a portal", "/simple/known/")
    assert health.state == "up"
    health.stumbled("a portal", "/simple/other/")
    assert health.state == "suspect"
    assert health.begin()
    health.stumbled("a portal", "/simple/known/")
    assert (health.state, health.cause) == ("down", "a portal")


def test_doubt_is_told_once_it_is_there() -> None:
    _, health = fresh()
    doubt = later(health.doubted())
    assert waiting(doubt)
    health.silent()
    assert not waiting(doubt)
    assert not waiting(later(health.doubted()))


def test_F40_who_attends_to_it_probes_and_nobody_else_asks() -> None:
    clock, health = fresh()
    health.attend()
    assert (health.due(), health.begin(), health.may_ask()) == (None, False, True)
    health.failed("it has no address")
    # It may have been that one connection.
    assert (health.state, health.due(), health.may_ask()) == ("suspect", 0.0, False)
    assert health.begin()
    health.failed("it has no address")
    for wait in (2.0, 4.0, 8.0, 16.0, 20.0, 20.0):
        assert health.due() == wait
        clock.advance(wait)
        assert not health.may_ask()
        assert health.begin()
        assert (health.state, health.cause, health.since) == ("probing", "it has no address", 0.0)
        health.failed("it has no address")
        assert (health.state, health.cause, health.since) == ("down", "it has no address", 0.0)
        assert not health.begin()
    clock.advance(20.0)
    assert health.begin()
    health.succeeded()
    assert (health.state, health.since, health.due()) == ("up", clock.seconds(), None)


def test_F40_upstream_is_looked_at_often_enough_to_be_in_use_30_seconds_after_it_is_back() -> None:
    """However the jitter falls out, and with what a probe takes at most."""
    for jitter in (0.0, 0.5, 0.999):
        clock = Clock()
        health = Health(clock, lambda jitter=jitter: jitter)  # type: ignore[misc]  # a default binds it
        health.attend()
        health.failed("x")
        assert health.begin()
        health.end()
        for _ in range(20):
            due = health.due()
            assert due is not None
            assert 0 < due <= 24
            clock.advance(due)
            assert health.begin()
            health.end()
            assert health.state == "down"


def test_a_probe_that_nothing_came_of_leaves_it_as_it_was() -> None:
    clock, health = fresh()
    health.attend()
    health.silent()
    clock.advance(1)
    assert health.begin()
    health.end()
    assert (health.state, health.cause) == ("down", "it does not answer in time")


def test_F7_a_wrong_answer_does_not_bring_back_who_is_not_up() -> None:
    clock, health = fresh()
    health.attend()
    health.silent()
    health.stumbled("its page cannot be read")
    assert (health.state, health.cause) == ("down", "its page cannot be read")
    clock.advance(30)
    assert health.begin()
    health.stumbled("it redirects to another host")
    assert (health.state, health.cause) == ("down", "it redirects to another host")


def test_who_is_doubted_is_looked_at_and_stays_up_meanwhile() -> None:
    """Once for each doubt, and only where somebody attends to it."""
    _, health = fresh()
    health.question()
    assert health.due() is None
    health.attend()
    told: list[str] = []
    health.listen(lambda: told.append(health.state))
    health.question()
    health.question()
    assert (health.due(), told) == (0.0, ["up"])
    assert health.begin()
    assert (health.state, health.due()) == ("up", None)
    health.question()
    health.failed("gone")
    assert told == ["up", "up", "suspect"]
    assert health.due() == 0.0


def test_N1_an_outage_is_remembered_until_something_is_heard() -> None:
    clock, health = fresh()
    clock.advance(1000)
    assert health.outage() is None
    health.failed("too many requests", 120.0)
    outage = health.outage()
    assert outage == Outage("too many requests", 1000.0, 1120.0)
    later_on = Health(clock, lambda: 0.5)
    later_on.attend()
    clock.advance(60)
    doubt = later(later_on.doubted())
    later_on.resume(outage)
    assert not waiting(doubt)
    assert (later_on.state, later_on.cause, later_on.since, later_on.may_ask()) == ("down", "too many requests", 1000.0, False)
    assert later_on.due() == 60.0
    clock.advance(60)
    assert later_on.begin()
    later_on.succeeded()
    later_on.resume(outage)
    assert later_on.state == "up"


def test_F44_a_clock_that_was_put_back_stops_no_probes() -> None:
    clock, health = fresh()
    clock.advance(1_780_000_000)
    health.attend()
    health.failed("too many requests", 120.0)
    clock.rightNow = 1000.0
    assert (health.due(), health.retry_after()) == (0.0, 1)
    assert health.begin()


def test_a_listener_is_told_of_changes_and_not_kept_alive() -> None:
    class Somebody:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def hear(self) -> None:
            self.heard.append(health.state)

    _, health = fresh()
    somebody = Somebody()
    heard = somebody.heard
    health.listen(somebody.hear)
    health.failed("x")
    health.failed("y")
    assert heard == ["down"]
    del somebody
    health.succeeded()
    assert heard == ["down"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.floats(0, 40)),
            st.tuples(st.sampled_from(["ok", "fail", "stumble", "silent", "ask"]), st.floats(0, 5000)),
        ),
        max_size=80,
    ),
    st.floats(0, 0.999),
)
def test_F40_probes_are_few_and_never_cease(steps: list[tuple[str, float]], jitter: float) -> None:
    """While not up, grants lie at least 0.8 s apart; and whatever happened, at most an hour later somebody may ask."""
    clock = Clock()
    health = Health(clock, lambda: jitter)
    last_grant = -1000.0
    for what, amount in steps:
        if what == "wait":
            clock.advance(amount)
        elif what == "ok":
            health.succeeded()
        elif what == "fail":
            health.failed("x", amount or None)
        elif what == "stumble":
            health.stumbled("x")
        elif what == "silent":
            health.silent()
        elif health.state != "up" and health.may_ask():
            assert clock.seconds() - last_grant >= 0.79
            last_grant = clock.seconds()
        if health.state == "up":
            assert health.may_ask()
            last_grant = -1000.0
        assert 1 <= health.retry_after() <= 60
        assert (health.cause == "") == (health.state == "up")
    clock.advance(3601)
    assert health.may_ask()


def test_its_coming_and_going_is_logged() -> None:
    """One line at each change, with the reason and how long it lasted; retries and repeated failures add none."""
    clock, seen = Clock(), []
    health = Health(clock, lambda: 0.5, "pypi")
    globalLogPublisher.addObserver(seen.append)
    try:
        health.failed("no route")
        health.failed("no route")
        clock.advance(90)
        health.succeeded()
        health.succeeded()
    finally:
        globalLogPublisher.removeObserver(seen.append)
    lines = [formatEvent(event) for event in seen if str(event.get("log_namespace")).startswith("pypidaemon.upstreams")]
    assert lines == ["upstream pypi is down: no route", "upstream pypi is up again after 90 s"]
