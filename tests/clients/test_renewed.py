"""A certificate that is renewed while the daemon runs: whoever comes then gets it, and nobody who is here is sent away."""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tests.clients.daemon import Daemon, free_port
from tests.clients.looking import eventually

pytestmark = pytest.mark.clients


def test_F80_a_certificate_is_renewed_without_a_restart(daemon: Daemon, tmp_path: Path) -> None:
    """By `pypidaemon reload` and by SIGHUP; one that cannot be read changes nothing, and is named."""
    authority, file, port = trustme.CA(), tmp_path / "both.pem", free_port()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def issue() -> bytes:
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(file)
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

    def connect() -> ssl.SSLSocket:
        return trusting.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="127.0.0.1")

    def given() -> bytes | None:
        with connect() as one:
            return one.getpeercert(binary_form=True)

    def answers(connection: ssl.SSLSocket) -> bool:
        connection.sendall(b"GET /+health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        heard = b""
        while b"\r\n\r\n" not in heard or not heard.endswith(b"}\n"):
            piece = connection.recv(65536)
            assert piece, heard
            heard += piece
        return heard.startswith(b"HTTP/1.1 200 ")

    first, config = issue(), daemon.folder / "config.ini"
    listen = f"tcp:{daemon.port}:interface=127.0.0.1"
    config.write_text(config.read_text().replace(listen, f"{listen} ssl:{port}:interface=127.0.0.1:privateKey={file}"))
    daemon.order("reload")
    with connect() as old:
        assert old.getpeercert(binary_form=True) == first
        assert answers(old)
        second = issue()
        assert given() == first
        daemon.order("reload")
        assert given() == second != first
        assert answers(old)
        other = authority.issue_cert("127.0.0.1")
        mismatch = other.private_key_pem.bytes() + b"".join(one.bytes() for one in authority.issue_cert("127.0.0.1").cert_chain_pems)
        for wrong, why in ((b"no certificate\n", "is not an endpoint"), (mismatch, "public and private keys do not match")):
            file.write_bytes(wrong)
            refused = daemon.ordered("reload")
            assert refused.returncode == 1
            assert refused.stderr.count("\n") == 1
            assert "[daemon] listen: " in refused.stderr
            assert why in refused.stderr
            assert given() == second
        third = issue()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: given() == third)
        assert answers(old)
