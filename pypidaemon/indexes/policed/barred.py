"""What stands before every leaf: orders about packages, in force whatever the configuration says."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.indexes.policed.explaining import explained
from pypidaemon.indexes.policed.index import Policed
from pypidaemon.interfaces import IBarrier, IContent, IExplaining, IIndex, IPolicy, IRecords, ISteady
from pypidaemon.model import Change, Companion, Explanation, Filename, InThread, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.settings import reference, references


@implementer(IBarrier, IExplaining, ISteady)
@attrs.define
class Barred:
    """
    A leaf without what is blocked, under the leaf's own label: no combiner, no decorator and no address leads around it.

    It has serials of its own only for projects of which something is, or was, blocked.
    """

    label: str
    records: IRecords
    clock: IReactorTime
    cpu: InThread
    index: IIndex = reference(IIndex)
    policies: tuple[IPolicy, ...] = references(IPolicy)
    _policed: Policed = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._policed = Policed(self.numbers, self.index, self.policies, self.records, self.clock, self.cpu)

    @property
    def numbers(self) -> str:
        """As `ISeenThrough`."""
        # No section can have such a label, so the numbers below it are nobody else's.
        return f"{self.label}+orders"

    async def bury(self, name: NormalizedName) -> None:
        """As `ISeenThrough`."""
        await self._policed.bury(name)

    async def project_names(self) -> ProjectList:
        """As `IIndex`, without blocked projects."""
        return await self._policed.project_names()

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        return self._policed.names_state()

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        return await self._policed.project_page(name)

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`; where nothing of the project is blocked, the leaf speaks for itself."""
        told = await explained(self.label, "orders", self._policed.view, name)
        return told.below[0] if told.below and not told.hidden else told

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`."""
        return await self._policed.find(name, filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`."""
        return await self._policed.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return await self._policed.changes(since)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
        return await self.index.refresh(name)
