"""Copies of SQLite databases that somebody may be writing to, each as it was at one moment (F93)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from pypidaemon.errors import PypidaemonError
from pypidaemon.records.database import BUSY_SECONDS


def copied(sources: Mapping[str, Path], targets: Mapping[str, Path], label: str) -> Mapping[str, Path]:
    """
    Copy those that are there, by their words; answer the copies.

    Whoever writes to them need not wait: what is read is one state in the write-ahead log. The main one comes first, since it notes which others were
    made; what those have more than it knows of does harm to nobody.

    :raises PypidaemonError: the main one is not there, or one cannot be read.
    """
    made = {}
    for word in sorted(sources, key=lambda word: word != "main"):
        if word != "main" and not sources[word].exists():
            continue
        if not sources[word].exists():
            raise PypidaemonError(f"records {label}: there are none yet")
        try:
            _copy(sources[word], targets[word])
        except sqlite3.Error as error:
            raise PypidaemonError(f"records {label}: {sources[word].name} cannot be copied: {' '.join(str(error).split())}") from error
        made[word] = targets[word]
    return made


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
