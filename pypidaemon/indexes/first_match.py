"""Index priority: per project, the first index that has it answers alone."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
from zope.interface import implementer

from pypidaemon.errors import NoSuchProject
from pypidaemon.explaining import passed_on, until_answered
from pypidaemon.interfaces import IContent, IExplaining, IIndex, IRecords, ISteady
from pypidaemon.listings import Numbers, combined, states_of
from pypidaemon.model import Change, Companion, Explanation, Filename, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.serials import combined_serial
from pypidaemon.settings import given, reference, references


@implementer(IIndex, IExplaining, ISteady)
@attrs.define
class FirstMatch:
    """
    A combiner: it asks its indexes in order, and only the absence of a project lets it ask the next one (law 1).

    Whoever answers the page answers the file (law 4). A refusal, or an upstream that fails, is an answer. The serials shown are of a ledger
    of its own, so that projects of all its indexes share one rising space (R68).
    """

    label: str = given("label")
    indexes: tuple[IIndex, ...] = references(IIndex, help="the indexes asked, in order")
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept")

    async def project_names(self) -> ProjectList:
        """As `IIndex`: the names of all its indexes; a name of several has the serial of the first."""
        lists = tuple([await index.project_names() for index in self.indexes])
        numbers = self.records.ledger.late(self.label)
        high = await self.records.ledger.high(self.label)
        ends = [one.fresh_until for one in lists if one.fresh_until is not None]
        whole = ProjectList(
            entries=lambda: iter(()),
            revision="-".join([*(one.revision for one in lists), str(high)]),
            serial=max([high, *(one.serial for one in lists)]),
            fresh_until=min(ends, default=None),
            source=self.label,
            stale=any(one.stale for one in lists),
        )
        return combined(lists, lambda name, serial: max(serial, numbers.get(name, 0)), whole, Numbers(numbers).mark)

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        return states_of(self.indexes, self.records.ledger.changed(self.label))

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; fresh for no longer than what the indexes before it know of the absence."""
        gone = _Gone()
        for index in self.indexes:
            try:
                page = await index.project_page(name)
            except NoSuchProject as absence:
                gone.note(absence)
                continue
            serial = await combined_serial(self.records, self, page, name)
            return attrs.evolve(page, serial=serial, fresh_until=gone.sooner(page.fresh_until))
        raise NoSuchProject(name, gone.until)

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: of the indexes that were asked, the last is the one that answers."""
        return passed_on(self.label, "first-match", await until_answered(self.indexes, name))

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`: of the index that has the project; its answer, also that it has no such file, is the answer."""
        gone = _Gone()
        for index in self.indexes:
            try:
                listed = await index.find(name, filename)
            except NoSuchProject as absence:
                gone.note(absence)
                continue
            return attrs.evolve(listed, fresh_until=gone.sooner(listed.fresh_until))
        raise NoSuchProject(name, gone.until)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: from the index that has the project, and no other."""
        for index in self.indexes:
            try:
                return await index.open_file(name, filename, companion)
            except NoSuchProject:
                continue
        raise NoSuchProject(name)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return await self.records.ledger.changes(self.label, since, 50_000)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`, of all its indexes."""
        return sum([await index.refresh(name) for index in self.indexes])


@attrs.define
class _Gone:
    """How long the absences met so far are known."""

    until: float | None = None

    def note(self, absence: NoSuchProject) -> None:
        self.until = self.sooner(absence.until)

    def sooner(self, other: float | None) -> float | None:
        known = [one for one in (self.until, other) if one is not None]
        return min(known, default=None)
