"""Certificates are verified, always; `ca-file` adds an authority and takes none away (S52, F38)."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.testing import TestIndex
from pypidaemon.upstreams.authorities import Authorities
from pypidaemon.upstreams.sieve import GATHERS
from tests.upstreams.parts import QUICK, gatherings, page, serve, started, whole

NAME = NormalizedName("thing")


@implementer(IOpenSSLContextFactory)
class context:  # noqa: N801  # made like the function that it is to its callers
    """What a server with that certificate listens with."""

    def __init__(self, issued: trustme.LeafCert) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        issued.configure_cert(self._context)

    def getContext(self) -> SSL.Context:
        return self._context


class Tls(TestCase):
    """An index behind TLS on loopback."""

    def setUp(self) -> None:
        self.authority = trustme.CA()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.ca_file = Path(folder.name) / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.index = TestIndex()
        self.wheel = self.index.add("thing", "1.0", size=300_000)

    async def cause(self, tls: Any, **settings: Any) -> str:
        served = serve(self, self.index, tls)
        with pytest.raises(UpstreamUnavailable) as caught:
            await started(self, served.simple, **settings).fetch_page(NAME, Validators())
        assert self.index.requests == []
        return caught.value.cause

    async def test_S52_an_own_authority_is_trusted_where_it_is_named(self) -> None:
        served = serve(self, self.index, context(self.authority.issue_cert("127.0.0.1")))
        upstream = started(self, served.simple, ca_file=self.ca_file)
        [file] = page(await upstream.fetch_page(NAME, Validators())).files
        assert await whole(await upstream.fetch_body(file.url, 0)) == self.index.data("thing", self.wheel)

    async def test_of_a_long_body_the_system_gathers_what_is_encrypted(self) -> None:
        told = gatherings(self)
        served = serve(self, self.index, context(self.authority.issue_cert("127.0.0.1")))
        long = self.index.add("thing", "2.0", size=4_000_000)
        upstream = started(self, served.simple, ca_file=self.ca_file)
        for filename in (long, self.wheel):
            body = await upstream.fetch_body(served.url + self.index.path("thing", filename), 0)
            assert await whole(body) == self.index.data("thing", filename)
            assert bool(told) is GATHERS

    async def test_a_file_comes_all_at_once_over_a_connection_that_is_kept(self) -> None:
        """Though it comes in many records of TLS."""
        served = serve(self, self.index, context(self.authority.issue_cert("127.0.0.1")))
        upstream = started(self, served.simple, ca_file=self.ca_file)
        url, data = served.url + self.index.path("thing", self.wheel), self.index.data("thing", self.wheel)
        assert await whole(await upstream.fetch_body(url, 0)) == data
        for _ in range(2):
            assert await upstream.fetch_whole(url, len(data)) == data

    async def test_S52_an_unknown_authority_is_not_trusted(self) -> None:
        assert "certificate verify failed" in await self.cause(context(self.authority.issue_cert("127.0.0.1")))

    async def test_S52_another_hosts_certificate_is_refused(self) -> None:
        assert "for another host" in await self.cause(context(self.authority.issue_cert("index.example")), ca_file=self.ca_file)

    async def test_S52_F44_an_expired_certificate_is_refused_and_the_clock_suspected(self) -> None:
        issued = self.authority.issue_cert(
            "127.0.0.1", not_before=datetime(2000, 1, 1, tzinfo=UTC), not_after=datetime(2001, 1, 1, tzinfo=UTC)
        )
        assert "is the clock right" in await self.cause(context(issued), ca_file=self.ca_file)

    async def test_F38_a_server_without_tls(self) -> None:
        class Plain(Protocol):
            def dataReceived(self, data: bytes) -> None:
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # type: ignore[union-attr]

        factory = Factory.forProtocol(Plain)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        upstream = started(self, f"https://127.0.0.1:{port.getHost().port}/simple/")
        with pytest.raises(UpstreamUnavailable, match="TLS: "):
            await upstream.fetch_page(NAME, Validators())

    async def test_F39_a_handshake_that_stalls_has_an_end(self) -> None:
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        upstream = started(self, f"https://127.0.0.1:{port.getHost().port}/simple/", limits=QUICK)
        with pytest.raises(UpstreamUnavailable, match="does not answer"):
            await upstream.fetch_page(NAME, Validators())

    async def test_a_body_left_half_read_drops_its_connection(self) -> None:
        """A polite end of TLS waits for the other side; ours must not."""
        served = serve(self, self.index, context(self.authority.issue_cert("127.0.0.1")))
        upstream = started(self, served.simple, ca_file=self.ca_file)
        body = await upstream.fetch_body(served.url + self.index.path("thing", self.wheel), 0)
        await body.read()
        body.close()

    def test_S52_the_machines_own_authorities_stay(self) -> None:
        seen = []

        class Context:
            def set_default_verify_paths(self) -> None:
                seen.append("machine")

            def load_verify_locations(self, name: str) -> None:
                seen.append(name)

        Authorities(self.ca_file)._addCACertsToContext(Context())
        assert seen == ["machine", str(self.ca_file)]
        Authorities(self.ca_file).check()
