"""
From a content to a consumer, no faster than the consumer takes it: pull inside, push at the edge.

The producer that the consumer sees has one state, open or shut; everything else is an ordinary loop.
"""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from pypidaemon.errors import CorruptContent
from pypidaemon.interfaces import IContent
from pypidaemon.model import Digest

PIECE = 256 * 1024
"""The most bytes read and written at once. A client that takes one piece in no write-stall time is cut by the channel."""


class Gone(Exception):
    """The consumer stopped taking: the client left."""


@implementer(IContent)
@attrs.define
class Held:
    """A content over bytes in memory, so that a large ready answer is paced like a file."""

    data: bytes
    digest: Digest | None = None
    """Known where somebody asks for it; who made the bytes himself does not."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    async def read(self, offset: int, limit: int) -> bytes:
        """As `IContent.read`; ready at once."""
        return self.data[offset : offset + limit]

    def close(self) -> None:
        """Nothing is held that must be let go of."""


@implementer(IPushProducer)
@attrs.define(eq=False)
class _Valve:
    """Shut while the consumer has enough, gone once it takes no more."""

    gone: bool = False
    _opening: Deferred[None] | None = None

    def pauseProducing(self) -> None:
        if self._opening is None and not self.gone:
            self._opening = Deferred()

    def resumeProducing(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.callback(None)

    def stopProducing(self) -> None:
        self.gone = True
        self.resumeProducing()

    async def opened(self) -> None:
        while self._opening is not None:
            await self._opening
        if self.gone:
            raise Gone


async def send(content: IContent, offset: int, length: int | None, consumer: IConsumer) -> int:
    """
    Write `length` bytes of `content` from `offset` on to `consumer`, and answer how many that were.

    At most one piece waits in the consumer beyond what made it pause. `length` None sends all there is. The content is not
    closed.

    :raises Gone: the consumer stopped taking.
    :raises CorruptContent: the content is shorter than promised, or turned out not to be what was promised.
    :raises UpstreamUnavailable: its bytes stopped coming.
    """
    valve = _Valve()
    consumer.registerProducer(valve, True)
    sent = 0
    try:
        while length is None or sent < length:
            await valve.opened()
            limit = PIECE if length is None else min(PIECE, length - sent)
            piece = await content.read(offset + sent, limit)
            if valve.gone:
                raise Gone
            if not piece and length is None:
                break
            # More than was asked for would run over Content-Length into the next answer of the connection.
            if not piece or len(piece) > limit:
                raise CorruptContent(f"the content ended at {offset + sent} bytes instead of {offset + (length or 0)}")
            consumer.write(piece)
            sent += len(piece)
        return sent
    finally:
        consumer.unregisterProducer()
