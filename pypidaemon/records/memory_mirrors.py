"""What mirrors hold, as long as the process lasts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IMirrorRecords
from pypidaemon.model import Digest, Filename, Leaving, Mirrored, NormalizedName, Progress, Waiting
from pypidaemon.records.mirror_rules import Need, brought_back, cut_down, joined, needs, order, plain, remains, without

Row = tuple[NormalizedName, Filename | None]
"""What something that leaves is known by."""


@attrs.define(eq=False)
class _Mirror:
    """What one mirror holds."""

    offered: dict[NormalizedName, Mirrored] = attrs.field(factory=dict)
    leaving: dict[Row, Leaving] = attrs.field(factory=dict)
    pinned: set[NormalizedName] = attrs.field(factory=set)
    waiting: dict[NormalizedName, Waiting] = attrs.field(factory=dict)
    progress: Progress = Progress()

    def left(self, name: NormalizedName) -> list[Leaving]:
        """What is leaving of that project, in order."""
        return sorted((one for one in self.leaving.values() if one.name == name), key=order)

    def offer(self, name: NormalizedName, mirrored: Mirrored) -> None:
        """Offer this, which therefore leaves no longer."""
        self.offered[name] = mirrored
        for one in self.left(name):
            rest = remains(one, mirrored)
            if rest is None:
                del self.leaving[name, one.filename]
            else:
                self.leaving[name, one.filename] = rest


@implementer(IMirrorRecords)
@attrs.define(eq=False)
class MemoryMirrors:
    """`IMirrorRecords` in dictionaries, for a few projects: whoever mirrors many uses SQLite."""

    _mirrors: defaultdict[str, _Mirror] = attrs.field(factory=lambda: defaultdict(_Mirror), init=False)

    async def page(self, label: str, name: NormalizedName) -> Mirrored | None:
        """What is offered of that project."""
        return self._mirrors[label].offered.get(name)

    async def keep(self, label: str, name: NormalizedName, mirrored: Mirrored) -> None:
        """Offer this instead of what was offered before, and take the project off the list of those that wait."""
        self._mirrors[label].offer(name, plain(mirrored))
        self._mirrors[label].waiting.pop(name, None)

    async def serials(self, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The projects after that name in order of names, at most `limit`, each with its serial."""
        offered = self._mirrors[label].offered
        return [(name, offered[name].serial) for name in sorted(name for name in offered if name > after)[: max(limit, 0)]]

    async def count(self, label: str) -> int:
        """How many projects are mirrored."""
        return len(self._mirrors[label].offered)

    async def leave(self, label: str, leaving: Sequence[Leaving]) -> None:
        """Offer these no longer; what they were is kept."""
        mirror = self._mirrors[label]
        for one in map(cut_down, leaving):
            mirror.leaving[one.name, one.filename] = joined(mirror.leaving.get((one.name, one.filename)), one)
            if one.filename is None:
                mirror.offered.pop(one.name, None)
            elif one.name in mirror.offered:
                mirror.offered[one.name] = without(mirror.offered[one.name], {one.filename})

    async def leaving(self, label: str) -> list[Leaving]:
        """All that was taken away and still waits, in order."""
        return sorted(self._mirrors[label].leaving.values(), key=order)

    async def bring_back(self, label: str, name: NormalizedName) -> int:
        """Offer again what left of that project and still waits; answer how many files that were."""
        mirror = self._mirrors[label]
        mirrored, count = brought_back(mirror.offered.get(name), mirror.left(name))
        if mirrored is not None:
            mirror.offer(name, mirrored)
        return count

    async def forget_leaving(self, label: str, before: float) -> list[Leaving]:
        """Forget those whose time is over by then, and answer them in order."""
        leaving = self._mirrors[label].leaving
        over = sorted((one for one in leaving.values() if one.until <= before), key=order)
        for one in over:
            del leaving[one.name, one.filename]
        return over

    async def pin(self, label: str, name: NormalizedName, pinned: bool) -> None:
        """Note that what upstream takes away of that project stays, or no longer."""
        if pinned:
            self._mirrors[label].pinned.add(name)
        else:
            self._mirrors[label].pinned.discard(name)

    async def pinned(self, label: str) -> frozenset[NormalizedName]:
        """The pinned projects."""
        return frozenset(self._mirrors[label].pinned)

    async def wait(self, label: str, waiting: Sequence[Waiting]) -> None:
        """Put these on the list of what is to be done, instead of what it said of them."""
        for one in waiting:
            self._mirrors[label].waiting[one.name] = one

    async def done(self, label: str, name: NormalizedName) -> None:
        """Take that project off the list."""
        self._mirrors[label].waiting.pop(name, None)

    async def waiting(self, label: str) -> list[Waiting]:
        """The list, in order of names."""
        return [one for _, one in sorted(self._mirrors[label].waiting.items())]

    async def first_waiting(self, label: str, limit: int) -> list[Waiting]:
        """The first of the list, at most `limit`."""
        return (await self.waiting(label))[: max(limit, 0)]

    async def waiting_of(self, label: str, name: NormalizedName) -> Waiting | None:
        """What the list says of that project; None where it is not on it."""
        return self._mirrors[label].waiting.get(name)

    async def queue(self, label: str) -> tuple[int, float]:
        """How many are on the list, and the first moment that one of them waits for."""
        waiting = self._mirrors[label].waiting.values()
        return len(waiting), min((one.due for one in waiting), default=math.inf)

    async def failing(self, label: str, now: float) -> int:
        """How many on the list failed, or are due."""
        return sum(bool(one.tries) or one.due <= now for one in self._mirrors[label].waiting.values())

    async def progress(self, label: str) -> Progress:
        """How far it has come."""
        return self._mirrors[label].progress

    async def advance(self, label: str, progress: Progress) -> None:
        """Remember this instead."""
        self._mirrors[label].progress = progress

    async def references(self, digest: Digest) -> int:
        """How many mirrored files, sidecars and documents of any label have these bytes, those that are leaving included."""
        return sum(needed == digest for _, _, needed in self._needs())

    async def digests(self, after: str, limit: int) -> list[Digest]:
        """All of those digests after that one in their order, at most `limit`."""
        return sorted({digest for _, _, digest in self._needs() if digest > after})[: max(limit, 0)]

    def _needs(self) -> Iterator[Need]:
        for mirror in self._mirrors.values():
            for mirrored in (*mirror.offered.values(), *(one.mirrored for one in mirror.leaving.values())):
                yield from needs(mirrored)
