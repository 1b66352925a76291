"""Which files clients took as rows of SQLite: the questions, and how their answers are read."""

from __future__ import annotations

import sqlite3

import attrs

from pypidaemon.model import Digest, Downloads, Fetch, Filename, NormalizedName

# The index alone answers which rows these are; only those are then read. Each takes what it looks for, a time, and how many.
OF_PROJECT = (
    "SELECT time, account, address, agent, label, name, version, filename, digest FROM fetches WHERE number IN"
    " (SELECT number FROM fetches WHERE name = ? AND time >= ? ORDER BY time DESC, number DESC LIMIT ?) ORDER BY time, number"
)
OF_RELEASE = (
    "SELECT time, account, address, agent, label, name, version, filename, digest FROM fetches WHERE number IN"
    " (SELECT number FROM fetches WHERE name = ? AND version = ? AND time >= ? ORDER BY time DESC, number DESC LIMIT ?)"
    " ORDER BY time, number"
)
OF_DIGEST = (
    "SELECT time, account, address, agent, label, name, version, filename, digest FROM fetches WHERE number IN"
    " (SELECT number FROM fetches WHERE digest = ? AND time >= ? ORDER BY time DESC, number DESC LIMIT ?) ORDER BY time, number"
)
OF_CLIENT = (
    "SELECT time, account, address, agent, label, name, version, filename, digest FROM fetches WHERE number IN"
    " (SELECT number FROM fetches WHERE account = coalesce(?, account) AND address = coalesce(?, address) AND time >= ?"
    " ORDER BY time DESC, number DESC LIMIT ?) ORDER BY time, number"
)


_ADD = (
    "INSERT INTO downloads (day, label, name, filename, agent, count) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (day, label, name, filename, agent) DO UPDATE SET count = count + excluded.count"
)
_OF_DAY = (
    "SELECT day, label, name, filename, agent, count FROM downloads WHERE day = ? ORDER BY count DESC, label, name, filename, agent LIMIT ?"
)


def insert(connection: sqlite3.Connection, notes: tuple[Fetch | Downloads, ...]) -> None:
    """Write these down, in one transaction of the caller's."""
    connection.executemany(
        "INSERT INTO fetches (time, account, address, agent, label, name, version, filename, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [attrs.astuple(note) for note in notes if isinstance(note, Fetch)],
    )
    connection.executemany(_ADD, [attrs.astuple(note) for note in notes if isinstance(note, Downloads)])


def newest(connection: sqlite3.Connection, question: str, *values: str | float | None) -> list[Fetch]:
    """The rows that one of the questions above, with these values, is answered with."""
    return [
        Fetch(time, account, address, agent, index, NormalizedName(name), version, Filename(filename), digest and Digest(digest))
        for time, account, address, agent, index, name, version, filename, digest in connection.execute(question, values).fetchall()
    ]


def of_day(connection: sqlite3.Connection, day: str, limit: int) -> list[Downloads]:
    """What was taken on that day, most often taken first, at most `limit`."""
    return [
        Downloads(day, index, NormalizedName(name), Filename(filename), agent, count)
        for day, index, name, filename, agent, count in connection.execute(_OF_DAY, (day, limit)).fetchall()
    ]


def projects_of(connection: sqlite3.Connection, index: str, since: float) -> list[NormalizedName]:
    """The projects of which a file was taken from that index at or after that time, in order of names."""
    found = connection.execute("SELECT DISTINCT name FROM fetches WHERE time >= ? AND label = ? ORDER BY name", (since, index))
    return [NormalizedName(name) for (name,) in found]
