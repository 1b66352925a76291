"""Which files exist in a local index, as long as the process lasts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import Conflict, NoSuchFile, NoSuchProject
from pypidaemon.interfaces import IFileRecords
from pypidaemon.model import Change, Deed, Digest, Entered, File, Filename, FileRecord, NormalizedName, OnRecord, Settled, Standing
from pypidaemon.records.rules import Holder, common, cut, is_new, may_found, replaces, takes_over


@attrs.frozen
class _Project:
    """What is known of one project; a new value for every change."""

    serial: int = 0
    records: Mapping[Filename, FileRecord] = attrs.field(factory=dict)
    owner: str | None = None


@implementer(IFileRecords)
@attrs.define(eq=False)
class MemoryFiles:
    """`IFileRecords` in dictionaries: per project its serial, owner and records, per label its history."""

    clock: IReactorTime
    _projects: dict[tuple[str, NormalizedName], _Project] = attrs.field(factory=dict, init=False)
    _history: defaultdict[str, list[Change]] = attrs.field(factory=lambda: defaultdict(list), init=False)

    async def names(self, label: str) -> Mapping[NormalizedName, int]:
        """Every project recorded and not forgotten, with its serial, in the order of the names."""
        return {name: self._projects[where, name].serial for where, name in sorted(self._projects) if where == label}

    async def page(self, label: str, name: NormalizedName) -> tuple[int, list[FileRecord]]:
        """
        The project's serial and its records in the order of their names, of every standing.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """
        project = self._project(label, name)
        return project.serial, [project.records[filename] for filename in sorted(project.records)]

    async def add(self, label: str, name: NormalizedName, record: FileRecord, action: str, founder: str | None) -> int:
        """
        Add a file whose name is new to the index and answer the serial; the same bytes once more change nothing (R165).

        With a `founder` the project must be new, or that founder's already.

        :raises Conflict: as `may_found` and `is_new` in `pypidaemon.records.rules` say.
        """
        project = self._projects.get((label, name))
        filename = record.file.filename
        may_found(name, founder, project is not None, await self.owner(label, name))
        if not is_new(name, record.file, self._holders(label, filename)):
            return self._project(label, name).serial
        project = project or _Project(owner=founder)
        return self._happened(label, name, record.version, action, _with(project, record))

    async def look(self, label: str, name: NormalizedName, filename: Filename) -> OnRecord:
        """
        What is known of a project and of one file name of it.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """
        project = self._project(label, name)
        return OnRecord(project.serial, project.owner, project.records.get(filename))

    async def enter(
        self,
        label: str,
        name: NormalizedName,
        record: FileRecord,
        action: str,
        founder: str | None,
        deed: Deed | None,
        instead: str | None = None,
    ) -> Entered:
        """
        As `add`, and tell what was before; the audit log is another book, and the deed is not in it.

        :raises Conflict: as `add`.
        """
        known = self._projects.get((label, name))
        before = None if known is None else known.serial
        may_found(name, founder, known is not None, await self.owner(label, name))
        if instead is not None and replaces(name, record.file, self._holders(label, record.file.filename)):
            return Entered(await self.record(label, name, record, instead), before)
        serial = await self.add(label, name, record, action, founder)
        return Entered(serial, before, serial != before)

    async def record(self, label: str, name: NormalizedName, record: FileRecord, action: str) -> int:
        """Add a file, or replace the record of that file name, and answer the serial."""
        project = self._projects.get((label, name), _Project())
        return self._happened(label, name, record.version, action, _with(project, record))

    async def settle(self, label: str, name: NormalizedName, records: Sequence[FileRecord], action: str) -> Settled:
        """Take these records over as they are, each that does not conflict with one that is here; the project exists from then on."""
        project = self._projects.get((label, name))
        taken: list[FileRecord] = []
        conflicts: list[Filename] = []
        for record in records:
            filename = record.file.filename
            holders = [
                (holder, known.records[filename])
                for (where, holder), known in self._projects.items()
                if where == label and filename in known.records
            ]
            try:
                taken += [record] if takes_over(name, record, holders) else []
            except Conflict:
                conflicts.append(filename)
        if project is not None and not taken:
            return Settled(project.serial, (), tuple(conflicts))
        version = common(record.version for record in taken)
        serial = self._happened(label, name, version, action, _with(project or _Project(), *taken))
        return Settled(serial, tuple(record.file.filename for record in taken), tuple(conflicts))

    async def amend(self, label: str, name: NormalizedName, filename: Filename, file: File, action: str) -> int:
        """
        Change what the page says of a file and answer the serial; all else stays, and so does the file's name.

        :raises NoSuchFile: there is no such record.
        """
        project = self._projects.get((label, name), _Project())
        if filename not in project.records:
            raise NoSuchFile(filename)
        amended = attrs.evolve(project.records[filename], file=attrs.evolve(file, filename=filename))
        return self._happened(label, name, amended.version, action, _with(project, amended))

    async def place(self, label: str, name: NormalizedName, filenames: tuple[Filename, ...], standing: Standing, action: str) -> int:
        """
        Give these files that standing and answer the serial; it stays as it is where every file has that standing already.

        :raises NoSuchFile: there is no record of one of them; none was changed.
        """
        project = self._projects.get((label, name), _Project())
        for filename in filenames:
            if filename not in project.records:
                raise NoSuchFile(filename)
        concerned = [record for filename in filenames if (record := project.records[filename]).standing is not standing]
        if not concerned:
            return project.serial
        placed = _with(project, *(attrs.evolve(record, standing=standing) for record in concerned))
        return self._happened(label, name, common(record.version for record in concerned), action, placed)

    async def forget(self, label: str, name: NormalizedName, filename: Filename | None, action: str) -> int:
        """
        Take a file, or with None the project, its files and its owner, out of the records, and answer the serial.

        A project whose last file goes this way stays, without files (law 3).

        :raises NoSuchFile: the project has no such record.
        :raises NoSuchProject: there is no such project.
        """
        project = self._project(label, name)
        if filename is None:
            return self._happened(label, name, None, action, None)
        if filename not in project.records:
            raise NoSuchFile(filename)
        left = {known: record for known, record in project.records.items() if known != filename}
        return self._happened(label, name, project.records[filename].version, action, attrs.evolve(project, records=left))

    async def owner(self, label: str, name: NormalizedName) -> str | None:
        """The account that owns the project, None where nobody does or there is no such project."""
        return self._projects.get((label, name), _Project()).owner

    async def give(self, label: str, name: NormalizedName, account: str | None) -> None:
        """
        Make that account, or with None nobody, the owner. No page changes by this, so it takes no serial.

        :raises NoSuchProject: there is no such project.
        """
        self._projects[label, name] = attrs.evolve(self._project(label, name), owner=account)

    async def owned(self, account: str) -> frozenset[tuple[str, NormalizedName]]:
        """Every (label, project) that the account owns."""
        return frozenset(key for key, project in self._projects.items() if project.owner == account)

    async def changes(self, label: str, since: int, limit: int) -> list[Change]:
        """What happened after `since`, rising, at most `limit` (R146)."""
        return cut(self._history[label][max(since, 0) :], limit)

    async def holders(self, digest: Digest) -> frozenset[NormalizedName]:
        """The projects, of any label, with a file of that content, whatever its standing."""
        return frozenset(
            name for (_, name), project in self._projects.items() if any(one.file.digest == digest for one in project.records.values())
        )

    async def references(self, digest: Digest) -> int:
        """How many records, of any label and standing, name that content as the file itself or as its METADATA."""
        records = [record for project in self._projects.values() for record in project.records.values()]
        return sum(digest in (record.file.digest, record.file.core_metadata) for record in records)

    def _holders(self, label: str, filename: Filename) -> list[Holder]:
        return [
            Holder(holder, known.records[filename].file.digest, known.records[filename].standing)
            for (where, holder), known in self._projects.items()
            if where == label and filename in known.records
        ]

    def _project(self, label: str, name: NormalizedName) -> _Project:
        try:
            return self._projects[label, name]
        except KeyError:
            raise NoSuchProject(name) from None

    def _happened(self, label: str, name: NormalizedName, version: str | None, action: str, now: _Project | None) -> int:
        """Take the label's next serial, and let the project be as it is `now`, or with None be gone."""
        # Serials begin at 1 and have no gaps, so the row of serial n is the n-th.
        serial = len(self._history[label]) + 1
        self._history[label].append(Change(name, version, self.clock.seconds(), action, serial))
        if now is None:
            del self._projects[label, name]
        else:
            self._projects[label, name] = attrs.evolve(now, serial=serial)
        return serial


def _with(project: _Project, *records: FileRecord) -> _Project:
    """The project with these records besides, or in place of those of the same file names."""
    return attrs.evolve(project, records={**project.records, **{record.file.filename: record for record in records}})
