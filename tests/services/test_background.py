"""Work that nobody waits for and that fails in a way nobody foresaw (F84)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from pypidaemon.services import pruning
from pypidaemon.services.janitor import FIRST, Janitor
from pypidaemon.services.pruning import Pruning
from pypidaemon.verification.holdings import Holdings
from tests.gear import now


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """What is logged."""
    seen: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(seen.append)
    yield seen
    globalLogPublisher.removeObserver(seen.append)


class Broken(Holdings):
    """Holdings that cannot even be looked at, since somebody wrote nonsense."""

    looked = 0

    @property
    def homes(self) -> Any:  # type: ignore[override]  # a mistake of the kind that no type would stop
        self.looked += 1
        raise ValueError("nobody thought of this")

    @homes.setter
    def homes(self, value: Any) -> None:
        """What it is made with."""


def janitor(clock: Clock) -> tuple[Any, Callable[[], int], float, float]:
    """One that looks at those, how often it has looked, and when it does."""
    holdings = Broken()
    one = Janitor(label="clean", holdings=holdings, clock=clock)
    return one, lambda: holdings.looked, FIRST, one.interval


def pruner(clock: Clock) -> tuple[Any, Callable[[], int], float, float]:
    """One with a chore that breaks."""
    done: list[int] = []

    async def chore() -> int:
        done.append(1)
        raise ValueError("nobody thought of this")

    return Pruning(clock, {"things": chore}), lambda: len(done), pruning.FIRST, pruning.EVERY


@pytest.mark.parametrize("made", [janitor, pruner])
def test_F84_what_fails_unforeseen_is_logged_with_its_traceback_and_tried_again(made: Any, events: list[dict[str, Any]]) -> None:
    """Not at once, and not never."""
    clock = Clock()
    service, tried, first, interval = made(clock)
    service.startService()
    clock.advance(first)
    assert tried() == 1
    failures = [event for event in events if event.get("log_failure") is not None]
    assert len(failures) == 1
    assert "nobody thought of this" in str(failures[0]["log_failure"].value)
    assert "failed" in formatEvent(failures[0])
    clock.advance(interval - 1)
    assert tried() == 1
    clock.advance(1)
    assert tried() == 2
    now(service.stopService())
    assert clock.getDelayedCalls() == []
