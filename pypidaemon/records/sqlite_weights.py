"""What the page cache weighs, and what of it was confirmed longest ago, in SQLite: for whoever keeps it within bounds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pypidaemon.model import KeptPage, NormalizedName

Place = tuple[float, str, str]
"""When it was confirmed, the label and the name."""


def weigh(connection: sqlite3.Connection, labels: Sequence[str]) -> int:
    """How many bytes the pages and documents of these indexes have."""
    total = 0
    for label in labels:
        for table in ("pages", "documents"):
            total += connection.execute(f"SELECT coalesce(sum(size), 0) FROM {table} WHERE label = ?", (label,)).fetchone()[0]  # noqa: S608  # constants
    return total


def oldest(connection: sqlite3.Connection, labels: Sequence[str], after: Place, limit: int) -> list[KeptPage]:
    """The pages of these indexes in the order of their places, behind that one, at most `limit`; absences are none."""
    time, at, name = after
    found: list[tuple[Place, int]] = []
    for label in labels:
        if label == at:
            rows = connection.execute(
                "SELECT fetched, name, size FROM pages WHERE label = ? AND (fetched, name) > (?, ?) AND fingerprint IS NOT NULL"
                " ORDER BY fetched, name LIMIT ?",
                (label, time, name, limit),
            )
        else:
            rows = connection.execute(
                f"SELECT fetched, name, size FROM pages WHERE label = ? AND fetched {'>=' if label > at else '>'} ?"  # noqa: S608  # constants
                " AND fingerprint IS NOT NULL ORDER BY fetched, name LIMIT ?",
                (label, time, limit),
            )
        found += [((fetched, label, name), size) for fetched, name, size in rows]
    # Of no index more than that many were read, so these are the first of all.
    return [KeptPage(label, NormalizedName(name), size, fetched) for (fetched, label, name), size in sorted(found)[:limit]]


def let_go(connection: sqlite3.Connection, kept: KeptPage) -> int:
    """Forget that page and the documents of its project, if it was not confirmed since; answer how many bytes that were."""
    row = connection.execute(
        "SELECT size FROM pages WHERE label = ? AND name = ? AND fetched = ?", (kept.label, kept.name, kept.fetched)
    ).fetchone()
    if row is None:
        return 0
    size: int = row[0]
    place = (kept.label, kept.name)
    size += connection.execute("SELECT coalesce(sum(size), 0) FROM documents WHERE label = ? AND name = ?", place).fetchone()[0]
    for table in ("pages", "bodies", "documents"):
        connection.execute(f"DELETE FROM {table} WHERE label = ? AND name = ?", place)  # noqa: S608  # constants
    return size
