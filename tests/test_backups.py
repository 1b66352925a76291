"""Backups: taken while others write, and brought back whole or not at all (F93, F94)."""

from __future__ import annotations

import fcntl
import io
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.backups.contents import Head, manifest
from pypidaemon.backups.restoring import Restored, Restoring
from pypidaemon.backups.taking import Taken, Taking
from pypidaemon.backups.tape import Unreadable, Writer
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import PypidaemonError, StorageFull
from pypidaemon.filenames import filename
from pypidaemon.model import Digest, Fact, File, FileRecord, NormalizedName, Pin, Remembered, Standing
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.sqlite import SqliteRecords
from pypidaemon.verification.holdings import Holdings, Home
from tests.contracts.blob_store import held, put
from tests.fakes import file, page
from tests.gear import inline, now
from tests.records_gear import sqlite_records

FILES = {"one": b"1" * 3_000_000, "two": b"two", "three": b""}


def digest_of(data: bytes) -> Digest:
    return Digest(sha256(data).hexdigest())


@attrs.define
class Place:
    """A data folder with records, blobs, a private index and a proxy."""

    folder: Path
    blobs: DirectoryBlobs = attrs.field(init=False)
    records: SqliteRecords = attrs.field(init=False)
    holdings: Holdings = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.blobs = DirectoryBlobs(self.folder / "blobs", "blobs", inline)
        self.blobs.startService()
        self.records = sqlite_records(self.folder / "records.sqlite", Clock())
        homes = [
            Home("private", self.records, self.blobs),
            Home("pypi", self.records, self.blobs, source=object(), remembers=True),  # type: ignore[arg-type]  # it is never asked
        ]
        self.holdings = Holdings(homes, {"blobs": self.blobs})

    def add(self, name: str, data: bytes) -> None:
        now(put(self.blobs, data))
        entry = File(filename(f"{name}-1.0.tar.gz"), hashes=(("sha256", digest_of(data)),), size=len(data))
        now(self.records.files.add("private", NormalizedName(name), FileRecord(entry, "1.0"), "add", None))

    def fill(self) -> None:
        self.records.startService()
        for name, data in FILES.items():
            self.add(name, data)
        now(self.records.files.place("private", NormalizedName("two"), (filename("two-1.0.tar.gz"),), Standing.DELETED, "remove"))
        now(put(self.blobs, b"cached"))
        now(self.records.pages.keep("pypi", NormalizedName("beta"), Remembered(page("beta", file("beta-1.0.tar.gz", b"cached")), 1.0, 2.0)))

    def take(self, target: Path, everything: bool = False, show: Callable[[Taken], None] = lambda _: None) -> Taken:
        head = Head("1.0", "2026-01-01T00:00:00Z", ("blobs",), everything)
        return now(Taking(self.records, self.holdings, inline, head, 1_000, "[daemon]\n", everything, show).write(target))

    def restore(self, source: bytes) -> Restored:
        return now(Restoring({"blobs": self.blobs}, self.records.places(), inline).read(io.BytesIO(source)))

    def opened(self, name: str) -> bytes:
        async def read() -> bytes:
            content = await self.blobs.open(digest_of(FILES[name]))
            return await content.read(0, 10_000_000)

        return now(read())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path / "var")
    found.fill()
    return found


@pytest.fixture
def empty(tmp_path: Path) -> Place:
    return Place(tmp_path / "new")


def test_F93_F94_what_was_taken_while_others_write_comes_back_whole(place: Place, empty: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    told: list[int] = []

    def meanwhile(taken: Taken) -> None:
        told.append(taken.files)
        # The records are copied by now: what comes later is not in it, and what is taken away is all the same, as long as its bytes are here.
        place.add(f"later-{taken.files}", b"%d" % taken.files)
        if taken.files == 1:
            now(place.records.files.forget("private", NormalizedName("three"), None, "remove"))

    taken = place.take(target, show=meanwhile)
    assert (taken.files, taken.bytes, taken.lost) == (3, 3_000_003, [])
    assert told == [1, 2, 3]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == sorted([target, tmp_path / "var", tmp_path / "new"])
    restored = empty.restore(target.read_bytes())
    assert (restored.files, restored.bytes, restored.configuration) == (3, 3_000_003, b"[daemon]\n")
    empty.records.startService()
    assert sorted(now(empty.records.files.names("private"))) == sorted(FILES)
    assert now(empty.records.identity()) == now(place.records.identity())
    for name, data in FILES.items():
        assert empty.opened(name) == data
    # What can be fetched again is not in it.
    assert now(held(empty.blobs)) == {digest_of(data) for data in FILES.values()}
    assert now(empty.records.pages.remembered("pypi")) == []
    _, (two,) = now(empty.records.files.page("private", NormalizedName("two")))
    assert two.standing is Standing.DELETED
    for records in (place.records, empty.records):
        now(records.stopService())


def test_all_of_it_has_what_can_be_fetched_again_too(place: Place, empty: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    assert place.take(target, everything=True).files == 4
    empty.restore(target.read_bytes())
    empty.records.startService()
    assert digest_of(b"cached") in now(held(empty.blobs))
    assert now(empty.records.pages.remembered("pypi")) == ["beta"]
    now(empty.records.stopService())


def test_it_is_a_tar_file_that_others_can_read_too(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    place.take(target)
    with tarfile.open(target) as archive:
        names = archive.getnames()
        assert names[:3] == ["head.json", "configuration.ini", "records/fetches.sqlite"]
        assert names[-1] == "manifest.json"
        assert archive.extractfile(f"blobs/0/{digest_of(FILES['one'])}").read() == FILES["one"]  # type: ignore[union-attr]  # it is there
        assert {member.mode for member in archive} == {0o600}


def test_what_is_not_here_or_damaged_is_told_of_and_the_rest_is_in_it(place: Place, empty: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    now(place.blobs.remove(digest_of(b"two")))
    one = digest_of(FILES["one"])
    path = place.folder / "blobs" / one[:2] / one[2:4] / one
    for damage in (b"2" * 3_000_000, b"1" * 2_000_000):
        path.write_bytes(damage)
        taken = place.take(target)
        assert taken.files == 1
        assert sorted(line.split()[0] for line in taken.lost) == ["one-1.0.tar.gz", "two-1.0.tar.gz"]
    empty.restore(target.read_bytes())
    assert now(held(empty.blobs)) == {digest_of(b"")}


def test_a_backup_that_cannot_be_written_leaves_the_one_before_and_nothing_else(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    target.write_bytes(b"the one before")

    def full(_: Taken) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(PypidaemonError, match="No space left"):
        place.take(target, show=full)
    with pytest.raises(PypidaemonError, match="No such file"):
        place.take(tmp_path / "nowhere" / "backup.tar")
    assert target.read_bytes() == b"the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "var"]


def test_what_need_not_be_here_is_no_loss_where_it_is_not(place: Place, tmp_path: Path) -> None:
    """Files that upstream lists no longer and that nobody ever took, and with all of it a cache that was evicted meanwhile."""
    target = tmp_path / "backup.tar"
    gone = file("beta-0.9.tar.gz", b"never taken by anybody")
    now(place.records.withdrawn.withdraw("pypi", NormalizedName("beta"), (gone,), 1.0))
    assert place.take(target).lost == []

    def meanwhile(_: Taken) -> None:
        now(place.blobs.remove(digest_of(b"cached")))

    assert place.take(target, everything=True, show=meanwhile).lost == []
    # What is here and damaged is told of all the same.
    path = place.folder / "blobs" / digest_of(b"")[:2] / digest_of(b"")[2:4] / digest_of(b"")
    path.write_bytes(b"?")
    assert [line.split()[0] for line in place.take(target).lost] == ["three-1.0.tar.gz"]
    now(place.records.stopService())


def test_S28_first_bytes_that_upstream_has_replaced_are_in_it(place: Place, empty: Place, tmp_path: Path) -> None:
    """They are nowhere else; and of the pages, which would tell, there is no copy."""
    name, first = NormalizedName("beta"), digest_of(b"cached")
    now(place.records.facts.learn("pypi", name, filename("beta-1.0.tar.gz"), Fact(digest=first, size=6)))
    now(place.records.facts.differ("pypi", name, {filename("beta-1.0.tar.gz"): digest_of(b"other")}, 1.0))
    now(place.records.ledger.number("pypi", name, "r1", 0))
    target = tmp_path / "backup.tar"
    assert place.take(target).files == 4
    empty.restore(target.read_bytes())
    assert first in now(held(empty.blobs))
    now(place.records.stopService())


def test_what_a_backup_that_was_killed_has_left_goes_with_the_next(place: Place, tmp_path: Path) -> None:
    """Each is as large as a backup, and has a name that nobody looks for. What another one is writing just now stays."""
    for number in (1, 2):
        (tmp_path / f".backup.tar.{number}.partial").write_bytes(b"half of it")
        (tmp_path / f".backup.tar.{number}.records").mkdir()
        (tmp_path / f".backup.tar.{number}.records" / "records.sqlite").touch()
    (tmp_path / ".other.tar.1.partial").touch()
    with (tmp_path / ".backup.tar.2.partial").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        place.take(tmp_path / "backup.tar")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".backup.tar.2.partial", ".backup.tar.2.records", ".other.tar.1.partial", "backup.tar", "var"]
    now(place.records.stopService())


def test_records_that_are_no_files_or_not_there_cannot_be_backed_up(empty: Place, tmp_path: Path) -> None:
    with pytest.raises(PypidaemonError, match="there are none yet"):
        empty.take(tmp_path / "backup.tar")
    empty.records = MemoryRecords("records", Clock())  # type: ignore[assignment]  # of another kind
    with pytest.raises(PypidaemonError, match="one of files"):
        empty.take(tmp_path / "backup.tar")


def test_it_is_only_brought_back_where_nothing_is(place: Place, empty: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    place.take(target)
    with pytest.raises(PypidaemonError, match="the store blobs is not empty"):
        place.restore(target.read_bytes())
    (empty.folder / "records-fetches.sqlite").touch()
    with pytest.raises(PypidaemonError, match="is there already"):
        empty.restore(target.read_bytes())


def tape(*members: tuple[str, bytes], end: bool = True) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, 0)
    for name, data in members:
        writer.add(name, data)
    if end:
        writer.end()
    return file.getvalue()


def linked(name: str, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return tape(("head.json", HEAD), end=False) + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def long() -> bytes:
    info = tarfile.TarInfo("blobs/0/" + "0" * 64)
    info.size = 1 << 50
    return tape(("head.json", HEAD), end=False) + info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)


HEAD = Head("1.0", "2026-01-01T00:00:00Z", ("blobs",), False).written()
BLOB = f"blobs/0/{digest_of(b'x')}"


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"not a tar file at all" * 100,
        bytes(10_240),
        tape(("head.json", b"[]")),
        tape(("head.json", b"{" * 100_000)),
        tape(("head.json", b'{"format": 2}')),
        tape(("head.json", b'{"format": 1, "stores": 1}')),
        tape(("head.json", bytes(2 << 20))),
        tape(("other.json", HEAD)),
        tape(("head.json", HEAD)),
        tape(("head.json", HEAD), ("manifest.json", b"[]")),
        tape(("head.json", HEAD), ("manifest.json", b'{"a": [1]}')),
        tape(("head.json", HEAD), ("manifest.json", manifest({}))),
        tape(("head.json", HEAD), ("../evil", b"x")),
        tape(("head.json", HEAD), ("/etc/evil", b"x")),
        tape(("head.json", HEAD), ("records/../main.sqlite", b"x")),
        tape(("head.json", HEAD), ("blobs/1/" + "0" * 64, b"x")),
        tape(("head.json", HEAD), ("blobs/0/" + "0" * 64, b"x")),
        tape(("head.json", HEAD), (BLOB, b"x"), (BLOB, b"x")),
        tape(("head.json", HEAD), ("manifest.json", manifest({})), (BLOB, b"x")),
        tape(("head.json", HEAD), (BLOB, b"x"), end=False),
        linked("records/main.sqlite", tarfile.SYMTYPE),
        linked("records/main.sqlite", tarfile.LNKTYPE),
        linked("blobs", tarfile.DIRTYPE),
        linked("records/main.sqlite", tarfile.FIFOTYPE),
        linked("records/main.sqlite", tarfile.XHDTYPE),
        linked("records/main.sqlite", tarfile.GNUTYPE_SPARSE),
        long(),
    ],
)
def test_F94_what_is_no_backup_of_ours_is_refused_in_one_line_and_no_records_are_there(hostile: bytes, empty: Place) -> None:
    with pytest.raises(Unreadable) as caught:
        empty.restore(hostile)
    assert "\n" not in str(caught.value)
    assert [path.name for path in empty.folder.iterdir()] == ["blobs"]


def test_F94_wherever_it_is_cut_or_altered_no_records_are_there(place: Place, empty: Place, tmp_path: Path) -> None:
    now(place.blobs.remove(digest_of(FILES["one"])))
    target = tmp_path / "backup.tar"
    place.take(target)
    whole = target.read_bytes()
    for at in range(0, len(whole) - 1024, 8_191):
        for altered in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            try:
                empty.restore(altered)
            except PypidaemonError:
                assert [path.name for path in empty.folder.iterdir()] == ["blobs"]
            else:
                # Only what stands behind the end of a file to fill its block up means nothing.
                assert altered.strip(b"\0\1") == whole.strip(b"\0\1")
                for path in empty.folder.glob("records*"):
                    path.unlink()
            for digest in now(held(empty.blobs)):
                now(empty.blobs.remove(digest))


def test_no_room_for_it(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    place.take(target)
    places = {word: tmp_path / "new" / path.name for word, path in place.records.places().items()}
    with pytest.raises(StorageFull):
        now(Restoring({"blobs": MemoryBlobs(limit=10)}, places, inline).read(io.BytesIO(target.read_bytes())))
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(PypidaemonError, match="no section"):
        now(Restoring({}, places, inline).read(io.BytesIO(target.read_bytes())))


def test_F94_what_cannot_be_brought_back_leaves_its_stores_as_empty_as_they_were(place: Place, empty: Place, tmp_path: Path) -> None:
    """Wherever they are: else the next try would find that something is there."""
    target = tmp_path / "backup.tar"
    place.take(target)
    whole = target.read_bytes()
    with pytest.raises(Unreadable):
        empty.restore(whole[:-2_000])
    assert now(held(empty.blobs)) == set()
    assert empty.restore(whole).files == 3
    now(place.records.stopService())


def test_F66_what_was_brought_back_goes_its_own_way_and_no_older_chronicle_is_taken_for_its(
    place: Place, empty: Place, tmp_path: Path
) -> None:
    """A chronicle of the old machine, put beside it later, would undo some changes and mix in others: it is refused."""
    target = tmp_path / "backup.tar"
    place.take(target)
    empty.restore(target.read_bytes())
    empty.records.severed()
    empty.records.startService()
    now(empty.records.pins.pin(Pin(NormalizedName("one")), True))
    now(empty.records.stopService())
    for name in ("later", "last"):
        place.add(name, name.encode())
    now(place.records.stopService())
    shutil.copy2(place.folder / "records.chronicle", empty.folder / "records.chronicle")
    with pytest.raises(PypidaemonError, match="is of another database"):
        empty.records.startService()


def test_F66_damaged_records_are_not_backed_up_over_the_backup_before_nor_brought_back(place: Place, empty: Place, tmp_path: Path) -> None:
    """A copy of what is damaged would be as damaged, and be found out when it is needed."""
    target = tmp_path / "backup.tar"
    place.take(target)
    before = target.read_bytes()
    now(place.records.stopService())
    path = place.folder / "records.sqlite"
    data = bytearray(path.read_bytes())
    for at in range(2, len(data) // 4096):
        data[at * 4096 : at * 4096 + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(PypidaemonError, match=r"records.sqlite is damaged; `pypidaemon verify --repair`"):
        place.take(target)
    assert target.read_bytes() == before
    (empty.folder / "records.sqlite").write_bytes(data)
    with pytest.raises(PypidaemonError, match=r"records\.sqlite is damaged"):
        empty.records.severed()


def test_records_of_a_time_without_chronicles_are_severed_too(tmp_path: Path) -> None:
    records = sqlite_records(tmp_path / "records.sqlite", Clock())
    with pytest.raises(PypidaemonError, match="cannot be put in its place"):
        records.severed()
    sqlite3.connect(tmp_path / "records.sqlite").execute("CREATE TABLE t (a)").connection.close()
    records.severed()


def test_a_file_whose_bytes_are_not_as_many_as_promised_is_taken_back() -> None:
    file = io.BytesIO()
    writer = Writer(file, 0)
    writer.begin("a", 3)
    writer.write(b"ab")
    assert not writer.finish()
    assert file.getvalue() == b""
    with pytest.raises(ValueError, match="too long"):
        writer.begin("a" * 101, 0)
