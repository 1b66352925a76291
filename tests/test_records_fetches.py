"""What SQLite promises of the history of fetches beyond the contract: nobody waits for it, nobody fails for it, little is ever lost."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Digest, Downloads, Fetch, Filename
from pypidaemon.records import schemas
from pypidaemon.records.database import Database
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.records.sqlite_fetches import BATCH, LONGEST_WAIT
from tests.gear import inline, later, now, waiting
from tests.records_gear import FOO, WHEEL, InlinePool, sqlite_records

A = Digest("a" * 64)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path, clock: Clock) -> Iterator[SqliteRecords]:
    """Running records without threads."""
    made = sqlite_records(tmp_path / "records.sqlite", clock)
    made.startService()
    yield made
    made.stopService()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The level and text of all that is logged while the test runs, failures aside."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event.get("log_format") and event.get("log_failure") is None:
            seen.append(f"{event['log_level'].name}: {event['log_format'].format(**event)}")

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


@attrs.define(eq=False)
class Gates:
    """A writing thread that begins each call only when it is let."""

    held: list[Deferred[None]] = attrs.field(factory=list)

    async def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        gate: Deferred[None] = Deferred(lambda _: None)
        self.held.append(gate)
        await gate
        return function(*args, **kwargs)

    def open(self) -> None:
        """Let the call that came first begin."""
        self.held.pop(0).callback(None)


@pytest.fixture
def gates(records: SqliteRecords) -> Iterator[Gates]:
    """A slow disk, for the history of fetches alone."""
    before, slow = records._taken.writing, Gates()
    records._taken.writing = slow
    yield slow
    records._taken.writing = before


def take(records: SqliteRecords, *numbers: int) -> None:
    """One fetch each, told apart by its time."""
    for number in numbers:
        now(records.fetches.note(Fetch(float(number), "ada", "192.0.2.1", "pip/26.3", "root", FOO, "1.0", WHEEL, A)))


def rows(connection: sqlite3.Connection) -> list[int]:
    """The fetches that the database has."""
    return [int(time) for (time,) in connection.execute("SELECT time FROM fetches ORDER BY number")]


def written(records: SqliteRecords) -> list[int]:
    """The same, with nothing written down for the question."""
    return now(records._taken.read(rows))


def told(records: SqliteRecords) -> list[int]:
    """The fetches that whoever asks is told of."""
    return [int(fetch.time) for fetch in now(records.fetches.of_project(FOO, None, 0.0, 10**6))]


def full(connection: sqlite3.Connection) -> None:
    """Let the database be as large as it may become."""
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")


# --- when it is written -------------------------------------------------------------------------------------------------------


def test_a_few_are_written_down_some_seconds_after_the_first(records: SqliteRecords, clock: Clock) -> None:
    take(records, 1)
    clock.advance(LONGEST_WAIT - 1)
    take(records, 2)
    assert written(records) == []
    clock.advance(1)
    assert written(records) == [1, 2]
    take(records, 3)
    clock.advance(LONGEST_WAIT - 0.5)
    assert written(records) == [1, 2]
    clock.advance(0.5)
    assert written(records) == [1, 2, 3]
    assert clock.getDelayedCalls() == []


def test_many_are_written_down_at_once_in_one_transaction(records: SqliteRecords, clock: Clock) -> None:
    pool = records._taken.writing
    assert isinstance(pool, InlinePool)
    take(records, *range(BATCH - 1))
    assert (written(records), pool.calls) == ([], 0)
    take(records, BATCH - 1)
    assert (written(records), pool.calls) == (list(range(BATCH)), 1)
    assert clock.getDelayedCalls() == []


def test_whoever_asks_is_told_of_all(records: SqliteRecords, clock: Clock) -> None:
    """Whatever is asked; and once it is written down nothing is due any more."""
    asked: list[Callable[[], Any]] = [
        lambda: len(now(records.fetches.of_project(FOO, None, 0.0, 100))),
        lambda: len(now(records.fetches.of_project(FOO, "1.0", 0.0, 100))),
        lambda: len(now(records.fetches.of_digest(A, 0.0, 100))),
        lambda: now(records.fetches.forget_before(99.0)),
    ]
    for number, ask in enumerate(asked, 1):
        take(records, number)
        assert ask() == number
        assert clock.getDelayedCalls() == []


def test_a_stop_writes_what_is_left(records: SqliteRecords, clock: Clock) -> None:
    take(records, 1, 2)
    records.stopService()
    assert clock.getDelayedCalls() == []
    records.startService()
    assert written(records) == [1, 2]
    take(records, 3)
    clock.advance(LONGEST_WAIT)
    assert written(records) == [1, 2, 3]


def test_what_is_noted_before_the_start_is_written_after_it(tmp_path: Path, clock: Clock) -> None:
    made = sqlite_records(tmp_path / "records.sqlite", clock)
    take(made, 1)
    assert clock.getDelayedCalls() == []
    made.startService()
    clock.advance(LONGEST_WAIT)
    assert written(made) == [1]
    made.stopService()


# --- while it is being written ------------------------------------------------------------------------------------------------


def test_whoever_notes_waits_for_no_disk(records: SqliteRecords, gates: Gates) -> None:
    """And of one writing under way there is never a second."""
    take(records, *range(3 * BATCH))
    assert len(gates.held) == 1
    gates.open()
    assert len(gates.held) == 1
    assert written(records) == list(range(BATCH))
    gates.open()
    assert gates.held == []
    assert written(records) == list(range(3 * BATCH))


def test_what_is_noted_during_a_writing_is_written_in_time(records: SqliteRecords, gates: Gates, clock: Clock) -> None:
    """Also where that writing lasts longer than the time."""
    take(records, *range(BATCH), 1000)
    clock.advance(LONGEST_WAIT * 3)
    gates.open()
    assert written(records) == list(range(BATCH))
    clock.advance(LONGEST_WAIT)
    gates.open()
    assert written(records) == [*range(BATCH), 1000]
    assert clock.getDelayedCalls() == []


def test_whoever_asks_during_a_writing_is_told_of_what_was_noted_since(records: SqliteRecords, gates: Gates) -> None:
    take(records, *range(BATCH), 1000)
    asked = later(records.fetches.of_project(FOO, None, 1000.0, 10))
    gates.open()
    assert waiting(asked)
    take(records, 2000)
    gates.open()
    assert [fetch.time for fetch in now(asked)] == [1000.0]


def test_whoever_asks_and_leaves_takes_nothing_along(records: SqliteRecords, gates: Gates) -> None:
    """A writing that somebody waited for goes on to its end."""
    take(records, 1)
    asked = later(records.fetches.of_project(FOO, None, 0.0, 10))
    asked.addErrback(lambda failure: failure.trap(CancelledError) and None)
    asked.cancel()
    now(asked)
    take(records, 2)
    gates.open()
    assert written(records) == [1]
    records.stopService()
    records.startService()
    assert written(records) == [1, 2]


def test_a_stop_during_a_writing_writes_each_once(records: SqliteRecords, gates: Gates, clock: Clock) -> None:
    """Threads end what they began before the stop is done, and begin nothing more."""
    take(records, *range(BATCH), *range(1000, 1000 + BATCH))
    records._fetches.stopService()
    take(records, 2000)
    gates.open()
    assert gates.held == []
    assert written(records) == list(range(BATCH))
    records._fetches.settle()
    assert written(records) == [*range(BATCH), *range(1000, 1000 + BATCH), 2000]
    assert clock.getDelayedCalls() == []


# --- broken things ------------------------------------------------------------------------------------------------------------


def test_of_too_many_the_last_are_dropped_and_one_line_says_so(
    records: SqliteRecords, gates: Gates, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pypidaemon.records.sqlite_fetches.MOST_WAITING", BATCH + 2)
    take(records, *range(BATCH + 5))
    assert lines == ["warn: Which files are fetched is not kept: too many wait to be written down"]
    gates.open()
    assert lines[1:] == ["info: Which files are fetched is kept again; 3 fetches were not."]
    asked = later(records.fetches.of_project(FOO, None, 0.0, 1000))
    gates.open()
    assert [fetch.time for fetch in now(asked)] == list(range(BATCH + 2))
    assert len(lines) == 2


def test_F54_a_full_disk_loses_fetches_and_nobody_fails(records: SqliteRecords, lines: list[str]) -> None:
    """One line when it begins, one when it has ended; it heals without a restart."""
    take(records, 1)
    assert told(records) == [1]
    now(records._taken.write(full))
    for batch in range(10):
        take(records, *range(1000 * batch, 1000 * batch + BATCH))
    assert lines == ["warn: Which files are fetched is not kept: fetches of records: there is no room left"]
    assert told(records) == [1]
    now(records._taken.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000")))
    take(records, 5)
    assert told(records) == [1, 5]
    assert lines[1:] == [f"info: Which files are fetched is kept again; {10 * BATCH} fetches were not."]


def test_F54_a_full_disk_at_the_end_spoils_no_stop(records: SqliteRecords, lines: list[str]) -> None:
    take(records, *range(BATCH - 1))
    now(records._taken.write(lambda connection: connection.execute("PRAGMA query_only = ON")))
    records.stopService()
    assert [line.partition(":")[0] for line in lines] == ["warn"]
    records.startService()
    assert told(records) == []


def test_F68_a_busy_database_loses_fetches_and_a_question_is_answered_all_the_same(
    records: SqliteRecords, tmp_path: Path, lines: list[str]
) -> None:
    """Another program holds the lock; the wait itself is SQLite's, so here it is cut to none."""
    take(records, 1)
    assert told(records) == [1]
    records._taken._writer.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "records-fetches.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    take(records, 2)
    assert told(records) == [1]
    with pytest.raises(PypidaemonError, match="locked"):
        now(records.fetches.forget_before(9.0))
    other.close()
    assert len(lines) == 1
    take(records, 3)
    assert told(records) == [1, 3]


def test_one_that_cannot_be_written_keeps_none_back(records: SqliteRecords, clock: Clock) -> None:
    """No such name passes the gate; one that did would not be met again and again."""
    broken = Fetch(1.0, "ada", "192.0.2.1", "pip/26.3", "root", FOO, "1.0", Filename("\ud800"), A)
    now(records.fetches.note(broken))
    clock.advance(LONGEST_WAIT)
    take(records, 2)
    assert told(records) == [2]


def test_a_closed_database_is_not_asked(records: SqliteRecords) -> None:
    records.stopService()
    with pytest.raises(RuntimeError):
        told(records)
    records.startService()


# --- counting -----------------------------------------------------------------------------------------------------------------


def test_counts_are_written_down_with_the_fetches_and_outlive_the_process(records: SqliteRecords) -> None:
    """In one transaction, so that counting costs a busy daemon no further one."""
    pool = records._taken.writing
    assert isinstance(pool, InlinePool)
    before = pool.calls
    one = Downloads("2026-01-01", "root", FOO, WHEEL, "pip/26.3")
    take(records, 1)
    for _ in range(3):
        now(records.fetches.count(one))
    assert now(records.fetches.counts("2026-01-01", 10)) == [attrs.evolve(one, count=3)]
    assert pool.calls - before == 1
    now(records.fetches.count(one))
    records.stopService()
    records.startService()
    assert now(records.fetches.counts("2026-01-01", 10)) == [attrs.evolve(one, count=4)]
    assert told(records) == [1]


def test_F92_a_first_database_of_fetches_is_upgraded(tmp_path: Path) -> None:
    opened = Database(tmp_path / "records-fetches.sqlite", "fetches", schemas.steps("fetches")[:1], "NORMAL", inline, inline)
    opened.open()
    now(opened.write(_insert_old, 7.0))
    opened.close()
    records = sqlite_records(tmp_path / "records.sqlite", Clock())
    records.startService()
    assert told(records) == [7]
    now(records.fetches.count(Downloads("2026-01-01", "root", FOO, WHEEL, "pip/26.3")))
    assert len(now(records.fetches.counts("2026-01-01", 10))) == 1
    records.stopService()


def _insert_old(connection: sqlite3.Connection, time: float) -> None:
    connection.execute(
        "INSERT INTO fetches (time, account, address, agent, label, name, version, filename, digest) VALUES (?, '', '', '', 'root', ?, '', ?, NULL)",
        (time, FOO, WHEEL),
    )


# --- forgetting ---------------------------------------------------------------------------------------------------------------


def test_forgetting_takes_some_at_a_time(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is noted meanwhile is written down between."""
    monkeypatch.setattr("pypidaemon.records.sqlite_fetches.FORGOTTEN_AT_ONCE", 10)
    pool = records._taken.writing
    assert isinstance(pool, InlinePool)
    take(records, *range(35))
    assert len(told(records)) == 35
    before = pool.calls
    assert now(records.fetches.forget_before(32.0)) == 32
    assert pool.calls - before == 5
    assert told(records) == [32, 33, 34]


def test_the_oldest_go_where_there_are_too_many(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the time that they were noted with; some at a time, as above."""
    monkeypatch.setattr("pypidaemon.records.sqlite_fetches.FORGOTTEN_AT_ONCE", 10)
    pool = records._taken.writing
    assert isinstance(pool, InlinePool)
    take(records, *reversed(range(35)))
    assert now(records.fetches.forget_beyond(35)) == 0
    before = pool.calls
    assert now(records.fetches.forget_beyond(4)) == 31
    assert pool.calls - before == 5
    assert told(records) == [0, 1, 2, 3]
    assert now(records.fetches.forget_beyond(-1)) == 4
    assert now(records.fetches.forget_beyond(0)) == 0


def test_an_answer_is_bounded(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pypidaemon.records.sqlite_fetches.MOST_FETCHES", 2)
    take(records, 1, 2, 3)
    assert told(records) == [2, 3]


class RealThreads(TestCase):
    """The same, with pools of threads and a reactor."""

    async def test_all_that_is_noted_until_the_stop_is_there_after_it_once(self) -> None:
        """In order, whether it was written along the way or at the end."""
        path = Path(tempfile.mkdtemp()) / "records.sqlite"
        records = SqliteRecords(path, "records", Clock(), reactor)
        records.startService()
        for number in range(2 * BATCH + 50):
            await records.fetches.note(Fetch(float(number), "ada", "", "pip/26.3", "root", FOO, "1.0", WHEEL, A))
        assert len(await records.fetches.of_digest(A, 0.0, 10_000)) == 2 * BATCH + 50
        for number in range(2 * BATCH + 50, 4 * BATCH):
            await records.fetches.note(Fetch(float(number), "ada", "", "pip/26.3", "root", FOO, "1.0", WHEEL, A))
        await records.stopService()
        records.startService()
        assert [fetch.time for fetch in await records.fetches.of_digest(A, 0.0, 10_000)] == list(range(4 * BATCH))
        await records.stopService()
