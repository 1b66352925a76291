"""A plain folder as an index: what is copied into it appears, what is removed disappears, within seconds (P7)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.archives import BadArchive
from pypidaemon.blobs.descriptors import OpenFile
from pypidaemon.blobs.directory import FileContent
from pypidaemon.blobs.memory import MemoryContent
from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError
from pypidaemon.explaining import asked
from pypidaemon.flights import Flights, landing
from pypidaemon.indexes.directory.looking import Mark, Unsettled, open_marked, read, walk
from pypidaemon.indexes.directory.watching import Kept, Watched
from pypidaemon.interfaces import IContent, IExplaining, IIndex, ILocal, IRecords
from pypidaemon.listings import in_stretches
from pypidaemon.model import Change, Companion, Digest, Explanation, Filename, InThread, Listed, NormalizedName, ProjectList, ProjectPage
from pypidaemon.serials import serial_of
from pypidaemon.settings import duration, given, path, reference, setting
from pypidaemon.simple.revision import revise
from pypidaemon.waits import TookTooLong, within

PATIENCE = 2.0
"""Seconds that a question waits for the first look; a folder of many GiB takes longer to read than any client waits."""

log = Logger()


def interval(raw: str) -> float:
    """A duration of a tenth of a second to two seconds."""
    seconds = duration(raw)
    if not 0.1 <= seconds <= 2.0:
        raise ValueError("must be from 0.1s to 2s")
    return seconds


@implementer(IIndex, ILocal, IExplaining)
@attrs.define(eq=False, slots=False)
class Directory(Service):
    """
    An index whose truth is a folder: `<path>/<file>` and `<path>/<folder>/<file>`.

    The folder is looked at again and again, since not every file system tells of changes; `pypidaemon.indexes.directory.watching` says what is
    shown. A project that was ever asked for here stays claimed when its last file goes (law 3), so that no stranger's project takes its place. A
    folder that cannot be read is an error and not an empty one (L3).
    """

    label: str = given("label")
    path: Path = setting(path, help="the folder")
    records: IRecords = reference(IRecords, default="records", help="where the serials are kept")
    clock: IReactorTime = given("clock")
    disk: InThread = given("disk")
    announcements: Announcements = given("announcements")
    interval: float = setting(interval, 2.0, help="how often the folder is looked at, at most every 2s")
    watched: Watched = attrs.field(init=False)
    trouble: str = attrs.field(default="", init=False)
    """Why the last look could not be had."""
    claimed: set[NormalizedName] = attrs.field(factory=set, init=False)
    ready: bool = attrs.field(default=False, init=False)
    flights: Flights[str, None] = attrs.field(factory=Flights, init=False)
    loop: LoopingCall | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.watched = Watched(self.label)

    def startService(self) -> None:
        """Begin to look."""
        Service.startService(self)
        self.loop = LoopingCall(self._tick)
        self.loop.clock = self.clock
        self.loop.start(self.interval, now=True)

    def stopService(self) -> Deferred[None]:
        """Stop looking; fires when a look under way has ended."""
        Service.stopService(self)
        if self.loop is not None and self.loop.running:
            self.loop.stop()
        return landing(self.flights)

    async def look(self) -> None:
        """Look now, or wait for the look under way."""
        await self.flights.join("look", self._look)

    async def project_names(self) -> ProjectList:
        """As `IIndex`: also the projects that had files when they were asked for."""
        await self._insist_on_look()
        numbers = await self.records.ledger.serials(self.label)
        high = await self.records.ledger.high(self.label)
        # Mirrors skip a project without a serial (R48), so one that was never asked for gets 1.
        entries = sorted((name, max(numbers.get(name, 0), 1)) for name in {*self.watched.pages, *self.claimed})

        def again() -> Iterator[tuple[NormalizedName, int]]:
            return iter(entries)

        seen = blake2b("\n".join(name for name, _ in entries).encode(), digest_size=8).hexdigest()
        return ProjectList(
            entries=again, revision=f"{seen}-{high}", serial=max(high, 1), source=self.label, stretches=in_stretches(entries)
        )

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; also a PypidaemonError where the folder cannot be read."""
        await self._insist_on_look()
        page = self.watched.pages.get(name)
        if page is None:
            if name not in self.claimed:
                raise NoSuchProject(name)
            page = revise(ProjectPage(name=name, source=self.label))
        return attrs.evolve(page, serial=await self._number(page))

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`."""
        told = await asked(self, name, "directory")
        if told.page is None or told.page.files:
            return told
        return attrs.evolve(told, facts=(("claimed", "it had files here, and its name stays taken"),))

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`; also a PypidaemonError where the folder cannot be read."""
        return Listed(name, (await self._kept(name, filename)).distribution.file, self.label)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`, from the folder itself. A file that was changed or removed since the last look is not opened, and looked at again."""
        kept = await self._kept(name, filename)
        file = kept.distribution.file
        if companion is Companion.PROVENANCE or (companion is Companion.METADATA and file.core_metadata is None):
            raise NoSuchFile(filename + companion.value)
        root = str(self.path)
        try:
            if companion is Companion.METADATA:
                document = (await self.disk(read, root, kept.path, kept.mark)).metadata
                return MemoryContent(len(document), Digest(file.core_metadata or ""), document)
            opened = OpenFile(await self.disk(open_marked, root, kept.path, kept.mark))
        except (Unsettled, FileNotFoundError):
            await self.look()
            raise NoSuchFile(filename + companion.value) from None
        except (OSError, BadArchive) as error:
            raise PypidaemonError(f"{self.label}: {filename} cannot be read: {_reason(error)}") from error
        return FileContent(str(self.path / kept.path), file.size, file.digest, opened, self.disk)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`: of the projects that were ever asked for."""
        return await self.records.ledger.changes(self.label, since, 50_000)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`: the folder is looked at now; nothing here is remembered of anybody else."""
        await self.look()
        return 0

    async def _kept(self, name: NormalizedName, filename: Filename) -> Kept:
        await self._insist_on_look()
        files = self.watched.shown.get(name)
        if files is None and name not in self.claimed:
            raise NoSuchProject(name)
        kept = (files or {}).get(filename)
        if kept is None:
            raise NoSuchFile(filename)
        return kept

    def _tick(self) -> None:
        self.flights.start("look", self._look)

    async def _insist_on_look(self) -> None:
        """Wait for the first look, and insist that the last one could be had."""
        if not self.ready and not self.trouble:
            try:
                await within(self.clock, PATIENCE, self.look())
            except TookTooLong:
                raise PypidaemonError(f"{self.label}: the files in its folder are still being read") from None
        if self.trouble:
            raise PypidaemonError(f"{self.label}: its folder cannot be read: {self.trouble}")

    async def _look(self) -> None:
        root = str(self.path)
        try:
            found = await self.disk(walk, root)
        except OSError as error:
            if not self.trouble:
                log.warn("{label}: the folder {path} cannot be read: {reason}", label=self.label, path=root, reason=_reason(error))
                self.trouble = _reason(error)
                self.announcements.announce(None)
            return
        if not self.ready:
            self.claimed |= set(await self.records.ledger.serials(self.label))
        for place in self.watched.look(found, self.clock.seconds()):
            await self._read(place, found[place])
        changed = self.watched.show()
        recovered, self.trouble, self.ready = bool(self.trouble), "", True
        for name in changed:
            self.announcements.announce(name)
        if recovered:
            self.announcements.announce(None)
        for name in sorted(changed & self.claimed):
            # Who has the old number must see that it rises (R71), also before anybody asks for the page.
            await self._number(self.watched.pages.get(name) or revise(ProjectPage(name=name, source=self.label)))

    async def _read(self, place: str, mark: Mark) -> None:
        """Read one file, whatever comes of it: a single one must never take all others off the index."""
        try:
            self.watched.took(place, mark, await self.disk(read, str(self.path), place, mark))
        except BadArchive as error:
            log.warn("{label}: {file} is not shown: {reason}", label=self.label, file=place, reason=str(error))
            self.watched.refused(place, mark)
        except OSError as error:
            # It may be gone, or still change; the next look tells.
            log.info("{label}: {file} could not be read: {reason}", label=self.label, file=place, reason=_reason(error))
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # no reader of hostile bytes is proved to raise nothing else
            reason = f"{type(error).__name__} {_reason(error)[:200]!a}"
            log.warn("{label}: {file} is not shown: it cannot be understood: {reason}", label=self.label, file=place, reason=reason)
            self.watched.refused(place, mark)

    async def _number(self, page: ProjectPage) -> int:
        self.claimed.add(page.name)
        return await serial_of(self.records, self.label, page.name, page.revision, 0)


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
