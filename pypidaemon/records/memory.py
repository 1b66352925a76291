"""Records that last as long as the process: for tests, and for a daemon that may forget everything at its end."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import attrs
from twisted.application.service import Service
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
from pypidaemon.model import (
    Change,
    Digest,
    Fact,
    Filename,
    NormalizedName,
    ProjectStatus,
    Remembered,
    RememberedNames,
    Replaced,
    UpstreamPage,
)
from pypidaemon.records.memory_accounts import MemoryAccounts
from pypidaemon.records.memory_files import MemoryFiles
from pypidaemon.records.memory_mirrors import MemoryMirrors
from pypidaemon.records.memory_registers import (
    MemoryDocuments,
    MemoryFetches,
    MemoryPublishers,
    MemoryRulings,
    MemoryWithdrawn,
)
from pypidaemon.records.memory_uses import MemoryPins, MemoryUses
from pypidaemon.records.rules import cut, merged, numbered
from pypidaemon.settings import given

Key = tuple[str, NormalizedName]
"""A label and the name of a project."""


@implementer(IPageCache)
@attrs.define(eq=False)
class MemoryPages:
    """`IPageCache` in a dictionary, without a bound: whoever needs one uses SQLite."""

    _pages: dict[Key, Remembered] = attrs.field(factory=dict, init=False)
    _lists: dict[str, RememberedNames] = attrs.field(factory=dict, init=False)
    _changed: Counter[str] = attrs.field(factory=Counter, init=False)

    async def recall(self, label: str, name: NormalizedName) -> Remembered | None:
        """What was last kept of that project."""
        return self._pages.get((label, name))

    async def recall_file(self, label: str, name: NormalizedName, filename: Filename) -> Remembered | None:
        """The same cut down to one file."""
        remembered = self._pages.get((label, name))
        if remembered is None or remembered.page is None:
            return remembered
        files = tuple(file for file in remembered.page.files if file.filename == filename)
        status = remembered.page.status
        return attrs.evolve(
            remembered, page=UpstreamPage(name, files, status=status if status.marker == "quarantined" else ProjectStatus())
        )

    async def keep(self, label: str, name: NormalizedName, remembered: Remembered) -> None:
        """Remember this instead of what was kept before."""
        self._pages[label, name] = remembered

    async def drop(self, label: str, name: NormalizedName) -> None:
        """Forget what was kept of that project."""
        self._pages.pop((label, name), None)

    async def expire(self, label: str, name: NormalizedName | None) -> int:
        """Let what was kept of that project, or of all and of the list, be fresh no longer; answer how much was kept."""
        concerned = [key for key in self._pages if key[0] == label and name in (None, key[1])]
        for key in concerned:
            self._pages[key] = attrs.evolve(self._pages[key], fresh_until=0.0)
        if name is not None or label not in self._lists:
            return len(concerned)
        self._changed[label] += 1
        self._lists[label] = attrs.evolve(self._lists[label], fresh_until=0.0)
        return len(concerned) + 1

    async def remembered(self, label: str) -> list[NormalizedName]:
        """The projects with a page remembered, absences left out, in the order of the names."""
        return sorted(name for (where, name), kept in self._pages.items() if where == label and kept.page is not None)

    async def recall_names(self, label: str) -> RememberedNames | None:
        """What was last kept of the project list."""
        return self._lists.get(label)

    async def keep_names(self, label: str, remembered: RememberedNames) -> None:
        """Remember this list instead of the one before."""
        self._changed[label] += 1
        self._lists[label] = remembered

    def names_changed(self, label: str) -> int:
        """As `IPageCache.names_changed`."""
        return self._changed[label]


@implementer(IFileFacts)
@attrs.define(eq=False)
class MemoryFacts:
    """`IFileFacts` in a dictionary."""

    _facts: defaultdict[Key, dict[Filename, Fact]] = attrs.field(factory=lambda: defaultdict(dict), init=False)
    _others: defaultdict[Key, dict[Filename, tuple[str, float]]] = attrs.field(factory=lambda: defaultdict(dict), init=False)

    async def known(self, label: str, name: NormalizedName) -> Mapping[Filename, Fact]:
        """All facts about that project's files."""
        return dict(self._facts.get((label, name), {}))

    async def learn(self, label: str, name: NormalizedName, filename: Filename, fact: Fact) -> Fact:
        """Fill the gaps in what is known and answer what is now known; a pin stays, whoever comes second."""
        facts = self._facts[label, name]
        facts[filename] = merged(facts.get(filename, Fact()), fact)
        return facts[filename]

    async def learn_all(self, label: str, name: NormalizedName, facts: Mapping[Filename, Fact]) -> None:
        """The same for each of them."""
        for filename, fact in facts.items():
            await self.learn(label, name, filename, fact)

    async def differ(self, label: str, name: NormalizedName, others: Mapping[Filename, str], since: float) -> tuple[Filename, ...]:
        """Note of which files other bytes are promised, and answer those that were not noted so before."""
        noted = self._others[label, name]
        new = tuple(filename for filename, other in others.items() if noted.get(filename, (None,))[0] != other)
        self._others[label, name] = {filename: (other, since) if filename in new else noted[filename] for filename, other in others.items()}
        return new

    async def replaced(self, after: tuple[str, str, str], limit: int) -> list[Replaced]:
        """What is noted so, behind that label, name and file."""
        rows = [
            Replaced(label, name, filename, self._facts[label, name].get(filename, Fact()).digest, other, since)
            for (label, name), others in self._others.items()
            for filename, (other, since) in others.items()
            if (label, name, filename) > after
        ]
        return sorted(rows, key=lambda row: (row.label, row.name, row.filename))[:limit]

    async def accept(self, label: str, name: NormalizedName, filename: Filename) -> Replaced | None:
        """Take the bytes that are promised now for the first ones."""
        found = [
            row
            for row in await self.replaced((label, name, ""), 1_000_000)
            if (row.label, row.name, row.filename) == (label, name, filename)
        ]
        if not found:
            return None
        del self._others[label, name][filename]
        self._facts[label, name].pop(filename, None)
        if found[0].other:
            await self.learn(label, name, filename, Fact(Digest(found[0].other)))
        return found[0]


@implementer(ILedger)
@attrs.define(eq=False)
class MemoryLedger:
    """`ILedger` in a dictionary: each project's revision and its latest change, which holds its serial."""

    clock: IReactorTime
    _rows: defaultdict[str, dict[NormalizedName, tuple[str, Change]]] = attrs.field(factory=lambda: defaultdict(dict), init=False)
    _high: defaultdict[str, int] = attrs.field(factory=lambda: defaultdict(int), init=False)
    _changed: Counter[str] = attrs.field(factory=Counter, init=False)

    async def number(self, label: str, name: NormalizedName, revision: str, at_least: int) -> int:
        """Answer the serial of that project at that revision; a number once given is never taken back (R69)."""
        row = self._rows[label].get(name)
        known = None if row is None else (row[0], row[1].serial)
        serial = numbered(known, revision, at_least, self._high[label])
        if (revision, serial) != known:
            change = Change(name, None, self.clock.seconds(), "create" if known is None else "change", serial)
            self._rows[label][name] = (revision, change)
            self._high[label] = max(self._high[label], serial)
            self._changed[label] += 1
        return serial

    def changed(self, label: str) -> int:
        """As `ILedger.changed`."""
        return self._changed[label]

    async def serial(self, label: str, name: NormalizedName) -> int:
        """The number that the project was given last, 0 where it never got one."""
        row = self._rows[label].get(name)
        return 0 if row is None else row[1].serial

    async def serials(self, label: str) -> Mapping[NormalizedName, int]:
        """The numbers given so far, in the order of the names."""
        return {name: change.serial for name, (_, change) in sorted(self._rows[label].items())}

    def late(self, label: str) -> Mapping[NormalizedName, int]:
        """As `ILedger.late`; it has them already."""
        return {name: change.serial for name, (_, change) in self._rows[label].items()}

    async def numbers(self, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The same of the projects after that name, at most `limit`."""
        return [(name, serial) for name, serial in (await self.serials(label)).items() if name > after][:limit]

    async def high(self, label: str) -> int:
        """The highest number given, 0 where none was."""
        return self._high[label]

    async def changes(self, label: str, since: int, limit: int) -> list[Change]:
        """The latest change of each project whose serial is above `since`, rising, at most `limit` (R146)."""
        rows = [change for _, change in self._rows[label].values() if change.serial > since]
        return cut(sorted(rows, key=lambda change: (change.serial, change.name)), limit)


@implementer(IRecords)
@attrs.define(eq=False, slots=False)
class MemoryRecords(Service):
    """
    `IRecords` that end with the process (`use = memory`), with the same promises as SQLite's save that nothing outlives a restart.

    :param draw: gives that many random bytes.
    """

    label: str = given("label")
    clock: IReactorTime = given("clock")
    draw: Callable[[int], bytes] = attrs.field(default=os.urandom, kw_only=True)
    pages: IPageCache = attrs.field(factory=MemoryPages, init=False)
    facts: IFileFacts = attrs.field(factory=MemoryFacts, init=False)
    ledger: ILedger = attrs.field(init=False)
    files: IFileRecords = attrs.field(init=False)
    accounts: IAccountRecords = attrs.field(factory=MemoryAccounts, init=False)
    rulings: IRulingRecords = attrs.field(factory=MemoryRulings, init=False)
    fetches: IFetchRecords = attrs.field(factory=MemoryFetches, init=False)
    withdrawn: IWithdrawnEntries = attrs.field(factory=MemoryWithdrawn, init=False)
    publishers: IPublisherRecords = attrs.field(factory=MemoryPublishers, init=False)
    documents: IDocumentCache = attrs.field(factory=MemoryDocuments, init=False)
    mirrors: IMirrorRecords = attrs.field(factory=MemoryMirrors, init=False)
    uses: IUses = attrs.field(factory=MemoryUses, init=False)
    pins: IPins = attrs.field(factory=MemoryPins, init=False)
    _identity: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ledger = MemoryLedger(self.clock)
        self.files = MemoryFiles(self.clock)
        self._identity = self.draw(8).hex()

    async def identity(self) -> str:
        """A random name of this instance, as long as it lives: 16 hexadecimal digits, a pseudonym for `Via` (RFC 9110 §7.6.3)."""
        return self._identity
