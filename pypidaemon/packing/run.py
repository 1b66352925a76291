"""
One pack: what the files ask for is read, what is no lock is resolved, all of it is brought here, and then what it takes to build what has no wheel.

A kill at any moment loses nothing: each file is whole or not there, a release is pinned once it is here, and whoever begins anew finds what is done done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import Deferred, FirstError, gatherResults

from pypidaemon.closure import Stated, stated
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.model import File, Filename, NormalizedName, ProjectPage
from pypidaemon.packing.bringing import Bringing, Sought, absence, sdists
from pypidaemon.packing.knowledge import Absence, Document, Known, spoken
from pypidaemon.packing.means import Means as Means
from pypidaemon.packing.report import Report
from pypidaemon.packing.sources import Source, source, wheel_needs
from pypidaemon.packing.targets import Target, is_sdist
from pypidaemon.packing.wants import Goal, Piece, spelled_lines, wants
from pypidaemon.versions import Version

if TYPE_CHECKING:
    from pypidaemon.packing.resolving import Impossible, Picked, Solved

HANDS = 6
"""Releases that are brought at once, and pages that are asked for."""

NO_RESOLVER = "what is in no lock has to be resolved, which takes resolvelib: install pypidaemon[pack], or name a lock file"


@attrs.frozen
class Order:
    """
    What somebody wants packed.

    :param names: the files to be read, by what they are called.
    :param texts: their texts, and those of what they include.
    """

    names: tuple[str, ...]
    texts: Mapping[str, str] = attrs.field(repr=False)
    targets: tuple[Target, ...]
    pin: bool = True
    rehearsal: bool = False


@attrs.define
class Packing:
    """One pack of one index."""

    means: Means
    order: Order
    label: str
    report: Report = attrs.field(init=False)
    known: Known = attrs.field(factory=Known, init=False)
    bringing: Bringing = attrs.field(init=False)
    _sources: dict[Filename, Source] = attrs.field(factory=dict, init=False, repr=False)
    _done: dict[Piece, set[Target]] = attrs.field(factory=dict, init=False, repr=False)
    _built: set[tuple[Filename, Target]] = attrs.field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        means, order = self.means, self.order
        self.report = Report(self.label, tuple(map(str, order.targets)), order.rehearsal)
        pins = means.pins if order.pin else None
        self.bringing = Bringing(means.indexes[self.label], means.stores(), pins, means.cpu, self.report)

    async def run(self) -> Report:
        """
        Do it.

        :raises PypidaemonError: a file cannot be read, or the records cannot.
        """
        order = self.order
        try:
            asked = await self.means.cpu(wants, order.names, order.texts, order.targets)
        except ValueError as error:
            raise PypidaemonError(str(error)) from None
        for note in asked.notes:
            self.report.note(note)
        pieces = list(asked.pieces)
        for goal in asked.goals:
            pieces += await self._resolved(goal, order.targets)
        while pieces:
            unbuilt = await self._brought(pieces)
            pieces = []
            for sought in unbuilt:
                pieces += await self._to_build(sought)
        self.report.phase = "ended"
        return self.report

    async def _brought(self, pieces: Iterable[Piece]) -> list[Sought]:
        """Have these here; answer those that have to be built somewhere."""
        self.report.phase = "brings"
        unbuilt: list[Sought] = []
        fresh = [piece for piece in pieces if self._is_new(piece)]
        self.report.found += len(fresh)

        async def one(piece: Piece) -> None:
            # What nothing is resolved with is not kept: a lock may name thousands of projects, and a page be of megabytes.
            page = self.known.pages.get(piece.name) or await self.bringing.page(piece.name)
            sought = await self.bringing.bring(piece, page, self.order.targets)
            self.report.looked += 1
            if sought is not None and sought.unbuilt:
                unbuilt.append(sought)

        await abreast(partial(one, piece) for piece in fresh)
        return unbuilt

    def _is_new(self, piece: Piece) -> bool:
        # Two locks may name other files of one release, or say other hashes of them.
        done = self._done.setdefault(attrs.evolve(piece, targets=()), set())
        is_new = not done or not done.issuperset(piece.targets)
        done.update(piece.targets)
        return is_new

    async def _to_build(self, sought: Sought) -> list[Piece]:
        """What it takes to build that release where it has no wheel, as pieces."""
        found: list[Piece] = []
        for filename in sdists(sought):
            where = [target for target in sought.unbuilt if (filename, target) not in self._built]
            self._built.update((filename, target) for target in where)
            if not where:
                continue
            self.report.note(f"{filename}: has to be built for {', '.join(map(str, where))}; compilers and libraries are not looked for")
            if self.order.rehearsal and filename not in self._sources:
                self.report.note(f"{filename}: what it takes to build it is known once it is here")
                continue
            try:
                said = await self._source(sought.piece.name, filename)
                title = f"the build of {filename}"
                goal = Goal(title, tuple(spelled_lines(said.builds, title)))
            except (PypidaemonError, ValueError, OSError) as error:
                self.report.note(f"{filename}: what it takes to build it cannot be read: {error}")
                continue
            if goal.lines:
                found += await self._resolved(goal, where)
        return found

    async def _resolved(self, goal: Goal, targets: Sequence[Target]) -> list[Piece]:
        """The releases that meet a goal on each of these targets."""
        try:
            import resolvelib  # noqa: F401  # the module that uses it is imported further below
        except ModuleNotFoundError as error:
            if error.name != "resolvelib":
                raise
            self.report.miss(goal.title, "", "", "unknown", NO_RESOLVER)
            return []
        chosen: dict[tuple[NormalizedName, Version], list[Target]] = {}
        for target in targets:
            for picked in await self._for_one(goal, target):
                chosen.setdefault((picked.name, picked.version), []).append(target)
        hashes = {line.requires.name: line.hashes for line in goal.lines if line.hashes}
        return [
            Piece(name, version, tuple(dict.fromkeys(where)), (), hashes.get(name, frozenset()))
            for (name, version), where in chosen.items()
        ]

    async def _for_one(self, goal: Goal, target: Target) -> list[Picked]:
        from pypidaemon.packing.resolving import Impossible

        found = await self._solved(goal, target, without=False)
        if isinstance(found, Impossible):
            found = await self._solved(goal, target, without=True)
        if isinstance(found, Impossible):
            if goal.apart:
                self.report.note(f"{goal.title}: its parts are resolved each by itself, since {found.reason}")
                return [picked for part in goal.apart for picked in await self._for_one(part, target)]
            self.report.miss(found.name, "", "", "conflict", f"{goal.title}: {found.reason}")
            return []
        for name, by, why in found.absent:
            self.report.miss(name, "", "", why.cause, f"{why.reason}, and {by} needs it")
        for picked in found.picked:
            self._told(picked)
        return list(found.picked)

    def _told(self, picked: Picked) -> None:
        """Say what is not known of what that release needs."""
        file = spoken(picked.files)
        said = self.known.documents.get((picked.name, file.filename))
        if isinstance(said, Absence):
            self.report.miss(picked.name, str(picked.version), f"{file.filename}.metadata", said.cause, said.reason)
        elif said is not None:
            for line in said.left_out:
                self.report.note(f"{file.filename} needs {line}, which is no requirement on an index")
        if is_sdist(file) and (it := self._sources.get(file.filename)) is not None and not it.sure:
            self.report.note(f"{file.filename}: what it needs is only certain once it is built; followed is what it says now")

    async def _solved(self, goal: Goal, target: Target, *, without: bool) -> Solved | Impossible:
        from pypidaemon.packing.resolving import Lacking, resolve

        self.report.phase = "resolves"
        while True:
            found = await self.means.cpu(resolve, self.known, goal, target, without=without)
            if not isinstance(found, Lacking):
                return found
            await abreast(
                [
                    *(partial(self._page, name) for name in sorted(found.names)),
                    *(partial(self._learn, document) for document in sorted(found.documents)),
                ]
            )

    async def _page(self, name: NormalizedName) -> ProjectPage | Absence:
        if name not in self.known.pages:
            self.known.pages[name] = await self.bringing.page(name)
        return self.known.pages[name]

    async def _learn(self, document: Document) -> None:
        """Find out what a file needs: from its metadata, else from the file itself."""
        try:
            page = self.known.pages[document[0]]
            file = page.file(document[1]) if isinstance(page, ProjectPage) else None
            if file is not None:
                await self.bringing.notice(file)
            self.known.documents[document] = await self._stated(*document)
        except PypidaemonError as error:
            self.known.documents[document] = absence(error)
        except (ValueError, OSError) as error:
            self.known.documents[document] = Absence("unknown", f"what it needs cannot be read: {error}")

    async def _stated(self, name: NormalizedName, filename: Filename) -> Stated:
        if is_sdist(File(filename)):
            return (await self._source(name, filename)).needs
        try:
            document = await self.bringing.document(name, filename)
        except NoSuchFile:
            return await self.means.disk(wheel_needs, await self.bringing.here(name, filename), filename)
        return await self.means.cpu(stated, document)

    async def _source(self, name: NormalizedName, filename: Filename) -> Source:
        if filename not in self._sources:
            self._sources[filename] = await self.means.disk(source, await self.bringing.here(name, filename), filename)
        return self._sources[filename]


async def abreast(work: Iterable[Callable[[], Awaitable[Any]]], hands: int = HANDS) -> None:
    """
    Do all of that, so much at once; cancelling this wait cancels all that is under way.

    :raises Exception: whatever the first of them raised; those that had not begun do not begin then.
    """
    waiting = iter(work)

    async def hand() -> None:
        for one in waiting:
            await one()

    working = [Deferred.fromCoroutine(hand()) for _ in range(hands)]
    try:
        await gatherResults(working, consumeErrors=True)
    except FirstError as error:
        for one in working:
            one.cancel()
        error.subFailure.raiseException()
