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
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.pace import PIECE, Gone, Held
from pypidaemon.waits import Bell
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask, BadRequest, read, unreadable
from pypidaemon.web.express import Lane
from pypidaemon.web.intake import Intake, Receive, Receiver, Valve, nothing_received
from pypidaemon.web.reply import Reply, Stream, phrase
from pypidaemon.web.request_ids import RequestIds
from pypidaemon.web.sendfile import Kernel, deliver

LEFT = 499
"""What observers are told where the client left before it was answered; never sent."""

NOT_DONE_YET = 1
"""What a resource says that writes its answer by itself (`twisted.web.server`, which is not loaded for this one number)."""

_BODILESS = (204, 304)
_CLOSE = ("Connection", "close")

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

    def answer(self, body: bytes) -> None:
        """Write an answer that is all here; by way of a channel of ours at once."""
        answer = getattr(self.request.channel, "answer", None)
        if answer is None or self.gone:
            self.write(body)
        else:
            self.sent += len(body)
            answer(self.request, body)

    def finish(self) -> None:
        if not self.gone:
            self.request.finish()

    def abort(self) -> None:
        if not self.gone:
            transport: Any = self.request.transport
            transport.abortConnection()


@attrs.define(eq=False)
class Arrival:
    """A request whose head is here, read once."""

    ask: Ask
    started: float
    outlet: _Outlet
    refused: Reply | None = None
    """The answer of a request that could not be read."""
    intake: Intake | None = None
    """What its body goes through, where somebody takes that."""

    def leave(self, status: int = LEFT) -> None:
        """Whoever asked has left, or was answered with that status by the connection itself; work on the body stops."""
        self.outlet.gone = True
        if not self.outlet.sent:
            self.outlet.status = status
        if self.intake is not None:
            self.intake.cut()


async def _ready(reply: Reply) -> Reply:
    return reply


async def _failed(wrong: Exception) -> Receiver:
    raise wrong


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
    receive: Receive = nothing_received
    """Asked who takes the body, where there is one; such a request comes neither to `quick` nor to `handle`."""
    kernel: Kernel = attrs.field(factory=Kernel)
    """Sends files."""
    lane: Lane | None = None
    """Learns which answers were ready, so that the next equal request need not come here."""
    ids: RequestIds = attrs.field(default=attrs.Factory(lambda self: RequestIds(self.random, 1), takes_self=True))
    isLeaf: bool = True
    working: int = attrs.field(init=False, default=0)
    """How many answers are being made or sent."""
    _rested: Bell = attrs.field(init=False, factory=Bell)
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

    async def rest(self) -> None:
        """Come back when no answer is being made or sent."""
        while self.working:
            await self._rested.wait()

    def arrive(self, request: Request, valve: Valve) -> Arrival:
        """
        Read a request whose head is here and whose body is to come, and begin with that.

        Where the decision about the body needs no time, an answer may have gone out when this returns.
        """
        arrival = self._arrival(request)
        # A body there means nothing (RFC 9110 §9.3.1, §9.3.2).
        if arrival.refused is not None or arrival.ask.method in ("GET", "HEAD"):
            return arrival
        try:
            receiving = self.receive(arrival.ask)
        except Exception as wrong:  # noqa: BLE001  # the skin is where unforeseen errors become a 500
            receiving = _failed(wrong)
        if receiving is not None:
            intake = arrival.intake = Intake(valve)
            intake.running = self._begin(arrival, intake.reply(receiving))
        return arrival

    def unasked(self, request: Request) -> Arrival:
        """A request of which nothing is wanted but that it is read."""
        return self._arrival(request)

    def inquire(self, request: Request) -> None:
        """Have the lane learn the answer to a request where it is ready: nobody is answered, and nothing is begun."""
        arrival = self._arrival(request)
        try:
            reply = self.quick(arrival.ask) if arrival.refused is None else None
        except Exception:  # noqa: BLE001  # whatever it is, who asks in earnest meets it again
            reply = None
        if reply is not None:
            self._head(arrival.outlet, arrival.ask, reply)
            reply.close()

    def render(self, request: Request) -> int:
        """Answer `request`, which is whole, at once where the answer is ready; the answer is always written by ourselves."""
        arrival: Arrival = getattr(request, "arrival", None) or self._arrival(request)
        if arrival.intake is not None:
            arrival.intake.end()
            return NOT_DONE_YET
        ask, reply = arrival.ask, arrival.refused
        if reply is None:
            try:
                reply = self.quick(ask)
            except Exception as wrong:  # noqa: BLE001  # the skin is where unforeseen errors become a 500
                reply = failures.answer(wrong, ask.id, False)
            if reply is not None and reply.status < 400:
                ask.notes.ready = True
        if reply is not None and reply.stream is None and len(reply.body) <= PIECE:
            self._at_once(arrival, reply)
            return NOT_DONE_YET
        self._begin(arrival, self._handled(ask) if reply is None else _ready(reply))
        return NOT_DONE_YET

    def _at_once(self, arrival: Arrival, reply: Reply) -> None:
        """Send what is there, whole."""
        ask, outlet = arrival.ask, arrival.outlet
        self._head(outlet, ask, reply)
        if not _bodiless(ask, reply):
            outlet.answer(reply.body)
        outlet.finish()
        self.observe(ask, outlet.status, outlet.sent, self.clock.seconds() - arrival.started)

    def _taught(self, request: Request, ask: Ask, reply: Reply) -> None:
        """Let the express lane know the answer that is about to be sent, where that may be given again."""
        channel: Any = request.channel
        if self.lane is not None and reply.term is not None and channel.asked is not None and channel.persistent:
            headers = request.responseHeaders.getAllRawHeaders()
            self.lane.learn(
                channel.asked,
                ask,
                b"HTTP/1.1 %d %s" % (reply.status, request.code_message),
                [(name, value) for name, values in headers for value in values],
                b"" if _bodiless(ask, reply) else reply.body,
                reply.term(),
            )

    def _arrival(self, request: Request) -> Arrival:
        id = self.ids.next()
        started = self.clock.seconds()
        try:
            return Arrival(self.seen(read(request, id)), started, _Outlet(request))
        except BadRequest as wrong:
            reply = failures.answer(wrong, id, False)
            reply = attrs.evolve(reply, headers=(*reply.headers, _CLOSE))
            return Arrival(unreadable(request, id), started, _Outlet(request), reply)

    def _begin(self, arrival: Arrival, making: Awaitable[Reply]) -> Deferred[None]:
        """Set to work on an answer that is not ready; it is cancelled when the client leaves."""
        working = Deferred.fromCoroutine(self._work(arrival, making))

        def left(reason: Failure) -> None:
            arrival.outlet.gone = True
            if arrival.intake is None:
                working.cancel()
            else:
                arrival.intake.cut()

        if not working.called:
            arrival.outlet.request.notifyFinish().addErrback(left)
        return working

    async def _work(self, arrival: Arrival, making: Awaitable[Reply]) -> None:
        """Wait for the reply, and send it."""
        ask, outlet, intake = arrival.ask, arrival.outlet, arrival.intake
        self.working += 1
        try:
            reply = await self._made(arrival, making)
            if reply is not None:
                try:
                    if intake is not None and not intake.whole and not outlet.gone:
                        # What is still on its way is of no use, and the next request could only be found behind all of it.
                        intake.valve.turn_away()
                        reply = attrs.evolve(reply, headers=(*(pair for pair in reply.headers if pair != _CLOSE), _CLOSE))
                    await self._send(outlet, ask, reply)
                finally:
                    reply.close()
        finally:
            self.working -= 1
            self.observe(ask, outlet.status, outlet.sent, self.clock.seconds() - arrival.started)
            if not self.working:
                self._rested.ring()

    async def _handled(self, ask: Ask) -> Reply:
        return await self.handle(ask)

    async def _made(self, arrival: Arrival, making: Awaitable[Reply]) -> Reply | None:
        try:
            return await making
        except Exception as wrong:  # noqa: BLE001  # the skin is where unforeseen errors become a 500
            # What a cancelled handler raises is not about the request: the client left, which is no event worth a line.
            # An upload concerns a file, so the rule that refused it is named (R10).
            return None if arrival.outlet.gone else failures.answer(wrong, arrival.ask.id, arrival.intake is not None)

    async def _send(self, outlet: _Outlet, ask: Ask, reply: Reply) -> None:
        if outlet.gone:
            return
        self._head(outlet, ask, reply)
        if _bodiless(ask, reply):
            outlet.finish()
            return
        stream = reply.stream
        if stream is None and len(reply.body) <= PIECE:
            outlet.answer(reply.body)
            outlet.finish()
            return
        stream = stream or Stream(Held(reply.body), 0, len(reply.body))
        try:
            await deliver(stream.content, stream.offset, stream.length, outlet, self.kernel)
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
        if not outlet.request.startedWriting:
            for name, _ in reply.headers:
                outlet.request.responseHeaders.removeHeader(name.encode("ascii"))
            instead = failures.answer(wrong, ask.id, True)
            self._head(outlet, ask, instead)
            outlet.write(instead.body)
            outlet.finish()
            return
        why = str(wrong) if isinstance(wrong, PypidaemonError) else failures.passing(wrong)
        if why is not None:
            self._log.warn("request {id} broke off after {sent} bytes: {why}", id=ask.id, sent=outlet.sent, why=why)
        else:
            self._log.failure("request {id} broke off after {sent} bytes", failure=Failure(wrong), id=ask.id, sent=outlet.sent)
        outlet.abort()

    def _head(self, outlet: _Outlet, ask: Ask, reply: Reply) -> None:
        """Give the request its status and headers; they go out with the first write."""
        request = outlet.request
        outlet.status = reply.status
        if reply.status >= 400:
            ask.notes.reason = reply.line
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
        self._taught(request, ask, reply)


def _bodiless(ask: Ask, reply: Reply) -> bool:
    return ask.method == "HEAD" or reply.status in _BODILESS


def _length(reply: Reply) -> int | None:
    if reply.length is not None:
        return reply.length
    return len(reply.body) if reply.stream is None else reply.stream.length
