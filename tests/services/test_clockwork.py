"""When a service runs next."""

from __future__ import annotations

import math
from datetime import UTC

from pypidaemon.model import Progress
from pypidaemon.schedule import schedule
from pypidaemon.services.mirroring.clockwork import Clockwork
from pypidaemon.windows import windows

NOON = 1_780_056_000.0
HOUR = 3600.0


def clockwork(jitter: float = 0.0, hours: str = "") -> Clockwork:
    """Every six hours."""
    return Clockwork(schedule("every 6h"), jitter, windows(hours, UTC) if hours else None, lambda: 0.5)


def test_what_never_ran_and_what_was_interrupted_runs_at_once() -> None:
    """Whatever the schedule says."""
    assert clockwork().next_run(Progress(), None, NOON) == NOON
    assert clockwork().next_run(Progress(started=NOON, tried=NOON), NOON, NOON) == NOON
    assert clockwork(600.0).next_run(Progress(started=NOON, tried=NOON), NOON + 60, NOON) == NOON + 60


def test_what_was_missed_runs_at_once_and_all_else_in_time() -> None:
    """The jitter is drawn once for each due time."""
    assert clockwork().next_run(Progress(tried=NOON - 7 * HOUR), None, NOON) == NOON
    spread = clockwork(600.0)
    assert spread.next_run(Progress(tried=NOON), None, NOON) == NOON + 6 * HOUR + 300
    spread.random = lambda: 0.0
    assert spread.next_run(Progress(tried=NOON), None, NOON + 60) == NOON + 6 * HOUR + 300


def test_everything_waits_for_the_hours() -> None:
    """Runs, and what is tried again."""
    night = clockwork(hours="22:00-23:00")
    opens = night.next_run(Progress(), None, NOON)
    assert opens % 86_400 == 22 * HOUR
    assert night.closes(opens) == opens + HOUR
    assert night.next_retry(NOON + 60, NOON) == opens
    assert clockwork().next_retry(NOON + 60, NOON) == NOON + 60
    assert clockwork().next_retry(NOON + 60, NOON + 90) == NOON + 90
    assert clockwork().next_retry(math.inf, NOON) == math.inf
    assert clockwork().closes(NOON) == math.inf
