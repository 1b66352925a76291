"""Index priority with exceptions: for the projects that are named, all indexes together make the page."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
from twisted.application.service import Service
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.explaining import explain, passed_on, until_answered
from pypidaemon.globs import globs, matches_any
from pypidaemon.interfaces import IContent, IExplaining, IIndex, IRecords, ISteady
from pypidaemon.listings import Numbers, combined, states_of
from pypidaemon.model import (
    Change,
    Companion,
    Explanation,
    File,
    Filename,
    InThread,
    Listed,
    NormalizedName,
    Outcome,
    ProjectList,
    ProjectPage,
)
from pypidaemon.serials import combined_serial
from pypidaemon.settings import given, reference, references, setting
from pypidaemon.simple.reading import covering, in_order
from pypidaemon.simple.revision import revise

_MANY_FILES = 200

log = Logger()


@attrs.frozen
class _Found:
    """What was answered: the pages with the indexes that gave them, in order, and until when the first answer of all holds."""

    pages: tuple[tuple[IIndex, ProjectPage], ...]
    until: float | None


@implementer(IIndex, IExplaining, ISteady)
@attrs.define(eq=False, slots=False)
class Merged(Service):
    """
    A combiner: of the projects that match `projects` the files of all its indexes stand on one page; all others the first index that has them
    answers alone (law 4).

    Of two files of one name that of the earlier index stays, whatever the other is. An index that fails, or refuses, fails the page, since nobody
    can know what belongs on it (law 1). Only who may read the project in each index that has it sees the page; a file is for who may read it in
    the index that it is from. Whoever may put a file into any of these indexes may put one into such a project, so it says at every start that
    this is so (L1).
    """

    label: str = given("label")
    indexes: tuple[IIndex, ...] = references(IIndex, help="the indexes asked, in order")
    projects: tuple[str, ...] = setting(globs, help="patterns of the projects of which all indexes together make the page")
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept")
    cpu: InThread = given("cpu")

    def startService(self) -> None:
        """Warn of what merging means (dependency confusion, L1)."""
        Service.startService(self)
        log.warn(
            "{label}: the projects {projects} are merged of several indexes; whoever can publish to any of them can publish a release that"
            " installers prefer to yours",
            label=self.label,
            projects=" ".join(self.projects),
        )

    async def project_names(self) -> ProjectList:
        """As `IIndex`: the names of all its indexes; a name of several has the serial of the first, or the one that it got here."""
        lists = tuple([await index.project_names() for index in self.indexes])
        numbers = self.records.ledger.late(self.label)
        high = await self.records.ledger.high(self.label)
        whole = ProjectList(
            entries=lambda: iter(()),
            revision="-".join([*(one.revision for one in lists), str(high)]),
            serial=max([high, *(one.serial for one in lists)]),
            fresh_until=_sooner([one.fresh_until for one in lists]),
            source=self.label,
            stale=any(one.stale for one in lists),
        )
        return combined(lists, lambda name, serial: max(serial, numbers.get(name, 0)), whole, Numbers(numbers).mark)

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        return states_of(self.indexes, self.records.ledger.changed(self.label))

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; fresh for no longer than what any index asked knows."""
        found = await self._found(name)
        pages = [page for _, page in found.pages]
        page = await self._one_of(pages)
        page = attrs.evolve(page, serial=max(one.serial for one in pages), fresh_until=found.until)
        return attrs.evolve(page, serial=await combined_serial(self.records, self, page, name))

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: of a merged project all its indexes were asked, up to one that fails or refuses."""
        if not self._merges(name):
            return passed_on(self.label, "merged", await until_answered(self.indexes, name))
        told: list[Explanation] = []
        for index in self.indexes:
            told.append(await explain(index, name))
            if told[-1].outcome not in (Outcome.ANSWERS, Outcome.ABSENT):
                return passed_on(self.label, "merged", told)
        pages = [one.page for one in told if one.page is not None]
        if not pages:
            return passed_on(self.label, "merged", told)
        page = await self._one_of(pages)
        behind = sum(len(one.files) for one in pages) - len(page.files)
        facts = (("merged of", " ".join(page.sources)), ("behind files of the same name", str(behind)))
        return Explanation(self.label, "merged", Outcome.ANSWERS, facts=facts, page=page, below=tuple(told))

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`: the entry that stands on the page. A merged project's is found by way of the pages, so that the two never differ."""
        return (await self._listed(name, filename))[1]

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: from the index whose entry stands on the page, and no other."""
        index, _ = await self._listed(name, filename)
        return await index.open_file(name, filename, companion)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return await self.records.ledger.changes(self.label, since, 50_000)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`, of all its indexes."""
        return sum([await index.refresh(name) for index in self.indexes])

    async def _one_of(self, pages: list[ProjectPage]) -> ProjectPage:
        if len(pages) == 1:
            return pages[0]
        many = sum(len(one.files) for one in pages) > _MANY_FILES
        return await self.cpu(_together, pages) if many else _together(pages)

    def _merges(self, name: NormalizedName) -> bool:
        return matches_any(name, self.projects) is not None

    async def _found(self, name: NormalizedName) -> _Found:
        pages: list[tuple[IIndex, ProjectPage]] = []
        ends: list[float | None] = []
        for index in self.indexes:
            try:
                page = await index.project_page(name)
            except NoSuchProject as absence:
                ends.append(absence.until)
                continue
            pages.append((index, page))
            ends.append(page.fresh_until)
            if not self._merges(name):
                break
        if not pages:
            raise NoSuchProject(name, _sooner(ends))
        return _Found(tuple(pages), _sooner(ends))

    async def _listed(self, name: NormalizedName, filename: Filename) -> tuple[IIndex, Listed]:
        if self._merges(name):
            found = await self._found(name)
            for index, page in found.pages:
                file = page.file(filename)
                if file is not None:
                    # Where that page is merged itself, only its index knows whose entry it is.
                    source = (await index.find(name, filename)).source if page.also else page.source
                    return index, Listed(name, file, source, found.until, _sooner([each.turns for _, each in found.pages]))
            for index, page in found.pages:
                if page.stale:
                    # It may be there by now, and who cannot be asked says so (law 10).
                    await index.find(name, filename)
            raise NoSuchFile(filename)
        ends: list[float | None] = []
        for index in self.indexes:
            try:
                listed = await index.find(name, filename)
            except NoSuchProject as absence:
                ends.append(absence.until)
                continue
            return index, attrs.evolve(listed, fresh_until=_sooner([*ends, listed.fresh_until]))
        raise NoSuchProject(name, _sooner(ends))


def _together(pages: list[ProjectPage]) -> ProjectPage:
    """
    One page of several; its status is that of the first. It names all of them as its sources, also one whose files all stand behind those of
    others, so that nobody sees what came of an index that he may not read.
    """
    first = pages[0]
    files: dict[Filename, File] = {}
    for page in pages:
        for file in page.files:
            files.setdefault(file.filename, file)
    ordered = in_order(first.name, files.values())
    versions = covering(first.name, (version for page in pages for version in page.versions), ordered)
    labels = dict.fromkeys(label for page in pages for label in page.sources)
    also = tuple(label for label in labels if label != first.source)
    stale, turns = any(page.stale for page in pages), _sooner([page.turns for page in pages])
    return revise(attrs.evolve(first, files=ordered, versions=versions, stale=stale, also=also, turns=turns))


def _sooner(ends: list[float | None]) -> float | None:
    """The first of these ends; None, until a change is announced, is later than any."""
    return min((end for end in ends if end is not None), default=None)
