"""What SQLite records promise of mirrors beyond the contract: durability, upgrades, grace with what is damaged; and who only looks."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMirrorRecords, IRecords
from pypidaemon.model import (
    Digest,
    Filename,
    Leaving,
    Mirrored,
    NormalizedName,
    Progress,
    Ruling,
    RulingKind,
    UpstreamPage,
    Validators,
    Waiting,
)
from pypidaemon.records import schemas, sqlite_leaving
from pypidaemon.records.database import Database, UnusableDatabase
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.packing import pack, pack_mirrored, unpack_mirrored
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.records.sqlite_rulings import SqliteRulings
from pypidaemon.records.unwritten import Unwritten
from pypidaemon.stored import encode
from tests.contracts.mirror_records import BOTH, HELD, PAGE, SDIST_FILE, A, C, filenames, leaves, mirrored
from tests.gear import inline, now
from tests.records_gear import BAR, FOO, SDIST, WHEEL, InlinePool, record, sqlite_records
from tests.strategies import upstream_pages

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite"


@pytest.fixture
def records(path: Path) -> Iterator[SqliteRecords]:
    """Running records without threads."""
    made = started(path)
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


def fill(records: IRecords) -> None:
    """Something of all that a mirror has: foo is offered without its wheel, which leaves, and bar leaves altogether."""
    mirrors = records.mirrors
    now(mirrors.keep("mirror", FOO, HELD))
    now(mirrors.keep("mirror", BAR, mirrored(BAR, SDIST_FILE)))
    now(mirrors.leave("mirror", [leaves(HELD, WHEEL), leaves(mirrored(BAR, SDIST_FILE))]))
    now(mirrors.pin("mirror", BAR, True))
    now(mirrors.wait("mirror", [Waiting(BAR, 8, 2, 5.5, "it is down")]))
    now(mirrors.advance("mirror", Progress(99, Validators('"list"'), "abc", 5.25, 6.5, "all is here", listed=3)))


def contents(records: IRecords) -> list[Any]:
    """All of it."""
    mirrors = records.mirrors
    return [
        now(mirrors.page("mirror", FOO)),
        now(mirrors.page("mirror", BAR)),
        now(mirrors.serials("mirror", "", 10)),
        now(mirrors.leaving("mirror")),
        now(mirrors.pinned("mirror")),
        now(mirrors.waiting("mirror")),
        now(mirrors.progress("mirror")),
        now(mirrors.digests("", 10)),
    ]


NOTHING: list[Any] = [None, None, [], [], frozenset(), [], Progress(), []]
"""All that an empty one has."""


def beside(path: Path) -> Path:
    """What mirrors hold, of the records at that path."""
    return path.with_name(f"{path.stem}-mirrors.sqlite")


def undo(path: Path) -> None:
    """Take back that the database was upgraded by one step."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE later")
        connection.execute(f"PRAGMA user_version = {schemas.version(connection) - 1}")
    connection.close()


def do(records: SqliteRecords, statement: str, *values: Any) -> None:
    """Meddle with what mirrors hold."""
    now(records._mirrored.write(lambda connection: connection.execute(statement, values)))


# --- durability ---------------------------------------------------------------------------------------------------------------


def test_everything_survives_a_restart(path: Path) -> None:
    first = started(path)
    fill(first)
    before = contents(first)
    assert filenames(before[0]) == [SDIST]
    assert len(before[3]) == 2
    first.stopService()
    second = started(path)
    assert contents(second) == before
    assert now(second.mirrors.bring_back("mirror", FOO)) == 1
    assert set(filenames(now(second.mirrors.page("mirror", FOO)))) == BOTH
    second.stopService()


def test_a_committed_write_is_there_after_a_kill(records: SqliteRecords, path: Path, tmp_path: Path) -> None:
    """A copy of the files, taken while the daemon runs and has closed nothing, is what a killed process leaves."""
    fill(records)
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for file in path.parent.iterdir():
        if not file.name.endswith("-shm"):
            shutil.copy2(file, copy)
    again = started(copy / "records.sqlite")
    assert contents(again) == contents(records)
    again.stopService()


@pytest.mark.parametrize("table", ["mirrored_pages", "mirrored_blobs", "leaving"])
def test_what_fails_half_way_was_never_done(records: SqliteRecords, table: str) -> None:
    """A page is never there without what says that its blobs are needed, and what leaves is never offered no longer and yet not kept."""
    fill(records)
    before = contents(records)
    do(records, f"CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'no'); END")
    change = records.mirrors.leave("mirror", [leaves(HELD, SDIST)]) if table == "leaving" else records.mirrors.keep("mirror", BAR, HELD)
    with pytest.raises(PypidaemonError, match="no"):
        now(change)
    assert contents(records) == before


def test_a_long_page_is_compressed_before_the_writing_thread_is_asked(records: SqliteRecords) -> None:
    """So that no other change waits for it; and that thread is not the one that uploads wait for. A short one is not worth a second thread."""

    def calls() -> dict[str, int]:
        return {pool.name: pool.calls for pool in records._pools if isinstance(pool, InlinePool)}

    fill(records)
    before = calls()
    now(records.mirrors.keep("mirror", FOO, HELD))
    assert calls() == {**before, "records-mirrors": before["records-mirrors"] + 1}
    files = tuple(attrs.evolve(SDIST_FILE, filename=Filename(f"foo-{number}.tar.gz")) for number in range(101))
    now(records.mirrors.keep("mirror", FOO, attrs.evolve(HELD, page=attrs.evolve(HELD.page, files=files))))
    assert calls() == {**before, "records-read": before["records-read"] + 1, "records-mirrors": before["records-mirrors"] + 2}


def test_F68_neither_uploads_nor_mirrors_wait_for_each_other(records: SqliteRecords, path: Path) -> None:
    """Another program holds the lock of one database; the other is written all the same."""
    fill(records)
    for held, book in ((path, records._main), (beside(path), records._mirrored)):
        book._writer.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]  # it is open
        other = sqlite3.connect(held, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        uploading = records.files.record("private", FOO, record(WHEEL), "add")
        mirroring = records.mirrors.pin("mirror", FOO, True)
        waits, goes_on = (uploading, mirroring) if held == path else (mirroring, uploading)
        with pytest.raises(PypidaemonError, match="locked"):
            now(waits)
        now(goes_on)
        other.execute("COMMIT")
        other.close()


def test_blobs_that_are_needed_as_before_are_not_written_again(records: SqliteRecords) -> None:
    """A project may have ten thousands, and is kept again for each new file."""

    def numbers(connection: sqlite3.Connection) -> dict[str, int]:
        return {digest.hex(): number for digest, number in connection.execute("SELECT digest, rowid FROM mirrored_blobs")}

    now(records.mirrors.keep("mirror", FOO, HELD))
    before = now(records._mirrored.read(numbers))
    later = attrs.evolve(HELD, page=attrs.evolve(PAGE, files=(*PAGE.files, attrs.evolve(SDIST_FILE, hashes=(("sha256", "f" * 64),)))))
    now(records.mirrors.keep("mirror", FOO, later))
    after = now(records._mirrored.read(numbers))
    assert after.keys() - before.keys() == {"f" * 64}
    assert {digest: after[digest] for digest in before} == before


def test_names_and_serials_are_read_without_a_sort_or_a_page(records: SqliteRecords) -> None:
    """There may be 700,000."""

    def plan(connection: sqlite3.Connection) -> str:
        question = "SELECT name, serial FROM mirrored WHERE label = 'a' AND name > 'b' ORDER BY name LIMIT 9"
        return " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}"))

    assert now(records._mirrored.read(plan)) == "SEARCH mirrored USING PRIMARY KEY (label=? AND name>?)"


# --- a database that comes about with the first write ---------------------------------------------------------------------------


def test_where_nothing_is_mirrored_there_is_no_database_and_a_start_makes_none(path: Path) -> None:
    """To look is to find nothing; what cannot even be asked of an empty one is an error of ours."""
    records = started(path)
    assert contents(records) == NOTHING
    assert now(records.mirrors.references(A)) == 0
    assert now(records.mirrors.forget_leaving("mirror", 1.0)) == []
    now(records.mirrors.wait("mirror", []))
    records.stopService()
    shutil.rmtree(path.parent)
    records.startService()
    for _ in range(2):
        assert contents(records) == NOTHING
        with pytest.raises(PypidaemonError, match="mirrors of records: no such table"):
            now(records._mirrored.read(lambda connection: connection.execute("SELECT * FROM files").fetchall()))
        records.stopService()
        assert not list(path.parent.glob("records-mirrors*"))
        records.startService()
    fill(records)
    assert beside(path).exists()
    before = contents(records)
    records.stopService()
    assert not list(path.parent.glob("*-dirty"))
    records.startService()
    assert contents(records) == before
    records.stopService()


def test_R68_another_process_may_make_it(path: Path) -> None:
    """Then its mirrors are seen at once, and both write to one database."""
    one, two = started(path), started(path)
    assert contents(one) == NOTHING
    fill(two)
    assert contents(one) == contents(two) != NOTHING
    now(one.mirrors.pin("mirror", FOO, True))
    assert now(two.mirrors.pinned("mirror")) == {FOO, BAR}
    two.stopService()
    one.stopService()
    assert not list(path.parent.glob("*-dirty"))


def test_a_database_that_cannot_be_made_fails_the_write_alone(records: SqliteRecords, path: Path) -> None:
    """And is made by the next one for which it can be."""
    beside(path).mkdir()
    with pytest.raises(PypidaemonError, match="mirrors of records"):
        now(records.mirrors.pin("mirror", FOO, True))
    with pytest.raises(PypidaemonError, match="mirrors of records"):
        now(records.mirrors.pinned("mirror"))
    assert now(records.files.record("private", FOO, record(WHEEL), "add")) == 1
    beside(path).rmdir()
    fill(records)


class RealThreads(TestCase):
    """The same, with pools of threads and a reactor."""

    async def test_many_first_writes_and_reads_at_once_meet_one_database(self) -> None:
        """Each write is there afterwards, and each question is answered with some of them, none included."""
        path = Path(tempfile.mkdtemp()) / "records.sqlite"
        records = SqliteRecords(path, "records", Clock(), reactor)
        records.startService()
        assert not beside(path).exists()
        names = [NormalizedName(f"p{number}") for number in range(20)]
        asked = [Deferred.fromCoroutine(records.mirrors.pinned("mirror")) for _ in range(3)]
        pinned = [Deferred.fromCoroutine(records.mirrors.pin("mirror", name, True)) for name in names]
        asked += [Deferred.fromCoroutine(records.mirrors.pinned("mirror")) for _ in range(10)]
        await gatherResults(pinned)
        for answer in await gatherResults(asked):
            assert answer <= set(names)
        assert await records.mirrors.pinned("mirror") == set(names)
        await records.stopService()
        assert not list(path.parent.glob("*-wal")) + list(path.parent.glob("*-dirty"))
        records.startService()
        assert await records.mirrors.pinned("mirror") == set(names)
        await records.stopService()


# --- upgrades -----------------------------------------------------------------------------------------------------------------


def test_F92_the_records_of_a_program_without_mirrors_are_taken_over(path: Path) -> None:
    """Nothing of them is lost, nothing is mirrored yet, and all that a mirror needs can be kept."""
    opened = Database(path, "records", schemas.steps("records"), "FULL", inline, inline)
    opened.open()
    opened.at_once(lambda connection: connection.execute("INSERT INTO instance VALUES (1, '0123456789abcdef')"))
    now(SqliteRulings(opened).rule(Ruling(RulingKind.BLOCK, "foo")))
    opened.close()
    records = started(path)
    assert now(records.identity()) == "0123456789abcdef"
    assert now(records.rulings.rulings()) == [Ruling(RulingKind.BLOCK, "foo")]
    assert contents(records) == NOTHING
    fill(records)
    before = contents(records)
    records.stopService()
    assert not list(path.parent.glob("*-schema-*"))
    again = started(path)
    assert contents(again) == before
    again.stopService()


def test_F92_an_upgrade_of_one_database_copies_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mirror holds may be many times what else must not be lost."""
    records = started(path)
    fill(records)
    before = contents(records)
    records.stopService()
    steps = schemas.steps
    known = {series: len(steps(series)) for series in ("records", "mirrors")}
    for series, copy in (
        ("records", f"records-schema-{known['records']}.sqlite"),
        ("mirrors", f"records-mirrors-schema-{known['mirrors']}.sqlite"),
    ):
        later = {series: ("CREATE TABLE later (word TEXT)",)}
        monkeypatch.setattr(schemas, "steps", lambda which, later=later: (*steps(which), *later.get(which, ())))
        again = started(path)
        assert contents(again) == before
        again.stopService()
        assert [file.name for file in path.parent.glob("*-schema-*")] == [copy]
        (path.parent / copy).unlink()
        monkeypatch.setattr(schemas, "steps", steps)
        with pytest.raises(UnusableDatabase, match="made by a later version"):
            started(path)
        undo(path if series == "records" else beside(path))


@given(
    upstream_pages(),
    st.lists(st.tuples(st.sampled_from([WHEEL, SDIST]), DIGESTS)),
    st.integers(0, 2**50),
    st.booleans(),
    st.frozensets(st.sampled_from([WHEEL, SDIST])),
)
def test_what_is_packed_comes_back_equal(
    page: UpstreamPage, documents: list[Any], serial: int, complete: bool, lent: frozenset[Filename]
) -> None:
    held = Mirrored(page, serial, complete, 5.5, tuple(documents), lent)
    assert unpack_mirrored(pack_mirrored(held), serial, int(complete), 5.5) == held


def test_F92_the_form_that_mirrors_have_pages_in_is_read_for_ever() -> None:
    """A page cache may forget its pages with a change of form; a mirror has to do without upstream."""
    stored = (
        b'[["foo-1.0.tar.gz","%s"]]\n[2,"foo",1,"active",null,17,"\\"tag\\"",null,600.0,0,["1.0"]]\n'
        b'["foo-1.0.tar.gz","","",[["sha256","%s"]],12,null,null,null,"",null,null]\n' % (b"a" * 64, C.encode())
    )
    page = UpstreamPage(FOO, (attrs.evolve(SDIST_FILE, size=12),), ("1.0",), serial=17, validators=Validators('"tag"'), max_age=600.0)
    held = Mirrored(page, 5, True, 7.0, ((SDIST, A),))
    assert unpack_mirrored(pack(stored), 5, 1, 7.0) == held
    stored = stored.replace(b"[2,", b"[3,", 1).replace(b'["1.0"]]', b'["1.0"],"https://index.example/simple/"]')
    said = attrs.evolve(page, validators=attrs.evolve(page.validators, source="https://index.example/simple/"))
    assert unpack_mirrored(pack(stored), 5, 1, 7.0) == attrs.evolve(held, page=said)
    documents, rest = stored.split(b"\n", 1)
    stored = b'{"documents":%b,"lent":["foo-1.0.tar.gz"]}\n%b' % (documents, rest)
    assert unpack_mirrored(pack(stored), 5, 1, 7.0) == attrs.evolve(held, page=said, lent=frozenset([SDIST]))


# --- damage -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unclean", [False, True])
def test_F66_a_damaged_database_refuses_the_start_and_is_left_as_it_is(path: Path, unclean: bool) -> None:
    """It is not begun anew like a cache: what a mirror holds may be had from nowhere else. Nothing stays open."""
    records = started(path)
    fill(records)
    records.stopService()
    with beside(path).open("r+b") as file:
        file.seek(4096 if unclean else 0)
        file.write(b"\xa5" * (beside(path).stat().st_size - 4096))
    if unclean:
        Path(f"{beside(path)}-dirty").touch()
    before = beside(path).read_bytes()
    with pytest.raises(UnusableDatabase, match="mirrors of records: the database is damaged"):
        started(path)
    assert beside(path).read_bytes() == before
    assert not list(path.parent.glob("*-wal"))
    assert Path(f"{path}-dirty").exists() is False


def test_F66_a_database_that_is_gone_refuses_the_start(path: Path) -> None:
    """Else a mirror would be empty, and say so to everybody. An empty file in its place is how somebody says that it shall be."""
    records = started(path)
    fill(records)
    records.stopService()
    kept = beside(path).read_bytes()
    for _ in range(2):
        beside(path).unlink(missing_ok=True)
        with pytest.raises(UnusableDatabase, match=r"mirrors of records: records-mirrors\.sqlite is gone"):
            started(path)
        with pytest.raises(UnusableDatabase, match=r"records-mirrors\.sqlite is gone"):
            IService(sqlite_records(path, Clock()).for_reading()).startService()
    beside(path).write_bytes(kept)
    again = started(path)
    assert contents(again) != NOTHING
    again.stopService()
    beside(path).write_bytes(b"")
    emptied = started(path)
    assert contents(emptied) == NOTHING
    emptied.stopService()


def test_F66_one_that_was_there_before_anybody_noted_it_is_missed_too(path: Path) -> None:
    records = started(path)
    fill(records)
    now(records._main.write(lambda connection: connection.execute("DELETE FROM made")))
    records.stopService()
    started(path).stopService()
    beside(path).unlink()
    with pytest.raises(UnusableDatabase, match="is gone"):
        started(path)


def test_what_is_mirrored_is_kept_where_that_cannot_be_noted(path: Path, lines: list[str]) -> None:
    records = started(path)
    now(records._main.write(lambda connection: connection.execute("DROP TABLE made")))
    fill(records)
    assert contents(records) != NOTHING
    assert [line for line in lines if "could not be noted" in line]
    records.stopService()


def test_S7_a_symbolic_link_in_its_place_refuses_the_start(path: Path, tmp_path: Path) -> None:
    """Also one that leads nowhere, though a first write is still to come."""
    path.parent.mkdir(mode=0o700)
    beside(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PypidaemonError, match="mirrors of records: the file must not be a symbolic link"):
        started(path)
    assert not (tmp_path / "elsewhere").exists()


BODIES = [
    b"",
    b"no frame",
    pack_mirrored(HELD)[:-1],
    b"\xa5".join([pack_mirrored(HELD)[:20], pack_mirrored(HELD)[21:]]),
    pack(b""),
    pack(b"[]\n[1,2]\n"),
    *[
        pack(orjson.dumps(what) + b"\n" + encode(PAGE))
        for what in ({}, {"documents": [], "lent": [1]}, {"documents": {}, "lent": []}, [1], [["a"]], [["a", 1]], [[[], "a"]])
    ],
]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_damaged_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is of no interest
        unpack_mirrored(body, 0, 0, 0.0)


@pytest.mark.parametrize("body", BODIES[:4])
def test_a_page_that_cannot_be_read_counts_as_not_there_and_waits(records: SqliteRecords, lines: list[str], body: bytes) -> None:
    """It is said once; its blobs stay, so that the next run fetches nothing again, and keeping it mends it."""
    fill(records)
    needed = now(records.mirrors.digests("", 10))
    do(records, "UPDATE mirrored_pages SET body = ? WHERE name = 'foo'", body)
    for _ in range(2):
        assert now(records.mirrors.page("mirror", FOO)) is None
    assert len(lines) == 1
    assert "mirror: what is kept of foo is damaged" in lines[0]
    assert now(records.mirrors.waiting("mirror")) == [
        Waiting(BAR, 8, 2, 5.5, "it is down"),
        Waiting(FOO, 17, 0, 0.0, sqlite_leaving.UNREADABLE),
    ]
    assert now(records.mirrors.serials("mirror", "", 10)) == [(FOO, 17)]
    assert now(records.mirrors.digests("", 10)) == needed
    now(records.mirrors.keep("mirror", FOO, HELD))
    assert now(records.mirrors.page("mirror", FOO)) == HELD
    assert [one.name for one in now(records.mirrors.waiting("mirror"))] == [BAR]


def test_a_page_that_is_gone_counts_as_damaged(records: SqliteRecords, lines: list[str]) -> None:
    fill(records)
    do(records, "DELETE FROM mirrored_pages")
    assert now(records.mirrors.page("mirror", FOO)) is None
    assert len(lines) == 1


def test_a_damaged_page_of_what_waits_already_keeps_its_turn(records: SqliteRecords, lines: list[str]) -> None:
    """The reason is the new one; when it is tried next was decided before."""
    fill(records)
    do(records, "UPDATE mirrored_pages SET body = x'00'")
    now(records.mirrors.wait("mirror", [Waiting(FOO, 20, 3, 60.0, "it is down")]))
    assert now(records.mirrors.page("mirror", FOO)) is None
    assert now(records.mirrors.waiting("mirror"))[1] == Waiting(FOO, 20, 3, 60.0, sqlite_leaving.UNREADABLE)
    assert len(lines) == 1


def test_a_page_that_was_kept_meanwhile_does_not_wait(records: SqliteRecords, lines: list[str]) -> None:
    """Whether it is damaged is seen once more when it is noted."""
    now(records.mirrors.keep("mirror", FOO, HELD))
    assert now(records._mirrored.write(sqlite_leaving.note_spoilt, "mirror", FOO)) is False
    assert now(records.mirrors.waiting("mirror")) == []
    assert lines == []


def test_a_damaged_page_is_no_traceback_where_nothing_can_be_written(records: SqliteRecords, lines: list[str]) -> None:
    """As for whoever only looks."""
    fill(records)
    do(records, "UPDATE mirrored_pages SET body = x'00'")
    looked: Any = records.for_reading()
    looked.startService()
    assert now(looked.mirrors.page("mirror", FOO)) is None
    assert "could not be noted" in lines[0]
    assert [one.name for one in now(looked.mirrors.leaving("mirror"))] == [BAR, FOO]
    with pytest.raises(PypidaemonError, match="only looked at"):
        now(looked.mirrors.keep("mirror", FOO, HELD))
    now(looked.stopService())
    assert [one.name for one in now(records.mirrors.waiting("mirror"))] == [BAR]


def test_a_file_may_leave_a_page_that_is_damaged(records: SqliteRecords) -> None:
    """The page waits to be taken again, without being touched."""
    now(records.mirrors.keep("mirror", FOO, HELD))
    do(records, "UPDATE mirrored_pages SET body = x'00'")
    now(records.mirrors.leave("mirror", [leaves(HELD, WHEEL)]))
    assert [one.name for one in now(records.mirrors.waiting("mirror"))] == [FOO]
    assert [one.filename for one in now(records.mirrors.leaving("mirror"))] == [WHEEL]


def test_what_is_leaving_and_damaged_is_told_without_its_page(records: SqliteRecords, lines: list[str]) -> None:
    """It cannot be brought back, ends with its time, and is said in one line."""
    fill(records)
    do(records, "UPDATE leaving SET body = x'00' WHERE name = 'foo'")
    told = now(records.mirrors.leaving("mirror"))
    assert told[0] == leaves(mirrored(BAR, SDIST_FILE))
    assert told[1] == Leaving(FOO, WHEEL, 1.0, 2.0, Mirrored(UpstreamPage(FOO), HELD.serial, HELD.complete, HELD.taken))
    assert lines == ["mirror: of what is leaving 1 are damaged and cannot be brought back."]
    assert now(records.mirrors.bring_back("mirror", FOO)) == 0
    now(records.mirrors.keep("mirror", FOO, HELD))
    assert len(now(records.mirrors.leaving("mirror"))) == 2
    assert now(records.mirrors.references(A)) == 2
    assert len(now(records.mirrors.forget_leaving("mirror", 2.0))) == 2
    assert now(records.mirrors.references(A)) == 1
    assert len(lines) == 3


def test_what_can_be_read_is_brought_back_beside_what_cannot(records: SqliteRecords) -> None:
    now(records.mirrors.leave("mirror", [leaves(HELD, WHEEL), leaves(HELD, SDIST)]))
    do(records, "UPDATE leaving SET body = x'00' WHERE filename = ?", WHEEL)
    assert now(records.mirrors.bring_back("mirror", FOO)) == 1
    assert filenames(now(records.mirrors.page("mirror", FOO))) == [SDIST]
    assert [one.filename for one in now(records.mirrors.leaving("mirror"))] == [WHEEL]


# --- records to which nothing is written ----------------------------------------------------------------------------------------


def test_nothing_of_a_mirror_reaches_the_records_that_are_unwritten() -> None:
    clock = Clock()
    records = MemoryRecords("records", clock)
    fill(records)
    before = contents(records)
    made = Unwritten(records, clock, {})
    verifyObject(IMirrorRecords, made.mirrors)
    assert contents(made) == before
    assert now(made.mirrors.count("mirror")) == 1
    assert now(made.mirrors.references(C)) == 2
    now(made.mirrors.keep("mirror", BAR, HELD))
    now(made.mirrors.leave("mirror", [leaves(HELD)]))
    assert now(made.mirrors.bring_back("mirror", FOO)) == 0
    assert now(made.mirrors.forget_leaving("mirror", 9.0)) == []
    now(made.mirrors.pin("mirror", BAR, False))
    now(made.mirrors.wait("mirror", [Waiting(FOO, 1)]))
    now(made.mirrors.done("mirror", BAR))
    now(made.mirrors.advance("mirror", Progress()))
    assert contents(records) == contents(made) == before


@pytest.mark.parametrize(("column", "value"), [("serial", "soon"), ("serial", -5), ("serial", b"\xff"), ("listed", ""), ("since", "x")])
def test_F85_how_far_a_mirror_has_come_is_believed_only_where_it_makes_sense(records: SqliteRecords, column: str, value: object) -> None:
    """Else it is as if no run had been yet, so that the next one compares everything."""
    now(records.mirrors.advance("mirror", Progress(serial=7, selection="all", listed=3)))
    assert now(records.mirrors.progress("mirror")).serial == 7

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute(f"UPDATE progress SET {column} = ?", (value,))

    now(records._mirrored.write(spoil))
    found = now(records.mirrors.progress("mirror"))
    assert found == Progress()
