"""How an upload's two blobs come to the disk: side by side, both before the record, and no failure of either unheard."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import Conflict, NoSuchProject, StorageFull
from pypidaemon.indexes.private.index import Private
from pypidaemon.interfaces import IDraft
from pypidaemon.model import Digest, Filename, Standing
from pypidaemon.records.memory import MemoryRecords
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
    Yard,
    files,
    publish,
    upload,
)
from tests.gear import inline, later, now, waiting


class Watched:
    """A draft whose commit waits for the store's bell, and fails while the store is told so."""

    def __init__(self, draft: IDraft, store: Store) -> None:
        self.draft, self.store = draft, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draft, name)

    async def commit(self, expected: Digest | None) -> Digest:
        which = "sidecar" if expected is None else "file"
        self.store.committing.append(which)
        if which in self.store.slow:
            await self.store.bell.wait()
        if which in self.store.full:
            raise StorageFull("no room")
        return await self.draft.commit(expected)


@attrs.define
class Store:
    """A store of such drafts."""

    blobs: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    slow: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    committing: list[str] = attrs.field(factory=list)
    bell: Bell = attrs.field(factory=Bell)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blobs, name)

    async def draft(self) -> Watched:
        return Watched(await self.blobs.draft(), self)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def yard(store: Store) -> Yard:
    clock = Clock()
    clock.advance(NOON)
    return Yard(MemoryRecords("records", clock), store, clock)  # type: ignore[arg-type]  # enough of one


@pytest.fixture
def index(yard: Yard) -> Private:
    return Private("private", yard.records, yard.blobs, yard.clock, inline, yard.announcements, yard.inspectors)


@pytest.mark.parametrize("slow", [("file",), ("sidecar",), ("file", "sidecar")])
def test_law_7_file_and_sidecar_are_on_their_way_at_once_and_recorded_when_both_are_there(
    slow: tuple[str, ...], yard: Yard, index: Private, store: Store
) -> None:
    """Whichever takes longer."""
    store.slow = slow
    publishing = later(index.publish(upload(WHEEL), yard.draft(WHEEL_BYTES), "ada", False))
    assert sorted(store.committing) == ["file", "sidecar"]
    assert waiting(publishing)
    with pytest.raises(NoSuchProject):
        now(index.project_page(ALPHA))
    store.bell.ring()
    assert not now(publishing).repeated
    assert list(files(index)) == [WHEEL]
    assert sorted(store.committing) == ["file", "sidecar"]


@pytest.mark.parametrize("full", [("file",), ("sidecar",), ("file", "sidecar")])
@pytest.mark.parametrize("slow", [(), ("file",), ("sidecar",)])
def test_F53_without_room_for_either_there_is_nothing_to_see(
    full: tuple[str, ...], slow: tuple[str, ...], yard: Yard, index: Private, store: Store
) -> None:
    """Whichever is told first; and trying again succeeds."""
    store.full, store.slow = full, slow
    publishing = later(index.publish(upload(WHEEL), yard.draft(WHEEL_BYTES), "ada", False))
    store.bell.ring()
    with pytest.raises(StorageFull):
        now(publishing)
    with pytest.raises(NoSuchProject):
        now(index.project_page(ALPHA))
    now(index.publisher.keeping.land())
    store.full = store.slow = ()
    assert not publish(yard, index).repeated
    assert list(files(index)) == [WHEEL]


def test_the_page_with_a_file_more_is_at_hand_and_is_what_the_records_say(yard: Yard, index: Private) -> None:
    """Of a project that is new, of one that is not, and where a file is replaced."""
    overwriting = attrs.evolve(index, overwrite=True)
    for filename, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (LATER, LATER_BYTES), (WHEEL, OTHER_BYTES)):
        serial = publish(yard, overwriting, filename, data, replacing=True).serial
        held = overwriting.pages.shelf.get(ALPHA)
        assert (held is None) is (data is OTHER_BYTES)
        page = now(overwriting.project_page(ALPHA))
        assert page.serial == serial
        yard.announcements.announce(None)
        assert now(overwriting.project_page(ALPHA)) == page
    assert set(files(overwriting)) == {WHEEL, SDIST, LATER}


def test_what_another_process_did_meanwhile_is_on_the_page_too(yard: Yard, index: Private) -> None:
    """Of which this one has not heard yet."""
    publish(yard, index)
    other = Private("private", yard.records, yard.blobs, yard.clock, inline, Announcements(), yard.inspectors)
    publish(yard, other, SDIST, SDIST_BYTES)
    publish(yard, index, LATER, LATER_BYTES)
    assert set(files(index)) == {WHEEL, SDIST, LATER}
    with pytest.raises(Conflict):
        publish(yard, index, SDIST, SDIST_BYTES + b"more")


@pytest.mark.parametrize("known", [False, True])
def test_what_another_process_did_and_told_before_one_heard_of_ones_own_is_on_the_page_too(known: bool, yard: Yard, index: Private) -> None:
    if known:
        publish(yard, index, LATER, LATER_BYTES)
    other = Private("private", yard.records, yard.blobs, yard.clock, inline, Announcements(), yard.inspectors)
    entering = yard.records.files.enter

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(yard.records.files, name)

        async def enter(self, *args: Any) -> Any:
            entered = await entering(*args)
            publish(yard, other, SDIST, SDIST_BYTES)
            yard.announcements.announce(ALPHA)
            return entered

    class Records:
        files = Slow()

    index.publisher.records = Records()  # type: ignore[assignment]
    publish(yard, index)
    assert {WHEEL, SDIST} <= set(files(index))


def test_a_file_that_was_deleted_meanwhile_elsewhere_is_not_replaced(yard: Yard, index: Private) -> None:
    """A tombstone stays one, whichever process hears of it when (R181)."""
    overwriting = attrs.evolve(index, overwrite=True)
    publish(yard, overwriting)
    looking = yard.records.files.look

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(yard.records.files, name)

        async def look(self, *args: Any) -> Any:
            found = await looking(*args)
            await yard.records.files.place("private", ALPHA, (Filename(WHEEL),), Standing.DELETED, "remove release")
            return found

    class Records:
        files = Slow()

    overwriting.publisher.records = Records()  # type: ignore[assignment]
    overwriting.pages.forget(None)
    with pytest.raises(Conflict, match="used before"):
        publish(yard, overwriting, data=OTHER_BYTES, replacing=True)
    assert files(index) == {}


@pytest.mark.parametrize("lost", ["file", "sidecar", "both"])
def test_F99_what_is_uploaded_again_after_it_was_lost_is_whole(lost: str, yard: Yard, index: Private, store: Store) -> None:
    """Though the records have the file, so that the answer is that it was here."""
    file = publish(yard, index).file
    assert file.digest is not None
    assert file.core_metadata is not None
    for digest in {"file": [file.digest], "sidecar": [file.core_metadata], "both": [file.digest, file.core_metadata]}[lost]:
        now(store.remove(Digest(digest)))
    assert publish(yard, index).repeated
    assert yard.held() == {file.digest, file.core_metadata}


def test_F99_what_was_cut_off_is_replaced_when_it_is_uploaded_again(yard: Yard, index: Private, store: Store) -> None:
    file = publish(yard, index).file
    assert file.digest is not None
    store.blobs._blobs[Digest(file.digest)] = WHEEL_BYTES[:-1]
    assert publish(yard, index).repeated
    content = now(store.open(Digest(file.digest)))
    assert content.size == len(WHEEL_BYTES)


def test_what_is_whole_is_not_written_again(yard: Yard, index: Private, store: Store) -> None:
    publish(yard, index)
    store.committing.clear()
    assert publish(yard, index).repeated
    assert store.committing == []


def test_the_same_again_is_told_the_serial_of_now_though_nobody_has_asked_for_the_page(yard: Yard, index: Private) -> None:
    """Which is not made yet with the file that came behind it."""
    now(index.publish(upload(WHEEL), yard.draft(WHEEL_BYTES), "ada", False))
    last = now(index.publish(upload(SDIST), yard.draft(SDIST_BYTES), "ada", False))
    again = now(index.publish(upload(WHEEL), yard.draft(WHEEL_BYTES), "ada", False))
    assert (again.repeated, again.serial) == (True, last.serial)


def test_what_was_uploaded_is_logged_a_moment_later_and_at_the_end_whatever_was_not(yard: Yard, index: Private, lines: list[str]) -> None:
    """Of a burst of uploads all that was taken is written at one stroke."""

    def said() -> list[str]:
        return [line for line in lines if "uploaded" in line]

    for name, data in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES)):
        now(index.publish(upload(name), yard.draft(data), "ada", False))
    assert said() == []
    yard.clock.advance(1)
    assert [line.partition(", sha256 ")[0] for line in said()] == [f"private: ada uploaded {name}" for name in (WHEEL, SDIST)]
    now(index.publish(upload(LATER), yard.draft(LATER_BYTES), "ada", False))
    now(index.stopService())
    assert len(said()) == 3
