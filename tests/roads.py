"""The two roads by which a request is answered, the express lane and the ordinary one, over the real site: what either says to the same bytes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from zope.interface import directlyProvides

from pypidaemon.web.ask import Ask
from pypidaemon.web.express import Lane
from pypidaemon.web.site import DoorSite
from tests.web.sockets import Plug, Turning
from tests.web.wire import Client

PEER = IPv4Address("TCP", "127.0.0.1", 50000)


def head_of(ask: Ask, *more: str) -> bytes:
    """The bytes that a client sends who asks that."""
    path = "/" + "/".join(quote(segment, safe="+:@!$&'()*,;=~") for segment in ask.segments)
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in ask.query)
    fields = [f"{name}: {value}" for name, value in ask.headers.pairs]
    lines = [f"{ask.method} {path}{'?' if query else ''}{query} HTTP/1.1", f"Host: {ask.host}", *fields, *more, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def client_of(site: DoorSite, *, secure: bool = False, peer: Any = PEER) -> Client:
    """A connection to that site."""
    client = Client(site, peer)
    if secure:
        # Looked at with each request, so it does no harm that the connection was made before.
        directlyProvides(client.wire, IPushProducer, ISSLTransport)
    return client


class Kept:
    """A connection by a real socket that stays, and is made anew where the site has ended it: what was left behind by one request meets the next."""

    def __init__(self, site: DoorSite) -> None:
        self.site = site
        self.reactor = Turning()
        self.plug: Plug | None = None
        self.channel: Any = None

    def say(self, head: bytes) -> bytes:
        """Send that, and take the answer, which comes at once."""
        if self.plug is None or not self.plug.transport.connected or self.plug.transport.disconnecting:
            self.close()
            self.channel = self.site.buildProtocol(PEER)
            self.plug = Plug(self.channel, self.reactor)
        assert self.plug.take() == b""
        self.plug.say(head)
        heard = self.plug.take()
        while self.plug.transport in self.reactor.writers:
            self.reactor.turn()
            heard += self.plug.take()
        # Whatever need not be looked at is as it would be found.
        assert not self.channel._resting or (self.channel._at_rest() and self.channel._outlet._free())
        return heard

    def close(self) -> None:
        """Hang up."""
        if self.plug is not None:
            self.plug.close()
            self.plug = None


@attrs.define(eq=False)
class Roads:
    """A site beside another that has the same skin and no lane."""

    express: DoorSite
    ordinary: DoorSite = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ordinary = DoorSite(self.express.resource, self.express.reactor)
        self.ordinary.lane = None

    @property
    def lane(self) -> Lane:
        """The lane."""
        lane = self.express.lane
        assert lane is not None
        return lane

    def ask(self, head: bytes, *, secure: bool = False) -> tuple[bytes, bool]:
        """What the express site answers to that head, on a fresh connection, and whether the lane did."""
        client, before = client_of(self.express, secure=secure), self.lane.gave
        heard = client.say(head)
        client.hang_up()
        return heard, self.lane.gave > before

    def plainly(self, head: bytes, *, secure: bool = False) -> bytes:
        """What the ordinary road answers."""
        client = client_of(self.ordinary, secure=secure)
        heard = client.say(head)
        client.hang_up()
        return heard

    def settle(self) -> None:
        """Have the log say what waits to be said, so that nothing is due."""
        self.lane.access.lines.flush()
