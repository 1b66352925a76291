"""Which files clients took, in SQLite: noted in memory and written down many at a time."""

from __future__ import annotations

import sqlite3

import attrs
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IFetchRecords
from pypidaemon.model import Digest, Downloads, Fetch, NormalizedName
from pypidaemon.moments import day
from pypidaemon.records.database import Database
from pypidaemon.records.fetch_rows import OF_CLIENT, OF_DIGEST, OF_PROJECT, OF_RELEASE, insert, newest, of_day, projects_of
from pypidaemon.records.rules import MOST_FETCHES, counted, noted

BATCH = 200
"""So many fetches that wait are written down at once."""

LONGEST_WAIT = 5.0
"""How many seconds the first of fewer waits; a crash loses no more than that."""

MOST_WAITING = 5_000
"""How many fetches wait while the disk is slow, at some 500 bytes each; of more the last noted are dropped."""

FORGOTTEN_AT_ONCE = 10_000
"""How many rows one transaction deletes, so that no write waits long for it."""


def _bounded(limit: int) -> int:
    return min(max(limit, 0), MOST_FETCHES)


def _forget(connection: sqlite3.Connection, time: float) -> int:
    connection.execute("DELETE FROM downloads WHERE day < ?", (day(time),))
    return connection.execute(
        "DELETE FROM fetches WHERE number IN (SELECT number FROM fetches WHERE time < ? LIMIT ?)", (time, FORGOTTEN_AT_ONCE)
    ).rowcount


def _last_beyond(connection: sqlite3.Connection, most: int) -> int | None:
    """The number of the newest row that is one too many."""
    row = connection.execute("SELECT number FROM fetches ORDER BY number DESC LIMIT 1 OFFSET ?", (most,)).fetchone()
    return None if row is None else row[0]


def _forget_up_to(connection: sqlite3.Connection, number: int) -> int:
    return connection.execute(
        "DELETE FROM fetches WHERE number IN (SELECT number FROM fetches WHERE number <= ? LIMIT ?)", (number, FORGOTTEN_AT_ONCE)
    ).rowcount


@implementer(IFetchRecords)
@attrs.define(eq=False, slots=False)
class SqliteFetches(Service):
    """
    `IFetchRecords` in a database of its own, since a busy daemon writes more here than everywhere else.

    Whoever takes a file never waits for this and never fails for it: what cannot be written is dropped, and one line of the log says so
    until writing succeeds again. Runs from start to stop, and what is left then `settle` writes.
    """

    database: Database
    clock: IReactorTime
    _waiting: list[Fetch | Downloads] = attrs.field(factory=list, init=False)
    _due: IDelayedCall | None = attrs.field(default=None, init=False)
    _flights: Flights[str, None] = attrs.field(factory=Flights, init=False)
    _lost: int = attrs.field(default=0, init=False)

    log = Logger()

    def startService(self) -> None:
        """Write down from now on what is noted."""
        Service.startService(self)
        self._attend()

    def stopService(self) -> None:
        """Begin to write nothing more."""
        Service.stopService(self)
        self._call_off()

    def settle(self) -> None:
        """Write what waits, in this thread: for the stop, when the writing thread has ended."""
        left = tuple(self._waiting)
        self._waiting.clear()
        if not left:
            return
        try:
            self.database.at_once(insert, left)
        except PypidaemonError as error:
            self._lose(len(left), str(error))

    async def note(self, fetch: Fetch) -> None:
        """Remember it, with what the client chose cut to a bounded length; where too many wait already it is dropped."""
        self._put(noted(fetch))

    async def count(self, downloads: Downloads) -> None:
        """Add these to what was taken on that day, as `note`."""
        self._put(counted(downloads))

    async def counts(self, day: str, limit: int) -> list[Downloads]:
        """
        What was taken on that day, most often taken first, at most `limit`.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(of_day, day, max(limit, 0))

    async def of_project(self, name: NormalizedName, version: str | None, since: float, limit: int) -> list[Fetch]:
        """
        The fetches of that project, or release, oldest first, at most `limit` and `MOST_FETCHES`, and of those the newest.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        if version is None:
            return await self.database.read(newest, OF_PROJECT, name, since, _bounded(limit))
        return await self.database.read(newest, OF_RELEASE, name, version, since, _bounded(limit))

    async def of_digest(self, digest: Digest, since: float, limit: int) -> list[Fetch]:
        """
        The same of those bytes, whatever they were called.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(newest, OF_DIGEST, digest, since, _bounded(limit))

    async def of_client(self, account: str | None, address: str | None, since: float, limit: int) -> list[Fetch]:
        """
        The same of whatever that account took, or was taken from that address; with None of any.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(newest, OF_CLIENT, account, address, since, _bounded(limit))

    async def projects(self, index: str, since: float) -> list[NormalizedName]:
        """
        The projects of which a file was taken from that index at or after that time, in order of names.

        :raises PypidaemonError: the database cannot be read.
        """
        await self._flush()
        return await self.database.read(projects_of, index, since)

    async def forget_before(self, time: float) -> int:
        """
        Forget all that is older, some at a time, and the days that had ended by then; answer how many fetches that were.

        :raises PypidaemonError: the database cannot do it; some may be forgotten already.
        """
        await self._flush()
        forgotten = 0
        while some := await self.database.write(_forget, time):
            forgotten += some
        return forgotten

    async def forget_beyond(self, most: int) -> int:
        """
        Forget the fetches that were noted first, some at a time, until there are that many; answer how many that were.

        :raises PypidaemonError: the database cannot do it; some may be forgotten already.
        """
        await self._flush()
        last = await self.database.read(_last_beyond, max(most, 0))
        forgotten = 0
        while last is not None and (some := await self.database.write(_forget_up_to, last)):
            forgotten += some
        return forgotten

    def _put(self, note: Fetch | Downloads) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._lose(1, "too many wait to be written down")
            return
        self._waiting.append(note)
        self._attend()

    def _attend(self) -> None:
        """See to it that what waits is written down in time."""
        if not self.running or not self._waiting:
            return
        if len(self._waiting) >= BATCH:
            self._flights.start("", self._write)
        elif self._due is None:
            self._due = self.clock.callLater(LONGEST_WAIT, self._fall_due)

    def _fall_due(self) -> None:
        self._due = None
        self._flights.start("", self._write)

    def _call_off(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            due.cancel()

    async def _flush(self) -> None:
        """Come back when all that was noted before is written down, or dropped."""
        # A writing that is under way may have begun before the last note. The next one has everything.
        for _ in range(2):
            if self.running and self._waiting:
                await self._flights.join("", self._write)

    async def _write(self) -> None:
        """Write down what waits, again while that has become as many as a batch meanwhile."""
        enough = 1
        while self.running and len(self._waiting) >= enough:
            self._call_off()
            await self._write_some(tuple(self._waiting))
            enough = BATCH
        self._attend()

    async def _write_some(self, notes: tuple[Fetch | Downloads, ...]) -> None:
        try:
            await self.database.write(insert, notes)
        except PypidaemonError as error:
            self._lose(len(notes), str(error))
        else:
            self._recover()
        finally:
            # Whatever became of them they wait no more, so that one that cannot be written does not keep back all that come after it.
            del self._waiting[: len(notes)]

    def _lose(self, count: int, reason: str) -> None:
        if not self._lost:
            self.log.warn("Which files are fetched is not kept: {reason}", reason=reason)
        self._lost += count

    def _recover(self) -> None:
        if self._lost:
            self.log.info("Which files are fetched is kept again; {count} fetches were not.", count=self._lost)
        self._lost = 0
