"""
One SQLite database: opened and checked at start, written by one thread, read by a few, closed at stop.

The books say what to ask and write, this says how: WAL, one connection per thread, one transaction per question; changes that come while another is on its
way to the disk go there together (`pypidaemon.records.group`). What SQLite raises becomes an error of ours here and nowhere else.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import attrs
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError, StorageFailed, StorageFull
from pypidaemon.model import InThread
from pypidaemon.records import place, schemas
from pypidaemon.records.group import Change, Group

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a write waits for another process's before it fails (F68)."""

LARGEST = 2**63 - 1
"""The largest number that SQLite can compare with."""

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_UNSYNCED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class UnusableDatabase(PypidaemonError):
    """What lies there is damaged, is no database, or was made by a later version of this program."""


class DamagedDatabase(UnusableDatabase):
    """What lies there is damaged, or is no database."""


def records_title(label: str) -> str:
    """What messages call the records of that label, which are mostly called just that."""
    return label if label == "records" else f"records {label}"


def understood(title: str, error: Exception) -> PypidaemonError:
    """Our error for what SQLite raised, or for a row that cannot be read: one line, no path."""
    if isinstance(error, ValueError) or str(error).startswith("Could not decode"):
        return DamagedDatabase(
            f"{title}: the database is damaged: something in it is not what was written; `pypidaemon verify --repair` mends it"
        )
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _FULL or code & 0xFF == sqlite3.SQLITE_FULL:
        return StorageFull(f"{title}: there is no room left")
    if code == sqlite3.SQLITE_IOERR_WRITE:
        # It keeps to itself what the system said; where files may only become so long, it was that (F57).
        if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
            return StorageFull(f"{title}: there is no room left: files may not become longer")
        return StorageFailed(f"{title}: the disk takes nothing")
    if code in _UNSYNCED:
        return StorageFailed(f"{title}: the disk failed to keep what was written; nothing more is written until a restart")
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        return StorageFailed(f"{title}: it can only be read")
    if code & 0xFF in _CORRUPT:
        return DamagedDatabase(f"{title}: the database is damaged")
    return PypidaemonError(f"{title}: {' '.join(str(error).split())}")


def transact(begin: str, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Answer that work, done in a transaction that begins with these words: all of it, or none where it raises."""
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back on some errors, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


@attrs.define(eq=False)
class Database:
    """
    A database file and the threads that work on it.

    :param path: the file; made where it is missing.
    :param title: what it holds, for messages.
    :param schema: the steps of its schema, first to last.
    :param synchronous: `FULL` where a commit must survive a loss of power, `NORMAL` where it need not.
    :param reading: runs questions, several at once.
    :param writing: runs changes, one at a time and in order.
    """

    path: Path
    title: str
    schema: Sequence[str]
    synchronous: str
    reading: InThread
    writing: InThread
    _writer: sqlite3.Connection | None = attrs.field(default=None, init=False)
    _readers: list[sqlite3.Connection] = attrs.field(factory=list, init=False)
    _own: threading.local = attrs.field(factory=threading.local, init=False)
    _damaged: bool = attrs.field(default=False, init=False)
    _group: Group = attrs.field(factory=Group, init=False)
    _counts: dict[object, int] = attrs.field(factory=dict, init=False, repr=False)
    _touched: set[object] = attrs.field(factory=set, init=False, repr=False)
    """What the transaction under way is about, as far as it said so; the writing thread's alone."""
    _unsynced: StorageFailed | None = attrs.field(default=None, init=False)
    """Why nothing is written any more: what a disk could not keep once, it may claim to have the next time it is asked (F60)."""

    log = Logger()

    def open(self) -> None:
        """
        Open, check and upgrade the database. Blocks; call it once at start.

        The whole is read through only after a stop that was not clean; else SQLite reads no more than header and schema.

        :raises UnusableDatabase: it is damaged (F66), or its schema is later than ours (F92); nothing was changed.
        :raises StorageFull: there is no room.
        :raises PypidaemonError: it cannot be used, for the reason given.
        """
        place.make_private(self.path, self.title)
        self._damaged = False
        self._unsynced = None
        self._own = threading.local()
        unclean = self._marker.exists() or self._log_left()
        try:
            connection = self._connect()
            try:
                self._prepare(connection, unclean)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise understood(self.title, error) from error
        self._writer = connection

    def close(self) -> None:
        """Close every connection; call it when the threads have stopped. Closing twice is harmless."""
        connections = [*self._readers, *([self._writer] if self._writer else [])]
        self._readers.clear()
        self._writer = None
        for connection in connections:
            connection.close()
        # The last of all processes to close takes SQLite's log away; while it is there, another one is at work.
        if connections and not self._damaged and not os.path.exists(f"{self.path}-wal"):
            self._marker.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the closed database, so that the next `open` begins a new one."""
        place.discard(self.path)
        self._marker.unlink(missing_ok=True)

    async def read(self, question: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Answer `question(connection, ...)`, asked on a reading thread; it sees one state of the database throughout.

        :raises UnusableDatabase: the database turned out to be damaged.
        :raises PypidaemonError: SQLite failed otherwise.
        """
        return await self.reading(lambda: self._asked(self._reader, lambda connection: question(connection, *args, **kwargs)))

    def here(self, question: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `read` answers, and raises, asked in this thread, which is none of ours and not the reactor's."""
        with closing(self._guarded(self._another)) as connection:
            return self._asked(lambda: connection, lambda connection: question(connection, *args, **kwargs))

    def _asked(self, connection: Callable[[], sqlite3.Connection], question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._guarded(lambda: transact("BEGIN", connection(), question))
        except ValueError as error:
            # What a question makes of rows it can make of all that was ever written.
            self._damaged = True
            raise understood(self.title, error) from error

    async def read_nothing(self, question: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer the same of an empty database in memory, as if the file were new; it is not looked at. Raises what `read` does."""
        return await self.reading(self._guarded, lambda: schemas.of_nothing(self.schema, lambda empty: question(empty, *args, **kwargs)))

    async def write(self, change: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Answer `change(connection, ...)`, done on the writing thread in a transaction: all of it, or none where it raises; it is on the disk then.

        Those that come meanwhile share the next transaction and its way to the disk, in their order; each is undone alone where it raises. Where the
        transaction fails each is done again in one of its own, so a change may be called twice, and must not use up what it is given.

        :raises StorageFull: there is no room; nothing was changed (F54).
        :raises StorageFailed: the disk takes nothing, or failed to keep what was written, now or before (F58, F60).
        :raises UnusableDatabase: the database turned out to be damaged.
        :raises PypidaemonError: SQLite failed otherwise, also when another process kept it busy for too long (F68).
        """
        wanted: Change[T] = Change(lambda connection: change(connection, *args, **kwargs))
        self._group.add(wanted)
        try:
            return await self.writing(lambda: self._group.outcome(wanted, self.at_once))
        except RuntimeError:
            # Where there is no thread any more, it must not be done after all by whoever comes when there is one again.
            self._group.drop(wanted)
            raise

    def at_once(self, change: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `write` does, in this thread: for the writing thread, and for the start, before that one is at work."""
        if self._writer is None:
            raise RuntimeError(f"{self.title}: not open")
        if self._unsynced is not None:
            raise self._unsynced.with_traceback(None)
        writer = self._writer
        # The lock is taken at the start, since a reading transaction that turns into a writing one may not wait for it.
        try:
            return self._guarded(lambda: self._transacted(writer, lambda connection: change(connection, *args, **kwargs)))
        finally:
            # Here, and not where somebody waits for it: he may have left, and it is done all the same.
            while self._touched:
                about = self._touched.pop()
                self._counts[about] = self._counts.get(about, 0) + 1

    def _transacted(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """Answer that work, done in a writing transaction."""
        return transact("BEGIN IMMEDIATE", connection, work)

    def touch(self, about: object) -> None:
        """For a change while it is made: it is about that, so `count` counts it."""
        self._touched.add(about)

    def count(self, about: object) -> int:
        """How many changes there were about that since the start. Whoever asks before he reads takes nothing old for new."""
        return self._counts.get(about, 0)

    @property
    def _marker(self) -> Path:
        """The file that is there from start to clean stop."""
        return Path(f"{self.path}-dirty")

    def _log_left(self) -> bool:
        try:
            return os.stat(f"{self.path}-wal").st_size > 0
        except FileNotFoundError:
            return False

    def _connect(self) -> sqlite3.Connection:
        # Each connection stays with its thread, save that the one which stops the service closes them all.
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _prepare(self, connection: sqlite3.Connection, unclean: bool) -> None:
        found = self._version(connection)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if unclean:
            self.log.info("{title}: not closed cleanly the last time, so every page of the database is checked.", title=self.title)
            if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                raise DamagedDatabase(f"{self.title}: the database is damaged")
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise PypidaemonError(f"{self.title}: the file system cannot keep a write-ahead log")
        connection.execute(f"PRAGMA synchronous = {self.synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        if 0 < found < len(self.schema):
            self._copy(connection, found)
        transact("BEGIN IMMEDIATE", connection, self._upgrade)
        os.close(os.open(self._marker, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of its schema, looked at before anything is written: a later program's database must stay as it is."""
        found = schemas.version(connection)
        known = len(self.schema)
        if found > known:
            raise UnusableDatabase(
                f"{self.title}: made by a later version of pypidaemon (schema {found}, known up to {known}); nothing was changed"
            )
        return found

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        self._version(connection)
        schemas.upgrade(connection, self.schema)

    def _copy(self, connection: sqlite3.Connection, found: int) -> None:
        """Keep the database as it was before an upgrade, beside it (F92)."""
        copy = self.path.with_name(f"{self.path.stem}-schema-{found}{self.path.suffix}")
        place.discard(copy)
        place.make_private(copy, self.title)
        target = sqlite3.connect(copy)
        try:
            connection.backup(target)
        finally:
            target.close()
        self.log.info(
            "{title}: upgrading from schema {found}; the state before is kept as {copy}.", title=self.title, found=found, copy=copy.name
        )

    def _reader(self) -> sqlite3.Connection:
        """This thread's own connection."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None or self._writer is None:
            connection = self._another()
            self._readers.append(connection)
            self._own.connection = connection
        return connection

    def _another(self) -> sqlite3.Connection:
        if self._writer is None:
            raise RuntimeError(f"{self.title}: not open")
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (sqlite3.Error, OverflowError) as error:
            told = understood(self.title, error)
            # The marker then outlives even a clean stop, and the next start looks closely.
            self._damaged = self._damaged or isinstance(told, UnusableDatabase)
            if getattr(error, "sqlite_errorcode", 0) in _UNSYNCED and isinstance(told, StorageFailed):
                self._give_up(told)
            raise told from error

    def _give_up(self, why: StorageFailed) -> None:
        """Write nothing more until the next start (F60)."""
        self._unsynced = why
        self.log.error("{error}", error=str(why))
