"""Which files exist in a local index, in SQLite: the truth about what was published here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.interfaces import IFileRecords
from pypidaemon.model import Change, Digest, File, Filename, FileRecord, NormalizedName
from pypidaemon.records.database import Database
from pypidaemon.records.rules import cut

LARGEST = 2**63 - 1
"""The largest number that SQLite can compare with."""


@attrs.frozen
class _Deed:
    """What is done to which project, and when: all of a history row that the caller knows."""

    label: str
    name: NormalizedName
    time: float
    action: str


def _entry(file: File) -> str:
    return json.dumps(attrs.asdict(file, filter=lambda field, value: value != field.default), separators=(",", ":"))


def _file(entry: str) -> File:
    raw = json.loads(entry)
    raw["hashes"] = tuple((algorithm, value) for algorithm, value in raw.get("hashes", ()))
    return File(**raw)


def _names(connection: sqlite3.Connection, label: str) -> dict[NormalizedName, int]:
    return dict(connection.execute("SELECT name, serial FROM projects WHERE label = ? ORDER BY name", (label,)).fetchall())


def _serial(connection: sqlite3.Connection, label: str, name: NormalizedName) -> int:
    row: tuple[int] | None = connection.execute("SELECT serial FROM projects WHERE label = ? AND name = ?", (label, name)).fetchone()
    if row is None:
        raise NoSuchProject(name)
    return row[0]


def _page(connection: sqlite3.Connection, label: str, name: NormalizedName) -> tuple[int, list[FileRecord]]:
    serial = _serial(connection, label, name)
    rows = connection.execute(
        "SELECT entry, version, uploader FROM files WHERE label = ? AND name = ? ORDER BY filename", (label, name)
    ).fetchall()
    return serial, [FileRecord(_file(entry), version, uploader) for entry, version, uploader in rows]


def _version(connection: sqlite3.Connection, label: str, name: NormalizedName, filename: Filename) -> str:
    row: tuple[str] | None = connection.execute(
        "SELECT version FROM files WHERE label = ? AND name = ? AND filename = ?", (label, name, filename)
    ).fetchone()
    if row is None:
        raise NoSuchFile(filename)
    return row[0]


def _happened(connection: sqlite3.Connection, deed: _Deed, version: str | None) -> int:
    """Take the label's next serial for this change, in the transaction that the change is in."""
    serial: int = connection.execute("SELECT coalesce(max(serial), 0) + 1 FROM history WHERE label = ?", (deed.label,)).fetchone()[0]
    connection.execute(
        "INSERT INTO history (label, serial, name, version, time, action) VALUES (?, ?, ?, ?, ?, ?)",
        (deed.label, serial, deed.name, version, deed.time, deed.action),
    )
    return serial


def _changed(connection: sqlite3.Connection, deed: _Deed, version: str) -> int:
    """Take the next serial and give it to the project, which exists from now on."""
    serial = _happened(connection, deed, version)
    connection.execute(
        "INSERT INTO projects (label, name, serial) VALUES (?, ?, ?) ON CONFLICT (label, name) DO UPDATE SET serial = excluded.serial",
        (deed.label, deed.name, serial),
    )
    return serial


def _record(connection: sqlite3.Connection, deed: _Deed, record: FileRecord) -> int:
    serial = _changed(connection, deed, record.version)
    file = record.file
    connection.execute(
        "INSERT OR REPLACE INTO files (label, name, filename, version, uploader, entry, digest, core_metadata)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (deed.label, deed.name, file.filename, record.version, record.uploader, _entry(file), file.digest, file.core_metadata),
    )
    return serial


def _amend(connection: sqlite3.Connection, deed: _Deed, filename: Filename, file: File) -> int:
    serial = _changed(connection, deed, _version(connection, deed.label, deed.name, filename))
    connection.execute(
        "UPDATE files SET entry = ?, digest = ?, core_metadata = ? WHERE label = ? AND name = ? AND filename = ?",
        (_entry(attrs.evolve(file, filename=filename)), file.digest, file.core_metadata, deed.label, deed.name, filename),
    )
    return serial


def _forget(connection: sqlite3.Connection, deed: _Deed, filename: Filename | None) -> int:
    project = (deed.label, deed.name)
    _serial(connection, *project)
    if filename is None:
        serial = _happened(connection, deed, None)
        connection.execute("DELETE FROM projects WHERE label = ? AND name = ?", project)
        return serial
    serial = _changed(connection, deed, _version(connection, *project, filename))
    connection.execute("DELETE FROM files WHERE label = ? AND name = ? AND filename = ?", (*project, filename))
    return serial


def _changes(connection: sqlite3.Connection, label: str, since: int, limit: int) -> list[Change]:
    rows = connection.execute(
        "SELECT name, version, time, action, serial FROM history WHERE label = ? AND serial > ? ORDER BY serial LIMIT ?",
        (label, min(since, LARGEST), min(limit, LARGEST - 1) + 1),
    ).fetchall()
    return cut([Change(*row) for row in rows], limit)


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
        The project's serial and its records in the order of their names.

        :raises NoSuchProject: it was never recorded, or was forgotten.
        """
        return await self.database.read(_page, label, name)

    async def record(self, label: str, name: NormalizedName, record: FileRecord, action: str) -> int:
        """Add a file, or replace the record of that file name, and answer the serial."""
        return await self.database.write(_record, self._deed(label, name, action), record)

    async def amend(self, label: str, name: NormalizedName, filename: Filename, file: File, action: str) -> int:
        """
        Change what the page says of a file and answer the serial; version and uploader stay, and so does the file's name.

        :raises NoSuchFile: there is no such record.
        """
        return await self.database.write(_amend, self._deed(label, name, action), filename, file)

    async def forget(self, label: str, name: NormalizedName, filename: Filename | None, action: str) -> int:
        """
        Take a file, or with None the project and all its files, out of the records, and answer the serial.

        A project whose last file goes this way stays, without files (law 3).

        :raises NoSuchFile: the project has no such record.
        :raises NoSuchProject: there is no such project.
        """
        return await self.database.write(_forget, self._deed(label, name, action), filename)

    async def changes(self, label: str, since: int, limit: int) -> list[Change]:
        """What happened after `since`, rising, at most `limit` (R146)."""
        return await self.database.read(_changes, label, since, limit)

    async def references(self, digest: Digest) -> int:
        """How many records, of any label, name that content as the file itself or as its METADATA."""
        return await self.database.read(_references, digest)

    def _deed(self, label: str, name: NormalizedName, action: str) -> _Deed:
        return _Deed(label, name, self.clock.seconds(), action)
