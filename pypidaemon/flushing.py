"""
A whole volume brought to the disk at one stroke, where that costs less than to wait for one file and folder after the other: Linux's syncfs(2).

It does all that fsync(2) does for each, and for whatever else is not on the disk yet. So it is only asked for where many things are to be synced and little
else would come with them, and only of file systems that are known to confirm it as they confirm an fsync.
"""

from __future__ import annotations

import errno
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

_SPARED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EINTR, errno.ENOSYS, errno.EPERM})
"""What syncfs may say and nothing is lost that a sync of the thing itself would not tell of: a file had no room, a signal came, nobody is given that call."""

_WAITING = re.compile(rb"^(?:Dirty|Writeback): +([0-9]+) kB$", re.MULTILINE)


def flushed(descriptor: int, count: int) -> bool:
    """
    Bring all of the volume of that descriptor to the disk if it is worth it for so many things; answer whether that was done.

    What is written through no page of the system's cache counts as written.

    :param descriptor: of a folder, opened before any of those things was written.
    :raises OSError: the disk has failed to keep something, and whoever asks it about each thing may not be told of it again (F60).
    """
    if count < FEWEST or not _is_known(os.fstat(descriptor).st_dev) or _waiting() > _most(count):
        return False
    syncfs = _syncfs()
    if syncfs is None or not _is_done(syncfs(descriptor)):
        return False
    _insist_on_life(descriptor)
    return True


def _is_done(answered: int) -> bool:
    """
    Whether syncfs has done it.

    :raises OSError: a write failed, or the disk did when it was to write what it holds: that is told to one who asks, and the next hears that all is well.
    """
    if answered == 0:
        return True
    import ctypes

    code = ctypes.get_errno()
    if code not in _SPARED:
        raise OSError(code, os.strerror(code))
    return False


def _most(count: int) -> int:
    """Bytes that may wait to be written where there are so many things."""
    return (OTHERS if count >= MANY else LITTLE) + count * EACH


def _insist_on_life(descriptor: int) -> None:
    """
    Insist that the volume still takes what it is given: of one that was shut down or became read-only after an error, syncfs says that all is well (ext4 before
    Linux 6.13), and fsync does not. It also has the disk write what it holds where ext4 has no journal, which syncfs asks for too early.

    :raises OSError: it does not.
    """
    os.fsync(descriptor)
    if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def _waiting() -> int:
    """Bytes that are written and not on any disk yet."""
    try:
        descriptor = os.open("/proc/meminfo", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return sys.maxsize
    try:
        # In one call: with a file object it would be seven, in each of which somebody else's thread may come in between.
        found = _WAITING.findall(os.read(descriptor, 1 << 16))
    except OSError:
        return sys.maxsize
    finally:
        os.close(descriptor)
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

        return ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):
        return None
