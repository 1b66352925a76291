"""Sockets that a service manager hands over."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.python.systemd import ListenFDs

from pypidaemon.services.activation import endpoint, handed_over
from tests.running import Loop


def test_what_twisted_found_in_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here; and where it is something, all of it. Twisted has no public name for that, so this notices when it goes."""
    assert handed_over() == ()
    monkeypatch.setattr("twisted.internet.endpoints._SystemdParser._sddaemon", ListenFDs([3, 4], ["one", "two"]))
    assert handed_over() == (3, 4)


@pytest.mark.parametrize(
    ("bound", "description", "meant"),
    [
        (("127.0.0.1", 0), "tcp:{port}:interface=127.0.0.1", True),
        (("127.0.0.1", 0), "tcp:port={port}:interface=127.0.0.1:backlog=100", True),
        (("127.0.0.1", 0), "tcp:{port}", False),
        (("127.0.0.1", 0), "tcp:1:interface=127.0.0.1", False),
        (("0.0.0.0", 0), "tcp:{port}", True),  # not listened at
        (("0.0.0.0", 0), "tcp:{port}:interface=127.0.0.1", False),  # as above
        (("127.0.0.1", 0), "ssl:{port}:interface=127.0.0.1", False),
    ],
)
def test_a_socket_is_known_by_where_it_is_bound(bound: tuple[str, int], description: str, meant: bool) -> None:
    """The configuration need not say that somebody binds it."""
    with socket.socket() as given, socket.socket() as other:
        given.bind(bound)
        other.bind(("127.0.0.1", 0))
        description = description.format(port=given.getsockname()[1])
        if description.startswith("ssl:"):
            with pytest.raises(Exception, match=r"privateKey|pem"):
                endpoint(Loop(), description, (given.fileno(),))
            return
        found = endpoint(Loop(), description, (other.fileno(), given.fileno()))
        assert isinstance(found, AdoptedStreamServerEndpoint) == meant
        if meant:
            assert found.fileno == given.fileno()


def test_a_unix_socket_is_known_by_its_path(tmp_path: Path) -> None:
    """With whatever else its description says."""
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(tmp_path / "s:k"))
        at = str(tmp_path / "s\\:k")
        assert isinstance(endpoint(Loop(), f"unix:{at}:mode=660", (given.fileno(),)), AdoptedStreamServerEndpoint)
        assert not isinstance(endpoint(Loop(), f"unix:{at}x", (given.fileno(),)), AdoptedStreamServerEndpoint)


def test_what_is_no_stream_is_left_alone(tmp_path: Path) -> None:
    """A file, a socket for datagrams, or a descriptor that is closed by now."""
    with (tmp_path / "file").open("w") as file, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        description = f"tcp:{datagrams.getsockname()[1]}:interface=127.0.0.1"
        assert not isinstance(endpoint(Loop(), description, (file.fileno(), datagrams.fileno(), 987)), AdoptedStreamServerEndpoint)
