"""What was overtaken while it was made, and how old things are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.readings import Ages, Readings

KEYS = st.sampled_from(["a", "b", "c", "d"])


@pytest.mark.parametrize(("key", "holds"), [("a", False), ("b", True), (None, False)])
def test_a_reading_holds_until_a_change_of_the_same_or_of_all(key: str | None, holds: bool) -> None:
    readings: Readings[str] = Readings()
    with readings.of("a") as reading, readings.of("a") as other:
        readings.spoil(key)
        assert reading.holds == other.holds == holds
    readings.spoil("a")
    assert reading.holds == holds


@given(st.lists(KEYS | st.none(), max_size=12), st.lists(KEYS | st.none(), min_size=1, max_size=12), st.integers(1, 3))
def test_an_age_differs_after_every_change_however_few_keys_are_told_apart(
    before: list[str | None], since: list[str | None], most: int
) -> None:
    """Where nothing happened to a key it may differ too, but not as long as there is room."""
    ages: Ages[str] = Ages(most)
    roomy: Ages[str] = Ages()
    for change in before:
        ages.change(change)
        roomy.change(change)
    old, seen = {key: ages.of(key) for key in "abcd"}, {key: roomy.of(key) for key in "abcd"}
    for change in since:
        ages.change(change)
        roomy.change(change)
    for key in "abcd":
        changed = key in since or None in since
        assert not changed or ages.of(key) != old[key]
        assert (roomy.of(key) != seen[key]) == changed
