"""twistd started as root, with no more of what root may than it takes to become somebody else."""

from __future__ import annotations

import ctypes
import os

GROUPS = (0, 1, 4)
"""Those that it has at first."""
SECUREBITS, NO_SETUID_FIXUP = 28, 1 << 2
"""From linux/prctl.h and linux/securebits.h: who becomes somebody else keeps what he may."""
VERSION = 0x20080522
DAC_READ_SEARCH, SETGID, SETUID, NET_BIND_SERVICE = 2, 6, 7, 10
"""From linux/capability.h."""
KEPT = sum(1 << one for one in (DAC_READ_SEARCH, SETGID, SETUID, NET_BIND_SERVICE))
"""The right to read everything stays, since the files of this Python may be root's."""


def run() -> None:
    """
    As twistd's own.

    :raises OSError: not even root may give up anything here.
    """
    from twisted.scripts.twistd import run as twistd

    os.setgroups(GROUPS)
    library = ctypes.CDLL(None, use_errno=True)
    for failed in (
        library.prctl(SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0),
        library.capset((ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)(KEPT, KEPT, 0, 0, 0, 0)),
    ):
        if failed:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    twistd()
