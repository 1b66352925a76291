"""Upstream's list held against what is here, part by part, so that neither is ever held as a whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import islice

import attrs

from pypidaemon.model import InThread, NormalizedName
from pypidaemon.plans import Step, compare

PART = 10_000
"""Projects of each list that are in memory at once, about."""

Entry = tuple[NormalizedName, int]
Serials = Callable[[str, int], Awaitable[list[Entry]]]
"""The projects that are here after a name in order of names, at most so many, with the serials of when they were taken."""


@attrs.define
class _Ahead:
    """The entries of one list that were read and not compared yet."""

    entries: list[Entry] = attrs.field(factory=list)
    ended: bool = False

    def add(self, more: Sequence[Entry]) -> None:
        self.entries += more
        self.ended = len(more) < PART

    def until(self, bound: NormalizedName | None) -> list[Entry]:
        """Take what comes up to that name off; with None, all."""
        count = len(self.entries) if bound is None else bisect_right(self.entries, bound, key=_name)
        taken, self.entries = self.entries[:count], self.entries[count:]
        return taken


async def differences(
    listed: Iterator[Entry],
    serials: Serials,
    chooses: Callable[[NormalizedName], bool],
    waiting: Sequence[NormalizedName],
    again: Callable[[NormalizedName], bool],
    cpu: InThread,
) -> AsyncIterator[Sequence[Step]]:
    """
    What `plans.compare` makes of the two lists, a part at a time.

    :param listed: upstream's list in order of names; it reads a file, so it is read on threads.
    :param waiting: in order, projects that are to be looked at again.
    :param again: whether a project is to be looked at though its serial is the same, since the rules for it have changed.
    """
    there, here = _Ahead(), _Ahead()
    unmet = list(waiting)
    after = ""
    while True:
        if len(there.entries) < PART and not there.ended:
            there.add(await cpu(_some, listed))
        if len(here.entries) < PART and not here.ended:
            more = await serials(after, PART)
            here.add(more)
            after = more[-1][0] if more else after
        bound = min((each.entries[-1][0] for each in (there, here) if not each.ended), default=None)
        count = len(unmet) if bound is None else bisect_right(unmet, bound)
        concerned, unmet = unmet[:count], unmet[count:]
        yield await cpu(_compared, there.until(bound), here.until(bound), chooses, concerned, again)
        if bound is None:
            return


def _some(listed: Iterator[Entry]) -> list[Entry]:
    return list(islice(listed, PART))


def _compared(
    there: list[Entry],
    here: list[Entry],
    chooses: Callable[[NormalizedName], bool],
    waiting: list[NormalizedName],
    again: Callable[[NormalizedName], bool],
) -> list[Step]:
    held = ((name, -1 if again(name) else serial) for name, serial in here)
    return list(compare(iter(there), held, chooses, waiting))


def _name(entry: Entry) -> NormalizedName:
    return entry[0]
