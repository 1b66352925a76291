"""A scriptable index on a real port."""

from __future__ import annotations

import os
import socket
from typing import Any

import attrs
from twisted.internet.defer import maybeDeferred
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import IResource
from twisted.web.server import Site

from pypidaemon.testing.index import TestIndex


@attrs.define(eq=False)
class Served:
    """A resource that is being listened for; `port` stays the same over `stop` and `start`."""

    reactor: Any
    resource: IResource
    interface: str
    port: int
    tls: Any = None
    _listening: Any = attrs.field(default=None, init=False)
    _factory: Any = attrs.field(default=None, init=False)
    _held: int = attrs.field(default=-1, init=False)
    """A socket bound to the port while nobody listens there, so that the system gives it to nobody else and whoever connects is refused."""

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"{'http' if self.tls is None else 'https'}://{self.interface}:{self.port}"

    @property
    def simple(self) -> str:
        """The URL of the simple index."""
        return f"{self.url}/simple/"

    def begin(self) -> None:
        """Listen."""
        self._factory = WrappingFactory(Site(self.resource))
        self._factory.noisy = False
        if self.tls is None:
            self._listening = self.reactor.listenTCP(self.port, self._factory, interface=self.interface)
        else:
            self._listening = self.reactor.listenSSL(self.port, self._factory, self.tls, interface=self.interface)
        self.port = self._listening.getHost().port
        self._let_go()

    async def start(self) -> None:
        """Listen again, on the same port."""
        self.begin()

    async def stop(self) -> None:
        """Refuse connections from now on, and cut those there are."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await maybeDeferred(listening.stopListening)
            with socket.socket() as holding:
                holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holding.bind((self.interface, self.port))
                self._held = holding.detach()
            for protocol in list(self._factory.protocols):
                protocol.transport.abortConnection()
        if isinstance(self.resource, TestIndex):
            self.resource.hush()

    def __del__(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)


def listen(reactor: Any, resource: IResource, port: int = 0, interface: str = "127.0.0.1", tls: Any = None) -> Served:
    """
    Serve an index, or any other resource.

    :param port: 0 takes any free one.
    :param tls: a context factory for https.
    """
    if isinstance(resource, TestIndex) and resource.clock is None:
        resource.clock = reactor
    served = Served(reactor, resource, interface, port, tls)
    served.begin()
    return served
