"""`pypidaemon.upstreams.addresses`: no way into the network around us (S48, S49)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, DNSLookupError, NoRouteError
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pypidaemon.upstreams.addresses import AddressRefused, GuardedEndpoint, check_host, is_clean_host, is_public
from pypidaemon.upstreams.agent import Trusted
from tests.gear import now

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "100.127.255.255", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:c0a8:101::1"),
        *("", "localhost", "1.2.3", "0x7f.0.0.1"),
    ],
)
def test_S48_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "151.101.0.223", "2a04:4e42::223", "::ffff:151.101.0.223", "100.128.0.1", "172.32.0.1"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "1.2.3.4.5",
        "08.8.8.8",
        "a b",
        "a..b",
        "-a",
        "a/b",
        "a@b",
        "fe80::1%eth0",
        "",
    ],
)
def test_S48_spellings_that_hide_an_address_are_refused(host: str) -> None:
    assert not is_clean_host(host)
    with pytest.raises(AddressRefused):
        check_host(host, NONE)


@pytest.mark.parametrize(
    "host", ["files.example", "a", "x1.example", "1a.example", "3com.example", "8.8.8.8", "2a04:4e42::223", "a_b.example"]
)
def test_proper_hosts_pass(host: str) -> None:
    check_host(host, NONE)


def test_S48_a_literal_is_refused_unless_it_is_the_configured_upstream() -> None:
    for host in ("127.0.0.1", "10.0.0.1", "::1"):
        with pytest.raises(AddressRefused):
            check_host(host, NONE)
        check_host(host, frozenset([host]))


@given(st.text(max_size=30))
def test_any_text_is_judged(host: str) -> None:
    assert is_clean_host(host) in (True, False)
    assert is_public(host) in (True, False)


@implementer(IHostnameResolver)
class Answering:
    """Says what it is told, one answer per question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int = 0, *rest: Any, **more: Any) -> Any:
        receiver.resolutionBegan(None)
        for address in self.answers.pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, portNumber))
        receiver.resolutionComplete()


def connecting(trusted: frozenset[str], *answers: list[str]) -> tuple[Any, Any]:
    """A memory reactor whose resolver answers so, and the connection that is being made."""
    world: Any = MemoryReactorClock()
    world.nameResolver = Answering(*answers)
    endpoint = GuardedEndpoint(world, "files.example", 443, trusted, 3.0)
    return world, endpoint.connect(Factory.forProtocol(Protocol))


def test_S49_the_checked_address_is_the_one_connected_to() -> None:
    """Private addresses are passed over, and nobody asks the name server again."""
    world, _ = connecting(NONE, ["10.0.0.1", "1.1.1.1", "::1"], ["127.0.0.1"])
    world.advance(1)
    assert [(client[0], client[1]) for client in world.tcpClients] == [("1.1.1.1", 443)]
    assert len(world.nameResolver.answers) == 1


def test_S48_a_name_with_private_addresses_only_is_refused() -> None:
    world, attempt = connecting(NONE, ["127.0.0.1", "::ffff:10.0.0.1"])
    with pytest.raises(AddressRefused):
        now(attempt)
    assert world.tcpClients == []


def test_a_trusted_host_may_be_anywhere() -> None:
    world, _ = connecting(frozenset(["files.example"]), ["127.0.0.1"])
    assert world.tcpClients[0][0] == "127.0.0.1"


def test_F41_a_dead_address_does_not_hold_up_the_next() -> None:
    world, _ = connecting(NONE, ["2a04:4e42::223", "1.1.1.1"])
    world.advance(0.5)
    assert [client[0] for client in world.tcpClients] == ["2a04:4e42::223", "1.1.1.1"]


def test_F41_a_family_that_cannot_be_reached_does_not_hold_up_the_other() -> None:
    """RFC 8305 section 4."""
    world, _ = connecting(NONE, ["2a04:4e42::1", "2a04:4e42::2", "2a04:4e42::3", "1.1.1.1", "1.0.0.1"])
    for _ in range(5):
        world.advance(0.3)
    assert [client[0] for client in world.tcpClients] == ["2a04:4e42::1", "1.1.1.1", "2a04:4e42::2", "1.0.0.1", "2a04:4e42::3"]


def fails(world: Any, position: int) -> None:
    """Have one of the attempts end as it does where nobody listens."""
    address, port, factory = world.tcpClients[position][:3]
    factory.clientConnectionFailed(world.connectors[position], Failure(ConnectError(string=f"{address}:{port}")))


def test_F40_that_nobody_listens_is_known_at_once() -> None:
    """Whoever asks for a page waits 0.3 s for the word that the line is cut, and the refusal itself must not take as long."""
    world, attempt = connecting(NONE, ["1.1.1.1"])
    fails(world, 0)
    with pytest.raises(ConnectError):
        now(attempt)
    assert world.getDelayedCalls() == []


def test_F41_where_an_address_fails_the_next_is_tried_at_once() -> None:
    """RFC 8305 section 5."""
    world, attempt = connecting(NONE, ["2a04:4e42::223", "1.1.1.1", "1.0.0.1"])
    for position, address in enumerate(("2a04:4e42::223", "1.1.1.1", "1.0.0.1")):
        assert world.tcpClients[-1][0] == address
        fails(world, position)
        world.advance(0)
    with pytest.raises(ConnectError, match=r"1\.0\.0\.1"):
        now(attempt)
    assert world.getDelayedCalls() == []


def test_F41_one_that_fails_late_does_not_end_those_that_are_under_way() -> None:
    world, attempt = connecting(NONE, ["2a04:4e42::223", "1.1.1.1"])
    world.advance(0.3)
    fails(world, 0)
    assert not attempt.called
    world.tcpClients[1][2].buildProtocol(None).makeConnection(StringTransport())
    assert isinstance(now(attempt), Protocol)
    assert world.getDelayedCalls() == []


def test_the_first_that_answers_is_taken_and_the_others_are_given_up() -> None:
    world, attempt = connecting(NONE, ["2a04:4e42::223", "1.1.1.1", "1.0.0.1"])
    world.advance(0.3)
    world.tcpClients[1][2].buildProtocol(None).makeConnection(StringTransport())
    now(attempt)
    assert [connector.stoppedConnecting for connector in world.connectors] == [True, False]
    assert world.getDelayedCalls() == []


def test_who_no_longer_waits_leaves_no_attempt_behind() -> None:
    world, attempt = connecting(NONE, ["2a04:4e42::223", "1.1.1.1", "1.0.0.1"])
    world.advance(0.3)
    attempt.cancel()
    with pytest.raises(CancelledError):
        now(attempt)
    assert all(connector.stoppedConnecting for connector in world.connectors)
    assert world.getDelayedCalls() == []


def test_a_name_without_addresses_is_not_found() -> None:
    _, attempt = connecting(NONE, [])
    with pytest.raises(DNSLookupError):
        now(attempt)


def test_any_number_of_addresses_may_be_out_of_reach() -> None:
    """Where there is no network at all each attempt fails before it is begun; a name server may say as many as it likes."""
    world: Any = Unreachable()
    world.nameResolver = Answering(["1.1.1.1"] * 5_000)
    attempt = GuardedEndpoint(world, "files.example", 443, NONE, 3.0).connect(Factory.forProtocol(Protocol))
    for _ in range(5_000):
        world.advance(0)
    with pytest.raises(NoRouteError):
        now(attempt)


class Unreachable(MemoryReactorClock):
    """A machine without a network."""

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:
        """As `IReactorTCP`."""
        connector = MemoryReactorClock.connectTCP(self, host, port, factory, timeout, bindAddress)  # type: ignore[arg-type]  # seconds may have fractions
        factory.clientConnectionFailed(connector, Failure(NoRouteError()))
        return connector


class RealResolver(TestCase):
    """The reactor's own resolver under the guard."""

    async def test_S48_the_name_of_this_machine_is_refused(self) -> None:
        endpoint = GuardedEndpoint(reactor, "localhost", 9, NONE, 1.0)
        with pytest.raises(AddressRefused):
            await endpoint.connect(Factory.forProtocol(Protocol))


@pytest.mark.parametrize(
    ("port", "trusted"), [(80, True), (443, True), (81, False), (22, False), (25, False), (1024, True), (8080, True), (0, False)]
)
def test_S48_N6_the_upstreams_host_is_trusted_where_an_index_may_keep_files(port: int, trusted: bool) -> None:
    """And its services are not."""
    hosts = frozenset({"index.example"})
    assert Trusted(hosts).at(port) == (hosts if trusted else NONE)
    assert Trusted(hosts, 81).at(81) == hosts
