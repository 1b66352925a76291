"""Which of upstreams' files are held and when they were last asked for, in SQLite: noted in memory and written down many at a time; and pins."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import attrs
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IPins, IUses
from pypidaemon.model import Digest, Filename, NormalizedName, Pin, Use, UsedProject
from pypidaemon.records.database import Database

LONGEST_WAIT = 60.0
"""How many seconds the first note waits; a crash loses no more than that."""

MOST_WAITING = 10_000
"""How many files wait while the disk takes nothing; of more the last noted are dropped."""

_COLUMNS = "digest, label, name, filename, size, used"


def _use(row: Sequence[object]) -> Use:
    digest, label, name, filename, size, used = row
    return Use(Digest(str(digest)), str(label), NormalizedName(str(name)), Filename(str(filename)), int(str(size)), float(str(used)))


def _note(connection: sqlite3.Connection, uses: Iterable[Use]) -> None:
    connection.executemany(
        f"INSERT INTO uses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608  # a constant
        " ON CONFLICT (digest) DO UPDATE SET label = excluded.label, name = excluded.name, filename = excluded.filename,"
        " size = excluded.size, used = excluded.used WHERE excluded.used > used",
        [attrs.astuple(use) for use in uses],
    )


def _weight(connection: sqlite3.Connection) -> tuple[int, int]:
    count, size = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM uses").fetchone()
    return count, size


def _oldest(connection: sqlite3.Connection, after: tuple[float, str], limit: int) -> list[Use]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM uses WHERE (used, digest) > (?, ?) ORDER BY used, digest LIMIT ?",  # noqa: S608  # a constant
        (*after, limit),
    )
    return [_use(row) for row in rows]


def _listed(connection: sqlite3.Connection, name: NormalizedName) -> list[Use]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM uses WHERE name = ? ORDER BY filename, digest",  # noqa: S608  # a constant
        (name,),
    )
    return [_use(row) for row in rows]


def _projects(connection: sqlite3.Connection, after: str, limit: int) -> list[UsedProject]:
    rows = connection.execute(
        "SELECT name, count(*), sum(size), max(used) FROM uses WHERE name > ? GROUP BY name ORDER BY name LIMIT ?", (after, limit)
    )
    return [UsedProject(NormalizedName(name), files, size, used) for name, files, size, used in rows]


def _forget(connection: sqlite3.Connection, digests: Iterable[Digest]) -> None:
    connection.executemany("DELETE FROM uses WHERE digest = ?", [(digest,) for digest in digests])


@implementer(IUses)
@attrs.define(eq=False, slots=False)
class SqliteUses(Service):
    """
    `IUses` in the database of the page cache.

    Whoever takes a file never waits for this and never fails for it: what cannot be written down now waits for the next time, up to a bound.
    """

    database: Database
    clock: IReactorTime
    _waiting: dict[Digest, Use] = attrs.field(factory=dict, init=False)
    _due: IDelayedCall | None = attrs.field(default=None, init=False)
    _flights: Flights[str, None] = attrs.field(factory=Flights, init=False)
    _failing: bool = attrs.field(default=False, init=False)

    log = Logger()

    def startService(self) -> None:
        """Write down from now on what is noted."""
        Service.startService(self)
        self._attend()

    def stopService(self) -> None:
        """Begin to write nothing more."""
        Service.stopService(self)
        due, self._due = self._due, None
        if due is not None:
            due.cancel()

    def settle(self) -> None:
        """Write what waits, in this thread: for the stop, when the writing thread has ended."""
        if self._waiting:
            try:
                self.database.at_once(_note, tuple(self._waiting.values()))
            except PypidaemonError as error:
                self._fail(error)
            self._waiting.clear()

    async def note(self, use: Use) -> None:
        """As `IUses`."""
        known = self._waiting.get(use.digest)
        if (known is None and len(self._waiting) < MOST_WAITING) or (known is not None and use.used > known.used):
            self._waiting[use.digest] = use
            self._attend()

    async def weight(self) -> tuple[int, int]:
        """
        As `IUses`.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(_weight)

    async def oldest(self, after: tuple[float, str], limit: int) -> list[Use]:
        """
        As `IUses`.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(_oldest, after, limit)

    async def projects(self, after: str, limit: int) -> list[UsedProject]:
        """
        As `IUses`.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(_projects, after, limit)

    async def listed(self, name: NormalizedName) -> list[Use]:
        """
        As `IUses`.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(_listed, name)

    async def forget(self, digests: Sequence[Digest]) -> None:
        """
        As `IUses`.

        :raises PypidaemonError: the database cannot do it.
        """
        for digest in digests:
            self._waiting.pop(digest, None)
        await self.database.write(_forget, tuple(digests))

    def _attend(self) -> None:
        if self.running and self._waiting and self._due is None:
            self._due = self.clock.callLater(LONGEST_WAIT, self._fall_due)

    def _fall_due(self) -> None:
        self._due = None
        self._flights.start("", self._write)

    async def _flush(self) -> None:
        if self.running and self._waiting:
            await self._flights.join("", self._write)

    async def _write(self) -> None:
        notes, self._waiting = self._waiting, {}
        try:
            await self.database.write(_note, tuple(notes.values()))
            self._failing = False
        except PypidaemonError as error:
            self._fail(error)
            self._waiting = notes | self._waiting
        self._attend()

    def _fail(self, error: PypidaemonError) -> None:
        if not self._failing:
            self.log.warn("Which files are used is not written down: {reason}", reason=str(error))
        self._failing = True


def _pins(connection: sqlite3.Connection) -> list[Pin]:
    return [
        Pin(NormalizedName(name), version) for name, version in connection.execute("SELECT name, version FROM pins ORDER BY name, version")
    ]


def _pin(connection: sqlite3.Connection, pin: Pin, pinned: bool) -> bool:
    if pinned:
        change = connection.execute("INSERT OR IGNORE INTO pins (name, version) VALUES (?, ?)", (pin.name, pin.version))
    else:
        change = connection.execute("DELETE FROM pins WHERE name = ? AND version = ?", (pin.name, pin.version))
    return change.rowcount > 0


@implementer(IPins)
@attrs.frozen(eq=False)
class SqlitePins:
    """`IPins` in the database that must not be lost."""

    database: Database

    async def pins(self) -> list[Pin]:
        """
        As `IPins`.

        :raises PypidaemonError: the database cannot be read.
        """
        return await self.database.read(_pins)

    async def pin(self, pin: Pin, pinned: bool) -> bool:
        """
        As `IPins`.

        :raises PypidaemonError: the database cannot do it.
        """
        return await self.database.write(_pin, pin, pinned)
