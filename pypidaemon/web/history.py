"""What changed in an index since a serial, as mirrors ask for it: complete, and of what the account may list alone (R146)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from pypidaemon.errors import NoSuchProject, Refused
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IIndex, IRecords
from pypidaemon.leaves import Leaf, bare, leaves, locals_below
from pypidaemon.model import Change, InThread, NormalizedName, ProjectList
from pypidaemon.records.rules import cut
from pypidaemon.serials import highest
from pypidaemon.web.renumbering import Renumbering

MOST_CHANGES = 10_000
"""Rows of one answer; PyPI gives 50,000 at most. Mirrors ask on from the last one."""

HIGHEST = (1 << 63) - 1
"""The highest serial that records can hold."""


@attrs.define(eq=False)
class History:
    """Answers for every index; whatever grows with the number of projects is done in a thread."""

    records: IRecords
    cpu: InThread
    renumbering: Renumbering
    flights: Flights[tuple[str, str], None] = attrs.field(factory=Flights, init=False)
    _numbered: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False)
    """By index and leaf the serial of the leaf up to which the index has numbers of its own."""

    async def last(self, label: str, index: IIndex) -> int:
        """The highest serial that the history has; upstream's list may have higher ones, of projects that nobody has asked for here."""
        await self.settle(label, index)
        return await highest(self.records, index)

    async def since(self, account: IAccount, label: str, index: IIndex, serial: int) -> list[list[Any]]:
        """Rows of projects that the account may list, wherever below the index they are; `serial` may be any number."""
        await self.settle(label, index)
        rows = await index.changes(min(max(serial, 0), HIGHEST))
        ours = [(leaf.index.label, await leaf.index.project_names()) for leaf in locals_below(index)]
        others = [leaf.index.label for leaf in leaves(index) if not leaf.local]
        return await self.cpu(_rows, rows, ours, others, account.may)

    async def settle(self, label: str, index: IIndex) -> None:
        """Come back when all that changed up to now has its number, as far as somebody here knows of it."""
        await self._number(label, index)
        await self.renumbering.settle(label)

    def settled(self, label: str, now: float) -> bool:
        """Whether `settle` would find nothing to do, unless an index below that one has changed."""
        return self.flights.idle and self.renumbering.settled(label, now)

    async def _number(self, label: str, index: IIndex) -> None:
        """
        Let the index number what changed in our own indexes below it, which else it does when a page is asked for, so that no mirror misses a change.

        Only of those that it asks before any upstream: asking it for a page of theirs tells nobody anything.
        """
        for leaf in leaves(index):
            if not leaf.local:
                break
            if leaf.index is bare(index):
                continue
            key = (label, leaf.index.label)
            if self.flights.flying(key):
                # What is under way may have begun before the last change, which belongs into this answer.
                await self.flights.join(key, _nothing)
            await self.flights.join(key, lambda key=key, leaf=leaf: self._number_leaf(key, index, leaf))  # type: ignore[misc]  # its defaults bind the turn of the loop

    async def _number_leaf(self, key: tuple[str, str], index: IIndex, leaf: Leaf) -> None:
        seen = self._numbered.get(key, 0)
        rows = await leaf.index.changes(seen)
        for name in dict.fromkeys(row.name for row in rows):
            try:
                self.renumbering.shown(key[0], await index.project_page(name))
            except (NoSuchProject, Refused):
                continue
        self._numbered[key] = max([seen, *(row.serial for row in rows)])


async def _nothing() -> None:
    """Is never begun: the flight is under way."""


def _rows(
    rows: Sequence[Change],
    ours: Sequence[tuple[str, ProjectList]],
    others: Sequence[str],
    may: Callable[[str, str, NormalizedName | None], bool],
) -> list[list[Any]]:
    named = [(label, {name for name, _ in names.entries()}) for label, names in ours]

    def shown(row: Change) -> bool:
        holders = [label for label, names in named if row.name in names]
        if holders:
            return all(may("list", label, row.name) for label in holders)
        return any(may("list", label, row.name) for label in others) or (
            not others and all(may("list", label, row.name) for label, _ in named)
        )

    seen: list[Change] = []
    for row in rows:
        if shown(row):
            seen.append(row)
            if len(seen) > MOST_CHANGES:
                break
    return [[row.name, row.version, int(row.time), row.action, row.serial] for row in cut(seen, MOST_CHANGES)]
