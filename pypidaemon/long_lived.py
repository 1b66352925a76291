"""
What a start leaves behind: some eighty thousand objects, nearly all of which stay as long as the process.

Each full round of the garbage collector would go through all of them again, which holds up the reactor for 20 to 50 ms and finds nothing.
"""

from __future__ import annotations

import gc
import linecache


def settle() -> None:
    """
    The start is over: what there is by now stays, and is looked through no more.

    The lines of generated code go, which `attrs` keeps for debuggers, a megabyte of them.
    """
    linecache.clearcache()
    gc.freeze()


def stir() -> None:
    """Some of it does not stay, as when there is another configuration: everything is looked through again from now on."""
    gc.unfreeze()
