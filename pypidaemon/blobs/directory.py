"""Blobs in a folder: each a file named by its digest, moved there when it is whole, checked and on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pypidaemon.blobs import tending, twofold
from pypidaemon.blobs.descriptors import OpenFile
from pypidaemon.blobs.drafts import FileDraft, said, sweep
from pypidaemon.blobs.rounds import Rounds
from pypidaemon.blobs.shelving import Shelves
from pypidaemon.blobs.tending import DIGEST, DRAFTS, SHELF
from pypidaemon.blobs.writing import Document, Whole
from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.files import Files
from pypidaemon.interfaces import IBlobStore, IContent, IHolding, IKeeping, IOnDisk, ISendable, ISharing, ITended
from pypidaemon.model import Digest, InThread
from pypidaemon.settings import given, path, setting
from pypidaemon.waits import Bell

P = ParamSpec("P")
T = TypeVar("T")

TOGETHER = 64
"""Contents that are stored in one go at most: each has a file open meanwhile."""
ROUNDS = 1
"""How many such goes are under way at once: the fewer there are, the more are in each, and a mirror is filled with less work for the disk by one than by two."""
LONG = 1 << 20
"""Bytes from which a draft is stored alone: those that are stored together wait for each other."""
SETTLED = 1.0
"""Seconds after which what was stored in one go has its place on the disk too and one name alone, unless the next go came before."""


@implementer(IContent, IOnDisk, ISendable)
@attrs.define(eq=False)
class FileContent:
    """A whole, verified blob in a file."""

    path: str
    size: int | None
    digest: Digest | None
    _file: OpenFile
    _disk: InThread

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes from `offset` on, at most `limit`; as `IContent.read`."""
        return await self._file.read(self._disk, offset, limit)

    def descriptor(self) -> int | None:
        """As `ISendable`: until it is closed."""
        return self._file.usable

    async def reach(self, offset: int) -> int:
        """As `ISendable`: all there is, at once."""
        return max((self.size or 0) - offset, 0)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    async def set_aside(self, into: Path | None) -> bool:
        """Take it out of its store; as `ITended.set_aside`."""
        return await self._file.use(self._disk, tending.set_aside, self._file.files, self.path, self._file.descriptor, into)


@implementer(IBlobStore, IHolding, IKeeping, ISharing, ITended)
@attrs.define(eq=False, slots=False)
class DirectoryBlobs(Service):
    """
    Blobs as files `ab/cd/<sha256>` below one folder that belongs to the daemon alone. Usable while it runs.

    A blob is made durable before it is said to exist: draft in the same volume, file synced, renamed, folder synced (law 7). A blob
    that is already there is replaced by its equal, which mends one that the disk has damaged.
    """

    path: Path = setting(path, help="the folder that holds the blobs; made if missing, for this daemon alone")
    label: str = given("label")
    disk: InThread = given("disk")
    clock: IReactorTime | None = given("clock", factory=lambda: None)
    files: Files = attrs.field(factory=Files, kw_only=True, repr=False)
    _shelves: Shelves = attrs.field(init=False, repr=False)
    _rounds: Rounds[Document | Whole, Digest] = attrs.field(init=False, repr=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _storing: int = attrs.field(init=False, default=0, repr=False)
    """How many calls that store something the disk has."""
    _idle: Bell = attrs.field(init=False, factory=Bell, repr=False)
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._shelves = Shelves(self.label, self.files, str(self.path), ahead=self.clock is not None)
        self._rounds = Rounds(self._stored, self._shelves.keep, TOGETHER, ROUNDS)

    @property
    def failed(self) -> str:
        """Why nothing is stored any more until a restart, "" while all is well; as `Shelves.failed`."""
        return self._shelves.failed

    def startService(self) -> None:
        """
        Make the folders, give the blobs that a crash left under other names their places, and remove what it left of drafts (F65).

        :raises PypidaemonError: a folder cannot be made, is a symbolic link, or can be written by others (S7).
        """
        try:
            self._make_durable(self.path)
            for folder in (self.path, self.path / DRAFTS):
                self._make(folder)
                self._insist_on_safety(folder)
            recovered = twofold.recover(self._shelves)
            removed = sweep(self.files, str(self.path / DRAFTS)) + recovered.removed
        except OSError as error:
            raise PypidaemonError(f"[blobs:{self.label}] path: cannot be used: {os.strerror(error.errno or 0)}") from error
        if recovered.placed:
            self._log.info("{label}: files that a crash had left under other names and that were put in their places: {found}",
                           label=self.label, found=recovered.placed)  # fmt: skip
        if recovered.left:
            self._log.warn("{label}: files that a crash left under other names and that cannot be put in their places yet: {left}",
                           label=self.label, left=recovered.left)  # fmt: skip
        if removed:
            drafts = "1 unfinished draft" if removed == 1 else f"{removed} unfinished drafts"
            self._log.info("{label}: removed {drafts}", label=self.label, drafts=drafts)
        Service.startService(self)

    def stopService(self) -> Deferred[None]:
        """Store what was begun, and leave all of it one name; fires when that is done."""
        Service.stopService(self)
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        return Deferred.fromCoroutine(self._finish_all())

    async def open(self, digest: Digest) -> IContent:
        """Answer the content of that digest; as `IBlobStore.open`."""
        return await self.disk(self._open, digest)

    async def draft(self) -> FileDraft:
        """Begin a new blob; as `IBlobStore.draft`."""
        asked: Deferred[FileDraft] = Deferred()

        def made(result: FileDraft | Failure) -> Deferred[None] | None:
            if isinstance(result, FileDraft) and asked.called:
                # Who asked did not wait for it; on its thread it came to be all the same.
                return Deferred.fromCoroutine(result.abort())
            if not asked.called:
                asked.callback(result)
            return None

        making = Deferred.fromCoroutine(self._new_draft())
        making.addBoth(made).addErrback(lambda failed: self._log.failure("an unwanted draft could not be removed", failed))
        return await asked

    async def _new_draft(self) -> FileDraft:
        return await self.disk(self._create)

    async def keep(self, data: bytes, expected: Digest | None, beside: Callable[[bytes], bytes | None] | None = None) -> Digest:
        """Make these bytes a blob; as `IKeeping.keep`, together with all others that come meanwhile."""
        return await self._rounds.join(Document(data, expected, beside))

    async def keep_all(self, documents: Sequence[tuple[bytes, bytes | None]]) -> list[Digest | Exception]:
        """Make each of these a blob, and what stands beside it another; as `IKeeping.keep_all`."""
        return await self._stored(self._shelves.keep, [Document(data, None, _always(beside)) for data, beside in documents])

    async def share(self, descriptor: int, expected: Digest) -> bool:
        """Give that file a second name; as `ISharing.share`."""
        # Whoever asks may leave, and close theirs, while a thread works with it.
        return await self.disk(self._shelves.share, os.dup(descriptor), expected)

    async def remove(self, digest: Digest) -> None:
        """Forget that content; as `IBlobStore.remove`."""
        await self.disk(self._remove, digest)

    async def digests(self) -> AsyncIterator[Digest]:
        """Every digest held; no more than a 256th of them is in memory at once."""
        for shelf in await self.disk(self._folders):
            for digest in await self.disk(self._on_shelf, shelf):
                yield digest

    async def holding(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here; as `IHolding.holding`, in one call to the disk."""
        return await self.disk(self._holding, tuple(digests))

    async def older(self, before: float) -> AsyncIterator[Digest]:
        """Every digest whose file came before that moment; as `ITended.older`."""
        for shelf in await self.disk(self._folders):
            for digest in await self.disk(self._old_on_shelf, shelf, before):
                yield digest

    async def renew(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here; as `ITended.renew`."""
        return await self.disk(self._shelves.renew, [digest for digest in digests if DIGEST.match(digest)])

    async def clear(self, digest: Digest, before: float) -> bool:
        """Remove that content if it is still older than that; as `ITended.clear`."""
        return bool(DIGEST.match(digest)) and await self.disk(self._shelves.clear, digest, before)

    async def set_aside(self, content: IContent, into: Path | None) -> bool:
        """Take out a damaged content, and keep its bytes in that folder; as `ITended.set_aside`."""
        if not isinstance(content, FileContent):
            return False
        if content.digest is not None:
            self._shelves.forget(content.digest)
        return await content.set_aside(into)

    async def strays(self, before: float) -> list[str]:
        """What lies on the shelves and is no blob, and abandoned drafts; as `ITended.strays`."""
        return await self.disk(tending.strays, self.files, str(self.path), before)

    async def discard(self, stray: str, before: float) -> bool:
        """Remove one of those; as `ITended.discard`."""
        return await self.disk(self._discarded, stray, before)

    def _discarded(self, stray: str, before: float) -> bool:
        root = str(self.path)
        if said(stray) is None or not tending.is_old_draft(root, stray, before):
            return tending.discarded(self.files, root, stray, before)
        recovered = twofold.Recovered()
        twofold.settled(self._shelves, [os.path.join(root, stray)], recovered)
        return recovered.placed + recovered.removed > 0

    async def _stored(self, store: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `disk`, of what stores something. What that owes is paid soon, also where nobody waits for it any more: its thread goes on all the same."""
        asked: Deferred[T] = Deferred()

        async def stored() -> T:
            return await self.disk(store, *args, **kwargs)

        def tell(outcome: Any) -> None:
            self._storing -= 1
            self._finish_soon()
            if not asked.called:
                asked.callback(outcome)
            # Whoever was told may have begun with the next.
            self._idle.ring()

        self._storing += 1
        Deferred.fromCoroutine(stored()).addBoth(tell)
        return await asked

    def _finish_soon(self) -> None:
        if self.clock is not None and self._due is None and self.running and self._shelves.owing:
            self._due = self.clock.callLater(SETTLED, self._finish_now)

    def _finish_now(self) -> None:
        self._due = None
        Deferred.fromCoroutine(self._finish())

    async def _finish_all(self) -> None:
        while self._storing:
            await self._idle.wait()
        await self._finish()

    async def _finish(self) -> None:
        """Leave what was stored one name. What fails is tried again by the next start, and until then nothing is lost."""
        if self._shelves.owing:
            try:
                await self.disk(self._shelves.settle)
            except (PypidaemonError, OSError) as error:
                self._log.warn("{label}: what was stored has two names until the next start: {error}", label=self.label, error=str(error))

    def _make(self, folder: Path) -> bool:
        with suppress(FileExistsError):
            self.files.make(str(folder))
            return True
        return False

    def _make_durable(self, path: Path) -> None:
        """
        Make the folder and those above it, so that they are there after a power cut: else the best of blobs would go with the folder it is in.

        Who starts first may be cut off before it has synced what it made, or have made the folder of all data only, so the two above are synced whoever
        made what is in them.
        """
        made = [folder for folder in (*reversed(path.parents), path) if self._make(folder)]
        for folder in sorted({folder.parent for folder in made} | {*path.parents[:2]}):
            tending.settle(self.files, os.path.realpath(folder))

    def _insist_on_safety(self, folder: Path) -> None:
        found = os.lstat(folder)
        part = "path" if folder == self.path else f"the folder {DRAFTS} in path"
        if not stat.S_ISDIR(found.st_mode):
            raise PypidaemonError(f"[blobs:{self.label}] {part}: is no folder or is a symbolic link; name the folder itself")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            mode = stat.S_IMODE(found.st_mode)
            raise PypidaemonError(f"[blobs:{self.label}] {part}: has mode {mode:04o}, so others can write there; chmod it to 0700")

    def _place(self, digest: Digest) -> str | None:
        # A digest may be what an upstream's page called one, so it may be anything but a path (law 5).
        if not DIGEST.match(digest):
            return None
        return self._shelves.place(digest)

    def _open(self, digest: Digest) -> FileContent:
        place = self._place(digest)
        if place is None:
            raise NoSuchBlob(digest)
        try:
            # What was planted under a blob's name is neither followed nor waited for (S7).
            file = OpenFile(self.files.open(place), self.files)
        except FileNotFoundError:
            raise NoSuchBlob(digest) from None
        except OSError:
            if os.path.islink(place):
                raise NoSuchBlob(digest) from None
            raise
        found = os.fstat(file.descriptor)
        if not stat.S_ISREG(found.st_mode):
            file.close()
            raise NoSuchBlob(digest)
        return FileContent(os.path.abspath(place), found.st_size, digest, file, self.disk)

    def _create(self) -> FileDraft:
        shelves, drafts = self._shelves, str(self.path / DRAFTS)
        shelves.check()
        return FileDraft.create(self.files, drafts, self.disk, self._settle)

    async def _settle(self, path: str, digest: Digest, descriptor: int, size: int) -> None:
        """Store a draft that is whole, together with all others that come meanwhile."""
        draft = Whole(path, digest, descriptor)
        if size < LONG:
            await self._rounds.join(draft)
            return
        (outcome,) = await self._stored(self._shelves.keep, [draft])
        if isinstance(outcome, Exception):
            raise outcome

    def _holding(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        return frozenset(digest for digest in digests if (place := self._place(digest)) is not None and _is_file(place))

    def _remove(self, digest: Digest) -> None:
        if self._place(digest) is not None:
            self._shelves.remove(digest)

    def _folders(self) -> list[str]:
        return sorted(name for name in os.listdir(self.path) if SHELF.match(name))

    def _old_on_shelf(self, shelf: str, before: float) -> list[Digest]:
        return tending.old(os.path.join(self.path, shelf), self._on_shelf(shelf), before)

    def _on_shelf(self, shelf: str) -> list[Digest]:
        found: list[Digest] = []
        for folder in os.scandir(os.path.join(self.path, shelf)):
            if SHELF.match(folder.name) and folder.is_dir(follow_symlinks=False):
                beginning = shelf + folder.name
                names = os.listdir(folder.path)
                found.extend(Digest(name) for name in names if DIGEST.match(name) and name.startswith(beginning))
        return found


def _always(beside: bytes | None) -> Callable[[bytes], bytes | None]:
    return lambda _: beside


def _is_file(place: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(place).st_mode)
    except OSError:
        return False
