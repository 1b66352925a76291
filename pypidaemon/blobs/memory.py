"""Blobs in memory: for tests, and for a daemon that keeps nothing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from pypidaemon.blobs.drafts import Growth
from pypidaemon.errors import CorruptContent, NoSuchBlob, StorageFull
from pypidaemon.interfaces import IBlobStore, IContent, IDraft, IHolding, ITended
from pypidaemon.model import Digest
from pypidaemon.settings import given, setting, size


@attrs.define(eq=False)
class _Room:
    """How many bytes are held, drafts counted too, and how many may be."""

    limit: int | None
    used: int = 0

    def take(self, count: int) -> None:
        if self.limit is not None and self.used + count > self.limit:
            raise StorageFull("no room to store this: the limit of the memory store is reached")
        self.used += count

    def give(self, count: int) -> None:
        self.used -= count


@implementer(IContent)
@attrs.frozen(eq=False)
class MemoryContent:
    """A whole blob in memory."""

    size: int | None
    digest: Digest | None
    data: bytes

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes from `offset` on, at most `limit`; as `IContent.read`."""
        return self.data[offset : offset + limit]

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


@implementer(IDraft)
@attrs.define(eq=False)
class MemoryDraft:
    """A blob being written in memory."""

    _shelve: Callable[[Digest, bytes], None]
    _room: _Room
    size: int | None = attrs.field(init=False, default=None)
    digest: Digest | None = attrs.field(init=False, default=None)
    _data: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _growth: Growth = attrs.field(init=False, factory=Growth)

    @property
    def written(self) -> int:
        """How many bytes there are so far."""
        return self._growth.size

    async def write(self, data: bytes) -> None:
        """Append `data`; as `IDraft.write`."""
        self._growth.writable()
        self._room.take(len(data))
        self._data += data
        self._growth.grew(len(data))

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes already written, or wait for them; as `IContent.read`."""
        available = await self._growth.reach(offset)
        return bytes(self._data[offset : offset + min(limit, available)])

    async def commit(self, expected: Digest | None) -> Digest:
        """Make it a blob; as `IDraft.commit`."""
        self._growth.writable()
        digest = Digest(hashlib.sha256(self._data).hexdigest())
        if expected is not None and digest != expected:
            await self.abort()
            raise CorruptContent(f"the content has sha256 {digest}, promised was {expected}")
        self._shelve(digest, bytes(self._data))
        self.size, self.digest = len(self._data), digest
        self._growth.finish()
        return digest

    async def abort(self) -> None:
        """Make it never to have been; as `IDraft.abort`."""
        if not self._growth.ended:
            self._room.give(len(self._data))
            self._data.clear()
            self._growth.abort()

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


@implementer(IBlobStore, IHolding, ITended)
@attrs.define(eq=False)
class MemoryBlobs:
    """
    Blobs that are gone when the daemon is.

    :param clock: says when they came; without one they are all as old as time.
    """

    limit: int | None = setting(size, None, help="how many bytes to hold at most; no limit by default")
    clock: IReactorTime = given("clock", factory=Clock)
    _blobs: dict[Digest, bytes] = attrs.field(init=False, factory=dict, repr=False)
    _came: dict[Digest, float] = attrs.field(init=False, factory=dict, repr=False)
    _room: _Room = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._room = _Room(self.limit)

    async def open(self, digest: Digest) -> IContent:
        """Answer the content of that digest; as `IBlobStore.open`."""
        data = self._blobs.get(digest)
        if data is None:
            raise NoSuchBlob(digest)
        return MemoryContent(len(data), digest, data)

    async def draft(self) -> MemoryDraft:
        """Begin a new blob; as `IBlobStore.draft`."""
        return MemoryDraft(self._shelve, self._room)

    async def remove(self, digest: Digest) -> None:
        """Forget that content; as `IBlobStore.remove`."""
        data = self._blobs.pop(digest, None)
        self._came.pop(digest, None)
        if data is not None:
            self._room.give(len(data))

    async def digests(self) -> AsyncIterator[Digest]:
        """Every digest held when the reading began."""
        for digest in list(self._blobs):
            yield digest

    async def holding(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here; as `IHolding.holding`."""
        return frozenset(digest for digest in digests if digest in self._blobs)

    async def older(self, before: float) -> AsyncIterator[Digest]:
        """Every digest whose content came before that moment; as `ITended.older`."""
        for digest in [digest for digest, came in self._came.items() if digest in self._blobs and came < before]:
            yield digest

    async def renew(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here; as `ITended.renew`."""
        here = await self.holding(digests)
        self._came.update(dict.fromkeys(here, self.clock.seconds()))
        return here

    async def clear(self, digest: Digest, before: float) -> bool:
        """Remove that content if it is still older than that; as `ITended.clear`."""
        old = digest in self._blobs and self._came.get(digest, before) < before
        if old:
            await self.remove(digest)
        return old

    async def set_aside(self, content: IContent, into: Path | None) -> bool:
        """Take out a damaged content; as `ITended.set_aside`. Nothing of it is kept."""
        digest = content.digest
        if digest is None or not isinstance(content, MemoryContent) or self._blobs.get(digest) is not content.data:
            return False
        await self.remove(digest)
        return True

    async def strays(self, before: float) -> list[str]:
        """None: there is nowhere to lie."""
        return []

    async def discard(self, stray: str, before: float) -> bool:
        """Never."""
        return False

    def _shelve(self, digest: Digest, data: bytes) -> None:
        # Replaced by its equal where it is here, as on a disk, which mends a damaged one.
        self._room.give(len(self._blobs.pop(digest, b"")))
        self._blobs[digest] = data
        self._came[digest] = self.clock.seconds()
