"""What errors say of themselves, and what they carry for whoever catches them."""

from __future__ import annotations

import pytest

from pypidaemon import errors


def test_S59_the_text_is_one_line_that_a_log_can_take() -> None:
    assert str(errors.PypidaemonError("no such\nproject:\x1b[0m x")) == "no such project:?[0m x"
    assert str(errors.PypidaemonError("no such project: naïve")) == "no such project: naïve"


@pytest.mark.parametrize(
    ("error", "line", "carried"),
    [
        (errors.NoSuchProject("alpha", 5.0), "no such project: alpha", {"name": "alpha", "until": 5.0}),
        (errors.NoSuchFile("alpha-1.0.zip"), "no such file: alpha-1.0.zip", {"filename": "alpha-1.0.zip"}),
        (errors.NoSuchRelease("alpha", "1.0"), "no such release: alpha==1.0", {"filename": "alpha==1.0"}),
        (errors.Changed("the list"), "the list changed while it was opened", {"what": "the list"}),
        (errors.NotAllowed("no", would_help=True), "no", {"would_help": True}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_says_what_and_carries_it(error: errors.PypidaemonError, line: str, carried: dict[str, object]) -> None:
    assert str(error) == line
    assert {name: getattr(error, name) for name in carried} == carried


@pytest.mark.parametrize(("seconds", "said"), [(-3, 1), (0, 1), (7, 7), (3600, 60)])
def test_R217_who_tried_too_often_waits_a_second_at_least_and_a_minute_at_most(seconds: int, said: int) -> None:
    assert errors.TooManyAttempts(seconds).retry_after == said
    assert errors.TooManyRequests(seconds).retry_after == said
