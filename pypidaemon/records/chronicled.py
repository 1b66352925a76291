"""
A database that cannot be lost alone: each of its changes is also in a chronicle beside it, before anybody is told that it was made.

Whatever a transaction does to a row is noted by triggers, so that no book has to know of this. The line is written before the transaction commits, so
whoever is killed in between leaves a change that the next start makes too (F67). The database is on the disk when a change is answered, the chronicle a
moment later: to wait for both would cost a third of all uploads in a second. Where the power goes in between, the chronicle has lost its end, and is begun
anew from the database.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Concatenate, ParamSpec, TypeVar

import attrs

from pypidaemon.errors import PypidaemonError, StorageFailed
from pypidaemon.records import place, schemas
from pypidaemon.records.chronicle import Chronicle, Head, Row, Shape, trouble
from pypidaemon.records.database import DamagedDatabase, Database, UnusableDatabase, transact, understood
from pypidaemon.records.noting import note_rows, taken
from pypidaemon.records.remaking import NothingToGoBy, apply, differences, remake, rows, shapes

P = ParamSpec("P")
T = TypeVar("T")

SPARE = 16 << 20
"""Bytes that a chronicle may be longer than twice its database before it is begun anew."""

USER_VERSION = 60
"""Where in its file a database says what `PRAGMA user_version` tells: four bytes."""

REMEDY = "; `pypidaemon verify --repair` makes it again from its chronicle, and `pypidaemon restore` brings back a backup"
"""What to do, in the line that says that a database is lost."""

LOOK = "look at accounts, tokens, rights and blocks: what was taken back of them may be in force again"
"""What to do where some changes are lost and others are not."""


class _BehindError(Exception):
    """The database is older than the beginning of its chronicle, so that lines alone do not bring it to its end."""


@attrs.define(eq=False)
class Chronicled(Database):
    """As `Database`, with a chronicle `<stem>.chronicle` in the same folder, for our own user alone as the database is."""

    chronicle: Chronicle = attrs.field(init=False)
    _tables: Mapping[str, Shape] = attrs.field(factory=dict, init=False)
    _origin: str = attrs.field(default="", init=False)
    _owed: str | None = attrs.field(default=None, init=False)
    """Why the chronicle is to be begun anew before anything is written, for which there was no room yet; None where it is not."""
    _spared: int = attrs.field(default=0, init=False)
    """Up to which length it is not begun anew though it is long, since that could not be done."""
    changed: Callable[[], None] | None = attrs.field(default=None, init=False)
    """Called after a change, so that `settle` is called some time later."""

    def __attrs_post_init__(self) -> None:
        self.chronicle = Chronicle(self.path.with_suffix(".chronicle"), self.title)

    def open(self) -> None:
        """
        As `Database.open`; where the database is behind its chronicle, what is missing is done again first (F67).

        :raises UnusableDatabase: also where it is gone while its chronicle is here (F66), or has another's beside it; nothing was changed.
        """
        try:
            # A log that is gone may have taken anything with it: also what stands before things that are still there.
            unclean = self._marker.exists()
            doubtful = unclean and not os.path.exists(f"{self.path}-wal")
            self._insist_on_something()
            if doubtful:
                self._go_over()
            try:
                self._open_and_follow(unclean)
            except _BehindError:
                self._make_again("the database was older than the beginning of its chronicle")
                self._open_and_follow(unclean)
        except PypidaemonError as error:
            if isinstance(error, DamagedDatabase) or _misunderstood(error.__cause__):
                raise DamagedDatabase(f"{error}{REMEDY}") from error
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            told = understood(self.title, error)
            raise DamagedDatabase(f"{told}{REMEDY}") if isinstance(told, DamagedDatabase) or _misunderstood(error) else told from error
        except OSError as error:
            raise trouble(error, self.title) from error

    def close(self) -> None:
        """As `Database.close`."""
        if self._unsynced is None:
            self.settle()
        self.chronicle.close()
        Database.close(self)

    def settle(self) -> None:
        """
        Bring the chronicle to the disk; where that fails, nothing more is written until a restart (F60). In any thread.

        Where there is only no room, all goes on: the database has what was answered, and a chronicle that loses its end is begun anew from it.
        """
        try:
            self.chronicle.sync()
        except OSError as error:
            if error.errno in place.NO_ROOM or error.errno == errno.EROFS:
                self.log.warn("{title}: the chronicle is not on the disk yet: {why}", title=self.title, why=os.strerror(error.errno or 0))
                return
            self._give_up(StorageFailed(f"{self.title}: the disk failed to keep what was written; nothing more is written until a restart"))

    async def write(self, change: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Database.write`."""
        result = await Database.write(self, change, *args, **kwargs)
        if self.changed is not None and self.chronicle.unsettled:
            self.changed()
        return result

    async def shorten(self) -> None:
        """
        Begin the chronicle anew if it has grown long by what has long been overtaken. Whoever writes waits meanwhile.

        :raises PypidaemonError: it cannot be done, for another reason than want of room.
        """
        try:
            long = self.chronicle.size() > max(self._bound(), self._spared)
        except OSError:
            # It was taken away; the next change begins it anew.
            return
        if long and self._writer is not None and self._owed is None:
            await self.writing(self._shorten)

    def _bound(self) -> int:
        return 2 * os.path.getsize(self.path) + SPARE

    def _shorten(self) -> None:
        """As `shorten`, however long it is; in the writing thread."""
        writer = self._writer
        if writer is None:
            return

        def shortened(connection: sqlite3.Connection) -> None:
            try:
                self._begin(connection, self._number(connection), "")
            except OSError as error:
                # It goes on as it is. Each change may call for this, so it is not tried again before it is a good deal longer.
                self._spared = self.chronicle.size() + max(SPARE, 0)
                self.log.warn("{title}: the chronicle cannot be shortened: {why}", title=self.title, why=os.strerror(error.errno or 0))
            self.chronicle.open()

        self._guarded(lambda: transact("BEGIN IMMEDIATE", writer, shortened))

    def _version(self, connection: sqlite3.Connection) -> int:
        """As `Database._version`; a later program would have left a chronicle of its own."""
        try:
            return Database._version(self, connection)
        except UnusableDatabase as error:
            head = self.chronicle.head()
            if head is not None and head.schema <= len(self.schema):
                raise DamagedDatabase(f"{self.title}: the database is damaged") from error
            raise

    def _insist_on_something(self) -> None:
        """Refuse to begin an empty database where there was another; what a killed process had in its log alone is made again."""
        if not self.chronicle.there():
            return
        if not os.path.exists(self.path):
            raise UnusableDatabase(f"{self.title}: {self.path.name} is gone{REMEDY}")
        if self._empty():
            if not self._marker.exists():
                raise UnusableDatabase(f"{self.title}: {self.path.name} is empty{REMEDY}")
            self._make_again("the database was left empty, without its write-ahead log")

    def _empty(self) -> bool:
        with open(self.path, "rb", opener=_no_link) as file:
            head = file.read(USER_VERSION + 4)
        if head and any(head[USER_VERSION:]):
            return False
        # All of it may be in the log.
        with closing(self._connect()) as connection:
            try:
                return schemas.version(connection) == 0
            except sqlite3.DatabaseError:
                # The start will say so.
                return False

    def _go_over(self) -> None:
        """Hold a database whose log is gone against the chronicle, and make it again where it is not as that says; one that is damaged says nothing."""
        if self.chronicle.damaged():
            return
        try:
            lost = differences(self.path, self.schema, self.chronicle, everything=True)
        except (NothingToGoBy, sqlite3.Error, UnicodeDecodeError):
            # Then the database is all there is, or is found to be damaged when it is opened.
            return
        if lost:
            self._make_again(f"the write-ahead log was taken away, and {sum(lost.values())} rows with it")

    def _make_again(self, why: str) -> None:
        remake(self.path, self.schema, self.chronicle)
        self.log.warn("{title}: {why}; it was made again from the chronicle.", title=self.title, why=why)

    def _open_and_follow(self, unclean: bool) -> None:
        Database.open(self)
        try:
            self._follow(unclean)
        except BaseException:
            # The mark then stays, and the next start looks closely again.
            self._damaged = True
            self.close()
            raise

    def _follow(self, unclean: bool) -> None:
        """Have database and chronicle be of one mind, and go on together from there."""
        connection = self._writer
        assert connection is not None  # it was opened
        self._tables = shapes(connection)
        # Rows are done again as they were written, whatever refers to them.
        connection.execute("PRAGMA foreign_keys = OFF")
        # Before there is a chronicle of that origin, or one that was begun by who was killed then would be a stranger's.
        transact("BEGIN IMMEDIATE", connection, _name)
        transact("BEGIN IMMEDIATE", connection, lambda connection: self._agree_and_open(connection, unclean))
        connection.execute("PRAGMA foreign_keys = ON")
        note_rows(connection, self._tables)

    def _agree_and_open(self, connection: sqlite3.Connection, unclean: bool) -> None:
        """While nobody else can write: what seems to be torn off may be what another process is about to finish."""
        self._owed = None
        try:
            self._agree(connection, unclean)
        except OSError as error:
            if error.errno not in place.NO_ROOM:
                raise
            # A daemon has to start on a full disk (F55): what the database has is all there is, and nothing is written before both are of one mind.
            self._owed = self._owed or "is not of this schema"
            self.log.warn("{title}: the chronicle {why}, and there is no room to begin it anew; nothing is written until there is",
                          title=self.title, why=self._owed)  # fmt: skip
            return
        self.chronicle.open()

    def _agree(self, connection: sqlite3.Connection, unclean: bool) -> None:
        self._origin, number = connection.execute("SELECT origin, line FROM chronicled").fetchone()
        origin = self._origin
        head = self.chronicle.head()
        if head is None:
            self._begin(connection, number, "" if not self.chronicle.there() and not number else "is gone or damaged")
            return
        if head.origin != origin:
            raise UnusableDatabase(
                f"{self.title}: {self.chronicle.path.name} is of another database than {self.path.name}; put back the one that belongs to it,"
                " or move the chronicle away"
            )
        last = self.chronicle.last()
        if last < number:
            self._begin(connection, number, "has lost its end")
            return
        lost = self._catch_up(connection, head, number) if last > number else 0
        if lost or (unclean and self.chronicle.damaged()):
            # A loss of power may also take a line from the middle of those that were not on the disk yet.
            self._begin(connection, last, "is damaged")
        elif head.schema != len(self.schema) or head.tables != self._tables:
            self._begin(connection, last, "")
        elif self.chronicle.size() > self._bound():
            try:
                self._begin(connection, last, "")
            except OSError as error:
                # It goes on as it is: a daemon has to start on a full disk.
                self.log.warn("{title}: the chronicle cannot be shortened: {why}", title=self.title, why=os.strerror(error.errno or 0))

    def _catch_up(self, connection: sqlite3.Connection, head: Head, number: int) -> int:
        """Do again what the database lacks; answer how many lines of that cannot be read."""
        if number < head.base:
            raise _BehindError
        made, reached = 0, number
        for entry in self.chronicle.lines():
            if entry is not None and entry.number > number:
                apply(connection, head.tables, entry)
                connection.execute("UPDATE chronicled SET line = ?", (entry.number,))
                made, reached = made + 1, entry.number
        self.log.warn(
            "{title}: {made} changes were in the chronicle and not in the database; they were made again.", title=self.title, made=made
        )
        # The numbers rise one by one, save where a change was taken back without a trace.
        lost = max(reached - number - made, 0)
        if lost:
            lines = "1 line" if lost == 1 else f"{lost} lines"
            self.log.warn("{title}: {lines} of the chronicle cannot be read, and what they said is lost; {look}",
                          title=self.title, lines=lines, look=LOOK)  # fmt: skip
        return lost

    def _number(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT line FROM chronicled").fetchone()[0])

    def _begin(self, connection: sqlite3.Connection, number: int, why: str) -> None:
        """
        Begin the chronicle anew from the database as it is in this transaction.

        :raises OSError: it cannot be written; the one that is there stays.
        """
        # Until it has come about.
        self._owed = why or self._owed
        head = Head(self._origin, len(self.schema), number, self._tables)
        self.chronicle.begin(head, rows(connection, self._tables), damaged=bool(why))
        if why:
            self.log.warn("{title}: the chronicle {why}; it was begun anew from the database.", title=self.title, why=why)
        self._owed = None

    def _transacted(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `Database._transacted`; the line is on the disk too when it comes back."""
        connection.execute("BEGIN IMMEDIATE")
        put = False
        try:
            result = work(connection)
            noted = taken(connection, self._tables)
            if noted:
                self._find()
                number = connection.execute("UPDATE chronicled SET line = line + 1 RETURNING line").fetchone()[0]
                self._put(number, noted)
                put = True
            connection.execute("COMMIT")
        except BaseException:
            if put:
                self.chronicle.take_back()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _find(self) -> None:
        """See to it that what is written goes to the chronicle that the next start will find, and that this has all that was written before."""
        if self._owed is None and self.chronicle.in_place():
            return
        try:
            # Another connection sees what was committed, and not what is to be written now.
            with closing(self._connect()) as before:
                head, number = self.chronicle.head(), self._number(before)
                ours = head is not None and (head.origin, head.schema, head.tables) == (self._origin, len(self.schema), self._tables)
                if self._owed is not None or not ours or self.chronicle.last() != number:
                    self._begin(before, number, self._owed or "was taken away")
            self.chronicle.open()
        except OSError as error:
            raise trouble(error, self.title) from error

    def _put(self, number: int, noted: list[Row]) -> None:
        try:
            self.chronicle.put(number, noted)
        except OSError as error:
            raise trouble(error, self.title) from error


def _name(connection: sqlite3.Connection) -> None:
    """Give the database a name that its chronicles have too, if it has none."""
    connection.execute("INSERT OR IGNORE INTO chronicled (one, origin, line) VALUES (1, lower(hex(randomblob(8))), 0)")


def _misunderstood(error: BaseException | None) -> bool:
    """Whether SQLite said that our own statements make no sense: then the schema is not the one that was written."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
