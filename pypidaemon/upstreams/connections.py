"""
The connections of Twisted's HTTP client. What is done is what Twisted does, and what is usual is done in fewer steps: a mirror makes a request for every file.

A response head that came in one piece, and has nothing in it but plain lines, is taken apart in one go; the lines of a request that are known to be clean are
written as they are; and one timer serves all connections that are kept. Whatever is not usual is left to Twisted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web._newclient import BODY, HEADER, HTTP11ClientProtocol, Request
from twisted.web.client import URI, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers

from pypidaemon.upstreams.sieve import USUAL_HEAD

LINE = 16_000
"""Bytes of a head at most that is taken apart in one go: so no line of it is longer than Twisted accepts."""


class Client(HTTP11ClientProtocol):
    """One connection."""

    def dataReceived(self, data: bytes) -> None:
        """As Twisted's."""
        parser = self._parser
        if parser is not None and parser.state == BODY and not parser._busyReceiving:
            self._deliver(parser, data)
            return
        head = USUAL_HEAD.match(data) if parser is not None and not parser._everReceivedData else None
        if head is None or head.end() > LINE:
            HTTP11ClientProtocol.dataReceived(self, data)
            return
        try:
            _read(parser, head, data[head.end() :])
        except BaseException:  # noqa: BLE001  # as Twisted's: whatever it is, whoever waits for the response hears of it
            self._giveUp(Failure())  # type: ignore[no-untyped-call]  # Twisted's

    def _deliver(self, parser: Any, data: bytes) -> None:
        """A piece of a body, which has no lines in it."""
        try:
            parser.rawDataReceived(data)
        except BaseException:  # noqa: BLE001  # as Twisted's: whatever it is, whoever reads the body hears of it
            self._giveUp(Failure())  # type: ignore[no-untyped-call]  # Twisted's


def _read(parser: Any, head: re.Match[bytes], rest: bytes) -> None:
    """What the parser would come to line by line."""
    parser._everReceivedData = True
    status, fields = head.groups()
    parser.statusReceived(status)
    parser.state = HEADER
    for line in fields.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        parser.headerReceived(name, value.strip())
    parser.allHeadersReceived()
    if rest and parser.state == BODY:
        parser.rawDataReceived(rest)


class Fields(Headers):
    """The header fields of a request, which are not changed any more once it is sent."""

    @cached_property
    def lines(self) -> bytes:
        """As they are sent."""
        return b"".join(name + b": " + value + b"\r\n" for name, values in self.getAllRawHeaders() for value in values)


class Question(Request):
    """A request without a body, whose method and path are known to be clean and which has one field `Host`."""

    def __init__(self, method: bytes, path: bytes, headers: Fields, uri: URI) -> None:
        self.method = method
        self.uri = path
        self.headers = headers
        self.bodyProducer = None
        self.persistent = True
        self._parsedURI = uri

    def writeTo(self, transport: Any) -> Deferred[None]:
        """As Twisted's."""
        transport.write(b"%b %b HTTP/1.1\r\n%b\r\n" % (self.method, self.uri, self.headers.lines))
        return succeed(None)


class _Factory(_HTTP11ClientFactory):
    def buildProtocol(self, addr: object) -> Client:
        return Client(self._quiescentCallback)  # type: ignore[no-untyped-call]  # Twisted's


class _Kept:
    """Stands where Twisted has a timer for each connection that is kept; `until` is when it is dropped."""

    def __init__(self, until: float) -> None:
        self.until = until

    def cancel(self) -> None:
        """It is kept no longer."""


class Pool(HTTPConnectionPool):
    """Twisted's pool, with one timer for all; once closed it does not take back what was lent out before."""

    _factory = _Factory

    def __init__(self, reactor: Any) -> None:
        HTTPConnectionPool.__init__(self, reactor, persistent=True)
        self._closed = False
        self._sweep: IDelayedCall | None = None

    def idle(self, key: Any) -> Client | None:
        """A connection that is kept, and from now on lent out; None where there is none."""
        kept = self._connections.get(key)
        while kept:
            connection: Client = kept.pop(0)
            del self._timeouts[connection]
            if connection.state == "QUIESCENT":
                return connection
        return None

    def forget(self, host: bytes, port: int) -> None:
        """
        Drop those to that host and port, and those to proxies, by which anybody may have been reached.

        Who has fallen silent may be well, and only what was connected before he or we changed place be dead (F40): each would take its time-out to find out.
        """
        self._forget(lambda key: key[1:] == (host, port) or key[0] == "http-proxy")

    def forget_all(self) -> None:
        """Drop all that are kept; those that are lent out go on."""
        self._forget(lambda _: True)

    def _forget(self, which: Callable[[Any], bool]) -> None:
        for key, kept in self._connections.items():
            if which(key):
                for connection in kept[:]:
                    self._removeConnection(key, connection)  # type: ignore[no-untyped-call]  # Twisted's

    def closeCachedConnections(self) -> Deferred[None]:
        """Close them; fires when they are closed."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        closing: Deferred[None] = HTTPConnectionPool.closeCachedConnections(self)
        return closing

    def _putConnection(self, key: Any, connection: Any) -> None:
        if self._closed:
            connection.transport.loseConnection()
            return
        kept = self._connections.setdefault(key, [])
        if len(kept) >= self.maxPersistentPerHost:
            self._removeConnection(key, kept[0])  # type: ignore[no-untyped-call]  # Twisted's
        kept.append(connection)
        self._timeouts[connection] = _Kept(self._reactor.seconds() + self.cachedConnectionTimeout)
        if self._sweep is None:
            self._sweep = self._reactor.callLater(self.cachedConnectionTimeout, self._drop)

    def _drop(self) -> None:
        """Drop those whose time is over."""
        self._sweep = None
        now = self._reactor.seconds()
        for key, kept in self._connections.items():
            for connection in [one for one in kept if self._timeouts[one].until <= now]:
                self._removeConnection(key, connection)  # type: ignore[no-untyped-call]  # Twisted's
        if self._timeouts:
            first = min(one.until for one in self._timeouts.values())
            self._sweep = self._reactor.callLater(first - now, self._drop)
