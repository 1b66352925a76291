"""Moments as packages and settings write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import File, Filename
from pypidaemon.moments import day, moment, uploaded, written
from tests.strategies import upload_times

DAY = 1_772_323_200.0


def of(text: str | None) -> float | None:
    return uploaded(File(Filename("foo-1.0.tar.gz"), upload_time=text))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01T00:00:00Z", DAY),
        ("2026-03-01T00:00:00.5Z", DAY + 0.5),
        ("2026-03-01T00:00:00.250000Z", DAY + 0.25),
        ("1970-01-01T00:00:00Z", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
        (None, None),
        ("", None),
        ("2026-03-01T00:00:00", None),
        ("2026-03-01T00:00:00+00:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("soonZ", None),
    ],
)
def test_PEP700_an_upload_time_is_a_moment_or_not_known(text: str | None, seconds: float | None) -> None:
    assert of(text) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("2026-03-01", DAY), (" 2026-03-01T00:00:01Z ", DAY + 1), ("0001-01-01", -62_135_596_800.0)])
def test_a_moment_is_a_day_or_a_second(text: str, seconds: float) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a moment such as"),
        ("tomorrow", "not a moment such as"),
        ("2026-3-1", "not a moment such as"),
        ("20260301", "not a moment such as"),
        ("2026-03-01T00:00:00", "not a moment such as"),
        ("2026-03-01T00:00:00.5Z", "not a moment such as"),
        ("2026-03-01T00:00:00+01:00", "not a moment such as"),
        ("٢٠٢٦-03-01", "not a moment such as"),
        ("2026-02-30", "there is no moment 2026-02-30"),
        ("2026-03-01T24:00:01Z", "there is no moment"),
        ("0000-01-01", "there is no moment"),
    ],
)
def test_what_is_no_moment_is_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        moment(text)


@given(upload_times)
def test_an_upload_time_is_the_moment_that_it_says(text: str) -> None:
    assert of(text) == datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp()


@given(st.floats(-1e12, 1e12))
def test_what_is_written_reads_back_to_the_second(seconds: float) -> None:
    text = written(seconds)
    if datetime.min.replace(tzinfo=UTC).timestamp() <= seconds < 253_402_300_800:
        assert moment(text) == seconds // 1
    assert written(moment(text)) == text


@given(st.text(st.sampled_from("0123456789-T:Z. "), max_size=24))
def test_any_text_is_a_moment_or_a_reason(text: str) -> None:
    refused: str | None = None
    try:
        assert written(moment(text)).startswith(text.strip()[:10])
    except ValueError as error:
        refused = str(error)
    assert refused is None or len(refused.splitlines()) == 1


def test_a_day_is_that_of_utc() -> None:
    assert [day(DAY - 0.5), day(DAY), day(DAY + 86_399.9), day(-1e30), day(1e30)] == [
        "2026-02-28",
        "2026-03-01",
        "2026-03-01",
        "0001-01-01",
        "9999-12-31",
    ]
