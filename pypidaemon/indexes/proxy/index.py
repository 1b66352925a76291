"""The proxy as an index: its parts put together, and the one question that needs them all: give me the bytes."""

from __future__ import annotations

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.errors import CorruptContent, NoSuchBlob, NoSuchFile, NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.explaining import asked
from pypidaemon.filenames import package_type
from pypidaemon.flights import Flights, landing
from pypidaemon.globs import matches_any
from pypidaemon.indexes.proxy.dates import Dates
from pypidaemon.indexes.proxy.explaining import RESERVED, explained
from pypidaemon.indexes.proxy.names import Names
from pypidaemon.indexes.proxy.pages import Pages
from pypidaemon.indexes.proxy.provenance import Provenance
from pypidaemon.indexes.proxy.removal import removal, way
from pypidaemon.indexes.proxy.sidecars import Sidecars
from pypidaemon.interfaces import IBlobStore, IContent, IExplaining, IIndex, IKnowing, IRecords, IUpstream
from pypidaemon.model import (
    Change,
    Companion,
    Digest,
    Explanation,
    Fact,
    File,
    Filename,
    InThread,
    Listed,
    NormalizedName,
    ProjectList,
    ProjectPage,
)
from pypidaemon.settings import flag, given, reference, references, setting
from pypidaemon.spool import Spool, Want

_NO_FILE = Filename("-")
"""No file has this name, so asking for it tells whether there is a page and reads none of it."""


@implementer(IIndex, IKnowing, IExplaining)
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
    removal: str = setting(way, default="follow", help="what becomes of files that upstream removed: follow, keep or keep-if-used")
    dates: tuple[IUpstream, ...] = attrs.field(
        default=(), metadata=references(IUpstream, default=(), help="upstreams asked for upload times that this one lacks").metadata
    )
    dates_from_files: bool = setting(flag, default=False, help="whether files without an upload time are asked when they last changed")
    pages: Pages = attrs.field(init=False)
    names: Names = attrs.field(init=False)
    dating: Dates = attrs.field(init=False)
    sidecars: Sidecars = attrs.field(init=False)
    provenance: Provenance = attrs.field(init=False)
    background: Flights[str, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    def __attrs_post_init__(self) -> None:
        if self.upstream.label in {other.label for other in self.dates}:
            raise ValueError("dates: names the upstream itself, which is the one that lacks them")
        kept = removal(self.removal, self.label, self.records, self.blobs, self.cpu)
        self.dating = Dates(self.label, self.upstream, self.dates, self.dates_from_files, self.records, self.clock, self._learned)
        self.pages = Pages(self.label, self.upstream, self.records, self.clock, self.cpu, self.announcements, kept, self.dating)
        self.names = Names(
            self.label, self.upstream, self.records, self.lists, self.clock, self.cpu, self.disk, self._hidden, kept.projects
        )
        self.sidecars = Sidecars(self.label, self.upstream, self.records, self.blobs, self.spool, self.disk, self._announce, self._learned)
        self.provenance = Provenance(self.label, self.upstream, self.records, self.clock, self.cpu)

    def stopService(self) -> Deferred[None]:
        """Cancel what is under way; fires when it has ended."""
        Service.stopService(self)
        return landing(
            self.background, self.sidecars.flights, self.provenance.flights, self.pages.flights, self.names.flights, self.dating.flights
        )

    async def project_names(self) -> ProjectList:
        """As `IIndex`."""
        return await self.names.project_names()

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; a reserved name is absent whatever was remembered of it (law 3)."""
        self._check_reserved(name)
        return await self.pages.page(name)

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: with what upstream said, when, and what was found out about the files here."""
        told = await asked(self, name, "proxy")
        if self._hidden(name):
            return attrs.evolve(told, facts=RESERVED)
        return await explained(told, name, self.pages, self.blobs)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`."""
        self._check_reserved(name)
        return await self.pages.find(name, filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: from the store, else through one shared download that is verified before its last byte is given."""
        file = (await self.find(name, filename)).file
        if companion is Companion.METADATA:
            return await self._sidecar(name, file)
        if companion is Companion.PROVENANCE:
            return await self.provenance.open(name, file)
        return await self.spool.open(self._want(name, file))

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`: of the projects that were ever asked for."""
        rows = await self.records.ledger.changes(self.label, since, 50_000)
        return [row for row in rows if not self._hidden(row.name)]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`."""
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

    async def _learned(self, name: NormalizedName) -> None:
        await self.pages.look_again(name)

    def _announce(self, name: NormalizedName) -> None:
        self.announcements.announce(name)

    def _hidden(self, name: NormalizedName) -> bool:
        return matches_any(name, self.reserved) is not None

    def _check_reserved(self, name: NormalizedName) -> None:
        if self.reserved and self._hidden(name):
            raise NoSuchProject(name)

    def _want(self, name: NormalizedName, file: File) -> Want:
        promised = file.digest

        async def landed(digest: Digest, size: int) -> None:
            if promised is None:
                known = await self.records.facts.learn(self.label, name, file.filename, Fact(digest=digest, size=size))
                if known.digest != digest:
                    raise CorruptContent(f"{file.filename} is not the file that was first seen under this name")
                await self.pages.look_again(name)
            if file.core_metadata is None and package_type(file.filename) == "bdist_wheel":
                self.background.start(file.filename, lambda: self._give_sidecar(name, file, digest))

        return Want(
            key=promised or f"{self.label}/{name}/{file.filename}",
            source=lambda offset: self.upstream.fetch_body(file.url, offset),
            digest=promised,
            size=file.size,
            checks=tuple(check for check in file.hashes if check[0] != "sha256"),
            landed=landed,
            origin=self.label,
            title=file.filename,
        )

    async def _sidecar(self, name: NormalizedName, file: File) -> IContent:
        try:
            return await self.sidecars.open(name, file)
        except (NoSuchFile, NoSuchBlob):
            # A client that was promised one fails without it (R99), so what is promised is made, also where that takes the whole wheel.
            made = await self._from_wheel(name, file)
            if made is not None and file.core_metadata in ("", made):
                return await self.blobs.open(made)
            if file.core_metadata is not None:
                await self.sidecars.withdraw(name, file)
                await self.pages.look_again(name)
            raise NoSuchFile(f"{file.filename}.metadata") from None
        except UpstreamUnavailable:
            made = await self._from_held_wheel(name, file)
            if made is None or file.core_metadata not in ("", made):
                raise
            return await self.blobs.open(made)

    async def _from_held_wheel(self, name: NormalizedName, file: File) -> Digest | None:
        """The same out of a wheel that is here; None where it is not."""
        if file.digest is None or package_type(file.filename) != "bdist_wheel":
            return None
        try:
            return await self.sidecars.take_from_wheel(name, file.filename, file.digest)
        except (NoSuchBlob, NoSuchFile):
            return None

    async def _from_wheel(self, name: NormalizedName, file: File) -> Digest | None:
        """METADATA taken out of the wheel, which is fetched for it if need be; None where there is none."""
        if file.core_metadata is None or package_type(file.filename) != "bdist_wheel":
            return None
        wheel = await self.spool.open(self._want(name, file))
        try:
            offset = 0
            while piece := await wheel.read(offset, 1 << 18):
                offset += len(piece)
            digest = file.digest or wheel.digest
        finally:
            wheel.close()
        assert digest is not None  # whoever has read to the end has had the verdict
        try:
            return await self.sidecars.take_from_wheel(name, file.filename, digest)
        except NoSuchFile:
            return None

    async def _give_sidecar(self, name: NormalizedName, file: File, digest: Digest) -> None:
        """Make the sidecar that upstream does not have, and let the page promise it from now on (R102)."""
        await self.sidecars.take_from_wheel(name, file.filename, digest)
        await self.pages.look_again(name)
