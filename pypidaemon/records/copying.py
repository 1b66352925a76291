"""Copies of SQLite databases that somebody may be writing to, each as it was at one moment (F93)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pypidaemon.errors import PypidaemonError
from pypidaemon.records.database import BUSY_SECONDS, records_title


def copied(sources: Mapping[str, Path], targets: Mapping[str, Path], label: str) -> Mapping[str, Path]:
    """
    Copy those that are there, by their words; answer the copies.

    Whoever writes to them need not wait: what is read is one state in the write-ahead log. The main one comes first, since it notes which others were
    made; what those have more than it knows of does harm to nobody.

    :raises PypidaemonError: the main one is not there, or one cannot be read, or one that must not be lost is damaged: a copy of that is worth nothing, and
        might be put in the place of one that is.
    """
    made = {}
    for word in sorted(sources, key=lambda word: word != "main"):
        if word != "main" and not sources[word].exists():
            continue
        if not sources[word].exists():
            raise PypidaemonError(f"{records_title(label)}: there are none yet")
        try:
            _copy(sources[word], targets[word])
            if word in ("main", "mirrors"):
                _insist_on_health(targets[word], sources[word].name, label)
        except sqlite3.Error as error:
            raise PypidaemonError(
                f"{records_title(label)}: {sources[word].name} cannot be copied: {' '.join(str(error).split())}"
            ) from error
        made[word] = targets[word]
    return made


def severed(path: Path, label: str) -> None:
    """
    Let a database that was put there from a copy have a name of its own, so that no chronicle of the original is taken for its own.

    Both count their changes on from the same number, so the lines of one would be done to the rows of the other (F66).

    :raises PypidaemonError: it cannot be written, or is damaged.
    """
    try:
        _insist_on_health(path, path.name, label)
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as connection, connection:
            # One of a time before there were chronicles has no name, and is given one at its first start.
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'chronicled'").fetchone():
                connection.execute("UPDATE chronicled SET origin = lower(hex(randomblob(8)))")
    except sqlite3.Error as error:
        raise PypidaemonError(f"{records_title(label)}: {path.name} cannot be put in its place: {' '.join(str(error).split())}") from error


def _insist_on_health(path: Path, name: str, label: str) -> None:
    """:raises PypidaemonError: it is damaged."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as connection:
        try:
            sound = connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            sound = False
    if not sound:
        raise PypidaemonError(
            f"{records_title(label)}: {name} is damaged; `pypidaemon verify --repair` makes it again where its chronicle is beside it"
        )


def _copy(source: Path, target: Path) -> None:
    target.touch(mode=0o600)
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
    try:
        writing = sqlite3.connect(target, isolation_level=None)
        try:
            # In one step, so that nothing written meanwhile makes it begin again.
            reading.backup(writing)
        finally:
            writing.close()
    finally:
        reading.close()
