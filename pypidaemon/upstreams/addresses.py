"""
Which machines may be connected to: an upstream's page must not make this daemon a way into the network it stands in (S48, S49).

Names are checked where they are resolved and the address that passed is the one connected to, so a second answer of the name
server changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from pypidaemon.upstreams.attempts import attempted

_SHARED = ip_network("100.64.0.0/10")
"""Addresses of carriers' own networks (RFC 6598), which Python counts as neither private nor global."""
_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses written as IPv6 ones (RFC 6052); who is asked in the end is the IPv4 address."""
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?\.?\Z", re.ASCII)
_LONGEST = 255
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\Z", re.ASCII)


_SPECIAL = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")
"""What an address of a private network is not, although Python calls some of these private too."""


class AddressRefused(Exception):
    """The host is, or has only, addresses that are not public ones; or it is written in a way that hides which."""


def is_public(address: str) -> bool:
    """Whether that address is one of the public internet. Text that is no address at all is not."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if hidden is None and ip in _TRANSLATED:
            hidden = IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(str(hidden))
        if ip.is_site_local:
            return False
    elif ip in _SHARED:
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_unspecified or ip.is_reserved or ip.is_loopback or ip.is_link_local)


def is_inside(address: str) -> bool:
    """Whether that address is one of a private network (RFC 1918, RFC 4193, RFC 6598): neither public nor this machine nor its link."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return (ip.is_private or ip in _SHARED) and not any(getattr(ip, what) for what in _SPECIAL)


def is_clean_host(host: str) -> bool:
    """
    Whether `host` is a name or an address in its one proper spelling.

    A host whose last label is a number is an IPv4 address to most resolvers, whatever it looks like (`0177.1`, `0x7f000001`,
    `2130706433`), so it must be four decimal numbers (S48).
    """
    # No name and no address is longer, and what pages say may be as long as a page.
    return len(host) <= _LONGEST and _is_clean(host)


@lru_cache(256)
def _is_clean(host: str) -> bool:
    if ":" in host:
        try:
            return ip_address(host).version == 6 and "%" not in host
        except ValueError:
            return False
    if not _HOST.match(host) or ".." in host:
        return False
    if _NUMBER.match(host.rstrip(".").rpartition(".")[2]):
        try:
            IPv4Address(host)
        except ValueError:
            return False
    return True


def check_host(host: str, trusted: frozenset[str]) -> None:
    """
    Check what can be known of a host without a resolver.

    :raises AddressRefused: it is not clean, or is written as an address that is not public, and is not a trusted host either.
    """
    if host in trusted:
        return
    if not is_clean_host(host):
        raise AddressRefused("the host is no proper name or address")
    literal = ":" in host or bool(_NUMBER.match(host.rpartition(".")[2]))
    if literal and not is_public(host):
        raise AddressRefused("the host is not a public address")


@implementer(IResolutionReceiver)
@attrs.define(eq=False)
class _Collected:
    """Gathers addresses; `done` fires when there are no more."""

    addresses: list[str] = attrs.field(factory=list)
    done: Deferred[list[str]] = attrs.field(factory=Deferred)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: IAddress) -> None:
        self.addresses.append(getattr(address, "host", ""))

    def resolutionComplete(self) -> None:
        self.done.callback(self.addresses)


@implementer(IResolutionReceiver)
@attrs.define(eq=False)
class _Public:
    """Lets public addresses through, and where allowed those of a private network, and counts the others."""

    receiver: IResolutionReceiver
    guard: GuardedResolver

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        host = getattr(address, "host", "")
        if is_public(host) or (self.guard.inside and is_inside(host)):
            self.receiver.addressResolved(address)
        else:
            self.guard.dropped += 1

    def resolutionComplete(self) -> None:
        self.receiver.resolutionComplete()


@implementer(IHostnameResolver)
@attrs.define(eq=False)
class GuardedResolver:
    """
    A resolver that finds only public addresses, save for trusted hosts; `dropped` counts the others that it met.

    :param inside: whether addresses of private networks will do as well.
    """

    resolver: IHostnameResolver
    trusted: frozenset[str]
    inside: bool = False
    dropped: int = attrs.field(default=0, init=False)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """As `IHostnameResolver`."""
        receiver = resolutionReceiver
        if hostName.lower() not in self.trusted:
            receiver = _Public(resolutionReceiver, self)
        return self.resolver.resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IStreamClientEndpoint)
@attrs.frozen
class GuardedEndpoint:
    """
    A plain TCP connection to a host, if it may be connected to; its addresses are tried as `attempted` does (F41).

    Where a trusted host stands in a private network itself, as a company's mirror or a way out through one does, `tls` hosts may stand
    there too: the certificate still has to prove that the name is theirs (docs/decisions/0005).

    :param reactor: provides `IReactorTCP`, `IReactorTime` and `IReactorPluggableNameResolver`.
    :param trusted: lower-case hosts whose addresses need not be public: those that the configuration names.
    :param timeout: seconds allowed for one address.
    :param tls: whether TLS will be spoken over this connection, so that the other end must prove its name.
    """

    reactor: Any
    host: str
    port: int
    trusted: frozenset[str]
    timeout: float
    tls: bool = False

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """As `IStreamClientEndpoint`; fails with `AddressRefused` where there were addresses, but none that may be used."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        try:
            return await self._within(factory, False)
        except AddressRefused:
            if not self.tls or not await self._stands_inside():
                raise
        return await self._within(factory, True)

    async def _within(self, factory: IProtocolFactory, inside: bool) -> Any:
        guard = GuardedResolver(self.reactor.nameResolver, self.trusted, inside)
        found = _Collected()
        guard.resolveHostName(found, self.host, self.port)
        addresses = await found.done
        if not addresses:
            raise AddressRefused("the host has no public address") if guard.dropped else DNSLookupError(f"{self.host} has no address")
        return await attempted(self.reactor, addresses, self.port, self.timeout, factory)

    async def _stands_inside(self) -> bool:
        for host in self.trusted:
            found = _Collected()
            self.reactor.nameResolver.resolveHostName(found, host)
            if any(is_inside(address) for address in await found.done):
                return True
        return False
