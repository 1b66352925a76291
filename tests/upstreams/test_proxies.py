"""By way of an HTTP proxy: absolute form for http, CONNECT for https (F42)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.settings import Secret
from pypidaemon.testing import TestIndex
from pypidaemon.upstreams import agent
from tests.upstreams.parts import QUICK, page, serve, started, whole
from tests.upstreams.test_tls import context

NAME = NormalizedName("thing")


class _Far(Protocol):
    """The far end of what the proxy passes on."""

    def __init__(self, near: Any) -> None:
        self.near = near

    def dataReceived(self, data: bytes) -> None:
        self.near.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.near.transport.loseConnection()


def rewritten(head: bytes) -> bytes:
    """A request in absolute form as the server wants it."""
    method, wanted, rest = head.split(b" ", 2)
    return b"%b /%b %b\r\n\r\n" % (method, wanted.split(b"/", 3)[3], rest)


class _Near(Protocol):
    """A proxy of very few words: everything goes to one port, whatever host is asked for."""

    def __init__(self, proxy: Middle) -> None:
        self.proxy, self.buffer, self.tunnel = proxy, b"", False
        self.far: Any = None

    def dataReceived(self, data: bytes) -> None:
        if self.tunnel:
            self.far.transport.write(data)
            return
        self.buffer += data
        head, end, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if not end:
            self.buffer = head
            return
        self.proxy.heads.append(head)
        if self.proxy.says is not None:
            self.transport.write(self.proxy.says)  # type: ignore[union-attr]
        elif self.far is not None:
            self.far.transport.write(rewritten(head))
        else:
            connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.proxy.to), _Far(self)).addCallback(self.joined, head)

    def joined(self, far: Any, head: bytes) -> None:
        self.far, self.tunnel = far, head.startswith(b"CONNECT ")
        if self.tunnel:
            self.transport.write(b"HTTP/1.1 200 Connection established\r\nVia: middle\r\n\r\n")  # type: ignore[union-attr]
        else:
            far.transport.write(rewritten(head))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.far is not None:
            self.far.transport.loseConnection()


class Middle:
    """A proxy on a port; `says` is all that it answers, where given."""

    def __init__(self, case: TestCase, to: int, says: bytes | None = None) -> None:
        self.to, self.says, self.heads = to, says, []
        nears: list[Any] = []

        def build() -> _Near:
            nears.append(_Near(self))
            return nears[-1]

        factory = Factory.forProtocol(build)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.where = f"127.0.0.1:{port.getHost().port}"

        async def stop() -> None:
            await port.stopListening()
            for near in nears:
                near.transport.abortConnection()
                if near.far is not None:
                    near.far.transport.abortConnection()

        case.addCleanup(stop)

    heads: list[bytes]


class Proxies(TestCase):
    """An index whose names only the proxy knows."""

    def setUp(self) -> None:
        self.index = TestIndex()
        self.wheel = self.index.add("thing", "1.0", size=300_000)

    def secure(self) -> tuple[Any, Path]:
        authority = trustme.CA()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        authority.cert_pem.write_to_path(Path(folder.name) / "ca.pem")
        return serve(self, self.index, context(authority.issue_cert("index.example"))), Path(folder.name) / "ca.pem"

    async def test_http_is_asked_for_in_absolute_form(self) -> None:
        middle = Middle(self, serve(self, self.index).port)
        upstream = started(self, "http://index.example/simple/", proxy=f"http://{middle.where}")
        [file] = page(await upstream.fetch_page(NAME, Validators())).files
        assert await whole(await upstream.fetch_body(file.url, 0)) == self.index.data("thing", self.wheel)
        assert middle.heads[0].startswith(b"GET http://index.example/simple/thing/ HTTP/1.1\r\n")
        assert self.index.requests[0].headers["host"] == "index.example"

    async def test_https_goes_through_a_tunnel_and_is_verified_at_its_end(self) -> None:
        served, ca_file = self.secure()
        middle = Middle(self, served.port)
        upstream = started(self, "https://index.example/simple/", proxy=Secret(f"http://me:s3cret@{middle.where}"), ca_file=ca_file)
        [file] = page(await upstream.fetch_page(NAME, Validators())).files
        assert await whole(await upstream.fetch_body(file.url, 0)) == self.index.data("thing", self.wheel)
        assert middle.heads[0].split(b"\r\n") == [
            b"CONNECT index.example:443 HTTP/1.1",
            b"Host: index.example:443",
            b"Proxy-Authorization: Basic bWU6czNjcmV0",
        ]
        assert all("proxy-authorization" not in seen.headers for seen in self.index.requests)
        assert "s3cret" not in repr(upstream)

    async def test_S52_a_proxy_cannot_stand_in_for_the_index(self) -> None:
        served, _ = self.secure()
        upstream = started(self, "https://index.example/simple/", proxy=f"http://{Middle(self, served.port).where}")
        with pytest.raises(UpstreamUnavailable, match="certificate verify failed"):
            await upstream.fetch_page(NAME, Validators())

    async def test_the_environment_chooses(self) -> None:
        served = serve(self, self.index)
        middle = Middle(self, served.port)
        environ = {"http_proxy": f"http://me:pw@{middle.where}", "NO_PROXY": "127.0.0.1"}
        through = started(self, "http://index.example/simple/", proxy="env", environ=environ)
        page(await through.fetch_page(NAME, Validators()))
        assert b"Proxy-Authorization: Basic bWU6cHc=" in middle.heads[0]
        straight = started(self, served.simple, proxy="env", environ=environ)
        page(await straight.fetch_page(NAME, Validators()))
        assert len(middle.heads) == 1

    async def test_F42_a_proxy_that_does_not_help_is_named(self) -> None:
        self.patch(agent, "TUNNEL_DEADLINE", 0.1)
        for says, why in (
            (b"HTTP/1.1 407 Who are you\r\n\r\n", "refuses the connection (407)"),
            (b"hello\r\n\r\n", "speaks no HTTP"),
            (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000, "answers with too much"),
            (b"HTTP/1.1 200 OK\r\n", "does not answer"),
        ):
            middle = Middle(self, 0, says)
            upstream = started(self, "https://index.example/simple/", proxy=Secret(f"http://me:s3cret@{middle.where}"))
            with pytest.raises(UpstreamUnavailable) as caught:
                await upstream.fetch_page(NAME, Validators())
            assert caught.value.cause == f"the proxy {middle.where} {why}"
        upstream = started(self, "https://index.example/simple/", proxy="http://127.0.0.1:9")
        with pytest.raises(UpstreamUnavailable, match=r"the proxy 127\.0\.0\.1:9 cannot be reached"):
            await upstream.fetch_page(NAME, Validators())

    async def test_F32_a_request_that_is_given_up_leaves_no_connection_behind(self) -> None:
        middle = Middle(self, 0, b"HTTP/1.1 200 OK\r\n")
        upstream = started(self, "https://index.example/simple/", proxy=f"http://{middle.where}", limits=attrs.evolve(QUICK, head=0.1))
        with pytest.raises(UpstreamUnavailable, match="does not answer"):
            await upstream.fetch_page(NAME, Validators())

    async def test_S48_a_proxy_does_not_open_our_network(self) -> None:
        middle = Middle(self, serve(self, self.index).port)
        upstream = started(self, "http://index.example/simple/", proxy=f"http://{middle.where}")
        with pytest.raises(UpstreamUnavailable, match="not a public address"):
            await upstream.fetch_body("http://10.0.0.1/x.whl", 0)
        assert middle.heads == []
