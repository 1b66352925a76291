"""When runs are due, also while the clocks are put forward and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.clock_times import wall
from pypidaemon.schedule import ByClock, Every, Schedule, schedule, spread
from tests.clocks import at, shown, zone, zones_and_moments

MONDAY = at("2026-06-01T12:00")


@pytest.mark.parametrize(
    ("raw", "spelled", "rhythm"),
    [
        ("every 6h", "every 6h", Every(21600.0)),
        (" Every  90m ", "every 90m", Every(5400.0)),
        ("hourly", "hourly", ByClock("0 * * * *")),
        ("daily 03:15", "daily 03:15", ByClock("15 3 * * *")),
        ("daily 3:15", "daily 3:15", ByClock("15 3 * * *")),
        ("Weekly Sun 23:05", "weekly sun 23:05", ByClock("5 23 * * sun")),
        ("15 3 * * MON-FRI", "15 3 * * mon-fri", ByClock("15 3 * * mon-fri")),
        ("*/10 8-18/2 1,15 jan-mar *", "*/10 8-18/2 1,15 jan-mar *", ByClock("*/10 8-18/2 1,15 jan-mar *")),
    ],
)
def test_a_schedule_is_read_and_reads_back(raw: str, spelled: str, rhythm: Every | ByClock) -> None:
    found = schedule(raw)
    assert (str(found), found) == (spelled, Schedule(spelled, rhythm))
    assert schedule(str(found)) == found


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "no schedule such as every 6h, hourly, daily 03:15"),
        ("nightly", "no schedule such as every 6h"),
        ("hourly 5", "no schedule"),
        ("every", "is not a duration"),
        ("every day", "is not a duration"),
        ("every 59s", "not between 1m and 366d"),
        ("every 0m", "not between"),
        ("every 53w", "not between"),
        ("every " + "9" * 180 + "w", "not between"),
        ("daily", "is not a time such as 03:15"),
        ("daily 24:00", "is not a time"),
        ("daily 03:15 05:15", "is not a time"),
        ("weekly 03:15", "names none of the days sun mon"),
        ("weekly sunday 03:15", "names none of the days"),
        ("weekly sun", "is not a time"),
        ("* * * *", "no schedule"),
        ("* * * * * *", "no schedule"),
        ("60 * * * *", "no schedule .*: bad minute"),
        ("0 0 * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 ? * *", "no schedule"),
        ("0 0 30 feb *", "bad day-of-month"),
        ("0 0 * * mon#5 # first", "no schedule"),
        ("* " * 101, "more than 200 characters"),
        ("٣ * * * *", "no schedule"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_line(raw: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        schedule(raw)
    assert "\n" not in str(caught.value)


def test_a_date_that_never_comes_is_refused() -> None:
    """The last day of a long February comes every four years; a second Sunday that is the first of the month never does."""
    assert shown(schedule("0 0 29 feb *", zone("UTC")).after(MONDAY), "UTC") == "Tue 2028-02-29 00:00:00 +0000"
    with pytest.raises(ValueError, match="never comes"):
        schedule("0 0 */31 feb sun#2")


@given(st.text(max_size=40) | st.text(st.sampled_from("0159*,-/#lw mon jan"), max_size=30))
def test_a_text_is_a_schedule_that_comes_or_a_ValueError(raw: str) -> None:
    try:
        found: Schedule | str = schedule(raw)
    except ValueError as error:
        found = str(error)
    assert "\n" not in found if isinstance(found, str) else found.after(MONDAY) > MONDAY


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("raw", "name", "after", "dues"),
    [
        ("daily 03:15", BERLIN, "2026-06-01T03:15", ["Tue 2026-06-02 03:15:00 +0200"]),
        ("weekly sun 03:15", BERLIN, "2026-06-01T12:00", ["Sun 2026-06-07 03:15:00 +0200", "Sun 2026-06-14 03:15:00 +0200"]),
        # 02:30 is left out: it is due at once after the change, once.
        ("daily 02:30", BERLIN, "2026-03-28T12:00", ["Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:30:00 +0200"]),
        ("*/20 2 * * *", BERLIN, "2026-03-28T12:00", ["Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:00:00 +0200"]),
        # 02:30 comes twice: it is due the first time.
        ("daily 02:30", BERLIN, "2026-10-24T12:00", ["Sun 2026-10-25 02:30:00 +0200", "Mon 2026-10-26 02:30:00 +0100"]),
        (
            "0 */2 * * *",
            BERLIN,
            "2026-10-24T23:59",
            ["Sun 2026-10-25 00:00:00 +0200", "Sun 2026-10-25 02:00:00 +0200", "Sun 2026-10-25 04:00:00 +0100"],
        ),
        ("0 */2 * * *", BERLIN, "2026-03-29T00:00", ["Sun 2026-03-29 03:00:00 +0200", "Sun 2026-03-29 04:00:00 +0200"]),
        # Each hour that passes.
        ("hourly", BERLIN, "2026-10-25T01:30", [f"Sun 2026-10-25 0{hour}:00:00 +0{ahead}00" for hour, ahead in ((2, 2), (2, 1), (3, 1))]),
        ("hourly", BERLIN, "2026-03-29T01:00", ["Sun 2026-03-29 03:00:00 +0200", "Sun 2026-03-29 04:00:00 +0200"]),
        (
            "30 * * * *",
            BERLIN,
            "2026-03-29T01:00",
            [f"Sun 2026-03-29 0{at} +0{ahead}00" for at, ahead in (("1:30:00", 1), ("3:00:00", 2), ("3:30:00", 2))],
        ),
        # Half an hour back, half an hour forward, at midnight, and a day left out.
        ("daily 01:45", "Australia/Lord_Howe", "2026-04-04T12:00", ["Sun 2026-04-05 01:45:00 +1100", "Mon 2026-04-06 01:45:00 +1030"]),
        ("daily 00:30", "America/Havana", "2026-03-07T12:00", ["Sun 2026-03-08 01:00:00 -0400", "Mon 2026-03-09 00:30:00 -0400"]),
        ("daily 12:00", "Pacific/Apia", "2011-12-29T12:00", ["Sat 2011-12-31 00:00:00 +1400", "Sat 2011-12-31 12:00:00 +1400"]),
        ("daily 02:30", "Australia/Sydney", "2026-10-03T12:00", ["Sun 2026-10-04 03:00:00 +1100", "Mon 2026-10-05 02:30:00 +1100"]),
        ("daily 02:30", "Australia/Sydney", "2026-04-04T12:00", ["Sun 2026-04-05 02:30:00 +1100", "Mon 2026-04-06 02:30:00 +1000"]),
    ],
)
def test_what_is_due_while_the_clocks_change(raw: str, name: str, after: str, dues: list[str]) -> None:
    """Once, whatever happens to the time; save that each hour that passes is an hour."""
    found, moment = schedule(raw, zone(name)), at(after, name)
    for due in dues:
        moment = found.after(moment)
        assert shown(moment, name) == due


def _by_hand(expression: str, name: str, begin: float, minutes: int) -> Iterator[float]:
    """The due times in so many minutes after that one, by looking at the clock every minute."""
    minute, hour = expression.split()[:2]
    step = int(hour[2:]) if "/" in hour else 0

    def matches(time: datetime) -> bool:
        on_hour = hour == "*" or (time.hour % step == 0 if step else time.hour == int(hour))
        return on_hour and (time.minute % int(minute[2:]) == 0 if "/" in minute else time.minute == int(minute))

    highest = wall(begin - 86400, zone(name))
    for passed in range(-1440, minutes):
        now = begin + passed * 60
        clock = wall(now, zone(name))
        if clock <= highest:
            if hour == "*" and matches(clock) and now > begin:
                yield now
            continue
        due = False
        while highest < clock:
            highest += timedelta(minutes=1)
            due = due or matches(highest)
        if due and now > begin:
            yield now


EXPRESSIONS = st.builds(
    lambda minute, hour: f"{minute} {hour} * * *",
    st.sampled_from(["0", "30", "59", "*/15", "*/7"]),
    st.sampled_from(["*", "0", "1", "2", "3", "23", "*/2", "*/5"]),
)


@given(zones_and_moments, EXPRESSIONS)
def test_due_times_are_those_that_one_sees_who_looks_at_the_clock_every_minute(drawn: tuple[str, float], expression: str) -> None:
    name, moment = drawn[0], drawn[1] // 60 * 60
    found = schedule(expression, zone(name))
    due = moment
    for expected in _by_hand(expression, name, moment, 2880):
        due = found.after(due)
        assert shown(due, name) == shown(expected, name)


SCHEDULES = EXPRESSIONS | st.sampled_from(
    ["hourly", "every 6h", "every 1m", "daily 02:30", "weekly sun 02:30", "* * * * *", "0 0 1 * *", "5 * l * *", "0 2 * oct 0l"]
)


@given(zones_and_moments, SCHEDULES, st.floats(0, 200_000))
def test_due_times_lie_ahead_and_never_fall(drawn: tuple[str, float], raw: str, later: float) -> None:
    name, moment = drawn
    found = schedule(raw, zone(name))
    due = found.after(moment)
    assert moment < due
    assert due <= found.after(moment + later)
    if not raw.startswith("every"):
        # Whatever lies between a moment and its due time has the same one; and after it comes the next.
        assert found.after((moment + due) / 2) == due
        assert found.after(due) > due


def test_without_a_zone_it_is_the_machine_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    zone(BERLIN)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", BERLIN)
        time.tzset()
        try:
            dues = [schedule("daily 02:30").after(at(day, BERLIN)) for day in ("2026-03-28T12:00", "2026-10-24T12:00", "2026-06-01T12:00")]
            hours = schedule("hourly").after(at("2026-10-25T02:00", BERLIN))
        finally:
            patch.undo()
            time.tzset()
    expected = ["Sun 2026-03-29 03:00:00 +0200", "Sun 2026-10-25 02:30:00 +0200", "Tue 2026-06-02 02:30:00 +0200"]
    assert [shown(due, BERLIN) for due in dues] == expected
    assert shown(hours, BERLIN) == "Sun 2026-10-25 02:00:00 +0100"


@pytest.mark.parametrize("raw", ["every 6h", "daily 03:15", "hourly"])
def test_what_never_ran_is_due_at_once(raw: str) -> None:
    found = schedule(raw, zone("UTC"))
    assert found.missed(None, MONDAY)
    assert found.due(None, MONDAY) == MONDAY


@pytest.mark.parametrize(
    ("raw", "last", "missed", "due"),
    [
        ("every 6h", "2026-06-01T06:00", True, "2026-06-01T12:00"),
        ("every 6h", "2026-06-01T06:01", False, "2026-06-01T12:01"),
        ("every 6h", "2026-05-01T00:00", True, "2026-06-01T12:00"),
        ("daily 03:15", "2026-06-01T03:15", False, "2026-06-02T03:15"),
        ("daily 03:15", "2026-06-01T03:14", True, "2026-06-01T12:00"),
        ("daily 12:00", "2026-06-01T11:59", True, "2026-06-01T12:00"),
        # The clock was wrong when it last ran.
        ("daily 03:15", "2099-01-01T00:00", False, "2026-06-02T03:15"),
        ("every 6h", "2099-01-01T00:00", False, "2026-06-01T18:00"),
    ],
)
def test_a_run_that_was_due_while_nothing_ran_is_made_up_once(raw: str, last: str, missed: bool, due: str) -> None:
    """F90."""
    found = schedule(raw, zone("UTC"))
    assert found.missed(at(last), MONDAY) is missed
    assert found.due(at(last), MONDAY) == at(due)


def test_runs_are_put_off_by_a_share_of_the_jitter() -> None:
    assert [spread(1000.0, 600.0, share) for share in (0.0, 0.5, 1.0)] == [1000.0, 1300.0, 1600.0]
