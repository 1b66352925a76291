"""Stores of a daemon that only reads: what they say is given, and nothing is written (N8)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.only_read import OnlyReadBlobs, Overlaid
from pypidaemon.errors import NoSuchBlob, OnlyRead, PypidaemonError
from pypidaemon.interfaces import IAccountRecords, IFetchRecords, IFileRecords, IPins, IRulingRecords
from pypidaemon.model import Deed, Digest, Fact, Grant, Pin, Ruling, RulingKind, Standing
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.only_read import DROPPED, REFUSED, OnlyReadRecords
from pypidaemon.services.folder import DataFolder, ReadFolder
from pypidaemon.services.lock import LOCK
from tests.contracts.blob_store import held, put
from tests.gear import inline, now
from tests.records_gear import FOO, SDIST, record, sqlite_records


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All that is there."""
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that was written to."""
    folder = tmp_path / "var"
    records = sqlite_records(folder / "records.sqlite", Clock())
    records.startService()
    now(records.files.add("private", FOO, record(SDIST, "1.0", "a" * 64), "add", None))
    now(records.facts.learn("pypi", FOO, record().file.filename, Fact(size=1)))
    now(records.stopService())
    return folder


def test_records_are_read_and_nothing_is_written(data: Path) -> None:
    before = tree(data)
    records = OnlyReadRecords(sqlite_records(data / "records.sqlite", Clock()), Clock())
    records.startService()
    serial, found = now(records.files.page("private", FOO))
    assert (serial, [one.file.filename for one in found]) == (1, [SDIST])
    assert now(records.facts.known("pypi", FOO))[record().file.filename].size == 1
    assert len(now(records.identity())) == 16
    assert now(records.accounts.grants())
    for change in (
        records.files.add("private", FOO, record(), "add", None),
        records.files.place("private", FOO, (SDIST,), Standing.HIDDEN, "hide"),
        records.accounts.grant(Grant("ann", "upload", "private"), True),
        records.rulings.rule(Ruling(RulingKind.BLOCK, "foo")),
        records.pins.pin(Pin(FOO), True),
    ):
        with pytest.raises(OnlyRead, match="only reads its data folder"):
            now(change)
    # What only notes something costs nobody anything.
    now(records.accounts.note(Deed(0.0, "ann", "", "upload", "", "")))
    now(records.accounts.used_token("x", 0.0))
    assert now(records.fetches.forget_before(1.0)) == 0
    assert now(records.ledger.number("pypi", FOO, "r", 0)) == 1
    now(records.stopService())
    assert tree(data) == before


def test_records_that_were_not_closed_cleanly_cannot_be_served_as_they_are(data: Path) -> None:
    records = OnlyReadRecords(sqlite_records(data / "records.sqlite", Clock()), Clock())
    for name in ("records.sqlite-wal", "records.sqlite-dirty", "records-cache.sqlite-journal", "records-mirrors.sqlite-wal"):
        (data / name).write_bytes(b"")
        before = tree(data)
        with pytest.raises(PypidaemonError, match="not closed cleanly"):
            records.startService()
        assert tree(data) == before
        (data / name).unlink()
    # The same after a kill: what was acknowledged is in the log.
    killed = sqlite_records(data / "records.sqlite", Clock())
    killed.startService()
    now(killed.files.add("private", FOO, record(), "add", None))
    before = tree(data)
    with pytest.raises(PypidaemonError, match="not closed cleanly"):
        records.startService()
    assert tree(data) == before
    now(killed.stopService())
    records.startService()
    assert len(now(records.files.page("private", FOO))[1]) == 2
    now(records.stopService())
    with pytest.raises(PypidaemonError, match="there is none yet"):
        OnlyReadRecords(sqlite_records(data / "other.sqlite", Clock()), Clock()).startService()
    with pytest.raises(PypidaemonError, match="no files"):
        OnlyReadRecords(MemoryRecords(label="records", clock=Clock()), Clock())


def test_blobs_are_read_and_nothing_is_written(tmp_path: Path) -> None:
    written = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    written.startService()
    digest = now(put(written, b"here"))
    (tmp_path / "blobs" / digest[:2] / "stray").write_bytes(b"x")
    before = tree(tmp_path)
    blobs = OnlyReadBlobs(tmp_path / "blobs", "blobs", inline)
    blobs.startService()
    content = now(blobs.open(digest))
    assert now(content.read(0, 10)) == b"here"
    for change in (blobs.draft(), blobs.keep(b"x", None)):
        with pytest.raises(OnlyRead):
            now(change)
    assert [type(one) for one in now(blobs.keep_all([(b"x", None), (b"y", b"z")]))] == [OnlyRead, OnlyRead]
    now(blobs.remove(digest))
    assert not now(blobs.clear(digest, 1e12))
    assert not now(blobs.set_aside(content, None))
    content.close()
    assert now(blobs.strays(1e12)) == []
    assert not now(blobs.discard("ab/stray", 1e12))
    assert not now(blobs.share(0, digest))
    assert now(blobs.renew([digest])) == {digest}
    assert now(held(blobs)) == {digest}
    assert blobs.failed
    assert tree(tmp_path) == before
    assert now(held(OnlyReadBlobs(tmp_path / "none", "blobs", inline))) == set()
    above = Overlaid(blobs)
    made = now(put(above, b"made"))
    assert now(held(above)) == {made}
    for one, said in ((made, b"made"), (digest, b"here")):
        assert now(now(above.open(one)).read(0, 10)) == said
    now(above.remove(made))
    with pytest.raises(NoSuchBlob):
        now(above.open(Digest(made)))
    assert tree(tmp_path) == before


def test_a_folder_is_shared_by_those_who_read_and_not_with_who_writes(tmp_path: Path) -> None:
    with pytest.raises(PypidaemonError, match="there is no data folder"):
        ReadFolder(tmp_path / "none").startService()
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    # A copy may have no lock.
    ReadFolder(folder).startService()
    assert list(folder.iterdir()) == []
    writing = DataFolder(folder)
    writing.startService()
    with pytest.raises(PypidaemonError, match="somebody writes"):
        ReadFolder(folder).startService()
    writing.stopService()
    first, second = ReadFolder(folder), ReadFolder(folder)
    first.startService()
    second.startService()
    descriptor = os.open(folder / LOCK, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    first.stopService()
    second.stopService()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_whatever_stores_learn_to_do_is_looked_at() -> None:
    """A capability that is new changes nothing, is refused, or is named here as one that only reads."""
    able = {name for name, value in vars(DirectoryBlobs).items() if callable(value) and not name.startswith("_")}
    assert able - vars(OnlyReadBlobs).keys() == {"open", "holding", "older", "stopService"} & able
    reading = {
        "files": {"names", "look", "page", "owner", "owned", "changes", "holders", "references"},
        "accounts": {"users", "user", "groups", "grants", "tokens", "token", "deeds"},
        "rulings": {"rulings"},
        "pins": {"pins"},
        "fetches": {"of_project", "of_digest", "of_client", "projects", "counts"},
    }
    books = {"files": IFileRecords, "accounts": IAccountRecords, "rulings": IRulingRecords, "pins": IPins, "fetches": IFetchRecords}
    for word, interface in books.items():
        known = reading[word] | REFUSED[word] | DROPPED.get(word, {}).keys()
        assert set(interface.names()) <= known, word
