"""Counters that one process counts and others look at."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pypidaemon.workers.generations import SLOTS, Generations


@pytest.fixture
def counting() -> Iterator[tuple[Generations, Generations]]:
    """The keeper's, and a front's."""
    own = Generations.begun()
    seen = Generations(os.dup(own.descriptor), False)
    yield own, seen
    own.close()
    seen.close()


def test_a_change_is_seen_at_once_and_only_where_it_is(counting: tuple[Generations, Generations]) -> None:
    own, seen = counting
    own.change("alpha")
    slot = own.slot("alpha")
    assert [number for number, count in enumerate(seen.counts) if count] == [slot]
    own.change(None)
    own.change("alpha")
    assert (seen.counts[0], seen.counts[slot]) == (1, 2)


def test_only_the_keeper_counts(counting: tuple[Generations, Generations]) -> None:
    with pytest.raises(TypeError):
        counting[1].change("alpha")


def test_every_name_has_a_counter_of_projects() -> None:
    """Never that of everything."""
    slots = {Generations.slot(f"project-{number}") for number in range(20_000)}
    assert slots == set(range(1, SLOTS + 1))
