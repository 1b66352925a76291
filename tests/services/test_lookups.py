"""Looking up names on threads that nobody has to wait for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon.services.lookups import Lookups, Resolver
from pypidaemon.threads import Threads

HERE = [
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)),
    (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/x"),
]


@implementer(IResolutionReceiver)
@attrs.define(eq=False)
class Receiver:
    """Gathers what is found."""

    done: Deferred[list[Any]] = attrs.field(factory=Deferred)
    found: list[Any] = attrs.field(factory=list)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.found.clear()

    def addressResolved(self, address: IAddress) -> None:
        self.found.append(address)

    def resolutionComplete(self) -> None:
        self.done.callback(self.found)


class LookupsTests(TestCase):
    """A real reactor runs these, since results come back to it."""

    def setUp(self) -> None:
        self.service = Lookups(reactor)
        self.before = reactor.nameResolver  # type: ignore[attr-defined]  # the module that is the reactor
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.addCleanup(reactor.installNameResolver, self.before)  # type: ignore[attr-defined]  # as above

    async def looked_up(self, lookup: Any, *kinds: type) -> list[Any]:
        """What is found for a name by that."""
        assert self.service._pool is not None
        receiver = Receiver()
        resolver = Resolver(reactor, self.service._pool, lookup)
        verifyObject(IHostnameResolver, resolver)
        resolution = resolver.resolveHostName(receiver, "index.example", 80, kinds or None)
        assert resolution.name == "index.example"
        resolution.cancel()
        return await receiver.done

    async def test_addresses_are_found_in_the_order_of_the_machine(self) -> None:
        asked: list[Any] = []

        def lookup(*arguments: Any) -> Sequence[tuple[Any, ...]]:
            asked.append((threading.current_thread().daemon, *arguments))
            return HERE

        ours = [IPv6Address("TCP", "::1", 80, 0, 0), IPv4Address("TCP", "127.0.0.1", 80)]
        assert await self.looked_up(lookup) == ours
        assert await self.looked_up(lookup, IPv4Address) == ours[1:]
        assert asked == [
            (True, "index.example", 80, socket.AF_UNSPEC, socket.SOCK_STREAM),
            (True, "index.example", 80, socket.AF_INET, socket.SOCK_STREAM),
        ]

    async def test_F36_a_name_without_an_address_has_none(self) -> None:
        for error in (socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long"), OSError(24, "too many open files")):

            def lookup(*arguments: Any, error: Exception = error) -> Sequence[tuple[Any, ...]]:
                raise error

            assert await self.looked_up(lookup) == []

    async def test_the_reactor_looks_up_here(self) -> None:
        assert isinstance(reactor.nameResolver, Resolver)  # type: ignore[attr-defined]  # as above
        receiver = Receiver()
        reactor.nameResolver.resolveHostName(receiver, "127.0.0.1", 80)  # type: ignore[attr-defined]  # as above
        assert await receiver.done == [IPv4Address("TCP", "127.0.0.1", 80)]

    async def test_F37_lookups_that_hang_are_not_waited_for_when_it_stops(self) -> None:
        """Nor do they take the places of anything else."""
        release, begun = threading.Event(), threading.Event()

        def lookup(*arguments: Any) -> Sequence[tuple[Any, ...]]:
            begun.set()
            release.wait(60)
            return []

        receiver = Receiver()
        pool = self.service._pool
        assert pool is not None
        Resolver(reactor, pool, lookup).resolveHostName(receiver, "index.example")
        try:
            assert begun.wait(60)
            assert not any(thread.name.startswith("PoolThread-lookups") and not thread.daemon for thread in threading.enumerate())
            assert self.service.stopService() is None
            assert not receiver.done.called
        finally:
            release.set()
        await receiver.done

    async def test_F37_fifty_lookups_that_hang_take_no_thread_from_the_disk_hashing_or_the_reactor(self) -> None:
        release = threading.Event()

        def lookup(*arguments: Any) -> Sequence[tuple[Any, ...]]:
            release.wait(60)
            return []

        pool = self.service._pool
        assert pool is not None
        receivers = [Receiver() for _ in range(50)]
        for receiver in receivers:
            Resolver(reactor, pool, lookup).resolveHostName(receiver, "index.example")
        others = [Threads(reactor, name, 1) for name in ("disk", "cpu", "records")]  # type: ignore[arg-type]  # the real one
        try:
            for threads in others:
                threads.startService()
                assert await threads(sum, (1, 2)) == 3
            assert await deferToThread(sum, (1, 2)) == 3
            assert not any(receiver.done.called for receiver in receivers)
        finally:
            release.set()
            for threads in others:
                await threads.stopService()  # type: ignore[misc]  # it was started
        for receiver in receivers:
            await receiver.done


def test_a_reactor_that_cannot_be_told_is_left_alone() -> None:
    service = Lookups(Clock())
    service.startService()
    service.stopService()
    with pytest.raises(AttributeError):
        service.reactor.nameResolver  # noqa: B018  # it has none
