"""
Files of an upstream taken into a mirror or a proxy, as if they had been fetched: bytes first, then what is offered (law 7).

Where upstream can be asked, its page says what a file is, and what it says no longer is not taken; else what the tool kept of it does. Nothing but pages is
asked for: provenance and the like is for the next run, to which the project looks unfinished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

import attrs
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from pypidaemon.adoption.checking import Measured, NotTaken, looked_into, measured
from pypidaemon.adoption.found import Found, Project, Role
from pypidaemon.adoption.hosting import PER_FILE, Tell
from pypidaemon.adoption.knowing import NEVER, Knowing, Known
from pypidaemon.adoption.origins import ILinkable, IOrigin
from pypidaemon.adoption.outcomes import Fate, Outcome, Tally
from pypidaemon.announcements import Announcements
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IBlobStore, IContent, IFillable, IInspector, IMirror, IRecords, ISharing
from pypidaemon.model import Digest, File, Filename, InThread, NormalizedName, Remembered, UpstreamPage, Use
from pypidaemon.policies.blocked import Blocked
from pypidaemon.upstream_files import holding
from pypidaemon.volume import Allotment


@attrs.frozen
class _Kept:
    """A file whose bytes are here: what was found, its entry, how many bytes were put here, and whether they are shared."""

    found: Found
    entry: File
    size: int = 0
    linked: bool = False


@attrs.frozen
class Filling:
    """
    Takes files into one index that is filled from an upstream.

    :param records: those of the index.
    :param rehearsal: whether it is only said what would become of them.
    """

    index: IFillable
    records: IRecords
    origin: IOrigin
    inspector: IInspector
    cpu: InThread
    clock: IReactorTime
    knowing: Knowing
    blocked: Blocked
    allotment: Allotment
    announcements: Announcements
    tally: Tally
    rehearsal: bool = False
    _under_way: dict[NormalizedName, DeferredLock] = attrs.field(factory=dict, init=False, repr=False)
    """Of each project that is being taken, what lets nobody else take of it: old tools have a folder for each spelling of its name."""

    async def take(self, project: Project | None, founds: Sequence[Found], tell: Tell) -> None:
        """
        Take these, all of one project.

        :raises PypidaemonError: nothing more can be taken.
        """
        assert project is not None  # what is not private comes by projects
        lock = self._under_way.setdefault(project.name, DeferredLock())
        await lock.acquire()
        try:
            await self._take(project, founds, tell)
        finally:
            # It is handed to the next one who waits.
            lock.release()
            if not lock.locked:
                del self._under_way[project.name]

    async def _take(self, project: Project, founds: Sequence[Found], tell: Tell) -> None:
        name = project.name
        here = await self._here(name)
        if await self._all_here(founds, here) and not await self.knowing.others(name):
            for told in await self.cpu(_all, Fate.HERE, name, [_Kept(found, found.file) for found in founds]):
                tell(told)
            return
        known = await self.knowing.of(project)
        others = await self.knowing.others(name)
        kept: dict[Filename, _Kept] = {}
        for found in founds:
            told = Outcome(found.path, Fate.SKIPPED, name, found.file.filename)
            if found.file.filename in others:
                why = f"upstream has other bytes than those that are here; `accept {name} {found.file.filename}` has the next run take them"
                tell(attrs.evolve(told, reason=why))
                continue
            one = await self._judged(told, found, kept, known, here)
            if isinstance(one, Outcome):
                tell(one)
            else:
                kept[found.file.filename] = one
        if kept and not self.rehearsal:
            await self._offer(project, known, [one.entry for one in kept.values()])
        for outcome in await self.cpu(_all, Fate.TAKEN, name, list(kept.values())):
            tell(outcome)

    async def _judged(
        self,
        told: Outcome,
        found: Found,
        kept: Mapping[Filename, _Kept],
        known: Known,
        here: Mapping[Filename, Digest | None],
    ) -> _Kept | Outcome:
        """A file that is kept and to be offered, or what became of it instead."""
        if found.file.filename in kept:
            return attrs.evolve(told, reason="there is another file of this name")
        try:
            one = await self._kept(NormalizedName(told.project), found, known, here)
        except PER_FILE as error:
            return attrs.evolve(told, reason=str(error))
        except OSError as error:
            return attrs.evolve(told, reason=error.strerror or type(error).__name__)
        return attrs.evolve(told, fate=Fate.HERE) if one is None else one

    async def _here(self, name: NormalizedName) -> Mapping[Filename, Digest | None]:
        """What is here of that project, by file name, with all bytes of it."""
        taken = await self.index.taken(name) or {}
        held = await holding(self.index.blobs, [digest for digest in taken.values() if digest is not None])
        return {filename: digest for filename, digest in taken.items() if digest in held}

    async def _all_here(self, founds: Sequence[Found], here: Mapping[Filename, Digest | None]) -> bool:
        """Whether nothing is left to be taken, as can be told without reading anything."""
        return all(found.file.digest is not None and here.get(found.file.filename) == found.file.digest for found in founds)

    async def _kept(self, name: NormalizedName, found: Found, known: Known, here: Mapping[Filename, Digest | None]) -> _Kept | None:
        """
        Have the bytes of a file here, unless they are not to be taken, and answer its entry; None where it is here and offered.

        :raises NotTaken: it is not to be taken.
        """
        filename = found.file.filename
        entry = known.entry(found)
        if entry.digest is not None and found.file.digest not in (None, entry.digest):
            raise NotTaken(f"it has sha256 {found.file.digest} by what is kept beside it, and {known.who} says {entry.digest}")
        self.blocked.check(name, entry, self.clock.seconds())
        promised = entry.digest or found.file.digest
        if promised is not None and here.get(filename) == promised:
            return None
        if promised is not None and promised in await holding(self.index.blobs, [promised]):
            return _Kept(found, _as_taken(entry, {"sha256": promised}, entry.size))
        with closing(await self.origin.open(found)) as content:
            about = await measured(content, [algorithm for algorithm, _ in (*found.file.hashes, *entry.hashes)], self.cpu)
            about.check(found.file, "what is kept beside it")
            about.check(entry, known.who)
            first = here.get(filename, known.firsts.get(filename))
            if first == about.sha256:
                return None if filename in here else _Kept(found, _as_taken(entry, about.hashes, about.size))
            if first is not None:
                raise NotTaken(f"it has sha256 {about.sha256}, and the file of this name that is here has {first}")
            if promised is None:
                # Nothing but the archive itself speaks for these bytes.
                await looked_into(content, found.file, name, self.inspector)
            linked = False if self.rehearsal else await self._stored(content, about)
            return _Kept(found, _as_taken(entry, about.hashes, about.size), about.size, linked)

    async def _stored(self, content: IContent, about: Measured) -> bool:
        """Have these bytes in the store; answer whether they are shared with whoever had them."""
        blobs: IBlobStore = self.index.blobs
        digest = Digest(about.sha256)
        if ILinkable.providedBy(content) and ISharing.providedBy(blobs):
            descriptor = content.descriptor()
            if descriptor is not None and await blobs.share(descriptor, digest):
                return True
        await self.allotment.insist(about.size)
        draft = await blobs.draft()
        try:
            async for piece in pieces(content):
                await draft.write(piece)
            await draft.commit(digest)
            self.allotment.took(about.size)
        finally:
            # After a commit this does nothing.
            await draft.abort()
            draft.close()
        return False

    async def _offer(self, project: Project, known: Known, entries: Sequence[File]) -> None:
        """Have the index offer these, whose bytes are here."""
        name, mirrors = project.name, IMirror.providedBy(self.index)
        if mirrors:
            await self._bring(name, entries)
        known = await self.knowing.latest(project, known)
        page = await self.cpu(known.page_with, entries)
        if not mirrors:
            await self._remember(project, known, page.files, page.versions)
            await self._bring(name, entries)
        if mirrors or self.origin.role is Role.MIRRORED:
            await self.index.fill(page, entries, 0, False)
        else:
            now = self.clock.seconds()
            for entry in entries:
                assert entry.digest is not None  # it was measured
                await self.records.uses.note(Use(entry.digest, self.index.label, name, entry.filename, entry.size or 0, now))
        self.announcements.announce(name)

    async def _bring(self, name: NormalizedName, entries: Sequence[File]) -> None:
        for entry in entries:
            # It finds the bytes here, and takes METADATA out of a wheel.
            await self.index.take(name, entry)

    async def _remember(self, project: Project, known: Known, files: Sequence[File], versions: Sequence[str]) -> None:
        """Let a proxy remember of an upstream that it could not ask what the tool did; it is asked again as soon as it can be."""
        if known.said:
            return
        page = UpstreamPage(project.name, tuple(files), tuple(versions), project.status, project.serial or None)
        await self.records.pages.keep(self.index.label, project.name, Remembered(page, NEVER, NEVER))
        await self.index.refresh(project.name)


def _all(fate: Fate, name: NormalizedName, kept: Sequence[_Kept]) -> list[Outcome]:
    """What is to be told of these. Slow where there are thousands."""
    return [Outcome(one.found.path, fate, name, one.found.file.filename, size=one.size, linked=one.linked) for one in kept]


def _as_taken(entry: File, hashes: Mapping[str, str], size: int | None) -> File:
    """
    The entry of a file that is here.

    What stands beside it upstream is not here, so it is not promised; METADATA is taken out of the file itself.
    """
    stated = tuple(pair for pair in entry.hashes if pair[0] != "sha256")
    return attrs.evolve(entry, hashes=(("sha256", hashes["sha256"]), *stated), size=size, core_metadata=None, provenance=None)
