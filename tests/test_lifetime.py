"""What the log says of a daemon's start and end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.lifetime import Lifetime
from pypidaemon.services.ordered import CannotStart, OrderedService
from tests.gear import now, waiting
from tests.test_ordered import Noted


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, line by line."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_namespace"] == "pypidaemon":
            seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def test_a_start_is_told_when_the_reactor_runs_and_a_stop_at_both_ends(lines: list[str]) -> None:
    """Not before: nobody is answered then, and a signal would find no handler."""
    diary: list[str] = []
    clock = Clock()
    life = Lifetime(OrderedService([Noted("a", diary), Noted("b", diary)]), clock, lambda: "here")
    life.privilegedStartService()
    life.startService()
    assert diary == ["bind a", "bind b", "start a", "start b"]
    assert (lines, life.running) == ([], 1)
    clock.advance(0)
    assert lines == ["here"]
    now(life.stopService())
    assert diary[4:] == ["stop b", "stop a"]
    assert lines[1:] == ["stopping", "stopped"]
    assert (clock.getDelayedCalls(), life.running) == ([], 0)


def test_a_slow_stop_says_what_is_waited_for_once_for_each_part(lines: list[str]) -> None:
    """After a second, and again only when it is another part's turn."""
    clock = Clock()
    first, second = Noted("a", [], slow=True), Noted("b", [], slow=True)
    life = Lifetime(OrderedService([first, second]), clock, lambda: "here")
    life.startService()
    clock.advance(0)
    stopping = life.stopService()
    clock.advance(0.9)
    assert lines[1:] == ["stopping"]
    clock.pump([1, 1, 1])
    assert lines[2:] == ["still stopping: waiting for Noted b"]
    second.stopped.callback(None)
    clock.pump([1, 1])
    assert lines[3:] == ["still stopping: waiting for Noted a"]
    assert waiting(stopping)
    first.stopped.callback(None)
    now(stopping)
    assert lines[4:] == ["stopped"]
    assert clock.getDelayedCalls() == []


def test_one_that_is_stopped_at_once_never_claims_to_answer(lines: list[str]) -> None:
    """As when a signal comes while it starts."""
    clock = Clock()
    life = Lifetime(OrderedService([Noted("a", [])]), clock, lambda: "here")
    life.startService()
    now(life.stopService())
    clock.advance(1)
    assert lines == ["stopping", "stopped"]


def test_a_start_that_fails_is_the_callers_to_tell(lines: list[str]) -> None:
    """Nothing is scheduled, nothing is claimed."""
    clock = Clock()
    life = Lifetime(OrderedService([Noted("a", [], PypidaemonError("no"))]), clock, lambda: "here")
    with pytest.raises(CannotStart):
        life.startService()
    assert (clock.getDelayedCalls(), lines) == ([], [])


def test_a_part_that_fails_to_stop_does_not_hold_the_last_line(lines: list[str], no_logged_failures: list[dict[str, Any]]) -> None:
    """It is logged by itself."""
    clock = Clock()
    bad = Noted("b", [], slow=True, stopped=Deferred())
    life = Lifetime(OrderedService([bad]), clock, lambda: "here")
    life.startService()
    stopping = life.stopService()
    bad.stopped.errback(ValueError("stuck"))
    now(stopping)
    assert lines == ["stopping", "stopped"]
    assert len(no_logged_failures) == 1
    no_logged_failures.clear()
