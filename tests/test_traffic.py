"""The ring of what was given out and fetched."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.traffic import KEPT, LENGTH, SIZE, STEP, Traffic, TrafficRing, step

NOON = 1_780_000_200.0
counts = st.integers(0, 2**28)
traffics = st.builds(Traffic, counts, counts, counts, counts)


def test_a_hit_is_a_file_that_was_here() -> None:
    """And nothing is claimed where there is nothing, or where others fetched more."""
    one = Traffic(files=10, waited=4, served=1000, fetched=300)
    assert (one.hits, one.rate, one.saved) == (6, 0.6, 700)
    other = Traffic(waited=3, served=1, fetched=5)
    assert (other.hits, other.rate, other.saved) == (0, None, 0)
    assert one + other == Traffic(10, 7, 1001, 305)


def test_what_was_counted_anew_takes_nothing_away() -> None:
    """As after a part was made anew."""
    assert Traffic(5, 1, 100, 9).since(Traffic(3, 2, 40, 9)) == Traffic(2, 0, 60, 0)


def test_a_month_is_remembered_and_then_forgotten() -> None:
    """The newest takes the place of the oldest; nothing grows."""
    ring = TrafficRing()
    ring.add(NOON, Traffic(1, 0, 10, 0))
    ring.add(NOON + 1, Traffic(1, 1, 10, 5))
    assert ring.spans(NOON, STEP, 1) == [Traffic(2, 1, 20, 5)]
    ring.add(NOON + KEPT * STEP, Traffic(7))
    assert sum((one.files for one in ring.spans(NOON + KEPT * STEP, 86_400, 32)), 0) == 7
    assert len(ring.image) == SIZE == KEPT * LENGTH


def test_spans_begin_at_multiples_of_their_width() -> None:
    """So that a bar does not change its hours from one look to the next."""
    ring = TrafficRing()
    day = NOON - NOON % 86_400
    for moment in (day - 1, day, day + 3599, day + 3600, day + 86_399, day + 86_400):
        ring.add(moment, Traffic(files=1))
    assert [one.files for one in ring.spans(day + 7000, 3600, 3)] == [1, 2, 1]
    assert [one.files for one in ring.spans(day, 86_400, 2)] == [1, 4]
    assert (ring.between(day, day + 3599).files, ring.between(day - 1, day + 86_400).files) == (2, 6)


@given(st.lists(st.tuples(st.integers(0, KEPT - 1), traffics), max_size=8))
def test_it_reads_back_what_it_wrote(added: list[tuple[int, Traffic]]) -> None:
    """Piece by piece, as a file gets it."""
    ring, file = TrafficRing(), bytearray(SIZE)
    for back, traffic in added:
        place = ring.add(NOON - back * STEP, traffic)
        file[place * LENGTH : (place + 1) * LENGTH] = ring.piece(place)
    again = TrafficRing.read(bytes(file))
    assert again.image == ring.image
    total = sum((one for _, one in added), Traffic())
    assert sum(again.spans(NOON, 10**8, 2), Traffic()) == total


@given(st.binary(max_size=5 * LENGTH), st.integers(0, KEPT - 1), st.integers(0, LENGTH - 1), st.integers(1, 255))
def test_what_is_no_step_is_none(noise: bytes, back: int, at: int, flip: int) -> None:
    """Whatever a disk gives, and where one bit of a step is another."""
    assert sum(TrafficRing.read(noise).spans(NOON, 10**8, 2), Traffic()) == Traffic()
    ring = TrafficRing()
    place = ring.add(NOON - back * STEP, Traffic(1, 1, 1, 1))
    ring.image[place * LENGTH + at] ^= flip
    assert sum(TrafficRing.read(bytes(ring.image) + noise).spans(NOON, 10**8, 2), Traffic()) == Traffic()


@pytest.mark.parametrize("moment", [-1e12, 0.0, 1e18])
def test_a_clock_that_is_wrong_breaks_nothing(moment: float) -> None:
    """Nor does more than there is room for."""
    ring = TrafficRing()
    ring.add(moment, Traffic(2**40, 2**40, 2**70, 2**70))
    assert step(moment) in {1, 2**32 - 1}
    [found] = ring.spans(step(moment) * STEP, STEP, 1)
    assert attrs.astuple(found) == (2**32 - 1, 2**32 - 1, 2**64 - 1, 2**64 - 1)
