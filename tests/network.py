"""A network in memory with one index at its end, which a test breaks and mends: what an upstream is asked through instead of sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from tests.fakes import file

JSON = "application/vnd.pypi.simple.v1+json"
HOST = "http://index.example"


@implementer(IResponse)
@attrs.define(eq=False)
class Response:
    """An answer of which all that is to come comes at once, or none of it, or byte by byte."""

    code: int
    body: bytes = b""
    headers: Headers = attrs.field(factory=Headers)
    broken: bool = False
    """Whether the connection is lost before the end."""
    drip: Clock | None = None
    """One byte a second, by this clock."""
    length: int = attrs.field(init=False)
    version: Any = (b"HTTP", 1, 1)
    phrase: bytes = b"Whatever"
    request: Any = None
    previousResponse: Any = None

    def __attrs_post_init__(self) -> None:
        self.length = len(self.body)

    def deliverBody(self, protocol: Protocol) -> None:
        transport = StringTransport()
        protocol.makeConnection(transport)
        if self.drip is not None:
            self._drop(protocol, transport, 0, self.drip)
            return
        if self.body:
            protocol.dataReceived(self.body)
        lost = ResponseFailed([Failure(error.ConnectionDone())]) if self.broken else ResponseDone()
        protocol.connectionLost(Failure(lost))

    def setPreviousResponse(self, response: Any) -> None:
        self.previousResponse = response

    def _drop(self, protocol: Protocol, transport: StringTransport, at: int, clock: Clock) -> None:
        if transport.disconnecting:
            protocol.connectionLost(Failure(ResponseFailed([Failure(error.ConnectionDone())])))
            return
        protocol.dataReceived(self.body[at : at + 1])
        clock.callLater(1.0, self._drop, protocol, transport, at + 1, clock)


Answering = Callable[[str, "Network"], Deferred[Any]]


def _page(code: int, body: bytes, *pairs: tuple[str, str], broken: bool = False, drip: Clock | None = None) -> Deferred[Any]:
    headers = Headers()
    for name, value in (("Content-Type", JSON), ("Content-Length", str(len(body))), *pairs):
        headers.setRawHeaders(name, [value])
    return succeed(Response(code, body, headers, broken, drip))


@implementer(IAgent)
@attrs.define(eq=False)
class Network:
    """
    The agent: answers from what was added, unless something is `wrong`. `asked` is everything that was asked, in order.

    Pages have entity tags, and a life of ten minutes.
    """

    clock: Clock
    wrong: Answering | None = None
    asked: list[str] = attrs.field(factory=list)
    pages: dict[str, bytes] = attrs.field(factory=dict)
    bodies: dict[str, bytes] = attrs.field(factory=dict)

    def add(self, name: str, *files: tuple[str, bytes]) -> None:
        """Have a project with files of these bytes."""
        entries = []
        for filename, data in files:
            path = f"/packages/{file(filename, data).path}"
            self.bodies[path] = data
            entries.append({"filename": filename, "url": path, "hashes": {"sha256": file(filename, data).digest}, "size": len(data)})
        said = {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": entries}
        self.pages[f"/simple/{name}/"] = json.dumps(said).encode()

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[Any]:
        path = urlsplit(uri.decode()).path
        self.asked.append(path)
        if self.wrong is not None:
            return self.wrong(path, self)
        body = self.pages.get(path)
        if body is not None:
            tag = f'"{len(body)}"'
            if headers is not None and headers.getRawHeaders("If-None-Match") == [tag]:
                return _page(304, b"", ("ETag", tag))
            return _page(200, body, ("ETag", tag), ("Cache-Control", "max-age=600"))
        found = self.bodies.get(path)
        return _page(404, b"") if found is None else _page(200, found, ("Content-Type", "application/octet-stream"))


def refused(path: str, network: Network) -> Deferred[Any]:
    """Nobody listens."""
    return fail(error.ConnectionRefusedError())


def nameless(path: str, network: Network) -> Deferred[Any]:
    """The name has no address, as with no network at all."""
    return fail(error.DNSLookupError())


def untrusted(path: str, network: Network) -> Deferred[Any]:
    """TLS fails."""
    from OpenSSL.SSL import Error

    return fail(ResponseFailed([Failure(Error([("SSL routines", "", "certificate verify failed")]))]))


def silent(path: str, network: Network) -> Deferred[Any]:
    """Packets are dropped, or the connection is accepted and nothing is said."""
    return Deferred(lambda cancelled: cancelled.errback(error.ConnectionDone()))


def dripping(path: str, network: Network) -> Deferred[Any]:
    """A byte a second."""
    return _page(200, network.pages.get(path, b"x" * 1000), drip=network.clock)


def status(code: int, *pairs: tuple[str, str]) -> Answering:
    """That status for everything."""

    def answering(path: str, network: Network) -> Deferred[Any]:
        return _page(code, b"trouble", *pairs)

    return answering


def portal(path: str, network: Network) -> Deferred[Any]:
    """The login page of a train, for everything."""
    return _page(200, b"<!DOCTYPE html><html><head><title>Welcome aboard</title></head></html>", ("Content-Type", "text/html"))


def truncated(path: str, network: Network) -> Deferred[Any]:
    """The connection is lost within the page."""
    return _page(200, network.pages.get(path, b"{")[:50], broken=True)


def cut(path: str, network: Network) -> Deferred[Any]:
    """A cache holds the beginning of the page and takes it for the whole."""
    return _page(200, network.pages.get(path, b"{")[:50])


def mistaken(path: str, network: Network) -> Deferred[Any]:
    """The page of another project, whatever is asked."""
    return _page(200, b'{"meta": {"api-version": "1.1"}, "name": "mistaken", "versions": [], "files": []}')


def circling(path: str, network: Network) -> Deferred[Any]:
    """A redirect to itself."""
    return _page(302, b"", ("Location", HOST + path))


def elsewhere(path: str, network: Network) -> Deferred[Any]:
    """A redirect to where one logs in."""
    return _page(302, b"", ("Location", "http://portal.example/login"))
