"""
Blobs brought to their places so that they stay there after a power cut, many in one go (law 7). All of it is done on threads.

Each is a file of its own that is synced before it is moved, and the folder that it is moved to is synced after. What is done for many at once is done once
for each folder, or once for the whole volume where that is quicker (`pypidaemon.flushing`).
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain

import attrs
from twisted.logger import Logger

from pypidaemon.blobs import tending
from pypidaemon.blobs.descriptors import FULL, room
from pypidaemon.blobs.drafts import append, begun, discard_at, linked
from pypidaemon.blobs.lately import Lately
from pypidaemon.blobs.sealing import sealed
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


@attrs.frozen
class Whole:
    """A draft that all of a content is in; the descriptor is closed when it is stored, or cannot be."""

    path: str
    digest: Digest
    descriptor: int


_Written = tuple[str, Digest, int, int]
"""The path, the digest, the descriptor and the inode of a draft; 0 where that is of no interest."""


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
    _lately: Lately = attrs.field(init=False, factory=Lately, repr=False)
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
        with self._believed():
            self.files.sync(descriptor)

    def _sync_together(self, volume: int, count: int) -> bool:
        """As `Files.sync_together`; it raises as `sync` does, and the disk is not asked again either."""
        with self._believed():
            return self.files.sync_together(volume, count)

    @contextmanager
    def _believed(self) -> Iterator[None]:
        """The disk is asked for something, whose word counts until it has failed once."""
        self.check()
        try:
            yield
        except OSError as error:
            if error.errno not in (*FULL, errno.EROFS):
                self.failed = (
                    f"the disk failed to keep what was written ({os.strerror(error.errno or 0)}); nothing more is stored until a restart"
                )
                self._log.error("{label}: {failed}", label=self.label, failed=self.failed)
            raise

    def place(self, digest: Digest) -> str:
        """Where the blob of that digest lies."""
        return f"{self.root}/{digest[:2]}/{digest[2:4]}/{digest}"

    def put(self, drafts: Iterable[tuple[str, Digest]]) -> None:
        """
        Move these files, each durable in itself, to the places of their digests; durably there when this returns.

        :raises CannotStore: some of them are not, and those may be anywhere.
        """
        with self._volume() as volume:
            self._put(list(drafts), volume)

    def _put(self, drafts: Sequence[tuple[str, Digest]], volume: int, young: Collection[str] = ()) -> None:
        """
        As `put`.

        :param young: the paths of those that were written just now.
        """
        left, digests = deque(drafts), [digest for _, digest in drafts]
        try:
            self._move(left, volume, young)
        except FileNotFoundError:
            # Somebody tidied up an empty folder that was here a moment ago.
            self._durable.clear()
            self._move(left, volume, young)
        self._remember(digests)

    def renew(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """
        Those of the blobs that are here; they are of now, and would be here after a power cut.

        One that is in its place may have been moved there by a process that was killed before it synced the folder, or is about to.

        :raises StorageFull: there is no room.
        :raises StorageFailed: they cannot be made durable.
        """
        wanted = list(digests)
        young = frozenset(digest for digest in wanted if self._lately.renew(digest, self.place(digest)))
        with room():
            found = young | tending.renewed(self.files, [(digest, self.place(digest)) for digest in wanted if digest not in young])
        unsure = found - self._sure - self._were_sure
        if unsure:
            with self._volume() as volume, room():
                folders, _ = self._made(unsure)
                self._settle(volume, [*_parents(folders), *sorted({_shelf_of(digest) for digest in unsure})], ())
                self._durable |= folders
            self._remember(unsure)
        return found

    def clear(self, digest: Digest, before: float) -> bool:
        """As `ITended.clear`."""
        # First, so that whoever renews it from now on gives it a new time.
        self.forget(digest)
        place = self.place(digest)
        return tending.cleared(self.files, place, before, lambda: self._lately.is_newer(digest, place, before))

    def forget(self, digest: Digest) -> None:
        """That blob is taken away; should it come back, it is another one."""
        self._lately.forget(digest)
        self._sure.discard(digest)
        self._were_sure.discard(digest)

    def _remember(self, digests: Iterable[Digest]) -> None:
        self._sure.update(digests)
        if len(self._sure) > REMEMBERED:
            self._were_sure, self._sure = self._sure, set()

    def keep(self, documents: Sequence[Document | Whole]) -> list[Digest | Exception]:
        """
        Make each of these a blob, and answer its digest, or why it is none; nothing is left of one that failed.

        Whatever is wrong with one is no other one's business, save where a folder takes none of them.
        """
        opened = [document.descriptor for document in documents if isinstance(document, Whole)]
        try:
            with self._volume() as volume:
                return self._kept(documents, volume, opened)
        finally:
            for descriptor in opened:
                # All that it had was synced, or is known not to be there.
                with suppress(OSError):
                    os.close(descriptor)

    def _kept(self, documents: Sequence[Document | Whole], volume: int, opened: list[int]) -> list[Digest | Exception]:
        """As `keep`; all that is `opened`, and what is besides, is the caller's to close."""
        outcomes: dict[int, Digest | Exception] = {}
        written: dict[int, list[_Written]] = {}
        for number, document in enumerate(documents):
            try:
                written[number] = self._written(document, opened)
            except Exception as error:  # noqa: BLE001  # what is made of it may fail in any way, and who waits for it hears of it
                outcomes[number] = error
        late = {number for number in written if isinstance(documents[number], Whole)}
        outcomes |= self._sync_drafts(written, late, volume)
        durable = [number for number in written if number not in outcomes]
        young = {path for number in written if number not in late for path, *_ in written[number]}
        stored = [(digest, inode) for number in durable for _, digest, _, inode in written[number]]
        for digest, _ in stored:
            self._lately.note(digest)
        try:
            self._put([(path, digest) for number in durable for path, digest, *_ in written[number]], volume, young)
            for digest, inode in stored:
                self._lately.came(digest, inode)
            outcomes.update((number, written[number][0][1]) for number in durable)
        except (PypidaemonError, OSError) as error:
            outcomes.update(dict.fromkeys(durable, error))
        for number, drafts in written.items():
            if isinstance(outcomes[number], Exception):
                for path, *_ in drafts:
                    discard_at(self.files, path)
        return [outcomes[number] for number in range(len(documents))]

    def share(self, descriptor: int, expected: Digest) -> bool:
        """
        As `ISharing.share`; the descriptor is closed when this returns.

        It is sealed before it is read, so that what is read is what stays.
        """
        try:
            self.check()
            path = linked(self.files, descriptor, os.path.join(self.root, DRAFTS))
            if path is None:
                return False
            try:
                if not sealed(self.files, descriptor, expected):
                    return False
                with room():
                    self.sync(descriptor)
                self.put([(path, expected)])
            finally:
                # A file that is moved to where it is already keeps the name that it was to lose.
                discard_at(self.files, path)
            return True
        finally:
            os.close(descriptor)

    def _sync_drafts(self, written: Mapping[int, Sequence[_Written]], late: Collection[int], volume: int) -> dict[int, Digest | Exception]:
        """
        Make these durable in themselves; answer what went wrong with which.

        :param late: those that were written before the volume's descriptor was there. Of a failure then another's sync may have been told, and nobody is
            told twice but who asks for that very file.
        """
        wrong: dict[int, Digest | Exception] = {}
        together = sum(len(drafts) for number, drafts in written.items() if number not in late)
        try:
            with room():
                if self._sync_together(volume, together):
                    written = {number: written[number] for number in late}
        except (PypidaemonError, OSError) as error:
            wrong = {number: error for number in written if number not in late}
            written = {number: written[number] for number in late}
        for _, _, descriptor, _ in chain.from_iterable(written.values()):
            # The disk begins with all of them, so waiting for one after the other takes little longer than waiting for the slowest.
            with suppress(OSError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for number, drafts in written.items():
            try:
                with room():
                    for _, _, descriptor, _ in drafts:
                        self.sync(descriptor)
            except (PypidaemonError, OSError) as error:
                wrong[number] = error
        return wrong

    def _written(self, document: Document | Whole, opened: list[int]) -> list[_Written]:
        """A draft that has all of that, and one of what is to be kept beside it."""
        if isinstance(document, Whole):
            return [(document.path, document.digest, document.descriptor, 0)]
        digest = Digest(hashlib.sha256(document.data).hexdigest())
        if document.expected not in (None, digest):
            raise CorruptContent(f"the content has sha256 {digest}, promised was {document.expected}")
        beside = document.beside(document.data) if document.beside is not None else None
        drafts = [self._draft_of(document.data, digest, opened)]
        if beside is not None:
            try:
                drafts.append(self._draft_of(beside, Digest(hashlib.sha256(beside).hexdigest()), opened))
            except BaseException:
                discard_at(self.files, drafts[0][0])
                raise
        return drafts

    def _draft_of(self, data: bytes, digest: Digest, opened: list[int]) -> _Written:
        self.check()
        path, descriptor, inode = begun(self.files, f"{self.root}/{DRAFTS}")
        opened.append(descriptor)
        try:
            append(self.files, descriptor, data, 0)
        except BaseException:
            discard_at(self.files, path)
            raise
        return path, digest, descriptor, inode

    def _made(self, digests: Iterable[Digest]) -> tuple[set[str], set[str]]:
        """
        Make the folders for these, and answer those whose parents are to be synced, and those that were not there before.

        That a folder exists does not say that it would after a power cut: another thread may be about to sync it. So each process
        syncs each once, and remembers which.
        """
        inner = {_shelf_of(digest) for digest in digests} - self._durable
        folders = {shelf[:2] for shelf in inner} - self._durable | inner
        new = set()
        for folder in sorted(folders):
            try:
                self.files.make(f"{self.root}/{folder}")
                new.add(folder)
            except FileExistsError:
                # Most are there, where many blobs are.
                continue
        return folders, new

    def _settle(self, volume: int, folders: Collection[str], held: Collection[int]) -> None:
        """
        Make the names in these folders durable, and in those that the descriptors are of; as `sync`.

        :raises StorageFailed: as `sync`.
        :raises OSError: as `sync`.
        """
        if self._sync_together(volume, len(folders) + len(held)):
            return
        for folder in folders:
            descriptor = self.files.folder(os.path.join(self.root, folder) if folder else self.root)
            try:
                self.sync(descriptor)
            finally:
                os.close(descriptor)
        for descriptor in held:
            self.sync(descriptor)

    def _move(self, left: deque[tuple[str, Digest]], volume: int, young: Collection[str]) -> None:
        """Move those that are left to their folders, made if missing, and sync whatever any was moved to, in whatever way this ends."""
        with room(), ExitStack() as held:
            folders, new = self._made(digest for _, digest in left)
            shelves: dict[str, int] = {}
            filled: set[str] = set()
            try:
                while left:
                    draft, digest = left[0]
                    shelf = _shelf_of(digest)
                    if shelf in new:
                        # Whoever takes away goes by what is old, and what comes to a folder of this very moment is not.
                        filled.add(shelf)
                    elif shelf not in shelves:
                        shelves[shelf] = held.enter_context(tending.together(self.files, os.path.join(self.root, shelf)))
                    if draft not in young:
                        # It comes now, however long ago its last byte was written, so whoever clears up leaves it alone.
                        self.files.touch(draft)
                    self.files.rename(draft, self.place(digest))
                    left.popleft()
            finally:
                self._settle(volume, [*_parents(folders), *sorted(filled)], shelves.values())
            self._durable |= folders

    @contextmanager
    def _volume(self) -> Iterator[int]:
        """A descriptor by which the volume can be synced, of whatever fails from now on."""
        with room():
            descriptor = self.files.folder(self.root)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _shelf_of(digest: Digest) -> str:
    return f"{digest[:2]}/{digest[2:4]}"


def _parents(folders: Iterable[str]) -> list[str]:
    """The folders that those are in, the outermost first."""
    return sorted({folder.rpartition("/")[0] for folder in folders})
