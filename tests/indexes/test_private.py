"""What the private index promises besides its contract: damage is no absence, rules are settings, and nobody is told too early."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from pypidaemon.archives.promising import promises_metadata
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import Conflict, InvalidUpload, NoSuchProject, PypidaemonError, StorageFull
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.private.digests import digests
from pypidaemon.indexes.private.index import Private, kinds
from pypidaemon.indexes.private.turns import Turns
from pypidaemon.model import Companion, Digest, Filename, NormalizedName, Standing
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.records.memory_files import MemoryFiles
from pypidaemon.testing.archives import make_wheel
from pypidaemon.waits import Bell
from tests.contracts.hosted_index import (
    ALPHA,
    LATER,
    LATER_BYTES,
    NOON,
    OTHER_BYTES,
    SDIST,
    SDIST_BYTES,
    WHEEL,
    WHEEL_BYTES,
    PlainInspectors,
    Yard,
    content,
    files,
    publish,
    upload,
)
from tests.gear import inline, later, now, waiting
from tests.house import House


class Slow:
    """File records that can be made to wait, or to fail; all else is passed on."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files
        self.before: Bell | None = None
        self.broken: Exception | None = None
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.files, name)

        async def call(*arguments: Any) -> Any:
            self.asked.append(name)
            if self.broken is not None:
                raise self.broken
            if self.before is not None and name in {"add", "enter", "record"}:
                await self.before.wait()
            return await method(*arguments)

        return call


@attrs.define
class Books:
    """Records of which only the files are of interest."""

    files: Any


@pytest.fixture
def yard() -> Yard:
    clock = Clock()
    clock.advance(NOON)
    return Yard(Books(Slow(MemoryRecords("records", clock).files)), MemoryBlobs(), clock)  # type: ignore[arg-type]  # enough of them


def private(yard: Yard, **settings: Any) -> Private:
    return Private("private", yard.records, yard.blobs, yard.clock, inline, yard.announcements, yard.inspectors, **settings)


@pytest.fixture
def index(yard: Yard) -> Private:
    return private(yard)


@pytest.fixture
def slow(yard: Yard) -> Slow:
    found: Slow = yard.records.files  # type: ignore[assignment]  # put there above
    return found


# --- damage is no absence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("companion", [Companion.FILE, Companion.METADATA])
def test_L3_bytes_that_are_gone_are_damage(yard: Yard, index: Private, companion: Companion) -> None:
    """A NoSuchFile would let a client look for a stranger's file elsewhere."""
    file = publish(yard, index).file
    now(yard.blobs.remove(Digest((file.digest if companion is Companion.FILE else file.core_metadata) or "")))
    with pytest.raises(PypidaemonError, match="missing from the store") as caught:
        content(index, WHEEL, companion)
    assert type(caught.value) is PypidaemonError


def test_F62_bytes_that_were_cut_are_damage(tmp_path: Path, yard: Yard) -> None:
    yard.blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    yard.blobs.startService()
    index = private(yard)
    digest = publish(yard, index).file.digest
    assert digest
    (tmp_path / "blobs" / digest[:2] / digest[2:4] / digest).write_bytes(b"PK")
    with pytest.raises(PypidaemonError, match="damaged in the store"):
        content(index, WHEEL)


def test_L3_a_store_that_cannot_be_read_is_no_absence(tmp_path: Path, yard: Yard) -> None:
    yard.blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    yard.blobs.startService()
    index = private(yard)
    digest = publish(yard, index).file.digest
    assert digest
    folder = tmp_path / "blobs" / digest[:2]
    folder.rename(tmp_path / "aside")
    folder.write_text("a file where a folder should be")
    with pytest.raises(PypidaemonError, match="the store cannot be read"):
        content(index, WHEEL)


def test_L3_unreadable_records_never_let_a_name_fall_through(yard: Yard, index: Private, slow: Slow) -> None:
    """For names that are here and for names that are not: nobody can know."""
    house = House()
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"a stranger's"))
    root = FirstMatch("root", (index, house.proxy), house.records)
    slow.broken = PypidaemonError("the disk is gone")
    for name in (ALPHA, NormalizedName("unknown")):
        for question in (root.project_page(name), root.find(name, Filename("alpha-9.0.tar.gz")), root.project_names()):
            with pytest.raises(PypidaemonError, match="the disk is gone"):
                now(question)
    assert house.upstream.asked == []


def test_what_cannot_be_brought_back_stays_deleted(yard: Yard, index: Private) -> None:
    """All or nothing: also where only the METADATA is gone."""
    file = publish(yard, index).file
    publish(yard, index, SDIST, SDIST_BYTES)
    now(index.place(ALPHA, "1.0", Standing.DELETED))
    now(yard.blobs.remove(Digest(file.core_metadata or "")))
    with pytest.raises(PypidaemonError, match="missing from the store"):
        now(index.place(ALPHA, "1.0", Standing.SHOWN))
    assert files(index) == {}


# --- rules are settings -----------------------------------------------------------------------------------------------------------


def test_R166_other_bytes_need_the_setting_and_the_right(yard: Yard) -> None:
    for overwrite, replacing in ((False, False), (False, True), (True, False)):
        index = private(yard, overwrite=overwrite)
        publish(yard, index)
        line = "File already exists: .* takes the right overwrite" if overwrite else "File already exists: .* has other content$"
        with pytest.raises(Conflict, match=line):
            publish(yard, index, data=OTHER_BYTES, replacing=replacing)
    index = private(yard, overwrite=True)
    replaced = publish(yard, index, data=OTHER_BYTES, replacing=True)
    assert (replaced.repeated, files(index)) == (False, {WHEEL: replaced.file})
    assert content(index, WHEEL) == OTHER_BYTES
    assert now(index.changes(1))[-1].action == f"replace file {WHEEL}"


def test_replacing_also_adds_and_repeats(yard: Yard) -> None:
    """And a tombstone stays one (S12)."""
    index = private(yard, overwrite=True)
    assert not publish(yard, index, replacing=True, founding=True).repeated
    assert publish(yard, index, replacing=True).repeated
    assert not publish(yard, index, LATER, LATER_BYTES, replacing=True).repeated
    now(index.place(ALPHA, "1.0", Standing.DELETED))
    with pytest.raises(Conflict, match="used before"):
        publish(yard, index, data=OTHER_BYTES, replacing=True)


def test_R134_local_versions_are_taken_unless_strict(yard: Yard) -> None:
    filename, data = make_wheel("alpha", "1.0+ours")
    with pytest.raises(InvalidUpload, match="local"):
        publish(yard, private(yard, strict=True), filename, data)
    publish(yard, private(yard), filename, data)
    assert [(rules.strict, rules.platforms) for rules in yard.inspectors.rules] == [(True, True), (False, False)]


def test_R125_only_the_kinds_that_are_set_are_taken(yard: Yard) -> None:
    with pytest.raises(InvalidUpload, match="not accepted"):
        publish(yard, private(yard, kinds=(".whl",)), SDIST, SDIST_BYTES)
    assert yard.inspectors.rules[-1].kinds == {".whl"}


def test_kinds_are_words_or_extensions() -> None:
    assert kinds("wheel sdist") == (".whl", ".tar.gz")
    assert kinds("Wheel\n .whl zip tar.bz2") == (".whl", ".zip", ".tar.bz2")
    for raw in ("", "  ", "wheel rar"):
        with pytest.raises(ValueError, match="kind"):
            kinds(raw)


@pytest.mark.parametrize(
    ("version", "dynamic", "expected"),
    [
        ("2.1", (), False),
        ("2.2", (), True),
        ("2.10", ("Description",), True),
        ("2.4", ("requires-dist",), False),
        ("2.2", ("Summary", "Requires-Python"), False),
        ("2.2", ("Provides-Extra",), False),
        ("garbage", (), False),
        ("", (), False),
    ],
)
def test_R102_a_source_distribution_promises_metadata_only_where_building_cannot_change_it(
    version: str, dynamic: tuple[str, ...], expected: bool
) -> None:
    lines = [f"Metadata-Version: {version}", "Name: alpha", *(f"Dynamic: {field}" for field in dynamic), "", "Dynamic: Requires-Dist", ""]
    for end in ("\n", "\r\n"):
        assert promises_metadata(Filename(SDIST), end.join(lines).encode()) is expected


def test_R102_other_kinds_promise_none() -> None:
    assert not promises_metadata(Filename("alpha-1.0-py3.12.egg"), b"Metadata-Version: 2.4\n")


# --- nobody is told too early -----------------------------------------------------------------------------------------------------


def test_law_7_what_the_records_refuse_is_at_most_an_unowned_blob(yard: Yard, index: Private, slow: Slow) -> None:
    """F73: and trying again succeeds."""

    async def fails(*arguments: Any) -> int:
        raise StorageFull("no room")

    slow.enter = fails  # the disk is full
    with pytest.raises(StorageFull):
        publish(yard, index)
    assert hashlib.sha256(WHEEL_BYTES).hexdigest() in yard.held()
    with pytest.raises(NoSuchProject):
        now(index.project_page(ALPHA))
    del slow.enter
    assert not publish(yard, index).repeated


def test_F53_without_room_for_the_record_nothing_is_shown(yard: Yard, index: Private, slow: Slow) -> None:
    publish(yard, index)
    yard.inspectors.gate = Bell()
    running = later(index.publish(upload(LATER), yard.draft(LATER_BYTES), "ada", False))
    slow.broken = StorageFull("no room")
    yard.inspectors.gate.ring()
    with pytest.raises(StorageFull):
        now(running)
    slow.broken = yard.inspectors.gate = None
    assert set(files(index)) == {WHEEL}
    assert not publish(yard, index, LATER, LATER_BYTES).repeated


def test_F98_who_leaves_while_it_is_recorded_stops_nothing(yard: Yard, index: Private, slow: Slow) -> None:
    """Else the records would have it, and the page in memory would not."""
    publish(yard, index)
    assert set(files(index)) == {WHEEL}
    slow.before = Bell()
    running = later(index.publish(upload(LATER), yard.draft(LATER_BYTES), "ada", False))
    running.cancel()
    with pytest.raises(CancelledError):
        now(running)
    assert set(files(index)) == {WHEEL}
    slow.before.ring()
    assert set(files(index)) == {WHEEL, LATER}
    assert content(index, LATER) == LATER_BYTES


def test_as_a_service_it_ends_what_is_under_way(yard: Yard, index: Private, slow: Slow) -> None:
    slow.before = Bell()
    index.startService()
    running = later(index.publish(upload(WHEEL), yard.draft(WHEEL_BYTES), "ada", False))
    assert waiting(running)
    now(index.stopService())
    with pytest.raises(CancelledError):
        now(running)
    assert len(index.turns) == 0


def test_F101_a_page_read_before_a_change_is_not_kept_after_it(yard: Yard, index: Private, slow: Slow) -> None:
    publish(yard, index)
    index.pages.forget(None)
    page = slow.files.page
    bell = Bell()

    async def page_slowly(label: str, name: NormalizedName) -> Any:
        found = await page(label, name)
        await bell.wait()
        return found

    slow.page = page_slowly  # a slow disk
    early = later(index.project_page(ALPHA))
    del slow.page
    publish(yard, index, LATER, LATER_BYTES)
    bell.ring()
    assert len(now(early).files) == 1
    assert len(files(index)) == 2


def test_a_page_is_made_once_until_something_is_announced(yard: Yard, index: Private, slow: Slow) -> None:
    publish(yard, index)
    page = now(index.project_page(ALPHA))
    slow.asked.clear()
    assert now(index.project_page(ALPHA)) is page
    now(index.find(ALPHA, Filename(WHEEL)))
    assert slow.asked == []
    assert page.fresh_until is None
    yard.announcements.announce(ALPHA)
    assert now(index.project_page(ALPHA)) == page
    assert slow.asked == ["page"]


def test_a_yank_that_fails_halfway_changes_nothing(yard: Yard, index: Private, slow: Slow) -> None:
    publish(yard, index)
    publish(yard, index, SDIST, SDIST_BYTES)
    amend, calls = slow.files.amend, []

    async def breaks(label: str, name: NormalizedName, filename: Filename, *rest: Any) -> int:
        calls.append(filename)
        if len(calls) == 2:
            raise StorageFull("no room")
        return await amend(label, name, filename, *rest)

    slow.amend = breaks  # a disk that fills up
    with pytest.raises(StorageFull):
        now(index.yank(ALPHA, "1.0", "broken"))
    assert [file.yanked for file in files(index).values()] == [None, None]


# --- turns, and digests -----------------------------------------------------------------------------------------------------------


def test_turns_are_taken_one_after_the_other_in_order() -> None:
    turns, bell, story = Turns[str](), Bell(), []

    async def work(word: str, key: str = "a") -> None:
        async with turns.of(key):
            story.append(f"{word} begins")
            await bell.wait()
            story.append(f"{word} ends")

    first, second, third = later(work("first")), later(work("second")), later(work("third"))
    other = later(work("other", "b"))
    assert story == ["first begins", "other begins"]
    second.cancel()
    with pytest.raises(CancelledError):
        now(second)
    bell.ring()
    assert story[2:] == ["first ends", "third begins", "other ends"]
    bell.ring()
    for one in (first, third, other):
        now(one)
    assert len(turns) == 0


@pytest.mark.parametrize("size", [0, 1, 999, 70_000])
def test_digests_are_the_same_from_a_file_and_from_memory(tmp_path: Path, size: int) -> None:
    disk = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    disk.startService()
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    found = []
    for store in (disk, MemoryBlobs()):
        draft = now(store.draft())
        now(draft.write(data))
        found.append(now(digests(draft, ("sha256", "md5", "blake2b_256", "crc"), inline)))
        now(draft.abort())
    assert found[0] == found[1]
    assert set(found[0]) == {"sha256", "md5", "blake2b_256"}


# --- behind the door --------------------------------------------------------------------------------------------------------------


def test_L1_F50_a_private_project_takes_over_at_once_and_whole() -> None:
    """The stranger's page was answered, cached and ready; after the upload the next answer is ours alone, page and files."""
    house = House()
    stranger = house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"a stranger's")).files[0]
    yard = Yard(house.records, house.blobs, house.clock, house.announcements)
    index = Private("private", house.records, house.blobs, house.clock, inline, house.announcements, PlainInspectors())
    root = FirstMatch("root", (index, house.proxy), house.records)
    house.open({"root": root, "private": index}, "root")
    first = house.get("/simple/alpha/")
    assert b"alpha-9.0.tar.gz" in house.body(first)
    assert house.body(house.get("/packages/" + stranger.path)) == b"a stranger's"
    serial = now(root.project_page(ALPHA)).serial
    ours = publish(yard, index).file
    second = house.get("/simple/alpha/")
    body = house.body(second)
    assert WHEEL.encode() in body
    assert b"alpha-9.0" not in body
    assert now(root.project_page(ALPHA)).serial > serial
    assert house.body(house.get("/packages/" + ours.path)) == WHEEL_BYTES
    assert house.body(house.get("/packages/" + ours.path + ".metadata")).startswith(b"Metadata-Version")
    with pytest.raises(PypidaemonError):
        house.get("/packages/" + stranger.path)
    now(index.place(ALPHA, None, Standing.DELETED))
    assert b"alpha-" not in house.body(house.get("/simple/alpha/"))


def test_law_8_private_files_survive_a_restart() -> None:
    house = House()
    yard = Yard(house.records, house.blobs, house.clock, house.announcements)
    publish(yard, Private("private", house.records, house.blobs, house.clock, inline, house.announcements, PlainInspectors()))
    house.restart()
    again = Private("private", house.records, house.blobs, house.clock, inline, house.announcements, PlainInspectors())
    assert content(again, WHEEL) == WHEEL_BYTES
    with pytest.raises(NoSuchProject):
        now(again.project_page(NormalizedName("beta")))


class Broken:
    """A part one method of which breaks; all else is passed on."""

    def __init__(self, inner: Any, method: str) -> None:
        self._inner = inner
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return self._breaks if name == self._method else getattr(self._inner, name)

    async def _breaks(self, *arguments: Any) -> Any:
        raise StorageFull("no room")


def test_a_release_taken_within_one_store_moves_no_bytes_and_obeys_the_rules_here() -> None:
    """A strict index takes by promotion what it would take by upload, and a failure on the way leaves nothing."""
    clock = Clock()
    clock.advance(NOON)
    yard = Yard(MemoryRecords("records", clock), MemoryBlobs(), clock)
    copying_nothing: Any = Broken(yard.blobs, "draft")

    def another(label: str, records: Any = yard.records, **settings: Any) -> Private:
        return Private(label, records, copying_nothing, clock, inline, yard.announcements, yard.inspectors, **settings)

    staging = private(yard)
    publish(yard, staging)
    local, data = make_wheel("alpha", "1.0+local")
    publish(yard, staging, local, data)
    production, strict = another("production"), another("strict", strict=True)
    assert [record.file.filename for record in now(production.take(ALPHA, "1.0", staging, "ada", True))] == [WHEEL]
    with pytest.raises(InvalidUpload, match="local"):
        now(strict.take(ALPHA, "1.0+local", staging, "ada", True))
    assert not now(strict.has(ALPHA))

    failing = another("failing", Over(yard.records, Broken(yard.records.files, "place")))
    with pytest.raises(StorageFull):
        now(failing.take(ALPHA, "1.0", staging, "ada", True))
    assert not now(failing.has(ALPHA))
    now(yard.records.files.add("failing", ALPHA, now(staging.release(ALPHA, "1.0+local"))[0], "add", None))
    with pytest.raises(StorageFull):
        now(failing.take(ALPHA, "1.0", staging, "ada", False))
    assert [record.version for record in now(failing.release(ALPHA, None))] == ["1.0+local"]


class Over:
    """Records with other books of files."""

    def __init__(self, records: MemoryRecords, files: Any) -> None:
        self._records = records
        self.files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)
