"""
What is going to be synced is written to the disk before that: Linux's sync_file_range(2).

A large file that comes slowly lies in memory until it is synced, and then whoever waits for its last bytes waits for the disk to write all of it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

_WRITE = 2
"""Begin to write what has changed, and wait for none of it (`SYNC_FILE_RANGE_WRITE`). Then nothing is taken from what a sync has to tell of."""


def hastened(descriptor: int, offset: int, count: int) -> bool:
    """
    Have the system begin to write these bytes of a file to the disk; answer whether it said that it does.

    Nothing is durable by that, and what fails is for the sync to tell. It may wait where the disk has much to do already.
    """
    call = _call()
    return call is not None and call(descriptor, offset, count, _WRITE) == 0


@cache
def _call() -> Any:
    """The system's call, which Python has no name for; None where there is none."""
    if os.uname().sysname != "Linux":
        return None
    try:
        import ctypes

        call = ctypes.CDLL(None).sync_file_range
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        return call
    except (ImportError, OSError, AttributeError):
        return None
