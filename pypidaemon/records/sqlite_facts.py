"""Pins and sidecars of upstream's files, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IFileFacts
from pypidaemon.model import Digest, Fact, Filename, NormalizedName
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
