"""
Every row that a connection changes, noted by triggers as it is changed, so that no book has to know of the chronicle.

The triggers and what they write are the connection's own, and are gone with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from pypidaemon.records.chronicle import PUT, TAKE, Row, Shape


def taken(connection: sqlite3.Connection, tables: Mapping[str, Shape]) -> list[Row]:
    """What was noted since this was asked last, in the order in which it was done; it is forgotten with that."""
    found = []
    for _, operation, name, *values in connection.execute("SELECT * FROM temp.noted ORDER BY number").fetchall():
        shape = tables[name]
        found.append((operation, name, *values[: len(shape.columns if operation == PUT else shape.key)]))
    if found:
        connection.execute("DELETE FROM temp.noted")
    return found


def note_rows(connection: sqlite3.Connection, tables: Mapping[str, Shape]) -> None:
    """Have this connection note every row that it changes, for as long as it is open."""
    width = max(len(shape.columns) for shape in tables.values())
    slots = [f"c{number}" for number in range(width)]
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"CREATE TEMP TABLE noted (number INTEGER PRIMARY KEY, operation, name, {', '.join(slots)})")
    for name, shape in tables.items():
        table, literal = '"' + name.replace('"', '""') + '"', "'" + name.replace("'", "''") + "'"

        def noting(operation: str, row: str, columns: tuple[str, ...], literal: str = literal) -> str:
            into = ", ".join(slots[: len(columns)])
            return f"INSERT INTO noted (operation, name, {into}) SELECT '{operation}', {literal}, {_of(row, columns)}"

        moved = f"{noting(TAKE, 'old', shape.key)} WHERE ({_of('old', shape.key)}) IS NOT ({_of('new', shape.key)})"
        for event, body in (
            ("INSERT", [noting(PUT, "new", shape.columns)]),
            ("UPDATE", [moved, noting(PUT, "new", shape.columns)]),
            ("DELETE", [noting(TAKE, "old", shape.key)]),
        ):
            said = "".join(f"{statement}; " for statement in body)
            connection.execute(f'CREATE TEMP TRIGGER "{name} {event}" AFTER {event} ON main.{table} BEGIN {said}END')


def _of(row: str, columns: tuple[str, ...]) -> str:
    return ", ".join(f'{row}."{column}"' for column in columns)
