"""Records seen as if one could write to them, of which nothing reaches them: for looking at what a daemon would show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.interfaces import (
    IAccountRecords,
    IDocumentCache,
    IFetchRecords,
    IFileFacts,
    IFileRecords,
    ILedger,
    IMirrorRecords,
    IPageCache,
    IPins,
    IPublisherRecords,
    IRecords,
    IRulingRecords,
    IUses,
    IWithdrawnEntries,
)
from pypidaemon.model import Fact, File, Filename, NormalizedName, ProjectStatus, Remembered, RememberedNames, Replaced, Withdrawn
from pypidaemon.records.memory import MemoryLedger
from pypidaemon.records.memory_uses import MemoryUses
from pypidaemon.records.rules import merged
from pypidaemon.records.unwritten_mirrors import UnwrittenMirrors


@attrs.frozen
class Labels:
    """Under which labels to look for what an index would have: its own, then those of others that asked the same upstream."""

    others: Mapping[str, tuple[str, ...]]

    def of(self, label: str) -> Iterable[str]:
        """These labels, first the one itself."""
        return (label, *self.others.get(label, ()))


@implementer(IPageCache)
@attrs.frozen
class UnwrittenPages:
    """`IPageCache` that keeps nothing new."""

    pages: IPageCache
    labels: Labels

    async def recall(self, label: str, name: NormalizedName) -> Remembered | None:
        """What was last kept of that project."""
        for one in self.labels.of(label):
            found = await self.pages.recall(one, name)
            if found is not None:
                return found
        return None

    async def recall_file(self, label: str, name: NormalizedName, filename: Filename) -> Remembered | None:
        """The same cut down to one file."""
        for one in self.labels.of(label):
            found = await self.pages.recall_file(one, name, filename)
            if found is not None:
                return found
        return None

    async def keep(self, label: str, name: NormalizedName, remembered: Remembered) -> None:
        """Nothing."""

    async def drop(self, label: str, name: NormalizedName) -> None:
        """Nothing."""

    async def expire(self, label: str, name: NormalizedName | None) -> int:
        """Nothing."""
        return 0

    async def remembered(self, label: str) -> list[NormalizedName]:
        """The projects with a page remembered, in the order of the names."""
        return sorted({name for one in self.labels.of(label) for name in await self.pages.remembered(one)})

    async def recall_names(self, label: str) -> RememberedNames | None:
        """What was last kept of the project list."""
        return await self.pages.recall_names(label)

    async def keep_names(self, label: str, remembered: RememberedNames) -> None:
        """Nothing."""

    def names_changed(self, label: str) -> int:
        """As `IPageCache.names_changed`: as of what is written elsewhere."""
        return self.pages.names_changed(label)


@implementer(IFileFacts)
@attrs.frozen
class UnwrittenFacts:
    """`IFileFacts` that learns nothing for good."""

    facts: IFileFacts
    labels: Labels

    async def known(self, label: str, name: NormalizedName) -> Mapping[Filename, Fact]:
        """All facts about that project's files."""
        found: dict[Filename, Fact] = {}
        for one in self.labels.of(label):
            for filename, fact in (await self.facts.known(one, name)).items():
                found.setdefault(filename, fact)
        return found

    async def learn(self, label: str, name: NormalizedName, filename: Filename, fact: Fact) -> Fact:
        """What would be known now."""
        return merged((await self.known(label, name)).get(filename, Fact()), fact)

    async def learn_all(self, label: str, name: NormalizedName, facts: Mapping[Filename, Fact]) -> None:
        """Nothing."""

    async def differ(self, label: str, name: NormalizedName, others: Mapping[Filename, str], since: float) -> tuple[Filename, ...]:
        """Nothing, and nobody is to be told of it."""
        return ()

    async def replaced(self, after: tuple[str, str, str], limit: int) -> list[Replaced]:
        """What is noted."""
        return await self.facts.replaced(after, limit)

    async def accept(self, label: str, name: NormalizedName, filename: Filename) -> Replaced | None:
        """Nothing."""
        return None


@implementer(IWithdrawnEntries)
@attrs.frozen
class UnwrittenWithdrawn:
    """`IWithdrawnEntries` to which nothing is added."""

    entries: IWithdrawnEntries
    labels: Labels

    async def withdrawn(self, label: str, name: NormalizedName) -> Mapping[Filename, Withdrawn]:
        """Those of that project."""
        found: dict[Filename, Withdrawn] = {}
        for one in self.labels.of(label):
            for filename, entry in (await self.entries.withdrawn(one, name)).items():
                found.setdefault(filename, entry)
        return found

    async def withdraw(self, label: str, name: NormalizedName, files: tuple[File, ...], since: float) -> None:
        """Nothing."""

    async def restore(self, label: str, name: NormalizedName, filenames: tuple[Filename, ...]) -> None:
        """Nothing."""

    async def last_status(self, label: str, name: NormalizedName) -> ProjectStatus | None:
        """The status that was last noted of a project."""
        found = [await self.entries.last_status(one, name) for one in self.labels.of(label)]
        return next((status for status in found if status is not None), None)

    async def note_status(self, label: str, name: NormalizedName, status: ProjectStatus) -> None:
        """Nothing."""

    async def projects(self, label: str) -> Mapping[NormalizedName, int]:
        """Every project with entries here, and how many."""
        found: dict[NormalizedName, int] = {}
        for one in self.labels.of(label):
            for name, count in (await self.entries.projects(one)).items():
                found.setdefault(name, count)
        return found


@implementer(IPublisherRecords)
@attrs.frozen
class UnwrittenPublishers:
    """`IPublisherRecords` that meets nobody for good."""

    seen: IPublisherRecords
    labels: Labels

    async def publishers(self, label: str, name: NormalizedName) -> Mapping[str, float]:
        """Everybody seen, with when first."""
        found: dict[str, float] = {}
        for one in self.labels.of(label):
            for publisher, time in (await self.seen.publishers(one, name)).items():
                found.setdefault(publisher, time)
        return found

    async def met(self, label: str, name: NormalizedName, publisher: str, time: float) -> bool:
        """Whether it would be new."""
        return publisher not in await self.publishers(label, name)


@implementer(IDocumentCache)
@attrs.frozen
class UnwrittenDocuments:
    """`IDocumentCache` that keeps nothing new."""

    documents: IDocumentCache
    labels: Labels

    async def recall(self, label: str, name: NormalizedName, filename: str) -> tuple[bytes, float] | None:
        """What was last kept under that name, and until when it is fresh."""
        for one in self.labels.of(label):
            found = await self.documents.recall(one, name, filename)
            if found is not None:
                return found
        return None

    async def keep(self, label: str, name: NormalizedName, filename: str, body: bytes, fresh_until: float) -> None:
        """Nothing."""

    async def expire(self, label: str, name: NormalizedName | None) -> int:
        """Nothing."""
        return 0


@implementer(IRecords)
@attrs.define(eq=False)
class Unwritten:
    """
    `IRecords` over others: pages numbered in memory, and whatever an index remembers on its way to a page forgotten.

    The books that no page is made with, and those of files, are the others' own.

    :param others: as `Labels`.
    """

    records: IRecords
    clock: IReactorTime
    others: Mapping[str, tuple[str, ...]]
    pages: IPageCache = attrs.field(init=False)
    facts: IFileFacts = attrs.field(init=False)
    ledger: ILedger = attrs.field(init=False)
    files: IFileRecords = attrs.field(init=False)
    accounts: IAccountRecords = attrs.field(init=False)
    rulings: IRulingRecords = attrs.field(init=False)
    fetches: IFetchRecords = attrs.field(init=False)
    withdrawn: IWithdrawnEntries = attrs.field(init=False)
    publishers: IPublisherRecords = attrs.field(init=False)
    documents: IDocumentCache = attrs.field(init=False)
    mirrors: IMirrorRecords = attrs.field(init=False)
    uses: IUses = attrs.field(init=False)
    pins: IPins = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        labels, records = Labels(self.others), self.records
        self.pages = UnwrittenPages(records.pages, labels)
        self.facts = UnwrittenFacts(records.facts, labels)
        self.ledger = MemoryLedger(self.clock)
        self.files = records.files
        self.accounts = records.accounts
        self.rulings = records.rulings
        self.fetches = records.fetches
        self.withdrawn = UnwrittenWithdrawn(records.withdrawn, labels)
        self.publishers = UnwrittenPublishers(records.publishers, labels)
        self.documents = UnwrittenDocuments(records.documents, labels)
        self.mirrors = UnwrittenMirrors(records.mirrors)
        self.uses = MemoryUses()
        self.pins = records.pins

    async def identity(self) -> str:
        """As `IRecords`."""
        return await self.records.identity()
