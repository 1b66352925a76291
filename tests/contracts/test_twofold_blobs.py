"""Blobs that have two names for a moment: that the disk is waited for once, and what a crash leaves of it."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from pypidaemon.blobs.directory import SETTLED, DirectoryBlobs
from pypidaemon.blobs.only_read import OnlyReadBlobs
from pypidaemon.blobs.writing import Document
from pypidaemon.blobs.writing import Whole as Drafted
from pypidaemon.errors import CorruptContent, StorageFailed
from pypidaemon.files import Files
from tests.contracts.blob_store import held, sha256
from tests.faults.press import died
from tests.gear import inline, now


class Whole(Files):
    """Files of a volume that is synced at one stroke whenever that is asked for."""

    def __init__(self) -> None:
        self.strokes = 0
        self.willing = True

    def sync_together(self, folder: int, count: int) -> bool:
        self.strokes += self.willing
        return self.willing


class TwofoldTests(TestCase):
    """Who keeps something waits for the disk once: until its place is there too it has a name that says what is in it, by which the next start finds it."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.path = Path(place.name) / "blobs"
        self.clock, self.files = Clock(), Whole()
        self.store = self.started()

    def started(self) -> DirectoryBlobs:
        store = DirectoryBlobs(self.path, "blobs", inline, self.clock, files=self.files)
        store.startService()
        return store

    def drafts(self) -> list[str]:
        return sorted(os.listdir(self.path / "drafts"))

    def place(self, data: bytes) -> Path:
        digest = sha256(data)
        return self.path / digest[:2] / digest[2:4] / digest

    def left(self, data: bytes, digest: str) -> Path:
        """What a crash has left, so it seems."""
        made = self.path / "drafts" / f"{'0' * 32}-{digest}"
        made.write_bytes(data)
        return made

    def descriptors(self) -> int:
        return sum(os.path.realpath(f"/proc/self/fd/{one}") == str(self.path) for one in os.listdir("/proc/self/fd"))

    async def test_it_has_two_names_for_a_second_and_the_disk_is_waited_for_once(self) -> None:
        assert await self.store.keep_all([(b"one", b"beside"), (b"two", None)]) == [sha256(b"one"), sha256(b"two")]
        assert self.files.strokes == 1
        assert {name[33:] for name in self.drafts()} == {sha256(data) for data in (b"one", b"beside", b"two")}
        assert [self.place(data).stat().st_nlink for data in (b"one", b"beside", b"two")] == [2, 2, 2]
        assert self.descriptors() == 1
        self.clock.advance(SETTLED)
        assert self.drafts() == []
        assert [self.place(data).read_bytes() for data in (b"one", b"beside", b"two")] == [b"one", b"beside", b"two"]
        assert (self.files.strokes, self.descriptors()) == (2, 0)
        assert not self.clock.getDelayedCalls()

    async def test_what_is_kept_next_waits_for_its_place_too(self) -> None:
        for number in range(5):
            await self.store.keep(b"%d" % number, None)
            assert [name[33:] for name in self.drafts()] == [sha256(b"%d" % number)]
        assert self.files.strokes == 5
        assert self.descriptors() == 1

    async def test_a_stop_leaves_one_name_and_no_descriptor(self) -> None:
        await self.store.keep(b"data", None)
        now(self.store.stopService())
        assert (self.drafts(), self.descriptors()) == ([], 0)
        assert self.place(b"data").stat().st_nlink == 1
        assert not self.clock.getDelayedCalls()

    async def test_what_is_there_already_is_replaced_and_waited_for_twice(self) -> None:
        await self.store.keep(b"data", None)
        self.place(b"data").write_bytes(b"damaged")
        strokes = self.files.strokes
        await self.store.keep(b"data", None)
        assert self.files.strokes == strokes + 2
        assert self.place(b"data").read_bytes() == b"data"
        self.clock.advance(SETTLED)
        assert self.drafts() == []

    async def test_one_content_twice_in_one_go(self) -> None:
        assert await self.store.keep_all([(b"data", b"data"), (b"data", None)]) == [sha256(b"data")] * 2
        self.clock.advance(SETTLED)
        assert self.drafts() == []
        assert self.place(b"data").read_bytes() == b"data"

    async def test_a_draft_of_a_file_that_is_stored_in_the_same_go_has_one_name_and_what_is_wrong_has_none(self) -> None:
        path = self.path / "drafts" / ("0" * 32)
        path.write_bytes(b"draft")
        drafted = Drafted(str(path), sha256(b"draft"), os.open(path, os.O_RDONLY))
        wrong = Document(b"wrong", sha256(b"right"))
        outcomes = self.store._shelves.keep([Document(b"data"), wrong, drafted])
        assert [outcomes[0], outcomes[2]] == [sha256(b"data"), sha256(b"draft")]
        assert isinstance(outcomes[1], CorruptContent)
        assert await held(self.store) == {sha256(b"data"), sha256(b"draft")}
        assert [name[33:] for name in self.drafts()] == [sha256(b"data")]
        now(self.store.stopService())
        assert self.drafts() == []

    async def test_a_folder_that_was_tidied_away_is_made_again(self) -> None:
        await self.store.keep(b"data", None)
        self.clock.advance(SETTLED)
        self.place(b"data").unlink()
        self.place(b"data").parent.rmdir()
        await self.store.keep(b"data", None)
        assert self.place(b"data").read_bytes() == b"data"

    async def test_where_the_volume_is_not_synced_at_one_stroke_each_folder_is(self) -> None:
        await self.store.keep(b"data", None)
        self.files.willing = False
        synced: list[str] = []
        self.patch(Files, "sync", lambda _, descriptor: synced.append(os.path.realpath(f"/proc/self/fd/{descriptor}")))
        self.clock.advance(SETTLED)
        assert synced == [str(self.place(b"data").parent)]
        assert self.drafts() == []
        await self.store.keep(b"more", None)
        assert self.drafts() == []
        assert self.place(b"more").stat().st_nlink == 1

    async def test_F60_a_disk_that_has_lost_the_places_is_not_asked_again_and_the_next_start_finds_all(self) -> None:
        await self.store.keep(b"data", None)
        (name,) = self.drafts()

        def broken(*_: Any) -> bool:
            raise OSError(errno.EIO, "broken")

        self.patch(Whole, "sync_together", broken)
        self.clock.advance(SETTLED)
        assert self.store.failed
        assert (self.drafts(), self.descriptors()) == ([name], 0)
        with pytest.raises(StorageFailed):
            await self.store.keep(b"more", None)
        self.place(b"data").unlink()
        again = self.started()
        assert await held(again) == {sha256(b"data")}
        assert self.drafts() == []

    async def test_F65_a_start_puts_what_is_whole_in_its_place_and_removes_what_is_not(self) -> None:
        self.left(b"data", sha256(b"data"))
        (self.path / "drafts" / f"{'1' * 32}-{sha256(b'more')}").write_bytes(b"mor")
        lines: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        store = self.started()
        assert await held(store) == {sha256(b"data")}
        assert self.drafts() == []
        assert lines == [
            "blobs: files that a crash had left under other names and that were put in their places: 1",
            "blobs: removed 1 unfinished draft",
        ]

    async def test_F65_what_is_in_its_place_as_well_has_one_name_after_a_start_and_a_damaged_one_is_mended(self) -> None:
        await self.store.keep(b"data", None)
        (name,) = self.drafts()
        self.started()
        assert self.drafts() == [name]
        assert await self.store.strays(time.time() + 10) == []
        died(self.store)
        self.started()
        assert self.drafts() == []
        assert self.place(b"data").stat().st_nlink == 1
        self.place(b"data").write_bytes(b"damaged")
        self.left(b"data", sha256(b"data"))
        self.started()
        assert self.drafts() == []
        assert self.place(b"data").read_bytes() == b"data"

    async def test_F65_what_a_living_process_has_open_is_its_own(self) -> None:
        made = self.left(b"data", sha256(b"data"))
        with made.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.started()
            assert self.drafts() == [made.name]
        assert await held(self.store) == set()

    async def test_F55_on_a_full_disk_it_starts_and_loses_nothing(self) -> None:
        made = self.left(b"data", sha256(b"data"))
        os.utime(made, (1, 1))

        def full(_: Files, folder: str) -> None:
            raise OSError(errno.EEXIST if os.path.isdir(folder) else errno.ENOSPC, "full")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Files, "make", full)
            store = self.started()
            assert await store.strays(time.time()) == [f"drafts/{made.name}"]
            assert not await store.discard(f"drafts/{made.name}", time.time())
        assert self.drafts() == [made.name]
        assert await store.discard(f"drafts/{made.name}", time.time())
        assert await held(store) == {sha256(b"data")}

    async def test_F65_an_old_one_that_is_not_what_its_name_says_is_removed(self) -> None:
        made = self.left(b"dat", sha256(b"data"))
        os.utime(made, (1, 1))
        assert not await self.store.discard(f"drafts/{made.name}", 0)
        assert await self.store.discard(f"drafts/{made.name}", 2)
        assert self.drafts() == []
        assert await held(self.store) == set()
        assert not await self.store.discard(f"drafts/{made.name}", 2)

    async def test_N8_who_may_change_nothing_finds_what_a_crash_left_where_it_is(self) -> None:
        made = self.left(b"data", sha256(b"data"))
        broken = self.path / "drafts" / f"{'1' * 32}-{sha256(b'more')}"
        broken.write_bytes(b"mor")
        store = OnlyReadBlobs(self.path, "blobs", inline)
        store.startService()
        assert await store.holding([sha256(b"data"), sha256(b"more")]) == {sha256(b"data")}
        content = await store.open(sha256(b"data"))
        assert await content.read(0, 10) == b"data"
        content.close()
        assert self.drafts() == [made.name, broken.name]
        now(store.stopService())
