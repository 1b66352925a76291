"""The ballast: made while there is room, and let go when there is none to start with (F55)."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pypidaemon.services.ballast import BALLAST, LARGEST, Ballast
from pypidaemon.volume import Space

GIB = 1 << 30


def test_F55_it_is_made_and_let_go(tmp_path: Path) -> None:
    place = tmp_path / BALLAST
    spaces = [Space(LARGEST, 2 * GIB)]
    ballast = Ballast(tmp_path, lambda _: spaces[-1])
    ballast.startService()
    # There is room to start, and none to waste.
    assert not place.exists()
    spaces.append(Space(GIB, 2 * GIB))
    ballast.startService()
    assert place.stat().st_size == LARGEST
    assert place.stat().st_blocks * 512 >= LARGEST
    ballast.startService()
    spaces.append(Space(LARGEST - 1, 2 * GIB))
    ballast.startService()
    assert not place.exists()
    # Without one the start is tried all the same.
    ballast.startService()
    assert list(tmp_path.iterdir()) == []


def test_on_a_small_volume_it_is_small(tmp_path: Path) -> None:
    Ballast(tmp_path, lambda _: Space(8 << 20, 8 << 20)).startService()
    assert (tmp_path / BALLAST).stat().st_size == (8 << 20) // 32


def test_where_it_cannot_be_had_the_daemon_starts_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("os.posix_fallocate", full)
    Ballast(tmp_path, lambda _: Space(GIB, 2 * GIB)).startService()
    assert list(tmp_path.iterdir()) == []
    Ballast(tmp_path / "nowhere").startService()
