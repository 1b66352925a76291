"""
The one way out: every request to an upstream leaves by an `Outbound`, which nothing can talk out of its checks.

Certificates are always verified, against the machine's authorities and those of `ca-file` besides (S52); addresses as in
`pypidaemon.upstreams.addresses`; proxies as in `pypidaemon.upstreams.routes`; response heads as in `pypidaemon.upstreams.sieve`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.web.client import URI, Agent, ProxyAgent, _RetryingHTTP11ClientProtocol
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from pypidaemon.settings import Secret
from pypidaemon.upstreams.addresses import AddressRefused, GuardedEndpoint, check_host
from pypidaemon.upstreams.connections import Fields, Pool, Question
from pypidaemon.upstreams.origins import Target
from pypidaemon.upstreams.routes import Proxy, Routes, routes
from pypidaemon.upstreams.secured import Secured, Security
from pypidaemon.upstreams.sieve import Sieve, Sieved
from pypidaemon.upstreams.small import LARGEST, Small, Watch
from pypidaemon.upstreams.tunnel import Tunnel

UNPRIVILEGED = 1024
"""Below this port stand the services of a machine itself, which hold no files."""
TUNNEL_DEADLINE = 10.0
"""Seconds for a proxy to answer CONNECT."""
_CREATORS = 64
_PORTS = {b"http": 80, b"https": 443}
_USUAL = re.compile(rb"(https?)://(([a-z0-9][a-z0-9.-]*)(?::([0-9]{1,5}))?)(/[!$&-;=@-Z_a-z~%]*)")
"""A URL without anything that stands in few of them: the host a name in lower case, no query, and nothing of which it matters how it is written."""


@attrs.frozen
class Trusted:
    """
    The hosts that need no public address, and where: on the ports of the web, the index's own, and those from 1024 on.

    An index may keep its files on another port of its host (N6). But a page that names the mail, secure shell or printer port of the
    machine, which may be this one, wants no file (docs/decisions/0005).
    """

    hosts: frozenset[str]
    own_port: int | None = None

    def at(self, port: int) -> frozenset[str]:
        """The hosts that are trusted on that port: all or none."""
        usual = port in (80, 443, self.own_port) or port >= UNPRIVILEGED
        return self.hosts if usual else frozenset()


@implementer(IAgentEndpointFactory)
@attrs.define(eq=False)
class _Endpoints:
    """Makes the connections for one way of going out: directly, or through one proxy."""

    reactor: Any
    trusted: Trusted
    security: Security
    timeout: float
    live: dict[Sieve, int]
    proxy: Proxy | None = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """As `IAgentEndpointFactory`."""
        host = uri.host.decode("ascii").lower()
        endpoint: IStreamClientEndpoint
        if self.proxy is None:
            endpoint = GuardedEndpoint(self.reactor, host, uri.port, self.trusted.at(uri.port), self.timeout, uri.scheme == b"https")
        else:
            endpoint = Tunnel(self.to_proxy(self.proxy), self.proxy, self.reactor, host, uri.port, TUNNEL_DEADLINE)
        if uri.scheme == b"https":
            endpoint = Secured(endpoint, host, self.security)
        return Sieved(endpoint, self.live)

    def to_proxy(self, proxy: Proxy) -> IStreamClientEndpoint:
        """A connection to the proxy itself, which may stand anywhere: the configuration named it."""
        return GuardedEndpoint(self.reactor, proxy.host, proxy.port, frozenset([proxy.host]), self.timeout)


class _Direct(Agent):
    """
    Twisted's agent, which takes the usual kind of URL apart in one step: by its own way that is done twice, and costs more than all else of a request.

    `ways` says how such a URL's origin is reached.
    """

    def origin(self, uri: bytes) -> tuple[URI, bytes] | None:
        """That URL, and what of it is sent; None where it is not of the usual kind."""
        match = _USUAL.fullmatch(uri)
        if match is None:
            return None
        scheme, netloc, host, port, path = match.groups()
        number = int(port) if port else _PORTS[scheme]
        return URI(scheme, netloc, host, number, path, b"", b"", b""), path

    def ask(self, method: bytes, uri: URI, path: bytes, headers: Headers | None, endpoint: IStreamClientEndpoint) -> Deferred[IResponse]:
        """A request without a body for that path, by a connection that is kept or by that endpoint."""
        key = (uri.scheme, uri.host, uri.port)
        if not isinstance(headers, Fields) or method != b"GET":
            asking: Deferred[IResponse] = self._requestWithEndpoint(key, endpoint, method, uri, headers, None, path)
            return asking
        connecting: Deferred[Any] = self._pool.getConnection(key, endpoint)
        question = Question(method, path, headers, uri)
        return connecting.addCallback(lambda connection: connection.request(question))


@implementer(IAgent)
@attrs.define(eq=False)
class Outbound:
    """
    An agent with all checks, connections kept for the next request, and a way to close them.

    A request to a host that must not be asked fails with `AddressRefused`.
    """

    _reactor: Any
    _trusted: Trusted
    _routes: Routes
    _security: Security
    _timeout: float
    _pool: Pool
    _live: dict[Sieve, int] = attrs.field(factory=dict, init=False)
    _direct: _Direct = attrs.field(init=False)
    _straight: dict[tuple[bytes, bytes, int], IStreamClientEndpoint] = attrs.field(factory=dict, init=False)
    """How origins are reached that may be asked, and by no proxy."""
    _endpoints_of: _Endpoints = attrs.field(init=False)
    _proxied: dict[tuple[str, Proxy], IAgent] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._endpoints_of = self._endpoints(None)
        direct: _Direct = _Direct.usingEndpointFactory(self._reactor, self._endpoints_of, self._pool)  # type: ignore[no-untyped-call]  # Twisted's
        self._direct = direct

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """As `IAgent`."""
        usual = self._direct.origin(uri) if bodyProducer is None else None
        parsed = usual[0] if usual is not None else URI.fromBytes(uri)
        key = (parsed.scheme, parsed.host, parsed.port)
        if usual is not None and key in self._straight:
            return self._direct.ask(method, *usual, headers, self._straight[key])
        scheme, host = parsed.scheme.decode("ascii", "replace"), parsed.host.decode("ascii", "replace").lower()
        try:
            check_host(host, self._trusted.at(parsed.port))
        except AddressRefused as error:
            return fail(error)
        proxy = self._routes.proxy_for(scheme, host, parsed.port)
        if proxy is None:
            if usual is not None:
                while len(self._straight) >= _CREATORS:
                    del self._straight[next(iter(self._straight))]
                self._straight[key] = self._endpoints_of.endpointForURI(parsed)
            return self._direct.request(method, uri, headers, bodyProducer)
        if scheme == "http" and proxy.authorization is not None:
            headers = headers.copy() if headers is not None else Headers()
            headers.setRawHeaders(b"Proxy-Authorization", [proxy.authorization])
        return self._by(scheme, proxy).request(method, uri, headers, bodyProducer)

    def small(self, url: str, headers: Fields, size: int, watch: Watch) -> Small | None:
        """
        A file of that many bytes, asked for in few steps; None where it has to be asked for by `request`.

        Who may be asked without a proxy, and where there is a connection, is known from a request before.
        """
        usual = self._direct.origin(url.encode("ascii")) if size <= LARGEST else None
        if usual is None:
            return None
        uri, path = usual
        key = (uri.scheme, uri.host, uri.port)
        endpoint, pool = self._straight.get(key), self._pool
        client = pool.idle(key) if endpoint is not None else None
        if endpoint is None or client is None:
            return None
        usual_client = partial(_RetryingHTTP11ClientProtocol, client, partial(pool._newConnection, key, endpoint))
        small = Small(client, usual_client, (path, headers, uri), size, watch, client._quiescentCallback)
        small.ask()
        return small

    def forget(self, there: Target) -> None:
        """Use no connection any more that is kept to who answers there, who has fallen silent."""
        # The pool knows connections by what Twisted calls the host.
        self._pool.forget(URI.fromBytes(there.url.encode("ascii")).host, there.port)

    def moved(self) -> None:
        """Use no connection any more that is kept: this machine may stand in another network."""
        self._pool.forget_all()

    def close(self) -> Deferred[None]:
        """Close all connections, whoever may still be reading from one; fires when they are closed."""
        for sieve in list(self._live):
            sieve.abortConnection()
        closing = self._pool.closeCachedConnections()
        # An aborted connection is gone in the next turn of the reactor.
        return closing.addCallback(lambda _: deferLater(self._reactor, 0))

    def _endpoints(self, proxy: Proxy | None) -> _Endpoints:
        return _Endpoints(self._reactor, self._trusted, self._security, self._timeout, self._live, proxy)

    def _by(self, scheme: str, proxy: Proxy) -> IAgent:
        agent = self._proxied.get((scheme, proxy))
        if agent is None:
            endpoints = self._endpoints(proxy)
            if scheme == "http":
                agent = ProxyAgent(Sieved(endpoints.to_proxy(proxy), self._live), self._reactor, self._pool)
            else:
                agent = Agent.usingEndpointFactory(self._reactor, endpoints, self._pool)
            self._proxied[scheme, proxy] = agent
        return agent


def outbound(
    reactor: Any,
    *,
    trusted_hosts: frozenset[str],
    own_port: int | None = None,
    ca_file: Path | None = None,
    proxy: str | Secret = "env",
    connect_timeout: float = 3.0,
    pool_size: int = 10,
    environ: Mapping[str, str] | None = None,
) -> Outbound:
    """
    The way out for one upstream.

    :param reactor: provides `IReactorTCP`, `IReactorTime` and `IReactorPluggableNameResolver`.
    :param trusted_hosts: lower-case hosts that may have addresses which are not public.
    :param own_port: a port below 1024 on which they are trusted besides those of http and https.
    :param ca_file: PEM certificates of authorities to be trusted besides the machine's.
    :param proxy: as `pypidaemon.upstreams.routes.proxy_choice` gives it.
    :param connect_timeout: seconds for one address.
    :param pool_size: idle connections kept for each host.
    :param environ: where `env` looks, `os.environ` by default; read once, here.
    :raises ValueError: `ca_file` or the proxy's URL cannot be used.
    """
    security = Security(reactor, ca_file)
    security.check()
    pool = Pool(reactor)
    pool.maxPersistentPerHost = pool_size
    pool.cachedConnectionTimeout = 60
    ways = routes(proxy, os.environ if environ is None else environ)
    return Outbound(reactor, Trusted(trusted_hosts, own_port), ways, security, connect_timeout, pool)
