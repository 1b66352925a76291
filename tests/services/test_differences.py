"""Two lists compared part by part come out as they do when they are compared whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import NormalizedName
from pypidaemon.plans import compare
from pypidaemon.services.mirroring import differences
from tests.gear import inline, now

NAMES = st.sampled_from([NormalizedName(f"seed-{number:02}") for number in range(40)])
LISTS = st.dictionaries(NAMES, st.integers(0, 5), max_size=40)


async def gathered(there: Any, here: Any, waiting: Any, again: Any) -> list[Any]:
    """All steps, one after the other."""
    held = sorted(here.items())

    async def serials(after: str, limit: int) -> Any:
        return [entry for entry in held if entry[0] > after][:limit]

    found: list[Any] = []
    steps = differences.differences(iter(sorted(there.items())), serials, lambda name: not name.endswith("7"), waiting, again, inline)
    async for some in steps:
        found += some
    return found


@given(LISTS, LISTS, st.sets(NAMES))
def test_parts_do_not_matter(there: dict[NormalizedName, int], here: dict[NormalizedName, int], waiting: set[NormalizedName]) -> None:
    """Save for the order of what nobody need wait for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differences, "PART", 3)
        found = now(gathered(there, here, sorted(waiting), lambda _: False))
    whole = compare(iter(sorted(there.items())), iter(sorted(here.items())), lambda name: not name.endswith("7"), waiting)
    assert sorted(map(repr, found)) == sorted(map(repr, whole))


def test_what_the_rules_have_changed_for_is_looked_at_again() -> None:
    """Though its serial is the same."""
    alpha, beta = NormalizedName("alpha"), NormalizedName("beta")
    found = now(gathered({alpha: 1, beta: 1}, {alpha: 1, beta: 1}, [], lambda name: name == beta))
    assert [step.name for step in found] == ["beta"]
