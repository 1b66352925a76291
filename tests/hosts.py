"""Several hosts in memory, each a `Network` of its own: indexes that stand in for each other, and hosts of files."""

from __future__ import annotations

import zlib
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from tests.network import Network, Response


@implementer(IAgent)
@attrs.define(eq=False)
class Hosts:
    """
    The agent. `asked` is everything that was asked, as host and path, in order; `headers` are those of each.

    Files have strong entity tags, other ones on each host, and can be asked for from any offset.
    """

    clock: Clock
    networks: dict[str, Network] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list)
    headers: list[Headers] = attrs.field(factory=list)
    cut: dict[str, int] = attrs.field(factory=dict)
    """By host, after how many bytes each of its answers with a file breaks off."""
    stalled: dict[str, int] = attrs.field(factory=dict)
    """By host, after how many bytes nothing more comes."""
    slow: dict[str, int] = attrs.field(factory=dict)
    """By host, after how many bytes the rest takes a second."""

    def host(self, name: str) -> Network:
        """That host, which has nothing at first."""
        return self.networks.setdefault(name, Network(self.clock))

    def count(self, beginning: str = "") -> int:
        """How many requests there were for what begins so."""
        return sum(one.startswith(beginning) for one in self.asked)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[Any]:
        """As `IAgent`."""
        parts = urlsplit(uri.decode())
        host = parts.hostname or ""
        network = self.host(host)
        self.asked.append(f"{host}{parts.path}")
        self.headers.append(headers or Headers())
        data = network.bodies.get(parts.path)
        if network.wrong is not None or data is None:
            return network.request(method, uri, headers, bodyProducer)
        return succeed(self._file(host, data, headers or Headers()))

    def _file(self, host: str, data: bytes, asked: Headers) -> Response:
        tag = entity_tag(host, data)
        wanted = (asked.getRawHeaders("Range") or [""])[0]
        condition = (asked.getRawHeaders("If-Range") or [tag])[0]
        offset = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and condition == tag else 0
        said = Headers({"ETag": [tag], "Content-Type": ["application/octet-stream"]})
        if offset:
            said.setRawHeaders("Content-Range", [f"bytes {offset}-{len(data) - 1}/{len(data)}"])
        rest = data[offset:]
        if host in self.stalled:
            return Halting(206 if offset else 200, rest, said, first=self.stalled[host])
        if host in self.slow:
            return Halting(206 if offset else 200, rest, said, first=self.slow[host], clock=self.clock)
        short = self.cut.get(host)
        response = Response(206 if offset else 200, rest if short is None else rest[:short], said, broken=short is not None)
        response.length = len(rest)
        return response


def entity_tag(host: str, data: bytes) -> str:
    """The strong entity tag that this host has for these bytes."""
    return f'"{host} {zlib.crc32(data)}"'


@attrs.define(eq=False)
class Halting(Response):
    """An answer of which the beginning comes at once, and the rest a second later, or never where there is no clock."""

    first: int = 0
    clock: Clock | None = None

    def deliverBody(self, protocol: Any) -> None:
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(self.body[: self.first])
        if self.clock is not None:
            self.clock.callLater(1.0, self._end, protocol)

    def _end(self, protocol: Any) -> None:
        protocol.dataReceived(self.body[self.first :])
        protocol.connectionLost(Failure(ResponseDone()))
