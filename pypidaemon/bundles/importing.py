"""
Taking a bundle in: all of it is read and held against its digests before anything of it can be seen, and nothing of it is left where anything is wrong.

It is read once, from its beginning. Blobs come into the stores meanwhile, where nobody names them; what it says of projects is taken over at the very end.
Whoever is killed leaves blobs that nobody needs, or some projects taken over and others not, each of them whole; the next run does the rest.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.backups.tape import PIECE, Member, Unreadable, members
from pypidaemon.bundles.applying import Applying, insist_fits
from pypidaemon.bundles.contents import BLOB, FACTS, HEAD, MOST, SIGNATURE, SMALL, WHAT, Head, read_signature
from pypidaemon.bundles.judging import Judging
from pypidaemon.bundles.keys import Trust
from pypidaemon.bundles.parts import LONGEST_PART, PRIVATE, Part, read
from pypidaemon.clashes import Clashes
from pypidaemon.errors import CorruptContent, PypidaemonError, StorageFull
from pypidaemon.interfaces import IBlobStore, IDraft, IKeeping, ITended
from pypidaemon.model import Digest, Filename, InThread, NormalizedName
from pypidaemon.upstream_files import holding, renewed
from pypidaemon.verification.holdings import Holdings, Home
from pypidaemon.volume import Allotments, Room

AT_ONCE = 500
"""Blobs that a store is asked for at once."""
SMALL_BLOB = 1 << 20
"""Bytes of a blob up to which it is read, judged and stored in one piece."""
LARGEST_BESIDE = 32 << 20
"""Bytes of what lies beside a file, a sidecar or a provenance document, whose length nobody states."""
MOST_LINES = 1_000
"""Conflicts, and the like, that are told of in words; the rest is only counted."""

log = Logger(namespace="pypidaemon")


@attrs.frozen
class Means:
    """
    What an import works with.

    :param data: a folder for what has to be set down meanwhile.
    :param announce: told of every project that changed.
    :param clashes: what tells of private names that an upstream has too.
    """

    holdings: Holdings
    clock: IReactorTime
    disk: InThread
    data: Path
    trust: Trust = Trust()
    room: Room | None = None
    allotments: Allotments = attrs.field(factory=Allotments)
    announce: Callable[[NormalizedName | None], None] = lambda _: None
    clashes: Clashes | None = None


@attrs.define
class Imported:
    """
    What came of it, and how far it has come.

    :param key: the trusted key that signed it, None where none did.
    :param files: blobs that were not here before, and `bytes` how long these are.
    :param behind: projects of which what is here is of a later moment.
    :param refused: private files that an upload would not have brought here either, and why.
    """

    taken: float = 0.0
    key: str | None = None
    blobs: int = 0
    projects: int = 0
    changed: int = 0
    gone: int = 0
    files: int = 0
    bytes: int = 0
    behind: int = 0
    conflicts: list[str] = attrs.field(factory=list)
    missing: list[str] = attrs.field(factory=list)
    refused: list[str] = attrs.field(factory=list)


@attrs.define
class _Need:
    """A blob: how long it is, where that is known, and the stores that it is for; those of them that lack it."""

    size: int | None
    private: bool
    stores: tuple[IBlobStore, ...]
    lacking: tuple[IBlobStore, ...] = ()


@attrs.define
class Importing:
    """
    One import.

    :param names: by the labels that the bundle has those of our indexes that are meant, where they are others.
    :param rehearsal: whether nothing is to be changed, and only to be told what would be.
    """

    means: Means
    trust: Trust
    names: Mapping[str, str] = attrs.field(factory=dict)
    rehearsal: bool = False
    state: Imported = attrs.field(factory=Imported)
    _kept: list[tuple[IBlobStore, Digest, float]] = attrs.field(init=False, factory=list)
    _member: Member | None = attrs.field(init=False, default=None)
    """What it says of projects."""

    async def read(self, path: Path) -> Imported:
        """
        Take in that file.

        :raises Unreadable: it is no bundle, is not whole, damaged, or was altered; nothing of it is here then.
        :raises PypidaemonError: it must not be taken, there is no room, or no index for it; the same.
        """
        try:
            with await self.means.disk(_opened, path) as file:
                await self._read(file)
        except OSError as error:
            raise PypidaemonError(f"the bundle cannot be read: {os.strerror(error.errno or 0)}") from error
        return self.state

    async def _read(self, file: BinaryIO) -> None:
        found = members(file, WHAT)
        head = await self._head(found, os.fstat(file.fileno()).st_size)
        with tempfile.TemporaryFile(dir=self.means.data) as facts:
            needs = await self._needs(facts, head)
            done = False
            try:
                await self._insist_on_room(needs, head.length)
                await self._blobs(found, needs)
                await self.means.disk(_insist_on_end, file)
                refused = {} if self.rehearsal else await self._refused(facts)
                done = True
            finally:
                if not done:
                    await self._take_back()
            applying = Applying(head.source, self.means.clock, self.means.disk, self.means.announce, self.rehearsal, refused)
            async for part in self._parts(facts):
                await self._apply(applying, part)

    async def _head(self, found: Iterator[Member], length: int) -> Head:
        """What the bundle is, and that it may be taken; what it says of projects comes next."""
        member = await self._next(found, HEAD)
        said = await self.means.disk(member.whole, SMALL)
        head = Head.read(said, length)
        self.state.taken, self.state.blobs = head.taken, head.blobs
        member = await self._next(found, SIGNATURE, FACTS)
        key, signed = None, b""
        if member.name == SIGNATURE:
            key, signed = read_signature(await self.means.disk(member.whole, SMALL))
            member = await self._next(found, FACTS)
        self.state.key = self.trust.check(said, key, signed)
        if member.size != head.size:
            raise Unreadable("the bundle is damaged: what it says of projects is not as long as it should be")
        self._member = member
        return head

    async def _next(self, found: Iterator[Member], *names: str) -> Member:
        member = await self.means.disk(next, found, None)
        if member is None or member.name not in names:
            raise Unreadable("the bundle cannot be read: it is none of pypidaemon, or damaged")
        return member

    async def _needs(self, facts: IO[bytes], head: Head) -> dict[Digest, _Need]:
        """What it says of projects, set down, judged as a whole, and every blob that it needs, in order."""
        assert self._member is not None  # `_head` has found it
        made = await self.means.disk(_set_down, self._member, facts)
        if made != head.facts:
            raise Unreadable("the bundle is damaged or was altered: what it says of projects is not what its head promises")
        needs: dict[Digest, _Need] = {}
        async for part in self._parts(facts):
            home = self._home(part)
            insist_fits(home, part)
            await self.means.disk(_add, needs, home.blobs, part)
            if len(needs) > MOST:
                raise Unreadable(f"the bundle cannot be read: it has more than {MOST} files")
            self.state.projects += 1
        if len(needs) != head.blobs:
            raise Unreadable("the bundle cannot be read: it does not have the files that it speaks of")
        return needs

    def _home(self, part: Part) -> Home:
        label = self.names.get(part.label, part.label)
        for home in self.means.holdings.homes:
            if home.label == label:
                return home
        known = " ".join(sorted(home.label for home in self.means.holdings.homes))
        raise PypidaemonError(
            f"the bundle is about an index {part.label}, and there is no [index:{label}]: say --as {part.label}=LABEL, of {known}"
        )

    async def _refused(self, facts: IO[bytes]) -> dict[tuple[str, NormalizedName], frozenset[Filename]]:
        """The private files that are not taken, though they are whole. All bytes are in the stores by now, and nothing names them yet."""
        judging, found = Judging(self.means.clashes, self._refuse), dict[tuple[str, NormalizedName], frozenset[Filename]]()
        async for part in self._parts(facts):
            home = self._home(part)
            if part.role == PRIVATE and (files := await judging.refused(home, part)):
                found[home.label, part.name] = found.get((home.label, part.name), frozenset()) | files
        return found

    def _refuse(self, line: str) -> None:
        log.warn("a bundle: {line}", line=line)
        if len(self.state.refused) < MOST_LINES:
            self.state.refused.append(line)

    async def _insist_on_room(self, needs: Mapping[Digest, _Need], length: int) -> None:
        """
        Find out what is not here, and that there is room for it.

        :param length: how many bytes all of it has.
        """
        # Of what lies beside files nobody says how long it is, but of all together.
        unsaid = length - sum(need.size or 0 for need in needs.values())
        if unsaid < 0:
            raise Unreadable("the bundle cannot be read: its files have more bytes than it says")
        digests = list(needs)
        for start in range(0, len(digests), AT_ONCE):
            some = digests[start : start + AT_ONCE]
            for store in _distinct(store for digest in some for store in needs[digest].stores):
                # What is here is to stay until the records name it.
                wanted = [digest for digest in some if any(store is one for one in needs[digest].stores)]
                held = await (holding if self.rehearsal else renewed)(store, wanted)
                for digest in wanted:
                    if digest not in held:
                        needs[digest].lacking = (*needs[digest].lacking, store)
        private = sum(need.size or 0 for need in needs.values() if need.lacking and need.private)
        others = sum(need.size or 0 for need in needs.values() if need.lacking and not need.private)
        others += unsaid if any(need.lacking and need.size is None for need in needs.values()) else 0
        space = await self.means.room.space() if self.means.room is not None else None
        if space is not None and space.free - space.floor < private + others:
            raise StorageFull(f"the bundle brings {private + others} bytes, and {space.free} are free, of which {space.floor} must stay so")
        if not self.rehearsal:
            await self.means.allotments.private.insist(private)
            await self.means.allotments.mirrored.insist(others)

    async def _blobs(self, found: Iterator[Member], needs: Mapping[Digest, _Need]) -> None:
        left = set(needs)
        while (member := await self.means.disk(next, found, None)) is not None:
            match = BLOB.match(member.name)
            digest = Digest(match[1]) if match else None
            if digest is None or digest not in left:
                raise Unreadable("the bundle cannot be read: it holds something that it does not speak of")
            left.remove(digest)
            need = needs[digest]
            if need.size not in (None, member.size):
                raise Unreadable(f"the bundle is damaged: sha256:{digest} is not as long as it says")
            if need.size is None and member.size > LARGEST_BESIDE:
                raise Unreadable(f"the bundle cannot be read: sha256:{digest} is too large for what lies beside a file")
            await self._blob(member, digest, need)
        if left:
            raise Unreadable("the bundle is not whole: files are missing from it")

    async def _blob(self, member: Member, digest: Digest, need: _Need) -> None:
        """Hold its bytes against its name, and put them where they are lacking."""
        lacking = () if self.rehearsal else need.lacking
        if member.size <= SMALL_BLOB and all(IKeeping.providedBy(store) for store in lacking):
            data = await self.means.disk(_whole, member, digest)
            for store in lacking:
                await IKeeping(store).keep(data, digest)
                self._kept.append((store, digest, self.means.clock.seconds()))
        else:
            await self._streamed(member, digest, lacking)
        if lacking:
            self.state.files += 1
            self.state.bytes += member.size
            allotments = self.means.allotments
            (allotments.private if need.private else allotments.mirrored).took(member.size)

    async def _streamed(self, member: Member, digest: Digest, lacking: tuple[IBlobStore, ...]) -> None:
        drafts: list[tuple[IBlobStore, IDraft]] = []
        try:
            for store in lacking:
                drafts.append((store, await store.draft()))  # noqa: PERF401  # those begun before one fails are to be aborted
            made = hashlib.sha256()
            pieces = member.pieces()
            while (piece := await self.means.disk(next, pieces, b"")) != b"":
                await self.means.disk(made.update, piece)
                for _, draft in drafts:
                    await draft.write(piece)
            if made.hexdigest() != digest:
                raise Unreadable(f"the bundle is damaged: the bytes of sha256:{digest} are others")
            for store, draft in drafts:
                await draft.commit(digest)
                self._kept.append((store, digest, self.means.clock.seconds()))
        except CorruptContent as error:
            raise Unreadable(f"the bundle is damaged: the bytes of sha256:{digest} are others") from error
        finally:
            for _, draft in drafts:
                # After a commit this does nothing.
                await draft.abort()
                draft.close()

    async def _take_back(self) -> None:
        """Take the blobs away that came, save those that somebody else put there since, or that are recorded by now."""
        for store, digest, time in self._kept:
            try:
                if await self.means.holdings.recorded(digest):
                    continue
                await (store.clear(digest, time) if ITended.providedBy(store) else store.remove(digest))
            except (PypidaemonError, OSError) as error:
                # It is nobody's, so the janitor takes it.
                log.warn("what a bundle brought stays for now: {error}", error=str(error))
        self._kept.clear()

    async def _parts(self, facts: IO[bytes]) -> AsyncIterator[Part]:
        await self.means.disk(facts.seek, 0)
        while (part := await self.means.disk(_next_part, facts)) is not None:
            yield part

    async def _apply(self, applying: Applying, part: Part) -> None:
        taken = await applying.take(self._home(part), part)
        self.state.changed += taken.changed
        self.state.gone += taken.gone
        self.state.behind += taken.behind
        self.state.conflicts += taken.conflicts[: max(MOST_LINES - len(self.state.conflicts), 0)]
        self.state.missing += taken.missing[: max(MOST_LINES - len(self.state.missing), 0)]
        for line in taken.conflicts:
            log.warn("a bundle: {line}", line=line)


def _opened(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"{path} is not a file")
    return os.fdopen(descriptor, "rb")


def _insist_on_end(file: BinaryIO) -> None:
    """What tar programs fill up a record with is all that may follow."""
    rest = file.read(PIECE + 1)
    if len(rest) > PIECE or rest.strip(b"\0"):
        raise Unreadable("the bundle cannot be read: it goes on behind its end")


def _add(needs: dict[Digest, _Need], blobs: IBlobStore, part: Part) -> None:
    """Add what that part needs, which is for that store."""
    for digest, size in part.needs():
        known = needs.setdefault(digest, _Need(size, False, ()))
        if size is not None and known.size not in (None, size):
            raise Unreadable(f"the bundle cannot be read: it says two lengths of sha256:{digest}")
        known.size = size if known.size is None else known.size
        known.private = known.private or part.role == PRIVATE
        if not any(blobs is store for store in known.stores):
            known.stores = (*known.stores, blobs)


def _whole(member: Member, digest: Digest) -> bytes:
    data = member.whole(SMALL_BLOB)
    if hashlib.sha256(data).hexdigest() != digest:
        raise Unreadable(f"the bundle is damaged: the bytes of sha256:{digest} are others")
    return data


def _set_down(member: Member, facts: IO[bytes]) -> str:
    made = hashlib.sha256()
    for piece in member.pieces():
        made.update(piece)
        try:
            facts.write(piece)
        except OSError as error:
            raise StorageFull(f"there is no room for what the bundle says: {os.strerror(error.errno or 0)}") from error
    return made.hexdigest()


def _next_part(facts: IO[bytes]) -> Part | None:
    line = facts.readline(LONGEST_PART + 1)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise Unreadable("the bundle cannot be read: what it says of a project is too long, or has no end")
    return read(line)


def _distinct(stores: Iterator[IBlobStore]) -> list[IBlobStore]:
    found: list[IBlobStore] = []
    for store in stores:
        if not any(store is one for one in found):
            found.append(store)
    return found
