"""What upstream says about how long it may be believed, and what we say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon import freshness

YEAR = 31_536_000


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        ([""], None),
        (["public"], None),
        (["max-age=600, public"], 600),
        (["public", "MAX-AGE = 600"], 600),
        (['max-age="600"'], 600),
        (["max-age=600, s-maxage=10"], 10),
        (["s-maxage=0, max-age=600"], 0),
        (["max-age=600, no-cache"], 0),
        (["max-age=600", "No-Store"], 0),
        (['max-age=600, no-cache="set-cookie, x"'], 0),
        (["max-age=5, max-age=600"], 5),
        (["max-age=, max-age=-1, max-age=1.5, max-age=x, max-age=" + chr(0x661)], None),
        (["max-age=x, max-age=7"], 7),
        (['extension="a, max-age=1", max-age=9'], 9),
        (["max-age=99999999999999"], YEAR),
        (["max-age=" + "9" * 10_000], YEAR),
        (["max-age=" + "0" * 10_000 + "8"], 8),
        (["max-age=99999999"], YEAR),
    ],
)
def test_max_age_is_read_as_a_shared_cache_must(lines: list[str], seconds: float | None) -> None:
    assert freshness.max_age(lines) == seconds


@given(st.lists(st.text(max_size=60) | st.text(st.sampled_from('max-age=,"0123456789 \\s'), max_size=60), max_size=4))
def test_max_age_never_raises_and_is_bounded(lines: list[str]) -> None:
    found = freshness.max_age(lines)
    assert found is None or 0 <= found <= YEAR


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, 0), ("", 0), ("12", 12), (" 12 ", 12), ("-1", 0), ("soon", 0), ("9" * 5000, YEAR), ("12, 13", 0)]
)
def test_age(header: str | None, seconds: float) -> None:
    assert freshness.age(header) == seconds


@pytest.mark.parametrize(
    ("said", "cap", "age", "life"),
    [
        (60, 600, 0, 60),
        (3600, 600, 0, 600),
        (None, 600, 0, 600),
        (0, 600, 0, 0),
        (600, 600, 550, 50),
        (600, 600, 700, 0),
        (3600, 600, 1000, 600),
        (None, 600, 100, 500),
        (60, 0, 0, 0),
    ],
)
def test_fresh_for_what_upstream_says_less_age_at_most_the_cap(said: float | None, cap: float, age: float, life: float) -> None:
    assert freshness.fresh_until(1000.0, said, cap, age) == 1000.0 + life


def test_an_answer_is_fresh_until_its_time_comes() -> None:
    assert freshness.is_fresh(9.9, 10.0)
    assert not freshness.is_fresh(10.0, 10.0)
    assert not freshness.is_fresh(11.0, 10.0)
    assert freshness.is_fresh(11.0, None)


def test_F44_a_stamp_from_the_far_future_is_expired() -> None:
    """A clock that was ten years ahead left stamps behind; they must not stay fresh for ten years."""
    now = 1_000_000.0
    assert freshness.is_fresh(now, now + YEAR)
    assert not freshness.is_fresh(now, now + YEAR + 1)
    assert not freshness.is_fresh(now, math.inf)
    assert not freshness.is_fresh(now, math.nan)
    assert freshness.remaining(now, now + 10 * YEAR) == 0


@pytest.mark.parametrize(("until", "seconds"), [(1000.0, 0), (900.0, 0), (1000.9, 0), (1059.9, 59), (5000.0, 600), (None, 0)])
def test_R75_R76_our_promise_is_what_is_left_in_whole_seconds_at_most_the_cap(until: float | None, seconds: int) -> None:
    assert freshness.remaining(1000.0, until) == seconds


def test_R76_the_cap_can_be_chosen() -> None:
    assert freshness.remaining(0.0, 500.0, 30) == 30


@given(st.floats(0, 4e9), st.none() | st.floats(0, 1e9), st.floats(0, 1e6), st.floats(0, 1e9))
def test_R76_never_promise_more_than_upstream_did(now: float, said: float | None, cap: float, age: float) -> None:
    until = freshness.fresh_until(now, said, cap, age)
    assert now <= until <= now + cap
    left = freshness.remaining(now, until)
    assert 0 <= left <= 600
    assert left <= cap
