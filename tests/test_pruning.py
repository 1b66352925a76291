"""What is forgotten in time, by a clock that the tests move."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import filename
from pypidaemon.model import Fetch, NormalizedName
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.services.pruning import EVERY, FIRST, Pruning
from tests.gear import now, waiting

ALPHA = NormalizedName("alpha")


@attrs.define
class Chores:
    """Counts how often each was done; what `fails` cannot be done."""

    done: list[str] = attrs.field(factory=list)
    fails: set[str] = attrs.field(factory=set)
    slow: Deferred[None] | None = None

    async def do(self, what: str) -> int:
        self.done.append(what)
        if what in self.fails:
            raise PypidaemonError("the disk is full")
        if self.slow is not None:
            await self.slow
        return 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chores() -> Chores:
    return Chores()


@pytest.fixture
def pruning(clock: Clock, chores: Chores) -> Pruning:
    made = Pruning(clock, {"a": lambda: chores.do("a"), "b": lambda: chores.do("b")})
    made.startService()
    return made


def test_chores_are_done_a_minute_after_the_start_and_then_every_hour(clock: Clock, chores: Chores, pruning: Pruning) -> None:
    """One that fails keeps none of the others from being done, and is tried again."""
    chores.fails = {"a"}
    clock.advance(FIRST - 0.1)
    assert chores.done == []
    clock.advance(0.1)
    assert chores.done == ["a", "b"]
    clock.advance(EVERY - 0.1)
    assert chores.done == ["a", "b"]
    clock.advance(0.1)
    assert chores.done == ["a", "b"] * 2
    assert now(pruning.stopService()) is None
    assert clock.getDelayedCalls() == []


def test_F73_it_stops_while_it_waits_and_while_it_works(clock: Clock, chores: Chores, pruning: Pruning) -> None:
    """What is under way is cancelled and waited for, and nothing comes after it."""
    chores.slow = Deferred()
    clock.advance(FIRST)
    assert chores.done == ["a"]
    stopped = pruning.stopService()
    assert not waiting(stopped)
    clock.advance(2 * EVERY)
    assert (chores.done, clock.getDelayedCalls()) == (["a"], [])


def test_it_stops_before_it_ever_began(clock: Clock, chores: Chores, pruning: Pruning) -> None:
    now(pruning.stopService())
    clock.advance(2 * EVERY)
    assert (chores.done, clock.getDelayedCalls()) == ([], [])


def test_fetches_are_kept_as_long_as_is_said(clock: Clock) -> None:
    records = MemoryRecords(label="records", clock=clock)
    kept = 10 * EVERY
    pruning = Pruning(clock, {"fetches": lambda: records.fetches.forget_before(clock.seconds() - kept)})
    pruning.startService()

    def taken() -> list[float]:
        return [fetch.time for fetch in now(records.fetches.of_project(ALPHA, None, 0.0, 100))]

    for hour in range(3):
        now(records.fetches.note(Fetch(hour * EVERY, "", "", "", "pypi", ALPHA, "1", filename("alpha-1.tar.gz"), None)))
    clock.pump([FIRST, *([EVERY] * 10)])
    assert taken() == [EVERY, 2 * EVERY]
    clock.pump([EVERY] * 2)
    assert taken() == []
    now(pruning.stopService())
