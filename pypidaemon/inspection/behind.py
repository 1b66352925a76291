"""
The first that a worker does: it leaves the daemon's session, and comes after it where both want the same processor.

Nothing is imported here but what every interpreter has loaded, so that the rest is imported behind the daemon already.
"""

from __future__ import annotations

import os
from contextlib import suppress

BEHIND = 5
"""By how much a worker comes after the daemon: who asks for a page does not wait for somebody's archive to be looked through."""

_LAST = 19
_GROUP = "/proc/self/autogroup"


def come_behind() -> None:
    """
    Come `BEHIND` whoever started this process, which is to lead no session yet.

    Linux may share processors among sessions first, whatever their processes say of themselves (sched(7)). Only a session of one's own may be put behind:
    in the daemon's it would be the daemon.
    """
    before = _group()
    os.setsid()
    # Neither is worth to do without a worker: who has a say in what a daemon may do may forbid the one, and the other may be said seldom on some systems.
    with suppress(OSError):
        os.nice(BEHIND)
    if before is not None:
        with suppress(OSError), open(_GROUP, "w", encoding="ascii") as file:
            file.write(str(min(before + BEHIND, _LAST)))


def _group() -> int | None:
    """How nice the session is as a whole; None where the system does not group processes by their sessions."""
    try:
        with open(_GROUP, encoding="ascii") as file:
            return int(file.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return None
