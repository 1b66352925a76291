"""What people ordered, what clients took and what upstreams took back, as long as the process lasts."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IDocumentCache, IFetchRecords, IPublisherRecords, IRulingRecords, IWithdrawnEntries
from pypidaemon.model import Digest, Downloads, Fetch, File, Filename, NormalizedName, ProjectStatus, Ruling, RulingKind, Withdrawn
from pypidaemon.moments import day
from pypidaemon.records.entries import bare
from pypidaemon.records.rules import MOST_FETCHES, counted, most_first, noted

REMEMBERED = 50_000
"""How many fetches stay in memory, at some 500 bytes each; of more the first noted go."""

Key = tuple[str, NormalizedName]
"""A label and the name of a project."""


@implementer(IRulingRecords)
@attrs.define(eq=False)
class MemoryRulings:
    """`IRulingRecords` in a dictionary."""

    _rulings: dict[tuple[str, str], Ruling] = attrs.field(factory=dict, init=False)

    async def rulings(self) -> list[Ruling]:
        """All of them, in the order of kind and target."""
        return [self._rulings[key] for key in sorted(self._rulings)]

    async def rule(self, ruling: Ruling) -> None:
        """Keep this ruling, instead of one of the same kind and target."""
        self._rulings[ruling.kind.value, ruling.target] = ruling

    async def repeal(self, kind: RulingKind, target: str) -> bool:
        """Take it back; answer whether there was one."""
        return self._rulings.pop((kind.value, target), None) is not None


@implementer(IFetchRecords)
@attrs.define(eq=False)
class MemoryFetches:
    """
    `IFetchRecords` in a list of bounded length.

    :param remembered: how many fetches are kept, and how many counts; of more the first noted go.
    """

    remembered: int = REMEMBERED
    _fetches: deque[Fetch] = attrs.field(init=False)
    _counts: OrderedDict[Downloads, int] = attrs.field(factory=OrderedDict, init=False)

    def __attrs_post_init__(self) -> None:
        self._fetches = deque(maxlen=self.remembered)

    async def note(self, fetch: Fetch) -> None:
        """Remember it, with what the client chose cut to a bounded length."""
        self._fetches.append(noted(fetch))

    async def of_project(self, name: NormalizedName, version: str | None, since: float, limit: int) -> list[Fetch]:
        """The fetches of that project, or release, oldest first, at most `limit` and `MOST_FETCHES`, and of those the newest."""
        return _newest((fetch for fetch in self._fetches if fetch.name == name and version in (None, fetch.version)), since, limit)

    async def of_digest(self, digest: Digest, since: float, limit: int) -> list[Fetch]:
        """The same of those bytes, whatever they were called."""
        return _newest((fetch for fetch in self._fetches if fetch.digest == digest), since, limit)

    async def of_client(self, account: str | None, address: str | None, since: float, limit: int) -> list[Fetch]:
        """The same of whatever that account took, or was taken from that address; with None of any."""
        theirs = (one for one in self._fetches if account in (None, one.account) and address in (None, one.address))
        return _newest(theirs, since, limit)

    async def projects(self, index: str, since: float) -> list[NormalizedName]:
        """The projects of which a file was taken from that index at or after that time, in order of names."""
        return sorted({fetch.name for fetch in self._fetches if fetch.index == index and fetch.time >= since})

    async def count(self, downloads: Downloads) -> None:
        """Add these to what was taken on that day."""
        key = attrs.evolve(counted(downloads), count=0)
        self._counts[key] = self._counts.pop(key, 0) + downloads.count
        while len(self._counts) > self.remembered:
            self._counts.popitem(last=False)

    async def counts(self, day: str, limit: int) -> list[Downloads]:
        """What was taken on that day, most often taken first, at most `limit`."""
        found = [attrs.evolve(key, count=count) for key, count in self._counts.items() if key.day == day]
        return sorted(found, key=most_first)[: max(limit, 0)]

    async def forget_before(self, time: float) -> int:
        """Forget all that is older, of days those that had ended by then; answer how many fetches that were."""
        first = day(time)
        self._counts = OrderedDict((key, count) for key, count in self._counts.items() if key.day >= first)
        before = len(self._fetches)
        self._fetches = deque((fetch for fetch in self._fetches if fetch.time >= time), maxlen=self.remembered)
        return before - len(self._fetches)

    async def forget_beyond(self, most: int) -> int:
        """Forget the fetches that were noted first, until there are that many; answer how many that were."""
        spare = max(len(self._fetches) - max(most, 0), 0)
        for _ in range(spare):
            self._fetches.popleft()
        return spare


@implementer(IWithdrawnEntries)
@attrs.define(eq=False)
class MemoryWithdrawn:
    """`IWithdrawnEntries` in a dictionary."""

    _entries: defaultdict[Key, dict[Filename, Withdrawn]] = attrs.field(factory=lambda: defaultdict(dict), init=False)
    _statuses: dict[Key, ProjectStatus] = attrs.field(factory=dict, init=False)

    async def withdrawn(self, label: str, name: NormalizedName) -> Mapping[Filename, Withdrawn]:
        """Those of that project, in the order of the file names."""
        return dict(sorted(self._entries.get((label, name), {}).items()))

    async def withdraw(self, label: str, name: NormalizedName, files: tuple[File, ...], since: float) -> None:
        """Keep these entries; one that is kept already becomes what it is now and keeps its time."""
        kept = self._entries[label, name]
        for file in files:
            known = kept.get(file.filename)
            kept[file.filename] = Withdrawn(bare(file), since if known is None else known.since)

    async def restore(self, label: str, name: NormalizedName, filenames: tuple[Filename, ...]) -> None:
        """Forget these; one that is not kept is no fault."""
        for filename in filenames:
            self._entries[label, name].pop(filename, None)

    async def projects(self, label: str) -> Mapping[NormalizedName, int]:
        """Every project with entries here, and how many, in the order of the names."""
        return {name: len(kept) for (where, name), kept in sorted(self._entries.items()) if where == label and kept}

    async def last_status(self, label: str, name: NormalizedName) -> ProjectStatus | None:
        """The status that was last noted of a project."""
        return self._statuses.get((label, name))

    async def note_status(self, label: str, name: NormalizedName, status: ProjectStatus) -> None:
        """Note the status that upstream last gave it."""
        self._statuses[label, name] = status


@implementer(IPublisherRecords)
@attrs.define(eq=False)
class MemoryPublishers:
    """`IPublisherRecords` in a dictionary."""

    _publishers: defaultdict[Key, dict[str, float]] = attrs.field(factory=lambda: defaultdict(dict), init=False)

    async def publishers(self, label: str, name: NormalizedName) -> Mapping[str, float]:
        """Everybody seen, with when first, in the order of who they are."""
        return dict(sorted(self._publishers.get((label, name), {}).items()))

    async def met(self, label: str, name: NormalizedName, publisher: str, time: float) -> bool:
        """Remember a publisher; answer whether it is new. One that is not keeps its time."""
        known = self._publishers[label, name]
        new = publisher not in known
        known.setdefault(publisher, time)
        return new


@implementer(IDocumentCache)
@attrs.define(eq=False)
class MemoryDocuments:
    """`IDocumentCache` in a dictionary, without a bound: whoever needs one uses SQLite."""

    _documents: dict[tuple[str, NormalizedName, str], tuple[bytes, float]] = attrs.field(factory=dict, init=False)

    async def recall(self, label: str, name: NormalizedName, filename: str) -> tuple[bytes, float] | None:
        """What was last kept under that name, and until when it is fresh."""
        return self._documents.get((label, name, filename))

    async def keep(self, label: str, name: NormalizedName, filename: str, body: bytes, fresh_until: float) -> None:
        """Remember this instead."""
        self._documents[label, name, filename] = (body, fresh_until)

    async def expire(self, label: str, name: NormalizedName | None) -> int:
        """Let what was kept of that project, or of all, be fresh no longer; answer how much was kept."""
        concerned = [key for key in self._documents if key[0] == label and name in (None, key[1])]
        for key in concerned:
            self._documents[key] = (self._documents[key][0], 0.0)
        return len(concerned)


def _newest(fetches: Iterable[Fetch], since: float, limit: int) -> list[Fetch]:
    """Those at or after that time, oldest first, at most `limit` and of those the newest."""
    rows = sorted((fetch for fetch in fetches if fetch.time >= since), key=lambda fetch: fetch.time)
    return rows[max(len(rows) - min(max(limit, 0), MOST_FETCHES), 0) :]
