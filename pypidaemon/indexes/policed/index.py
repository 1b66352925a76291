"""An index seen through policies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from hashlib import blake2b

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.indexes.policed.explaining import explained
from pypidaemon.indexes.policed.numbering import Numbering
from pypidaemon.indexes.policed.view import View
from pypidaemon.interfaces import IContent, IExplaining, IIndex, IInformant, IPolicy, IRecords, ISeenThrough, ISteady
from pypidaemon.judging import Rules
from pypidaemon.listings import Numbers, combined, marked, state_of
from pypidaemon.model import Change, Companion, Explanation, Filename, InThread, Knowledge, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.settings import given, reference, references

HOUR = 3600.0


@implementer(ISeenThrough, IExplaining, ISteady)
@attrs.define
class Policed:
    """
    A decorator: what a policy refuses is on no page and cannot be opened by any route (law 2).

    A project refused as a whole is not even asked of the inner index. The order of the policies does not matter for what is shown; the
    first one that refuses gives the reason.
    """

    label: str = given("label")
    index: IIndex = reference(IIndex, help="the index seen through the policies")
    policies: tuple[IPolicy, ...] = references(IPolicy, help="the rules; a file is shown if none of them refuses it")
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")
    informants: Mapping[Knowledge, IInformant] = given("informants", factory=dict)
    view: View = attrs.field(init=False, repr=False)
    numbering: Numbering = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.view = View(self.index, Rules(self.policies), self.clock, self.cpu, self.informants)
        self.numbering = Numbering(self.label, self.records, self.index)

    @property
    def numbers(self) -> str:
        """As `ISeenThrough`."""
        return self.label

    async def bury(self, name: NormalizedName) -> None:
        """As `ISeenThrough`."""
        await self.numbering.bury(name)

    async def project_names(self) -> ProjectList:
        """As `IIndex`, without the projects that are refused as a whole."""
        inner = await self.index.project_names()
        # What is shown later is what was in force with this revision, whatever is ordered while the list is rendered (R72).
        now, rules = self.clock.seconds(), self.view.rules.frozen()
        numbers = self.records.ledger.late(self.label)
        high = await self.records.ledger.high(self.label)

        def shown(name: NormalizedName, serial: int) -> int | None:
            return max(serial, numbers.get(name, 0)) if rules.on_project(name, now) is None else None

        seen, given = blake2b(rules.revision.encode(), digest_size=8).hexdigest(), Numbers(numbers)
        whole = attrs.evolve(inner, serial=max(inner.serial, high), revision=f"{inner.revision}-{high}-{seen}")
        # Where the clock has a say, names that nothing else has changed are judged anew once an hour, when something changes.
        by = f"{seen} {now // HOUR if rules.timed else 0}".encode()
        return combined((inner,), shown, whole, lambda start, end: marked((by, given.mark(start, end))))

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        inner = state_of(self.index)
        return None if inner is None else (inner, self.view.rules.revision, self.records.ledger.changed(self.label))

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        seen = await self.view.see(name)
        return attrs.evolve(seen.page, serial=await self.numbering.number(seen.page, seen.inner))

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: with every reason of every policy."""
        return await explained(self.label, "policed", self.view, name)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`: a file that a policy refuses is refused with its reason, not absent."""
        return await self.view.find(name, filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: only what can be found here."""
        return await self.view.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`; of a project that is refused as a whole only that it changed, and only where it was shown before (`bury`)."""
        now, rules = self.clock.seconds(), self.view.rules
        behind = [row for row in await self.index.changes(since) if rules.on_project(row.name, now) is None]
        rows = await self.numbering.changes(behind, since)
        return [row for row in rows if row.name in self.numbering.buried or rules.on_project(row.name, now) is None]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
        return await self.index.refresh(name)
