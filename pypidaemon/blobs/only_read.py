"""Blobs on a disk that can only be read (N8)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import attrs
from twisted.application.service import Service
from zope.interface import implementer

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs, MemoryDraft
from pypidaemon.blobs.twofold import whole
from pypidaemon.errors import ONLY_READ, NoSuchBlob, OnlyRead
from pypidaemon.interfaces import IBlobStore, IContent
from pypidaemon.model import Digest


@attrs.define(eq=False, slots=False)
class OnlyReadBlobs(DirectoryBlobs):
    """As `DirectoryBlobs`, of which nothing is made, cleared away or changed; a folder that is not there has nothing."""

    _left: Mapping[Digest, str] = attrs.field(init=False, factory=dict, repr=False)
    """Where those lie that a crash left under other names."""

    @property
    def failed(self) -> str:
        """As `DirectoryBlobs.failed`: nothing is ever stored."""
        return ONLY_READ

    def startService(self) -> None:
        """Nothing is made, and nothing swept; what a crash left under another name is found where it is."""
        self._left = whole(self.files, str(self.path))
        Service.startService(self)

    def _place(self, digest: Digest) -> str | None:
        place = DirectoryBlobs._place(self, digest)
        return self._left[digest] if digest in self._left and place is not None and not os.path.lexists(place) else place

    async def draft(self) -> NoReturn:
        """:raises OnlyRead: always."""
        raise OnlyRead(ONLY_READ)

    async def keep(self, data: bytes, expected: Digest | None, beside: Callable[[bytes], bytes | None] | None = None) -> NoReturn:
        """:raises OnlyRead: always."""
        raise OnlyRead(ONLY_READ)

    async def keep_all(self, documents: Sequence[tuple[bytes, bytes | None]]) -> list[Digest | Exception]:
        """None of them is kept, and each says why."""
        return [OnlyRead(ONLY_READ) for _ in documents]

    async def share(self, descriptor: int, expected: Digest) -> bool:
        """Nothing gets a second name."""
        return False

    async def remove(self, digest: Digest) -> None:
        """It stays."""

    async def digests(self) -> AsyncIterator[Digest]:
        """As `DirectoryBlobs.digests`."""
        with suppress(FileNotFoundError):
            async for digest in DirectoryBlobs.digests(self):
                yield digest

    async def renew(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those that are here: nobody clears any of them away."""
        return await self.holding(digests)

    async def clear(self, digest: Digest, before: float) -> bool:
        """It stays."""
        return False

    async def set_aside(self, content: IContent, into: Path | None) -> bool:
        """It stays."""
        return False

    async def strays(self, before: float) -> list[str]:
        """What lies about stays, so there is nothing to tell."""
        return []

    async def discard(self, stray: str, before: float) -> bool:
        """It stays."""
        return False


@implementer(IBlobStore)
@attrs.define(eq=False, slots=False)
class Overlaid(Service):
    """What lies in a folder that can only be read, and in memory what is made meanwhile: lists, which are few."""

    below: DirectoryBlobs
    _made: MemoryBlobs = attrs.field(init=False, factory=MemoryBlobs)

    async def open(self, digest: Digest) -> IContent:
        """As `IBlobStore`."""
        try:
            return await self._made.open(digest)
        except NoSuchBlob:
            return await self.below.open(digest)

    async def draft(self) -> MemoryDraft:
        """As `IBlobStore`."""
        return await self._made.draft()

    async def remove(self, digest: Digest) -> None:
        """As `IBlobStore`; what lies in the folder stays."""
        await self._made.remove(digest)

    async def digests(self) -> AsyncIterator[Digest]:
        """As `IBlobStore`."""
        async for digest in self._made.digests():
            yield digest
