"""
The skin of the door: turns a function from `Ask` to `Reply` into a Twisted resource.

Everything that is the same for every answer happens here and nowhere else: status line and headers once, HEAD, pacing, the
client that leaves, the stream that breaks, and the line in the access log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request, datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.pace import PIECE, Gone, Held, send
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask, BadRequest, read, unreadable
from pypidaemon.web.reply import Reply, Stream, phrase

LEFT = 499
"""What observers are told where the client left before it was answered; never sent."""

_BODILESS = (204, 304)

Observer = Callable[[Ask, int, int, float], None]
"""Called once when a response has ended, with the request, the status, the bytes of body sent, and the seconds it took."""


def nothing_ready(ask: Ask) -> Reply | None:
    """The `quick` of a door that keeps no ready answers."""
    return None


def as_it_came(ask: Ask) -> Ask:
    """The `seen` of a door that nobody stands before."""
    return ask


def nobody_watches(ask: Ask, status: int, sent: int, seconds: float) -> None:
    """The `observe` of a door without a log."""


@implementer(IConsumer)
@attrs.define(eq=False)
class _Outlet:
    """A request as something to write to, which it stays, to no effect, when the connection is lost; and what became of it."""

    request: Request
    status: int = LEFT
    sent: int = 0
    gone: bool = False

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if not self.gone:
            self.request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        if not self.gone:
            self.request.unregisterProducer()

    def write(self, data: bytes) -> None:
        if not self.gone:
            self.sent += len(data)
            self.request.write(data)

    def finish(self) -> None:
        if not self.gone:
            self.request.finish()

    def abort(self) -> None:
        if not self.gone:
            transport: Any = self.request.transport
            transport.abortConnection()


@implementer(IResource)
@attrs.define(eq=False)
class Skin:
    """
    The resource that every request comes to.

    A request that cannot be read is answered by one error and the connection closes behind it (S55). An error that
    `handle` or `quick` raises is answered by the table in `failures`.
    """

    handle: Callable[[Ask], Awaitable[Reply]]
    """Answers a request; cancelled when the client leaves."""
    quick: Callable[[Ask], Reply | None]
    """Asked first: an answer that is ready, or None. It must not block."""
    clock: IReactorTime
    random: Callable[[int], bytes]
    """That many random bytes, as `os.urandom`; request ids come from here."""
    observe: Observer = nobody_watches
    seen: Callable[[Ask], Ask] = as_it_came
    """What the request means once it is known who passed it on."""
    isLeaf: bool = True
    _log = Logger(namespace="pypidaemon.web")

    def getChildWithDefault(self, name: bytes, request: Request) -> IResource:
        """This resource: it is the only one."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """
        Refuse: routes are the door's.

        :raises TypeError: always.
        """
        raise TypeError("the skin has no children")

    def render(self, request: Request) -> int:
        """Answer `request`, at once where the answer is ready; the answer is always written by ourselves."""
        started = self.clock.seconds()
        id = self.random(8).hex()
        outlet = _Outlet(request)
        reply: Reply | None
        try:
            ask = self.seen(read(request, id))
        except BadRequest as wrong:
            ask = unreadable(request, id)
            reply = failures.answer(wrong, id, False)
            reply = attrs.evolve(reply, headers=(*reply.headers, ("Connection", "close")))
        else:
            try:
                reply = self.quick(ask)
            except Exception as wrong:  # noqa: BLE001  # the skin is where unforeseen errors become a 500
                reply = failures.answer(wrong, id, False)
        if reply is not None and reply.stream is None and len(reply.body) <= PIECE:
            self._head(outlet, ask, reply)
            if not _bodiless(ask, reply):
                outlet.write(reply.body)
            outlet.finish()
            self.observe(ask, outlet.status, outlet.sent, self.clock.seconds() - started)
            return NOT_DONE_YET
        working = Deferred.fromCoroutine(self._work(outlet, ask, reply, started))

        def left(reason: Failure) -> None:
            outlet.gone = True
            working.cancel()

        if not working.called:
            request.notifyFinish().addErrback(left)
        return NOT_DONE_YET

    async def _work(self, outlet: _Outlet, ask: Ask, reply: Reply | None, started: float) -> None:
        """Find the reply where it was not ready, and send it."""
        try:
            if reply is None:
                reply = await self._found(outlet, ask)
            if reply is not None:
                try:
                    await self._send(outlet, ask, reply)
                finally:
                    reply.close()
        finally:
            self.observe(ask, outlet.status, outlet.sent, self.clock.seconds() - started)

    async def _found(self, outlet: _Outlet, ask: Ask) -> Reply | None:
        try:
            return await self.handle(ask)
        except Exception as wrong:  # noqa: BLE001  # the skin is where unforeseen errors become a 500
            # What a cancelled handler raises is not about the request: the client left, which is no event worth a line.
            return None if outlet.gone else failures.answer(wrong, ask.id, False)

    async def _send(self, outlet: _Outlet, ask: Ask, reply: Reply) -> None:
        if outlet.gone:
            return
        self._head(outlet, ask, reply)
        if _bodiless(ask, reply):
            outlet.finish()
            return
        stream = reply.stream
        if stream is None and len(reply.body) <= PIECE:
            outlet.write(reply.body)
            outlet.finish()
            return
        stream = stream or Stream(Held(reply.body), 0, len(reply.body))
        try:
            await send(stream.content, stream.offset, stream.length, outlet)
        except Gone:
            outlet.gone = True
        except Exception as wrong:  # noqa: BLE001  # the skin is where unforeseen errors become a 500
            self._broken(outlet, ask, reply, wrong)
        else:
            outlet.finish()

    def _broken(self, outlet: _Outlet, ask: Ask, reply: Reply, wrong: Exception) -> None:
        """
        Say that the stream failed: by a status while no byte has gone out, else by dropping the connection short of what was
        promised, so that nobody takes the part for the whole (R221).
        """
        if outlet.gone:
            return
        if not outlet.sent:
            for name, _ in reply.headers:
                outlet.request.responseHeaders.removeHeader(name.encode("ascii"))
            instead = failures.answer(wrong, ask.id, True)
            self._head(outlet, ask, instead)
            outlet.write(instead.body)
            outlet.finish()
            return
        if isinstance(wrong, PypidaemonError):
            self._log.warn("request {id} broke off after {sent} bytes: {why}", id=ask.id, sent=outlet.sent, why=str(wrong))
        else:
            self._log.failure("request {id} broke off after {sent} bytes", failure=Failure(wrong), id=ask.id, sent=outlet.sent)
        outlet.abort()

    def _head(self, outlet: _Outlet, ask: Ask, reply: Reply) -> None:
        """Give the request its status and headers; they go out with the first write."""
        request = outlet.request
        outlet.status = reply.status
        request.setResponseCode(reply.status, (reply.reason or phrase(reply.status)).encode("latin-1", "replace"))
        headers = request.responseHeaders
        headers.setRawHeaders(b"Date", [datetimeToString(self.clock.seconds())])
        headers.setRawHeaders(b"Server", [b"pypidaemon"])
        headers.setRawHeaders(b"X-Request-Id", [ask.id.encode("ascii")])
        for name, value in reply.headers:
            headers.addRawHeader(name.encode("ascii"), value.encode("latin-1"))
        length = _length(reply)
        if length is not None and reply.status not in _BODILESS:
            headers.setRawHeaders(b"Content-Length", [b"%d" % length])


def _bodiless(ask: Ask, reply: Reply) -> bool:
    return ask.method == "HEAD" or reply.status in _BODILESS


def _length(reply: Reply) -> int | None:
    if reply.length is not None:
        return reply.length
    return len(reply.body) if reply.stream is None else reply.stream.length
