"""Changes of a database that share a transaction: each is made or refused for itself, in order, and none is told of before it is on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from pypidaemon.errors import Conflict, PypidaemonError, StorageFull
from pypidaemon.records import schemas
from pypidaemon.records.chronicled import Chronicled
from pypidaemon.records.database import Database
from pypidaemon.records.group import TOGETHER
from tests.gear import inline, later, now

TABLES = ["CREATE TABLE notes (number INTEGER PRIMARY KEY, said TEXT UNIQUE)"]


class Gates:
    """A writing thread that begins with what it was given when it is let, whoever still waits for it."""

    def __init__(self) -> None:
        self.given: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    async def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        answer: Deferred[Any] = Deferred(lambda _: None)
        self.given.append((answer, lambda: function(*args, **kwargs)))
        return await answer

    def open(self) -> None:
        """Do all of it, in order."""
        for answer, function in self.given:
            outcome: Any
            try:
                outcome = function()
            except BaseException:  # noqa: BLE001  # as threads do
                outcome = Failure()
            if not answer.called:
                answer.callback(outcome)


class Place:
    """A database whose writing thread is busy until it is told to go on; `begun` are the beginnings of its transactions."""

    def __init__(self, folder: Path, kind: type[Database] = Database) -> None:
        self.gates = Gates()
        self.begun: list[str] = []
        self.database = kind(folder / "notes.sqlite", "notes", TABLES, "FULL", inline, self.gates)
        self.database.open()
        assert self.database._writer is not None
        self.database._writer.set_trace_callback(lambda said: self.begun.append(said) if said.startswith(("BEGIN", "COMMIT")) else None)

    def said(self) -> list[str]:
        return [said for (said,) in now(self.database.read(lambda connection: connection.execute("SELECT said FROM notes").fetchall()))]


def note(connection: sqlite3.Connection, said: str, then: Callable[[], Any] = lambda: None) -> str:
    """Write that down, and do something else."""
    connection.execute("INSERT INTO notes (said) VALUES (?)", (said,))
    then()
    return said.upper()


@pytest.fixture
def place(tmp_path: Path) -> Any:
    made = Place(tmp_path)
    yield made
    made.database.close()


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_those_who_wait_share_one_transaction_in_their_order(place: Place) -> None:
    waiting = [later(place.database.write(note, said)) for said in ("one", "two", "three")]
    assert place.begun == []
    place.gates.open()
    assert [now(one) for one in waiting] == ["ONE", "TWO", "THREE"]
    assert place.begun == ["BEGIN IMMEDIATE", "COMMIT"]
    assert place.said() == ["one", "two", "three"]


def test_no_more_than_so_many_share_one(place: Place) -> None:
    waiting = [later(place.database.write(note, str(number))) for number in range(TOGETHER + 1)]
    place.gates.open()
    assert [now(one) for one in waiting] == [str(number) for number in range(TOGETHER + 1)]
    assert place.begun.count("COMMIT") == 2


def test_one_that_is_refused_leaves_nothing_and_the_others_are_made(place: Place) -> None:
    calls: list[int] = []
    waiting = [
        later(place.database.write(note, "one", lambda: calls.append(1))),
        later(place.database.write(note, "two", raising(Conflict("taken")))),
        later(place.database.write(note, "three")),
    ]
    place.gates.open()
    assert now(waiting[0]) == "ONE"
    with pytest.raises(Conflict):
        now(waiting[1])
    assert now(waiting[2]) == "THREE"
    assert place.said() == ["one", "three"]
    assert calls == [1]


def test_where_sqlite_fails_each_is_made_in_a_transaction_of_its_own(place: Place) -> None:
    waiting = [later(place.database.write(note, said)) for said in ("one", "one", "two")]
    place.gates.open()
    assert now(waiting[0]) == "ONE"
    with pytest.raises(PypidaemonError, match="UNIQUE"):
        now(waiting[1])
    assert now(waiting[2]) == "TWO"
    assert place.said() == ["one", "two"]


def test_what_is_no_error_at_all_ends_its_own_change_alone(place: Place) -> None:
    waiting = [later(place.database.write(note, "one")), later(place.database.write(note, "two", raising(KeyboardInterrupt())))]  # type: ignore[arg-type]
    place.gates.open()
    assert now(waiting[0]) == "ONE"
    with pytest.raises(KeyboardInterrupt):
        now(waiting[1])
    assert place.said() == ["one"]


def test_F54_where_the_commit_fails_nobody_is_told_that_it_is_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = place.database._transacted

    def full(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Any]) -> Any:
        def then(connection: sqlite3.Connection) -> Any:
            work(connection)
            raise StorageFull("there is no room left")

        return real(connection, then)

    monkeypatch.setattr(Database, "_transacted", lambda _, connection, work: full(connection, work))
    waiting = [later(place.database.write(note, said)) for said in ("one", "two")]
    place.gates.open()
    for one in waiting:
        with pytest.raises(StorageFull):
            now(one)
    assert place.said() == []


def test_F68_all_hear_of_it_once_where_another_process_keeps_it_busy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def busy(*_: Any) -> Any:
        calls.append(1)
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    monkeypatch.setattr(Database, "_transacted", busy)
    waiting = [later(place.database.write(note, said)) for said in ("one", "two", "three")]
    place.gates.open()
    for one in waiting:
        with pytest.raises(PypidaemonError, match="locked"):
            now(one)
    assert calls == [1]


def test_who_stops_waiting_is_served_all_the_same(place: Place) -> None:
    first, second = later(place.database.write(note, "one")), later(place.database.write(note, "two"))
    first.addErrback(lambda failed: failed.trap(CancelledError) and None)
    first.cancel()
    place.gates.open()
    assert now(second) == "TWO"
    assert place.said() == ["one", "two"]


def test_what_came_after_the_threads_had_ended_is_never_made(place: Place) -> None:
    async def none(function: Any, /, *args: Any) -> Any:
        raise RuntimeError("the threads are not running")

    place.database.writing = none
    with pytest.raises(RuntimeError):
        now(place.database.write(note, "one"))
    place.database.writing = inline
    assert now(place.database.write(note, "two")) == "TWO"
    assert place.said() == ["two"]


def test_a_chronicle_has_one_line_for_all_and_nothing_of_what_was_refused(tmp_path: Path) -> None:
    gates = Gates()
    database = Chronicled(tmp_path / "records.sqlite", "records", schemas.steps("records"), "FULL", inline, gates)
    database.open()
    before = database.chronicle.last()

    def made(connection: sqlite3.Connection, word: str, error: Exception | None = None) -> None:
        connection.execute("INSERT INTO made (word) VALUES (?)", (word,))
        if error is not None:
            raise error

    one, two, three = (later(database.write(made, word, error)) for word, error in (("a", None), ("b", Conflict("no")), ("c", None)))
    gates.open()
    now(one)
    now(three)
    with pytest.raises(Conflict):
        now(two)
    assert database.chronicle.last() == before + 1
    *_, entry = database.chronicle.lines()
    assert entry is not None
    assert [row[:2] + row[2:3] for row in entry.rows] == [("+", "made", "a"), ("+", "made", "c")]
    database.close()


def test_what_a_change_is_about_is_counted_when_it_is_made_whoever_has_left(place: Place) -> None:
    counts: list[int] = []

    def change(connection: sqlite3.Connection, said: str) -> str:
        place.database.touch("notes")
        counts.append(place.database.count("notes"))
        return note(connection, said)

    left, stays = later(place.database.write(change, "one")), later(place.database.write(change, "two"))
    left.addErrback(lambda failed: failed.trap(CancelledError))
    left.cancel()
    assert place.database.count("notes") == 0
    place.gates.open()
    now(stays)
    # Not before it is on the disk, since who reads earlier has what was before.
    assert counts == [0, 0]
    assert place.said() == ["one", "two"]
    assert place.database.count("notes") == 1
    assert place.database.count("others") == 0
