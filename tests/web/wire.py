"""A client of the door without sockets: the real site, channel and skin over a transport in memory, with time by `Clock`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor, IPushProducer, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from pypidaemon.interfaces import IContent
from pypidaemon.web.ask import Ask
from pypidaemon.web.channel import Limits
from pypidaemon.web.intake import Receive, Room, nothing_received
from pypidaemon.web.reply import Reply, text
from pypidaemon.web.site import Caps, DoorSite
from pypidaemon.web.skin import Skin, nothing_ready


@implementer(ITransport, IPushProducer)
class Wire:
    """A TCP transport in memory. What is written to it has arrived, except while `stalled`: then the writer is paused."""

    def __init__(self, peer: Any, half_closes: bool = True) -> None:
        self.peer = peer
        self.out = b""
        self.disconnecting = False
        self.aborted = False
        self.half_closed = False
        self.reading = True
        self.stalled = False
        self.producer: Any = None
        if half_closes:
            directlyProvides(self, ITransport, IPushProducer, IHalfCloseableDescriptor)

    def write(self, data: bytes) -> None:
        assert not self.aborted
        assert not self.half_closed
        self.out += data
        if self.stalled and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def loseConnection(self) -> None:
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = self.disconnecting = True

    def getPeer(self) -> Any:
        return self.peer

    def getHost(self) -> Any:
        return IPv4Address("TCP", "127.0.0.1", 3141)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def stopProducing(self) -> None:
        self.loseConnection()

    @property
    def closed(self) -> bool:
        """Whether this side will say no more."""
        return self.disconnecting or self.half_closed


class Client:
    """One connection to a site."""

    def __init__(self, site: DoorSite, address: Any = None, half_closes: bool = True) -> None:
        self.wire = Wire(address or IPv4Address("TCP", "192.0.2.7", 50000), half_closes)
        self.channel = site.buildProtocol(self.wire.peer)
        self.channel.makeConnection(self.wire)

    def say(self, data: bytes) -> bytes:
        """Send that, and take what came back since last asked."""
        self.channel.dataReceived(data)
        return self.heard()

    def heard(self) -> bytes:
        """Take what came back since last asked."""
        out, self.wire.out = self.wire.out, b""
        return out

    def hang_up(self, clean: bool = False) -> None:
        """Lose the connection as the reactor would: the producer first, then the protocol."""
        producer, self.wire.producer = self.wire.producer, None
        if producer is not None:
            producer.stopProducing()
        reason = ConnectionAborted() if self.wire.aborted else ConnectionDone() if clean else ConnectionLost()
        self.channel.connectionLost(Failure(reason))


@attrs.define
class Heard:
    """One answer, taken apart."""

    status: int
    reason: str
    headers: dict[str, list[str]]
    body: bytes

    def one(self, name: str) -> str:
        (value,) = self.headers[name.lower()]
        return value


def answers(data: bytes, methods: tuple[str, ...] = ()) -> list[Heard]:
    """Take a stream of answers apart; `methods` of the requests they belong to, GET where it says none."""
    found = []
    while data:
        head, data = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, reason = (first + " ").split(" ", 2)
        assert version == "HTTP/1.1", first
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, value = line.split(": ", 1)
            headers.setdefault(name.lower(), []).append(value)
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        if int(status) == 100:
            continue
        if method == "HEAD" or int(status) in (204, 304):
            body = b""
        elif "content-length" in headers:
            (length,) = headers["content-length"]
            body, data = data[: int(length)], data[int(length) :]
        else:
            assert headers["transfer-encoding"] == ["chunked"], headers
            body = b""
            while True:
                size, data = data.split(b"\r\n", 1)
                piece, data = data[: int(size, 16)], data[int(size, 16) + 2 :]
                if not piece:
                    break
                body += piece
        found.append(Heard(int(status), reason.strip(), headers, body))
    return found


@attrs.define(eq=False)
class Seen:
    """A door for tests: remembers what it was asked and what observers were told."""

    asks: list[Ask] = attrs.field(factory=list)
    ends: list[tuple[int, int]] = attrs.field(factory=list)
    clock: Clock = attrs.field(factory=Clock)
    limits: Limits = attrs.field(factory=Limits)
    caps: Caps = attrs.field(factory=Caps)
    uncapped: tuple[str, ...] = ()
    handler: Callable[[Ask], Awaitable[Reply]] | None = None
    quick: Callable[[Ask], Reply | None] = nothing_ready
    receive: Receive = nothing_received
    room: Room | None = None
    told: list[Ask] = attrs.field(factory=list)
    """The requests that observers were told of."""
    site: DoorSite = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        counter = iter(range(1, 1 << 30))

        def random(count: int) -> bytes:
            return next(counter).to_bytes(count, "big")

        def observe(ask: Ask, status: int, sent: int, seconds: float) -> None:
            self.ends.append((status, sent))
            self.told.append(ask)

        skin = Skin(self.handle, self.quick, self.clock, random, observe, receive=self.receive)
        self.site = DoorSite(skin, self.clock, self.limits, self.caps, self.uncapped, room=self.room)

    async def handle(self, ask: Ask) -> Reply:
        self.asks.append(ask)
        if self.handler is not None:
            return await self.handler(ask)
        return text(200, "/".join(ask.segments), ask.id)

    def client(self, **more: Any) -> Client:
        return Client(self.site, **more)


@implementer(IContent)
class Trickle:
    """A content whose reads are answered one by one: bytes, an exception, or None to wait until `feed`."""

    def __init__(self, *steps: bytes | Exception | None, size: int | None = None) -> None:
        self.steps = list(steps)
        self.size = size
        self.digest = None
        self.reads: list[tuple[int, int]] = []
        self.closed = 0
        self.waiting: Deferred[bytes] | None = None

    async def read(self, offset: int, limit: int) -> bytes:
        self.reads.append((offset, limit))
        step = self.steps.pop(0) if self.steps else b""
        if step is None:
            self.waiting = Deferred()
            return await self.waiting
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed += 1


def get(path: str = "/simple/", *headers: str, method: str = "GET") -> bytes:
    """A request's bytes."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: index.example", *headers, "", ""]).encode("latin-1")


DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
