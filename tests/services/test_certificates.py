"""A certificate that was renewed, on a port that goes on listening."""

from __future__ import annotations

import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import OpenSSL.crypto
import pytest
import trustme
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pypidaemon.services.activation import endpoint
from pypidaemon.services.sockets import PublicSocket


class Echo(Protocol):
    """Says what it hears."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


def issue(file: Path, authority: trustme.CA) -> bytes:
    """Have that authority make one, and put it there with its key and all between them; the certificate."""
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(file)
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def listening(test: TestCase, text: str) -> tuple[PublicSocket, int]:
    """What listens there until the test ends, and at which port."""
    service = PublicSocket(text, endpoint(reactor, text, ()), Factory.forProtocol(Echo))
    service.startService()
    test.addCleanup(service.stopService)
    assert service.port is not None
    return service, service.port.getHost().port  # type: ignore[attr-defined]  # an address with a port


def connect(port: int, authority: trustme.CA) -> Any:
    """A connection of somebody who knows that authority alone."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return trusting.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="127.0.0.1")


class Certificates(TestCase):
    """What `PublicSocket.renew` and `endpoint` do, which is Twisted's private business and might change."""

    def tearDown(self) -> None:
        # Twisted hands its own kinds of certificates to a library that would rather have others.
        assert {warning["category"] for warning in self.flushWarnings()} <= {DeprecationWarning}

    async def test_new_connections_get_the_new_certificate_and_old_ones_go_on(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = Path(folder.name) / "both.pem"
        authority = trustme.CA()
        text = f"ssl:0:interface=127.0.0.1:privateKey={file}"

        def echoed(connection: Any) -> bytes:
            connection.sendall(b"here")
            return bytes(connection.recv(4))

        first = issue(file, authority)
        service, port = listening(self, text)
        old = await deferToThread(connect, port, authority)
        assert old.getpeercert(binary_form=True) == first
        second = issue(file, authority)
        service.renew(endpoint(reactor, text, ()))
        new = await deferToThread(connect, port, authority)
        assert new.getpeercert(binary_form=True) == second != first
        assert await deferToThread(echoed, old) == await deferToThread(echoed, new) == b"here"
        for connection in (old, new):
            connection.close()

    async def test_those_between_it_and_the_authority_are_sent_whichever_file_they_are_in(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        place = Path(folder.name)
        authority = trustme.CA()
        issued = authority.create_child_ca().issue_cert("127.0.0.1")
        own, *between = (one.bytes() for one in issued.cert_chain_pems)
        issued.private_key_and_cert_chain_pem.write_to_path(place / "all:in one.pem")
        issued.private_key_pem.write_to_path(place / "key.pem")
        (place / "chain.pem").write_bytes(own + b"".join(between))
        (place / "own.pem").write_bytes(own)
        (place / "between.pem").write_bytes(b"".join(between))
        for files in (
            "privateKey={0}/all\\:in one.pem",
            "{0}/key.pem:{0}/chain.pem",
            "privateKey={0}/key.pem:certKey={0}/chain.pem",
            "privateKey={0}/key.pem:certKey={0}/own.pem:extraCertChain={0}/between.pem",
            "privateKey={0}/key.pem:certKey={0}/chain.pem:extraCertChain={0}/between.pem",
        ):
            _, port = listening(self, f"ssl:0:{files.format(place)}:interface=127.0.0.1")
            found = await deferToThread(connect, port, authority)
            assert found.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(own.decode())
            found.close()
        (place / "chain.pem").write_bytes(own + between[0][:50] + between[0][60:])
        with pytest.raises(OpenSSL.crypto.Error):
            endpoint(reactor, f"ssl:0:{place}/key.pem:{place}/chain.pem", ())
