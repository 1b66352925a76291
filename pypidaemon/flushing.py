"""
A whole volume brought to the disk at one stroke, where that costs less than to wait for one file and folder after the other: Linux's syncfs(2).

It does all that fsync(2) does for each, and for whatever else is not on the disk yet. So it is only asked for where many things are to be synced and little
else would come with them, and only of file systems that are known to confirm it as they confirm an fsync.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache, lru_cache
from typing import Any

FEWEST = 2
"""Things from which on the volume is synced, and not each of them, where little else would come with them: one upload takes half as long."""

MANY = 6
"""Things from which on it is also where more comes with them."""

LITTLE = 8 << 20
"""Bytes that may wait to be written, of anybody's, on the whole machine, where there are few things. They are waited for once, and then they are written."""

OTHERS = 32 << 20
"""The same where there are many: more would be waited for too long."""

EACH = 1 << 20
"""How many more may wait for each of those things: about what a disk could write in the time in which it brings one thing alone to where it stays."""

_KNOWN = frozenset({"ext3", "ext4", "xfs", "btrfs"})
"""File systems on a disk of this machine. Others may answer before their server has written anything, and f2fs says that all is well after it gave up."""

_SINCE = (5, 17)
"""The first Linux whose syncfs says that something could not be written, the journal included."""

_WAITING = re.compile(rb"^(?:Dirty|Writeback): +([0-9]+) kB$", re.MULTILINE)


def flushed(descriptor: int, count: int) -> bool:
    """
    Bring all of the volume of that descriptor to the disk if it is worth it for so many things; answer whether that was done.

    What is written through no page of the system's cache counts as written. Where it fails it says no, since it may have failed on somebody else's file.

    :param descriptor: of a folder, opened before any of those things was written.
    """
    if count < FEWEST or not _is_known(os.fstat(descriptor).st_dev) or _waiting() > _most(count):
        return False
    syncfs = _syncfs()
    return syncfs is not None and syncfs(descriptor) == 0 and _is_alive(descriptor)


def _most(count: int) -> int:
    """Bytes that may wait to be written where there are so many things."""
    return (OTHERS if count >= MANY else LITTLE) + count * EACH


def _is_alive(descriptor: int) -> bool:
    """
    Whether that volume still takes what it is given: of one that was shut down or became read-only after an error, syncfs says that all is well (ext4 before
    Linux 6.13), and fsync does not. It also has the disk write what it holds where ext4 has no journal, which syncfs asks for too early.
    """
    try:
        os.fsync(descriptor)
        return not os.fstatvfs(descriptor).f_flag & os.ST_RDONLY
    except OSError:
        return False


def _waiting() -> int:
    """Bytes that are written and not on any disk yet."""
    try:
        with open("/proc/meminfo", "rb") as file:
            found = _WAITING.findall(file.read())
    except OSError:
        return sys.maxsize
    return sum(map(int, found)) << 10


@lru_cache(16)
def _is_known(device: int) -> bool:
    try:
        with open("/proc/self/mountinfo", errors="replace") as file:
            return kind_of(file.read(), device) in _KNOWN
    except OSError:
        return False


def kind_of(mounts: str, device: int) -> str:
    """The kind of file system with that number, by what proc(5) says in `mountinfo`; "" where it is not there."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) > 2 and words[2] == wanted and "-" in words[6:-1]:
            return words[words.index("-", 6) + 1]
    return ""


def is_recent(release: str) -> bool:
    """Whether the Linux of that release tells of what could not be written."""
    found = re.match(r"([0-9]+)\.([0-9]+)", release)
    return found is not None and (int(found[1]), int(found[2])) >= _SINCE


@cache
def _syncfs() -> Any:
    """The system's call, which Python has no name for; None where there is none."""
    if not is_recent(os.uname().release):
        return None
    try:
        import ctypes

        return ctypes.CDLL(None).syncfs
    except (ImportError, OSError, AttributeError):
        return None
