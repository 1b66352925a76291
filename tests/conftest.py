"""Rules that hold for every test."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from tests import examples
from tests.forked import NURSERIES, ROOT

examples.register()


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """
    Have each worker begin to read elsewhere.

    In a fresh checkout pytest compiles every module anew, and Hypothesis looks for constants in all that was imported, in the order of its import. Both
    keep what they found in files. Workers that go the same way at the same pace would all do all of it; these find what another has done.
    """
    # What is read here stays, so the collector would look through ever more of it in vain.
    gc.disable()
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    ignored = [Path(place).resolve() for place in session.config.getoption("ignore") or ()]
    places = [Path(place).resolve() for place in session.config.args if "::" not in place]
    files = sorted({file for place in places for file in ([place] if place.suffix == ".py" else place.rglob("test_*.py"))})
    files = [file for file in files if file.is_relative_to(ROOT) and not any(file.is_relative_to(place) for place in ignored)]
    begin = len(files) * int(worker["workerid"].removeprefix("gw")) // int(worker["workercount"])
    for file in (*files[begin:], *files[:begin]):
        # What cannot be imported says so when it is collected.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the collector look through what tests make, and not each time through all that was read before."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Daemons, orders and pip import nothing here. That they start as programs too is looked at in `tests/frame` and by benchmarks."""
    with NURSERIES.opened(tmp_path_factory.mktemp("nurseries")):
        yield


@pytest.fixture(autouse=True)
def leaves_the_process_as_it_was() -> Iterator[None]:
    """
    Put back what a command sets for its whole process, which is its own but here: the mask for new files.

    So that no test depends on which ran before, the folder and the environment are put back as well.
    """
    mask = os.umask(0o022)
    os.umask(mask)
    folder, environment = os.getcwd(), _environment()
    yield
    os.umask(mask)
    if os.getcwd() != folder:
        os.chdir(folder)
    if (found := _environment()) != environment:
        for name in found.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


def _environment() -> dict[str, str]:
    """All but what pytest itself says there, which is another thing at each moment."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


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


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)
