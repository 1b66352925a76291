"""How long the queue is before a socket."""

from __future__ import annotations

import pytest
from twisted.internet.endpoints import serverFromString

from pypidaemon.services.sockets import BACKLOG, generous


@pytest.mark.parametrize(
    ("description", "long"),
    [
        ("tcp:3141", True),
        ("tcp:3141:interface=127.0.0.1", True),
        ("tcp6:3141:interface=\\:\\:1", True),
        ("ssl:443:privateKey=a.pem:certKey=a.pem", True),
        ("unix:/run/x.sock:mode=660", True),
        ("unix:/run/a\\:backlog=7", True),
        ("tcp:3141:backlog=7", False),
        ("tcp:3141:backlog=7:interface=127.0.0.1", False),
        ("systemd:domain=INET:index=0", False),
        ("own:thing", False),
    ],
)
def test_S58_many_may_wait_to_be_accepted(description: str, long: bool) -> None:
    """Unless the configuration says how many."""
    assert generous(description) == (f"{description}:backlog={BACKLOG}" if long else description)


@pytest.mark.parametrize("description", ["tcp:3141:interface=127.0.0.1", "tcp6:1:interface=\\:\\:1", "unix:/run/x.sock"])
def test_twisted_takes_it(description: str) -> None:
    endpoint = serverFromString(None, generous(description))
    assert BACKLOG in (
        getattr(endpoint, "_backlog", None),
        getattr(endpoint, "_kwargs", {}).get("backlog"),
        getattr(endpoint, "backlog", None),
    )
