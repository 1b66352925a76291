"""Which files exist in a local index, in SQLite: the truth about what was published here."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import NoSuchProject
from pypidaemon.interfaces import IFileRecords
from pypidaemon.model import Change, Deed, Digest, Entered, File, Filename, FileRecord, NormalizedName, OnRecord, Settled, Standing
from pypidaemon.records import entries, sqlite_file_changes
from pypidaemon.records.database import LARGEST, Database
from pypidaemon.records.rules import cut
from pypidaemon.records.sqlite_file_changes import Occasion, serial_of


def _names(connection: sqlite3.Connection, label: str) -> dict[NormalizedName, int]:
    return dict(connection.execute("SELECT name, serial FROM projects WHERE label = ? ORDER BY name", (label,)).fetchall())


def _page(connection: sqlite3.Connection, label: str, name: NormalizedName) -> tuple[int, list[FileRecord]]:
    serial = serial_of(connection, label, name)
    rows = connection.execute(
        "SELECT entry, version, uploader, standing, uploaded FROM files WHERE label = ? AND name = ? ORDER BY filename", (label, name)
    ).fetchall()
    return serial, [
        FileRecord(entries.read(entry), version, uploader, Standing(word), time) for entry, version, uploader, word, time in rows
    ]


def _look(connection: sqlite3.Connection, label: str, name: NormalizedName, filename: Filename) -> OnRecord:
    row = connection.execute(
        "SELECT p.serial, p.owner, f.entry, f.version, f.uploader, f.standing, f.uploaded FROM projects p LEFT JOIN files f"
        " ON f.label = p.label AND f.name = p.name AND f.filename = ?3 WHERE p.label = ?1 AND p.name = ?2",
        (label, name, filename),
    ).fetchone()
    if row is None:
        raise NoSuchProject(name)
    serial, owner, entry, version, uploader, word, time = row
    return OnRecord(serial, owner, entry and FileRecord(entries.read(entry), version, uploader, Standing(word), time))


def _owner(connection: sqlite3.Connection, label: str, name: NormalizedName) -> str | None:
    row: tuple[str | None] | None = connection.execute("SELECT owner FROM projects WHERE label = ? AND name = ?", (label, name)).fetchone()
    return row[0] if row else None


def _owned(connection: sqlite3.Connection, account: str) -> frozenset[tuple[str, NormalizedName]]:
    return frozenset(connection.execute("SELECT label, name FROM projects WHERE owner = ?", (account,)).fetchall())


def _changes(connection: sqlite3.Connection, label: str, since: int, limit: int) -> list[Change]:
    rows = connection.execute(
        "SELECT name, version, time, action, serial FROM history WHERE label = ? AND serial > ? ORDER BY serial LIMIT ?",
        (label, min(since, LARGEST), min(limit, LARGEST - 1) + 1),
    ).fetchall()
    return cut([Change(*row) for row in rows], limit)


def _holders(connection: sqlite3.Connection, digest: Digest) -> frozenset[NormalizedName]:
    found = connection.execute("SELECT DISTINCT name FROM files WHERE digest = ?", (digest,)).fetchall()
    return frozenset(NormalizedName(name) for (name,) in found)


def _references(connection: sqlite3.Connection, digest: Digest) -> int:
    number: int = connection.execute("SELECT count(*) FROM files WHERE digest = ?1 OR core_metadata = ?1", (digest,)).fetchone()[0]
    return number


@implementer(IFileRecords)
@attrs.frozen(eq=False)
class SqliteFiles:
    """`IFileRecords` in a database: every change and its serial in one durable transaction, so that what was answered is kept (F54)."""

    database: Database
    clock: IReactorTime

    async def names(self, label: str) -> Mapping[NormalizedName, int]:
        """Every project recorded and not forgotten, with its serial, in the order of the names."""
        return await self.database.read(_names, label)

    async def page(self, label: str, name: NormalizedName) -> tuple[int, list[FileRecord]]:
        """
        The project's serial and its records in the order of their names, of every standing.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """
        return await self.database.read(_page, label, name)

    async def add(self, label: str, name: NormalizedName, record: FileRecord, action: str, founder: str | None) -> int:
        """
        Add a file whose name is new to the index and answer the serial; the same bytes once more change nothing (R165).

        With a `founder` the project must be new, or that founder's already.

        :raises Conflict: as `may_found` and `is_new` in `pypidaemon.records.rules` say.
        """
        return await self.database.write(sqlite_file_changes.add, self._occasion(label, name, action), record, founder)

    async def look(self, label: str, name: NormalizedName, filename: Filename) -> OnRecord:
        """
        What is known of a project and of one file name of it.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """
        return await self.database.read(_look, label, name, filename)

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
        As `add`, and tell what was before; the deed is noted in the same transaction, where anything was changed. `instead` as in `IFileRecords`.

        :raises Conflict: as `add`.
        """
        return await self.database.write(sqlite_file_changes.enter, self._occasion(label, name, action), record, founder, deed, instead)

    async def record(self, label: str, name: NormalizedName, record: FileRecord, action: str) -> int:
        """Add a file, or replace the record of that file name, and answer the serial."""
        return await self.database.write(sqlite_file_changes.put, self._occasion(label, name, action), record)

    async def settle(self, label: str, name: NormalizedName, records: Sequence[FileRecord], action: str) -> Settled:
        """Take these records over as they are, each that does not conflict with one that is here; the project exists from then on."""
        return await self.database.write(sqlite_file_changes.settle, self._occasion(label, name, action), records)

    async def amend(self, label: str, name: NormalizedName, filename: Filename, file: File, action: str) -> int:
        """
        Change what the page says of a file and answer the serial; all else stays, and so does the file's name.

        :raises NoSuchFile: there is no such record.
        """
        return await self.database.write(sqlite_file_changes.amend, self._occasion(label, name, action), filename, file)

    async def place(self, label: str, name: NormalizedName, filenames: tuple[Filename, ...], standing: Standing, action: str) -> int:
        """
        Give these files that standing and answer the serial; it stays as it is where every file has that standing already.

        :raises NoSuchFile: there is no record of one of them; none was changed.
        """
        return await self.database.write(sqlite_file_changes.place, self._occasion(label, name, action), filenames, standing)

    async def forget(self, label: str, name: NormalizedName, filename: Filename | None, action: str) -> int:
        """
        Take a file, or with None the project, its files and its owner, out of the records, and answer the serial.

        A project whose last file goes this way stays, without files (law 3).

        :raises NoSuchFile: the project has no such record.
        :raises NoSuchProject: there is no such project.
        """
        return await self.database.write(sqlite_file_changes.forget, self._occasion(label, name, action), filename)

    async def owner(self, label: str, name: NormalizedName) -> str | None:
        """The account that owns the project, None where nobody does or there is no such project."""
        return await self.database.read(_owner, label, name)

    async def give(self, label: str, name: NormalizedName, account: str | None) -> None:
        """
        Make that account, or with None nobody, the owner. No page changes by this, so it takes no serial.

        :raises NoSuchProject: there is no such project.
        """
        await self.database.write(sqlite_file_changes.give, label, name, account)

    async def owned(self, account: str) -> frozenset[tuple[str, NormalizedName]]:
        """Every (label, project) that the account owns."""
        return await self.database.read(_owned, account)

    async def changes(self, label: str, since: int, limit: int) -> list[Change]:
        """What happened after `since`, rising, at most `limit` (R146)."""
        return await self.database.read(_changes, label, since, limit)

    async def holders(self, digest: Digest) -> frozenset[NormalizedName]:
        """The projects, of any label, with a file of that content, whatever its standing."""
        return await self.database.read(_holders, digest)

    async def references(self, digest: Digest) -> int:
        """How many records, of any label and standing, name that content as the file itself or as its METADATA."""
        return await self.database.read(_references, digest)

    def _occasion(self, label: str, name: NormalizedName, action: str) -> Occasion:
        return Occasion(label, name, self.clock.seconds(), action)
