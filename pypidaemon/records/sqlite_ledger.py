"""The serials that an index shows, in SQLite, with the latest of them in memory."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.interfaces import ILedger
from pypidaemon.model import Change, NormalizedName
from pypidaemon.records.database import LARGEST, Database
from pypidaemon.records.rules import cut, numbered

REMEMBERED = 50_000
"""How many projects' numbers stay in memory, at some 300 bytes each."""

_COUNTED = "ledger"

Known = tuple[str, int]
"""A revision and its serial, as a row says them."""


@attrs.frozen
class _Numbered:
    revision: str
    serial: int


def _known(connection: sqlite3.Connection, label: str, name: NormalizedName) -> Known | None:
    row: Known | None = connection.execute("SELECT revision, serial FROM ledger WHERE label = ? AND name = ?", (label, name)).fetchone()
    return row


def _high(connection: sqlite3.Connection, label: str) -> int:
    high: int = connection.execute("SELECT coalesce(max(serial), 0) FROM ledger WHERE label = ?", (label,)).fetchone()[0]
    return high


@attrs.frozen
class _Question:
    """What `number` is asked, and when."""

    label: str
    name: NormalizedName
    revision: str
    at_least: int
    time: float


def _number(connection: sqlite3.Connection, asked: _Question) -> int:
    known = _known(connection, asked.label, asked.name)
    serial = numbered(known, asked.revision, asked.at_least, _high(connection, asked.label))
    # Another process may have settled it since this one looked.
    if (asked.revision, serial) != known:
        connection.execute(
            "INSERT INTO ledger (label, name, revision, serial, time, action) VALUES (?, ?, ?, ?, ?, 'create')"
            " ON CONFLICT (label, name) DO UPDATE SET"
            " revision = excluded.revision, serial = excluded.serial, time = excluded.time, action = 'change'",
            (asked.label, asked.name, asked.revision, serial, asked.time),
        )
    return serial


def _serials(connection: sqlite3.Connection, label: str) -> dict[NormalizedName, int]:
    return dict(connection.execute("SELECT name, serial FROM ledger WHERE label = ? ORDER BY name", (label,)).fetchall())


def _numbers(connection: sqlite3.Connection, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
    return connection.execute(
        "SELECT name, serial FROM ledger WHERE label = ? AND name > ? ORDER BY name LIMIT ?", (label, after, limit)
    ).fetchall()


def _changes(connection: sqlite3.Connection, label: str, since: int, limit: int) -> list[Change]:
    rows = connection.execute(
        "SELECT name, NULL, time, action, serial FROM ledger WHERE label = ? AND serial > ? ORDER BY serial, name LIMIT ?",
        (label, min(since, LARGEST), min(limit, LARGEST - 1) + 1),
    ).fetchall()
    return cut([Change(*row) for row in rows], limit)


@attrs.define(eq=False)
class _Late(Mapping[NormalizedName, int]):
    """The numbers of a label, read by whoever asks for one of them first, on his thread."""

    database: Database
    label: str
    _found: dict[NormalizedName, int] | None = None

    def __getitem__(self, name: NormalizedName) -> int:
        return self._all()[name]

    def get(self, name: NormalizedName, default: Any = None) -> Any:
        """As of any mapping, which would raise and catch an error for each of the many that have no number."""
        return (self._found if self._found is not None else self._all()).get(name, default)

    def __iter__(self) -> Iterator[NormalizedName]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[NormalizedName, int]:
        if self._found is None:
            self._found = self.database.here(_serials, self.label)
        return self._found


@implementer(ILedger)
@attrs.frozen(eq=False)
class SqliteLedger:
    """
    `ILedger` in a database. The same question asked again is answered from memory, without a thread.

    Memory holds no truth: it may lag behind another process, and then only a number that this one has given before is given once more.
    """

    database: Database
    clock: IReactorTime
    remembered: int = REMEMBERED
    _memory: OrderedDict[tuple[str, NormalizedName], _Numbered | object] = attrs.field(factory=OrderedDict, init=False)

    async def number(self, label: str, name: NormalizedName, revision: str, at_least: int) -> int:
        """Answer the serial of that project at that revision; a number once given is never taken back (R69)."""
        key = (label, name)
        held = self._memory.get(key)
        if isinstance(held, _Numbered) and held.revision == revision and held.serial >= at_least:
            self._memory.move_to_end(key)
            return held.serial
        # While a question is under way its token stands in memory. Whoever asks after it replaces the token, so that of several
        # answers under way only the newest question's is kept; and one whose asker left leaves nothing behind that could be wrong.
        token = object()
        self._memory[key] = token
        self._memory.move_to_end(key)
        while len(self._memory) > self.remembered:
            self._memory.popitem(last=False)
        known = await self.database.read(_known, label, name)
        if known is not None and known[0] == revision and known[1] >= at_least:
            serial = known[1]
        else:
            serial = await self.database.write(self._number, _Question(label, name, revision, at_least, self.clock.seconds()))
        if self._memory.get(key) is token:
            self._memory[key] = _Numbered(revision, serial)
        return serial

    def _number(self, connection: sqlite3.Connection, asked: _Question) -> int:
        self.database.touch((_COUNTED, asked.label))
        return _number(connection, asked)

    def changed(self, label: str) -> int:
        """As `ILedger.changed`."""
        return self.database.count((_COUNTED, label))

    async def serial(self, label: str, name: NormalizedName) -> int:
        """The number that the project was given last, 0 where it never got one."""
        known = await self.database.read(_known, label, name)
        return 0 if known is None else known[1]

    async def serials(self, label: str) -> Mapping[NormalizedName, int]:
        """The numbers given so far, in the order of the names."""
        return await self.database.read(_serials, label)

    def late(self, label: str) -> Mapping[NormalizedName, int]:
        """As `ILedger.late`; raises then what `serials` does."""
        return _Late(self.database, label)

    async def numbers(self, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The same of the projects after that name, at most `limit`."""
        return await self.database.read(_numbers, label, after, limit)

    async def high(self, label: str) -> int:
        """The highest number given, 0 where none was."""
        return await self.database.read(_high, label)

    async def changes(self, label: str, since: int, limit: int) -> list[Change]:
        """The latest change of each project whose serial is above `since`, rising, at most `limit` (R146)."""
        return await self.database.read(_changes, label, since, limit)
