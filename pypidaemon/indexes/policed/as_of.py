"""An index as it was at a moment, as far as upload times tell."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.indexes.policed.explaining import explained
from pypidaemon.indexes.policed.view import View
from pypidaemon.interfaces import IContent, IExplaining, IIndex
from pypidaemon.judging import Rules
from pypidaemon.model import Change, Companion, Explanation, Filename, InThread, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.policies.freeze import Freeze
from pypidaemon.settings import reference

RULE = "/at/"
"""The rule that hides what came later. No section has this label."""


@implementer(IIndex, IExplaining)
@attrs.define
class AsOf:
    """
    A decorator: what was uploaded after the moment, or nobody knows when, is on no page and is opened by no question (law 2).

    Whatever else is as it is now: yanks, statuses, what upstream has deleted since. It has the serials of the index behind it, since anybody may ask
    for any moment, and a ledger of each would have no end; so a page here has a revision of its own and a serial that it shares.

    :param moment: seconds since the epoch.
    """

    label: str
    moment: float
    clock: IReactorTime
    cpu: InThread
    index: IIndex = reference(IIndex)
    view: View = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.view = View(self.index, Rules((Freeze(RULE, self.moment),)), self.clock, self.cpu, {})

    async def project_names(self) -> ProjectList:
        """As `IIndex`: those of the index as it is now, since names are not judged by files."""
        return await self.index.project_names()

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        return (await self.view.see(name)).page

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`."""
        return await explained(self.label, "as of a moment", self.view, name)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`: a file that came later is refused with its reason, not absent."""
        return await self.view.find(name, filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: only what can be found here."""
        return await self.view.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`: those of the index behind it."""
        return await self.index.changes(since)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
        return await self.index.refresh(name)
