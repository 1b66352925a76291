"""Drafts that stay in memory while they are small: most files are, and one that never lies in a draft's file costs the disk half as much."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import attrs
from zope.interface import alsoProvides, implementer

from pypidaemon.blobs.drafts import Growth
from pypidaemon.errors import CannotStore, CorruptContent
from pypidaemon.indexes.private.desk import Desk
from pypidaemon.interfaces import IDraft, IInFile
from pypidaemon.model import Digest

LARGEST = 256 * 1024
"""Bytes of a draft that stays in memory; a longer one goes on in a draft of the store."""


@implementer(IDraft)
@attrs.define(eq=False, slots=False)
class SlightDraft:
    """
    A draft in memory, which turns into one of the store as soon as it is not small any more; it is a content in a file (`IInFile`) from then on.
    """

    desk: Desk
    _data: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _own: int = attrs.field(init=False, default=0)
    """Bytes that count as held on the desk."""
    _growth: Growth = attrs.field(init=False, factory=Growth)
    _under: IDraft | None = attrs.field(init=False, default=None)
    """The draft of the store that it has turned into."""
    _expected: bool = attrs.field(init=False, default=False)
    _unsure: bool = attrs.field(init=False, default=False)
    """Whether a write was interrupted, so that its writer does not know whether it is here."""
    _hashed: int = attrs.field(init=False, default=-1)
    """Of how many bytes `_sha256` is."""
    _sha256: Digest = attrs.field(init=False, default=Digest(""))
    _size: int | None = attrs.field(init=False, default=None)
    _digest: Digest | None = attrs.field(init=False, default=None)

    @property
    def size(self) -> int | None:
        """As `IContent`: None until commit."""
        return self._size if self._under is None else self._under.size

    @property
    def digest(self) -> Digest | None:
        """As `IContent`: None until commit."""
        return self._digest if self._under is None else self._under.digest

    @property
    def written(self) -> int:
        """How many bytes there are so far."""
        return self._growth.size if self._under is None else self._under.written

    @property
    def path(self) -> str:
        """As `IInFile`, once it is one."""
        assert IInFile.providedBy(self._under)
        path: str = self._under.path
        return path

    @property
    def in_memory(self) -> bool:
        """Whether its bytes are here, and not in a draft of the store."""
        return self._under is None

    def sha256(self) -> Digest:
        """That of all bytes there are so far, which are in memory."""
        if self._hashed != len(self._data):
            self._sha256, self._hashed = Digest(hashlib.sha256(self._data).hexdigest()), len(self._data)
        return self._sha256

    def hash_into(self, hashes: Iterable[Any]) -> None:
        """Have these take in all bytes there are so far, which are in memory."""
        for value in hashes:
            value.update(self._data)

    async def write(self, data: bytes) -> None:
        """Append `data`; as `IDraft.write`."""
        if self._under is not None:
            await self._under.write(data)
            return
        self._growth.writable()
        if len(self._data) + len(data) > LARGEST or not self.desk.take(len(data)):
            await self._turn(data)
            return
        self._own += len(data)
        self._data += data
        self._growth.grew(len(data))

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes already written, or wait for them; as `IContent.read`."""
        if self._under is None:
            available = await self._growth.reach(offset)
            if self._under is None:
                return bytes(self._data[offset : offset + min(limit, available)])
        return await self._under.read(offset, limit)

    async def commit(self, expected: Digest | None) -> Digest:
        """Make it a blob; as `IDraft.commit`."""
        return await self.commit_with(expected, None)

    async def commit_with(self, expected: Digest | None, beside: bytes | None) -> Digest:
        """As `IDraft.commit`; while it is in memory that document becomes a blob at the same stroke, and else no blob at all."""
        if self._under is not None:
            return await self._under.commit(expected)
        self._growth.writable()
        try:
            if self._unsure:
                raise CorruptContent("a write to the draft was interrupted")
            # Before the store is asked, which may have more than one thing to say of what it cannot keep.
            digest = self.sha256()
            if expected not in (None, digest):
                raise CorruptContent(f"the content has sha256 {digest}, promised was {expected}")
            self.expect(False, handing_over=True)
            await self.desk.keep(bytes(self._data), beside)
        except Exception:
            await self.abort()
            raise
        self._size, self._digest = len(self._data), digest
        self._growth.finish()
        self._let_go()
        return digest

    def expect(self, coming: bool, *, handing_over: bool = False) -> None:
        """Whether it is to be expected that this will be committed in a moment, so that it is worth while for others to wait for that."""
        if coming is not self._expected and self._under is None:
            self._expected = coming
            self.desk.expect(1 if coming else -1, quietly=handing_over)

    async def abort(self) -> None:
        """Make it never to have been; as `IDraft.abort`."""
        self.expect(False)
        if self._under is not None:
            await self._under.abort()
        elif not self._growth.ended:
            self._growth.abort()
            self._let_go()
            self._data.clear()

    def close(self) -> None:
        """Let go of what reading needs."""
        if self._under is not None:
            self._under.close()

    async def _turn(self, data: bytes) -> None:
        """Go on in a draft of the store, with these bytes more."""
        self.expect(False)
        self._unsure = True
        try:
            under = await self.desk.store.draft()
        except CannotStore:
            self._unsure = False
            raise
        if self._growth.ended:
            # It was given up meanwhile.
            await under.abort()
            under.close()
            self._growth.writable()
        try:
            await under.write(bytes(self._data))
            await under.write(data)
        except BaseException as error:
            self._unsure = not isinstance(error, CannotStore)
            await under.abort()
            under.close()
            raise
        self._under, self._unsure = under, False
        if IInFile.providedBy(under):
            alsoProvides(self, IInFile)
        self._let_go()
        self._data.clear()
        # Those who waited for more read on there.
        self._growth.grew(len(data))

    def _let_go(self) -> None:
        self.desk.held -= self._own
        self._own = 0
