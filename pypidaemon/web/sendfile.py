"""
Files to clients without reading them: the system moves the bytes from the open file to the socket, which costs a third of copying them.

For whole stored files, for parts of them, and for those who follow a download, wherever the connection is a plain one and the content says that its
bytes lie in a file (`ISendable`); all else goes by `pypidaemon.pace`. What the client sees is the same either way.

One call moves as much as the socket takes, at most `TURN` bytes, and then others have their turn. What lies on the disk alone is first read on a thread,
since the call would wait for the disk with everybody else waiting behind it.

Of Twisted's TCP transport this relies on: it asks a pull producer for more whenever it has sent all that was written to it (so it says so also after
`startWriting` with nothing written), and as soon as it is registered; and `doWrite` sends at once what waits. `tests/web/test_sendfile.py` notices when
one of these changes.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Self

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPullProducer
from twisted.internet.tcp import Connection
from zope.interface import implementer

from pypidaemon import pace
from pypidaemon.interfaces import IContent, ISendable
from pypidaemon.pace import PIECE, Gone

TURN = 4 * 1024 * 1024
"""The most bytes that one call moves, about a millisecond's work: others wait meanwhile."""
_LOOK = 2 * 1024 * 1024
"""How far apart the bytes are that are looked at before that."""
_SEEN = [bytearray(1)]
"""Where they come; nobody reads them."""

_LEFT = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH})
"""What the system says when it is the client that is not there any more; everything else is about the file."""
_UNFIT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""What it says of a file that it can only read, as some of those that lie on other machines."""


@attrs.define(eq=False)
class Kernel:
    """The system's own calls; tests have others that fail."""

    def send(self, socket: int, file: int, offset: int, count: int) -> int:
        """
        Move bytes from the file to the socket, as many as it takes now, and answer how many; 0 means that the file ends there.

        :raises OSError: as the system; BlockingIOError where the socket takes none now.
        """
        return os.sendfile(socket, file, offset, count)

    def ready(self, file: int, offset: int, count: int) -> int:
        """
        How many of these bytes can be moved without waiting for a disk.

        The first of each `_LOOK` and the last are looked at, since what was read of a file in one go is let go of in one go. Of a file that cannot tell it is
        none, as it may lie on another machine. Where the system cannot tell of any, it is so few that the wait is short.
        """
        place = offset
        try:
            while place < offset + count:
                os.preadv(file, _SEEN, place, os.RWF_NOWAIT)
                place += _LOOK
            os.preadv(file, _SEEN, offset + count - 1, os.RWF_NOWAIT)
        except BlockingIOError:
            return max(place - _LOOK - offset, 0)
        except (AttributeError, OSError) as error:
            return 0 if getattr(error, "errno", None) == errno.EOPNOTSUPP else min(count, PIECE)
        return count


@implementer(IPullProducer)
class Line:
    """
    A connection whose transport is lent to the sending of files, while the `with` block lasts.

    The channel, which is the transport's producer otherwise, neither hears nor needs to hear of its pauses: what it does about them, cutting clients that
    take nothing, is done here.
    """

    def __init__(self, outlet: Any, kernel: Kernel) -> None:
        self.outlet = outlet
        self.channel = outlet.request.channel
        self.transport: Any = self.channel.transport
        self.kernel = kernel
        self.unfit = False
        """Whether the system cannot send this file."""
        self._gone = self._clear = self._begun = False
        self._content: Any = None
        self._at = self._end = self._sure = 0
        self._ended: Deferred[None] | None = None
        self._stall: IDelayedCall | None = None

    def __enter__(self) -> Self:
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, False)
        self._begun = True
        if self.transport.connected:
            # Of the head, which was written just now; whatever goes wrong there the reactor meets again with its next turn.
            self.transport.doWrite()
        return self

    def __exit__(self, *_: object) -> None:
        self._done()
        if not self._gone:
            self.transport.unregisterProducer()
            self.transport.registerProducer(self.channel, True)

    def resumeProducing(self) -> None:
        """The transport has nothing more to send."""
        if not self._begun:
            # It says so to whoever registers, whatever it still has.
            return
        if not self._clear:
            self._clear = True
            # The answer before may have filled the line: from now on nobody else would say that it is free again.
            self.channel.resumeProducing()
        if self._content is not None:
            self._go()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._gone = True
        self._done(Gone())

    async def give(self, content: IContent, at: int, end: int, sure: int = 0) -> int:
        """
        Send the bytes of a content from `at` up to `end`, and answer where they ended before that: at bytes that lie on the disk alone, where the file
        ends, or where it is no longer open.

        :param sure: up to where they have just been read.
        :raises Gone: the client left.
        :raises OSError: the file cannot be read.
        """
        if self._gone:
            raise Gone
        self._content, self._at, self._end, self._sure = content, at, end, sure
        if self._clear:
            self._go()
        if self._content is not None:
            self._stall = self.channel.callLater(self.channel.limits.stall, self.channel.abort)
            self._ended = Deferred()
            try:
                await self._ended
            finally:
                self._done()
        return self._at

    def _go(self) -> None:
        try:
            more = self._step()
        except Exception as error:  # whoever waits for the end of this is told
            if self._ended is None:
                self._content = None
                raise
            self._done(error)
            return
        if more:
            self.transport.startWriting()
        else:
            self._done()

    def _step(self) -> bool:
        """Send what can be sent now; whether there is more to send."""
        file = self._content.descriptor()
        count = min(TURN, self._end - self._at)
        if self._at < self._sure:
            count = min(count, self._sure - self._at)
        elif file is not None:
            count = self.kernel.ready(file, self._at, count)
        if file is None or not count:
            return False
        try:
            sent = self.kernel.send(self.transport.fileno(), file, self._at, count)
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno in _LEFT:
                self.transport.abortConnection()
                raise Gone from error
            if error.errno in _UNFIT:
                self.unfit = True
                return False
            raise
        self._at += sent
        self.outlet.sent += sent
        if self._stall is not None:
            self._stall.reset(self.channel.limits.stall)
        return sent > 0 and self._at < self._end

    def _done(self, error: Exception | None = None) -> None:
        """Nothing is being sent any more."""
        self._content = None
        stall, self._stall = self._stall, None
        if stall is not None and stall.active():
            stall.cancel()
        ended, self._ended = self._ended, None
        if ended is not None and not ended.called:
            ended.errback(error) if error is not None else ended.callback(None)


def can_lend(outlet: Any) -> bool:
    """Whether what is written there goes into a socket as it is, by a transport that is known to work as said above."""
    channel: Any = getattr(outlet.request, "channel", None)
    return isinstance(getattr(channel, "transport", None), Connection) and not channel.isSecure() and hasattr(os, "sendfile")


async def deliver(content: IContent, offset: int, length: int | None, outlet: Any, kernel: Kernel) -> None:
    """
    Send `length` bytes of `content` from `offset` on to a client, behind the head of the answer, by the cheapest way there is; None is all there is.

    :raises Gone: the client left.
    :raises CorruptContent: the content is shorter than promised, or turned out not to be what was promised.
    :raises UpstreamUnavailable: its bytes stopped coming.
    :raises OSError: the disk failed.
    """
    at = offset
    if length is not None and can_lend(outlet) and ISendable.providedBy(content):
        at = await _by_file(content, offset, offset + length, outlet, kernel)
    if length is None or at < offset + length:
        await pace.send(content, at, None if length is None else offset + length - at, outlet)


async def _by_file(content: Any, at: int, end: int, outlet: Any, kernel: Kernel) -> int:
    """Send the bytes from `at` up to `end` as far as they can be sent without reading them; answer where that ended."""
    there = await content.reach(at)
    if not there or (file := content.descriptor()) is None:
        return at
    # As long as no head has gone out, what fails can still be said by a status.
    sure = at if kernel.ready(file, at, min(there, end - at, TURN)) else await _read(content, at, min(end, at + there))
    outlet.write(b"")
    with Line(outlet, kernel) as line:
        while there and at < end:
            stop = min(end, at + there)
            sent = await line.give(content, at, stop, sure)
            if sent < stop:
                if line.unfit or sent < sure or content.descriptor() is None:
                    return sent
                sure = await _read(content, sent, stop)
                if sure == sent:
                    return sent
            at = sent
            if at < end:
                there = await content.reach(at)
    return at


async def _read(content: IContent, at: int, stop: int) -> int:
    """Have a piece of what lies on the disk alone read into memory, on a thread; answer up to where."""
    return at + len(await content.read(at, min(PIECE, stop - at)))
