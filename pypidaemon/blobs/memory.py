"""Blobs in memory: for tests, and for a daemon that keeps nothing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable

import attrs
from zope.interface import implementer

from pypidaemon.blobs.drafts import Growth
from pypidaemon.errors import CorruptContent, NoSuchBlob, StorageFull
from pypidaemon.interfaces import IBlobStore, IContent, IDraft, IHolding
from pypidaemon.model import Digest
from pypidaemon.settings import setting, size


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
    _data: bytes

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes from `offset` on, at most `limit`; as `IContent.read`."""
        return self._data[offset : offset + limit]

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


@implementer(IDraft)
@attrs.define(eq=False)
class MemoryDraft:
    """A blob being written in memory."""

    _blobs: dict[Digest, bytes]
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
        if digest in self._blobs:
            self._room.give(len(self._data))
        else:
            self._blobs[digest] = bytes(self._data)
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


@implementer(IBlobStore, IHolding)
@attrs.define(eq=False)
class MemoryBlobs:
    """Blobs that are gone when the daemon is."""

    limit: int | None = setting(size, None, help="how many bytes to hold at most; no limit by default")
    _blobs: dict[Digest, bytes] = attrs.field(init=False, factory=dict, repr=False)
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
        return MemoryDraft(self._blobs, self._room)

    async def remove(self, digest: Digest) -> None:
        """Forget that content; as `IBlobStore.remove`."""
        data = self._blobs.pop(digest, None)
        if data is not None:
            self._room.give(len(data))

    async def digests(self) -> AsyncIterator[Digest]:
        """Every digest held when the reading began."""
        for digest in list(self._blobs):
            yield digest

    async def holding(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Those of the digests whose content is here; as `IHolding.holding`."""
        return frozenset(digest for digest in digests if digest in self._blobs)
