"""Nothing that came after a moment."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename
from pypidaemon.model import File, NormalizedName
from pypidaemon.moments import moment, written
from pypidaemon.policies.freeze import Freeze

ALPHA = NormalizedName("alpha")
NOON = moment("2026-03-01T12:00:00Z")
FILE = File(filename("alpha-1.0.tar.gz"))


def refusal(policy: Freeze, upload_time: str | None) -> str | None:
    return policy.refusal(ALPHA, attrs.evolve(FILE, upload_time=upload_time), 0.0)


@pytest.mark.parametrize(
    "shown", ["2025-01-01T00:00:00Z", "2026-03-01T11:59:59.999999Z", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000000Z"]
)
def test_what_came_up_to_the_moment_is_shown(shown: str) -> None:
    assert refusal(Freeze("f", NOON), shown) is None


@pytest.mark.parametrize("hidden", ["2026-03-01T12:00:00.000001Z", "2026-03-01T12:00:01Z", "2026-11-25T10:00:00.5Z"])
def test_what_came_later_is_hidden_and_says_both_moments(hidden: str) -> None:
    assert refusal(Freeze("f", NOON), hidden) == f"uploaded {hidden}, after 2026-03-01T12:00:00Z"


def test_what_nobody_can_date_is_hidden_unless_the_rule_says_otherwise() -> None:
    for unreadable in (None, "2026-01-01T00:00:00", "yesterday"):
        assert refusal(Freeze("f", NOON), unreadable) == "its upload time is not known"
        assert refusal(Freeze("f", NOON, "show"), unreadable) is None


def test_no_project_is_hidden_as_a_whole() -> None:
    assert Freeze("f", NOON).refusal(ALPHA, None, 0.0) is None


@given(st.integers(0, 4_000_000_000), st.integers(0, 4_000_000_000), st.floats(0, 4e9))
def test_the_clock_has_no_say(uploaded: int, until: int, now: float) -> None:
    """Two daemons frozen at one moment show the same, whenever they are asked."""
    hidden = Freeze("f", float(until)).refusal(ALPHA, attrs.evolve(FILE, upload_time=written(uploaded)), now)
    assert (hidden is None) == (uploaded <= until)
