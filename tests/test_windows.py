"""The hours of the day in which something may be done."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.windows import Window, Windows, windows
from tests.clocks import at, shown, zone, zones_and_moments

BERLIN = "Europe/Berlin"


def test_hours_are_read_and_read_back() -> None:
    found = windows("22:00-06:00\n 12:00-13:00 20:00-24:00")
    assert found == Windows((Window(1320, 360), Window(720, 780), Window(1200, 1440)))
    assert str(found) == "22:00-06:00 12:00-13:00 20:00-24:00"
    assert windows(str(found)) == found


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "must not be empty"),
        ("22:00", "is not hours such as 22:00-06:00"),
        ("22:00 - 06:00", "is not hours"),
        ("22:00-25:00", "is not a time"),
        ("24:00-06:00", "is not a time"),
        ("22:00-06:00-07:00", "is not a time"),
        ("06:00-06:00", "holds no minute; the whole day is 00:00-24:00"),
        ("00:00-00:00", "holds no minute"),
        ("01:00-02:00 " * 49, "more than 48"),
    ],
)
def test_what_is_no_hours_is_refused(raw: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        windows(raw)


@given(st.text(max_size=30) | st.text(st.sampled_from("0123456789:- "), max_size=30))
def test_a_text_is_hours_or_a_ValueError(raw: str) -> None:
    try:
        found: Windows | str = windows(raw)
    except ValueError as error:
        found = str(error)
    assert "\n" not in found if isinstance(found, str) else windows(str(found)) == found


@pytest.mark.parametrize(
    ("raw", "moment", "opens", "closes"),
    [
        ("22:00-06:00 12:00-13:00", "2026-06-01T11:00", "2026-06-01T12:00", "2026-06-01T11:00"),
        ("22:00-06:00 12:00-13:00", "2026-06-01T12:00", "2026-06-01T12:00", "2026-06-01T13:00"),
        ("22:00-06:00 12:00-13:00", "2026-06-01T13:00", "2026-06-01T22:00", "2026-06-01T13:00"),
        ("22:00-06:00", "2026-06-01T23:30", "2026-06-01T23:30", "2026-06-02T06:00"),
        ("22:00-24:00 00:00-06:00 05:00-07:00", "2026-06-01T23:30", "2026-06-01T23:30", "2026-06-02T07:00"),
    ],
)
def test_windows_open_and_close(raw: str, moment: str, opens: str, closes: str) -> None:
    found, now = windows(raw, zone(BERLIN)), at(moment, BERLIN)
    assert (found.opens(now), found.closes(now)) == (at(opens, BERLIN), at(closes, BERLIN))
    assert found.open_at(now) == (opens == moment)


@pytest.mark.parametrize("raw", ["00:00-24:00", "06:00-18:00 18:00-06:00", "00:00-12:00 11:00-24:00"])
def test_what_is_always_open_never_closes(raw: str) -> None:
    found = windows(raw, zone("UTC"))
    assert (found.opens(5.5), found.closes(5.5), found.open_at(5.5)) == (5.5, math.inf, True)


def test_a_window_in_a_repeated_hour_is_open_twice() -> None:
    found, moment, turns = windows("02:10-02:40", zone(BERLIN)), at("2026-10-25T00:00", BERLIN), []
    for _ in range(2):
        opens = found.opens(moment)
        moment = found.closes(opens)
        turns += [shown(opens, BERLIN)[15:], shown(moment, BERLIN)[15:]]
    assert turns == ["02:10:00 +0200", "02:40:00 +0200", "02:10:00 +0100", "02:40:00 +0100"]


def test_a_window_in_an_hour_left_out_is_not_open_that_day() -> None:
    found = windows("02:10-02:40", zone(BERLIN))
    assert shown(found.opens(at("2026-03-28T03:00", BERLIN)), BERLIN) == "Mon 2026-03-30 02:10:00 +0200"


def test_a_change_of_the_clocks_opens_and_closes() -> None:
    """At 03:00 it becomes 02:00, which is before the end; and at 02:00 it becomes 03:00, which is after it."""
    until = windows("01:00-02:30", zone(BERLIN))
    assert shown(until.opens(at("2026-10-25T02:30", BERLIN)), BERLIN) == "Sun 2026-10-25 02:00:00 +0100"
    assert shown(until.closes(at("2026-03-29T01:30", BERLIN)), BERLIN) == "Sun 2026-03-29 03:00:00 +0200"


CLOCK = st.sampled_from(range(0, 1440, 15)) | st.integers(0, 1439)
WINDOWS = st.lists(st.tuples(CLOCK, CLOCK).filter(lambda both: both[0] != both[1]).map(lambda both: Window(*both)), min_size=1, max_size=4)


@given(zones_and_moments, WINDOWS)
def test_windows_part_the_days_in_open_and_closed(drawn: tuple[str, float], chosen: list[Window]) -> None:
    """From each turn to the next it is the same at any minute, and at the next it is otherwise."""
    name, moment = drawn
    found, end = Windows(tuple(chosen), zone(name)), moment + 90_000
    while moment < end:
        opened = found.open_at(moment)
        turn = found.closes(moment) if opened else found.opens(moment)
        assert (found.opens(moment) if opened else found.closes(moment)) == moment
        assert turn > moment
        minute = moment
        while minute < min(turn, end):
            assert found.open_at(minute) is opened
            minute += 300
        assert turn == math.inf or found.open_at(turn) is not opened
        assert found.open_at(min(turn, end) - 1) is opened or min(turn, end) - 1 < moment
        moment = turn


def test_without_a_zone_it_is_the_machine_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    zone(BERLIN)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", BERLIN)
        time.tzset()
        try:
            opens = windows("22:00-06:00").opens(at("2026-06-01T12:00", BERLIN))
        finally:
            patch.undo()
            time.tzset()
    assert opens == at("2026-06-01T22:00", BERLIN)
