"""Pins and sidecars of upstream's files, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IFileFacts
from pypidaemon.model import Digest, Fact, Filename, NormalizedName, Replaced
from pypidaemon.records.database import Database
from pypidaemon.records.rules import merged


def _fact(digest: str | None, size: int | None, metadata: str | None, broken: int, upload_time: str | None, dated_by: str | None) -> Fact:
    return Fact(
        digest=None if digest is None else Digest(digest),
        size=size,
        metadata=None if metadata is None else Digest(metadata),
        metadata_broken=bool(broken),
        upload_time=upload_time,
        dated_by=dated_by,
    )


def _all(connection: sqlite3.Connection, label: str, name: NormalizedName) -> dict[Filename, Fact]:
    rows = connection.execute(
        "SELECT filename, digest, size, metadata, metadata_broken, upload_time, dated_by FROM facts WHERE label = ? AND name = ?",
        (label, name),
    ).fetchall()
    return {Filename(filename): _fact(*row) for filename, *row in rows}


def _learn(connection: sqlite3.Connection, label: str, name: NormalizedName, filename: Filename, new: Fact) -> Fact:
    row = connection.execute(
        "SELECT digest, size, metadata, metadata_broken, upload_time, dated_by FROM facts WHERE label = ? AND name = ? AND filename = ?",
        (label, name, filename),
    ).fetchone()
    known = None if row is None else _fact(*row)
    fact = merged(known or Fact(), new)
    if fact != known:
        connection.execute(
            "INSERT OR REPLACE INTO facts (label, name, filename, digest, size, metadata, metadata_broken, upload_time, dated_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (label, name, filename, *attrs.astuple(fact)),
        )
    return fact


def _learn_all(connection: sqlite3.Connection, label: str, name: NormalizedName, facts: Mapping[Filename, Fact]) -> None:
    for filename, fact in facts.items():
        _learn(connection, label, name, filename, fact)


def _differ(
    connection: sqlite3.Connection, label: str, name: NormalizedName, others: Mapping[Filename, str], since: float
) -> tuple[Filename, ...]:
    noted = dict(connection.execute("SELECT filename, other FROM replaced WHERE label = ? AND name = ?", (label, name)).fetchall())
    gone = [(label, name, filename) for filename in noted if filename not in others]
    connection.executemany("DELETE FROM replaced WHERE label = ? AND name = ? AND filename = ?", gone)
    new = tuple(filename for filename, other in others.items() if noted.get(filename) != other)
    rows = [(label, name, filename, others[filename], since) for filename in new]
    connection.executemany("INSERT OR REPLACE INTO replaced (label, name, filename, other, since) VALUES (?, ?, ?, ?, ?)", rows)
    return new


_REPLACED = (
    "SELECT label, name, filename, facts.digest, other, since FROM replaced LEFT JOIN facts USING (label, name, filename)"
    " WHERE (label, name, filename) {} (?, ?, ?) ORDER BY label, name, filename LIMIT ?"
)


def _replaced(connection: sqlite3.Connection, which: str, place: tuple[str, str, str], limit: int) -> list[Replaced]:
    rows = connection.execute(_REPLACED.format(which), (*place, limit)).fetchall()
    return [
        Replaced(label, NormalizedName(name), Filename(filename), None if first is None else Digest(first), other, since)
        for label, name, filename, first, other, since in rows
    ]


def _accept(connection: sqlite3.Connection, label: str, name: NormalizedName, filename: Filename) -> Replaced | None:
    found = _replaced(connection, "=", (label, name, filename), 1)
    if not found:
        return None
    connection.execute("DELETE FROM facts WHERE label = ? AND name = ? AND filename = ?", (label, name, filename))
    connection.execute("DELETE FROM replaced WHERE label = ? AND name = ? AND filename = ?", (label, name, filename))
    if found[0].other:
        _learn(connection, label, name, filename, Fact(Digest(found[0].other)))
    return found[0]


@implementer(IFileFacts)
@attrs.frozen(eq=False)
class SqliteFacts:
    """`IFileFacts` in a database that survives a loss of power: a pin must outlive every cache (S29)."""

    database: Database

    async def known(self, label: str, name: NormalizedName) -> Mapping[Filename, Fact]:
        """All facts about that project's files."""
        return await self.database.read(_all, label, name)

    async def learn(self, label: str, name: NormalizedName, filename: Filename, fact: Fact) -> Fact:
        """Fill the gaps in what is known and answer what is now known; a pin stays, whoever comes second."""
        return await self.database.write(_learn, label, name, filename, fact)

    async def learn_all(self, label: str, name: NormalizedName, facts: Mapping[Filename, Fact]) -> None:
        """The same for each of them, all or none."""
        await self.database.write(_learn_all, label, name, facts)

    async def differ(self, label: str, name: NormalizedName, others: Mapping[Filename, str], since: float) -> tuple[Filename, ...]:
        """Note of which files other bytes are promised, and answer those that were not noted so before."""
        return await self.database.write(_differ, label, name, others, since)

    async def replaced(self, after: tuple[str, str, str], limit: int) -> list[Replaced]:
        """What is noted so, behind that label, name and file."""
        return await self.database.read(_replaced, ">", after, limit)

    async def accept(self, label: str, name: NormalizedName, filename: Filename) -> Replaced | None:
        """Take the bytes that are promised now for the first ones."""
        return await self.database.write(_accept, label, name, filename)
