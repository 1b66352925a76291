"""The private index: its parts put together, the bytes of its files, and the life of its releases."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.archives.rules import KINDS, Rules, same_version
from pypidaemon.errors import NoSuchBlob, NoSuchFile, NoSuchProject, NoSuchRelease, PypidaemonError
from pypidaemon.explaining import asked
from pypidaemon.flights import Flights, landing
from pypidaemon.indexes.private.desk import Desk
from pypidaemon.indexes.private.explaining import explained
from pypidaemon.indexes.private.pages import Pages
from pypidaemon.indexes.private.publishing import Publisher
from pypidaemon.indexes.private.slight import SlightDraft
from pypidaemon.indexes.private.taking import Taker
from pypidaemon.indexes.private.turns import Turns
from pypidaemon.interfaces import IBlobStore, IContent, IDraft, IExplaining, IHostedIndex, IInspector, IKeeping, IRecords, ISteady
from pypidaemon.model import (
    Change,
    Companion,
    Deed,
    Digest,
    Earlier,
    Explanation,
    File,
    Filename,
    FileRecord,
    Inspected,
    InThread,
    Listed,
    NormalizedName,
    ProjectList,
    ProjectPage,
    Published,
    Standing,
    Upload,
)
from pypidaemon.policies.blocked import Blocked
from pypidaemon.rulings import Rulings
from pypidaemon.settings import flag, given, reference, setting, words
from pypidaemon.simple.entries import clean
from pypidaemon.volume import Allotments

LONGEST_REASON = 1000
"""Characters of the reason for a yank, which every client downloads with the page."""

_WORDS = {"wheel": ".whl", "sdist": ".tar.gz"}
_VERBS = {Standing.SHOWN: "show", Standing.HIDDEN: "hide", Standing.DELETED: "remove"}
_FROM = {
    Standing.SHOWN: (Standing.HIDDEN, Standing.DELETED),
    Standing.HIDDEN: (Standing.SHOWN,),
    Standing.DELETED: (Standing.SHOWN, Standing.HIDDEN),
}
"""From which standings a file comes to another; a tombstone is not hidden, since that would bring it halfway back."""


class Inspectors(Protocol):
    """What the daemon gives to who wants archives inspected: an inspector for every set of rules."""

    def under(self, rules: Rules) -> IInspector:
        """An inspector that judges by these rules."""


def kinds(raw: str) -> tuple[str, ...]:
    """The kinds of files: `wheel`, `sdist`, or extensions such as `zip`, `egg`, `exe`."""
    found = tuple(dict.fromkeys(_WORDS.get(word.lower()) or "." + word.lower().removeprefix(".") for word in words(raw)))
    strange = [extension for extension in found if extension not in KINDS]
    if strange or not found:
        known = " ".join([*_WORDS, *(extension[1:] for extension in KINDS)])
        raise ValueError(f"{strange[0][1:]!r} is no kind of file; known are {known}" if strange else f"must name kinds of files: {known}")
    return found


@implementer(IHostedIndex, IExplaining, ISteady)
@attrs.define(eq=False, slots=False)
class Private(Service):
    """
    An index whose truth is here: what was uploaded, durable and complete before anybody was told.

    Whatever cannot be read is an error and never an absence, so that nothing falls through to a stranger's project of the same name (L3).
    A name once used stays claimed, and so does a file name (R181), whatever is deleted. A change that was begun goes on when its client leaves,
    and as a service it ends before the records close.
    """

    label: str = given("label")
    records: IRecords = reference(IRecords, default="records", help="where files, owners and serials are recorded")
    blobs: IBlobStore = reference(IBlobStore, default="blobs", help="where the bytes are kept")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")
    announcements: Announcements = given("announcements")
    inspector: Inspectors = given("inspector")
    rulings: Rulings = given("rulings", factory=Rulings)
    allotments: Allotments = given("allotments", factory=Allotments)
    overwrite: bool = setting(flag, False, help="whether who has the right `overwrite` may put other bytes under a file name that is used")
    strict: bool = setting(
        flag,
        False,
        help="whether uploads are held to the Python Package Index's own rules, and begin no project whose name an upstream has",
    )
    kinds: tuple[str, ...] = setting(kinds, (".whl", ".tar.gz"), help="what may be uploaded: wheel, sdist, or extensions such as zip, egg")
    pages: Pages = attrs.field(init=False)
    turns: Turns[NormalizedName] = attrs.field(factory=Turns, init=False)
    publisher: Publisher = attrs.field(init=False)
    taker: Taker = attrs.field(init=False)
    flights: Flights[object, int] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    desk: Desk | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.desk = Desk(self.blobs, self.blobs, self.clock) if IKeeping.providedBy(self.blobs) else None
        rules = Rules(strict=self.strict, kinds=frozenset(self.kinds), platforms=self.strict)
        inspector = self.inspector.under(rules)
        blocked = Blocked("blocked", self.rulings)
        self.pages = Pages(self.label, self.records, self.cpu)
        self.publisher = Publisher(
            label=self.label,
            records=self.records,
            blobs=self.blobs,
            clock=self.clock,
            cpu=self.cpu,
            announcements=self.announcements,
            inspector=inspector,
            rules=rules,
            overwrite=self.overwrite,
            turns=self.turns,
            blocked=blocked,
            pages=self.pages,
            allotment=self.allotments.private,
        )
        self.taker = Taker(
            self.label,
            self.records,
            self.blobs,
            self.clock,
            self.announcements,
            inspector,
            rules,
            self.turns,
            blocked,
            self.allotments.private,
        )
        self.announcements.listen(self.pages.forget)

    def stopService(self) -> Deferred[None]:
        """Cancel what is under way; fires when it has ended. Whatever the records took stays (F73)."""
        Service.stopService(self)
        self.publisher.lines.wait_no_more()
        return landing(self.publisher.flights, self.publisher.keeping, self.taker.flights, self.flights)

    async def project_names(self) -> ProjectList:
        """As `IIndex`."""
        return await self.pages.names()

    def names_state(self) -> Hashable | None:
        """As `ISteady`."""
        return self.pages.told

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`; also a PypidaemonError where the records cannot be read."""
        return (await self.pages.held(name)).page

    async def explain(self, name: NormalizedName) -> Explanation:
        """As `IExplaining`: with the owner, and what was hidden or deleted, so for those alone who may read the project."""
        return await explained(await asked(self, name, "private"), name, self.records)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """As `IIndex`; also a PypidaemonError where the records cannot be read."""
        file = (await self.pages.held(name)).files.get(filename)
        if file is None:
            raise NoSuchFile(filename)
        return Listed(name, file, self.label)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """
        As `IIndex`.

        :raises PypidaemonError: the store cannot be read, or does not have what the records name; that is damage, and no absence.
        """
        file = (await self.find(name, filename)).file
        digest = {Companion.FILE: file.digest, Companion.METADATA: file.core_metadata}.get(companion)
        if not digest:
            raise NoSuchFile(filename + companion.value)
        content = await self._opened(Digest(digest), filename + companion.value)
        if companion is Companion.FILE and content.size != file.size:
            content.close()
            raise PypidaemonError(f"{self.label}: {filename} is damaged in the store: it has {content.size} bytes of {file.size}")
        return content

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`."""
        return await self.records.files.changes(self.label, since, 50_000)

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`: nothing here is remembered of anybody else."""
        return 0

    async def draft(self) -> IDraft:
        """As `IHostedIndex`; where there is no room, that is said when it turns out."""
        return await self.blobs.draft() if self.desk is None else SlightDraft(self.desk)

    async def publish(
        self, upload: Upload, draft: IDraft, account: str, founding: bool, replacing: bool = False, deed: Deed | None = None
    ) -> Published:
        """As `IHostedIndex`; `replacing` counts only where the section says `overwrite = yes`."""
        return await self.publisher.publish(upload, draft, account, founding, replacing, deed)

    async def adopt(
        self,
        upload: Upload,
        content: IContent,
        found: Mapping[str, str],
        account: str,
        founding: bool,
        earlier: Earlier,
        rehearsal: bool,
    ) -> Published:
        """As `IHostedIndex`."""
        return await self.publisher.adopt(upload, content, found, account, founding, earlier, rehearsal)

    async def examine(self, upload: Upload, content: IContent) -> Inspected:
        """As `IHostedIndex`."""
        return await self.publisher.examine(upload, content)

    async def has(self, name: NormalizedName) -> bool:
        """As `IHostedIndex`."""
        if self.pages.shelf.get(name) is None:
            try:
                await self.records.files.look(self.label, name, Filename(""))
            except NoSuchProject:
                return False
        return True

    async def owner(self, name: NormalizedName) -> str | None:
        """As `IHostedIndex`."""
        return await self.records.files.owner(self.label, name)

    async def yank(self, name: NormalizedName, version: str, reason: str | None) -> int:
        """As `IHostedIndex`; what was deleted is no part of the release."""
        said = None if reason is None else " ".join(clean(reason).split())[:LONGEST_REASON]
        return await self.flights.join(object(), lambda: self._yank(name, version, said))

    async def take(self, name: NormalizedName, version: str, source: IHostedIndex, account: str, founding: bool) -> list[FileRecord]:
        """As `IHostedIndex`."""
        return await self.taker.take(name, version, source, account, founding)

    async def place(self, name: NormalizedName, version: str | None, standing: Standing, before: Standing | None = None) -> int:
        """
        As `IHostedIndex`. Showing also brings back what was deleted, unless `before` says otherwise.

        :raises PypidaemonError: the bytes of a file that is to be brought back are no longer here.
        """
        return await self.flights.join(
            object(), lambda: self._place(name, version, standing, _FROM[standing] if before is None else (before,))
        )

    async def release(self, name: NormalizedName, version: str | None) -> list[FileRecord]:
        """As `IHostedIndex`."""
        _, records = await self.records.files.page(self.label, name)
        release = [record for record in records if version is None or same_version(record.version, version)]
        if version is not None and not release:
            raise NoSuchRelease(name, version)
        return release

    async def _yank(self, name: NormalizedName, version: str, said: str | None) -> int:
        action = "unyank release" if said is None else "yank release"
        async with self.turns.of(name):
            release = [record for record in await self.release(name, version) if record.standing is not Standing.DELETED]
            if not release:
                raise NoSuchRelease(name, version)
            concerned = [record.file for record in release if record.file.yanked != said]
            await self._amend(name, concerned, said, action)
        return len(concerned)

    async def _place(self, name: NormalizedName, version: str | None, standing: Standing, before: tuple[Standing, ...]) -> int:
        async with self.turns.of(name):
            release = await self.release(name, version)
            concerned = [record.file for record in release if record.standing in before and record.standing in _FROM[standing]]
            if standing is Standing.SHOWN:
                for file in concerned:
                    await self._insist_on_bytes(file)
            if concerned:
                action = f"{_VERBS[standing]} {'project' if version is None else 'release'}"
                try:
                    await self.records.files.place(self.label, name, tuple(file.filename for file in concerned), standing, action)
                finally:
                    self.announcements.announce(name)
        return len(concerned)

    async def _amend(self, name: NormalizedName, files: list[File], yanked: str | None, action: str) -> None:
        """Yank these files or none: the records change one at a time, so what was changed before one failed is changed back."""
        done: list[File] = []
        try:
            for file in files:
                await self.records.files.amend(self.label, name, file.filename, attrs.evolve(file, yanked=yanked), action)
                done.append(file)
        except PypidaemonError:
            for file in done:
                await self.records.files.amend(self.label, name, file.filename, file, "undo " + action)
            raise
        finally:
            self.announcements.announce(name)

    async def _insist_on_bytes(self, file: File) -> None:
        for digest, what in ((file.digest, file.filename), (file.core_metadata, f"{file.filename}.metadata")):
            if digest:
                (await self._opened(Digest(digest), what)).close()

    async def _opened(self, digest: Digest, what: str) -> IContent:
        try:
            return await self.blobs.open(digest)
        except NoSuchBlob:
            raise PypidaemonError(f"{self.label}: the bytes of {what} are missing from the store") from None
        except OSError as error:
            raise PypidaemonError(f"{self.label}: the store cannot be read: {error.strerror or type(error).__name__}") from error
