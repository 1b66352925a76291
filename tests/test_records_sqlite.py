"""What SQLite records promise beyond the contract: durability, privacy of the files, upgrades, and grace when things break."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, DeferredList, gatherResults
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from pypidaemon.errors import Conflict, PypidaemonError, StorageFailed, StorageFull
from pypidaemon.model import (
    Deed,
    Digest,
    Fact,
    Fetch,
    File,
    FileRecord,
    Grant,
    NormalizedName,
    Remembered,
    RememberedNames,
    Ruling,
    RulingKind,
    Standing,
    Token,
    UpstreamPage,
    User,
    Validators,
    Withdrawn,
)
from pypidaemon.records import schemas
from pypidaemon.records.database import Database, UnusableDatabase
from pypidaemon.records.packing import pack
from pypidaemon.records.rules import merged
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.records.sqlite_accounts import SqliteAccounts
from pypidaemon.records.sqlite_ledger import SqliteLedger
from pypidaemon.stored import encode
from tests.gear import inline, later, now, waiting
from tests.records_gear import BAR, FOO, SDIST, WHEEL, InlinePool, record, sqlite_records

PAGE = UpstreamPage(FOO, versions=tuple(f"1.{minor}" for minor in range(2000)))

TOKEN = Token("abcdefghijkl", "ada", "a" * 64, "upload", "foo-*", 1.0, 9e9)
KNOWN = len(schemas.steps("records"))
"""How many steps the main database's schema has."""
RELEASED = {"records-0001-first.sql": "0f2b38a863488d19e274021668217e3d41a4b25927dc57194d7de6e994052bb5"}
"""The sha256 of every step that was released."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite"


@pytest.fixture
def records(path: Path) -> Iterator[SqliteRecords]:
    """Running records without threads."""
    made = sqlite_records(path, Clock())
    made.startService()
    yield made
    made.stopService()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The texts of warnings logged while the test runs."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"].name == "warn":
            seen.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def started(path: Path) -> SqliteRecords:
    """Records at that path, running."""
    made = sqlite_records(path, Clock())
    made.startService()
    return made


def fill(records: SqliteRecords) -> None:
    """Something in every book."""
    now(records.pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2.0)))
    now(records.pages.keep_names("pypi", RememberedNames(Digest("a" * 64), Validators(), 3, 1.0, 2.0)))
    now(records.facts.learn("pypi", FOO, WHEEL, Fact(Digest("b" * 64), 5)))
    now(records.ledger.number("root", FOO, "r1", 40))
    now(records.files.add("private", FOO, record(WHEEL, digest="a" * 64), "add", "ada"))


def populate(records: SqliteRecords) -> None:
    """Something of all that private packages add."""
    now(records.files.add("team", BAR, record(WHEEL, digest="a" * 64), "add", "ada"))
    now(records.files.add("team", BAR, record(SDIST, digest="b" * 64), "add", None))
    now(records.files.place("team", BAR, (SDIST,), Standing.DELETED, "remove file"))
    now(records.accounts.keep_user(User("ada", "$argon2id$", True)))
    now(records.accounts.enrol("staff", "ada", True))
    now(records.accounts.grant(Grant("group:staff", "upload", "team", "foo-*"), True))
    now(records.accounts.grant(Grant("anonymous", "read", "*"), False))
    now(records.accounts.keep_token(TOKEN))
    now(records.accounts.note(Deed(5.0, "ada", "192.0.2.1", "upload", "team/bar==1.0")))


def population(records: SqliteRecords) -> list[Any]:
    """What `populate` put there."""
    return [
        now(records.files.page("team", BAR)),
        now(records.files.owner("team", BAR)),
        now(records.files.owned("ada")),
        now(records.accounts.users()),
        now(records.accounts.groups("ada")),
        now(records.accounts.grants()),
        now(records.accounts.tokens()),
        now(records.accounts.deeds(0.0, 10)),
    ]


def register(records: SqliteRecords) -> None:
    """Something of all that policies add."""
    now(records.rulings.rule(Ruling(RulingKind.BLOCK, "foo==1.0", "a worm", "ada", 5.0, 9e9)))
    now(records.fetches.note(Fetch(5.0, "ada", "192.0.2.1", "pip/26.3", "root", FOO, "1.0", WHEEL, Digest("a" * 64))))
    now(records.withdrawn.withdraw("pypi", FOO, (File(SDIST, yanked="why"),), 5.0))
    now(records.publishers.met("pypi", FOO, "github:owner/repository", 5.0))
    now(records.documents.keep("pypi", FOO, WHEEL, b"{}", 5.0))
    now(records.facts.learn("pypi", BAR, WHEEL, Fact(upload_time="2024-01-02T03:04:05Z", dated_by="other")))


def registered(records: SqliteRecords) -> list[Any]:
    """What `register` put there."""
    return [
        now(records.rulings.rulings()),
        now(records.fetches.of_project(FOO, None, 0.0, 10)),
        dict(now(records.withdrawn.withdrawn("pypi", FOO))),
        dict(now(records.publishers.publishers("pypi", FOO))),
        now(records.documents.recall("pypi", FOO, WHEEL)),
        dict(now(records.facts.known("pypi", BAR))),
    ]


def contents(records: SqliteRecords) -> list[Any]:
    """What `fill` put there."""
    return [
        now(records.identity()),
        now(records.pages.recall("pypi", FOO)),
        now(records.pages.recall_names("pypi")),
        dict(now(records.facts.known("pypi", FOO))),
        dict(now(records.ledger.serials("root"))),
        now(records.files.page("private", FOO)),
        now(records.files.changes("private", 0, 10)),
        now(records.files.owner("private", FOO)),
    ]


def beside(path: Path, word: str = "cache") -> Path:
    """The page cache, or another database, that belongs to the one at that path."""
    return path.with_name(f"{path.stem}-{word}.sqlite")


def overwrite(path: Path, offset: int = 0, length: int = 4096) -> None:
    """Spoil some bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * length)


# --- durability ---------------------------------------------------------------------------------------------------------------


def test_everything_survives_a_restart(path: Path) -> None:
    """The identity, every book, and where the numbers were."""
    first = started(path)
    fill(first)
    populate(first)
    register(first)
    before = [*contents(first), *population(first), *registered(first)]
    first.stopService()
    second = started(path)
    assert [*contents(second), *population(second), *registered(second)] == before
    assert now(second.ledger.number("root", FOO, "r1", 0)) == 40
    assert now(second.ledger.number("root", FOO, "r2", 0)) == 41
    assert now(second.files.record("private", BAR, record(SDIST), "add")) == 2
    second.stopService()


def test_one_service_can_stop_and_start_again(records: SqliteRecords) -> None:
    fill(records)
    before = contents(records)
    records.stopService()
    with pytest.raises(RuntimeError):
        now(records.files.names("private"))
    records.startService()
    assert contents(records) == before


def test_a_committed_write_is_there_after_a_kill(records: SqliteRecords, path: Path, tmp_path: Path) -> None:
    """A copy of the files, taken while the daemon runs and has closed nothing, is what a killed process leaves."""
    fill(records)
    populate(records)
    register(records)
    before = [*contents(records), *population(records), *registered(records)]
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for file in path.parent.iterdir():
        if not file.name.endswith("-shm"):
            shutil.copy2(file, copy)
    assert (copy / "records.sqlite-wal").stat().st_size > 0
    again = started(copy / "records.sqlite")
    assert [*contents(again), *population(again), *registered(again)] == before
    again.stopService()


def test_a_change_that_fails_half_way_was_never_made(records: SqliteRecords) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO projects (label, name, serial) VALUES ('private', 'half', 1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        now(records._main.write(half))
    assert dict(now(records.files.names("private"))) == {}
    assert now(records.files.record("private", FOO, record(WHEEL), "add")) == 1


def test_commits_are_synced_where_truth_lies(records: SqliteRecords) -> None:
    """2 is FULL, 1 is NORMAL; only what may be lost is written without a sync for each commit."""

    def synchronous(connection: sqlite3.Connection) -> tuple[Any, ...]:
        return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "foreign_keys"))

    assert now(records._main.write(synchronous)) == (2, "wal", 1)
    assert now(records._mirrored.write(synchronous)) == (2, "wal", 1)
    assert now(records._cache.write(synchronous)) == (1, "wal", 1)
    assert now(records._taken.write(synchronous)) == (1, "wal", 1)


def test_readers_cannot_write(records: SqliteRecords) -> None:
    with pytest.raises(PypidaemonError, match="only be read"):
        now(records._main.read(lambda connection: connection.execute("DELETE FROM files")))


# --- privacy of the files -----------------------------------------------------------------------------------------------------

STEMS = ("records", "records-mirrors", "records-cache", "records-fetches")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_S7_files_and_folders_are_ours_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask says, also for the folders that had to be made and the files that SQLite puts beside its database."""
    path = tmp_path / "new" / "data" / "records.sqlite"
    before = os.umask(umask)
    try:
        records = started(path)
        fill(records)
        register(records)
        now(records.mirrors.pin("mirror", FOO, True))
    finally:
        os.umask(before)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir() if not entry.name.endswith("-dirty")}
    assert {f"{stem}.sqlite{end}" for stem in STEMS for end in ("", "-wal")} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    records.stopService()


def test_S7_an_open_file_is_closed_to_others(path: Path) -> None:
    started(path).stopService()
    path.chmod(0o644)
    started(path).stopService()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_S7_a_symbolic_link_is_refused(path: Path, tmp_path: Path, suffix: str) -> None:
    path.parent.mkdir(mode=0o700)
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    Path(f"{path}{suffix}").symlink_to(target)
    with pytest.raises(PypidaemonError, match="symbolic link"):
        started(path)
    assert target.read_bytes() == b""


def test_S7_a_folder_that_others_can_write_to_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(PypidaemonError, match="others can write"):
        started(path)


def test_S7_only_a_regular_file_will_do(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path)
    with pytest.raises(PypidaemonError, match="regular file"):
        started(path)


def test_a_folder_in_the_files_place_is_one_line(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    path.parent.chmod(0o700)
    with pytest.raises(PypidaemonError) as caught:
        started(path)
    assert str(path.parent) not in str(caught.value)
    assert "\n" not in str(caught.value)


# --- schemas ------------------------------------------------------------------------------------------------------------------

LATER = """
-- A step; with a comment that holds a semicolon.
CREATE TABLE later (word TEXT NOT NULL DEFAULT 'a;b');
INSERT INTO later DEFAULT VALUES
"""


def database(path: Path, *more: str) -> Database:
    """The main database as a program with these further steps would open it."""
    return Database(path, "records", [*schemas.steps("records"), *more], "FULL", inline, inline)


def test_F92_an_older_schema_is_upgraded_and_the_state_before_kept(path: Path) -> None:
    """The steps that are missing are applied, what was there stays, and a copy of the database as it was lies beside it."""
    records = started(path)
    fill(records)
    records.stopService()
    opened = database(path, LATER)
    opened.open()
    assert now(opened.read(lambda connection: connection.execute("SELECT word FROM later").fetchall())) == [("a;b",)]
    assert now(opened.read(schemas.version)) == KNOWN + 1
    assert now(opened.read(lambda connection: connection.execute("SELECT name, serial FROM ledger").fetchall())) == [("foo", 40)]
    opened.close()
    copy = path.with_name(f"records-schema-{KNOWN}.sqlite")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with sqlite3.connect(copy) as connection:
        assert schemas.version(connection) == KNOWN
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (1,)
    connection.close()
    opened.open()
    opened.close()


def test_F92_a_failing_step_leaves_the_schema_as_it_was(path: Path) -> None:
    started(path).stopService()
    broken = database(path, LATER + ";\nCREATE TABLE files (twice INTEGER);\n")
    with pytest.raises(PypidaemonError, match="already exists"):
        broken.open()
    opened = database(path)
    opened.open()
    assert now(opened.read(schemas.version)) == KNOWN
    assert now(opened.read(lambda connection: connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchall())) == []
    opened.close()


def test_F92_a_later_schema_is_refused_without_a_write(path: Path) -> None:
    opened = database(path, LATER)
    opened.open()
    opened.close()
    before = path.read_bytes()
    with pytest.raises(UnusableDatabase, match=rf"later version.*schema {KNOWN + 1}, known up to {KNOWN}") as caught:
        started(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert not beside(path).exists()


def test_F92_another_process_may_upgrade_first(path: Path) -> None:
    """How many steps are missing is seen with the writing lock held, so that no step is applied twice and none undone."""
    opened = database(path)
    opened.open()
    now(opened.write(schemas.upgrade, opened.schema))
    assert now(opened.read(schemas.version)) == KNOWN
    opened.schema = []
    with pytest.raises(UnusableDatabase, match="later version"):
        now(opened.write(opened._upgrade))
    opened.close()


def first_schema(path: Path) -> None:
    """A database as the first released program left it: files, one project without any, history, numbers, pins, an identity."""
    opened = Database(path, "records", schemas.steps("records")[:1], "FULL", inline, inline)
    opened.open()

    def put(connection: sqlite3.Connection) -> None:
        entry = '{"filename":"foo-1.0.tar.gz","hashes":[["sha256","' + "a" * 64 + '"]],"yanked":"why"}'
        connection.execute("INSERT INTO instance VALUES (1, '0123456789abcdef')")
        connection.execute("INSERT INTO facts VALUES ('pypi', 'foo', ?, ?, 5, NULL, 0)", (WHEEL, "b" * 64))
        connection.execute("INSERT INTO ledger VALUES ('root', 'foo', 'r1', 40, 1.0, 'create')")
        connection.execute("INSERT INTO projects VALUES ('private', 'foo', 1), ('private', 'bar', 3), ('other', 'foo', 1)")
        connection.execute(
            "INSERT INTO files VALUES ('private', 'foo', ?1, '1.0', 'ada', ?2, ?3, NULL), ('other', 'foo', ?1, '1.0', '', ?2, ?3, NULL)",
            (SDIST, entry, "a" * 64),
        )
        connection.execute(
            "INSERT INTO history VALUES ('private', 1, 'foo', '1.0', 1.0, 'add'), ('private', 2, 'bar', '1', 2.0, 'add'),"
            " ('private', 3, 'bar', '1', 3.0, 'remove file'), ('other', 1, 'foo', '1.0', 1.0, 'add')"
        )

    opened.at_once(put)
    opened.close()


def test_F92_a_filled_first_database_is_upgraded(path: Path) -> None:
    """Its files are shown, nobody owns its projects, everybody may look; nothing of it is lost, and all goes on from there."""
    first_schema(path)
    records = started(path)
    old = FileRecord(File(SDIST, hashes=(("sha256", "a" * 64),), yanked="why"), "1.0", "ada", Standing.SHOWN, 0.0)
    assert now(records.files.page("private", FOO)) == (1, [old])
    assert now(records.files.page("private", BAR)) == (3, [])
    assert now(records.files.references(Digest("a" * 64))) == 2
    assert [now(records.files.owner("private", name)) for name in (FOO, BAR)] == [None, None]
    assert now(records.accounts.grants()) == [Grant("anonymous", "list", "*"), Grant("anonymous", "read", "*")]
    assert [change.action for change in now(records.files.changes("private", 0, 9))] == ["add", "add", "remove file"]
    assert now(records.identity()) == "0123456789abcdef"
    assert dict(now(records.facts.known("pypi", FOO))) == {WHEEL: Fact(Digest("b" * 64), 5)}
    assert now(records.ledger.number("root", FOO, "r1", 0)) == 40
    assert now(records.files.add("private", FOO, old, "add", None)) == 1
    assert now(records.files.place("private", FOO, (SDIST,), Standing.DELETED, "remove file")) == 4
    populate(records)
    before = population(records)
    records.stopService()
    with sqlite3.connect(path.with_name("records-schema-1.sqlite")) as connection:
        assert schemas.version(connection) == 1
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (2,)
    connection.close()
    again = started(path)
    assert population(again) == before
    again.stopService()


def second_schema(path: Path) -> None:
    """A database as the program before policies left it, and the page cache beside it."""
    opened = Database(path, "records", schemas.steps("records")[:2], "FULL", inline, inline)
    opened.open()

    def put(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO instance VALUES (1, '0123456789abcdef')")
        connection.execute("INSERT INTO facts VALUES ('pypi', 'foo', ?, ?, 5, ?, 1)", (WHEEL, "b" * 64, "c" * 64))

    opened.at_once(put)
    accounts = SqliteAccounts(opened, Clock())
    now(accounts.keep_user(User("ada", "$argon2id$", True)))
    now(accounts.note(Deed(5.0, "ada", "192.0.2.1", "upload", "team/bar==1.0")))
    opened.close()
    cache = Database(beside(path), "page cache", schemas.steps("cache")[:1], "NORMAL", inline, inline)
    cache.open()
    encoded = encode(PAGE)

    def fill(connection: sqlite3.Connection) -> None:
        # As the program of then did: today's knows of columns that were not there.
        fingerprint = hashlib.blake2b(encoded, digest_size=16).digest()
        connection.execute("INSERT INTO pages VALUES ('pypi', 'foo', ?, 1.0, 2.0)", (fingerprint,))
        connection.execute("INSERT INTO bodies VALUES ('pypi', 'foo', ?)", (pack(encoded),))

    cache.at_once(fill)
    cache.close()


def test_F92_a_filled_second_database_and_its_first_cache_are_upgraded(path: Path) -> None:
    """Nothing of them is lost, nothing is dated or ruled yet, and all that policies need can be kept."""
    second_schema(path)
    records = started(path)
    known = Fact(Digest("b" * 64), 5, Digest("c" * 64), True)
    assert dict(now(records.facts.known("pypi", FOO))) == {WHEEL: known}
    assert now(records.accounts.users()) == [User("ada", "$argon2id$", True)]
    assert [deed.account for deed in now(records.accounts.deeds(0.0, 10))] == ["ada"]
    assert now(records.identity()) == "0123456789abcdef"
    assert now(records.pages.recall("pypi", FOO)) == Remembered(PAGE, 1.0, 2.0)
    assert registered(records) == [[], [], {}, {}, None, {}]
    dated = Fact(upload_time="2024-01-02T03:04:05Z", dated_by="last-modified")
    assert now(records.facts.learn("pypi", FOO, WHEEL, dated)) == merged(known, dated)
    register(records)
    before = registered(records)
    assert before[0] == [Ruling(RulingKind.BLOCK, "foo==1.0", "a worm", "ada", 5.0, 9e9)]
    assert before[2] == {SDIST: Withdrawn(File(SDIST, yanked="why"), 5.0)}
    records.stopService()
    for copy, version in ((path.with_name("records-schema-2.sqlite"), 2), (path.with_name("records-cache-schema-1.sqlite"), 1)):
        with sqlite3.connect(copy) as connection:
            assert schemas.version(connection) == version
        connection.close()
    again = started(path)
    assert registered(again) == before
    again.stopService()


def test_F92_a_released_step_is_never_edited() -> None:
    """Whoever has it applied will not get the edit; the next change is the next file."""
    folder = Path(schemas.__file__).parent / "schema"
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in RELEASED} == RELEASED


def test_what_was_taken_back_from_everybody_stays_taken_back(path: Path) -> None:
    """After a restart, and after an upgrade to a later schema."""
    records = started(path)
    for grant in now(records.accounts.grants()):
        assert now(records.accounts.grant(grant, False))
    records.stopService()
    records.startService()
    assert now(records.accounts.grants()) == []
    records.stopService()
    later_program = database(path, LATER)
    later_program.open()
    assert now(SqliteAccounts(later_program, Clock()).grants()) == []
    later_program.close()


# --- accounts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", ["UPDATE deeds SET account = 'eve'", "DELETE FROM deeds"])
def test_S78_nothing_changes_the_audit_log(records: SqliteRecords, attempt: str) -> None:
    populate(records)
    before = population(records)
    with pytest.raises(PypidaemonError, match="only ever appended to"):
        now(records._main.write(lambda connection: connection.execute(attempt)))
    assert population(records) == before


def written(records: SqliteRecords) -> float | None:
    """When the token was last used, as the database alone has it."""
    time: float | None = now(records._main.read(lambda connection: connection.execute("SELECT last_used FROM tokens").fetchone()[0]))
    return time


def test_S70_a_tokens_use_is_written_at_most_once_a_minute_and_at_the_stop(path: Path) -> None:
    """Meanwhile whoever asks this process has the latest all the same."""
    clock = Clock()
    records = sqlite_records(path, clock)
    records.startService()
    now(records.accounts.keep_token(TOKEN))

    def use(seconds: float) -> tuple[float | None, float | None]:
        clock.advance(seconds)
        now(records.accounts.used_token(TOKEN.id, clock.seconds()))
        told = now(records.accounts.token(TOKEN.id))
        assert told is not None
        assert now(records.accounts.tokens()) == [told]
        return written(records), told.last_used

    assert [use(1), use(30), use(29.5), use(0.5), use(0.5)] == [(1, 1), (1, 31), (1, 60.5), (61, 61), (61, 61.5)]
    records.stopService()
    records.startService()
    assert written(records) == 61.5
    assert use(0.25) == (61.75, 61.75)
    records.stopService()


def test_a_use_noted_while_an_earlier_one_is_being_written_is_kept(path: Path) -> None:
    opened = database(path)
    opened.open()
    gate: Deferred[None] = Deferred()
    accounts = SqliteAccounts(opened, Clock())
    now(accounts.keep_token(TOKEN))

    async def slow(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        await gate
        return function(*args, **kwargs)

    opened.writing = slow
    first = later(accounts.used_token(TOKEN.id, 1.0))
    assert waiting(first)
    now(accounts.used_token(TOKEN.id, 2.0))
    gate.callback(None)
    now(first)
    assert [token.last_used for token in now(accounts.tokens())] == [2.0]
    accounts.settle()
    assert [token.last_used for token in now(SqliteAccounts(opened, Clock()).tokens())] == [2.0]
    opened.close()


def test_a_token_that_was_revoked_before_its_use_was_written_stays_revoked(path: Path) -> None:
    records = started(path)
    now(records.accounts.keep_token(TOKEN))
    for time in (1.0, 2.0):
        now(records.accounts.used_token(TOKEN.id, time))
    now(records.accounts.revoke_token(TOKEN.id))
    now(records.accounts.keep_token(TOKEN))
    records.stopService()
    records.startService()
    assert now(records.accounts.tokens()) == [TOKEN]
    records.stopService()


def test_of_two_processes_the_later_use_stands(path: Path) -> None:
    """And what one has revoked the other refuses with the next question (S73)."""
    one, two = started(path), started(path)
    now(one.accounts.keep_token(TOKEN))
    now(two.accounts.used_token(TOKEN.id, 20.0))
    now(one.accounts.used_token(TOKEN.id, 10.0))
    assert written(one) == 20.0
    now(two.accounts.used_token(TOKEN.id, 30.0))
    now(one.accounts.revoke_token(TOKEN.id))
    assert now(two.accounts.token(TOKEN.id)) is None
    now(one.files.add("team", FOO, record(WHEEL, digest="a" * 64), "add", "ada"))
    with pytest.raises(Conflict):
        now(two.files.add("team", FOO, record(WHEEL, digest="a" * 64), "add", "eve"))
    assert now(two.files.owner("team", FOO)) == "ada"
    one.stopService()
    two.stopService()


def test_F54_a_full_disk_stops_nobody_from_logging_in(records: SqliteRecords, lines: list[str]) -> None:
    """When a token was last used is not worth a failure, during the run or at its end; that a deed is not noted is one."""
    now(records.accounts.keep_token(TOKEN))
    now(records._main.write(lambda connection: connection.execute("PRAGMA query_only = ON")))
    now(records.accounts.used_token(TOKEN.id, 5.0))
    assert len(lines) == 1
    told = now(records.accounts.token(TOKEN.id))
    assert told is not None
    assert (written(records), told.last_used) == (None, 5.0)
    with pytest.raises(PypidaemonError):
        now(records.accounts.note(Deed(5.0, "ada", "", "upload", "foo")))
    records._accounts.settle()
    assert len(lines) == 2


def test_an_answer_from_the_audit_log_is_bounded(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pypidaemon.records.deeds.MOST_DEEDS", 2)
    for time in (1.0, 2.0, 3.0):
        now(records.accounts.note(Deed(time, "ada", "", "upload", "foo")))
    assert [deed.time for deed in now(records.accounts.deeds(0.0, 10))] == [2.0, 3.0]


# --- broken things ------------------------------------------------------------------------------------------------------------


def test_F66_a_damaged_main_database_refuses_to_start(path: Path) -> None:
    records = started(path)
    fill(records)
    records.stopService()
    overwrite(path)
    damaged = path.read_bytes()
    with pytest.raises(UnusableDatabase, match="damaged") as caught:
        started(path)
    assert str(caught.value).startswith("records: the database is damaged; `pypidaemon verify --repair` makes it again")
    assert path.read_bytes() == damaged


def test_F66_damage_inside_is_found_after_an_unclean_stop(path: Path, tmp_path: Path) -> None:
    """Header and schema are whole, a page of a table is not; the marker that a killed process leaves makes the start look closely."""
    records = started(path)
    for number in range(200):
        now(records.files.record("private", NormalizedName(f"p{number}"), record(WHEEL), "add"))
    records.stopService()
    assert not Path(f"{path}-dirty").exists()
    overwrite(path, path.stat().st_size - 8192, 8192)
    Path(f"{path}-dirty").touch()
    with pytest.raises(UnusableDatabase, match="damaged"):
        started(path)
    assert Path(f"{path}-dirty").exists()


def history_page(connection: sqlite3.Connection) -> tuple[int, int]:
    """The number of the page that the history begins with, and the size of a page."""
    root: int = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'history'").fetchone()[0]
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return root, size


def test_F66_damage_found_while_running_is_looked_at_by_the_next_start(path: Path) -> None:
    """A clean stop does not make a damaged database a sound one."""
    records = started(path)
    for number in range(200):
        now(records.files.record("private", NormalizedName(f"p{number}"), record(WHEEL), "add"))
    root, size = now(records._main.read(history_page))
    records.stopService()
    overwrite(path, (root - 1) * size, size)
    records.startService()
    with pytest.raises(UnusableDatabase):
        now(records.files.changes("private", 0, 500))
    records.stopService()
    assert Path(f"{path}-dirty").exists()
    with pytest.raises(UnusableDatabase):
        started(path)


@pytest.mark.parametrize(
    "spoil", [overwrite, lambda path: path.write_bytes(b"no database at all" * 500), lambda path: os.truncate(path, 5000)]
)
def test_law_8_a_damaged_cache_is_begun_anew(path: Path, spoil: Callable[[Path], None], lines: list[str]) -> None:
    """One line of the log; what is true is untouched."""
    records = started(path)
    fill(records)
    register(records)
    records.stopService()
    spoil(beside(path))
    records = started(path)
    assert len(lines) == 1
    assert "begun anew" in lines[0]
    assert now(records.pages.recall("pypi", FOO)) is None
    assert now(records.documents.recall("pypi", FOO, WHEEL)) is None
    assert now(records.files.names("private")) == {FOO: 1}
    assert len(now(records.fetches.of_project(FOO, None, 0.0, 10))) == 1
    fill(records)
    assert now(records.pages.recall("pypi", FOO)) == Remembered(PAGE, 1.0, 2.0)
    records.stopService()


def test_a_damaged_history_of_fetches_is_begun_anew(path: Path, lines: list[str]) -> None:
    """Nothing goes by it, so that nothing else may stand still for it."""
    records = started(path)
    fill(records)
    register(records)
    before = [*contents(records), *registered(records)]
    records.stopService()
    overwrite(beside(path, "fetches"))
    records = started(path)
    assert lines == ["fetches of records: the database is damaged; it is begun anew."]
    assert now(records.fetches.of_project(FOO, None, 0.0, 10)) == []
    register(records)
    assert [*contents(records), *registered(records)] == before
    records.stopService()


def test_law_8_a_cache_of_a_later_version_is_begun_anew(path: Path, lines: list[str]) -> None:
    started(path).stopService()
    with sqlite3.connect(beside(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    records = started(path)
    assert len(lines) == 1
    assert now(records._cache.read(schemas.version)) == len(schemas.steps("cache"))
    records.stopService()


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\x28\xb5\x2f\xfd\x00", "truncated", "flipped", "other", "huge"])
def test_law_8_a_row_that_cannot_be_read_counts_as_absent_and_goes(records: SqliteRecords, body: bytes | str, lines: list[str]) -> None:
    import zstandard

    fill(records)

    def spoil(connection: sqlite3.Connection) -> None:
        whole: bytes = connection.execute("SELECT body FROM bodies").fetchone()[0]
        spoilt = {
            "truncated": whole[:-9],
            "flipped": whole[:40] + bytes([whole[40] ^ 255]) + whole[41:],
            "other": zstandard.compress(b'{"some": "thing"}'),
            "huge": b"\x28\xb5\x2f\xfd\xe0" + (2**60).to_bytes(8, "little"),
        }
        connection.execute("UPDATE bodies SET body = ?", (spoilt[body] if isinstance(body, str) else body,))

    now(records._cache.write(spoil))
    assert now(records.pages.recall("pypi", FOO)) is None
    assert len(lines) == 1
    count = "SELECT (SELECT count(*) FROM pages) + (SELECT count(*) FROM bodies)"
    assert now(records._cache.read(lambda connection: connection.execute(count).fetchone())) == (0,)
    now(records.pages.keep("pypi", FOO, Remembered(PAGE, 3.0, 4.0)))
    assert now(records.pages.recall("pypi", FOO)) == Remembered(PAGE, 3.0, 4.0)


def no_room(connection: sqlite3.Connection) -> None:
    """Let the database be as large as it may become."""
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")


def test_a_damaged_row_that_cannot_be_dropped_counts_as_absent_all_the_same(records: SqliteRecords, path: Path, lines: list[str]) -> None:
    fill(records)
    now(records._cache.write(lambda connection: connection.execute("UPDATE bodies SET body = x'00'")))
    records._cache._writer.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(beside(path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert now(records.pages.recall("pypi", FOO)) is None
    other.close()
    assert len(lines) == 2


def test_nothing_is_asked_of_a_closed_database(path: Path) -> None:
    """Not a storage error that a cache might swallow: whoever asks has a mistake in the order of its life."""
    closed = database(path)
    with pytest.raises(RuntimeError, match="not open"):
        now(closed.read(schemas.version))
    with pytest.raises(RuntimeError, match="not open"):
        now(closed.write(schemas.version))


def room(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


def test_F54_a_full_disk_fails_writes_alone_and_heals_without_a_restart(records: SqliteRecords) -> None:
    fill(records)
    before = contents(records)
    now(records._main.write(no_room))
    big = record(WHEEL, "1.0" + "0" * 100_000)
    with pytest.raises(StorageFull):
        now(records.files.record("private", BAR, big, "add"))
    assert contents(records) == before
    assert now(records.ledger.number("root", FOO, "r1", 40)) == 40
    now(records._main.write(room))
    assert now(records.files.record("private", BAR, big, "add")) == 2


def test_F54_a_full_disk_loses_a_page_and_no_answer(records: SqliteRecords, lines: list[str]) -> None:
    """Not keeping is what a cache may do; the answer that should have been kept still goes out."""
    fill(records)
    now(records._cache.write(no_room))
    long = UpstreamPage(BAR, versions=tuple(f"{number * 7919 % 104729}.{number**5 % 1000003}" for number in range(20_000)))
    now(records.pages.keep("pypi", BAR, Remembered(long, 1.0, 2.0)))
    now(records.pages.keep_names("x" * 100_000, RememberedNames(Digest("a" * 64), Validators(), 3, 1.0, 2.0)))
    now(records.documents.keep("pypi", FOO, WHEEL, b"x" * 100_000, 2.0))
    assert now(records.pages.recall("pypi", BAR)) is None
    assert now(records.documents.recall("pypi", FOO, WHEEL)) is None
    assert now(records.pages.recall("pypi", FOO)) == Remembered(PAGE, 1.0, 2.0)
    assert len(lines) == 3
    assert all("no room" in line for line in lines)


def test_law_8_a_cache_damaged_while_running_answers_nothing_kept(path: Path, lines: list[str]) -> None:
    records = started(path)
    fill(records)
    records.stopService()
    # Page 1, with the schema, stays whole: what breaks is every table.
    overwrite(beside(path), 4096, beside(path).stat().st_size - 4096)
    records.startService()
    assert now(records.pages.recall("pypi", FOO)) is None
    assert now(records.pages.recall_names("pypi")) is None
    assert now(records.pages.remembered("pypi")) == []
    assert now(records.documents.recall("pypi", FOO, WHEEL)) is None
    now(records.pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2.0)))
    now(records.pages.keep_names("pypi", RememberedNames(Digest("a" * 64), Validators(), 3, 1.0, 2.0)))
    now(records.documents.keep("pypi", FOO, WHEEL, b"{}", 2.0))
    with pytest.raises(UnusableDatabase):
        now(records.pages.expire("pypi", None))
    with pytest.raises(UnusableDatabase):
        now(records.documents.expire("pypi", None))
    assert len(lines) == 7
    records.stopService()
    records.startService()
    fill(records)
    assert now(records.pages.recall("pypi", FOO)) == Remembered(PAGE, 1.0, 2.0)
    records.stopService()


def failing(code: int) -> Any:
    """A change in which SQLite fails like that."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE lost (one INTEGER)")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    return change


def test_F60_after_a_sync_that_failed_nothing_is_written_until_a_restart_and_reads_go_on(records: SqliteRecords) -> None:
    fill(records)
    before = contents(records)
    with pytest.raises(StorageFailed, match="until a restart"):
        now(records._main.write(failing(sqlite3.SQLITE_IOERR_FSYNC)))
    with pytest.raises(StorageFailed, match="until a restart"):
        now(records.files.record("private", BAR, record(SDIST), "add"))
    assert contents(records) == before
    now(records.stopService())
    records.startService()
    assert now(records.files.record("private", BAR, record(SDIST), "add")) == 2


def test_F58_what_can_only_be_read_now_is_written_again_as_soon_as_it_can(records: SqliteRecords) -> None:
    fill(records)
    with pytest.raises(StorageFailed, match="only be read"):
        now(records._main.write(failing(sqlite3.SQLITE_READONLY)))
    assert now(records.files.record("private", BAR, record(SDIST), "add")) == 2


def test_F68_a_write_that_finds_the_database_busy_fails_and_reads_go_on(records: SqliteRecords, path: Path) -> None:
    """Another program holds the lock; the wait itself is SQLite's, so here it is cut to none."""
    fill(records)
    records._main._writer.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(PypidaemonError, match="locked") as caught:
        now(records.files.record("private", BAR, record(SDIST), "add"))
    assert not isinstance(caught.value, StorageFull)
    assert now(records.files.page("private", FOO))[0] == 1
    other.execute("COMMIT")
    other.close()
    assert now(records.files.record("private", BAR, record(SDIST), "add")) == 2


def test_a_number_too_large_for_the_database_is_an_error_of_ours(records: SqliteRecords) -> None:
    with pytest.raises(PypidaemonError):
        now(records.ledger.number("root", FOO, "r1", 10**30))
    assert now(records.ledger.number("root", FOO, "r1", 3)) == 3


@pytest.mark.parametrize("word", ["mirrors", "cache", "fetches"])
def test_a_start_that_fails_half_way_leaves_nothing_open(path: Path, word: str) -> None:
    path.parent.mkdir(mode=0o700)
    beside(path, word).mkdir()
    records = sqlite_records(path, Clock())
    with pytest.raises(PypidaemonError):
        records.startService()
    assert not records.running
    assert not list(path.parent.glob("*-wal"))
    beside(path, word).rmdir()
    records.startService()
    fill(records)
    records.stopService()


def test_a_page_that_was_only_confirmed_is_not_written_again(records: SqliteRecords) -> None:
    """A new row would have a new number."""

    def number(connection: sqlite3.Connection) -> Any:
        return connection.execute("SELECT rowid FROM bodies WHERE name = 'bar'").fetchone()

    for name in (FOO, BAR, NormalizedName("last")):
        now(records.pages.keep("pypi", name, Remembered(PAGE, 1.0, 2.0)))
    before = now(records._cache.read(number))
    now(records.pages.keep("pypi", BAR, Remembered(PAGE, 3.0, 4.0)))
    assert now(records._cache.read(number)) == before
    now(records.pages.keep("pypi", BAR, Remembered(UpstreamPage(BAR), 3.0, 4.0)))
    assert now(records._cache.read(number)) != before


# --- several processes --------------------------------------------------------------------------------------------------------


def test_R68_two_processes_share_one_space_of_numbers(path: Path) -> None:
    """What one has given the other stays above; an unclean mark goes with the last to stop."""
    one, two = started(path), started(path)
    assert now(one.ledger.number("root", FOO, "r1", 0)) == 1
    assert now(two.ledger.number("root", FOO, "r1", 0)) == 1
    assert now(two.ledger.number("root", FOO, "r2", 0)) == 2
    assert now(one.ledger.number("root", FOO, "r3", 0)) == 3
    assert now(one.ledger.number("root", BAR, "r1", 0)) == 4
    assert now(one.files.record("private", FOO, record(WHEEL), "add")) == 1
    assert now(two.files.record("private", FOO, record(SDIST), "add")) == 2
    assert now(one.identity()) == now(two.identity())
    one.stopService()
    assert Path(f"{path}-dirty").exists()
    two.stopService()
    assert not Path(f"{path}-dirty").exists()


# --- the ledger's memory ------------------------------------------------------------------------------------------------------


def test_the_same_question_makes_no_thread_hop(records: SqliteRecords) -> None:
    now(records.ledger.number("root", FOO, "r1", 5))
    pools = [pool for pool in records._pools if isinstance(pool, InlinePool)]
    before = [pool.calls for pool in pools]
    assert now(records.ledger.number("root", FOO, "r1", 5)) == 5
    assert now(records.ledger.number("root", FOO, "r1", 0)) == 5
    assert [pool.calls for pool in pools] == before
    now(records.ledger.number("root", FOO, "r1", 6))
    assert [pool.calls for pool in pools] != before


def test_the_ledgers_memory_is_bounded(path: Path) -> None:
    opened = database(path)
    opened.open()
    ledger = SqliteLedger(opened, Clock(), remembered=2)
    for number in range(5):
        now(ledger.number("root", NormalizedName(f"p{number}"), "r1", 0))
    assert len(ledger._memory) == 2
    assert [now(ledger.number("root", NormalizedName(f"p{number}"), "r1", 0)) for number in range(5)] == [1, 2, 3, 4, 5]
    opened.close()


def test_R69_an_asker_who_leaves_leaves_no_old_number_behind(path: Path) -> None:
    """
    A write goes on when nobody waits for it any more, so what memory held before it must not be believed after it.

    Here an answer under way for the old revision comes back after the question for the new one was asked, and its asker has gone.
    """
    opened = database(path)
    opened.open()
    hold: list[Deferred[None]] = []

    async def slow(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if hold:
            await hold.pop(0)
        return result

    opened.writing = slow
    ledger = SqliteLedger(opened, Clock())
    assert now(ledger.number("root", FOO, "r1", 1)) == 1
    gates = [Deferred[None](), Deferred[None]()]
    hold += gates
    old, new = later(ledger.number("root", FOO, "r1", 2)), later(ledger.number("root", FOO, "r2", 0))
    assert waiting(old)
    assert waiting(new)
    gates[0].callback(None)
    assert now(old) == 2
    new.addErrback(lambda failure: failure.trap(CancelledError) and None)
    new.cancel()
    assert now(ledger.number("root", FOO, "r1", 2)) == 4
    opened.close()


# --- real threads -------------------------------------------------------------------------------------------------------------


class RealThreads(TestCase):
    """The same, with pools of threads and a reactor."""

    async def test_many_at_once_get_one_rising_row_of_numbers(self) -> None:
        """Writes keep their order, reads go on meanwhile, a stop lets everything finish, and a restart finds it all."""
        path = Path(tempfile.mkdtemp()) / "records.sqlite"
        records = SqliteRecords(path, "records", Clock(), reactor)
        records.startService()
        names = [NormalizedName(f"p{number}") for number in range(30)]
        written = [Deferred.fromCoroutine(records.ledger.number("root", name, "r1", 0)) for name in names]
        recorded = [Deferred.fromCoroutine(records.files.record("private", name, record(WHEEL), "add")) for name in names]
        kept = [Deferred.fromCoroutine(records.pages.keep("pypi", name, Remembered(PAGE, 1.0, 2.0))) for name in names]
        read = [Deferred.fromCoroutine(records.pages.recall("pypi", name)) for name in names]
        assert sorted(await gatherResults(written)) == list(range(1, 31))
        assert await gatherResults(recorded) == list(range(1, 31))
        await gatherResults(kept)
        assert set(await gatherResults(read)) <= {None, Remembered(PAGE, 1.0, 2.0)}
        serials = await records.ledger.serials("root")
        identity = await records.identity()
        await records.stopService()
        assert not Path(f"{path}-dirty").exists()
        again = SqliteRecords(path, "records", Clock(), reactor)
        again.startService()
        assert await again.ledger.serials("root") == serials
        assert await again.identity() == identity
        assert [await again.ledger.number("root", name, "r1", 0) for name in names] == [serials[name] for name in names]
        assert await again.pages.recall("pypi", names[0]) == Remembered(PAGE, 1.0, 2.0)
        await again.stopService()

    async def test_F100_of_many_founders_at_once_one_wins(self) -> None:
        """Twenty accounts, one name, different bytes: one file and one owner; and all of that one's own files get in."""
        records = SqliteRecords(Path(tempfile.mkdtemp()) / "records.sqlite", "records", Clock(), reactor)
        records.startService()
        founders = [f"user{number}" for number in range(20)]
        asked = [
            Deferred.fromCoroutine(records.files.add("team", FOO, record(WHEEL, digest=f"{number:064x}"), "add", founder))
            for number, founder in enumerate(founders)
        ]
        outcomes = await DeferredList(asked, consumeErrors=True)
        winners = [founder for founder, (won, _) in zip(founders, outcomes, strict=True) if won]
        assert len(winners) == 1
        assert all(failure.check(Conflict) for won, failure in outcomes if not won)
        assert await records.files.owner("team", FOO) == winners[0]
        rest = [record(f"foo-1.0-{number}-py3-none-any.whl", digest="a" * 64) for number in range(20)]
        await gatherResults([Deferred.fromCoroutine(records.files.add("team", FOO, one, "add", winners[0])) for one in rest])
        assert len((await records.files.page("team", FOO))[1]) == 21
        await records.stopService()

    async def test_S70_the_last_use_of_a_token_is_written_when_the_threads_have_ended(self) -> None:
        path = Path(tempfile.mkdtemp()) / "records.sqlite"
        for time in (5.0, 6.0):
            records = SqliteRecords(path, "records", Clock(), reactor)
            records.startService()
            if time == 5.0:
                await records.accounts.keep_token(TOKEN)
            await records.accounts.used_token(TOKEN.id, time)
            await records.accounts.used_token(TOKEN.id, time + 0.5)
            await records.stopService()
        records.startService()
        token = await records.accounts.token(TOKEN.id)
        assert token is not None
        assert token.last_used == 6.5
        await records.stopService()

    async def test_stopping_what_never_started_is_harmless(self) -> None:
        records = SqliteRecords(Path(tempfile.mkdtemp()) / "records.sqlite", "records", Clock(), reactor)
        await records.stopService()


def test_no_change_of_a_file_looks_at_all_files_of_its_index(records: SqliteRecords) -> None:
    """There may be hundreds of thousands, and SQLite takes a label to have ten."""
    main, said = records._main, list[str]()
    assert main._writer is not None
    main._writer.set_trace_callback(said.append)
    file = record(digest="a" * 64)
    now(records.files.enter("private", FOO, file, "add", None, Deed(1.0, "ada", "", "upload", "", "")))
    now(records.files.settle("private", FOO, [file, record(SDIST, digest="b" * 64)], "take over"))
    now(records.files.amend("private", FOO, WHEEL, file.file, "yank"))
    now(records.files.place("private", FOO, (WHEEL,), Standing.HIDDEN, "hide"))
    now(records.files.forget("private", FOO, SDIST, "forget"))
    main._writer.set_trace_callback(None)

    def plans(connection: sqlite3.Connection) -> list[str]:
        asked = [statement for statement in said if statement.startswith(("SELECT", "UPDATE", "DELETE")) and " files " in statement]
        return [row[3] for statement in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]

    found = now(main.read(plans))
    assert len(found) >= 7
    assert [plan for plan in found if " files " in plan and "filename=?" not in plan] == []
