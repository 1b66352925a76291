"""
Blobs brought to their places so that they stay there after a power cut, many in one go (law 7). All of it is done on threads.

Each is a file of its own that is synced before it is moved, and the folder that it is moved to is synced after. What is done for many at once is done once
for each folder, or once for the whole volume where that is quicker (`pypidaemon.flushing`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress

import attrs

from pypidaemon.blobs import tending
from pypidaemon.blobs.descriptors import room
from pypidaemon.blobs.drafts import discard_at, linked
from pypidaemon.blobs.lately import Lately
from pypidaemon.blobs.sealing import sealed
from pypidaemon.blobs.syncing import Syncing
from pypidaemon.blobs.tending import DRAFTS, shelf_of
from pypidaemon.blobs.twofold import Twofold
from pypidaemon.blobs.writing import Document, Whole, Written, written_as
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Digest

REMEMBERED = 10_000
"""Blobs, at least, of which it is known that they need not be synced again."""


_Made = tuple[set[str], set[str]]
"""The folders whose parents are to be synced, and those of them that were not there before."""


@attrs.define(eq=False)
class Shelves(Syncing):
    """
    The folders `ab/cd` of one store, and what moves files there.

    :param ahead: whether who stores what is small waits for the disk once; `settle` is to be called some time after that, while it is `owing`.
    """

    ahead: bool = attrs.field(default=False, kw_only=True)
    _durable: set[str] = attrs.field(init=False, factory=set, repr=False)
    _sure: set[Digest] = attrs.field(init=False, factory=set, repr=False)
    """Blobs that this process has seen to the disk, the latest of them."""
    _were_sure: set[Digest] = attrs.field(init=False, factory=set, repr=False)
    _lately: Lately = attrs.field(init=False, factory=Lately, repr=False)
    _twofold: list[Twofold] = attrs.field(init=False, factory=list, repr=False)
    """What the latest rounds owe; whoever begins another one takes one of them over. It is never another list: threads share it."""

    def place(self, digest: Digest) -> str:
        """Where the blob of that digest lies."""
        return f"{self.root}/{shelf_of(digest)}/{digest}"

    def put(self, drafts: Iterable[tuple[str, Digest]]) -> None:
        """
        Move these files, each durable in itself, to the places of their digests; durably there when this returns.

        :raises CannotStore: some of them are not, and those may be anywhere.
        """
        with self.volume() as volume:
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
            with self.volume() as volume, room():
                folders, _ = self._made(unsure)
                self.sync_folders(volume, [*_parents(folders), *sorted({shelf_of(digest) for digest in unsure})])
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

    def remove(self, digest: Digest) -> None:
        """Forget that blob, and take it away under whichever names it has."""
        self.forget(digest)
        # First, since one that comes back from now on is owed what these are owed.
        names = [path for owed in tuple(self._twofold) for path, _ in tuple(owed.drafts) if path.endswith(digest)]
        with suppress(FileNotFoundError):
            self.files.remove(self.place(digest))
        for path in names:
            discard_at(self.files, path)

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
            with self._round() as owed:
                return self._kept(documents, owed, opened)
        finally:
            for descriptor in opened:
                # All that it had was synced, or is known not to be there.
                with suppress(OSError):
                    os.close(descriptor)

    def _kept(self, documents: Sequence[Document | Whole], owed: Twofold, opened: list[int]) -> list[Digest | Exception]:
        """As `keep`; all that is `opened`, and what is besides, is the caller's to close."""
        written, outcomes = self._all_written(documents, opened)
        late = {number for number in written if isinstance(documents[number], Whole)}
        made = self._made_ahead(digest for _, digest in _drafts(written, written.keys() - late))
        wrong, together = self.sync_drafts(written, late, owed.volume)
        outcomes |= wrong
        if together:
            # The places of those before had been made by then.
            owed.forget(self.files)
        durable = [number for number in written if number not in outcomes]
        young = {path for path, _ in _drafts(written, written.keys() - late)}
        for _, digest in _drafts(written, durable):
            self._lately.note(digest)
        twofold = self._doubled([draft for draft in _drafts(written, durable) if draft[0] in young], made) if together and made else set()
        left = [draft for draft in _drafts(written, durable) if draft[0] not in twofold]
        wrong = self._put_each(left, written, owed.volume, young)
        for number in durable:
            outcomes[number] = wrong.get(number, written[number][0][1])
        for number, drafts in written.items():
            for path, digest, descriptor, inode in drafts:
                if path in twofold:
                    # Also where what was to be beside it failed: it is said to be durable, which its place alone is not.
                    owed.drafts.append((path, descriptor))
                    opened.remove(descriptor)
                elif isinstance(outcomes[number], Exception):
                    discard_at(self.files, path)
                if not isinstance(outcomes[number], Exception):
                    self._lately.came(digest, inode)
        return [outcomes[number] for number in range(len(documents))]

    def _all_written(
        self, documents: Sequence[Document | Whole], opened: list[int]
    ) -> tuple[dict[int, list[Written]], dict[int, Digest | Exception]]:
        """The drafts of these by their numbers, and why there are none of others."""
        written: dict[int, list[Written]] = {}
        wrong: dict[int, Digest | Exception] = {}
        for number, document in enumerate(documents):
            try:
                self.check()
                written[number] = written_as(self.files, f"{self.root}/{DRAFTS}", document, opened, self.ahead)
            except Exception as error:  # noqa: BLE001  # what is made of it may fail in any way, and who waits for it hears of it
                wrong[number] = error
        return written, wrong

    def _put_each(
        self, left: Sequence[tuple[str, Digest]], written: Mapping[int, Sequence[Written]], volume: int, young: Collection[str]
    ) -> dict[int, Digest | Exception]:
        """As `_put`, where any are left; answer what went wrong with those that have any of these."""
        try:
            if left:
                self._put(left, volume, young)
        except (PypidaemonError, OSError) as error:
            paths = {path for path, _ in left}
            return {number: error for number, drafts in written.items() if any(path in paths for path, *_ in drafts)}
        return {}

    def _made_ahead(self, digests: Iterable[Digest]) -> _Made | None:
        """As `_made`, before the disk is waited for, so that it has the folders too then; None where that is not to be, or cannot be done."""
        try:
            with room():
                return self._made(digests) if self.ahead else None
        except PypidaemonError:
            # Whoever moves something there hears of it.
            return None

    def _doubled(self, drafts: Iterable[tuple[str, Digest]], made: _Made) -> set[str]:
        """
        Give these, durable in themselves and under names that say so, their places besides; answer which have them.

        :param made: what `_made_ahead` did, before they were synced, and the whole volume with them.
        """
        folders, new = made
        self._durable |= folders
        found = {}
        for path, digest in drafts:
            shelf = shelf_of(digest)
            # One that is there already is put in the place of its equal, and whatever is wrong is found then as well.
            with suppress(OSError), nullcontext() if shelf in new else tending.together(self.files, f"{self.root}/{shelf}"):
                self.files.double(path, self.place(digest))
                found[path] = digest
        self._remember(found.values())
        return set(found)

    @property
    def owing(self) -> bool:
        """Whether there are blobs that have two names yet."""
        return bool(self._twofold)

    def settle(self) -> None:
        """
        Bring the places of those to the disk, and leave them one name each. On a thread.

        :raises CannotStore: that failed for some of them; the next start does it.
        """
        trouble: Exception | None = None
        # Rounds on other threads take some, and leave others: each of these has one owner at any moment.
        for _ in range(len(self._twofold)):
            if (owed := self._taken()) is None:
                break
            try:
                with room():
                    # All that was in a folder that was tidied away had been removed.
                    self.sync_folders(owed.volume, [shelf for shelf in owed.shelves if os.path.isdir(f"{self.root}/{shelf}")])
                owed.forget(self.files)
            except (PypidaemonError, OSError) as error:
                trouble = error
            finally:
                owed.close()
        if trouble is not None:
            raise trouble

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

    def _made(self, digests: Iterable[Digest]) -> _Made:
        """
        Make the folders for these, and answer those whose parents are to be synced, and those that were not there before.

        That a folder exists does not say that it would after a power cut: another thread may be about to sync it. So each process
        syncs each once, and remembers which.
        """
        inner = {shelf_of(digest) for digest in digests} - self._durable
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

    def _move(self, left: deque[tuple[str, Digest]], volume: int, young: Collection[str]) -> None:
        """Move those that are left to their folders, made if missing, and sync whatever any was moved to, in whatever way this ends."""
        with room(), ExitStack() as held:
            folders, new = self._made(digest for _, digest in left)
            shelves: dict[str, int] = {}
            filled: set[str] = set()
            try:
                while left:
                    draft, digest = left[0]
                    shelf = shelf_of(digest)
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
                self.sync_folders(volume, [*_parents(folders), *sorted(filled)], shelves.values())
            self._durable |= folders

    def _taken(self) -> Twofold | None:
        """What one of the rounds before owes, for whoever takes this to pay or to put back."""
        with suppress(IndexError):
            return self._twofold.pop()
        return None

    @contextmanager
    def _round(self) -> Iterator[Twofold]:
        """What a round before this one owes, which this may pay; whatever is owed at its end is left for the next."""
        owed = self._taken()
        if owed is None:
            with room():
                owed = Twofold(self.files.folder(self.root))
        try:
            yield owed
        finally:
            if owed.drafts:
                self._twofold.append(owed)
            else:
                os.close(owed.volume)


def _drafts(written: Mapping[int, Sequence[Written]], numbers: Iterable[int]) -> list[tuple[str, Digest]]:
    return [(path, digest) for number in numbers for path, digest, *_ in written[number]]


def _parents(folders: Iterable[str]) -> list[str]:
    """The folders that those are in, the outermost first."""
    return sorted({folder.rpartition("/")[0] for folder in folders})
