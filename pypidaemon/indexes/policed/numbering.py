"""The serials of an index of which something is hidden: those of the index behind, save where a page was ever another (R69, R71)."""

from __future__ import annotations

import attrs

from pypidaemon.interfaces import IIndex, IRecords
from pypidaemon.model import Change, NormalizedName, ProjectPage
from pypidaemon.serials import BURIED, highest, raised, serial_of


@attrs.define
class Numbering:
    """
    Numbers of its own for projects of which something is or was hidden, and none for all others.

    So a decorator before a large index costs one row for each project that it changes, and not one for each project.

    :param index: the index behind.
    """

    label: str
    records: IRecords
    index: IIndex
    buried: set[NormalizedName] = attrs.field(factory=set, init=False)
    """Projects that are refused as a whole, and whose last number says so."""
    _own: set[NormalizedName] | None = attrs.field(default=None, init=False)
    _given: dict[NormalizedName, str] = attrs.field(factory=dict, init=False)
    """The revisions that have their numbers, of projects that are among `_own`."""

    async def number(self, page: ProjectPage, inner: ProjectPage) -> int:
        """The serial of that page, seen of the page `inner`."""
        own = await self._numbered()
        altered = page.revision != inner.revision
        if not altered and page.name not in own:
            return inner.serial
        own.add(page.name)
        self.buried.discard(page.name)
        # The page behind had its serial without anything hidden, so the page before must have a higher one (R71).
        at_least = inner.serial + altered
        if self._given.get(page.name) == page.revision:
            return await serial_of(self.records, self.label, page.name, page.revision, at_least)
        serial = await raised(self.records, self.label, page.name, page.revision, at_least, self._highest)
        self._given[page.name] = page.revision
        return serial

    async def bury(self, name: NormalizedName) -> None:
        """
        As `ISeenThrough.bury`.

        :raises PypidaemonError: the ledger cannot be written.
        """
        own = await self._numbered()
        if name in self.buried:
            return
        await raised(self.records, self.label, name, BURIED, 0, self._highest)
        own.add(name)
        self.buried.add(name)
        self._given.pop(name, None)

    async def changes(self, behind: list[Change], since: int) -> list[Change]:
        """The changes of the index behind, those of projects with numbers of their own by these numbers."""
        own = await self._numbered()
        if not own:
            return behind
        rows = await self.records.ledger.changes(self.label, since, 50_000)
        return sorted([*(row for row in behind if row.name not in own), *rows], key=lambda row: (row.serial, row.name))

    async def _highest(self) -> int:
        return max(await self.records.ledger.high(self.label), await highest(self.records, self.index))

    async def _numbered(self) -> set[NormalizedName]:
        if self._own is None:
            known = await self.records.ledger.serials(self.label)
            self._own = set(known) if self._own is None else self._own
        return self._own
