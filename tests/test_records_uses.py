"""Uses in SQLite: noted in memory, written down in time, and never in anybody's way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.model import Digest, Use
from pypidaemon.records import sqlite_uses
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.records.sqlite_uses import LONGEST_WAIT
from tests.gear import now
from tests.records_gear import FOO, WHEEL, sqlite_records

ONE = Use(Digest("a" * 64), "pypi", FOO, WHEEL, 100, 3.5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path, clock: Clock) -> Iterator[SqliteRecords]:
    found = sqlite_records(tmp_path / "records.sqlite", clock)
    found.startService()
    yield found
    if found.running:
        now(found.stopService())


def rows(records: SqliteRecords) -> int:
    """How many are in the database."""
    return now(records._cache.read(lambda connection: int(connection.execute("SELECT count(*) FROM uses").fetchone()[0])))


def no_room(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")


def room(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


def many(count: int) -> list[Use]:
    return [attrs.evolve(ONE, digest=Digest(f"{number:064x}")) for number in range(count)]


def test_what_is_noted_is_written_down_some_time_later_in_one_go(records: SqliteRecords, clock: Clock) -> None:
    for use in many(50):
        now(records.uses.note(use))
    assert rows(records) == 0
    clock.advance(LONGEST_WAIT)
    assert rows(records) == 50
    now(records.uses.note(ONE))
    now(records.stopService())
    # What still waited was written at the stop.
    records.startService()
    assert rows(records) == 51


def test_F54_on_a_full_disk_it_waits_and_nobody_notices(records: SqliteRecords, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_uses, "MOST_WAITING", 2_000)
    now(records._cache.write(no_room))
    for use in many(2_500):
        now(records.uses.note(use))
    clock.advance(LONGEST_WAIT)
    assert rows(records) == 0
    clock.advance(LONGEST_WAIT)
    now(records._cache.write(room))
    clock.advance(LONGEST_WAIT)
    # Of more than may wait the last ones were dropped.
    assert rows(records) == 2_000
    now(records.uses.note(ONE))
    clock.advance(LONGEST_WAIT)
    assert rows(records) == 2_001


def test_what_cannot_be_written_at_the_stop_is_lost_and_the_stop_goes_on(records: SqliteRecords) -> None:
    now(records._cache.write(no_room))
    for use in many(3_000):
        now(records.uses.note(use))
    now(records.stopService())
    records.startService()
    assert rows(records) == 0
