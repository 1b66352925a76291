"""Clock times, and the moments at which clocks show them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given

from pypidaemon.clock_times import ahead, change, instants, read_clock, wall
from tests.clocks import at, shown, zone, zones_and_moments


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("3:15", 195), ("03:15", 195), ("23:59", 1439)])
def test_a_time_is_read(text: str, minutes: int) -> None:
    assert read_clock(text) == minutes


@pytest.mark.parametrize("text", ["", "3", "24:00", "12:60", "3:5", "03:15:00", "-3:15", "٣:15", " 3:15", "3:15pm", "9" * 5000])
def test_what_no_clock_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time such as 03:15"):
        read_clock(text)


def test_a_time_that_the_clock_shows_twice_has_two_moments() -> None:
    first, second = instants(datetime.fromisoformat("2026-10-25T02:30"), zone("Europe/Berlin"))
    assert (first, second) == (at("2026-10-25T00:30"), at("2026-10-25T01:30"))


def test_a_time_that_the_clock_leaves_out_is_the_moment_at_which_it_is_put_forward() -> None:
    berlin = zone("Europe/Berlin")
    assert instants(datetime.fromisoformat("2026-03-29T02:30"), berlin) == (at("2026-03-29T01:00"),) * 2
    assert instants(datetime.fromisoformat("2026-03-29T02:00"), berlin) == (at("2026-03-29T01:00"),) * 2


def test_any_other_time_has_one_moment() -> None:
    assert (
        instants(datetime.fromisoformat("2026-07-01T03:15"), zone("Australia/Sydney")) == (at("2026-07-01T03:15", "Australia/Sydney"),) * 2
    )


@given(zones_and_moments)
def test_a_moment_is_one_of_those_at_which_the_clock_shows_what_it_shows_then(drawn: tuple[str, float]) -> None:
    name, moment = drawn
    moment = float(int(moment))
    assert moment in instants(wall(moment, zone(name)), zone(name))


def test_the_moment_of_a_change_is_found() -> None:
    found = change(at("2026-10-24T12:00"), at("2026-10-26T12:00"), zone("Europe/Berlin"))
    assert shown(found, "Europe/Berlin") == "Sun 2026-10-25 02:00:00 +0100"
    assert shown(found - 1, "Europe/Berlin") == "Sun 2026-10-25 02:59:59 +0200"
    assert (ahead(found - 0.5, zone("Europe/Berlin")), ahead(found, zone("Europe/Berlin"))) == (7200, 3600)
