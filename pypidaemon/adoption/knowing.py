"""What is known of a project whose files are adopted: by what upstream says now, else by what is remembered of it here, else by what the tool kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from pypidaemon.adoption.checking import NotTaken
from pypidaemon.adoption.found import Found, Project
from pypidaemon.adoption.outcomes import Tally
from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IFillable, IHostedIndex, IIndex, IMirror, IRecords
from pypidaemon.model import Digest, File, Filename, NormalizedName, NotModified, ProjectPage, UpstreamPage, Validators
from pypidaemon.showing import quarantined
from pypidaemon.simple.reading import covering, in_order

_AT_ONCE = 200
"""Files of which upstream has other bytes that are asked for at once."""

NEVER = 0.0
"""When upstream was asked for a page that is remembered, where nobody here has asked it yet."""


@attrs.frozen
class Known:
    """
    What is known of one project.

    :param page: what is to be offered, before anything is adopted; its entries are by whoever says what files are.
    :param who: whose word that is, for people.
    :param said: whether it is upstream's, or was: then a file that it does not list is not taken, unless what upstream takes away stays.
    :param stays: whether it does.
    :param gone: why nothing at all is taken, "" where something may be.
    :param firsts: the bytes that were first seen under a file's name.
    """

    page: ProjectPage
    who: str = "what is kept beside it"
    said: bool = False
    stays: bool = False
    gone: str = ""
    firsts: Mapping[Filename, Digest] = attrs.field(factory=dict)
    _entries: Mapping[Filename, File] = attrs.field(init=False, repr=False, eq=False)

    @_entries.default
    def _by_name(self) -> Mapping[Filename, File]:
        return {file.filename: file for file in self.page.files}

    def entry(self, found: Found) -> File:
        """
        The entry of a file that was found.

        :raises NotTaken: it is not to be taken.
        """
        if self.gone:
            raise NotTaken(self.gone)
        entry = self._entries.get(found.file.filename) if self.said else None
        if entry is None and self.said and not self.stays:
            raise NotTaken(f"{self.who} does not list it")
        return entry or found.file

    def page_with(self, entries: Sequence[File]) -> ProjectPage:
        """The page that lists these too. Slow for long pages, so it belongs on a thread."""
        listed = {**self._entries, **{file.filename: file for file in entries if not self.said or file.filename not in self._entries}}
        files = in_order(self.page.name, listed.values())
        return attrs.evolve(self.page, files=files, versions=covering(self.page.name, self.page.versions, files))


@attrs.frozen
class Knowing:
    """
    Finds out about the projects of one index that is filled.

    :param ours: the indexes whose truth is here.
    :param reserved: patterns of names of which nothing of an upstream is ever offered (law 3).
    :param asks: whether upstream is asked.
    :param stays: whether what upstream takes away goes on being offered.
    :param rehearsal: whether nothing may be noted.
    """

    index: IFillable
    records: IRecords
    tally: Tally
    ours: Sequence[IIndex] = ()
    reserved: tuple[str, ...] = ()
    asks: bool = True
    stays: bool = False
    rehearsal: bool = False

    async def of(self, project: Project) -> Known:
        """
        What is known of that project.

        :raises PypidaemonError: the records cannot be read.
        """
        name = project.name
        if matches_any(name, self.reserved) is not None:
            return Known(ProjectPage(name), gone="the name is reserved, so nothing of an upstream is offered under it")
        if self.asks and (label := await self._private(name)):
            return Known(
                ProjectPage(name), gone=f"{label} has a project of that name, so upstream is not asked about it; --offline asks nobody"
            )
        firsts = await self._firsts(name)
        if self.asks:
            try:
                page = await self._asked(name)
                self.tally.asked += 1
                gone = "upstream has put the project in quarantine" if page.status.marker == "quarantined" else ""
                return Known(page, "upstream", True, self.stays, gone, firsts)
            except NoSuchProject:
                self.tally.asked += 1
                if not self.stays:
                    return Known(ProjectPage(name), "upstream", True, gone="upstream has no project of that name", firsts=firsts)
            except UpstreamUnavailable as error:
                self.tally.unasked = self.tally.unasked or error.cause
        return await self._remembered(project, firsts)

    async def others(self, name: NormalizedName) -> frozenset[Filename]:
        """The files of which upstream has other bytes than are here: what was taken by the word of a tool alone may turn out to be so."""
        label = self.index.label
        found: list[Filename] = []
        after = (label, name, "")
        while some := await self.records.facts.replaced(after, _AT_ONCE):
            ours = [one.filename for one in some if (one.label, one.name) == (label, name)]
            found += ours
            if len(ours) < len(some):
                break
            after = (label, name, ours[-1])
        return frozenset(found)

    async def latest(self, project: Project, known: Known) -> Known:
        """
        The same, by what is offered now where it is not upstream's word: somebody may have filled the project since it was found out, and to read files takes
        a while.

        :raises PypidaemonError: the records cannot be read.
        """
        return known if known.said else await self._remembered(project, known.firsts)

    async def _private(self, name: NormalizedName) -> str:
        """The label of the index of ours that has that project, "" where none has, or where upstream knows of it already (P15)."""
        for index in self.ours:
            if await _has(index, name):
                remembered = await self.records.pages.recall(self.index.label, name)
                return "" if remembered is not None and remembered.fetched > NEVER else index.label
        return ""

    async def _asked(self, name: NormalizedName) -> ProjectPage:
        if not self.rehearsal:
            return await self.index.offered(name, 0)
        said = await self.index.upstream.fetch_page(name, Validators())
        assert not isinstance(said, NotModified)  # it was not asked whether it is
        return _page(said)

    async def _remembered(self, project: Project, firsts: Mapping[Filename, Digest]) -> Known:
        name = project.name
        if IMirror.providedBy(self.index):
            before = await self.records.mirrors.page(self.index.label, name)
            if before is not None:
                # What is offered stays, whatever the tool has.
                return Known(_page(before.page), firsts=firsts)
        else:
            remembered = await self.records.pages.recall(self.index.label, name)
            if remembered is not None and remembered.page is not None and remembered.fetched <= NEVER:
                # It is what an adoption before this one kept.
                page = _page(remembered.page)
                return Known(page, firsts={**firsts, **{file.filename: file.digest for file in page.files if file.digest is not None}})
            if remembered is not None and remembered.page is not None:
                gone = "upstream has put the project in quarantine" if quarantined(remembered.page) else ""
                return Known(_page(remembered.page), "what upstream said last", True, self.stays, gone, firsts)
        return Known(ProjectPage(name, versions=project.versions, status=project.status, serial=project.serial), firsts=firsts)

    async def _firsts(self, name: NormalizedName) -> dict[Filename, Digest]:
        facts = await self.records.facts.known(self.index.label, name)
        found = {filename: fact.digest for filename, fact in facts.items() if fact.digest is not None}
        before = await self.records.mirrors.page(self.index.label, name) if IMirror.providedBy(self.index) else None
        return found | {file.filename: file.digest for file in (before.page.files if before else ()) if file.digest is not None}


async def _has(index: IIndex, name: NormalizedName) -> bool:
    if IHostedIndex.providedBy(index):
        return await index.has(name)
    try:
        await index.project_page(name)
    except NoSuchProject:
        return False
    return True


def _page(said: UpstreamPage) -> ProjectPage:
    return ProjectPage(said.name, said.files, said.versions, said.status, said.serial or 0)
