"""Bells, deadlines and races."""

from __future__ import annotations

import gc
import socket
from typing import Any

import attrs
import pytest
from twisted.internet import reactor as running
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, succeed
from twisted.internet.defer import fail as fail_at_once
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pypidaemon.waits import Bell, TookTooLong, entered, first, within
from tests.gear import later, now, waiting

reactor: Any = running


async def give(value: str) -> str:
    return value


async def fail() -> None:
    raise LookupError("broken")


async def until(deferred: Deferred[str]) -> str:
    return await deferred


def cancelled(deferred: Deferred[object]) -> bool:
    """Whether its result is that it was cancelled."""
    result: list[object] = []
    deferred.addBoth(result.append)
    return bool(result) and isinstance(result[0], Failure) and result[0].check(CancelledError) is not None


def test_a_ring_wakes_all_who_wait_and_nobody_who_comes_later() -> None:
    bell = Bell()
    one, two = bell.wait(), bell.wait()
    bell.ring()
    assert not waiting(one)
    assert not waiting(two)
    assert waiting(bell.wait())


def test_a_waiter_who_leaves_is_taken_off_the_list() -> None:
    bell = Bell()
    leaving, staying = bell.wait(), bell.wait()
    leaving.cancel()
    assert cancelled(leaving)
    assert bell.listeners == 1
    bell.ring()
    assert not waiting(staying)


def test_a_waiter_who_waits_again_while_woken_waits_for_the_next_ring() -> None:
    bell = Bell()
    again: list[Deferred[None]] = []
    bell.wait().addCallback(lambda _: again.append(bell.wait()))
    bell.ring()
    assert waiting(again[0])
    bell.ring()
    assert not waiting(again[0])


def test_a_waiter_may_cancel_another_while_the_bell_rings() -> None:
    bell = Bell()
    one, two = bell.wait(), bell.wait()
    one.addCallback(lambda _: two.cancel())
    bell.ring()
    assert cancelled(two)


def test_within_gives_what_came_in_time_and_leaves_no_timer() -> None:
    clock = Clock()
    assert now(within(clock, 2, give("answer"))) == "answer"
    assert clock.getDelayedCalls() == []


def test_within_gives_what_is_there_already_at_once_be_it_good_or_bad() -> None:
    clock = Clock()
    assert now(within(clock, 2, succeed("here"))) == "here"
    with pytest.raises(LookupError):
        now(within(clock, 2, fail_at_once(LookupError("broken"))))
    assert clock.getDelayedCalls() == []


def test_within_waits_for_one_that_has_fired_with_another_that_has_not() -> None:
    clock = Clock()
    inner: Deferred[str] = Deferred()
    chained = succeed(None).addCallback(lambda _: inner)
    waited = later(within(clock, 2, chained))
    clock.advance(3)
    with pytest.raises(TookTooLong):
        now(waited)


def test_within_raises_when_the_time_is_up_and_cancels() -> None:
    clock = Clock()
    slow: Deferred[str] = Deferred()
    waited = later(within(clock, 2, until(slow)))
    clock.advance(1.9)
    assert waiting(waited)
    clock.advance(0.2)
    with pytest.raises(TookTooLong):
        now(waited)
    assert slow.called


def test_within_does_not_wait_for_one_who_ignores_that_it_was_cancelled() -> None:
    clock = Clock()
    cleaning: Deferred[None] = Deferred()

    async def stubborn() -> None:
        try:
            await Deferred()
        finally:
            await cleaning

    waited = later(within(clock, 2, stubborn()))
    clock.advance(3)
    with pytest.raises(TookTooLong):
        now(waited)
    cleaning.callback(None)


@pytest.mark.parametrize(("after", "tells"), [(2.0, [2.0]), (5.0, [5.0]), (6.0, [])])
def test_within_tells_of_doubt_once_by_the_way(after: float, tells: list[float]) -> None:
    """Where that is due before the end; one timer at a time serves both."""
    clock = Clock()
    told: list[float] = []
    waiting_for = later(within(clock, 5, Deferred(), (after, lambda: told.append(clock.seconds()))))
    assert len(clock.getDelayedCalls()) == 1
    for _ in range(4):
        clock.advance(1)
        assert len(clock.getDelayedCalls()) == 1
    assert waiting(waiting_for)
    clock.advance(1)
    with pytest.raises(TookTooLong):
        now(waiting_for)
    assert told == tells
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("seconds", [1, 3])
def test_what_comes_in_time_leaves_no_timer_doubted_or_not(seconds: int) -> None:
    clock = Clock()
    told: list[None] = []
    coming: Deferred[str] = Deferred()
    waiting_for = later(within(clock, 5, coming, (2, lambda: told.append(None))))
    clock.advance(seconds)
    coming.callback("here")
    assert now(waiting_for) == "here"
    assert len(told) == (seconds > 2)
    assert clock.getDelayedCalls() == []


class HeldUpTests(TestCase):
    """With the reactor itself, which looks at its timers before it looks at connections."""

    async def test_what_lay_there_when_the_time_was_up_has_come_in_time(self) -> None:
        """As where the machine slept, or had too much to do."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        came: Deferred[bytes] = Deferred()
        ears = Ears(ours, came)
        reactor.addReader(ears)
        self.addCleanup(reactor.removeReader, ears)
        theirs.send(b"here")
        assert await within(reactor, 0.0, came) == b"here"


@implementer(IReadDescriptor)
@attrs.frozen(eq=False)
class Ears:
    """Hears the first bytes that come by a socket."""

    socket: socket.socket
    came: Deferred[bytes]

    def fileno(self) -> int:
        """As `IReadDescriptor`."""
        return self.socket.fileno()

    def doRead(self) -> None:
        """As `IReadDescriptor`."""
        self.came.callback(self.socket.recv(100))

    def connectionLost(self, reason: Failure) -> None:
        """As `IReadDescriptor`."""

    def logPrefix(self) -> str:
        """As `IReadDescriptor`."""
        return "ears"


def test_a_place_is_taken_where_one_is_free_and_waited_for_where_none_is() -> None:
    clock = Clock()
    places = DeferredSemaphore(2)
    now(entered(clock, 5, places))
    now(entered(clock, 5, places))
    assert clock.getDelayedCalls() == []
    third, fourth = later(entered(clock, 5, places)), later(entered(clock, 5, places))
    assert waiting(third)
    places.release()
    now(third)
    clock.advance(5)
    with pytest.raises(TookTooLong):
        now(fourth)
    places.release()
    places.release()
    assert places.tokens == 2


def test_within_passes_a_failure_on_and_leaves_no_timer() -> None:
    clock = Clock()
    with pytest.raises(LookupError):
        now(within(clock, 2, fail()))
    assert clock.getDelayedCalls() == []


def test_cancelling_within_cancels_what_it_waits_for() -> None:
    clock = Clock()
    slow: Deferred[str] = Deferred()
    waited = later(within(clock, 2, until(slow)))
    waited.cancel()
    assert cancelled(waited)  # type: ignore[arg-type]  # a Deferred of anything
    assert slow.called
    assert clock.getDelayedCalls() == []


def test_first_answers_the_position_and_cancels_the_others() -> None:
    one: Deferred[str] = Deferred()
    two: Deferred[str] = Deferred()
    race = later(first(until(one), two))
    assert waiting(race)
    two.callback("done")
    assert now(race) == 1
    assert one.called


def test_first_of_several_that_are_done_at_once_counts_the_first_in_order() -> None:
    assert now(first(until(Deferred()), give("b"), fail())) == 1


def test_first_passes_on_the_failure_of_the_first_and_drops_later_ones() -> None:
    one: Deferred[str] = Deferred(lambda me: me.errback(ValueError("late")))
    with pytest.raises(LookupError):
        now(first(one, fail()))


def test_first_of_nothing_is_refused_rather_than_waiting_for_ever() -> None:
    with pytest.raises(ValueError, match="nothing"):
        now(first())


@pytest.mark.parametrize("wait", [lambda: within(Clock(), 2, until(Deferred())), lambda: first(until(Deferred()), Deferred())])
def test_one_that_is_forgotten_while_it_waits_is_cleared_away_in_silence(wait: Any, no_logged_failures: list[dict[str, Any]]) -> None:
    """What it cancels on its way out must not wake it: it is awake, and "coroutine already executing" would be the answer, whenever memory is cleared."""
    later(wait())
    gc.collect()
    assert no_logged_failures == []
