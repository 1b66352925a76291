"""
Files that pass through: from upstream to whoever asked, with nothing of them kept, because there is no room or the disk takes nothing (F53, F58).

Law 6 holds as for what is kept: bytes are hashed on their way, all but the tail are given as they come, and the rest after the verdict. So only files whose
sha256 a page promises pass through. A small one is all in memory before its first byte is given, and shared by all who want it meanwhile (law 9). There is no
draft that the readers of a larger one could follow, so each has a transfer of its own, as fast as it reads: what is in memory is a piece and a tail for each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import attrs
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import CannotStore, CorruptContent, PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IContent, ISendable
from pypidaemon.model import Digest
from pypidaemon.pace import Held
from pypidaemon.pouring import Pour, gathered
from pypidaemon.transfers import READ, SMALL, TAIL, Prefix, Reader, Want
from pypidaemon.tries import Tries
from pypidaemon.waits import TookTooLong, first, within

MOST = 100
"""How many files pass through at once; others wait their turn."""

QUEUE = 30.0
"""Seconds that one waits for its turn at most."""

_UNNAMED = "of this file"


@implementer(IContent)
@attrs.define(eq=False)
class PassingContent:
    """A large file on its way to one reader, who reads it from front to back; whoever goes back has it fetched again."""

    size: int | None
    digest: Digest | None
    _begin: Callable[[], Any]
    _left: Callable[[PassingContent], None]
    _pour: Pour | None
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _first: int = attrs.field(default=0, init=False)
    """Where in the file the bytes held begin."""
    _closed: bool = attrs.field(default=False, init=False)

    async def read(self, offset: int, limit: int) -> bytes:
        """
        Give bytes from `offset` on as `IContent.read`; those at the end, and the word that there are no more, after the verdict.

        :raises CorruptContent: they are not the promised ones.
        :raises UpstreamUnavailable: they stopped coming.
        """
        if self._pour is None or offset < self._first:
            await self._from_the_front()
        assert self._pour is not None
        while not self._pour.whole and self._readable(self._pour) <= offset:
            data = await self._pour.more()
            self._insist_on_open()
            self._held += data
            self._drop(offset)
        self._drop(offset)
        count = min(limit, READ, self._readable(self._pour) - offset)
        return bytes(self._held[offset - self._first : offset - self._first + count]) if count > 0 else b""

    def close(self) -> None:
        """Let go of the transfer."""
        if not self._closed:
            self._closed = True
            if self._pour is not None:
                self._pour.body.close()
            self._held.clear()
            self._left(self)

    async def _from_the_front(self) -> None:
        self._insist_on_open()
        if self._pour is not None:
            self._pour.body.close()
        self._held.clear()
        self._first = 0
        pour = self._pour = await self._begin()
        if self._closed:
            pour.body.close()
        self._insist_on_open()

    def _insist_on_open(self) -> None:
        if self._closed:
            raise UpstreamUnavailable(_UNNAMED, "this daemon is stopping")

    def _readable(self, pour: Pour) -> int:
        """Up to where bytes may be given out now (law 6)."""
        assert self.size is not None  # of unknown size it would have been small
        return pour.received if pour.whole else min(pour.received, self.size - TAIL)

    def _drop(self, offset: int) -> None:
        gone = min(offset - self._first, len(self._held))
        if gone > 0:
            del self._held[:gone]
            self._first += gone


@attrs.define(eq=False)
class Passing:
    """All files that pass through."""

    clock: IReactorTime
    most: int = MOST
    tries: Tries = attrs.field(default=attrs.Factory(lambda self: Tries(self.clock), takes_self=True), repr=False)
    started: int = attrs.field(init=False, default=0)
    _slots: DeferredSemaphore = attrs.field(init=False, repr=False)
    _small: Flights[Hashable, bytes] = attrs.field(init=False, repr=False)
    _open: set[PassingContent] = attrs.field(init=False, factory=set, repr=False)

    def __attrs_post_init__(self) -> None:
        self._slots = DeferredSemaphore(self.most)
        self._small = Flights((PypidaemonError,))

    def now(self) -> int:
        """How many large files are passing through."""
        return len(self._open)

    async def open(self, want: Want, prefix: Prefix | None = None) -> IContent:
        """
        Answer the wanted content, of which nothing will be kept.

        :param prefix: what its reader has had already, by another transfer.
        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: it could not be had.
        :raises CorruptContent: it is not what was promised.
        :raises StorageFull: nobody says how large it is, and it is too large to be held.
        """
        if want.size is not None and want.size <= SMALL and prefix is None:
            return Held(await self._small.join(want.flight, lambda: self._whole(want)), want.digest)
        await self._take_turn()
        content = None
        try:
            self.started += 1
            pour = await self._begun(want, prefix)
            if pour.size is None or pour.size <= SMALL:
                return Held(await gathered(pour), want.digest)
            content = PassingContent(pour.size, want.digest, lambda: Pour.begin(want, self.tries, prefix), self._leave, pour)
            self._open.add(content)
            return content
        finally:
            if content is None:
                self._slots.release()

    async def stop(self) -> None:
        """End them all; their readers get UpstreamUnavailable."""
        for content in list(self._open):
            content.close()
        await self._small.land()

    async def _whole(self, want: Want) -> bytes:
        await self._take_turn()
        try:
            while True:
                self.started += 1
                pour = await self._begun(want, None)
                try:
                    return await gathered(pour)
                except CorruptContent:
                    if not pour.elsewhere:
                        raise
        finally:
            self._slots.release()

    async def _begun(self, want: Want, prefix: Prefix | None) -> Pour:
        """Wait until upstream has begun to answer, or is doubted, which ends it."""
        if want.doubted is None:
            return await Pour.begin(want, self.tries, prefix)
        doubted, begun, told = want.doubted, [], []

        async def begin() -> None:
            begun.append(await Pour.begin(want, self.tries, prefix))

        async def doubt() -> None:
            told.append(await doubted())

        if await first(begin(), doubt()):
            raise told[0]
        return begun[0]

    async def _take_turn(self) -> None:
        try:
            await within(self.clock, QUEUE, self._slots.acquire())
        except TookTooLong:
            raise UpstreamUnavailable(_UNNAMED, "too many other files are being fetched") from None

    def _leave(self, content: PassingContent) -> None:
        self._open.discard(content)
        self._slots.release()


@implementer(IContent, ISendable)
@attrs.define(eq=False)
class Given:
    """What a reader of a download reads; should there be no room for its rest, that passes through."""

    _content: IContent
    _passing: Passing
    _closed: bool = attrs.field(default=False, init=False)

    @property
    def size(self) -> int | None:
        """As that of the reader."""
        return self._content.size

    @property
    def digest(self) -> Digest | None:
        """As that of the reader."""
        return self._content.digest

    async def read(self, offset: int, limit: int) -> bytes:
        """As the reader; and goes on by a transfer of its own where that has to end for want of room."""
        reader = self._content
        try:
            return await reader.read(offset, limit)
        except CannotStore:
            # Of whom it is not known what he has had, he must not get the rest of something else.
            if not isinstance(reader, Reader) or (offset and reader.transfer.prefix is None):
                raise
        content = await self._passing.open(reader.transfer.want, reader.transfer.prefix)
        reader.close()
        self._content = content
        if self._closed:
            content.close()
        return await content.read(offset, limit)

    def descriptor(self) -> int | None:
        """As that of the reader; what passes through lies in no file."""
        return self._content.descriptor() if ISendable.providedBy(self._content) else None

    async def reach(self, offset: int) -> int:
        """As the reader; where that has to end for want of room, the rest has to be read."""
        try:
            return await self._content.reach(offset) if ISendable.providedBy(self._content) else 0
        except CannotStore:
            return 0

    def close(self) -> None:
        """As that of the reader."""
        self._closed = True
        self._content.close()
