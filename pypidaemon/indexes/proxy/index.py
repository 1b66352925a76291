"""The proxy as an index: its parts put together, and the one question that needs them all: give me the bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.errors import NoSuchProject
from pypidaemon.explaining import asked
from pypidaemon.flights import landing
from pypidaemon.globs import matches_any
from pypidaemon.indexes.proxy.dates import Dates
from pypidaemon.indexes.proxy.explaining import RESERVED, explained
from pypidaemon.indexes.proxy.firsts import Firsts
from pypidaemon.indexes.proxy.names import Names
from pypidaemon.indexes.proxy.pages import Pages
from pypidaemon.indexes.proxy.provenance import Provenance
from pypidaemon.indexes.proxy.removal import removal, way
from pypidaemon.indexes.proxy.warming import taken, warmed
from pypidaemon.interfaces import (
    IBlobStore,
    IContent,
    IDependent,
    IExplaining,
    IFillable,
    IHealth,
    IKnowing,
    IMeasured,
    IRecords,
    ISteady,
    ITurn,
    IUpstream,
)
from pypidaemon.model import (
    Change,
    Companion,
    Digest,
    Explanation,
    File,
    Filename,
    InThread,
    Listed,
    NormalizedName,
    ProjectList,
    ProjectPage,
)
from pypidaemon.policies.blocked import Blocked
from pypidaemon.rulings import Rulings
from pypidaemon.settings import flag, given, reference, references, setting
from pypidaemon.spool import Spool
from pypidaemon.upstream_files import UpstreamFiles, holding
from pypidaemon.volume import Allotments

_NO_FILE = Filename("-")
"""No file has this name, so asking for it tells whether there is a page and reads none of it."""


HELD, ALL = "held", "all"
"""What `while-down` can be."""


def listed_while_down(raw: str) -> str:
    """`HELD` or `ALL`."""
    if raw.strip() not in (HELD, ALL):
        raise ValueError(f"{raw.strip()!r} is none of {HELD}, {ALL}")
    return raw.strip()


@implementer(IFillable, IKnowing, IExplaining, IDependent, IMeasured, ISteady)
@attrs.define(eq=False, slots=False)
class Proxy(Service):
    """
    An index whose truth is upstream, fetched on demand and kept.

    Pages are kept for as long as upstream says; a file once verified is kept for ever. Losing either costs time, not truth (law 8);
    the pins of files whose hash upstream does not tell are facts in the records and survive the cache. As a service it ends what goes on
    behind the clients' backs before the records close.
    """

    label: str = given("label")
    upstream: IUpstream = reference(IUpstream, default="pypi", help="the upstream asked")
    records: IRecords = reference(IRecords, default="records", help="where pages, pins and serials are remembered")
    blobs: IBlobStore = reference(IBlobStore, default="blobs", help="where files are kept")
    lists: IBlobStore = given("lists")
    spool: Spool = given("spool")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")
    disk: InThread = given("disk")
    reserved: tuple[str, ...] = given("reserved")
    announcements: Announcements = given("announcements")
    rulings: Rulings = given("rulings", factory=Rulings)
    allotments: Allotments = given("allotments", factory=Allotments)
    removal: str = setting(way, default="follow", help="what becomes of files that upstream removed: follow, keep or keep-if-used")
    while_down: str = setting(
        listed_while_down, default=HELD, help="what pages list while upstream cannot be asked: held, the files that are here, or all"
    )
    dates: tuple[IUpstream, ...] = attrs.field(
        default=(), metadata=references(IUpstream, default=(), help="upstreams asked for upload times that this one lacks").metadata
    )
    dates_from_files: bool = setting(flag, default=False, help="whether files without an upload time are asked when they last changed")
    pages: Pages = attrs.field(init=False)
    names: Names = attrs.field(init=False)
    dating: Dates = attrs.field(init=False)
    files: UpstreamFiles = attrs.field(init=False)
    provenance: Provenance = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.upstream.label in {other.label for other in self.dates}:
            raise ValueError("dates: names the upstream itself, which is the one that lacks them")
        kept = Firsts(removal(self.removal, self.label, self.records, self.blobs, self.cpu), self.label, self.records, self.blobs, self.cpu)
        self.dating = Dates(self.label, self.upstream, self.dates, self.dates_from_files, self.records, self.clock, self._learned)
        self.pages = Pages(self.label, self.upstream, self.records, self.clock, self.cpu, self.announcements, kept, self.dating)
        self.names = Names(
            self.label, self.upstream, self.records, self.lists, self.clock, self.cpu, self.disk, self._hidden, kept.projects
        )
        self.files = UpstreamFiles(
            self.label,
            self.upstream,
            self.records,
            self.blobs,
            self.spool,
            self.disk,
            self._check,
            self._announce,
            self._learned,
            noted=True,
            allotment=self.allotments.mirrored,
        )
        self.provenance = Provenance(self.label, self.upstream, self.records, self.clock, self.cpu)

    def stopService(self) -> Deferred[None]:
        """Cancel what is under way; fires when it has ended."""
        Service.stopService(self)
        return landing(
            self.files.background,
            self.files.sidecars.flights,
            self.provenance.flights,
            self.pages.flights,
            self.pages.standing.flights,
            self.names.flights,
            self.dating.flights,
        )

    @property
    def line(self) -> IHealth:
        """As `IDependent`."""
        return self.pages.standing.line

    @property
    def lost(self) -> tuple[str, ...]:
        """As `IDependent`."""
        return self.pages.standing.lost

    def reaches(self, file: File) -> bool:
        """As `IDependent`."""
        return self.pages.standing.reaches(file)

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IDependent`."""
        self.pages.standing.listen(listener)

    @property
    def shrinks(self) -> bool:
        """As `IDependent`."""
        return self.while_down == HELD

    async def holding(self, digests: Collection[Digest]) -> frozenset[Digest]:
        """As `IDependent`."""
        return await holding(self.blobs, digests)

    async def project_names(self) -> ProjectList:
        """As `IIndex`."""
        return await self.names.project_names()

    def names_state(self) -> Hashable | None:
        """As `ISteady`; where upstream's removals are kept, what is still listed of them depends on too much."""
        return self.names.state() if self.removal == "follow" else None

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; a reserved name is absent whatever was remembered of it (law 3)."""
        self._check_reserved(name)
        return await self.pages.page(name)

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: pages that were doubted, and those that were believed after all (F5, F6)."""
        return {"doubted": self.pages.doubts.begun, "believed": self.pages.doubts.believed}

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: with what upstream said, when, and what was found out about the files here."""
        told = await asked(self, name, "proxy")
        if self._hidden(name):
            return attrs.evolve(told, facts=RESERVED)
        return await explained(told, name, self.pages, self.blobs, self.shrinks)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`."""
        self._check_reserved(name)
        return await self.pages.find(name, filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: from the store, else through one shared download that is verified before its last byte is given."""
        file = (await self.find(name, filename)).file
        if companion is Companion.METADATA:
            return await self.files.sidecar(name, file)
        if companion is Companion.PROVENANCE:
            return await self.provenance.open(name, file)
        # What is found out about a file stays, so nothing is while only another index has told of it.
        return await self.files.open(name, file, learns=not self.pages.standing.added(name, filename))

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`: of the projects that were ever asked for."""
        rows = await self.records.ledger.changes(self.label, since, 50_000)
        return [row for row in rows if not self._hidden(row.name)]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`; a page that was doubted is believed then, where the project was named (F5)."""
        if name is not None:
            self.pages.doubts.accept(name)
        expired = await self.records.pages.expire(self.label, name)
        await self.records.documents.expire(self.label, name)
        self.pages.forget(name)
        self.announcements.announce(name)
        return expired

    async def knows(self, name: NormalizedName) -> bool:
        """As `IKnowing`: by its page or by the list, whichever is remembered. Of a reserved name nothing upstream says counts."""
        if self._hidden(name):
            return False
        remembered = await self.records.pages.recall_file(self.label, name, _NO_FILE)
        if remembered is not None and remembered.page is not None:
            return True
        return await self.names.lists_name(name)

    async def offered(self, name: NormalizedName, serial: int) -> ProjectPage:
        """As `IFillable`; a reserved name is absent, without a request."""
        self._check_reserved(name)
        return await self.pages.current(name, serial)

    async def foresee(self, files: Sequence[File]) -> None:
        """As `IFillable`."""
        await self.files.foresee(files)

    async def take(self, name: NormalizedName, file: File, turn: ITurn | None = None) -> int:
        """As `IFillable`."""
        learns = not self.pages.standing.added(name, file.filename)
        return await self.files.take(name, file, turn, learns=learns) + await self.provenance.take(name, file, turn)

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> frozenset[Filename]:
        """As `IFillable`: nothing shown changes, and what was taken is noted, so that it is not cleared away and a run knows what is here."""
        return await warmed(self.label, self.records, page, files, serial, complete, self.clock.seconds())

    async def companion(self, name: NormalizedName, file: File, companion: Companion) -> IContent:
        """As `IFillable`."""
        if companion is Companion.PROVENANCE:
            return await self.provenance.open(name, file)
        if companion is Companion.METADATA:
            return await self.files.sidecar(name, file)
        return await self.files.open(name, file, learns=not self.pages.standing.added(name, file.filename))

    async def taken(self, name: NormalizedName) -> Mapping[Filename, Digest | None] | None:
        """As `IFillable`: of what was last remembered of the page, also what clients took."""
        return await taken(self.label, self.records, self.blobs, name)

    def _check(self, name: NormalizedName, file: File) -> None:
        Blocked("blocked", self.rulings).check(name, file, self.clock.seconds())

    async def _learned(self, name: NormalizedName) -> None:
        await self.pages.look_again(name)

    def _announce(self, name: NormalizedName) -> None:
        self.announcements.announce(name)

    def _hidden(self, name: NormalizedName) -> bool:
        return matches_any(name, self.reserved) is not None

    def _check_reserved(self, name: NormalizedName) -> None:
        if self.reserved and self._hidden(name):
            raise NoSuchProject(name)
