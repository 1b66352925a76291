"""What upstreams list no longer, and who was seen to attest what they list, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPublisherRecords, IWithdrawnEntries
from pypidaemon.model import File, Filename, NormalizedName, ProjectStatus, Withdrawn
from pypidaemon.records import entries
from pypidaemon.records.database import Database


def _withdrawn(connection: sqlite3.Connection, label: str, name: NormalizedName) -> dict[Filename, Withdrawn]:
    rows = connection.execute(
        "SELECT filename, entry, since FROM withdrawn WHERE label = ? AND name = ? ORDER BY filename", (label, name)
    ).fetchall()
    return {Filename(filename): Withdrawn(entries.read(entry), since) for filename, entry, since in rows}


def _withdraw(connection: sqlite3.Connection, label: str, name: NormalizedName, files: tuple[File, ...], since: float) -> None:
    connection.executemany(
        "INSERT INTO withdrawn (label, name, filename, entry, since) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (label, name, filename) DO UPDATE SET entry = excluded.entry",
        [(label, name, file.filename, entries.write(file), since) for file in files],
    )


def _restore(connection: sqlite3.Connection, label: str, name: NormalizedName, filenames: tuple[Filename, ...]) -> None:
    connection.executemany(
        "DELETE FROM withdrawn WHERE label = ? AND name = ? AND filename = ?", [(label, name, filename) for filename in filenames]
    )


def _projects(connection: sqlite3.Connection, label: str) -> dict[NormalizedName, int]:
    counted = connection.execute("SELECT name, count(*) FROM withdrawn WHERE label = ? GROUP BY name ORDER BY name", (label,))
    return dict(counted.fetchall())


def _last_status(connection: sqlite3.Connection, label: str, name: NormalizedName) -> ProjectStatus | None:
    row = connection.execute("SELECT marker, reason FROM withdrawn_status WHERE label = ? AND name = ?", (label, name)).fetchone()
    return None if row is None else ProjectStatus(*row)


def _note_status(connection: sqlite3.Connection, label: str, name: NormalizedName, status: ProjectStatus) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO withdrawn_status (label, name, marker, reason) VALUES (?, ?, ?, ?)",
        (label, name, status.marker, status.reason),
    )


def _publishers(connection: sqlite3.Connection, label: str, name: NormalizedName) -> dict[str, float]:
    seen = connection.execute("SELECT publisher, time FROM publishers WHERE label = ? AND name = ? ORDER BY publisher", (label, name))
    return dict(seen.fetchall())


def _met(connection: sqlite3.Connection, label: str, name: NormalizedName, publisher: str, time: float) -> bool:
    met = connection.execute(
        "INSERT OR IGNORE INTO publishers (label, name, publisher, time) VALUES (?, ?, ?, ?)", (label, name, publisher, time)
    )
    return met.rowcount > 0


@implementer(IWithdrawnEntries)
@attrs.frozen(eq=False)
class SqliteWithdrawn:
    """`IWithdrawnEntries` in a database that survives a loss of power: nobody else has them any more."""

    database: Database

    async def withdrawn(self, label: str, name: NormalizedName) -> Mapping[Filename, Withdrawn]:
        """Those of that project, in the order of the file names."""
        return await self.database.read(_withdrawn, label, name)

    async def withdraw(self, label: str, name: NormalizedName, files: tuple[File, ...], since: float) -> None:
        """Keep these entries, all in one transaction; one that is kept already becomes what it is now and keeps its time."""
        if files:
            await self.database.write(_withdraw, label, name, files, since)

    async def restore(self, label: str, name: NormalizedName, filenames: tuple[Filename, ...]) -> None:
        """Forget these, all in one transaction; one that is not kept is no fault."""
        if filenames:
            await self.database.write(_restore, label, name, filenames)

    async def projects(self, label: str) -> Mapping[NormalizedName, int]:
        """Every project with entries here, and how many, in the order of the names."""
        return await self.database.read(_projects, label)

    async def last_status(self, label: str, name: NormalizedName) -> ProjectStatus | None:
        """The status that was last noted of a project."""
        return await self.database.read(_last_status, label, name)

    async def note_status(self, label: str, name: NormalizedName, status: ProjectStatus) -> None:
        """Note the status that upstream last gave it."""
        await self.database.write(_note_status, label, name, status)


@implementer(IPublisherRecords)
@attrs.frozen(eq=False)
class SqlitePublishers:
    """`IPublisherRecords` in a database that survives a loss of power: of two who meet one at once, one is told that it is new."""

    database: Database

    async def publishers(self, label: str, name: NormalizedName) -> Mapping[str, float]:
        """Everybody seen, with when first, in the order of who they are."""
        return await self.database.read(_publishers, label, name)

    async def met(self, label: str, name: NormalizedName, publisher: str, time: float) -> bool:
        """Remember a publisher; answer whether it is new. One that is not keeps its time."""
        return await self.database.write(_met, label, name, publisher, time)
