"""The blob stores under their common contract, and what the one on disk promises besides."""

from __future__ import annotations

import errno
import fcntl
import gc
import itertools
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase
from zope.interface import directlyProvides, providedBy
from zope.interface.verify import verifyObject

from pypidaemon import flushing
from pypidaemon.blobs import lately, shelving
from pypidaemon.blobs.directory import ROUNDS, TOGETHER, DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.blobs.writing import Document
from pypidaemon.errors import CorruptContent, NoSuchBlob, PypidaemonError, StorageFailed, StorageFull
from pypidaemon.files import Files
from pypidaemon.indexes.private.desk import Desk
from pypidaemon.indexes.private.slight import SlightDraft
from pypidaemon.interfaces import IKeeping, IOnDisk
from pypidaemon.model import Digest
from pypidaemon.threads import Threads
from tests.contracts.blob_store import BlobStoreContract, held, put, sha256, whole
from tests.contracts.test_twofold_blobs import Whole
from tests.gear import inline, later, now


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def folder(case: TestCase) -> Path:
    """A new folder that is gone when the test is."""
    made = tempfile.TemporaryDirectory()
    case.addCleanup(made.cleanup)
    return Path(made.name)


class MemoryContract(BlobStoreContract, TestCase):
    """In memory."""

    def make(self) -> MemoryBlobs:
        self.clock = Clock()
        return MemoryBlobs(clock=self.clock)

    def age(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def damage(self, digest: Digest, data: bytes) -> None:
        self.store._blobs[digest] = data

    def moment(self) -> float:
        return self.clock.seconds()


class DirectoryContract(BlobStoreContract):
    """How the disk of a test gets old and goes bad."""

    def age(self, seconds: float) -> None:
        for place in self.store.path.rglob("*"):
            if place.is_file():
                os.utime(place, (time.time() - seconds,) * 2)

    def damage(self, digest: Digest, data: bytes) -> None:
        (self.store.path / digest[:2] / digest[2:4] / digest).write_bytes(data)


class InlineDirectoryContract(DirectoryContract, TestCase):
    """In a folder, without threads."""

    def make(self) -> DirectoryBlobs:
        store = DirectoryBlobs(folder(self) / "blobs", "blobs", inline)
        store.startService()
        return store


class ThreadedDirectoryContract(DirectoryContract, TestCase):
    """In a folder, on real threads."""

    def make(self) -> DirectoryBlobs:
        threads = Threads(reactor, "disk", 4)  # type: ignore[arg-type]  # the module that is the reactor
        threads.startService()
        self.addCleanup(threads.stopService)
        store = DirectoryBlobs(folder(self) / "blobs", "blobs", threads)
        store.startService()
        return store


class AheadDirectoryContract(DirectoryContract, TestCase):
    """In a folder where who keeps something waits for the disk once, and what he kept has two names for a moment."""

    def make(self) -> DirectoryBlobs:
        store = DirectoryBlobs(folder(self) / "blobs", "blobs", inline, Clock(), files=Whole())
        store.startService()
        return store


class Slight:
    """A store whose drafts stay in memory while they are small."""

    def __init__(self, store: DirectoryBlobs) -> None:
        self.store, self.desk = store, Desk(store, store, Clock())
        directlyProvides(self, providedBy(store))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def draft(self) -> SlightDraft:
        return SlightDraft(self.desk)


class SlightDraftContract(DirectoryContract, TestCase):
    """In a folder, with such drafts."""

    def make(self) -> Slight:
        store = DirectoryBlobs(folder(self) / "blobs", "blobs", inline)
        store.startService()
        return Slight(store)


class MemoryLimitTests(TestCase):
    """The memory store can be full too."""

    async def test_F53_beyond_the_limit_nothing_is_taken_and_what_was_there_stays(self) -> None:
        store = MemoryBlobs(limit=10)
        draft = await store.draft()
        await draft.write(b"12345678")
        with pytest.raises(StorageFull):
            await draft.write(b"123")
        assert await draft.read(0, 100) == b"12345678"
        await draft.write(b"90")
        digest = await draft.commit(None)
        await store.remove(digest)
        assert await put(store, b"abcdefghij") == sha256(b"abcdefghij")
        assert await put(store, b"") == sha256(b"")


class OnDiskTests(TestCase):
    """What a folder promises besides: modes, durability, room, and order after a crash."""

    def setUp(self) -> None:
        # Whether the volume is synced as a whole depends on what else this machine has written.
        self.patch(flushing, "_is_known", lambda _: False)
        self.path = folder(self) / "blobs"
        self.store = self.started()

    def started(self) -> DirectoryBlobs:
        store = DirectoryBlobs(self.path, "blobs", inline)
        store.startService()
        return store

    def drafts(self) -> list[str]:
        return sorted(os.listdir(self.path / "drafts"))

    def file(self, data: bytes) -> Path:
        digest = sha256(data)
        return self.path / digest[:2] / digest[2:4] / digest

    def refuses_to_start(self, *words: str) -> None:
        with pytest.raises(PypidaemonError) as caught:
            self.started()
        text = str(caught.value)
        assert "\n" not in text
        assert str(self.path) not in text
        for word in ("[blobs:blobs]", *words):
            assert word in text

    async def test_it_is_a_service(self) -> None:
        verifyObject(IService, self.store)
        assert self.store.running

    async def test_contents_say_where_the_door_may_send_them_from_and_drafts_do_not(self) -> None:
        draft = await self.store.draft()
        assert not IOnDisk.providedBy(draft)
        await draft.write(b"data")
        content = await self.store.open(await draft.commit(None))
        verifyObject(IOnDisk, content)
        assert content.path == str(self.file(b"data"))
        assert Path(content.path).read_bytes() == b"data"
        content.close()
        draft.close()

    async def test_S9_a_draft_that_nobody_waits_for_any_more_is_removed(self) -> None:
        held: list[Callable[[], None]] = []

        async def slow(function: Callable[..., Any], /, *args: Any) -> Any:
            passing: Deferred[None] = Deferred()
            held.append(lambda: passing.callback(None))
            await passing
            return function(*args)

        self.store.disk = slow
        asked = Deferred.fromCoroutine(self.store.draft())
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        while held:
            held.pop()()
        assert self.drafts() == []

    async def test_S7_folders_and_files_are_for_the_daemon_alone_whatever_the_umask(self) -> None:
        before = os.umask(0)
        try:
            self.path = self.path / "deep" / "er"
            self.store = self.started()
            await put(self.store, b"data")
        finally:
            os.umask(before)
        place = self.file(b"data")
        for made in (self.path.parent, self.path, self.path / "drafts", place.parent, place.parent.parent):
            assert stat.S_IMODE(made.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.stat().st_mode) == 0o600

    async def test_S7_a_symbolic_link_in_place_of_the_folder_is_refused_and_not_written_through(self) -> None:
        real = self.path
        empty = folder(self) / "blobs"
        empty.mkdir()
        self.path = real.with_name("link")
        self.path.symlink_to(empty)
        self.refuses_to_start("symbolic link")
        assert list(empty.iterdir()) == []

    async def test_S7_a_folder_others_can_write_to_is_refused(self) -> None:
        for place in (self.path, self.path / "drafts"):
            for mode in (0o720, 0o702, 0o777):
                place.chmod(mode)
                self.refuses_to_start(f"{mode:04o}")
            place.chmod(0o755)
        self.started()

    async def test_a_file_in_place_of_the_folder_is_refused_with_one_line(self) -> None:
        self.path = self.path / "file"
        self.path.write_bytes(b"")
        self.refuses_to_start()
        self.path = self.path / "below"
        self.refuses_to_start("cannot be used")

    async def test_S7_what_is_planted_under_a_blobs_name_is_neither_followed_nor_waited_for(self) -> None:
        secret = folder(self) / "blobs"
        secret.write_bytes(b"secret")
        place = self.file(b"data")
        place.parent.mkdir(parents=True)
        for plant in (lambda: place.symlink_to(secret), lambda: os.mkfifo(place), place.mkdir):
            plant()
            with pytest.raises(NoSuchBlob):
                await self.store.open(sha256(b"data"))
            place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
        place.symlink_to(secret)
        await put(self.store, b"data")
        assert not place.is_symlink()
        assert secret.read_bytes() == b"secret"

    async def test_what_is_no_blob_is_not_told_of(self) -> None:
        digest = await put(self.store, b"data")
        for stray in ("README", "ab", "zz"):
            (self.path / stray).write_bytes(b"") if stray == "README" else (self.path / stray).mkdir(exist_ok=True)
        (self.file(b"data").parent / "stray").write_bytes(b"")
        (self.file(b"data").parent / ("f" * 64)).write_bytes(b"")
        assert await held(self.store) == {digest}

    async def test_law_7_file_synced_before_it_is_moved_and_folders_synced_after(self) -> None:
        steps: list[str] = []

        def name(descriptor: int) -> str:
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            return str(path.relative_to(self.path)) if path != self.path else "."

        def record(function: Callable[..., Any], describe: Callable[..., str]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                steps.append(describe(*args))
                return function(*args, **kwargs)

            return wrapped

        draft = await self.store.draft()
        await draft.write(b"data")
        unfinished = f"drafts/{self.drafts()[0]}"
        self.patch(os, "fsync", record(os.fsync, lambda descriptor: f"sync {name(descriptor)}"))
        self.patch(os, "rename", record(os.rename, lambda *_: "rename"))
        self.patch(os, "mkdir", record(os.mkdir, lambda made, _: f"make {Path(made).relative_to(self.path)}"))
        digest = await draft.commit(None)
        outer, inner = digest[:2], f"{digest[:2]}/{digest[2:4]}"
        expected = [f"sync {unfinished}", f"make {outer}", f"make {inner}", "rename", "sync .", f"sync {outer}", f"sync {inner}"]
        assert steps == expected
        draft.close()
        assert self.drafts() == []

        # A folder once known to be durable needs no second sync; the file and its own folder always do.
        steps.clear()
        await put(self.store, b"data")
        assert [step for step in steps if not step.startswith("sync drafts/")] == ["rename", f"sync {inner}"]

    async def test_F78_the_folder_of_the_blobs_is_durable_itself_whoever_made_it(self) -> None:
        synced: list[str] = []
        real = os.fsync

        def sync(descriptor: int) -> None:
            synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            real(descriptor)

        self.patch(os, "fsync", sync)
        above = self.path.parent
        self.path = above / "deep" / "er" / "blobs"
        self.started()
        assert synced == [str(above), str(above / "deep"), str(above / "deep" / "er")]
        # Who made it may have been killed before it was durable.
        synced.clear()
        self.started()
        assert synced == [str(above / "deep"), str(above / "deep" / "er")]

    async def test_F78_a_folder_above_that_cannot_be_synced_by_its_nature_keeps_nobody_from_starting(self) -> None:
        for number in (errno.EINVAL, errno.EROFS, errno.EIO):

            def refuse(_: int, number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            patch = self.patch(os, "fsync", refuse)
            if number == errno.EIO:
                self.refuses_to_start("cannot be used: Input/output error")
            else:
                assert self.started().failed == ""
            patch.restore()

    async def test_F78_a_folder_above_that_can_be_gone_through_and_not_read_keeps_nobody_from_starting(self) -> None:
        real = os.open

        def closed(path: Any, *args: Any) -> int:
            if path == str(self.path.parent):
                raise PermissionError(errno.EACCES, "denied")
            return real(path, *args)

        self.patch(os, "open", closed)
        assert self.started().running

    async def test_F78_whoever_renews_a_blob_that_another_process_left_makes_it_durable_once(self) -> None:
        """That process may have been killed between moving it there and syncing the folder."""
        mine, theirs = await put(self.store, b"mine"), await put(self.started(), b"theirs")
        synced: list[str] = []
        real = os.fsync

        def sync(descriptor: int) -> None:
            synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), self.path))
            real(descriptor)

        self.patch(os, "fsync", sync)
        assert await self.store.renew([mine, theirs, sha256(b"nowhere")]) == {mine, theirs}
        outer, inner = theirs[:2], f"{theirs[:2]}/{theirs[2:4]}"
        assert synced == [".", outer, inner]
        assert await self.store.renew([mine, theirs]) == {mine, theirs}
        assert len(synced) == 3
        # What was taken away and came back is not what was synced.
        await self.store.remove(theirs)
        await put(self.started(), b"theirs")
        synced.clear()
        assert await self.store.renew([theirs]) == {theirs}
        assert synced == [inner]

    async def test_F78_of_so_many_blobs_it_is_remembered_that_they_are_durable(self) -> None:
        self.patch(shelving, "REMEMBERED", 2)
        digests = [await put(self.store, b"%d" % number) for number in range(7)]
        synced: list[int] = []
        real = os.fsync
        self.patch(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
        await self.store.renew(digests[-3:])
        assert synced == []
        await self.store.renew(digests[:3])
        assert len(synced) == 3

    async def test_a_damaged_blob_is_mended_by_its_equal(self) -> None:
        await put(self.store, b"data")
        self.file(b"data").write_bytes(b"rust")
        await put(self.store, b"data")
        assert self.file(b"data").read_bytes() == b"data"

    async def test_a_folder_tidied_away_meanwhile_is_made_again(self) -> None:
        digest = await put(self.store, b"data")
        await self.store.remove(digest)
        place = self.file(b"data")
        place.parent.rmdir()
        place.parent.parent.rmdir()
        await put(self.store, b"data")
        assert place.read_bytes() == b"data"

    async def test_F53_F56_F57_no_room_while_writing_leaves_the_draft_as_it_was(self) -> None:
        real = os.pwrite
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            draft = await self.store.draft()
            await draft.write(b"before")
            calls: list[int] = []

            def half(descriptor: int, data: Any, offset: int, number: int = number, calls: list[int] = calls) -> int:
                calls.append(offset)
                if len(calls) > 1:
                    raise OSError(number, os.strerror(number))
                return real(descriptor, data[:2], offset)

            patch = self.patch(os, "pwrite", half)
            with pytest.raises(StorageFull):
                await draft.write(b"more than fits")
            patch.restore()
            assert len(calls) == 2
            assert (self.path / "drafts" / self.drafts()[0]).read_bytes() == b"before"
            assert await draft.read(0, 100) == b"before"
            await draft.write(b" after")
            assert await draft.commit(None) == sha256(b"before after")
            draft.close()

    async def test_F53_no_room_for_a_draft_or_at_commit_leaves_nothing_behind(self) -> None:
        def full(*_: Any, **__: Any) -> Any:
            raise OSError(errno.ENOSPC, "full")

        for name in ("fsync", "rename", "mkdir"):
            draft = await self.store.draft()
            await draft.write(name.encode())
            patch = self.patch(os, name, full)
            with pytest.raises(StorageFull):
                await draft.commit(None)
            patch.restore()
            with pytest.raises(CorruptContent):
                await draft.read(0, 1)
            draft.close()
            assert self.drafts() == []
            assert await held(self.store) == set()
        patch = self.patch(os, "open", full)
        with pytest.raises(StorageFull):
            await self.store.draft()
        patch.restore()

    async def test_what_is_kept_at_once_is_a_blob_as_durable_as_any(self) -> None:
        verifyObject(IKeeping, self.store)
        digest = await self.store.keep(b"data", None)
        assert digest == sha256(b"data")
        content = await self.store.open(digest)
        assert await content.read(0, 100) == b"data"
        content.close()
        steps: list[str] = []
        real = os.fsync
        patch = self.patch(os, "fsync", lambda descriptor: (steps.append("sync"), real(descriptor)))
        await self.store.keep(b"data", None)
        patch.restore()
        # The file, and the folder that it is in.
        assert steps == ["sync"] * 2
        assert self.drafts() == []

    async def test_what_is_made_of_a_content_is_kept_beside_it_and_as_durable(self) -> None:
        steps: list[str] = []
        real_sync, real_rename = os.fsync, os.rename
        self.patch(os, "fsync", lambda descriptor: (steps.append("sync"), real_sync(descriptor)))
        self.patch(os, "rename", lambda old, new: (steps.append("move"), real_rename(old, new)))
        assert await self.store.keep(b"data", sha256(b"data"), lambda data: data[:2]) == sha256(b"data")
        assert await held(self.store) == {sha256(b"data"), sha256(b"da")}
        assert steps[:2] == ["sync"] * 2
        assert steps.count("move") == 2
        assert await self.store.keep(b"other", None, lambda _: None) == sha256(b"other")
        assert await held(self.store) == {sha256(b"data"), sha256(b"da"), sha256(b"other")}
        assert self.drafts() == []

    async def test_nothing_is_made_of_a_content_that_is_not_the_expected_one(self) -> None:
        made: list[bytes] = []
        with pytest.raises(CorruptContent):
            await self.store.keep(b"data", sha256(b"right"), made.append)
        assert made == []

    async def test_F53_where_there_is_no_room_for_what_is_made_of_a_content_nothing_is_left_of_either(self) -> None:
        real = os.pwrite

        def narrow(descriptor: int, data: Any, offset: int) -> int:
            if bytes(data) == b"beside":
                raise OSError(errno.ENOSPC, "full")
            return real(descriptor, data, offset)

        self.patch(os, "pwrite", narrow)
        with pytest.raises(StorageFull):
            await self.store.keep(b"data", None, lambda _: b"beside")
        assert await held(self.store) == set()
        assert self.drafts() == []

    async def test_law_7_what_is_kept_together_is_synced_before_any_of_it_is_moved_and_its_folders_after(self) -> None:
        steps: list[str] = []
        synced: set[Path] = set()
        real_sync, real_rename = os.fsync, os.rename

        def sync(descriptor: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            steps.append("sync folder" if _is_folder(descriptor) else "sync file")
            synced.add(path)
            real_sync(descriptor)

        def rename(draft: str, place: str) -> None:
            steps.append("move")
            assert Path(draft) in synced
            synced.discard(Path(place).parent)
            moved.append(Path(place).parent)
            real_rename(draft, place)

        moved: list[Path] = []
        documents = [Document(b"%d" % number, sha256(b"%d" % number)) for number in range(30)]
        self.patch(os, "fsync", sync)
        self.patch(os, "rename", rename)
        self.patch(flushing, "flushed", lambda *_: False)
        assert self.store._shelves.keep(documents) == [document.expected for document in documents]
        # Files, then the moves, then the parents of new folders and the folders moved to.
        assert [kind for kind, _ in itertools.groupby(steps)] == ["sync file", "move", "sync folder"]
        assert steps.count("sync file") == steps.count("move") == len(documents)
        assert set(moved) <= synced
        # Where the folders are known to be durable, each of them is synced once and nothing else is.
        steps.clear()
        self.store._shelves.keep([*documents, *documents])
        assert steps.count("sync folder") == len(set(moved))
        assert self.drafts() == []

    async def test_law_7_where_the_volume_is_synced_it_is_synced_before_anything_is_moved_and_once_more_after(self) -> None:
        steps: list[str] = []
        real_rename = os.rename
        self.patch(os, "rename", lambda *paths: (steps.append("move"), real_rename(*paths)))
        self.patch(os, "fsync", lambda _: steps.append("sync one"))
        works = True

        def flushed(descriptor: int, count: int) -> bool:
            assert os.path.samestat(os.fstat(descriptor), os.stat(self.path))
            steps.append(f"sync all for {count}")
            return works

        self.patch(flushing, "flushed", flushed)
        documents = [Document(b"%d" % number, None, bytes.upper if number == 1 else None) for number in range(3)]
        assert self.store._shelves.keep(documents) == [sha256(b"%d" % number) for number in range(3)]
        files, after = steps[0], steps[-1]
        assert steps == ["sync all for 4", *["move"] * 4, after]
        # Folders of which it is known that they are durable are synced no more, whatever way that was.
        steps.clear()
        self.store._shelves.keep(documents)
        assert steps == [files, *["move"] * 4, "sync all for 3"]
        # Where it fails or would take longer each is synced alone.
        works = False
        steps.clear()
        self.store._shelves.keep(documents)
        assert steps == [files, *["sync one"] * 4, *["move"] * 4, "sync all for 3", *["sync one"] * 3]

    async def test_law_7_F60_a_disk_that_fails_the_whole_volume_once_is_not_asked_about_any_part_of_it(self) -> None:
        """Each would hear that all is well: of what failed one is told who asks first."""
        for failing in (1, 2):
            store = self.started()
            asked = itertools.count(1)

            def flushed(*_: int, failing: int = failing, asked: Iterator[int] = asked) -> bool:
                if next(asked) == failing:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return True

            self.patch(flushing, "flushed", flushed)
            self.patch(os, "fsync", lambda _: None)
            outcomes = store._shelves.keep([Document(b"%d %d" % (failing, number)) for number in range(3)])
            assert [type(outcome) for outcome in outcomes] == [StorageFailed] * 3
            assert "nothing more is stored until a restart" in store.failed
            # Before the move nothing is left; after it the records know of nothing.
            assert self.drafts() == []
            with pytest.raises(StorageFailed):
                await store.keep(b"more", None)

    async def test_F60_where_the_whole_volume_can_only_be_read_this_fails_and_the_next_may_not(self) -> None:
        asked = itertools.count()

        def flushed(*_: int) -> bool:
            if next(asked) == 0:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return True

        self.patch(flushing, "flushed", flushed)
        assert [type(outcome) for outcome in self.store._shelves.keep([Document(b"a"), Document(b"b")])] == [StorageFailed] * 2
        assert (self.store.failed, self.drafts()) == ("", [])
        assert self.store._shelves.keep([Document(b"a")]) == [sha256(b"a")]

    async def test_what_is_written_and_stored_at_one_stroke_is_new_anyway_and_a_new_folder_is_nobody_elses(self) -> None:
        done: list[str] = []
        for name in ("utime", "mkdir"):
            real = getattr(os, name)
            self.patch(os, name, lambda path, *args, name=name, real=real, **more: (done.append(name), real(path, *args, **more))[1])
        self.patch(fcntl, "flock", lambda descriptor, how, real=fcntl.flock: (done.append(f"hold {how}"), real(descriptor, how))[1])
        self.patch(flushing, "flushed", lambda *_: True)
        self.store._shelves.keep([Document(b"data")])
        assert done == [f"hold {fcntl.LOCK_EX}", "mkdir", "mkdir"]
        # Who takes away may be looking at what was there before.
        done.clear()
        self.store._shelves.keep([Document(b"data")])
        assert done == [f"hold {fcntl.LOCK_EX}", f"hold {fcntl.LOCK_SH}"]
        # The last byte of a draft may have been written long ago.
        done.clear()
        await put(self.store, b"data")
        assert done[-1] == "utime"

    async def test_law_7_what_came_a_moment_ago_is_new_without_a_word_unless_it_is_another_file_by_now(self) -> None:
        """Somebody else's may be taken back by him, who goes by its time."""
        touched: list[str] = []
        self.patch(os, "utime", lambda path, *args, real=os.utime, **more: (touched.append(str(path)), real(path, *args, **more))[1])
        ours, theirs, old = [await self.store.keep(data, None) for data in (b"ours", b"theirs", b"old")]
        await self.started().keep(b"theirs", None)
        os.utime(self.file(b"old"), (time.time() - 1000,) * 2)
        touched.clear()
        assert await self.store.renew([ours, theirs, old, sha256(b"nowhere")]) == {ours, theirs, old}
        assert sorted(touched) == sorted(str(self.file(data)) for data in (b"theirs", b"old"))
        assert time.time() - self.file(b"old").stat().st_mtime < 500
        self.file(b"ours").unlink()
        assert await self.store.renew([ours, theirs]) == {theirs}
        await self.store.keep(b"ours", None)
        await self.store.remove(ours)
        assert await self.store.renew([ours]) == set()

    async def test_law_7_what_is_new_without_a_word_is_so_to_whoever_takes_back_what_he_brought(self) -> None:
        """A bundle that turns out to be damaged takes away what came with it, save what somebody wants by then, who is about to record it."""
        digest = await self.store.keep(b"data", None)
        os.utime(self.file(b"data"), (time.time() - 30,) * 2)
        brought = time.time() - 10
        assert await self.store.renew([digest]) == {digest}
        assert not await self.store.clear(digest, brought)
        assert self.file(b"data").stat().st_mtime < brought
        assert await self.store.clear(digest, time.time() + 1)

    async def test_law_7_what_took_long_to_be_stored_came_when_it_was(self) -> None:
        """Its draft may be older than what somebody else put in its place meanwhile, and then takes back."""

        def late(shelves: Any, drafts: Any, *args: Any, real: Any = shelving.Shelves._put) -> None:
            for path, _ in drafts:
                os.utime(path, (time.time() - 30,) * 2)
            real(shelves, drafts, *args)

        self.patch(shelving.Shelves, "_put", late)
        digest = await self.store.keep(b"data", None)
        assert not await self.store.clear(digest, time.time() - 10)
        assert self.file(b"data").exists()

    async def test_of_few_blobs_it_is_remembered_when_they_came(self) -> None:
        self.patch(lately, "REMEMBERED", 2)
        known = self.store._shelves._lately
        for number in range(9):
            await self.store.renew([await self.store.keep(b"%d" % number, None)])
            assert max(len(kept) for kept in (known._inodes, known._moments, known._former_moments)) <= 2

    async def test_those_who_come_while_the_disk_is_busy_are_kept_together(self) -> None:
        gate: Deferred[None] = Deferred()
        rounds: list[int] = []

        async def disk(function: Any, /, *args: Any) -> Any:
            rounds.append(len(args[0]))
            if len(rounds) <= ROUNDS:
                await gate
            return function(*args)

        store = DirectoryBlobs(self.path, "blobs", disk)
        store.startService()
        first = [later(store.keep(b"first %d" % number, None)) for number in range(ROUNDS)]
        others = [later(store.keep(b"%d" % number, None)) for number in range(TOGETHER - 1)]
        wrong, last = later(store.keep(b"wrong", sha256(b"right"))), later(store.keep(b"last", None))
        others[0].addErrback(lambda failure: failure.trap(CancelledError) and None)
        others[0].cancel()
        gate.callback(None)
        assert rounds == [1] * ROUNDS + [TOGETHER, 1]
        assert [now(one) for one in first] == [sha256(b"first %d" % number) for number in range(ROUNDS)]
        assert [now(one) for one in others[1:]] == [sha256(b"%d" % number) for number in range(1, TOGETHER - 1)]
        with pytest.raises(CorruptContent):
            now(wrong)
        assert now(last) == sha256(b"last")
        assert now(store.keep(b"later", None)) == sha256(b"later")

    async def test_whoever_waits_hears_of_it_when_the_disk_is_not_to_be_had(self) -> None:
        async def none(function: Any, /, *args: Any) -> Any:
            raise RuntimeError("the threads are not running")

        store = DirectoryBlobs(self.path, "blobs", none)
        store.startService()
        for _ in range(ROUNDS + 1):
            with pytest.raises(RuntimeError):
                await store.keep(b"data", None)

    async def test_a_content_for_which_there_is_no_room_does_no_harm_to_those_that_are_kept_with_it(self) -> None:
        real = os.pwrite

        def narrow(descriptor: int, data: Any, offset: int) -> int:
            if bytes(data) == b"large":
                raise OSError(errno.ENOSPC, "full")
            return real(descriptor, data, offset)

        self.patch(os, "pwrite", narrow)
        outcomes = self.store._shelves.keep([Document(b"small"), Document(b"large"), Document(b"other")])
        assert [type(outcome) for outcome in outcomes] == [str, StorageFull, str]
        assert await held(self.store) == {sha256(b"small"), sha256(b"other")}
        assert self.drafts() == []

    async def test_what_cannot_be_made_of_one_content_does_no_harm_to_the_others(self) -> None:
        """Whatever goes wrong with it: archives have more ways than anybody has thought of."""

        def wrong(data: bytes) -> bytes:
            raise RecursionError("an archive in an archive in an archive")

        outcomes = self.store._shelves.keep([Document(b"one"), Document(b"two", None, wrong), Document(b"three")])
        assert [type(outcome) for outcome in outcomes] == [str, RecursionError, str]
        assert await held(self.store) == {sha256(b"one"), sha256(b"three")}
        assert self.drafts() == []

    async def test_where_the_system_takes_no_advice_about_files_they_are_kept_all_the_same(self) -> None:
        def unknown(*_: Any) -> None:
            raise OSError(errno.ENOSYS, "unknown")

        self.patch(os, "posix_fadvise", unknown)
        assert self.store._shelves.keep([Document(b"one"), Document(b"two")]) == [sha256(b"one"), sha256(b"two")]
        assert self.drafts() == []

    async def test_a_folder_tidied_away_between_two_moves_is_made_again_and_nothing_is_lost(self) -> None:
        names = [b"%d" % number for number in range(5)]
        real, calls = os.rename, []

        def rename(draft: str, place: str) -> None:
            calls.append(place)
            if len(calls) == 3:
                os.rmdir(os.path.dirname(place))
            real(draft, place)

        self.patch(os, "rename", rename)
        outcomes = self.store._shelves.keep([Document(name) for name in names])
        assert outcomes == [sha256(name) for name in names]
        assert await held(self.store) == set(outcomes)
        assert len(calls) == len(names) + 1

    async def test_F53_what_there_is_no_room_for_is_not_kept_and_leaves_nothing_behind(self) -> None:
        def full(*_: Any, **__: Any) -> Any:
            raise OSError(errno.ENOSPC, "full")

        for name in ("open", "pwrite", "fsync", "rename", "mkdir"):
            patch = self.patch(os, name, full)
            with pytest.raises(StorageFull):
                await self.store.keep(name.encode(), None)
            patch.restore()
            assert self.drafts() == []
            assert await held(self.store) == set()

    async def test_F60_what_the_disk_failed_to_keep_is_not_acknowledged_and_nothing_more_is_stored_until_a_restart(self) -> None:
        kept = await self.store.keep(b"kept before", None)

        def broken(*_: Any) -> Any:
            asked.append(1)
            raise OSError(errno.EIO, "broken")

        for folder in (False, True):
            asked: list[int] = []
            draft = await self.store.draft()
            await draft.write(b"data")
            other = await self.store.draft()
            real = os.fsync
            patch = self.patch(os, "fsync", lambda one, real=real, folder=folder: broken() if _is_folder(one) == folder else real(one))
            with pytest.raises(StorageFailed) as caught:
                await draft.commit(None)
            assert "Input/output error" in str(caught.value)
            assert not isinstance(caught.value, StorageFull)
            patch.restore()
            # Asked again, the disk might claim to have what it lost.
            for attempt in (self.store.draft(), self.store.keep(b"more", None), other.commit(None)):
                with pytest.raises(StorageFailed, match="until a restart"):
                    await attempt
            assert asked == [1]
            assert self.drafts() == []
            # What is here can be read all the same.
            content = await self.store.open(kept)
            assert await content.read(0, 100) == b"kept before"
            content.close()
            self.store = self.started()
            assert await self.store.keep(b"more", None) == sha256(b"more")

    async def test_F58_where_not_even_a_draft_can_be_removed_the_reason_is_heard_all_the_same(self) -> None:
        def read_only(*_: Any, **__: Any) -> Any:
            raise OSError(errno.EROFS, "read-only")

        kept = await put(self.store, b"kept")
        draft = await self.store.draft()
        await draft.write(b"data")
        patches = [self.patch(os, name, read_only) for name in ("pwrite", "fsync", "rename", "unlink", "utime")]
        for attempt in (draft.commit(None), self.store.keep(b"more", None), self.store.renew([kept])):
            with pytest.raises(StorageFailed, match="Read-only file system"):
                await attempt
        for patch in patches:
            patch.restore()
        draft.close()
        assert len(self.drafts()) == 2
        self.started()
        assert self.drafts() == []

    async def test_F58_a_volume_that_can_only_be_read_is_no_reason_to_stop_for_good(self) -> None:
        def read_only(*_: Any, **__: Any) -> Any:
            raise OSError(errno.EROFS, "read-only")

        for name in ("open", "pwrite", "fsync", "rename"):
            patch = self.patch(os, name, read_only)
            with pytest.raises(StorageFailed, match="Read-only file system"):
                await self.store.keep(b"data", None)
            patch.restore()
            assert self.drafts() == []
        assert await self.store.keep(b"data", None) == sha256(b"data")

    async def test_F57_a_real_file_size_limit_is_storage_full(self) -> None:
        script = """
            import resource, sys
            from pathlib import Path
            from tests.gear import inline, now
            from pypidaemon.blobs.directory import ROUNDS, TOGETHER, DirectoryBlobs
            from pypidaemon.errors import StorageFull
            store = DirectoryBlobs(Path(sys.argv[1]), "blobs", inline)
            store.startService()
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            draft = now(store.draft())
            now(draft.write(b"x" * 4000))
            try:
                now(draft.write(b"x" * 4000))
            except StorageFull:
                print("full", len(now(draft.read(0, 9999))))
        """
        root = Path(__file__).parent.parent.parent
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(self.path)],
            env={"PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == "full 4000\n"

    async def test_F65_drafts_of_the_dead_are_removed_at_start_and_those_of_the_living_are_not(self) -> None:
        draft = await self.store.draft()
        await draft.write(b"alive")
        alive = self.drafts()
        for name in ("0" * 32, "f" * 32):
            (self.path / "drafts" / name).write_bytes(b"dead")
        (self.path / "drafts" / "notes.txt").write_bytes(b"not ours")
        (self.path / "drafts" / ("a" * 32)).symlink_to("/etc/passwd")
        self.started()
        assert self.drafts() == sorted([*alive, "notes.txt", "a" * 32])
        await draft.commit(None)
        draft.close()

    async def test_what_was_removed_at_start_is_logged_in_plain_words(self) -> None:
        lines: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            if "unfinished" in (line := formatEvent(event)):
                lines.append(line)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for names in (("0",), ("0", "1")):
            for name in names:
                (self.path / "drafts" / (name * 32)).write_bytes(b"dead")
            self.started()
        assert lines == ["blobs: removed 1 unfinished draft", "blobs: removed 2 unfinished drafts"]

    async def test_a_draft_swept_away_before_it_was_locked_is_begun_again(self) -> None:
        import fcntl

        real = fcntl.flock
        swept: list[str] = []

        def sweep_first(descriptor: int, operation: int) -> None:
            if not swept:
                swept.extend(self.drafts())
                (self.path / "drafts" / swept[0]).unlink()
            real(descriptor, operation)

        self.patch(fcntl, "flock", sweep_first)
        draft = await self.store.draft()
        assert len(self.drafts()) == 1
        assert self.drafts() != swept
        await draft.write(b"data")
        assert await draft.commit(None) == sha256(b"data")
        draft.close()

    async def test_a_write_whose_waiter_left_makes_the_draft_worthless(self) -> None:
        pending: list[Callable[[], None]] = []

        async def by_hand(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            done: Deferred[Any] = Deferred()
            pending.append(lambda: done.callback(function(*args, **kwargs)))
            return await done

        draft = await self.store.draft()
        draft._disk = by_hand
        write = Deferred.fromCoroutine(draft.write(b"data"))
        write.addErrback(lambda _: None)
        write.cancel()
        pending.pop()()
        draft._disk = inline
        with pytest.raises(CorruptContent):
            await draft.commit(None)
        assert await held(self.store) == set()

    async def test_law_7_a_write_that_still_waits_for_a_thread_never_reaches_another_file_of_the_same_number(self) -> None:
        for end in ("abort", "commit"):
            pending: list[Callable[[], Any]] = []

            async def by_hand(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
                pending.append(lambda: function(*args, **kwargs))  # noqa: B023  # run within this round
                return await Deferred()

            draft = await self.store.draft()
            draft._disk = by_hand
            write = Deferred.fromCoroutine(draft.write(b"WHEEL"))
            write.addErrback(lambda _: None)
            write.cancel()
            draft._disk = inline
            if end == "abort":
                await draft.abort()
            else:
                with pytest.raises(CorruptContent):
                    await draft.commit(None)
            # The system gives the lowest number that is free to the next file: here, to somebody's database.
            victim = self.path.parent / f"records-{end}"
            victim.write_bytes(b"")
            with victim.open("r+b", buffering=0) as other:
                pending.pop()()
                assert victim.read_bytes() == b"", other
        assert self.drafts() == []

    async def test_a_disk_that_fails_within_a_write_makes_the_draft_worthless(self) -> None:
        draft = await self.store.draft()
        real, done = os.pwrite, []

        def half(descriptor: int, data: Any, position: int) -> int:
            if done:
                raise OSError(errno.EIO, "broken")
            done.append(True)
            return real(descriptor, data[:2], position)

        self.patch(os, "pwrite", half)
        with pytest.raises(StorageFailed, match="Input/output error"):
            await draft.write(b"data")
        with pytest.raises(CorruptContent):
            await draft.commit(None)
        assert await held(self.store) == set()

    async def test_a_reading_that_runs_while_its_content_is_closed_gets_its_bytes(self) -> None:
        pending: list[Callable[[], None]] = []

        async def by_hand(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            done: Deferred[Any] = Deferred()
            pending.append(lambda: done.callback(function(*args, **kwargs)))
            return await done

        content = await self.store.open(await put(self.store, b"data"))
        content._disk = by_hand
        before = len(os.listdir("/proc/self/fd"))
        reading = Deferred.fromCoroutine(content.read(0, 10))
        content.close()
        assert len(os.listdir("/proc/self/fd")) == before
        pending.pop()()
        assert await reading == b"data"
        assert len(os.listdir("/proc/self/fd")) == before - 1
        with pytest.raises(ValueError, match="closed"):
            await content.read(0, 10)

    async def test_nothing_keeps_a_descriptor_for_ever(self) -> None:
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        digest = await put(self.store, b"data")
        aborted = await self.store.draft()
        await aborted.abort()
        closed_early = await self.store.draft()
        closed_early.close()
        await closed_early.commit(None)
        content = await self.store.open(digest)
        assert await whole(content) == b"data"
        content.close()
        lost = await self.store.open(digest)
        lost_draft = await self.store.draft()
        del lost, lost_draft
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before

    async def test_F61_what_finds_no_descriptor_to_be_stored_with_keeps_none_either(self) -> None:
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        draft = await self.store.draft()
        await draft.write(b"data")

        def none_left(files: Files, path: str) -> int:
            raise OSError(errno.EMFILE, "none left")

        self.patch(Files, "folder", none_left)
        with pytest.raises(StorageFailed, match="Too many open files"):
            await draft.commit(None)
        draft.close()
        assert len(os.listdir("/proc/self/fd")) == before
        assert self.drafts() == []

    def make_old(self, *places: Path) -> None:
        """These came 100 seconds ago."""
        for place in places:
            os.utime(place, (time.time() - 100,) * 2, follow_symlinks=False)

    async def test_F62_damaged_bytes_are_kept_where_they_are_wanted_also_on_another_volume(self) -> None:
        into = self.path.parent / "damaged"
        real = os.rename

        def across(source: Any, target: Any) -> None:
            if str(target).startswith(str(into)) and not str(source).startswith(str(into)):
                raise OSError(errno.EXDEV, "another volume")
            real(source, target)

        for data in (b"one", b"two"):
            digest = await put(self.store, data)
            self.file(data).write_bytes(b"not " + data)
            content = await self.store.open(digest)
            assert await self.store.set_aside(content, into)
            content.close()
            assert (into / digest).read_bytes() == b"not " + data
            assert stat.S_IMODE((into / digest).stat().st_mode) == 0o600
            self.patch(os, "rename", across if data == b"one" else real)
        assert stat.S_IMODE(into.stat().st_mode) == 0o700
        assert len(list(into.iterdir())) == 2
        assert await held(self.store) == set()

    async def test_damaged_bytes_that_cannot_be_kept_stay_where_they_are(self) -> None:
        into = self.path.parent / "damaged"
        into.write_bytes(b"")
        digest = await put(self.store, b"one")
        content = await self.store.open(digest)
        with pytest.raises(PypidaemonError, match="cannot be set aside"):
            await self.store.set_aside(content, into)
        content.close()
        assert await held(self.store) == {digest}

    async def test_law_7_whoever_removes_a_blob_holds_its_shelf_alone(self) -> None:
        one, two = await put(self.store, b"one"), await put(self.store, b"two")
        self.make_old(self.file(b"one"), self.file(b"two"))
        real, seen = os.unlink, []

        def watched(place: str) -> None:
            shelf = os.open(os.path.dirname(place), os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(shelf, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.close(shelf)
            seen.append(os.path.basename(place))
            real(place)

        self.patch(os, "unlink", watched)
        assert await self.store.clear(one, time.time())
        content = await self.store.open(two)
        assert await self.store.set_aside(content, None)
        content.close()
        assert seen == [one, two]

    async def test_F65_old_strays_among_the_blobs_and_drafts_that_nobody_writes_are_told_of_and_removed(self) -> None:
        digest = await put(self.store, b"one")
        shelf = self.file(b"one").parent
        writing = await self.store.draft()
        places = [
            self.path / "drafts" / ("0" * 32),
            shelf.parent / "a file",
            shelf / "one.whl",
            shelf / ("f" * 64 if digest[0] != "f" else "0" * 64),
            shelf / "link",
        ]
        for place in places[:-1]:
            place.write_bytes(b"what is this")
        places[-1].symlink_to("/etc/passwd")
        left_alone = [self.path / "README", self.path / "drafts" / "notes", shelf / "young"]
        for place in left_alone:
            place.write_bytes(b"mine")
        (shelf / "folder").mkdir()
        self.make_old(*places, *left_alone[:2], shelf / "folder", Path(writing.path))
        before = time.time() - 50
        found = await self.store.strays(before)
        assert found == sorted(str(place.relative_to(self.path)) for place in places)
        self.store.path.joinpath(found[0]).touch()
        assert [await self.store.discard(stray, before) for stray in found] == [False, True, True, True, True]
        assert not await self.store.discard(found[1], before)
        assert not await self.store.discard(f"drafts/{os.path.basename(writing.path)}", before)
        assert all(place.exists() for place in left_alone)
        assert await held(self.store) == {digest}
        await writing.commit(None)
        writing.close()
