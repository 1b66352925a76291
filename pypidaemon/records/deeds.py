"""The audit log in SQLite, as functions of a connection: whatever changes something may note it in its own transaction."""

from __future__ import annotations

import sqlite3

from pypidaemon.model import Deed
from pypidaemon.records.rules import MOST_DEEDS


def note(connection: sqlite3.Connection, deed: Deed) -> None:
    """Append that row."""
    connection.execute(
        "INSERT INTO deeds (time, account, address, action, subject, detail, done) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (deed.time, deed.account, deed.address, deed.action, deed.subject, deed.detail, int(deed.done)),
    )


def read(connection: sqlite3.Connection, since: float, limit: int) -> list[Deed]:
    """The rows at or after that time, oldest first, at most `limit` and `MOST_DEEDS`, and of those the newest."""
    rows = connection.execute(
        "SELECT time, account, address, action, subject, detail, done FROM deeds WHERE time >= ? ORDER BY time DESC, number DESC LIMIT ?",
        (since, min(max(limit, 0), MOST_DEEDS)),
    ).fetchall()
    return [
        Deed(time, account, address, action, subject, detail, bool(done))
        for time, account, address, action, subject, detail, done in reversed(rows)
    ]
