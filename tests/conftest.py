"""Rules that hold for every test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import LogLevel, globalLogPublisher

# One contract method is run by several subclasses on purpose, which is what `differing_executors` warns of.
ALLOWED = [HealthCheck.too_slow, HealthCheck.differing_executors]
settings.register_profile("house", max_examples=100, deadline=None, suppress_health_check=ALLOWED)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def no_logged_failures(request: pytest.FixtureRequest) -> Iterator[list[dict[str, Any]]]:
    """Fail a test that leaves a failure in the log: an error nobody looked at is an error. Tests that expect one empty the list."""
    seen: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if event.get("log_failure") is not None and event.get("log_level") in (LogLevel.critical, LogLevel.error):
            seen.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        yield seen
        if request.node.get_closest_marker("slow_gc"):
            gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not seen, [str(event["log_failure"]) for event in seen]
