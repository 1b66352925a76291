"""The way out of this machine: what the system says of its routes, and who is told."""

from __future__ import annotations

import socket
import struct
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pypidaemon.upstreams.default_route import CALM, LONGEST, OFTEN, SETTLES, DefaultRoute, default_routes

NEW, GONE, LINK = 24, 25, 16
MAIN, LOCAL = 254, 255


def message(kind: int = NEW, *, destination: int = 0, table: int = MAIN, leads: int = 1, rest: bytes = b"") -> bytes:
    """One message about a route to a network of that many bits, as Linux writes it."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, destination, 0, 0, table, 3, 0, leads, 0) + rest
    whole = struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body
    return whole + b"\0" * (-len(whole) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute of a route."""
    whole = struct.pack("=HH", 4 + len(value), kind) + value
    return whole + b"\0" * (-len(whole) % 4)


def through(gateway: bytes, lasts: bytes = b"") -> bytes:
    """The attributes of a route by that gateway, which is good for so long."""
    return attribute(12, lasts) + attribute(4, b"\2\0\0\0") + attribute(5, gateway)


@pytest.mark.parametrize("kind", [NEW, GONE])
@pytest.mark.parametrize("table", [MAIN, 252])
def test_N1_a_default_route_that_comes_or_goes_is_noticed(kind: int, table: int) -> None:
    one = message(kind, table=table, rest=through(b"gate"))
    (said,) = default_routes(one)
    assert said[0] == (kind == NEW)
    assert list(default_routes(message(LINK) + message(kind, destination=24, rest=b"odd") + one)) == [said]


def test_a_route_is_told_from_others_by_its_way_and_not_by_how_long_it_lasts() -> None:
    routes = [
        route
        for gateway in (b"one!", b"two!")
        for lasts in (b"1234", b"5678")
        for _, route in default_routes(message(rest=through(gateway, lasts)))
    ]
    assert routes[0] == routes[1] != routes[2] == routes[3]


@pytest.mark.parametrize("other", [message(LINK), message(destination=24), message(table=LOCAL), message(leads=7), b"", message()[:-1]])
def test_what_is_of_other_networks_is_passed_over(other: bytes) -> None:
    """Containers come and go, and each brings routes of its own."""
    assert list(default_routes(other)) == []


@given(
    st.lists(
        st.binary(max_size=80).map(lambda body: struct.pack("=HHIII", 16 + len(body), NEW, 0, 0, 0)[:16] + body) | st.binary(max_size=80)
    ).map(b"".join)
)
def test_any_bytes_are_judged(data: bytes) -> None:
    assert all(isinstance(route, bytes) for _, route in default_routes(data))


@given(st.binary(max_size=60))
def test_any_attributes_are_judged(rest: bytes) -> None:
    assert len(list(default_routes(message(rest=rest)))) == 1


@attrs.define
class Said:
    """A socket by which this comes, message for message, each from that port; then nothing."""

    messages: list[tuple[bytes, int] | OSError]
    closed: bool = False

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        if not self.messages:
            raise BlockingIOError
        one = self.messages.pop(0)
        if isinstance(one, OSError):
            raise one
        return one[0], (one[1], 0)

    def fileno(self) -> int:
        return 7

    def close(self) -> None:
        self.closed = True


def listening(*messages: tuple[bytes, int] | OSError) -> tuple[DefaultRoute, Any, list[None]]:
    """One that has begun, its clock, and how often it has told of a change."""
    world: Any = MemoryReactorClock()
    told: list[None] = []
    route = DefaultRoute(world)
    route._socket, route._tell = Said(list(messages)), lambda: told.append(None)  # type: ignore[assignment]
    return route, world, told


def test_many_changes_are_told_of_as_one_and_what_is_no_change_is_not() -> None:
    route, world, told = listening()
    for messages, tells in (
        ([message(GONE), message(rest=through(b"one!"))], 1),
        ([message(rest=through(b"one!", b"more"))], 1),
        ([message(rest=through(b"two!"))], 2),
        ([message(GONE, rest=through(b"two!"))], 3),
        ([message(rest=through(b"two!"))], 4),
    ):
        route._socket.messages += [(one, 0) for one in messages]  # type: ignore[union-attr]
        route.doRead()
        world.advance(SETTLES)
        assert len(told) == tells


def test_a_way_out_that_comes_and_goes_is_told_of_ever_more_seldom() -> None:
    """Each word costs a look at every upstream that is down, and connections anew to those that are not."""
    route, world, told = listening()

    def flaps(seconds: int) -> None:
        for number in range(seconds):
            route._socket.messages.append((message(GONE if number % 2 else NEW, rest=through(b"one!")), 0))  # type: ignore[union-attr]
            route.doRead()
            world.advance(1)

    flaps(OFTEN)
    assert len(told) == OFTEN
    flaps(3600)
    assert len(told) <= OFTEN + 10 + 3600 / LONGEST
    world.advance(LONGEST)
    told.clear()
    world.advance(CALM)
    flaps(OFTEN)
    assert len(told) == OFTEN


@pytest.mark.parametrize(("messages", "tells"), [([(message(), 4711)], 0), ([(message(destination=8), 0)], 0), ([OSError(105, "lost")], 1)])
def test_only_the_system_is_believed_and_what_was_lost_may_have_been_one(messages: Any, tells: int) -> None:
    route, world, told = listening(*messages)
    route.doRead()
    world.advance(SETTLES)
    assert len(told) == tells


def test_after_its_end_nothing_is_told() -> None:
    route, world, told = listening((message(), 0))
    route.doRead()
    said: Any = route._socket
    route.connectionLost(Failure(OSError()))
    world.advance(SETTLES)
    assert (told, said.closed, route.fileno()) == ([], True, -1)
    route.doRead()
    route.end()


def test_a_system_that_has_none_of_it_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = MemoryReactorClock()
    monkeypatch.setattr(socket, "AF_NETLINK", 99)
    DefaultRoute(world).begin(lambda: None)
    monkeypatch.delattr(socket, "AF_NETLINK")
    DefaultRoute(world).begin(lambda: None)
    assert world.getReaders() == []


class RealTests(TestCase):
    """The system's own socket."""

    def test_it_is_listened_to_until_the_end(self) -> None:
        route = DefaultRoute(reactor)
        route.begin(lambda: None)
        running: Any = reactor
        assert (route in running.getReaders()) == (route.fileno() >= 0)
        route.doRead()
        route.end()
        assert route not in running.getReaders()
