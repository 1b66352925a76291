"""
Blobs brought to their places so that they stay there after a power cut, many in one go (law 7). All of it is done on threads.

Each is a file of its own that is synced before it is moved, and the folder that it is moved to is synced after. What is done for many at once is done once
for each folder, and the disk is waited for once where it would be waited for many times.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain

import attrs
from twisted.logger import Logger

from pypidaemon.blobs import tending
from pypidaemon.blobs.descriptors import FULL, room
from pypidaemon.blobs.drafts import append, begun, discard_at
from pypidaemon.blobs.tending import DRAFTS
from pypidaemon.errors import CorruptContent, PypidaemonError, StorageFailed
from pypidaemon.files import Files
from pypidaemon.model import Digest

REMEMBERED = 10_000
"""Blobs, at least, of which it is known that they need not be synced again."""


@attrs.frozen
class Document:
    """
    A content that is all in memory.

    :param expected: the sha256 that it is to have, where somebody promised one.
    :param beside: makes of it what is to be kept beside it, or nothing.
    """

    data: bytes
    expected: Digest | None = None
    beside: Callable[[bytes], bytes | None] | None = None


_Written = tuple[str, Digest, int]
"""The path, the digest and the descriptor of a draft."""


@attrs.define(eq=False)
class Shelves:
    """
    The folders `ab/cd` of one store, and what moves files there.

    :param label: the store's, for the log.
    """

    root: str
    label: str
    files: Files
    failed: str = attrs.field(init=False, default="")
    """Why nothing is stored any more until a restart: the disk said of something written that it is not there. "" while all is well."""
    _durable: set[str] = attrs.field(init=False, factory=set, repr=False)
    _sure: set[Digest] = attrs.field(init=False, factory=set, repr=False)
    """Blobs that this process has seen to the disk, the latest of them."""
    _were_sure: set[Digest] = attrs.field(init=False, factory=set, repr=False)
    _log = Logger()

    def check(self) -> None:
        """:raises StorageFailed: nothing is stored until a restart."""
        if self.failed:
            raise StorageFailed(self.failed)

    def sync(self, descriptor: int) -> None:
        """
        Make that durable. What a disk could not write once, it may claim to have written the next time it is asked, so it is not asked again (F60).

        :raises StorageFailed: it could not be done before.
        :raises OSError: it could not be done now.
        """
        self.check()
        try:
            self.files.sync(descriptor)
        except OSError as error:
            if error.errno not in (*FULL, errno.EROFS):
                self.failed = (
                    f"the disk failed to keep what was written ({os.strerror(error.errno or 0)}); nothing more is stored until a restart"
                )
                self._log.error("{label}: {failed}", label=self.label, failed=self.failed)
            raise

    def place(self, digest: Digest) -> str:
        """Where the blob of that digest lies."""
        return os.path.join(self.root, digest[:2], digest[2:4], digest)

    def put(self, drafts: Iterable[tuple[str, Digest]]) -> None:
        """
        Move these files, each durable in itself, to the places of their digests; durably there when this returns.

        :raises CannotStore: some of them are not, and those may be anywhere.
        """
        moved = list(drafts)
        left, digests = deque(moved), [digest for _, digest in moved]
        self._make_durable(digests)
        try:
            self._move(left)
        except FileNotFoundError:
            # Somebody tidied up an empty folder that was here a moment ago.
            self._durable.clear()
            self._make_durable(digest for _, digest in left)
            self._move(left)
        self._remember(digests)

    def renew(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """
        Those of the blobs that are here; they are of now, and would be here after a power cut.

        One that is in its place may have been moved there by a process that was killed before it synced the folder, or is about to.

        :raises StorageFull: there is no room.
        :raises StorageFailed: they cannot be made durable.
        """
        with room():
            found = tending.renewed(self.files, [(digest, self.place(digest)) for digest in digests])
        unsure = found - self._sure - self._were_sure
        self._make_durable(unsure)
        with room():
            for shelf in sorted({os.path.dirname(self.place(digest)) for digest in unsure}):
                self.sync_folder(shelf)
        self._remember(unsure)
        return found

    def forget(self, digest: Digest) -> None:
        """That blob is taken away; should it come back, it is another one."""
        self._sure.discard(digest)
        self._were_sure.discard(digest)

    def _remember(self, digests: Iterable[Digest]) -> None:
        self._sure.update(digests)
        if len(self._sure) > REMEMBERED:
            self._were_sure, self._sure = self._sure, set()

    def keep(self, documents: Sequence[Document]) -> list[Digest | Exception]:
        """
        Make each of these a blob, and answer its digest, or why it is none; nothing is left of one that failed.

        Whatever is wrong with one is no other one's business, save where a folder takes none of them.
        """
        outcomes: dict[int, Digest | Exception] = {}
        written: dict[int, list[_Written]] = {}
        with ExitStack() as files:
            for number, document in enumerate(documents):
                try:
                    written[number] = self._written(document, files)
                except Exception as error:  # noqa: BLE001  # what is made of it may fail in any way, and who waits for it hears of it
                    outcomes[number] = error
            for _, _, descriptor in chain.from_iterable(written.values()):
                # The disk begins with all of them, so waiting for one after the other takes little longer than waiting for the slowest.
                with suppress(OSError):
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            outcomes |= self._sync_drafts(written)
            durable = [number for number in written if number not in outcomes]
            try:
                self.put((path, digest) for number in durable for path, digest, _ in written[number])
                outcomes.update((number, written[number][0][1]) for number in durable)
            except (PypidaemonError, OSError) as error:
                outcomes.update(dict.fromkeys(durable, error))
            for number, drafts in written.items():
                if isinstance(outcomes[number], Exception):
                    for path, _, _ in drafts:
                        discard_at(self.files, path)
        return [outcomes[number] for number in range(len(documents))]

    def _sync_drafts(self, written: Mapping[int, Sequence[_Written]]) -> dict[int, Digest | Exception]:
        """Make these durable in themselves; answer what went wrong with which."""
        wrong: dict[int, Digest | Exception] = {}
        for number, drafts in written.items():
            try:
                with room():
                    for _, _, descriptor in drafts:
                        self.sync(descriptor)
            except (PypidaemonError, OSError) as error:
                wrong[number] = error
        return wrong

    def _written(self, document: Document, files: ExitStack) -> list[_Written]:
        """A draft that has all of that, and one of what is to be kept beside it."""
        digest = Digest(hashlib.sha256(document.data).hexdigest())
        if document.expected not in (None, digest):
            raise CorruptContent(f"the content has sha256 {digest}, promised was {document.expected}")
        beside = document.beside(document.data) if document.beside is not None else None
        drafts = [self._draft_of(document.data, digest, files)]
        if beside is not None:
            try:
                drafts.append(self._draft_of(beside, Digest(hashlib.sha256(beside).hexdigest()), files))
            except BaseException:
                discard_at(self.files, drafts[0][0])
                raise
        return drafts

    def _draft_of(self, data: bytes, digest: Digest, files: ExitStack) -> _Written:
        self.check()
        path, descriptor = begun(self.files, os.path.join(self.root, DRAFTS))
        files.callback(os.close, descriptor)
        try:
            append(self.files, descriptor, data, 0)
        except BaseException:
            discard_at(self.files, path)
            raise
        return path, digest, descriptor

    def _make_durable(self, digests: Iterable[Digest]) -> None:
        """
        Make the folders for these, and sync their parents.

        That a folder exists does not say that it would after a power cut: another thread may be about to sync it. So each process
        syncs each once, and remembers which.
        """
        inner = {os.path.join(digest[:2], digest[2:4]) for digest in digests} - self._durable
        outer = {shelf[:2] for shelf in inner} - self._durable
        for folders in (outer, inner):
            with room():
                for folder in sorted(folders):
                    with suppress(FileExistsError):
                        self.files.make(os.path.join(self.root, folder))
                for parent in sorted({os.path.dirname(folder) for folder in folders}):
                    self.sync_folder(os.path.join(self.root, parent) if parent else self.root)
            self._durable |= folders

    def sync_folder(self, folder: str) -> None:
        """
        Make the names in a folder durable; as `sync`.

        :raises StorageFailed: as `sync`.
        :raises OSError: as `sync`.
        """
        descriptor = self.files.folder(folder)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def _move(self, left: deque[tuple[str, Digest]]) -> None:
        """Move those that are left, and sync the folders to which any were moved, in whatever way this ends."""
        with room(), ExitStack() as held:
            shelves: dict[str, int] = {}
            try:
                while left:
                    draft, digest = left[0]
                    place = self.place(digest)
                    shelf = os.path.dirname(place)
                    if shelf not in shelves:
                        shelves[shelf] = held.enter_context(tending.together(self.files, shelf))
                    # It comes now, however long ago its last byte was written, so whoever clears up leaves it alone.
                    self.files.touch(draft)
                    self.files.rename(draft, place)
                    left.popleft()
            finally:
                for descriptor in shelves.values():
                    self.sync(descriptor)
