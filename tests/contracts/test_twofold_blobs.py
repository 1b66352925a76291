"""Blobs that have two names for a moment: that the disk is waited for once, and what a crash leaves of it."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from pypidaemon.blobs import directory
from pypidaemon.blobs.directory import LONG, SETTLED, DirectoryBlobs
from pypidaemon.blobs.drafts import sweep
from pypidaemon.blobs.only_read import OnlyReadBlobs
from pypidaemon.blobs.shelving import Shelves
from pypidaemon.blobs.twofold import Twofold
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


class Gate:
    """Threads that begin with nothing until they are let."""

    def __init__(self) -> None:
        self.waiting: deque[Deferred[None]] | None = deque()

    async def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self.waiting is not None:
            self.waiting.append(Deferred())
            await self.waiting[-1]
        return function(*args, **kwargs)

    def open(self) -> None:
        """Let them, from now on."""
        waiting, self.waiting = self.waiting, None
        for one in waiting or ():
            one.callback(None)


def _refused(*_: Any) -> None:
    raise PermissionError(errno.EPERM, "files have but one name here")


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

    def left(self, data: bytes, digest: str, number: int = 0) -> Path:
        """What a crash has left, so it seems."""
        made = self.path / "drafts" / f"{number:032x}-{digest}"
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

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Whole, "sync_together", broken)
            self.clock.advance(SETTLED)
            assert self.store.failed
            assert (self.drafts(), self.descriptors()) == ([name], 0)
            with pytest.raises(StorageFailed):
                await self.store.keep(b"more", None)
            self.place(b"data").unlink()
            still = self.started()
            assert still.failed
            assert self.drafts() == [name]
            assert not await still.discard(f"drafts/{name}", time.time() + 10)
            assert self.drafts() == [name]
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

    async def test_F65_a_start_waits_for_the_disk_as_often_as_there_are_handfuls_of_them(self) -> None:
        for number in range(100):
            self.left(b"%d" % number, sha256(b"%d" % number), number)
        strokes = self.files.strokes
        store = self.started()
        assert len(await held(store)) == 100
        assert self.drafts() == []
        assert self.files.strokes == strokes + 2

    async def test_F65_where_files_have_but_one_name_a_start_moves_them(self) -> None:
        self.patch(Whole, "double", _refused)
        self.left(b"data", sha256(b"data"))
        store = self.started()
        assert await held(store) == {sha256(b"data")}
        assert self.drafts() == []

    async def test_F65_a_folder_that_is_tidied_away_meanwhile_costs_no_blob(self) -> None:
        self.left(b"data", sha256(b"data"))

        def tidied(files: Files, folder: str) -> None:
            os.mkdir(folder)
            if folder == str(self.place(b"data").parent):
                os.rmdir(folder)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Whole, "make", tidied)
            self.started()
        assert await held(self.started()) == {sha256(b"data")}

    async def test_F65_what_a_process_has_open_that_dies_meanwhile_is_left_for_the_next_start(self) -> None:
        made = self.left(b"data", sha256(b"data"))
        dying = os.open(made, os.O_RDONLY)
        fcntl.flock(dying, fcntl.LOCK_EX)

        def last(files: Files, folder: str) -> int:
            os.close(dying)
            return sweep(files, folder)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(directory, "sweep", last)
            self.started()
        assert await held(self.started()) == {sha256(b"data")}

    async def test_what_fails_because_of_what_is_beside_it_is_owed_all_the_same(self) -> None:
        await self.store.keep(b"beside", None)
        self.clock.advance(SETTLED)

        def full(*_: Any) -> None:
            raise OSError(errno.EMFILE, "full")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Whole, "rename", full)
            (outcome,) = await self.store.keep_all([(b"data", b"beside")])
        assert isinstance(outcome, StorageFailed)
        # It is said to be durable, so its first name has to be there until its place is.
        assert await self.store.renew([sha256(b"data")]) == {sha256(b"data")}
        assert [name[33:] for name in self.drafts()] == [sha256(b"data")]
        self.clock.advance(SETTLED)
        assert (self.drafts(), self.descriptors()) == ([], 0)

    async def test_what_nobody_waits_for_any_more_has_one_name_after_a_second_too(self) -> None:
        gate = Gate()
        self.store.disk = gate
        for waiting in (
            Deferred.fromCoroutine(self.store.keep(b"data", None)),
            Deferred.fromCoroutine(self.store.keep_all([(b"more", None)])),
        ):
            waiting.addErrback(lambda _: None)
            waiting.cancel()
        assert self.drafts() == []
        gate.open()
        assert [name[33:] for name in self.drafts()] == [sha256(b"more")]
        self.clock.advance(SETTLED)
        assert (self.drafts(), self.descriptors()) == ([], 0)

    async def test_what_a_large_one_took_over_has_one_name_after_a_second_too(self) -> None:
        await self.store.keep(b"data", None)
        draft = await self.store.draft()
        await draft.write(b"l" * LONG)
        self.files.willing = False
        keep = self.store._shelves.keep

        def meanwhile(documents: Any) -> Any:
            with self.store._shelves._round():
                self.clock.advance(SETTLED)
            return keep(documents)

        self.patch(Shelves, "keep", lambda _, documents: meanwhile(documents))
        await draft.commit(None)
        draft.close()
        assert len(self.drafts()) == 1
        self.clock.advance(SETTLED)
        assert (self.drafts(), self.descriptors()) == ([], 0)

    async def test_a_stop_waits_for_what_was_begun(self) -> None:
        gate = Gate()
        self.store.disk = gate
        for number in range(2):
            Deferred.fromCoroutine(self.store.keep(b"%d" % number, None))
        stopped = self.store.stopService()
        assert not stopped.called
        gate.open()
        now(stopped)
        assert await held(self.store) == {sha256(b"0"), sha256(b"1")}
        assert (self.drafts(), self.descriptors()) == ([], 0)
        assert not self.clock.getDelayedCalls()

    async def test_who_settles_leaves_alone_what_a_round_comes_back_with_meanwhile(self) -> None:
        shelves = self.store._shelves
        await self.store.keep(b"data", None)
        late = Twofold(os.open(self.path, os.O_RDONLY))
        owing = shelves._twofold

        def meanwhile(_: Files, folder: int, count: int) -> bool:
            if late not in owing:
                owing.append(late)
            return True

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Whole, "sync_together", meanwhile)
            shelves.settle()
        assert shelves.owing
        assert self.descriptors() == 1
        shelves.settle()
        assert (self.drafts(), self.descriptors()) == ([], 0)

    async def test_what_is_removed_within_its_second_is_not_there_again_after_a_crash(self) -> None:
        await self.store.keep_all([(b"data", None), (b"more", None)])
        await self.store.remove(sha256(b"data"))
        died(self.store)
        assert await held(self.started()) == {sha256(b"more")}

    async def test_what_comes_back_while_it_is_removed_keeps_both_its_names(self) -> None:
        await self.store.keep(b"data", None)
        remove, before = Files.remove, self.drafts()

        def meanwhile(files: Files, path: str) -> None:
            remove(files, path)
            if path == str(self.place(b"data")):
                now(self.store.keep(b"data", None))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Files, "remove", meanwhile)
            await self.store.remove(sha256(b"data"))
        assert [name[33:] for name in self.drafts()] == [sha256(b"data")]
        assert self.drafts() != before
        assert self.place(b"data").stat().st_nlink == 2

    async def test_a_folder_that_is_tidied_away_within_its_second_hinders_no_other(self) -> None:
        await self.store.keep_all([(b"data", None), (b"more", None)])
        await self.store.remove(sha256(b"data"))
        self.place(b"data").parent.rmdir()
        self.files.willing = False
        self.clock.advance(SETTLED)
        assert (self.drafts(), self.descriptors()) == ([], 0)
        assert await held(self.started()) == {sha256(b"more")}

    async def test_where_files_have_but_one_name_nobody_in_the_round_loses_anything(self) -> None:
        double, refused = Files.double, sha256(b"two")

        def fickle(files: Files, path: str, target: str) -> None:
            _refused() if target.endswith(refused) else double(files, path, target)

        self.patch(Whole, "double", fickle)
        assert await self.store.keep_all([(data, None) for data in (b"one", b"two", b"three")]) == [
            sha256(data) for data in (b"one", b"two", b"three")
        ]
        assert {name[33:] for name in self.drafts()} == {sha256(b"one"), sha256(b"three")}
        assert await held(self.store) == {sha256(data) for data in (b"one", b"two", b"three")}

    async def test_N8_who_may_not_look_where_a_crash_leaves_things_reads_the_rest(self) -> None:
        await self.store.keep(b"data", None)
        self.clock.advance(SETTLED)
        (self.path / "drafts").rmdir()
        (self.path / "drafts").write_bytes(b"")
        store = OnlyReadBlobs(self.path, "blobs", inline)
        store.startService()
        assert await store.holding([sha256(b"data")]) == {sha256(b"data")}
        now(store.stopService())

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
