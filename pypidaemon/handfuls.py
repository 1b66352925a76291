"""
Small files on their way into the store: all in memory until they are whole, and then stored at one stroke.

Nobody may read of one before the verdict (law 6), so a file on the disk would serve nobody meanwhile; and a store takes many whole ones together for little
more than one of them.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from zope.interface import implementer

from pypidaemon.blobs.drafts import Growth
from pypidaemon.interfaces import IDraft, IKeeping
from pypidaemon.model import Digest


@implementer(IDraft)
@attrs.define(eq=False)
class Handful:
    """
    A draft of a store that keeps whole contents. What it holds is let go of when it is closed.

    :param beside: makes of the whole what is to be kept at the same stroke, as in `IKeeping.keep`.
    """

    _store: IKeeping
    _beside: Callable[[bytes], bytes | None] | None = None
    size: int | None = attrs.field(init=False, default=None)
    digest: Digest | None = attrs.field(init=False, default=None)
    _pieces: list[bytes] = attrs.field(init=False, factory=list, repr=False)
    _growth: Growth = attrs.field(init=False, factory=Growth)

    @property
    def written(self) -> int:
        """How many bytes there are so far."""
        return self._growth.size

    async def write(self, data: bytes) -> None:
        """Append `data`; as `IDraft.write`. There is room until commit says that there is none."""
        self._growth.writable()
        self._pieces.append(data)
        self._growth.grew(len(data))

    async def read(self, offset: int, limit: int) -> bytes:
        """Give bytes already written, or wait for them; as `IContent.read`."""
        available = await self._growth.reach(offset)
        return self._whole()[offset : offset + min(limit, available)]

    async def commit(self, expected: Digest | None) -> Digest:
        """Make it a blob; as `IDraft.commit`."""
        self._growth.writable()
        try:
            digest = await self._store.keep(self._whole(), expected, self._beside)
        except Exception:
            await self.abort()
            raise
        self.size, self.digest = self._growth.size, digest
        self._growth.finish()
        return digest

    async def abort(self) -> None:
        """Make it never to have been; as `IDraft.abort`."""
        if not self._growth.ended:
            self._growth.abort()
            self._pieces.clear()

    def close(self) -> None:
        """Let go of the bytes, where the draft has ended."""
        if self._growth.ended:
            self._pieces.clear()

    def _whole(self) -> bytes:
        if len(self._pieces) != 1:
            self._pieces[:] = [b"".join(self._pieces)]
        return self._pieces[0]
