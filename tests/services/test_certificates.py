"""A certificate that was renewed, on a port that goes on listening."""

from __future__ import annotations

import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pypidaemon.services.sockets import PublicSocket


class Echo(Protocol):
    """Says what it hears."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Certificates(TestCase):
    """What `PublicSocket.renew` does, which is Twisted's private business and might change."""

    async def test_new_connections_get_the_new_certificate_and_old_ones_go_on(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = Path(folder.name) / "both.pem"
        authority = trustme.CA()
        text = f"ssl:0:interface=127.0.0.1:privateKey={file}"

        def issue() -> bytes:
            issued = authority.issue_cert("127.0.0.1")
            issued.private_key_and_cert_chain_pem.write_to_path(file)
            return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)

        def connect(port: int) -> Any:
            return trusting.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="127.0.0.1")

        def echoed(connection: Any) -> bytes:
            connection.sendall(b"here")
            return bytes(connection.recv(4))

        first = issue()
        service = PublicSocket(text, serverFromString(reactor, text), Factory.forProtocol(Echo))
        service.startService()
        self.addCleanup(service.stopService)
        assert service._port is not None
        port = service._port.getHost().port  # type: ignore[attr-defined]  # an address with a port
        old = await deferToThread(connect, port)
        assert old.getpeercert(binary_form=True) == first
        second = issue()
        service.renew(serverFromString(reactor, text))
        new = await deferToThread(connect, port)
        assert new.getpeercert(binary_form=True) == second != first
        assert await deferToThread(echoed, old) == await deferToThread(echoed, new) == b"here"
        for connection in (old, new):
            connection.close()
        # Twisted hands its own kinds of certificates to a library that would rather have others.
        assert {warning["category"] for warning in self.flushWarnings()} <= {DeprecationWarning}
