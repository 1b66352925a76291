"""
The shape of a database, as numbered steps: `schema/<series>-<number>-<word>.sql`, applied once each, in order.

`PRAGMA user_version` says how many were applied. A step that was released is never edited; the next change is the next file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import TypeVar

T = TypeVar("T")


def steps(series: str) -> tuple[str, ...]:
    """The SQL of every step of that series ("records", "mirrors", "cache" or "fetches"), first to last."""
    found = {entry.name: entry for entry in (files("pypidaemon.records") / "schema").iterdir() if entry.name.endswith(".sql")}
    return tuple(found[name].read_text("utf-8") for name in sorted(found) if name.startswith(f"{series}-"))


def version(connection: sqlite3.Connection) -> int:
    """How many steps were applied to this database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def statements(script: str) -> Iterator[str]:
    """
    The statements of a step, one by one.

    `executescript` would end the transaction that the whole upgrade must be.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def upgrade(connection: sqlite3.Connection, known: Sequence[str]) -> None:
    """
    Apply the steps that are missing. The caller holds the writing transaction, so that it is all of them or none.

    How many are missing is seen inside that transaction: another process may have upgraded just before.
    """
    applied = version(connection)
    for script in known[applied:]:
        for statement in statements(script):
            connection.execute(statement)
    if applied < len(known):
        connection.execute(f"PRAGMA user_version = {len(known)}")


def of_nothing(known: Sequence[str], question: Callable[[sqlite3.Connection], T]) -> T:
    """Answer that question of an empty database of these steps, which is in memory and gone afterwards."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        upgrade(connection, known)
        return question(connection)
    finally:
        connection.close()
