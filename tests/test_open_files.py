"""Asking for enough open files."""

from __future__ import annotations

import resource

import pytest
from twisted.logger import globalLogPublisher

from pypidaemon.services.open_files import OpenFiles, read, write

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("now", "most", "got", "warned"),
    [
        (1024, 524288, 8256, False),
        (1024, ENDLESS, 8256, False),
        (65536, 65536, 65536, False),
        (1024, 4096, 4096, True),
        (256, 256, 256, True),
        (ENDLESS, ENDLESS, 8256, False),
    ],
)
def test_F61_as_many_files_are_asked_for_as_are_wanted(now: int, most: int, got: int, warned: bool) -> None:
    """And who runs the daemon is told where the system gives fewer."""
    limits = [(now, most)]
    told: list[int] = []
    lines: list[str] = []

    def observe(event: dict[str, object]) -> None:
        lines.append(str(event.get("log_format")))

    globalLogPublisher.addObserver(observe)
    try:
        OpenFiles(8256, told.append, lambda: limits[-1], limits.append).startService()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert told == [got]
    assert limits[-1] == (now if got == 8256 and now == ENDLESS else got, most)
    assert any("fewer will be let in" in line for line in lines) is warned


@pytest.mark.parametrize("error", [ValueError("not allowed"), PermissionError("not allowed")])
def test_F61_a_system_that_refuses_is_taken_at_its_word(error: Exception) -> None:
    told: list[int] = []

    def refuses(limits: tuple[int, int]) -> None:
        raise error

    OpenFiles(8256, told.append, lambda: (1024, 4096), refuses).startService()
    assert told == [1024]


def test_the_real_limits_are_read_and_can_be_written_back() -> None:
    """Writing what they are changes nothing."""
    before = read()
    write(before)
    assert read() == before
