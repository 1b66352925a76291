"""The chronicle beside the main database: every change of it, on the disk before it is answered, and what is done where the two are apart (F66, F67)."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.errors import PypidaemonError, StorageFailed, StorageFull
from pypidaemon.model import Deed, Grant, NormalizedName, Standing, Token, User
from pypidaemon.records import schemas
from pypidaemon.records.chronicle import Chronicle, Entry, Head, Shape
from pypidaemon.records.chronicled import Chronicled
from pypidaemon.records.database import UnusableDatabase
from pypidaemon.records.remaking import NothingToGoBy, differences, remake, rows, shapes
from pypidaemon.records.sqlite import SETTLED, SqliteRecords
from tests.gear import inline, now
from tests.records_gear import BAR, FOO, SDIST, WHEEL, record, sqlite_records
from tests.test_records_sqlite import fill, populate, register

TABLES = {"words": Shape(("word", "number"), ("word",))}
HEAD = Head("0123456789abcdef", 3, 7, TABLES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite"


@pytest.fixture
def records(path: Path) -> Iterator[SqliteRecords]:
    made = started(path)
    yield made
    made.stopService()


def started(path: Path) -> SqliteRecords:
    made = sqlite_records(path, Clock())
    made.startService()
    return made


def chronicle_of(path: Path) -> Chronicle:
    return Chronicle(path.with_suffix(".chronicle"), "records")


def every_row(path: Path) -> set[tuple[Any, ...]]:
    """All that a database says which belongs into its chronicle."""
    with closing(sqlite3.connect(path)) as connection:
        return set(rows(connection, shapes(connection)))


def killed(path: Path, into: Path) -> Path:
    """The files as a killed process leaves them."""
    into.mkdir(mode=0o700)
    for file in path.parent.iterdir():
        if not file.name.endswith("-shm"):
            shutil.copy2(file, into)
    return into / path.name


def change_all(records: SqliteRecords) -> None:
    """Something in every book, and every kind of change: added, changed, moved to another key, and taken away, also with what hangs on it."""
    fill(records)
    populate(records)
    register(records)
    files = records.files
    now(files.amend("private", FOO, WHEEL, record(WHEEL, digest="a" * 64).file, "yank release"))
    now(files.add("private", BAR, record("bar-1.0.tar.gz", digest="c" * 64), "add", "ada"))
    now(files.add("private", BAR, record("bar-1.1.tar.gz", digest="d" * 64), "add", "ada"))
    now(files.give("private", FOO, "bob"))
    now(files.forget("private", BAR, None, "remove project"))
    now(files.record("private", FOO, record(SDIST, "1.0", digest="e" * 64), "add"))
    now(files.forget("private", FOO, WHEEL, "remove file"))
    now(records.accounts.remove_user("ada"))
    now(records.ledger.number("root", FOO, "r2", 40))
    now(records._main.write(lambda connection: connection.execute("UPDATE rulings SET target = 'foo==2.0'")))


class TestTheFile:
    """What stands in it, and what is read of one that was damaged."""

    def test_it_says_what_was_written(self, tmp_path: Path) -> None:
        chronicle = Chronicle(tmp_path / "c", "it")
        assert not chronicle.there()
        assert chronicle.head() is None
        chronicle.begin(HEAD, [("+", "words", f"w{number}", number) for number in range(1001)])
        chronicle.open()
        chronicle.put(8, [("-", "words", "w1"), ("+", "words", "ä\n", 1764180000.123456)])
        chronicle.sync()
        chronicle.close()
        chronicle.close()
        assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o600
        assert chronicle.head() == HEAD
        assert chronicle.last() == 8
        entries = list(chronicle.lines())
        assert [entry and (entry.number, len(entry.rows)) for entry in entries] == [(7, 500), (7, 500), (7, 1), (8, 2)]
        assert entries[-1] == Entry(8, (("-", "words", "w1"), ("+", "words", "ä\n", 1764180000.123456)))
        # Somebody may read it without this program.
        assert json.loads((tmp_path / "c").read_bytes().splitlines()[-1][17:])["line"] == 8

    def test_one_that_was_begun_with_nothing_has_its_number(self, tmp_path: Path) -> None:
        chronicle = Chronicle(tmp_path / "c", "it")
        chronicle.begin(HEAD, [])
        assert chronicle.last() == 7

    @pytest.mark.parametrize("left", [b"0123", b"0123456789abcdef {}\n", bytes(5000), b"\n", b"\xff" * 70_000 + b"\n"])
    def test_F67_what_a_crash_leaves_at_its_end_is_passed_over_and_cut_off(self, tmp_path: Path, left: bytes) -> None:
        chronicle = Chronicle(tmp_path / "c", "it")
        chronicle.begin(HEAD, [])
        chronicle.open()
        chronicle.put(8, [("+", "words", "x" * 100_000, 1)])
        chronicle.close()
        whole = (tmp_path / "c").read_bytes()
        with (tmp_path / "c").open("ab") as file:
            file.write(left)
        assert chronicle.last() == 8
        assert len(list(chronicle.lines())) == 2
        chronicle.open()
        assert (tmp_path / "c").read_bytes() == whole
        chronicle.put(9, [])
        chronicle.close()
        assert [entry and entry.number for entry in chronicle.lines()] == [7, 8, 9]

    def test_of_a_damaged_line_all_others_can_be_read(self, tmp_path: Path) -> None:
        chronicle = Chronicle(tmp_path / "c", "it")
        chronicle.begin(HEAD, [])
        chronicle.open()
        for number in (8, 9, 10):
            chronicle.put(number, [("+", "words", f"w{number}", number)])
        chronicle.close()
        (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes().replace(b'"w9"', b'"w8"'))
        assert [entry and entry.number for entry in chronicle.lines()] == [7, 8, None, 10]
        assert chronicle.damaged() == 1
        text = (tmp_path / "c").read_bytes().splitlines(keepends=True)
        (tmp_path / "c").write_bytes(b"".join([*text[:2], text[4]]))
        assert chronicle.damaged() == 2

    @pytest.mark.parametrize("text", [b"", b"\n", b"what is this\n", b"\x00" * 100])
    def test_what_is_no_chronicle_says_nothing(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "c").write_bytes(text)
        chronicle = Chronicle(tmp_path / "c", "it")
        assert chronicle.head() is None
        assert chronicle.last() == 0
        assert list(chronicle.lines()) == []
        assert chronicle.there() is bool(text)

    def test_one_of_another_form_is_left_alone(self, tmp_path: Path) -> None:
        chronicle = Chronicle(tmp_path / "c", "it")
        chronicle.begin(HEAD, [])
        text = (tmp_path / "c").read_bytes().replace(b'"chronicle":1', b'"chronicle":2')
        (tmp_path / "c").write_bytes(text)
        assert chronicle.head() is None

    def test_what_cannot_be_begun_leaves_what_was_there(self, tmp_path: Path) -> None:
        chronicle = Chronicle(tmp_path / "c", "it")
        chronicle.begin(HEAD, [])
        before = (tmp_path / "c").read_bytes()

        def failing() -> Iterator[tuple[Any, ...]]:
            yield ("+", "words", "w", 1)
            raise OSError(errno.ENOSPC, "full")

        with pytest.raises(OSError, match="full"):
            chronicle.begin(HEAD, failing())
        assert (tmp_path / "c").read_bytes() == before
        assert os.listdir(tmp_path) == ["c"]

    def test_S7_a_symbolic_link_is_refused(self, path: Path, tmp_path: Path) -> None:
        started(path).stopService()
        target = tmp_path / "elsewhere"
        os.rename(path.with_suffix(".chronicle"), target)
        path.with_suffix(".chronicle").symlink_to(target)
        with pytest.raises(PypidaemonError, match="its chronicle cannot be used"):
            started(path)


class TestEveryChangeIsThere:
    """Whatever is done to the database, the chronicle comes to the same."""

    def test_F66_of_every_kind_of_change(self, records: SqliteRecords, path: Path, tmp_path: Path) -> None:
        change_all(records)
        copy = killed(path, tmp_path / "copy")
        assert differences(copy, schemas.steps("records"), chronicle_of(copy), everything=True) == {}
        before = every_row(copy)
        assert {"projects", "files", "history", "facts", "rulings", "withdrawn", "ledger", "publishers", "instance"} <= {
            row[1] for row in before
        }
        copy.unlink()
        Path(f"{copy}-wal").unlink(missing_ok=True)
        remade = remake(copy, schemas.steps("records"), chronicle_of(copy))
        assert every_row(copy) == before
        assert remade.damaged == 0

    def test_a_change_that_fails_is_not_in_it(self, records: SqliteRecords, path: Path) -> None:
        def half(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO projects (label, name, serial) VALUES ('private', 'half', 1)")
            raise ZeroDivisionError

        before = path.with_suffix(".chronicle").read_bytes()
        with pytest.raises(ZeroDivisionError):
            now(records._main.write(half))
        assert path.with_suffix(".chronicle").read_bytes() == before
        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        last = list(chronicle_of(path).lines())[-1]
        assert last is not None
        assert {row[1] for row in last.rows} == {"projects", "files", "history"}
        assert "half" not in str(last.rows)

    def test_a_question_and_a_change_of_nothing_leave_no_line(self, records: SqliteRecords, path: Path) -> None:
        now(records.accounts.grant(Grant("ada", "read", "team"), True))
        before = path.with_suffix(".chronicle").read_bytes()
        now(records.accounts.grant(Grant("ada", "read", "team"), True))
        now(records.files.names("private"))
        assert path.with_suffix(".chronicle").read_bytes() == before

    def test_S7_it_is_for_our_own_user_alone(self, path: Path) -> None:
        """It has the hashes of passwords and tokens, as the database has."""
        before = os.umask(0)
        try:
            records = started(path)
        finally:
            os.umask(before)
        now(records.accounts.keep_user(User("ada", "$argon2id$", False)))
        now(records.accounts.keep_token(Token("abc", "ada", "0" * 64, "read", "", 5.0, None, None)))
        records.stopService()
        assert b"$argon2id$" in path.with_suffix(".chronicle").read_bytes()
        assert stat.S_IMODE(path.with_suffix(".chronicle").stat().st_mode) == 0o600

    def test_what_is_only_looked_at_or_copied_makes_none(self, records: SqliteRecords, tmp_path: Path) -> None:
        change_all(records)
        (tmp_path / "copies").mkdir(mode=0o700)
        records.save(tmp_path / "copies", False)
        copy = records.saved(tmp_path / "copies")
        copy.startService()
        copy.stopService()
        assert not list((tmp_path / "copies").glob("*.chronicle"))

    def test_a_table_without_a_key_of_its_own(self, path: Path) -> None:
        later = (*schemas.steps("records"), "CREATE TABLE later (word TEXT);\nINSERT INTO later VALUES ('a'), ('a')")
        database = Chronicled(path, "it", later, "FULL", inline, inline)
        database.open()
        now(database.write(lambda connection: connection.execute("INSERT INTO later VALUES ('b')")))
        now(database.write(lambda connection: connection.execute("DELETE FROM later WHERE rowid = 1")))
        database.close()
        before = every_row(path)
        remake(path, later, database.chronicle)
        assert every_row(path) == before
        assert len([row for row in before if row[1] == "later"]) == 2


class TestTroubleWithTheDisk:
    """What cannot be in both is in none, and nobody is told that it is."""

    def test_F54_a_full_disk_changes_neither(self, records: SqliteRecords, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.write
        before = path.with_suffix(".chronicle").read_bytes()

        def full(descriptor: int, data: Any) -> int:
            if len(data) < 20:
                raise OSError(errno.ENOSPC, "full")
            return real(descriptor, data[:10])

        monkeypatch.setattr("pypidaemon.records.chronicle.os.write", full)
        with pytest.raises(StorageFull):
            now(records.files.add("private", FOO, record(WHEEL), "add", None))
        monkeypatch.undo()
        assert path.with_suffix(".chronicle").read_bytes() == before
        assert dict(now(records.files.names("private"))) == {}
        assert now(records.files.add("private", FOO, record(WHEEL), "add", None)) == 1

    def test_it_is_on_the_disk_soon_and_once_for_many_changes(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """And at the latest when the records stop; what has not changed is left alone."""
        clock, synced = Clock(), list[int]()
        records = sqlite_records(path, clock)
        records.startService()
        monkeypatch.setattr("pypidaemon.records.chronicle.os.fdatasync", synced.append)
        for filename in (WHEEL, SDIST):
            now(records.files.add("private", FOO, record(filename), "add", None))
        now(records.files.names("private"))
        assert (len(synced), len(clock.getDelayedCalls())) == (0, 1)
        clock.advance(SETTLED)
        assert (len(synced), len(clock.getDelayedCalls())) == (1, 0)
        now(records.files.add("private", BAR, record("bar-1.0.tar.gz"), "add", None))
        records.stopService()
        assert (len(synced), len(clock.getDelayedCalls())) == (2, 0)
        records.startService()
        records.stopService()
        assert len(synced) == 2

    def test_F60_where_the_disk_fails_nothing_more_is_written_until_a_restart(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was answered is in the database."""
        clock = Clock()
        records = sqlite_records(path, clock)
        records.startService()

        def failing(descriptor: int) -> None:
            raise OSError(errno.EIO, "failed")

        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        monkeypatch.setattr("pypidaemon.records.chronicle.os.fdatasync", failing)
        clock.advance(SETTLED)
        monkeypatch.undo()
        with pytest.raises(StorageFailed, match="until a restart"):
            now(records.files.add("private", BAR, record("bar-1.0.tar.gz"), "add", None))
        assert dict(now(records.files.names("private"))) == {FOO: 1}
        records.stopService()
        records.startService()
        assert now(records.files.add("private", BAR, record("bar-1.0.tar.gz"), "add", None)) == 2
        records.stopService()

    def test_F54_where_the_power_goes_before_it_is_on_the_disk_it_is_begun_anew(
        self, records: SqliteRecords, path: Path, tmp_path: Path
    ) -> None:
        """The database has every change that was answered. Of the chronicle the end may be gone, or a piece before it."""
        change_all(records)
        copy = killed(path, tmp_path / "copy")
        chronicle = copy.with_suffix(".chronicle")
        whole = chronicle.read_bytes()
        begins = [at + 1 for at, byte in enumerate(whole) if byte == 10]
        torn = [
            whole[: begins[-4]],
            whole[: begins[-4]] + bytes(100),
            whole[: begins[-4]] + bytes(begins[-2] - begins[-4]) + whole[begins[-2] :],
        ]
        for number, left in enumerate(torn):
            power = killed(copy, tmp_path / f"power{number}")
            power.with_suffix(".chronicle").write_bytes(left)
            started(power).stopService()
            assert every_row(power) == every_row(path)
            assert chronicle_of(power).damaged() == 0
            assert differences(power, schemas.steps("records"), chronicle_of(power), everything=True) == {}

    def test_a_commit_that_fails_is_taken_back(self, records: SqliteRecords, path: Path) -> None:
        before = path.with_suffix(".chronicle").read_bytes()

        def orphan(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA defer_foreign_keys = ON")
            connection.execute(
                "INSERT INTO files (label, name, filename, version, uploader, entry) VALUES ('private', 'none', 'f', '1', 'ada', '{}')"
            )

        with pytest.raises(PypidaemonError, match="FOREIGN KEY"):
            now(records._main.write(orphan))
        assert path.with_suffix(".chronicle").read_bytes() == before

    def test_F68_a_database_that_somebody_holds_is_waited_for_and_then_503_for_writes_alone(
        self, records: SqliteRecords, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A backup tool that keeps it locked: SQLite is told to wait five seconds, which are made short here, and reading goes on."""
        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        assert now(records._main.write(lambda connection: connection.execute("PRAGMA busy_timeout").fetchone())) == (5000,)
        now(records._main.write(lambda connection: connection.execute("PRAGMA busy_timeout = 20").fetchone()))
        before = path.with_suffix(".chronicle").read_bytes()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(PypidaemonError, match="locked"):
                now(records.files.add("private", BAR, record(SDIST), "add", None))
            assert dict(now(records.files.names("private"))) == {FOO: 1}
            other.execute("ROLLBACK")
        assert path.with_suffix(".chronicle").read_bytes() == before
        assert now(records.files.add("private", BAR, record(SDIST), "add", None)) == 2


class TestApart:
    """Database and chronicle that are not of one mind at a start."""

    def test_F67_a_last_change_that_only_the_chronicle_has_is_made(self, records: SqliteRecords, path: Path, tmp_path: Path) -> None:
        """As a kill leaves it that comes between the two; a project's row that is written again takes nothing along."""
        now(records.files.add("private", FOO, record(WHEEL), "add", "ada"))
        now(records.files.add("private", FOO, record(SDIST), "add", "ada"))
        copy = killed(path, tmp_path / "copy")
        now(records.files.place("private", FOO, (WHEEL,), Standing.HIDDEN, "hide"))
        shutil.copy2(path.with_suffix(".chronicle"), copy.with_suffix(".chronicle"))
        again = started(copy)
        serial, found = now(again.files.page("private", FOO))
        assert (serial, [one.standing for one in found]) == (3, [Standing.HIDDEN, Standing.SHOWN])
        assert now(again.files.place("private", FOO, (WHEEL,), Standing.SHOWN, "show")) == 4
        again.stopService()
        assert chronicle_of(copy).last() == chronicle_of(path).last() + 1

    def test_F95_an_older_copy_of_the_database_is_brought_forward(self, records: SqliteRecords, path: Path) -> None:
        now(records.files.add("old", FOO, record(WHEEL), "add", "ada"))
        records.stopService()
        old = path.read_bytes()
        records.startService()
        change_all(records)
        records.stopService()
        before = every_row(path)
        path.write_bytes(old)
        records.startService()
        records.stopService()
        assert every_row(path) == before
        # Also where the chronicle was begun anew meanwhile.
        head = chronicle_of(path).head()
        assert head is not None
        with closing(sqlite3.connect(path)) as connection:
            last = connection.execute("SELECT line FROM chronicled").fetchone()[0]
            chronicle_of(path).begin(Head(head.origin, head.schema, last, head.tables), rows(connection, head.tables))
        path.write_bytes(old)
        records.startService()
        records.stopService()
        assert every_row(path) == before

    def test_a_chronicle_that_is_gone_or_has_lost_its_end_is_begun_anew(self, records: SqliteRecords, path: Path) -> None:
        change_all(records)
        records.stopService()
        before, file = every_row(path), path.with_suffix(".chronicle")
        whole = file.read_bytes()
        for rest in (None, b"", whole[: len(whole) // 2], b"\x00" + whole[1:]):
            file.unlink()
            if rest is not None:
                file.write_bytes(rest)
            records.startService()
            records.stopService()
            assert every_row(path) == before
            path.unlink()
            remake(path, schemas.steps("records"), chronicle_of(path))
            assert every_row(path) == before
        assert (path.parent / "records-damaged.chronicle").read_bytes() == b"\x00" + whole[1:]

    def test_a_strangers_chronicle_refuses_the_start_and_nothing_is_changed(self, path: Path, tmp_path: Path) -> None:
        started(path).stopService()
        other = tmp_path / "other" / "records.sqlite"
        started(other).stopService()
        shutil.copy2(other.with_suffix(".chronicle"), path.with_suffix(".chronicle"))
        before = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.suffix in (".sqlite", ".chronicle")}
        with pytest.raises(UnusableDatabase, match="is of another database"):
            started(path)
        assert {name: (path.parent / name).read_bytes() for name in before} == before

    def test_F92_an_older_schema_begins_one_and_a_later_one_begins_it_anew(self, path: Path) -> None:
        steps = schemas.steps("records")
        database = Chronicled(path, "it", steps, "FULL", inline, inline)
        database.open()
        now(database.write(lambda connection: connection.execute("INSERT INTO pins VALUES ('foo', '')")))
        database.close()
        later = (*steps, "ALTER TABLE pins ADD COLUMN reason TEXT NOT NULL DEFAULT 'none'")
        remade = remake(path, later, database.chronicle)
        assert remade.rows["pins"] == 1
        again = Chronicled(path, "it", later, "FULL", inline, inline)
        again.open()
        assert now(again.read(lambda connection: connection.execute("SELECT * FROM pins").fetchall())) == [("foo", "", "none")]
        again.close()
        head = chronicle_of(path).head()
        assert head is not None
        assert head.schema == len(later)
        assert head.tables["pins"].columns == ("name", "version", "reason")
        with pytest.raises(NothingToGoBy):
            remake(path, steps, again.chronicle)

    def test_F76_who_is_killed_while_it_upgrades_finds_all_of_it_or_none(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The steps are one transaction, and the chronicle is begun anew after it: wherever that ends, the next start has every row."""
        records = started(path)
        change_all(records)
        records.stopService()
        before = every_row(path)
        later = (*schemas.steps("records"), "CREATE TABLE later (word TEXT)", "ALTER TABLE pins ADD COLUMN reason TEXT")

        class KilledError(BaseException):
            pass

        def killing(*arguments: Any) -> None:
            raise KilledError

        for place in (
            "pypidaemon.records.schemas.statements",
            "pypidaemon.records.chronicle.os.rename",
            "pypidaemon.records.chronicled.note_rows",
        ):
            with monkeypatch.context() as patched:
                patched.setattr(place, killing)
                with pytest.raises(KilledError):
                    Chronicled(path, "it", later, "FULL", inline, inline).open()
        database = Chronicled(path, "it", later, "FULL", inline, inline)
        database.open()
        database.close()
        assert {row[:4] for row in every_row(path)} == {row[:4] for row in before}
        assert (path.parent / f"records-schema-{len(later) - 2}.sqlite").exists()
        assert differences(path, later, database.chronicle, everything=True) == {}

    def test_F76_who_is_killed_at_its_first_start_begins_the_next_time(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class KilledError(BaseException):
            pass

        def killing(*arguments: Any) -> None:
            raise KilledError

        for place in ("chronicled.rows", "chronicle.os.rename", "chronicle.place.sync_folder", "chronicled.note_rows"):
            with monkeypatch.context() as patched:
                patched.setattr(f"pypidaemon.records.{place}", killing)
                with pytest.raises(KilledError):
                    started(path)
        started(path).stopService()
        assert differences(path, schemas.steps("records"), chronicle_of(path), everything=True) == {}

    def test_F67_a_log_that_somebody_carried_over_takes_nothing_where_the_chronicle_is_shorter(
        self, records: SqliteRecords, path: Path, tmp_path: Path
    ) -> None:
        """The power went before the chronicle was on the disk, and SQLite's own shell, which looked into it, put the log away."""
        change_all(records)
        copy = killed(path, tmp_path / "copy")
        chronicle = copy.with_suffix(".chronicle")
        chronicle.write_bytes(b"".join(chronicle.read_bytes().splitlines(keepends=True)[:-3]))
        with closing(sqlite3.connect(copy)) as shell:
            shell.execute("SELECT count(*) FROM files").fetchone()
        assert not Path(f"{copy}-wal").exists()
        assert Path(f"{copy}-dirty").exists()
        started(copy).stopService()
        assert every_row(copy) == every_row(path)

    def test_F55_one_that_has_grown_long_is_gone_on_with_on_a_full_disk(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pypidaemon.records.chronicled.SPARE", -(10**9))
        started(path).stopService()
        before = path.with_suffix(".chronicle").read_bytes()

        def full(source: Path, target: Path) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr("pypidaemon.records.chronicle.os.rename", full)
        started(path).stopService()
        assert path.with_suffix(".chronicle").read_bytes() == before

    def test_one_that_has_grown_long_is_begun_anew(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pypidaemon.records.chronicled.SPARE", -(10**9))
        records = started(path)
        for _ in range(100):
            now(records.accounts.grant(Grant("ada", "read", "team"), True))
            now(records.accounts.grant(Grant("ada", "read", "team"), False))
        records.stopService()
        long, last = path.with_suffix(".chronicle").stat().st_size, chronicle_of(path).last()
        records.startService()
        records.stopService()
        assert path.with_suffix(".chronicle").stat().st_size < long / 2
        assert chronicle_of(path).last() == last

    def test_the_audit_log_is_brought_forward_too(self, records: SqliteRecords, path: Path, tmp_path: Path) -> None:
        """Its own triggers let nobody change it, so it is only ever added to."""
        now(records.accounts.note(Deed(5.0, "ada", "192.0.2.1", "upload", "team/bar==1.0")))
        copy = killed(path, tmp_path / "copy")
        now(records.accounts.note(Deed(6.0, "ada", "192.0.2.1", "yank", "team/bar==1.0")))
        shutil.copy2(path.with_suffix(".chronicle"), copy.with_suffix(".chronicle"))
        again = started(copy)
        assert [deed.time for deed in now(again.accounts.deeds(0.0, 10))] == [5.0, 6.0]
        again.stopService()


def test_serials_never_fall_where_records_are_made_again(records: SqliteRecords, path: Path) -> None:
    change_all(records)
    numbers = dict(now(records.ledger.serials("root")))
    serial = max(change.serial for change in now(records.files.changes("private", 0, 100)))
    records.stopService()
    path.unlink()
    remake(path, schemas.steps("records"), chronicle_of(path))
    records.startService()
    assert now(records.files.add("private", NormalizedName("new"), record("new-1.0.tar.gz"), "add", None)) == serial + 1
    assert dict(now(records.ledger.serials("root"))) == numbers
    assert now(records.ledger.number("root", FOO, "r3", 0)) > max(numbers.values())
