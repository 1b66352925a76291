"""The factory of the door's connections: who may connect, and how often."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request
from twisted.web.resource import IResource

from pypidaemon.waits import Bell
from pypidaemon.web.channel import Limits
from pypidaemon.web.express import Lane
from pypidaemon.web.express_channel import ExpressChannel
from pypidaemon.web.intake import Intake, Room
from pypidaemon.web.places import Caps as Caps
from pypidaemon.web.places import Entry, Places, address_of
from pypidaemon.web.reply import bare
from pypidaemon.web.skin import Arrival

_BUSY = bare(503, "too many connections")
"""Said to a connection above the cap of its address, without reading what it asks (R217, R219)."""


class Busy(Protocol):
    """A connection too many: told so at once, and closed; dropped where that takes longer than `linger` seconds, as it does without a TLS handshake."""

    def __init__(self, places: Places, clock: IReactorTime, linger: float) -> None:
        self.places = places
        self.clock, self.linger = clock, linger
        self.late: IDelayedCall | None = None

    def make_way(self) -> None:
        """It does already."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It has been told."""
        self.places.left(self)
        if self.late is not None and self.late.active():
            self.late.cancel()

    def connectionMade(self) -> None:
        """Say so and close."""
        transport: Any = self.transport
        self.late = self.clock.callLater(self.linger, transport.abortConnection)
        transport.write(_BUSY)
        transport.loseConnection()


# Neither carries types, and mypy would have each call to them excused by itself. Those of `twisted.web.server` do nothing more that is wanted here, and take
# two megabytes with what stands around them.
_Request: Any = Request
_Factory: Any = HTTPFactory


class DoorRequest(_Request):  # type: ignore[misc]  # see above
    """
    A request on its way to the one resource there is, without Twisted's own traversal, which decodes the path a second way.

    Its body goes to whoever the skin says takes it, or else is counted and let go of.
    """

    arrival: Arrival | None = None
    """What the skin read of the head, where there is a body."""
    arrived = 0
    """Bytes of its body that have come, their framing taken off."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:
        """The head is whole. Nothing of the body is kept here, so nothing is made ready for it but an empty place."""
        super().gotLength(0)

    def received(self) -> Intake | None:
        """A body is to come: what passes it on, None where it means nothing. An answer may have gone out already."""
        self.arrival = self.channel.site.resource.arrive(self, self.channel)
        return self.arrival.intake

    def handleContentChunk(self, data: bytes) -> None:
        """Some of the body, its framing taken off."""
        self.arrived += len(data)
        if self.finished:
            return
        if self.arrived > self.channel.largest:
            self.channel.refuse(413)
        elif self.arrival is not None and self.arrival.intake is not None:
            self.arrival.intake.take(data, is_last=self.arrived == self.channel.length)

    def cut(self, status: int) -> None:
        """The connection has answered by itself, with that status."""
        if self.arrival is not None:
            self.arrival.leave(status)

    def parseCookies(self) -> None:
        """Nobody wants them but the administration, which reads its own."""

    def process(self) -> None:
        """Answer it."""
        self.site = self.channel.site
        self.site.resource.render(self)


class DoorSite(_Factory):  # type: ignore[misc]  # see above
    """
    Listens for clients. `resource` is a `Skin`; `reactor` gives the time for every limit.

    :param uncapped: addresses from which only the total counts, as those of a proxy that stands before us.
    :param room: how large the bodies may be that somebody takes; without it all are held to `Limits.body`.
    """

    noisy = False
    protocol: Any = ExpressChannel
    resource: Any

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime,
        limits: Limits | None = None,
        caps: Caps | None = None,
        uncapped: Container[str] = (),
        *,
        room: Room | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.places = Places(caps or Caps(), uncapped)
        self.room = room
        self._channels: set[Any] = set()
        self._left = Bell()
        self.leaving = False
        """Whether no connection is to outlive what it is at."""
        self.lane: Lane | None = getattr(resource, "lane", None)
        """The resource's own way past itself, if it has one."""
        self.resource = resource
        super().__init__(reactor=reactor, timeout=self.limits.idle)

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self.places)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A channel for a client, or, above the caps, one that only says so."""
        return self.welcome(addr, self.places.ask(address_of(addr)))

    def welcome(self, addr: IAddress | None, entry: Entry) -> Any:
        """As `buildProtocol`, of somebody who was told already what becomes of him."""
        host = address_of(addr)
        if entry is Entry.SHUT:
            # Without a protocol the socket is closed now, and not with the reactor's next turn.
            return None
        if entry is Entry.REFUSED:
            busy = Busy(self.places, self.reactor, self.limits.linger)
            self.places.dismiss(busy)
            return busy
        channel: Any = super().buildProtocol(addr)
        channel.site, channel.requestFactory = self, DoorRequest
        channel.limits = self.limits
        channel.room = self._allowed
        channel.spare = entry is Entry.SPARE
        self._channels.add(channel)
        self.places.enter(host, channel, channel.spare)

        def ended() -> None:
            self._channels.discard(channel)
            self._left.ring()
            self.places.left(channel)

        def works(at_work: bool) -> None:
            if at_work:
                self.places.works(channel)
            else:
                self.places.waits(channel)

        channel.ended = ended
        channel.works = works
        return channel

    def turn_to(self, other: DoorSite) -> None:
        """
        From the next request on, on old connections and new ones, answer as that site does, which itself listens nowhere.

        How many files may be open stays as this one was told: that one was told nothing (F61).
        """
        self.resource = other.resource
        self.lane = other.lane
        self.room = other.room
        self.limits = other.limits
        self.places.caps = other.places.caps
        self.places.uncapped = other.places.uncapped
        other.places = self.places

    def leave(self) -> None:
        """End every connection when it has its answer (RFC 9112 §9.6), and those that wait for a request now."""
        self.leaving = True
        for channel in tuple(self._channels):
            channel.leave()

    async def empty(self) -> None:
        """Come back when there is no connection."""
        while self._channels:
            await self._left.wait()

    def drop(self) -> int:
        """Drop every connection, whatever it is at, and answer how many those were."""
        for channel in (dropped := tuple(self._channels)):
            channel.abort()
        return len(dropped)

    def _allowed(self, method: bytes, target: bytes) -> int:
        return self.limits.body if self.room is None else self.room(method, target)

    def startFactory(self) -> None:
        """Nothing: the access log is `AccessLog`, so Twisted's own file and its clock stay off."""

    def stopFactory(self) -> None:
        """Nothing, as `startFactory`."""

    def log(self, request: Any) -> None:
        """Nothing, as `startFactory`."""

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 alone: Twisted's HTTP/2 is private, slow, and knows none of our limits."""
        return [b"http/1.1"]
