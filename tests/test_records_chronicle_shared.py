"""A chronicle that several processes come near: whoever opens it takes nothing from who writes it, and it does not grow without end (F66, F67)."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.errors import StorageFailed, StorageFull
from pypidaemon.model import Grant, Token
from pypidaemon.records import chronicled, remaking, schemas
from pypidaemon.records.chronicle import Chronicle
from pypidaemon.records.remaking import differences, remake
from pypidaemon.records.sqlite import SETTLED, SqliteRecords
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, WHEEL, record, sqlite_records
from tests.test_records_chronicle import chronicle_of, every_row, killed, started

STEPS = schemas.steps("records")
TOKEN = Token("abc", "ada", "0" * 64, "read", "", 5.0, None, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite"


@pytest.fixture
def records(path: Path) -> Iterator[SqliteRecords]:
    made = started(path)
    yield made
    made.stopService()


def agree(path: Path) -> None:
    """The chronicle has every row that the database has, with no line missing."""
    assert chronicle_of(path).damaged() == 0
    assert differences(path, STEPS, chronicle_of(path), everything=True) == {}


class TestBesideAnother:
    """Commands that only look open the records too, at any moment of a daemon's or another command's work."""

    def test_F67_who_opens_it_cuts_off_no_line_that_another_writes_just_now(
        self, records: SqliteRecords, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between looking where the chronicle ends and cutting off what stands behind, the other one's change is done."""
        real, ends = Chronicle._end, []

        def slow(self: Chronicle) -> Any:
            found = real(self)
            if self is not records._main.chronicle and not ends:  # type: ignore[attr-defined]  # it has one
                with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as shell:
                    try:
                        shell.execute("BEGIN IMMEDIATE")
                    except sqlite3.OperationalError:
                        # Nobody can write meanwhile, as it should be.
                        return found
                    shell.execute("ROLLBACK")
                ends.append(found)
                now(records.files.add("private", FOO, record(WHEEL), "add", None))
            return found

        monkeypatch.setattr(Chronicle, "_end", slow)
        beside = started(path)
        monkeypatch.undo()
        now(beside.files.names("private"))
        beside.stopService()
        now(records.files.add("private", BAR, record(SDIST), "add", None))
        agree(path)

    def test_F66_one_that_another_began_anew_is_gone_on_with(self, records: SqliteRecords, path: Path) -> None:
        """Else what is written from then on would be in a file that nobody finds."""
        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        beside = started(path)
        beside._main._shorten()  # type: ignore[attr-defined]  # it has a chronicle
        now(records.files.add("private", BAR, record(SDIST), "add", None))
        now(beside.accounts.grant(Grant("ada", "read", "team"), True))
        now(records.accounts.grant(Grant("bob", "read", "team"), True))
        beside.stopService()
        agree(path)

    @pytest.mark.parametrize("instead", [None, b"", b"what is this\n"])
    def test_F66_one_that_was_taken_away_is_begun_anew_with_the_next_change(
        self, records: SqliteRecords, path: Path, instead: bytes | None
    ) -> None:
        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        chronicle = path.with_suffix(".chronicle")
        chronicle.unlink()
        if instead is not None:
            chronicle.write_bytes(instead)
        now(records.files.add("private", BAR, record(SDIST), "add", None))
        now(records.accounts.grant(Grant("ada", "read", "team"), True))
        agree(path)

    def test_a_change_that_fails_while_it_is_begun_anew_is_not_in_it(self, records: SqliteRecords, path: Path) -> None:
        def orphan(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA defer_foreign_keys = ON")
            connection.execute(
                "INSERT INTO files (label, name, filename, version, uploader, entry) VALUES ('private', 'none', 'f', '1', 'ada', '{}')"
            )

        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        path.with_suffix(".chronicle").unlink()
        with pytest.raises(Exception, match="FOREIGN KEY"):
            now(records._main.write(orphan))
        now(records.files.add("private", BAR, record(SDIST), "add", None))
        agree(path)

    def test_one_that_is_made_again_and_one_that_is_held_against_it_disturb_each_other_not(
        self, records: SqliteRecords, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each makes a database of its own; what one that was killed has left is used again."""
        for number in range(50):
            now(records.accounts.grant(Grant(f"ada{number}", "read", "team"), True))
        copy = killed(path, tmp_path / "copy")
        before = every_row(copy)
        Path(f"{copy}{remaking.PART}").write_bytes(b"left by who was killed")
        inside, outcomes = threading.Event(), list[Any]()
        real = remaking._replayed

        def waiting(*arguments: Any) -> Any:
            if not inside.is_set():
                inside.set()
                # The whole of another one, while this one is in the middle of its own.
                other = threading.Thread(target=lambda: outcomes.append(differences(copy, STEPS, chronicle_of(copy), everything=True)))
                other.start()
                other.join(60)
            return real(*arguments)

        monkeypatch.setattr(remaking, "_replayed", waiting)
        remake(copy, STEPS, chronicle_of(copy))
        assert outcomes == [{}]
        assert every_row(copy) == before
        assert [file.name for file in copy.parent.iterdir() if remaking.PART in file.name] == []


class TestDamaged:
    """What cannot be read of it is not passed over in silence: it may be that somebody's right was taken back."""

    def test_what_is_lost_of_an_older_database_is_told(self, records: SqliteRecords, path: Path, lines: list[str]) -> None:
        now(records.accounts.keep_token(TOKEN))
        records.stopService()
        old = path.read_bytes()
        records.startService()
        now(records.accounts.revoke_token("abc"))
        now(records.accounts.grant(Grant("ada", "read", "team"), True))
        records.stopService()
        path.write_bytes(old)
        file = path.with_suffix(".chronicle")
        whole = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join([*whole[:-2], whole[-2].replace(b'"-"', b'"+"'), whole[-1]]))
        records.startService()
        (said,) = [line for line in lines if "cannot be read" in line]
        assert "1 line of the chronicle" in said
        assert "tokens" in said
        # The damaged one is kept, and a whole one goes on.
        assert (path.parent / "records-damaged.chronicle").read_bytes().splitlines()[-2].count(b'"+"') == 1
        agree(path)


class TestRoom:
    """It takes no more than it has to, and a disk without room costs no more than the change that does not fit."""

    def test_one_that_grows_long_is_begun_anew_while_it_is_used(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chronicled, "SPARE", -(10**9))
        clock = Clock()
        records = sqlite_records(path, clock)
        records.startService()
        for _ in range(100):
            now(records.accounts.grant(Grant("ada", "read", "team"), True))
            now(records.accounts.grant(Grant("ada", "read", "team"), False))
        long = path.with_suffix(".chronicle").stat().st_size
        clock.advance(SETTLED)
        assert path.with_suffix(".chronicle").stat().st_size < long / 2
        now(records.accounts.grant(Grant("ada", "read", "team"), True))
        agree(path)
        records.stopService()

    def test_on_a_full_disk_it_goes_on_as_it_is_and_is_not_tried_all_the_time(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chronicled, "SPARE", -(10**9))
        clock = Clock()
        records = sqlite_records(path, clock)
        records.startService()
        tried = []

        def full(*_: Any) -> None:
            tried.append(1)
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr("pypidaemon.records.chronicle.os.rename", full)
        monkeypatch.setattr(chronicled, "SPARE", 1000)
        monkeypatch.setattr(chronicled.Chronicled, "_bound", lambda _: 0)
        for _ in range(5):
            now(records.accounts.grant(Grant("ada", "read", "team"), True))
            now(records.accounts.grant(Grant("ada", "read", "team"), False))
            clock.advance(SETTLED)
        assert 0 < len(tried) <= 2
        monkeypatch.undo()
        agree(path)
        records.stopService()

    def test_F55_one_that_lost_its_end_keeps_nobody_from_starting_on_a_full_disk(
        self, records: SqliteRecords, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a loss of power on a full disk: all is read, nothing is written, and with room again all goes on by itself."""
        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        now(records.files.add("private", BAR, record(SDIST), "add", None))
        copy = killed(path, tmp_path / "copy")
        chronicle = copy.with_suffix(".chronicle")
        lines = chronicle.read_bytes().splitlines(keepends=True)
        chronicle.write_bytes(b"".join(lines[:-1]))

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "full")

        with monkeypatch.context() as patched:
            patched.setattr("pypidaemon.records.chronicle.os.rename", full)
            again = started(copy)
            assert set(now(again.files.names("private"))) == {FOO, BAR}
            with pytest.raises(StorageFull):
                now(again.accounts.keep_token(TOKEN))
            assert now(again.accounts.tokens()) == []
        now(again.accounts.keep_token(TOKEN))
        agree(copy)
        again.stopService()

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
    def test_F54_a_sync_without_room_is_tried_again_and_is_no_end(self, path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        """Some file systems find out only then that there is no room; what was answered is in the database."""
        clock = Clock()
        records = sqlite_records(path, clock)
        records.startService()
        synced: list[int] = []

        def failing(descriptor: int) -> None:
            synced.append(descriptor)
            raise OSError(code, "no room")

        now(records.files.add("private", FOO, record(WHEEL), "add", None))
        with monkeypatch.context() as patched:
            patched.setattr("pypidaemon.records.chronicle.os.fdatasync", failing)
            clock.advance(SETTLED)
            assert len(synced) == 1
        now(records.files.add("private", BAR, record(SDIST), "add", None))
        clock.advance(SETTLED)
        agree(path)
        records.stopService()

    @pytest.mark.parametrize(("code", "kind"), [(errno.EFBIG, StorageFull), (errno.EROFS, StorageFailed), (errno.EIO, StorageFailed)])
    def test_F57_F58_what_the_disk_says_is_told_as_what_it_is(
        self, records: SqliteRecords, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
    ) -> None:
        def failing(descriptor: int, data: Any) -> int:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patched:
            patched.setattr("pypidaemon.records.chronicle.os.write", failing)
            with pytest.raises(kind):
                now(records.files.add("private", FOO, record(WHEEL), "add", None))
        assert now(records.files.add("private", FOO, record(WHEEL), "add", None)) == 1

    def test_F57_a_limit_for_the_size_of_files_is_no_room_and_all_goes_on_without_it(self, tmp_path: Path) -> None:
        """As a real process has it, since the limit would be that of all tests: SQLite itself tells of no more than trouble with the disk."""
        program = (
            "import resource, sys, pathlib\n"
            "from twisted.internet.task import Clock\n"
            "from pypidaemon.errors import StorageFull\n"
            "from pypidaemon.model import Grant\n"
            "from tests.gear import now\n"
            "from tests.records_gear import sqlite_records\n"
            "records = sqlite_records(pathlib.Path(sys.argv[1]), Clock())\n"
            "records.startService()\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, -1))\n"
            "done = refused = 0\n"
            "for number in range(100):\n"
            "    try:\n"
            "        now(records.accounts.grant(Grant(f'ada{number}' * 9, 'read', 'team'), True))\n"
            "        done += 1\n"
            "    except StorageFull:\n"
            "        refused += 1\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))\n"
            "now(records.accounts.grant(Grant('bob', 'read', 'team'), True))\n"
            "assert done and refused and len(now(records.accounts.grants())) == 3 + done, (done, refused)\n"
            "records.stopService()\n"
        )
        path = tmp_path / "data" / "records.sqlite"
        ran = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        agree(path)
