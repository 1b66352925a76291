"""
Threads of their own for looking up names, since a lookup that hangs does so for a minute and longer, and nobody can break it off (F37).

In the reactor's own pool ten of them would keep everything else there waiting, and the process from ending. These threads do not: they are left where
they are when the daemon stops.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

MOST = 16
"""Lookups at once; others wait, and whoever asked does not wait for them."""
_ADDRESSES = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}
_KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}

Lookup = Callable[..., Sequence[tuple[Any, ...]]]


@implementer(IHostResolution)
@attrs.frozen
class _Resolution:
    name: str

    def cancel(self) -> None:
        """A lookup goes on to its end, whoever waits for it."""


@implementer(IHostnameResolver)
@attrs.frozen(eq=False)
class Resolver:
    """
    Asks the machine, as everything else on it does.

    :param lookup: as `socket.getaddrinfo`; it runs on a thread.
    """

    reactor: Any
    pool: ThreadPool
    lookup: Lookup = socket.getaddrinfo

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """As `IHostnameResolver`."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        wanted = [family for family, kind in _ADDRESSES.items() if addressTypes is None or kind in addressTypes]
        family = wanted[0] if len(wanted) == 1 else socket.AF_UNSPEC

        def found(entries: Sequence[tuple[Any, ...]]) -> None:
            for its_family, _, _, _, where in entries:
                if its_family in wanted:
                    resolutionReceiver.addressResolved(_ADDRESSES[its_family](transportSemantics, *where))
            resolutionReceiver.resolutionComplete()

        asked = (hostName, portNumber, family, _KINDS[transportSemantics])
        looking = deferToThreadPool(self.reactor, self.pool, self.lookup, *asked)
        # A name without an address has none, for whatever reason; that is what the receiver makes of it.
        looking.addErrback(lambda failed: failed.trap(OSError, UnicodeError) and ())
        looking.addCallback(found)
        return resolution


@attrs.define(eq=False, slots=False)
class Lookups(Service):
    """Has the reactor look up names on these threads from its start on."""

    reactor: Any
    name: str = "lookups"
    _pool: ThreadPool | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """Take the lookups over."""
        Service.startService(self)
        if IReactorPluggableNameResolver.providedBy(self.reactor):
            self._pool = ThreadPool(0, MOST, "lookups")
            self._pool.threadFactory = _forsaken  # type: ignore[assignment]  # this is how a pool is told
            self._pool.start()
            self.reactor.installNameResolver(Resolver(self.reactor, self._pool))

    def stopService(self) -> None:
        """Look up no more, and wait for nothing."""
        Service.stopService(self)
        pool, self._pool = self._pool, None
        if pool is not None:
            # It waits for what is under way.
            _forsaken(target=pool.stop).start()


def _forsaken(*arguments: Any, **keywords: Any) -> threading.Thread:
    """A thread that the process does not wait for."""
    return threading.Thread(*arguments, **keywords, daemon=True)
