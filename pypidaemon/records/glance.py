"""SQLite records looked at from beside the daemon that works on them: nothing is made, upgraded, mended or written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import (
    IAccountRecords,
    IDocumentCache,
    IFetchRecords,
    IFileFacts,
    IFileRecords,
    ILedger,
    IMirrorRecords,
    IPageCache,
    IPins,
    IPublisherRecords,
    IRecords,
    IRulingRecords,
    IUses,
    IWithdrawnEntries,
)
from pypidaemon.records import schemas
from pypidaemon.records.database import BUSY_SECONDS, Database, records_title
from pypidaemon.records.sqlite import MIRRORS, SqliteRecords, has_made, missing

P = ParamSpec("P")
T = TypeVar("T")


@attrs.define(eq=False)
class Glance(Database):
    """A database that somebody else may be writing to. One that is not there is read as a failure, and made by nobody."""

    _still: bool = attrs.field(default=False, init=False)
    """Whether nobody had it open when we opened it."""

    def open(self) -> None:
        """
        Open the database to read it.

        :raises PypidaemonError: it is not there, cannot be read, or is not of the version that this program knows.
        """
        if not os.path.exists(self.path):
            raise PypidaemonError(f"{self.title}: there is none yet")
        self._still = not os.path.exists(f"{self.path}-wal")
        connection = self._connect()
        try:
            found = schemas.version(connection)
            if found != len(self.schema):
                raise PypidaemonError(f"{self.title}: made by another version of pypidaemon (schema {found}, known is {len(self.schema)})")
        except sqlite3.Error as error:
            connection.close()
            raise PypidaemonError(f"{self.title}: {' '.join(str(error).split())}") from error
        except BaseException:
            connection.close()
            raise
        self._writer = connection

    def close(self) -> None:
        """Close every connection; the mark of whoever works on the database stays."""
        connections = [*self._readers, *([self._writer] if self._writer else [])]
        self._readers.clear()
        self._writer = None
        for connection in connections:
            connection.close()

    async def read(self, question: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Database.read`; a PypidaemonError also where there is no database."""
        if self._writer is None:
            raise PypidaemonError(f"{self.title}: there is none to be read")
        return await Database.read(self, question, *args, **kwargs)

    async def write(self, change: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Nothing is written.

        :raises PypidaemonError: always.
        """
        raise PypidaemonError(f"{self.title}: it is only looked at")

    def has_made(self, word: str) -> bool:
        """Whether it is noted that the database of that word was made beside this one, which is open."""
        assert self._writer is not None  # or there would be nothing to ask
        return self._guarded(partial(has_made, self._writer, word))

    def _connect(self) -> sqlite3.Connection:
        # Where nobody is at work there is no log, and SQLite would make one that it may not take away again.
        place = f"{Path(os.path.abspath(self.path)).as_uri()}?mode=ro{'&immutable=1' if self._still else ''}"
        return sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


@attrs.define(eq=False)
class LateGlance(Glance):
    """One that need not be there: it is then as good as empty."""

    def open(self) -> None:
        """As `Glance.open` where there is one; else nothing is done."""
        if os.path.exists(self.path):
            Glance.open(self)

    async def read(self, question: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Database.read`."""
        if self._writer is None:
            return await self.read_nothing(question, *args, **kwargs)
        return await Database.read(self, question, *args, **kwargs)


@implementer(IRecords)
@attrs.define(eq=False, slots=False)
class GlanceRecords(Service):
    """
    The books of SQLite records, for reading. What would write raises a PypidaemonError.

    :param records: the same on databases of the kind `Glance`, never started itself.
    """

    records: SqliteRecords
    pages: IPageCache = attrs.field(init=False)
    facts: IFileFacts = attrs.field(init=False)
    ledger: ILedger = attrs.field(init=False)
    files: IFileRecords = attrs.field(init=False)
    accounts: IAccountRecords = attrs.field(init=False)
    rulings: IRulingRecords = attrs.field(init=False)
    fetches: IFetchRecords = attrs.field(init=False)
    withdrawn: IWithdrawnEntries = attrs.field(init=False)
    publishers: IPublisherRecords = attrs.field(init=False)
    documents: IDocumentCache = attrs.field(init=False)
    mirrors: IMirrorRecords = attrs.field(init=False)
    uses: IUses = attrs.field(init=False)
    pins: IPins = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        books = self.records
        self.pages, self.facts, self.ledger, self.files = books.pages, books.facts, books.ledger, books.files
        self.accounts, self.rulings, self.fetches = books.accounts, books.rulings, books.fetches
        self.withdrawn, self.publishers, self.documents, self.mirrors = books.withdrawn, books.publishers, books.documents, books.mirrors
        self.uses, self.pins = books.uses, books.pins

    def startService(self) -> None:
        """
        Open the databases. One that may be lost and cannot be read is as good as empty.

        :raises PypidaemonError: one that must not be lost cannot be read.
        """
        main, mirrored, *others = self.records.databases
        main.open()
        try:
            mirrored.open()
            if not os.path.exists(mirrored.path) and isinstance(main, Glance) and main.has_made(MIRRORS):
                raise missing(mirrored)
        except BaseException:
            main.close()
            raise
        for database in others:
            try:
                database.open()
            except PypidaemonError:
                continue
        self.records.reading.startService()
        Service.startService(self)

    def stopService(self) -> Deferred[Any]:
        """Finish what was asked, then close the databases; fires when that is done."""
        Service.stopService(self)
        return maybeDeferred(self.records.reading.stopService).addCallback(self._close)

    async def identity(self) -> str:
        """
        The name of the instance whose records these are.

        :raises PypidaemonError: it has none yet.
        """
        row = await self.records.databases[0].read(_identity)
        if row is None:
            raise PypidaemonError(f"{records_title(self.records.label)}: they are nobody's yet")
        return str(row[0])

    def _close(self, _: object) -> None:
        for database in self.records.databases:
            database.close()


def _identity(connection: sqlite3.Connection) -> tuple[str] | None:
    row: tuple[str] | None = connection.execute("SELECT identity FROM instance").fetchone()
    return row
