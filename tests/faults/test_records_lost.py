"""Records that are deleted, cut, altered or left without their log: nothing empty stands in their place, and all of it comes back (C26, F66, F67)."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.application.service import IService
from twisted.internet.task import Clock

from pypidaemon.assembly import make, plan, stores
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Deed, Digest, Fact, NormalizedName, Ruling, RulingKind, Standing, User
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.services.folder import NoNewRecords
from pypidaemon.services.ordered import CannotStart, OrderedService
from pypidaemon.verification.findings import Finding, line
from pypidaemon.verification.holdings import Holdings, Home
from pypidaemon.verification.run import Means, Verification
from tests.contracts.blob_store import put
from tests.gear import inline, now
from tests.records_gear import record, sqlite_records
from tests.test_commands_people import INI
from tests.test_commands_verify import ran

UPLOADS = 35
SEEDS = (0, 5, 7, 12, 25)
"""Of harm to the schema, to its version, to rows and to pages."""
FILES = [(NormalizedName(f"p{number % 7}"), f"p{number % 7}-1.{number}.tar.gz") for number in range(UPLOADS)]


@attrs.define
class Stored:
    """A data folder with private files of every standing, and with all that stands around them."""

    folder: Path
    clock: Clock = attrs.field(factory=Clock)

    @property
    def path(self) -> Path:
        return self.folder / "var" / "records.sqlite"

    def begin(self) -> SqliteRecords:
        """Take the uploads, answer the records as they run."""
        (self.folder / "var").mkdir(mode=0o700)
        blobs = DirectoryBlobs(self.folder / "var" / "blobs", "blobs", inline)
        blobs.startService()
        records = sqlite_records(self.path, self.clock)
        records.startService()
        for name, filename in FILES:
            digest = now(put(blobs, filename.encode()))
            self.clock.advance(1.25)
            now(records.files.add("private", name, record(filename, filename.split("-")[1][:-7], digest), "add", "ada"))
        now(blobs.stopService() or _nothing())
        p0, p1, p2 = (NormalizedName(f"p{number}") for number in range(3))
        first = {name: next(filename for one, filename in FILES if one == name) for name, _ in FILES}
        _, (shown, *_) = now(records.files.page("private", p0))
        now(records.files.amend("private", p0, shown.file.filename, attrs.evolve(shown.file, yanked="broken"), "yank release"))
        now(records.files.place("private", p1, (first[p1],), Standing.HIDDEN, "hide release"))  # type: ignore[arg-type]
        now(records.files.place("private", p2, (first[p2],), Standing.DELETED, "remove release"))  # type: ignore[arg-type]
        now(records.files.give("private", p2, "bob"))
        now(records.facts.learn("pypi", p0, shown.file.filename, Fact(Digest("b" * 64), 5)))
        now(records.rulings.rule(Ruling(RulingKind.BLOCK, "p3==1.0", "a worm", "ada", 5.0, None)))
        now(records.accounts.keep_user(User("ada", "$argon2id$", False)))
        now(records.accounts.note(Deed(5.0, "ada", "192.0.2.1", "upload", "private/p0")))
        return records


async def _nothing() -> None:
    return None


def everything(records: SqliteRecords) -> list[Any]:
    """All that was acknowledged, as it is read."""
    return [
        dict(now(records.files.names("private"))),
        [
            (now(records.files.page("private", name)), now(records.files.owner("private", name)))
            for name in now(records.files.names("private"))
        ],
        now(records.files.changes("private", 0, 1000)),
        dict(now(records.facts.known("pypi", NormalizedName("p0")))),
        now(records.rulings.rulings()),
        now(records.accounts.users()),
        now(records.accounts.grants()),
        now(records.accounts.deeds(0.0, 10)),
        now(records.identity()),
    ]


def told_of(records: SqliteRecords) -> bool:
    """Whether that they are damaged is said at their start, and what to do, or when they are read; not all harm shows before it is looked for."""
    try:
        records.startService()
    except PypidaemonError as error:
        return "`pypidaemon verify --repair`" in str(error) and "\n" not in str(error)
    try:
        now(records.files.names("private"))
    except PypidaemonError:
        return True
    return False


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return Stored(tmp_path)


@pytest.fixture
def killed(stored: Stored, tmp_path: Path) -> Iterator[tuple[Path, list[Any]]]:
    """Records as a killed daemon leaves them, with what they said."""
    records = stored.begin()
    into = tmp_path / "killed"
    into.mkdir(mode=0o700)
    for file in stored.path.parent.iterdir():
        if file.is_file() and not file.name.endswith("-shm"):
            shutil.copy2(file, into)
    yield into / "records.sqlite", everything(records)
    records.stopService()


def _delete(path: Path) -> None:
    path.unlink()


def _halve(path: Path) -> None:
    # Closed first, or the log would still have all of it.
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(seed: int) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        chance, data = random.Random(seed), bytearray(path.read_bytes())  # the same each time is what is wanted
        for _ in range(100):
            data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        path.write_bytes(data)

    return flip


@pytest.mark.parametrize("harm", [_delete, _halve, *map(_flip, SEEDS)], ids=["deleted", "halved", *(f"flipped-{seed}" for seed in SEEDS)])
def test_C26_F66_no_empty_index_and_all_of_it_comes_back(stored: Stored, harm: Callable[[Path], None]) -> None:
    """Each is refused at the start, or is found by a verification; once mended, all that was acknowledged is there, and serials go on."""
    records = stored.begin()
    before = everything(records)
    records.stopService()
    harm(stored.path)
    ailments = records.ailments()
    assert ailments
    assert told_of(records) or len(now(records.files.names("private"))) > 0
    if records.running:
        records.stopService()
    assert "was made again from records.chronicle" in records.mend()[0]
    assert records.ailments() == []
    records.startService()
    assert everything(records) == before
    name, filename = FILES[0]
    serial = max(change.serial for change in before[2])
    assert now(records.files.record("private", name, record(filename), "add")) == serial + 1
    records.stopService()


def test_C26_F67_a_log_that_is_taken_away_costs_nothing(killed: tuple[Path, list[Any]]) -> None:
    """All of the uploads were in it: the start makes them again from the chronicle."""
    path, before = killed
    Path(f"{path}-wal").unlink()
    again = sqlite_records(path, Clock())
    again.startService()
    assert everything(again) == before
    assert again.ailments() == []
    again.stopService()


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_C26_F67_a_log_that_is_cut_costs_nothing(killed: tuple[Path, list[Any]], part: float) -> None:
    path, before = killed
    log = Path(f"{path}-wal")
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * part)])
    again = sqlite_records(path, Clock())
    again.startService()
    assert everything(again) == before
    again.stopService()
    assert again.ailments() == []


def test_F67_a_database_of_which_a_part_was_carried_over_before_its_log_went(stored: Stored, tmp_path: Path) -> None:
    """It may then have come further in one place than in another, and does not look older than it is."""
    records = stored.begin()
    before = everything(records)
    into = tmp_path / "torn"
    into.mkdir(mode=0o700)
    early = stored.path.read_bytes()
    records._main._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    late = stored.path.read_bytes()
    records.stopService()
    shutil.copy2(stored.path.with_suffix(".chronicle"), into)
    for seed in range(4):
        chance = random.Random(seed)
        pages = [late[at : at + 4096] if chance.random() < 0.7 else early[at : at + 4096] for at in range(0, len(late), 4096)]
        (into / "records.sqlite").write_bytes(b"".join(page.ljust(4096, b"\0") for page in pages))
        (into / "records.sqlite-dirty").touch()
        again = sqlite_records(into / "records.sqlite", Clock())
        if told_of(again):
            again.mend()
            again.startService()
        assert everything(again) == before
        again.stopService()


def test_F66_where_there_is_no_chronicle_either_nothing_is_begun_over_files(stored: Stored, tmp_path: Path) -> None:
    """As after a mistaken `rm` of all that records are; what is said is what to do, and the files are left alone."""
    now(stored.begin().stopService() or _nothing())
    for file in stored.path.parent.glob("records*"):
        file.unlink()
    records = sqlite_records(stored.path, Clock())
    assert not records.begun()
    insisting = NoNewRecords(records, (tmp_path / "none", stored.path.parent / "blobs"))
    with pytest.raises(PypidaemonError, match=r"the records are gone, and .*blobs has the files"):
        insisting.startService()
    shutil.move(stored.path.parent / "blobs", tmp_path / "away")
    (stored.path.parent / "blobs" / "drafts").mkdir(parents=True)
    (stored.path.parent / "blobs" / "drafts" / "some").touch()
    (stored.path.parent / "blobs" / "ab").touch()
    insisting.startService()
    file = tmp_path / "c.ini"
    file.write_text(INI)
    made = make(plan(str(file)), Clock())
    shutil.rmtree(stored.path.parent / "blobs")
    shutil.move(tmp_path / "away", stored.path.parent / "blobs")
    with pytest.raises(CannotStart, match="the records are gone"):
        OrderedService(stores(made)[2:]).startService()
    assert not stored.path.exists()


def test_F66_what_cannot_be_made_again_is_said_to_be_so_and_left_as_it_is(stored: Stored) -> None:
    stored.begin().stopService()
    stored.path.write_bytes(b"nothing of the kind" * 1000)
    stored.path.with_suffix(".chronicle").unlink()
    records = sqlite_records(stored.path, Clock())
    assert records.ailments() == ["records.sqlite is damaged"]
    with pytest.raises(PypidaemonError, match="no chronicle beside it; `pypidaemon restore` brings back a backup"):
        records.mend()
    assert stored.path.read_bytes() == b"nothing of the kind" * 1000


def test_a_damaged_line_of_the_chronicle_loses_that_line_alone_and_is_told_of(stored: Stored) -> None:
    records = stored.begin()
    before = everything(records)
    records.stopService()
    chronicle = stored.path.with_suffix(".chronicle")
    chronicle.write_bytes(chronicle.read_bytes().replace(b"a worm", b"a worn"))
    assert records.ailments() == ["records.chronicle is damaged: 1 line of it cannot be read"]
    kept = stored.path.read_bytes()
    assert records.mend() == ["records.chronicle is begun anew from records.sqlite by the next start"]
    assert stored.path.read_bytes() == kept
    chronicle.with_name("records-damaged.chronicle").rename(chronicle)
    stored.path.unlink()
    assert "1 line of the chronicle cannot be read, and what they said is lost" in records.mend()[0]
    records.startService()
    assert everything(records) == [*before[:4], [], *before[5:]]
    records.stopService()


def test_F66_mirrors_begin_empty_and_what_was_there_is_kept(stored: Stored) -> None:
    """There is no chronicle of them: what they have can be fetched, and the next run does."""
    records = stored.begin()
    now(records.mirrors.pin("mirror", NormalizedName("p0"), True))
    before = everything(records)
    records.stopService()
    mirrors = stored.path.with_name("records-mirrors.sqlite")
    for harm in (lambda: mirrors.write_bytes(b"nothing of the kind" * 1000), mirrors.unlink):
        harm()
        assert len(records.ailments()) == 1
        with pytest.raises(PypidaemonError):
            records.startService()
        assert "begins empty" in records.mend()[0]
        assert records.ailments() == []
        records.startService()
        assert everything(records) == before
        records.stopService()
    assert stored.path.with_name("records-mirrors-damaged.sqlite").read_bytes() == b"nothing of the kind" * 1000


def test_the_caches_are_begun_anew(stored: Stored) -> None:
    """Law 8: losing them is nobody's trouble."""
    records = stored.begin()
    before = everything(records)
    records.stopService()
    for word in ("cache", "fetches"):
        stored.path.with_name(f"records-{word}.sqlite").write_bytes(b"nothing of the kind" * 1000)
    records.startService()
    assert everything(records) == before
    records.stopService()
    assert IService.providedBy(records)


def test_F95_beside_a_daemon_it_is_told_of_and_nothing_is_touched(stored: Stored) -> None:
    """Rows that somebody else changed; the daemon goes on, and is not taken its records from under it."""
    records = stored.begin()
    blobs = DirectoryBlobs(stored.folder / "var" / "blobs", "blobs", inline)
    blobs.startService()
    holdings = Holdings([Home("private", records, blobs)], {"blobs": blobs})
    means = Means(holdings, stored.clock, inline, inline, stored.folder / "var")
    told: list[Finding] = []
    now(Verification(means, None, False, None, told.append).run())
    assert told == []
    with closing(sqlite3.connect(stored.path)) as connection:
        connection.execute("DELETE FROM rulings")
        connection.execute("UPDATE files SET uploader = 'eve' WHERE version LIKE '1.1%'")
        connection.commit()
    for repair, end in ((False, ""), (True, ": not repaired: to put it right, run this again without a daemon")):
        told.clear()
        now(Verification(means, None, repair, None, told.append).run())
        assert [line(one.as_json()) for one in told] == [
            f"records (records.sqlite has other rows than records.chronicle: 11 of files, 1 of rulings){end}"
        ]
    told.clear()
    now(Verification(means, frozenset({NormalizedName("p0")}), False, None, told.append).run())
    assert told == []
    records.stopService()


@pytest.mark.clients
def test_C26_the_command_says_what_is_wrong_and_makes_them_again(stored: Stored, tmp_path: Path) -> None:
    stored.begin().stopService()
    blobs = DirectoryBlobs(stored.folder / "var" / "blobs", "blobs", inline)
    blobs.startService()
    stray = now(put(blobs, b"stray"))
    os.utime(blobs.path / stray[:2] / stray[2:4] / stray, (0, 0))
    (tmp_path / "c.ini").write_text(INI)
    stored.path.unlink()
    command = ("verify", "-c", str(tmp_path / "c.ini"))
    status, lines, errors = ran(*command)
    assert (status, lines) == (1, [])
    assert "records.sqlite is gone; `pypidaemon verify --repair` makes it again from its chronicle" in errors
    assert len(errors.splitlines()) == 1
    assert not stored.path.exists()
    status, lines, errors = ran(*command, "--repair", "--json")
    told = json.loads(lines[0])
    assert (status, errors, told["problems"], told["unrepaired"]) == (0, "", 1, 0)
    assert told["findings"][0]["problem"] == "records"
    assert told["findings"][0]["detail"] == "records.sqlite is gone"
    assert f"7 projects, {UPLOADS} files" in told["findings"][0]["outcome"]
    # Not all that needs something may be known again.
    assert (blobs.path / stray[:2] / stray[2:4] / stray).exists()
