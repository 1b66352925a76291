"""What SQLite records promise of mirrors beyond the contract: durability, upgrades, grace with what is damaged; and who only looks."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMirrorRecords, IRecords
from pypidaemon.model import Digest, Leaving, Mirrored, Progress, Ruling, RulingKind, UpstreamPage, Validators, Waiting
from pypidaemon.records import schemas, sqlite_leaving
from pypidaemon.records.database import Database
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.packing import pack, pack_mirrored, unpack_mirrored
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.records.sqlite_rulings import SqliteRulings
from pypidaemon.records.unwritten import Unwritten
from tests.contracts.mirror_records import BOTH, HELD, PAGE, SDIST_FILE, A, C, filenames, leaves, mirrored
from tests.gear import inline, now
from tests.records_gear import BAR, FOO, SDIST, WHEEL, sqlite_records
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
    now(mirrors.advance("mirror", Progress(99, Validators('"list"'), "abc", 5.25, 6.5, "all is here")))


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


def do(records: SqliteRecords, statement: str, *values: Any) -> None:
    """Meddle with the main database."""
    now(records._main.write(lambda connection: connection.execute(statement, values)))


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


def test_a_page_is_compressed_before_the_writing_thread_is_asked(records: SqliteRecords) -> None:
    """So that no other change waits for it."""
    reading, writing = records._pools[:2]
    before = reading.calls, writing.calls  # type: ignore[attr-defined]  # these pools count
    now(records.mirrors.keep("mirror", FOO, HELD))
    assert (reading.calls, writing.calls) == (before[0] + 1, before[1] + 1)  # type: ignore[attr-defined]  # as above


def test_blobs_that_are_needed_as_before_are_not_written_again(records: SqliteRecords) -> None:
    """A project may have ten thousands, and is kept again for each new file."""

    def numbers(connection: sqlite3.Connection) -> dict[str, int]:
        return {digest.hex(): number for digest, number in connection.execute("SELECT digest, rowid FROM mirrored_blobs")}

    now(records.mirrors.keep("mirror", FOO, HELD))
    before = now(records._main.read(numbers))
    later = attrs.evolve(HELD, page=attrs.evolve(PAGE, files=(*PAGE.files, attrs.evolve(SDIST_FILE, hashes=(("sha256", "f" * 64),)))))
    now(records.mirrors.keep("mirror", FOO, later))
    after = now(records._main.read(numbers))
    assert after.keys() - before.keys() == {"f" * 64}
    assert {digest: after[digest] for digest in before} == before


def test_names_and_serials_are_read_without_a_sort_or_a_page(records: SqliteRecords) -> None:
    """There may be 700,000."""

    def plan(connection: sqlite3.Connection) -> str:
        question = "SELECT name, serial FROM mirrored WHERE label = 'a' AND name > 'b' ORDER BY name LIMIT 9"
        return " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}"))

    assert now(records._main.read(plan)) == "SEARCH mirrored USING PRIMARY KEY (label=? AND name>?)"


# --- upgrades -----------------------------------------------------------------------------------------------------------------


def test_F92_a_filled_third_database_is_upgraded(path: Path) -> None:
    """Nothing of it is lost, nothing is mirrored yet, and all that a mirror needs can be kept."""
    opened = Database(path, "records", schemas.steps("records")[:3], "FULL", inline, inline)
    opened.open()
    opened.at_once(lambda connection: connection.execute("INSERT INTO instance VALUES (1, '0123456789abcdef')"))
    now(SqliteRulings(opened).rule(Ruling(RulingKind.BLOCK, "foo")))
    opened.close()
    records = started(path)
    assert now(records.identity()) == "0123456789abcdef"
    assert now(records.rulings.rulings()) == [Ruling(RulingKind.BLOCK, "foo")]
    assert contents(records) == [None, None, [], [], frozenset(), [], Progress(), []]
    fill(records)
    before = contents(records)
    records.stopService()
    with sqlite3.connect(path.with_name("records-schema-3.sqlite")) as connection:
        assert schemas.version(connection) == 3
    connection.close()
    again = started(path)
    assert contents(again) == before
    again.stopService()


@given(upstream_pages(), st.lists(st.tuples(st.sampled_from([WHEEL, SDIST]), DIGESTS)), st.integers(0, 2**50), st.booleans())
def test_what_is_packed_comes_back_equal(page: UpstreamPage, documents: list[Any], serial: int, complete: bool) -> None:
    held = Mirrored(page, serial, complete, 5.5, tuple(documents))
    assert unpack_mirrored(pack_mirrored(held), serial, int(complete), 5.5) == held


def test_F92_the_form_that_mirrors_have_pages_in_is_read_for_ever() -> None:
    """A page cache may forget its pages with a change of form; a mirror has to do without upstream."""
    stored = (
        b'[["foo-1.0.tar.gz","%s"]]\n[2,"foo",1,"active",null,17,"\\"tag\\"",null,600.0,0,["1.0"]]\n'
        b'["foo-1.0.tar.gz","","",[["sha256","%s"]],12,null,null,null,"",null,null]\n' % (b"a" * 64, C.encode())
    )
    page = UpstreamPage(FOO, (attrs.evolve(SDIST_FILE, size=12),), ("1.0",), serial=17, validators=Validators('"tag"'), max_age=600.0)
    assert unpack_mirrored(pack(stored), 5, 1, 7.0) == Mirrored(page, 5, True, 7.0, ((SDIST, A),))


# --- damage -------------------------------------------------------------------------------------------------------------------


BODIES = [
    b"",
    b"no frame",
    pack_mirrored(HELD)[:-1],
    b"\xa5".join([pack_mirrored(HELD)[:20], pack_mirrored(HELD)[21:]]),
    pack(b""),
    pack(b"[]\n[1,2]\n"),
    *[pack(orjson.dumps(what) + b"\n" + pack_mirrored(HELD)) for what in ({}, [1], [["a"]], [["a", 1]], [[[], "a"]])],
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
    assert now(records._main.write(sqlite_leaving.note_spoilt, "mirror", FOO)) is False
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
