"""What is wrong with a database that must not be lost, and how it is put right."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from pypidaemon.errors import PypidaemonError
from pypidaemon.records import place, schemas
from pypidaemon.records.chronicle import trouble
from pypidaemon.records.chronicled import LOOK, Chronicled
from pypidaemon.records.database import BUSY_SECONDS, DamagedDatabase, Database, understood
from pypidaemon.records.remaking import NothingToGoBy, Remade, differences, remake

COUNTED = {
    "projects": "projects",
    "files": "files",
    "history": "changes",
    "facts": "pinned files",
    "rulings": "rulings",
    "users": "users",
    "ledger": "serials",
}
"""Tables of which it is said how many rows were made again, with what to call those."""


def ailments(database: Database) -> list[str]:
    """As `IMendable.ailments`, of one database; one that is not there ails only where it has a chronicle."""
    name = database.path.name
    if not os.path.exists(database.path) or not os.path.getsize(database.path):
        gone = f"{name} is empty" if os.path.exists(database.path) else f"{name} is gone"
        return [gone] if isinstance(database, Chronicled) and database.chronicle.there() else []
    try:
        with closing(_connected(database)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                return [f"{name} is damaged"]
            found = schemas.version(connection)
        head = database.chronicle.head() if isinstance(database, Chronicled) else None
        if not isinstance(database, Chronicled) or head is None or found < len(database.schema):
            # One of an older version is taken over by the start.
            return []
        # A later program would have left a chronicle of its own.
        if head.schema < found:
            return [f"{name} is damaged"]
        if lost := database.chronicle.damaged():
            # Then it says nothing of the database, and that is all there is.
            return [f"{database.chronicle.path.name} is damaged: {_plural(lost, 'lines')} of it cannot be read"]
        return _held_against(database)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        told = understood(database.title, error)
        return [f"{name} is damaged" if isinstance(told, DamagedDatabase) else str(told)]
    except OSError as error:
        raise trouble(error, database.title) from error


def missed(main: Database, other: Database, word: str) -> list[str]:
    """Whether another database was made beside the main one, and is gone: a line."""
    if os.path.lexists(other.path) or not os.path.exists(main.path):
        return []
    try:
        with closing(_connected(main)) as connection:
            made = connection.execute("SELECT 1 FROM made WHERE word = ?", (word,)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        # What is wrong with the main one is said already, or it is of a time when nobody noted this.
        return []
    return [f"{other.path.name} is gone"] if made else []


def mend(database: Database, ails: list[str]) -> list[str]:
    """As `IMendable.mend`, of one database and what ails it."""
    if isinstance(database, Chronicled) and any(line.startswith(database.chronicle.path.name) for line in ails):
        database.chronicle.keep_damaged()
        return [f"{database.chronicle.path.name} is begun anew from {database.path.name} by the next start"]
    beside = database.path.with_name(f"{database.path.stem}-damaged{database.path.suffix}")
    kept = f"; what was there is kept as {beside.name}" if os.path.exists(database.path) else ""
    try:
        if not isinstance(database, Chronicled):
            place.put_aside(database.path, "damaged")
            database.discard()
            # An empty file is how somebody says that they are to begin empty.
            place.make_private(database.path, database.title)
            return [f"{database.path.name} begins empty, and is filled by the next run{kept}"]
        remade = remake(database.path, database.schema, database.chronicle)
    except NothingToGoBy:
        raise PypidaemonError(
            f"{database.title}: {database.path.name} cannot be made again, since there is no chronicle beside it; `pypidaemon restore` brings"
            " back a backup"
        ) from None
    except sqlite3.Error as error:
        raise understood(database.title, error) from error
    except OSError as error:
        raise trouble(error, database.title) from error
    return [f"{database.path.name} was made again from {database.chronicle.path.name}, {_counts(remade)}{kept}"]


def _held_against(database: Chronicled) -> list[str]:
    try:
        found = differences(database.path, database.schema, database.chronicle, everything=False)
    except NothingToGoBy:
        return []
    rows = ", ".join(f"{count} of {table}" for table, count in found.items())
    return [f"{database.path.name} has other rows than {database.chronicle.path.name}: {rows}"] if found else []


def _counts(remade: Remade) -> str:
    counts = [_plural(remade.rows[table], word) for table, word in COUNTED.items() if table in remade.rows]
    lines = _plural(remade.damaged, "lines")
    lost = f"; {lines} of the chronicle cannot be read, and what they said is lost; {LOOK}" if remade.damaged else ""
    return f"with {', '.join(counts) or 'nothing in it'}{lost}"


def _plural(count: int, words: str) -> str:
    return f"{count} {words.removesuffix('s') if count == 1 else words}"


def _connected(database: Database) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{database.path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection
