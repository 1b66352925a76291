"""How much room there is, and the floor below which nothing is kept that could be fetched again."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock

from pypidaemon.volume import AGE, Room, Space, measured
from tests.gear import inline, now

GIB = 1 << 30


def test_F53_the_floor_is_a_gibibyte_or_a_twentieth_whichever_is_less() -> None:
    assert Space(0, 100 * GIB).floor == GIB
    assert Space(0, 8 << 20).floor == (8 << 20) // 20


def test_a_real_volume_is_measured_also_before_its_folder_is_there(tmp_path: Path) -> None:
    found = measured(tmp_path / "not" / "yet")
    assert 0 <= found.free <= found.total
    assert found.total == measured(tmp_path).total


def test_F53_what_may_be_kept_counts_from_then_on_and_the_volume_is_not_asked_each_time() -> None:
    clock, asked, missed = Clock(), [], []
    clock.advance(100)

    def measure(path: Path) -> Space:
        asked.append(path)
        return Space(GIB + 1_000, 100 * GIB)

    room = Room(Path("/data"), clock, inline, measure, short=lambda: missed.append(1))
    assert [now(room.spare(size)) for size in (600, 600, 400)] == [True, False, True]
    assert not now(room.spare(1))
    assert (room.held, len(asked), len(missed)) == (1_000, 1, 2)
    clock.advance(AGE)
    # It is as free as before: what was to come did not.
    assert now(room.spare(600))
    assert len(asked) == 2


def test_a_budget_is_not_passed() -> None:
    room = Room(Path("/data"), Clock(), inline, lambda _: Space(50 * GIB, 100 * GIB), limit=1_000, held=900)
    assert [now(room.spare(size)) for size in (101, 100, 1, 0)] == [False, True, False, True]


def test_a_volume_that_cannot_be_asked_is_tried() -> None:
    def measure(_: Path) -> Space:
        raise OSError(5, "Input/output error")

    room = Room(Path("/data"), Clock(), inline, measure)
    assert now(room.spare(1))
    assert now(room.space()) is None
