"""Syncing a whole volume: when it is worth it, where it can be trusted, and that it is done."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon import flushing
from pypidaemon.flushing import EACH, FEWEST, LITTLE, MANY, OTHERS, flushed, is_recent, kind_of

MOUNTS = """\
22 28 0:21 / /proc rw,relatime shared:12 - proc proc rw
28 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 28 8:17 /a /data rw,relatime shared:1 master:2 - xfs /dev/sdb1 rw
broken
"""


@pytest.mark.parametrize(("device", "kind"), [((0, 21), "proc"), ((254, 0), "ext4"), ((8, 17), "xfs"), ((8, 1), ""), ((25, 4), "")])
def test_the_kind_of_a_file_system_is_read_off_by_its_number(device: tuple[int, int], kind: str) -> None:
    assert kind_of(MOUNTS, os.makedev(*device)) == kind


@given(st.text(max_size=200))
def test_whatever_the_list_of_mounts_says_is_an_answer(mounts: str) -> None:
    assert isinstance(kind_of(mounts + "\n1 1 8:1 - -", os.makedev(8, 1)), str)


@pytest.mark.parametrize(
    ("release", "recent"), [("5.16.20", False), ("5.17.0", True), ("6.18.44-fc", True), ("4.19", False), ("10.0", True), ("none", False)]
)
def test_an_old_system_that_does_not_tell_of_failures_is_not_asked(release: str, recent: bool) -> None:
    assert is_recent(release) is recent


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the system's call was called with, of which it says the first two times that all is well, and then that the disk is broken."""
    called: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: None)

    def syncfs(descriptor: int) -> int:
        called.append(descriptor)
        ctypes.set_errno(errno.EIO)
        return 0 if len(called) < 3 else -1

    monkeypatch.setattr(flushing, "_syncfs", lambda: syncfs)
    monkeypatch.setattr(flushing, "_is_known", lambda _: True)
    monkeypatch.setattr(flushing, "_waiting", lambda: 0)
    return called


@pytest.mark.parametrize(
    ("count", "waiting"), [(FEWEST, LITTLE + FEWEST * EACH), (MANY - 1, LITTLE + (MANY - 1) * EACH), (MANY, OTHERS + MANY * EACH)]
)
def test_the_more_things_there_are_the_more_of_others_may_come_with_them(
    asked: list[int], monkeypatch: pytest.MonkeyPatch, count: int, waiting: int
) -> None:
    monkeypatch.setattr(flushing, "_waiting", lambda: waiting)
    assert flushed(0, count)
    monkeypatch.setattr(flushing, "_waiting", lambda: waiting + 1)
    assert not flushed(0, count)


def test_few_things_are_not_worth_it_and_what_failed_is_said_to_have(asked: list[int]) -> None:
    assert [flushed(0, count) for count in (FEWEST - 1, FEWEST, 1000)] == [False, True, True]
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        flushed(0, 1000)
    assert asked == [0, 0, 0]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.ENOSYS, errno.EPERM])
def test_where_somebodys_file_had_no_room_or_the_call_is_forbidden_each_thing_is_synced_alone(
    asked: list[int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(flushing, "_syncfs", lambda: lambda _: ctypes.set_errno(code) or -1)
    assert not flushed(0, 100)


def test_a_volume_that_was_shut_down_or_can_only_be_read_is_not_believed(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which older systems say that all of it is on the disk. Nobody else may be told of it, so it is no mere no."""

    def shut_down(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", shut_down)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            flushed(0, 100)
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        flushed(0, 100)
    assert len(asked) == 2


def test_nobody_waits_for_much_that_others_have_written(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_waiting", lambda: OTHERS + 100 * EACH + 1)
    assert not flushed(0, 100)
    assert asked == []
    assert flushed(0, 101)


def test_a_file_system_that_is_not_known_is_not_trusted(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_is_known", lambda _: False)
    assert not flushed(0, 100)
    assert asked == []


def test_a_system_without_the_call_is_no_fault(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_syncfs", lambda: None)
    assert not flushed(0, 100)


def test_where_the_system_does_not_say_how_it_is_each_thing_is_synced_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", missing)
        flushing._is_known.cache_clear()
        assert not flushed(0, 1_000_000)
        assert not flushing._is_known(1)
        flushing._is_known.cache_clear()
    for call in ("open", "read"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, missing)
            assert flushing._waiting() > OTHERS + 1_000_000 * EACH


def test_the_systems_own_call_is_made_and_its_answer_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_is_known", lambda _: True)
    monkeypatch.setattr(flushing, "_waiting", lambda: 0)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "file").write_bytes(b"data")
    try:
        assert flushed(descriptor, 100) is (flushing._syncfs() is not None)
    finally:
        os.close(descriptor)
    call = flushing._syncfs()
    assert call is None or (call(descriptor), ctypes.get_errno()) == (-1, errno.EBADF)


def test_the_machine_says_how_much_waits_to_be_written() -> None:
    assert 0 <= flushing._waiting() < 1 << 50


@pytest.mark.parametrize("release", ["4.4", "6.1"])
def test_the_call_is_looked_for_once(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    flushing._syncfs.cache_clear()
    found = flushing._syncfs()
    assert (found is None) or release != "4.4"
    assert flushing._syncfs() is found
    flushing._syncfs.cache_clear()
