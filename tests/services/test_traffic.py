"""What was given out is remembered over restarts, costs nothing while nothing happens, and breaks nothing where it cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.services.traffic import TrafficLog
from pypidaemon.traffic import SIZE, STEP, Traffic
from pypidaemon.waits import Bell
from tests.gear import inline, later, now, waiting
from tests.house import NOON


@attrs.define
class Life:
    """A daemon's counts, over several starts."""

    path: Path
    clock: Clock = attrs.field(factory=Clock)
    counted: Traffic = Traffic()
    log: TrafficLog = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(NOON)

    def start(self, *, writes: bool = True) -> None:
        """With counts that begin anew, as they do in another process."""
        self.counted = Traffic()
        self.log = TrafficLog(self.path, self.clock, inline, writes, lambda: self.counted)
        self.log.startService()

    def stop(self) -> None:
        """In order."""
        now(self.log.stopService())
        assert not self.clock.getDelayedCalls()

    def month(self) -> Traffic:
        """All that is known."""
        return now(self.log.ring()).between(self.clock.seconds() - 29 * 86_400, self.clock.seconds())


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """Before its first start."""
    return Life(tmp_path / "traffic")


def test_it_is_remembered_over_a_restart(life: Life) -> None:
    """All of it after a stop, and after a loss of power what was counted in steps that were over."""
    life.start()
    life.counted = Traffic(4, 1, 400, 100)
    assert life.month() == life.counted
    life.stop()
    life.start()
    life.counted = Traffic(1, 0, 50, 0)
    life.clock.advance(STEP)
    life.counted = Traffic(9, 0, 50, 0)
    assert life.month() == Traffic(13, 1, 450, 100)
    life.start()
    assert life.month() == Traffic(5, 1, 450, 100)
    assert life.path.stat().st_size <= SIZE
    assert life.path.stat().st_mode & 0o077 == 0


def test_where_nothing_happens_nothing_is_written(life: Life) -> None:
    """So that the disk of a laptop sleeps."""
    life.start()
    for _ in range(10):
        life.clock.advance(STEP)
    life.stop()
    assert not life.path.exists()


def test_what_is_only_read_is_not_written(life: Life) -> None:
    """A read-only daemon shows what it finds."""
    life.start()
    life.counted = Traffic(4, 1, 400, 100)
    life.stop()
    before = life.path.read_bytes()
    life.start(writes=False)
    life.counted = Traffic(1)
    assert life.month() == Traffic(5, 1, 400, 100)
    life.clock.advance(STEP)
    life.stop()
    assert life.path.read_bytes() == before


def garbage(path: Path) -> None:
    """As a disk may leave it."""
    path.write_bytes(b"\xff" * (SIZE + 99))


@pytest.mark.parametrize("spoil", [garbage, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_whatever_lies_there_ends_nothing(life: Life, spoil: Callable[[Path], None]) -> None:
    """And is not followed, nor waited for."""
    spoil(life.path)
    life.start()
    assert life.month() == Traffic()
    life.counted = Traffic(2)
    life.clock.advance(STEP)
    assert life.month() == Traffic(2)
    life.stop()


def test_what_could_not_be_written_is_written_later(life: Life, tmp_path: Path) -> None:
    """As when the disk was full."""
    life.path = tmp_path / "away" / "traffic"
    life.start()
    life.counted = Traffic(2)
    life.clock.advance(STEP)
    life.path.parent.mkdir()
    life.counted = Traffic(3)
    life.clock.advance(STEP)
    life.start()
    assert life.month() == Traffic(3)


def test_who_asks_before_it_is_read_waits(life: Life) -> None:
    """And sees all of it then."""
    life.start()
    life.counted = Traffic(2)
    life.stop()
    bell = Bell()

    async def slow(function: Callable[..., object], /, *args: object) -> object:
        await bell.wait()
        return function(*args)

    life.counted = Traffic()
    log = TrafficLog(life.path, life.clock, slow, True, lambda: life.counted)  # type: ignore[arg-type]  # as `InThread`
    log.startService()
    found = later(log.ring())
    life.counted = Traffic(1)
    life.clock.advance(STEP)
    assert waiting(found)
    bell.ring()
    assert now(found).between(NOON - 86_400, NOON + STEP).files == 3
    stopped = log.stopService()
    bell.ring()
    now(stopped)
