"""The orders in force about packages, in SQLite."""

from __future__ import annotations

import sqlite3

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IRulingRecords
from pypidaemon.model import Ruling, RulingKind
from pypidaemon.records.database import Database


def _rulings(connection: sqlite3.Connection) -> list[Ruling]:
    rows = connection.execute("SELECT kind, target, reason, account, time, until FROM rulings ORDER BY kind, target").fetchall()
    return [Ruling(RulingKind(kind), *rest) for kind, *rest in rows]


def _rule(connection: sqlite3.Connection, ruling: Ruling) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO rulings (kind, target, reason, account, time, until) VALUES (?, ?, ?, ?, ?, ?)",
        (ruling.kind.value, ruling.target, ruling.reason, ruling.account, ruling.time, ruling.until),
    )


def _repeal(connection: sqlite3.Connection, kind: RulingKind, target: str) -> bool:
    return connection.execute("DELETE FROM rulings WHERE kind = ? AND target = ?", (kind.value, target)).rowcount > 0


@implementer(IRulingRecords)
@attrs.frozen(eq=False)
class SqliteRulings:
    """`IRulingRecords` in a database that survives a loss of power: what was blocked stays blocked."""

    database: Database

    async def rulings(self) -> list[Ruling]:
        """All of them, in the order of kind and target."""
        return await self.database.read(_rulings)

    async def rule(self, ruling: Ruling) -> None:
        """Keep this ruling, instead of one of the same kind and target."""
        await self.database.write(_rule, ruling)

    async def repeal(self, kind: RulingKind, target: str) -> bool:
        """Take it back; answer whether there was one."""
        return await self.database.write(_repeal, kind, target)
