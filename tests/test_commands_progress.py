"""How far a long verb has come, drawn on a pretended terminal."""

from __future__ import annotations

import argparse
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.commands.progress import Progress, progress


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def drawing(width: int = 120) -> tuple[Progress, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    return Progress(shown=True, stream=stream, clock=clock, width=lambda: width), stream, clock


def last(stream: io.StringIO) -> str:
    return stream.getvalue().rpartition("\r")[2].removesuffix("\x1b[K")


def test_a_bar_with_pace_and_rest() -> None:
    """Which are said as soon as they mean something."""
    bar, stream, clock = drawing()
    bar.show(0, 4, "0 of 4 files", size=0)
    assert last(stream) == f"[{' ' * 30}] 0 of 4 files, 0 B"
    clock.now = 10.0
    bar.show(1, 4, "1 of 4 files", size=10240)
    assert last(stream) == f"[{'#' * 7}{' ' * 23}] 1 of 4 files, 10.0 KiB, 1.0 KiB/s, about 30s left"
    bar.show(4, 4, "4 of 4 files", size=40960)
    assert last(stream) == f"[{'#' * 30}] 4 of 4 files, 40.0 KiB, 4.0 KiB/s"
    bar.clear()
    assert last(stream) == ""


@pytest.mark.parametrize(("done", "pace"), [(30, "3/s"), (10, "1/s"), (1, "6/min"), (0, "")])
def test_without_bytes_the_pace_is_of_what_is_counted(done: int, pace: str) -> None:
    """By the minute where a second is too short for one."""
    bar, stream, clock = drawing()
    bar.show(0, None, "some")
    clock.now = 10.0
    bar.show(done, None, "some")
    assert last(stream) == ", ".join(filter(None, ["some", pace]))


def test_it_is_not_drawn_more_often_than_anybody_can_see() -> None:
    """Save its end, and what is another phase."""
    bar, stream, clock = drawing()
    for done in range(50):
        bar.show(done, 50, "x")
    assert stream.getvalue().count("\r") == 1
    bar.show(50, 50, "whole")
    assert last(stream).endswith("whole")
    bar.show(0, 9, "x", phase="second")
    assert last(stream).endswith("second: x")
    clock.now = 1.0
    bar.show(1, 9, "y", phase="second")
    assert last(stream).endswith("y")


def test_nothing_is_taken_away_that_was_not_drawn() -> None:
    """And nothing is drawn where nobody looks."""
    bar, stream, _ = drawing()
    bar.clear()
    silent = Progress(shown=False, stream=stream)
    silent.show(1, 2, "x")
    silent.clear()
    assert stream.getvalue() == ""


@given(done=st.integers(0, 10**9), of=st.none() | st.integers(0, 10**9), size=st.none() | st.integers(0, 2**60), width=st.integers(1, 200))
def test_a_line_never_breaks(done: int, of: int | None, size: int | None, width: int) -> None:
    """Whatever is counted, and however narrow the terminal is."""
    bar, stream, clock = drawing(width)
    bar.show(0, of, "begun")
    clock.now = 60.0
    bar.show(done, of, f"{done} of {of} things", size=size)
    assert len(last(stream)) <= max(width - 1, 1)


@pytest.mark.parametrize(
    ("words", "terminal", "shown"), [({}, True, True), ({}, False, False), ({"json": True}, True, False), ({"quiet": True}, True, False)]
)
def test_who_sees_it(words: dict[str, bool], terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sits at a terminal, and asked neither for JSON nor for quiet."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    bar = progress(argparse.Namespace(**{"json": False, **words}))
    bar.show(1, 2, "x")
    assert bool(stream.getvalue()) is shown
