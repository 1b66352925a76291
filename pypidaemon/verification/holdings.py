"""
What is named of all that is stored: by records of private files, by what mirrors hold and let go, and by what is remembered of upstreams.

Nothing here is a list of everything: there may be millions, so they are read project by project.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Collection, Iterator

import attrs

from pypidaemon.errors import NoSuchProject
from pypidaemon.interfaces import IBlobStore, IFillable, IHostedIndex, IRecords
from pypidaemon.model import Companion, Digest, Fact, File, Filename, Mirrored, NormalizedName, Standing
from pypidaemon.showing import completed, is_another

PART = 1_000
"""Projects that are read of at once."""


class Role(enum.Enum):
    """Why bytes are here."""

    PRIVATE = "private"
    DELETED = "deleted"
    """Of a private file that was deleted and can be brought back."""
    MIRRORED = "mirrored"
    LEAVING = "leaving"
    """Of a mirror, taken away by upstream; they wait for their time, and can be brought back until then."""
    WITHDRAWN = "withdrawn"
    """Upstream lists them no longer, or has others under the name; a proxy goes on offering them if they are here."""
    CACHED = "cached"

    @property
    def needed(self) -> bool:
        """Whether something is wrong where they are not here."""
        return self in (Role.PRIVATE, Role.MIRRORED, Role.LEAVING)

    @property
    def precious(self) -> bool:
        """Whether they may be nowhere else."""
        return self is not Role.CACHED


@attrs.frozen
class Named:
    """Bytes that something names. `file` is the entry as its index has it; `size` is None where nobody says."""

    role: Role
    label: str
    name: NormalizedName
    file: File
    companion: Companion
    digest: Digest
    size: int | None = None

    @property
    def title(self) -> str:
        """What is read by these bytes."""
        return self.file.filename + self.companion.value


@attrs.frozen
class Home:
    """
    An index that has bytes in a store.

    :param source: the index itself where it can fetch them again; None where their truth is here.
    :param remembers: whether it offers what is remembered of its upstream, so that those bytes are its cache.
    :param hosted: the index itself where its truth is here, to be asked what it would take.
    """

    label: str
    records: IRecords
    blobs: IBlobStore
    source: IFillable | None = None
    remembers: bool = False
    hosted: IHostedIndex | None = None

    async def named(self, projects: Collection[NormalizedName] | None = None) -> AsyncIterator[Named]:
        """
        All that it names, or only of these projects.

        :raises PypidaemonError: the records cannot be read.
        """
        if self.source is None:
            async for one in self._private(projects):
                yield one
        else:
            async for one in self._mirrored(projects):
                yield one
        if self.remembers:
            async for one in self.cached(projects):
                yield one

    async def cached(self, projects: Collection[NormalizedName] | None = None) -> AsyncIterator[Named]:
        """What is remembered of its upstream, of those projects or of all; what was found out about files and what was withdrawn are part of that."""
        others = await self._replaced()
        for name in await self._remembered() if projects is None else sorted(projects):
            facts = await self.records.facts.known(self.label, name)
            kept = await self.records.pages.recall(self.label, name)
            listed = kept.page.files if kept is not None and kept.page is not None else ()
            withdrawn = [one.entry for one in (await self.records.withdrawn.withdrawn(self.label, name)).values()]
            known = {file.filename for file in (*listed, *withdrawn)}
            found = [File(filename) for filename in facts if filename not in known]
            # Where the page is lost, or is none of a backup's, the note tells that these are nowhere else.
            firsts = [file for file in found if file.filename in others.get(name, ())]
            found = [file for file in found if file.filename not in others.get(name, ())]
            replaced = [file for file in listed if is_another(file, facts.get(file.filename))]
            unlike = {file.filename for file in replaced}
            same = [file for file in listed if file.filename not in unlike]
            nowhere = (*replaced, *withdrawn, *firsts)
            for role, files in ((Role.CACHED, same), (Role.WITHDRAWN, nowhere), (Role.CACHED, found)):
                for file in completed(self.label, name, files, facts):
                    for one in _companions(role, self.label, name, file):
                        yield one
                    for one in _promised(role, self.label, name, file, facts.get(file.filename)):
                        yield one

    async def awaited(self) -> AsyncIterator[Digest]:
        """
        The bytes that pages promise of projects which a run could not finish: some may have come already, and are to be offered with the rest (M3).

        :raises PypidaemonError: the records cannot be read.
        """
        if self.source is None:
            return
        # What waits for a policy's time alone is finished as far as it can be.
        for name in [one.name for one in await self.records.mirrors.waiting(self.label) if one.tries]:
            facts = await self.records.facts.known(self.label, name)
            kept = await self.records.pages.recall(self.label, name)
            listed = kept.page.files if kept is not None and kept.page is not None else ()
            for file in completed(self.label, name, listed, facts):
                for one in _companions(Role.MIRRORED, self.label, name, file):
                    yield one.digest

    async def _private(self, projects: Collection[NormalizedName] | None) -> AsyncIterator[Named]:
        for name in await self.records.files.names(self.label) if projects is None else sorted(projects):
            try:
                _, records = await self.records.files.page(self.label, name)
            except NoSuchProject:
                continue
            for record in records:
                role = Role.DELETED if record.standing is Standing.DELETED else Role.PRIVATE
                for one in _companions(role, self.label, name, record.file):
                    yield one

    async def _mirrored(self, projects: Collection[NormalizedName] | None) -> AsyncIterator[Named]:
        async for name in self._filled() if projects is None else _each(projects):
            mirrored = await self.records.mirrors.page(self.label, name)
            if mirrored is not None:
                for one in _of_mirrored(Role.MIRRORED, self.label, mirrored):
                    yield one
        for leaving in await self.records.mirrors.leaving(self.label):
            if projects is None or leaving.name in projects:
                for one in _of_mirrored(Role.LEAVING, self.label, leaving.mirrored):
                    yield one

    async def _filled(self) -> AsyncIterator[NormalizedName]:
        after = ""
        while part := await self.records.mirrors.serials(self.label, after, PART):
            for name, _ in part:
                yield name
            after = part[-1][0]

    async def _replaced(self) -> dict[NormalizedName, set[Filename]]:
        """The files of which upstream has other bytes by now, by project (S28)."""
        found: dict[NormalizedName, set[Filename]] = {}
        after = (self.label, "", "")
        while part := [one for one in await self.records.facts.replaced(after, PART) if one.label == self.label]:
            for one in part:
                found.setdefault(one.name, set()).add(one.filename)
            after = (self.label, part[-1].name, part[-1].filename)
        return found

    async def _remembered(self) -> list[NormalizedName]:
        """Every project that anything may be remembered of. Whatever was shown has a number, also where its page is forgotten."""
        found = {*await self.records.pages.remembered(self.label), *await self.records.withdrawn.projects(self.label)}
        after = ""
        while part := await self.records.ledger.numbers(self.label, after, PART):
            found.update(name for name, _ in part)
            after = part[-1][0]
        return sorted(found)


@attrs.define
class Holdings:
    """
    Everything that is stored, and all that name it. Filled by whoever puts the daemon together, before anything starts.

    :param stores: the stores of blobs, by the labels of their sections.
    :param strangers: what else keeps things in them and cannot be asked what it needs, in words for people; so nothing there is nobody's.
    :param books: further records that may name what is in them: of indexes that the configuration has no more, though its records still do.
    """

    homes: list[Home] = attrs.field(factory=list)
    stores: dict[str, IBlobStore] = attrs.field(factory=dict)
    strangers: list[str] = attrs.field(factory=list)
    books: list[IRecords] = attrs.field(factory=list)

    async def named(self, projects: Collection[NormalizedName] | None = None) -> AsyncIterator[tuple[Home, Named]]:
        """
        All that is named, or only of these projects, with whose it is.

        :raises PypidaemonError: the records cannot be read.
        """
        for home in self.homes:
            async for one in home.named(projects):
                yield home, one

    async def recorded(self, digest: Digest) -> bool:
        """
        Whether the records of private files or of mirrors name these bytes, also for indexes that are in the configuration no longer.

        :raises PypidaemonError: they cannot be read.
        """
        for records in self.records():
            if await records.files.references(digest) or await records.mirrors.references(digest):
                return True
        return False

    def records(self) -> list[IRecords]:
        """The records that they name it in, each once."""
        found: list[IRecords] = []
        for records in (*(home.records for home in self.homes), *self.books):
            if not any(records is other for other in found):
                found.append(records)
        return found


async def _each(names: Collection[NormalizedName]) -> AsyncIterator[NormalizedName]:
    for name in sorted(names):
        yield name


def _of_mirrored(role: Role, label: str, mirrored: Mirrored) -> Iterator[Named]:
    name = mirrored.page.name
    entries: dict[Filename, File] = {}
    for file in mirrored.page.files:
        entries[file.filename] = file
        yield from _companions(role, label, name, file)
    for filename, digest in mirrored.documents:
        yield Named(role, label, name, entries.get(filename, File(filename)), Companion.PROVENANCE, digest)


def _companions(role: Role, label: str, name: NormalizedName, file: File) -> Iterator[Named]:
    if file.digest:
        yield Named(role, label, name, file, Companion.FILE, file.digest, file.size)
    if file.core_metadata:
        yield Named(role, label, name, file, Companion.METADATA, Digest(file.core_metadata))


def _promised(role: Role, label: str, name: NormalizedName, file: File, fact: Fact | None) -> Iterator[Named]:
    """A sidecar that was made here and is not the one that the page promises."""
    if fact is not None and fact.metadata is not None and fact.metadata != file.core_metadata:
        yield Named(role, label, name, file, Companion.METADATA, fact.metadata)
