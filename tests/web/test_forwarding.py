"""Who is believed about who asks."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.address import IPv6Address

from pypidaemon.web.ask import Ask, Headers
from pypidaemon.web.forwarding import Forwarding
from tests.web.wire import Seen, get

TRUSTED = Forwarding(("10.0.0.0/8", "fd00::/64"))


def ask(client: str, *headers: tuple[str, str]) -> Ask:
    """A request from that peer."""
    return Ask(client=client, host="inner:3141", headers=Headers(headers))


def test_S61_a_stranger_is_not_believed() -> None:
    """Whatever it says."""
    request = ask("192.0.2.1", ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"))
    assert TRUSTED.seen(request) == request
    assert Forwarding().seen(attrs.evolve(request, client="10.0.0.1")).client == "10.0.0.1"


@pytest.mark.parametrize(
    ("passed", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.1.1.1", "192.0.2.7"),
        ("192.0.2.7, rubbish", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ('fe80::1%x" 200 "forged', "fe80::1"),
        ("192.0.2.7, fd00::1%eth0", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, ::ffff:10.1.1.1", "192.0.2.7"),
    ],
)
def test_S61_the_last_address_that_is_no_proxys_counts(passed: str, client: str) -> None:
    """What stands before it is a claim of that client."""
    assert TRUSTED.seen(ask("10.0.0.1", ("X-Forwarded-For", passed))).client == client


def test_host_and_scheme_of_a_trusted_proxy() -> None:
    """Also over a Unix socket; a malformed host is not taken."""
    seen = TRUSTED.seen(ask("", ("X-Forwarded-Host", "Index.Example"), ("X-Forwarded-Proto", "https")))
    assert (seen.host, seen.secure) == ("index.example", True)
    assert TRUSTED.seen(ask("10.0.0.1", ("X-Forwarded-Host", "evil example"))).host == "inner:3141"


def test_addresses_of_proxies_are_exempt_from_the_cap_for_one_address() -> None:
    """As a container: single addresses and the /64 that IPv6 clients are counted by."""
    assert "10.2.3.4" in TRUSTED
    assert "fd00::/64" in TRUSTED
    assert "192.0.2.1" not in TRUSTED
    assert "no address" not in TRUSTED


def test_S61_S69_a_proxy_is_known_by_its_address_whichever_kind_of_socket_it_came_in_by() -> None:
    """One that listens for IPv6 gets IPv4 as well, as the sockets do that a service manager binds by a port alone; or all would be one client."""
    seen = Seen()
    client = seen.client(address=IPv6Address("TCP", "::ffff:10.0.0.1", 50000))
    client.say(get("/simple/", "X-Forwarded-For: 192.0.2.7"))
    client.hang_up(clean=True)
    (request,) = seen.asks
    assert request.client == "10.0.0.1"
    assert TRUSTED.seen(request).client == "192.0.2.7"
