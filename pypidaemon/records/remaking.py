"""
A database made again from its chronicle, and held against it.

What is read of a chronicle is applied line by line, each row as it was, so that doing it twice or from an earlier state on comes to the same.
"""

# Names of tables and columns are those of the schema, and are quoted.
# ruff: noqa: S608

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.records import place, schemas
from pypidaemon.records.chronicle import PUT, Chronicle, Entry, Head, Row, Shape

PART = ".remade"
"""What the name of a database goes on with that is being made again, or made to be held against it; a number may follow."""

MOST = 100
"""How many such may be made at once: each by a process of its own."""

MARK = "chronicled"
"""The table that says how far a database has come in its chronicle; no part of the chronicle itself."""


class NothingToGoBy(PypidaemonError):
    """There is nothing to make the database from."""


@attrs.frozen
class Remade:
    """
    What came of it.

    :param rows: how many rows each table has, of those that have any.
    :param damaged: how many lines of the chronicle could not be read.
    """

    rows: Mapping[str, int]
    damaged: int


def shapes(connection: sqlite3.Connection) -> dict[str, Shape]:
    """The tables of a database that belong into its chronicle."""
    found = {}
    names = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid")
    for (name,) in names.fetchall():
        if name != MARK:
            columns = connection.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (name,)).fetchall()
            key = tuple(column for column, _ in sorted((one for one in columns if one[1]), key=lambda one: int(one[1])))
            # A table without a key has the hidden one that SQLite gives it.
            every = tuple(column for column, _ in columns)
            found[str(name)] = Shape(every, key) if key else Shape(("rowid", *every), ("rowid",))
    return found


def rows(connection: sqlite3.Connection, tables: Mapping[str, Shape]) -> Iterator[Row]:
    """Every row of these tables, as a chronicle begins with them."""
    for name, shape in tables.items():
        for row in connection.execute(f"SELECT {_listed(shape.columns)} FROM main.{_quoted(name)}"):
            yield (PUT, name, *row)


def apply(connection: sqlite3.Connection, tables: Mapping[str, Shape], entry: Entry) -> None:
    """Do what a line says, in the transaction that the caller has."""
    # Row after row in their order, and those together that the same statement is for.
    for (operation, name), group in groupby(entry.rows, key=lambda row: row[:2]):
        shape, values = tables[name], [row[2:] for row in group]
        if operation == PUT:
            marks = ", ".join("?" * len(shape.columns))
            connection.executemany(f"INSERT OR REPLACE INTO {_quoted(name)} ({_listed(shape.columns)}) VALUES ({marks})", values)
        else:
            where = " AND ".join(f"{_quoted(column)} = ?" for column in shape.key)
            connection.executemany(f"DELETE FROM {_quoted(name)} WHERE {where}", values)


def remake(path: Path, schema: Sequence[str], chronicle: Chronicle) -> Remade:
    """
    Put a database made from the chronicle in the place of what is there, which is kept beside it. Nobody may have it open.

    :raises NothingToGoBy: there is no chronicle, or one that cannot be read; nothing was changed.
    :raises OSError: it cannot be written.
    :raises sqlite3.Error: it cannot be written.
    """
    _insist_on(schema, chronicle)
    with _own(path) as beside:
        with _begun(beside, schema, chronicle) as (connection, head):
            connection.execute("BEGIN IMMEDIATE")
            number, damaged = _replayed(connection, head, chronicle, None)
            connection.execute(f"INSERT INTO {MARK} (one, origin, line) VALUES (1, ?, ?)", (head.origin, number))
            connection.execute("COMMIT")
            counted = {name: _count(connection, f"main.{_quoted(name)}") for name in head.tables}
        place.sync_file(beside)
        place.put_aside(path, "damaged")
        Path(f"{path}-dirty").unlink(missing_ok=True)
        beside.rename(path)
        place.sync_folder(path.parent)
    return Remade({name: count for name, count in counted.items() if count}, damaged)


def differences(path: Path, schema: Sequence[str], chronicle: Chronicle, everything: bool) -> Mapping[str, int]:
    """
    How many rows of each table are not as the chronicle has them, or are in one of the two alone; a daemon may be at work on the database.

    A database that has come further than its chronicle differs in nothing: the chronicle has lost its end, and has no say.

    :param everything: whether the database must have come to the end of the chronicle; else it is held against that as far as it has come.
    :raises NothingToGoBy: there is no chronicle, or one that cannot be read.
    :raises OSError: it cannot be written beside the database.
    :raises sqlite3.Error: the database cannot be read.
    """
    found = {}
    _insist_on(schema, chronicle)
    with _own(path) as beside, _begun(beside, schema, chronicle) as (connection, head):
        connection.execute("ATTACH ? AS here", (f"{path.absolute().as_uri()}?mode=rw",))
        # One state of the database throughout.
        connection.execute("BEGIN")
        mark = int(connection.execute(f"SELECT line FROM here.{MARK}").fetchone()[0])
        number, _ = _replayed(connection, head, chronicle, None if everything else mark)
        if number < mark:
            return {}
        for name, shape in head.tables.items():
            columns, table = _listed(shape.columns), _quoted(name)
            ours, theirs = f"SELECT {columns} FROM here.{table}", f"SELECT {columns} FROM main.{table}"
            if count := max(_count(connection, f"({one} EXCEPT {other})") for one, other in ((ours, theirs), (theirs, ours))):
                found[name] = count
        connection.execute("COMMIT")
    return found


@contextmanager
def _own(path: Path) -> Iterator[Path]:
    """
    An empty file beside that database for our own user, which no other process works on: two may hold it against its chronicle at once.

    It is gone afterwards, unless it was given another name. What a process that was killed has left is used again.
    """
    beside, descriptor = _claimed(path)
    try:
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
        try:
            yield beside
        finally:
            if _is(descriptor, beside):
                place.discard(beside)
    finally:
        os.close(descriptor)


def _claimed(path: Path) -> tuple[Path, int]:
    """Such a file, and a descriptor that holds it."""
    for number in range(MOST):
        beside = Path(f"{path}{PART}{f'-{number}' if number else ''}")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two it may have been given its name, or taken away.
            if _is(descriptor, beside):
                return beside, descriptor
        except BlockingIOError:
            pass
        os.close(descriptor)
    raise PypidaemonError(f"{path.name} is held against its chronicle too many times at once")


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _insist_on(schema: Sequence[str], chronicle: Chronicle) -> None:
    head = chronicle.head()
    if head is None or head.schema > len(schema):
        raise NothingToGoBy(f"{chronicle.title}: there is no chronicle to go by")


@contextmanager
def _begun(path: Path, schema: Sequence[str], chronicle: Chronicle) -> Iterator[tuple[sqlite3.Connection, Head]]:
    """A new database in that empty file with the tables that the chronicle speaks of, all empty."""
    head = chronicle.head()
    assert head is not None  # it was looked at just now, and whoever begins it anew leaves no moment without one
    with closing(sqlite3.connect(path.absolute().as_uri(), uri=True, isolation_level=None)) as connection:
        # Until it is whole it is nobody's, and what is left of it is thrown away: so nothing is kept to go back to, and nothing synced.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        schemas.upgrade(connection, schema[: head.schema])
        for name in head.tables:
            # What a step of the schema has put there is in the chronicle too, unless somebody took it away.
            connection.execute(f"DELETE FROM {_quoted(name)}")
        connection.execute("COMMIT")
        yield connection, head


def _replayed(connection: sqlite3.Connection, head: Head, chronicle: Chronicle, upto: int | None) -> tuple[int, int]:
    """Do what the lines up to that number say; answer the number of the last one, and how many were damaged."""
    number, damaged = head.base, 0
    for entry in chronicle.lines():
        if entry is None:
            damaged += 1
        elif upto is None or entry.number <= upto:
            apply(connection, head.tables, entry)
            number = entry.number
    return number, damaged


def _count(connection: sqlite3.Connection, of: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {of}").fetchone()[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(_quoted, columns))
