"""
Whose certificates are believed: always verified, against the machine's authorities and those of `ca-file` besides (S52).

Nothing may import this module when it is itself imported, but `pypidaemon.upstreams.secured` when it is needed: it loads OpenSSL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer


@attrs.frozen
class Context:
    """What connections to one host are made with."""

    _creator: IOpenSSLClientConnectionCreator

    async def connect(self, endpoint: IStreamClientEndpoint, factory: IProtocolFactory) -> IProtocol:
        """
        Connect by that endpoint, and speak TLS before anything else.

        Twisted's own `wrapClientTLS` would do, but not in a process that loaded Twisted without TLS.
        """
        wrapped: Any = await endpoint.connect(TLSMemoryBIOFactory(self._creator, True, factory))
        inner: IProtocol = wrapped.wrappedProtocol
        return inner


@implementer(IOpenSSLTrustRoot)
@attrs.frozen
class Authorities:
    """The authorities that the machine trusts, and those of one file as well."""

    ca_file: Path | None = None

    def check(self) -> None:
        """:raises ValueError: the file cannot be read or holds no certificate."""
        if self.ca_file is None:
            return
        try:
            self._addCACertsToContext(SSL.Context(SSL.TLS_CLIENT_METHOD))
        except (SSL.Error, OSError) as error:
            raise ValueError(f"ca-file: {self.ca_file} cannot be read as certificates") from error

    def context(self, host: str) -> Context:
        """What a connection to that host is made with, by HTTP/1.1 alone."""
        return Context(optionsForClientTLS(host, trustRoot=self, acceptableProtocols=[b"http/1.1"]))

    def _addCACertsToContext(self, context: Any) -> None:
        context.set_default_verify_paths()
        if self.ca_file is not None:
            context.load_verify_locations(str(self.ca_file))
