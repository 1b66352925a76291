"""A connection through an HTTP proxy by CONNECT (RFC 9110 §9.3.6), which Twisted's `ProxyAgent` cannot make."""

from __future__ import annotations

import re
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from pypidaemon.upstreams.routes import Proxy

REPLY_SIZE = 16 << 10
"""Bytes of the proxy's reply at most."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r|\n|\Z)")


class ProxyFailed(Exception):
    """The proxy could not be reached or made no connection; the text names the proxy and says why (F42)."""


class _Opening(Protocol):
    """Asks the proxy for the tunnel, then is the pipe between the connection and the protocol that uses it."""

    def __init__(self, tunnel: Tunnel, factory: IProtocolFactory, opened: Deferred[IProtocol]) -> None:
        self._tunnel = tunnel
        self._factory = factory
        self._opened = opened
        self._reply = b""
        self._inner: Any = None
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        tunnel = self._tunnel
        host = f"[{tunnel.host}]" if ":" in tunnel.host else tunnel.host
        where = f"{host}:{tunnel.port}".encode("ascii")
        lines = [b"CONNECT %b HTTP/1.1" % where, b"Host: %b" % where]
        authorization = tunnel.proxy.authorization
        if authorization is not None:
            lines.append(b"Proxy-Authorization: " + authorization)
        transport: Any = self.transport
        transport.write(b"\r\n".join([*lines, b"", b""]))
        self._timer = tunnel.clock.callLater(tunnel.deadline, self.give_up, "does not answer")

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self._opened.called:
            return
        self._reply += data
        head, end, rest = self._reply.partition(b"\r\n\r\n")
        if not end:
            if len(self._reply) > REPLY_SIZE:
                self.give_up("answers with too much")
            return
        status = _STATUS.match(head)
        if status is None:
            self.give_up("speaks no HTTP")
        elif not status[1].startswith(b"2"):
            self.give_up(f"refuses the connection ({status[1].decode('ascii')})")
        else:
            self._open(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_timer()
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self._opened.called:
            self._opened.errback(ProxyFailed(f"the proxy {self._tunnel.proxy} closed the connection"))

    def give_up(self, why: str) -> None:
        self._stop_timer()
        transport: Any = self.transport
        transport.abortConnection()
        if not self._opened.called:
            self._opened.errback(ProxyFailed(f"the proxy {self._tunnel.proxy} {why}"))

    def _open(self, rest: bytes) -> None:
        self._stop_timer()
        transport: Any = self.transport
        inner = self._factory.buildProtocol(transport.getPeer())
        if inner is None:
            self.give_up("is not wanted")
            return
        self._inner = inner
        inner.makeConnection(transport)
        self._opened.callback(inner)
        if rest:
            inner.dataReceived(rest)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


@implementer(IStreamClientEndpoint)
@attrs.frozen
class Tunnel:
    """
    A connection to `host`:`port` through `proxy`.

    :param endpoint: leads to the proxy.
    :param deadline: seconds for the proxy's reply once it is connected.
    """

    endpoint: IStreamClientEndpoint
    proxy: Proxy
    clock: IReactorTime
    host: str
    port: int
    deadline: float

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """As `IStreamClientEndpoint`; whatever goes wrong on the way is a `ProxyFailed`."""
        opening: list[_Opening] = []
        opened: Deferred[IProtocol] = Deferred(lambda _: opening[0].give_up("was left") if opening else connecting.cancel())

        def build() -> Protocol:
            return _Opening(self, protocolFactory, opened)

        def connected(protocol: Any) -> None:
            opening.append(protocol)

        def unreachable(failure: Failure) -> None:
            if not opened.called:
                opened.errback(ProxyFailed(f"the proxy {self.proxy} cannot be reached"))

        factory = Factory.forProtocol(build)
        factory.noisy = False
        connecting = self.endpoint.connect(factory)
        connecting.addCallbacks(connected, unreachable)
        return opened
