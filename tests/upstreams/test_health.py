"""`pypidaemon.upstreams.health`: one state per upstream, and few probes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IAttended
from pypidaemon.model import Outage
from pypidaemon.upstreams.health import Health
from tests.gear import later, waiting


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
    for wait in (1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0):
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
    assert told == ["up", "up", "down"]
    assert health.due() == 1.0


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
