"""The mirror as an index: its parts put together, and the bytes of its files."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.catalogues import Catalogues
from pypidaemon.errors import NoSuchBlob, NoSuchFile, NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.explaining import asked
from pypidaemon.flights import landing
from pypidaemon.globs import matches_any
from pypidaemon.indexes.mirror.documents import Documents
from pypidaemon.indexes.mirror.explaining import RESERVED, explained
from pypidaemon.indexes.mirror.filling import Filling
from pypidaemon.indexes.mirror.names import Names
from pypidaemon.indexes.mirror.pages import Held, Pages
from pypidaemon.interfaces import IBlobStore, IContent, IExplaining, IKnowing, IMirror, IRecords, ISteady, ITurn, IUpstream
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
    Waiting,
)
from pypidaemon.plans import Limit, limit
from pypidaemon.policies.blocked import Blocked
from pypidaemon.rulings import Rulings
from pypidaemon.settings import duration, given, reference, setting
from pypidaemon.spool import Spool
from pypidaemon.upstream_files import UpstreamFiles
from pypidaemon.volume import Allotments

WAYS = ("follow", "keep")
"""What `removal` can be."""
LOST = "its bytes are lost here; the next run brings them back"
"""What is wrong with a file that was taken and is no longer in the store."""

log = Logger()


def way(raw: str) -> str:
    """One of `WAYS`."""
    if raw.strip() not in WAYS:
        raise ValueError(f"{raw.strip()!r} is neither {' nor '.join(WAYS)}")
    return raw.strip()


@implementer(IMirror, IKnowing, IExplaining, ISteady)
@attrs.define(eq=False, slots=False)
class Mirror(Service):
    """
    An index that offers what it was filled with, whole and without upstream.

    Whoever asks it never makes it ask upstream: what it lacks is absent. Only a service that fills it does. As a service it ends what goes on behind
    the clients' backs before the records close.
    """

    label: str = given("label")
    upstream: IUpstream = reference(IUpstream, default="pypi", help="the upstream that it is filled from")
    records: IRecords = reference(IRecords, default="records", help="where it is recorded what is offered")
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
    removal: str = setting(way, default="follow", help="what becomes of what upstream removed: follow or keep")
    removal_delay: float = setting(duration, default=7 * 86_400.0, help="how long the bytes of what went are kept, and can be brought back")
    removal_limit: Limit = setting(
        limit, default=Limit(), help="how many projects may go in one run, as a percentage (then at least 3) or a number; of more none goes"
    )
    pages: Pages = attrs.field(init=False)
    names: Names = attrs.field(init=False)
    files: UpstreamFiles = attrs.field(init=False)
    filling: Filling = attrs.field(init=False)
    _missed: set[NormalizedName] = attrs.field(factory=set, init=False, repr=False)
    """Projects known to wait because bytes of theirs are lost, so that not every request notes it anew."""

    def __attrs_post_init__(self) -> None:
        self.pages = Pages(self.label, self.records, self.cpu)
        self.names = Names(self.label, self.records, Catalogues(self.label, self.lists, self.disk), self.cpu, self._hidden)
        self.pages.numbered = self.names.note_number
        self.files = UpstreamFiles(
            self.label,
            self.upstream,
            self.records,
            self.blobs,
            self.spool,
            self.disk,
            self._check,
            lambda _: None,
            self._learned,
            allotment=self.allotments.mirrored,
        )
        documents = Documents(self.label, self.upstream, self.records, self.blobs, self.clock, self.cpu)
        self.filling = Filling(
            label=self.label,
            upstream=self.upstream,
            records=self.records,
            blobs=self.blobs,
            clock=self.clock,
            files=self.files,
            documents=documents,
            pages=self.pages,
            announcements=self.announcements,
            keeps=self.removal == "keep",
            delay=self.removal_delay,
        )
        self.announcements.listen(self._heard)

    def stopService(self) -> Deferred[None]:
        """Cancel what is under way; fires when it has ended."""
        Service.stopService(self)
        return landing(self.files.background, self.files.sidecars.flights, self.names.flights)

    async def project_names(self) -> ProjectList:
        """As `IIndex`; also a PypidaemonError where the records cannot be read, or there is no room for the list."""
        return await self.names.project_names()

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        return self.names.state()

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; also a PypidaemonError where the records cannot be read. A reserved name is absent whatever was taken of it (law 3)."""
        return (await self._held(name)).page

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: with what it was filled with, and what it waits for."""
        told = await asked(self, name, "mirror")
        if self._hidden(name):
            return attrs.evolve(told, facts=RESERVED)
        return await explained(told, name, self.records, self.blobs, self.cpu)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`; also a PypidaemonError where the records cannot be read."""
        file = (await self._held(name)).files.get(filename)
        if file is None:
            raise NoSuchFile(filename)
        return Listed(name, file, self.label)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """
        As `IIndex`, from the store alone.

        :raises UpstreamUnavailable: the bytes were here and are lost, which is no absence (law 10); a run is to bring them back.
        """
        held = await self._held(name)
        file = held.files.get(filename)
        promised = {} if file is None else {
            Companion.FILE: file.digest,
            Companion.METADATA: file.core_metadata,
            Companion.PROVENANCE: file.provenance and held.documents.get(filename, ""),
        }  # fmt: skip
        digest = promised.get(companion)
        if file is None or digest is None:
            raise NoSuchFile(filename + companion.value)
        try:
            content = await self.blobs.open(Digest(digest)) if digest else None
        except NoSuchBlob:
            content = None
        except OSError as error:
            raise PypidaemonError(f"{self.label}: the store cannot be read: {error.strerror or type(error).__name__}") from error
        if content is not None and (companion is not Companion.FILE or file.size in (None, content.size)):
            return content
        if content is not None:
            content.close()
        await self._note_lost(name, held.serial, filename + companion.value)
        raise UpstreamUnavailable(self.label, LOST, 60)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        rows = await self.records.ledger.changes(self.label, since, 50_000)
        return [row for row in rows if not self._hidden(row.name)]

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`: nothing here gets old, but a run that looks at the project then asks for provenance again, which may have grown (R118)."""
        return await self.records.documents.expire(self.label, name)

    async def knows(self, name: NormalizedName) -> bool:
        """As `IKnowing`: of a reserved name nothing upstream says counts."""
        return not self._hidden(name) and await self.records.mirrors.page(self.label, name) is not None

    async def offered(self, name: NormalizedName, serial: int) -> ProjectPage:
        """As `IFillable`; a reserved name is absent, without a request."""
        self._check_reserved(name)
        return await self.filling.offered(name, serial)

    async def foresee(self, files: Sequence[File]) -> None:
        """As `IFillable`."""
        await self.files.foresee(files)

    async def take(self, name: NormalizedName, file: File, turn: ITurn | None = None) -> int:
        """As `IFillable`."""
        count = await self.filling.take(name, file, turn)
        if count:
            # Should more be lost than this, it is noted anew.
            self._missed.discard(name)
        return count

    async def companion(self, name: NormalizedName, file: File, companion: Companion) -> IContent:
        """As `IFillable`."""
        return await self.filling.companion(name, file, companion)

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> frozenset[Filename]:
        """As `IFillable`; also a PypidaemonError where something of it is not here, or it cannot be recorded."""
        gone = await self.filling.fill(page, files, serial, complete)
        self._missed.discard(page.name)
        return gone

    async def taken(self, name: NormalizedName) -> Mapping[Filename, Digest | None] | None:
        """As `IFillable`."""
        return await self.filling.taken(name)

    def _check(self, name: NormalizedName, file: File) -> None:
        Blocked("blocked", self.rulings).check(name, file, self.clock.seconds())

    async def _learned(self, name: NormalizedName) -> None:
        """Nothing is shown of what was found out about a file before it is filled in."""

    def _heard(self, name: NormalizedName | None) -> None:
        self.pages.forget(name)
        self.names.touch(name)

    async def _held(self, name: NormalizedName) -> Held:
        self._check_reserved(name)
        return await self.pages.held(name)

    async def _note_lost(self, name: NormalizedName, serial: int, what: str) -> None:
        if name in self._missed:
            return
        log.warn("{label}: {what} is lost; the next run is to bring it back", label=self.label, what=what)
        try:
            waiting = await self.records.mirrors.waiting_of(self.label, name)
            # What failed is tried again in its time, or whoever asks for it could have upstream be asked every minute.
            if waiting is None or not waiting.tries:
                await self.records.mirrors.wait(self.label, [Waiting(name, serial, due=self.clock.seconds(), reason=f"{what} is lost")])
        except PypidaemonError as error:
            log.warn("{label}: that {name} waits cannot be recorded: {error}", label=self.label, name=name, error=str(error))
            return
        self._missed.add(name)

    def _hidden(self, name: NormalizedName) -> bool:
        return matches_any(name, self.reserved) is not None

    def _check_reserved(self, name: NormalizedName) -> None:
        if self.reserved and self._hidden(name):
            raise NoSuchProject(name)
