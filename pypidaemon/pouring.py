"""Bytes that are wanted and not kept: in order, over as many transfers as it takes, hashed on their way and held against what is promised (law 6)."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs

from pypidaemon.errors import CorruptContent, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.interfaces import IBody
from pypidaemon.transfers import SMALL, Checks, Prefix, Want, agree
from pypidaemon.tries import ENOUGH, Tries

_UNNAMED = "of this file"


@attrs.define(eq=False)
class Pour:
    """The bytes of a wanted file in order, over as many transfers as it takes; made whole by what is promised of them."""

    want: Want
    tries: Tries
    body: IBody
    size: int | None
    prefix: Prefix | None = None
    received: int = 0
    whole: bool = False
    """Whether all have come and are the promised ones."""
    corrupt: CorruptContent | None = None
    """What turned out to be wrong with them."""
    elsewhere: bool = False
    """Whether they may be right in another place, once they were wrong."""
    _resumes: int = 0
    _before: int = 0
    """How many had come when it broke off last."""
    _skip: int = 0
    _hash: Any = attrs.field(factory=hashlib.sha256, init=False)
    _checks: Checks = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._checks = Checks.of(self.want)

    @classmethod
    async def begin(cls, want: Want, tries: Tries, prefix: Prefix | None) -> Pour:
        """
        Ask for it, from its first byte on.

        :param prefix: what its reader has had already, by another transfer; other bytes than those are refused.
        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: it could not be had.
        :raises CorruptContent: it is not as large as promised.
        """
        tries.first(want.origin)
        body = await want.source(0)
        try:
            if body.offset:
                raise UpstreamUnavailable(_UNNAMED, "it answered with another part than it was asked for")
            size = agree(want.size, body.total)
            want.bound(size or 0)
        except BaseException:
            body.close()
            raise
        return cls(want, tries, body, size, prefix)

    async def more(self) -> bytes:
        """
        The next bytes; b"" once all have come and are the promised ones.

        :raises CorruptContent: they are not.
        :raises UpstreamUnavailable: they stopped coming.
        """
        if self.corrupt is not None:
            raise self.corrupt.with_traceback(None)
        try:
            return await self._more()
        except CorruptContent as error:
            self.corrupt = error
            self.elsewhere = self.want.blame is not None and self.want.blame()
            raise

    async def _more(self) -> bytes:
        while not self.whole:
            try:
                data = await self.body.read()
            except UpstreamUnavailable:
                # Where only the end mark is missing, the digest says whether all is well (F9, F12).
                if self.received != self.size:
                    await self._again()
                    continue
                data = b""
            if not data:
                self._insist()
                break
            skipped, data = data[: self._skip], data[self._skip :]
            self._skip -= len(skipped)
            if data:
                self._take(data)
                return data
        return b""

    def _take(self, data: bytes) -> None:
        before, self.received = self.received, self.received + len(data)
        self.want.bound(self.received)
        if self.size is not None and self.received > self.size:
            raise CorruptContent(f"upstream sends more than the {self.size} bytes promised")
        border = self.prefix.length if self.prefix is not None else -1
        if self.prefix is not None and before < border <= self.received:
            # What was given before came by another transfer: only if that brought the same bytes do they belong together.
            self._hash.update(data[: border - before])
            if self._hash.hexdigest() != self.prefix.digest:
                raise CorruptContent("upstream changed the file while it was fetched")
            self._hash.update(data[border - before :])
        else:
            self._hash.update(data)
        self._checks.update(data)

    def _insist(self) -> None:
        if self._skip or self.size not in (None, self.received):
            raise CorruptContent(f"upstream sent {self.received} bytes, promised were {self.size}")
        if self._hash.hexdigest() != self.want.digest:
            raise CorruptContent(f"the content has sha256 {self._hash.hexdigest()}, promised was {self.want.digest}")
        self._checks.insist()
        self.whole = True

    async def _again(self) -> None:
        """Take it up where it broke off; that the file is another by now shows in its hash."""
        self.body.close()
        if self.received - self._before >= ENOUGH:
            self._resumes = 0
        self._before = self.received
        while True:
            if not await self.tries.again(self.want.origin, self._resumes):
                raise UpstreamUnavailable(_UNNAMED, "it broke off too often")
            self._resumes += 1
            try:
                self.body = await self.want.source(self.received)
            except UpstreamUnavailable:
                continue
            except PypidaemonError as error:
                raise UpstreamUnavailable(_UNNAMED, "the file went away while it was fetched") from error
            if self.body.offset not in (0, self.received):
                self.body.close()
                raise UpstreamUnavailable(_UNNAMED, "it answered with another part than it was asked for")
            self._skip = self.received - self.body.offset
            return


async def gathered(pour: Pour) -> bytes:
    """
    All of it, verified.

    :raises StorageFull: it has no size, and is too large to be held.
    """
    pieces = []
    try:
        while data := await pour.more():
            pieces.append(data)
            if pour.received > SMALL:
                raise StorageFull("there is no room to store this, and upstream does not say how large it is")
    finally:
        # It may be another one by now.
        pour.body.close()
    return b"".join(pieces)
