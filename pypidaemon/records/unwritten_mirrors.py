"""What mirrors hold, seen as if one could change it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IMirrorRecords
from pypidaemon.model import Digest, Leaving, Mirrored, NormalizedName, Progress, Waiting


@implementer(IMirrorRecords)
@attrs.frozen
class UnwrittenMirrors:
    """`IMirrorRecords` that changes nothing. A mirror has what stands under its own label, and nothing of another's."""

    mirrors: IMirrorRecords

    async def page(self, label: str, name: NormalizedName) -> Mirrored | None:
        """What is offered of that project."""
        return await self.mirrors.page(label, name)

    async def keep(self, label: str, name: NormalizedName, mirrored: Mirrored) -> None:
        """Nothing."""

    async def serials(self, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The projects after that name in order of names, at most `limit`, each with its serial."""
        return await self.mirrors.serials(label, after, limit)

    async def count(self, label: str) -> int:
        """How many projects are mirrored."""
        return await self.mirrors.count(label)

    async def leave(self, label: str, leaving: Sequence[Leaving]) -> None:
        """Nothing."""

    async def leaving(self, label: str) -> list[Leaving]:
        """All that was taken away and still waits, in order."""
        return await self.mirrors.leaving(label)

    async def bring_back(self, label: str, name: NormalizedName) -> int:
        """Nothing."""
        return 0

    async def forget_leaving(self, label: str, before: float) -> list[Leaving]:
        """Nothing."""
        return []

    async def pin(self, label: str, name: NormalizedName, pinned: bool) -> None:
        """Nothing."""

    async def pinned(self, label: str) -> frozenset[NormalizedName]:
        """The pinned projects."""
        return await self.mirrors.pinned(label)

    async def wait(self, label: str, waiting: Sequence[Waiting]) -> None:
        """Nothing."""

    async def done(self, label: str, name: NormalizedName) -> None:
        """Nothing."""

    async def waiting(self, label: str) -> list[Waiting]:
        """The list, in order of names."""
        return await self.mirrors.waiting(label)

    async def first_waiting(self, label: str, limit: int) -> list[Waiting]:
        """The first of the list, at most `limit`."""
        return await self.mirrors.first_waiting(label, limit)

    async def waiting_of(self, label: str, name: NormalizedName) -> Waiting | None:
        """What the list says of that project; None where it is not on it."""
        return await self.mirrors.waiting_of(label, name)

    async def queue(self, label: str) -> tuple[int, float]:
        """How many are on the list, and the first moment that one of them waits for."""
        return await self.mirrors.queue(label)

    async def failing(self, label: str, now: float) -> int:
        """How many on the list failed, or are due."""
        return await self.mirrors.failing(label, now)

    async def progress(self, label: str) -> Progress:
        """How far it has come."""
        return await self.mirrors.progress(label)

    async def advance(self, label: str, progress: Progress) -> None:
        """Nothing."""

    async def references(self, digest: Digest) -> int:
        """How many mirrored files, sidecars and documents of any label have these bytes."""
        return await self.mirrors.references(digest)

    async def digests(self, after: str, limit: int) -> list[Digest]:
        """All of those digests after that one in their order, at most `limit`."""
        return await self.mirrors.digests(after, limit)
