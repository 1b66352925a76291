"""One run for each index on a machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.mirroring.lock import Busy, RunLock
from tests.gear import inline, now

HOLD = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


async def take(lock: RunLock) -> None:
    """Take it and let it go."""
    async with lock.held():
        pass


async def take_twice(lock: RunLock, other: RunLock) -> None:
    """The same process may hold it twice, and another one not."""
    async with lock.held():
        async with lock.held():
            pass
        with pytest.raises(Busy):
            await take(other)


def test_M10_one_holds_it_and_may_hold_it_twice(tmp_path: Path) -> None:
    """Everybody else is told at once."""
    path = tmp_path / "lock"
    now(take_twice(RunLock(path, inline), RunLock(path, inline)))
    now(take(RunLock(path, inline)))


def test_M10_a_holder_that_was_killed_needs_no_cleaning_up_after(tmp_path: Path) -> None:
    """The system lets go of it."""
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(Busy, match="another process"):
        now(take(RunLock(path, inline)))
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    now(take(RunLock(path, inline)))


def test_what_cannot_be_a_lock_is_one_line(tmp_path: Path) -> None:
    """A link in its place is not followed."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PypidaemonError, match="cannot be made"):
        now(take(RunLock(tmp_path / "lock", inline)))
