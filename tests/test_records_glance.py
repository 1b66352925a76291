"""SQLite records looked at while somebody else works on them, and records to which nothing is written."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IService
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IDocumentCache, IFileFacts, ILedger, IPageCache, IPublisherRecords, IReadable, IRecords, IWithdrawnEntries
from pypidaemon.model import Digest, Fact, Filename, Remembered, RememberedNames, Ruling, RulingKind, Validators
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.records.unwritten import Unwritten
from tests.fakes import file, page
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, record, sqlite_records

NAMES = RememberedNames(Digest("0" * 64), Validators(), 3, 1.0, 2.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(tmp_path: Path, clock: Clock) -> SqliteRecords:
    """Records of which everything has something of foo."""
    records = sqlite_records(tmp_path / "r.sqlite", clock)
    records.startService()
    now(records.pages.keep("pypi", FOO, Remembered(page("foo", file(SDIST)), 1.0, 2.0)))
    now(records.pages.keep_names("pypi", NAMES))
    now(records.facts.learn("pypi", FOO, SDIST, Fact(size=7)))
    now(records.files.record("private", FOO, record(), "add"))
    now(records.rulings.rule(Ruling(RulingKind.BLOCK, "foo")))
    now(records.withdrawn.withdraw("pypi", FOO, (file("foo-0.tar.gz"),), 5.0))
    now(records.publishers.met("pypi", FOO, "github:a/b", 6.0))
    now(records.documents.keep("pypi", FOO, "x", b"document", 9.0))
    now(records.mirrors.pin("mirror", FOO, True))
    return records


def glance(records: SqliteRecords) -> Any:
    """The same to be read, running."""
    verifyObject(IReadable, records)
    found = records.for_reading()
    verifyObject(IRecords, found)
    IService(found).startService()
    return found


def contents(folder: Path) -> dict[str, str]:
    """What lies in that folder."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(folder.iterdir())}


def test_what_somebody_writes_is_read_at_once(tmp_path: Path, clock: Clock) -> None:
    """By its own connections, which write nothing."""
    records = opened(tmp_path, clock)
    looked = glance(records)
    assert now(looked.identity()) == now(records.identity())
    assert now(looked.pages.remembered("pypi")) == [FOO]
    assert now(looked.files.names("private")) == {FOO: 1}
    assert [ruling.target for ruling in now(looked.rulings.rulings())] == ["foo"]
    assert now(looked.mirrors.pinned("mirror")) == {FOO}
    now(records.rulings.rule(Ruling(RulingKind.BLOCK, "bar")))
    assert len(now(looked.rulings.rulings())) == 2
    for change in (
        looked.ledger.number("pypi", FOO, "r", 0),
        looked.facts.learn("pypi", FOO, SDIST, Fact(metadata=Digest("1" * 64))),
        looked.rulings.repeal(RulingKind.BLOCK, "foo"),
        looked.mirrors.pin("mirror", BAR, True),
    ):
        with pytest.raises(PypidaemonError, match="it is only looked at"):
            now(change)
    now(looked.stopService())
    assert len(now(records.rulings.rulings())) == 2
    now(records.stopService())
    assert not (tmp_path / "r.sqlite-dirty").exists()


def test_looking_leaves_nothing_behind(tmp_path: Path, clock: Clock) -> None:
    """Not even what SQLite keeps beside a database."""
    now(opened(tmp_path, clock).stopService())
    before = contents(tmp_path)
    looked = glance(sqlite_records(tmp_path / "r.sqlite", clock))
    assert now(looked.pages.recall("pypi", FOO)) is not None
    assert now(looked.files.names("private")) == {FOO: 1}
    assert now(looked.mirrors.pinned("mirror")) == {FOO}
    now(looked.stopService())
    assert contents(tmp_path) == before


def test_what_a_crash_left_is_read_and_stays(tmp_path: Path, clock: Clock) -> None:
    """The mark that the next start looks closely by."""
    records = opened(tmp_path, clock)
    assert (tmp_path / "r.sqlite-wal").exists()
    looked = glance(sqlite_records(tmp_path / "r.sqlite", clock))
    assert now(looked.pages.remembered("pypi")) == [FOO]
    now(looked.stopService())
    assert (tmp_path / "r.sqlite-dirty").exists()
    now(records.stopService())


def test_what_is_not_there_is_not_made(tmp_path: Path, clock: Clock) -> None:
    records = sqlite_records(tmp_path / "r.sqlite", clock)
    with pytest.raises(PypidaemonError, match="there is none yet"):
        IService(records.for_reading()).startService()
    assert contents(tmp_path) == {}


def test_a_cache_that_is_gone_is_as_good_as_empty(tmp_path: Path, clock: Clock) -> None:
    """Law 8: what must not be lost is in the main database."""
    now(opened(tmp_path, clock).stopService())
    (tmp_path / "r-cache.sqlite").unlink()
    looked = glance(sqlite_records(tmp_path / "r.sqlite", clock))
    assert now(looked.pages.remembered("pypi")) == []
    assert now(looked.pages.recall("pypi", FOO)) is None
    assert now(looked.files.names("private")) == {FOO: 1}
    now(looked.stopService())


def test_where_there_is_no_mirror_none_is_seen_and_none_made(tmp_path: Path, clock: Clock) -> None:
    records = sqlite_records(tmp_path / "r.sqlite", clock)
    records.startService()
    now(records.stopService())
    before = contents(tmp_path)
    looked = glance(sqlite_records(tmp_path / "r.sqlite", clock))
    assert now(looked.mirrors.pinned("mirror")) == frozenset()
    assert now(looked.mirrors.page("mirror", FOO)) is None
    with pytest.raises(PypidaemonError, match="it is only looked at"):
        now(looked.mirrors.pin("mirror", FOO, True))
    now(looked.stopService())
    assert contents(tmp_path) == before


def test_F66_mirrors_that_cannot_be_read_are_not_as_good_as_none(tmp_path: Path, clock: Clock) -> None:
    """As the main database, they must not be lost, and what is not seen would pass for that. The main one does not stay open."""
    now(opened(tmp_path, clock).stopService())
    (tmp_path / "r-mirrors.sqlite").write_bytes(b"no database, and longer than a header would be" * 9)
    records = sqlite_records(tmp_path / "r.sqlite", clock).for_reading()
    looked: Any = records
    with pytest.raises(PypidaemonError, match="mirrors of records: file is not a database"):
        looked.startService()
    assert not looked.running
    assert looked.records.databases[0]._writer is None


def test_F92_a_database_of_another_version_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    """Neither upgraded nor read; nor is what is no database."""
    now(opened(tmp_path, clock).stopService())
    with sqlite3.connect(tmp_path / "r.sqlite") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    looked = sqlite_records(tmp_path / "r.sqlite", clock).for_reading()
    with pytest.raises(PypidaemonError, match="made by another version"):
        IService(looked).startService()
    (tmp_path / "r.sqlite").write_bytes(b"no database, and longer than a header would be" * 9)
    with pytest.raises(PypidaemonError, match="not a database"):
        IService(looked).startService()


def test_records_that_nobody_ever_used_have_no_name(tmp_path: Path, clock: Clock) -> None:
    now(opened(tmp_path, clock).stopService())
    with sqlite3.connect(tmp_path / "r.sqlite") as connection:
        connection.execute("DELETE FROM instance")
    connection.close()
    looked = glance(sqlite_records(tmp_path / "r.sqlite", clock))
    with pytest.raises(PypidaemonError, match="nobody's yet"):
        now(looked.identity())
    now(looked.stopService())


def unwritten(clock: Clock, **others: tuple[str, ...]) -> tuple[MemoryRecords, Unwritten]:
    """Records with something of foo under the label pypi, and the same unwritten."""
    records = MemoryRecords(label="records", clock=clock)
    now(records.pages.keep("pypi", FOO, Remembered(page("foo", file(SDIST)), 1.0, 2.0)))
    now(records.pages.keep_names("pypi", NAMES))
    now(records.facts.learn("pypi", FOO, SDIST, Fact(size=7)))
    now(records.withdrawn.withdraw("pypi", FOO, (file("foo-0.tar.gz"),), 5.0))
    now(records.publishers.met("pypi", FOO, "github:a/b", 6.0))
    now(records.documents.keep("pypi", FOO, "x", b"document", 9.0))
    made = Unwritten(records, clock, others)
    for interface, book in (
        (IRecords, made),
        (IPageCache, made.pages),
        (IFileFacts, made.facts),
        (ILedger, made.ledger),
        (IWithdrawnEntries, made.withdrawn),
        (IPublisherRecords, made.publishers),
        (IDocumentCache, made.documents),
    ):
        verifyObject(interface, book)
    assert now(made.identity()) == now(records.identity())
    return records, made


def test_nothing_reaches_the_records_that_are_unwritten(clock: Clock) -> None:
    """What an index would remember on the way to a page is forgotten; serials rise in memory."""
    records, made = unwritten(clock)
    now(made.pages.keep("pypi", BAR, Remembered(page("bar"), 1.0, 2.0)))
    now(made.pages.drop("pypi", FOO))
    now(made.pages.keep_names("pypi", RememberedNames(Digest("1" * 64), Validators(), 4, 1.0, 2.0)))
    assert now(made.pages.expire("pypi", None)) == 0
    assert now(made.facts.learn("pypi", FOO, SDIST, Fact(size=9, metadata=Digest("1" * 64)))) == Fact(size=7, metadata=Digest("1" * 64))
    now(made.withdrawn.withdraw("pypi", BAR, (file("bar-1.0.tar.gz"),), 5.0))
    now(made.withdrawn.restore("pypi", FOO, (Filename("foo-0.tar.gz"),)))
    assert [now(made.publishers.met("pypi", FOO, one, 7.0)) for one in ("github:a/b", "github:c/d")] == [False, True]
    now(made.documents.keep("pypi", FOO, "x", b"other", 9.0))
    assert now(made.documents.expire("pypi", None)) == 0
    assert [now(made.ledger.number("pypi", FOO, revision, 0)) for revision in ("a", "b")] == [1, 2]
    for seen in (records, made):
        assert now(seen.pages.remembered("pypi")) == [FOO]
        kept = now(seen.pages.recall("pypi", FOO))
        assert kept is not None
        assert kept.fresh_until == 2.0
        assert now(seen.pages.recall_names("pypi")) == NAMES
        assert now(seen.facts.known("pypi", FOO)) == {SDIST: Fact(size=7)}
        assert now(seen.withdrawn.projects("pypi")) == {FOO: 1}
        assert list(now(seen.publishers.publishers("pypi", FOO))) == ["github:a/b"]
        assert now(seen.documents.recall("pypi", FOO, "x")) == (b"document", 9.0)
    assert now(records.ledger.serials("pypi")) == {}


def test_an_index_of_another_name_sees_what_the_same_upstream_said(clock: Clock) -> None:
    """And one that asks elsewhere sees none of it."""
    _, made = unwritten(clock, cache=("nobody", "pypi"))
    for label, there in (("cache", True), ("other", False)):
        assert (now(made.pages.recall(label, FOO)) is not None) == there
        assert (now(made.pages.recall_file(label, FOO, SDIST)) is not None) == there
        assert bool(now(made.pages.remembered(label))) == there
        assert bool(now(made.facts.known(label, FOO))) == there
        assert bool(now(made.withdrawn.withdrawn(label, FOO))) == there
        assert bool(now(made.withdrawn.projects(label))) == there
        assert bool(now(made.publishers.publishers(label, FOO))) == there
        assert (now(made.documents.recall(label, FOO, "x")) is not None) == there
