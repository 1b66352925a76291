"""
What a proxy in front says about the client, believed only from the proxies that the configuration names (S61).

Of `X-Forwarded-For` the last address that is no trusted proxy's counts: everything before it is what that client itself claimed.
"""

from __future__ import annotations

import ipaddress
import re

import attrs

from pypidaemon.web.ask import Ask

_HOST = re.compile(r"(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_][a-z0-9._-]{0,253})(?::[0-9]{1,5})?\Z")


def _parsed(words: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in words)


@attrs.frozen
class Forwarding:
    """
    The proxies that are believed. As a container it holds every address of theirs.

    A client of a Unix socket, which has no address, is one too: whoever may open the socket was given it by its permissions.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = attrs.field(default=(), converter=_parsed)

    def __contains__(self, place: object) -> bool:
        """Whether that address, or that network of one customer, is a trusted proxy's."""
        try:
            network = ipaddress.ip_network(str(place), strict=False)
        except ValueError:
            return False
        return any(known.version == network.version and network.overlaps(known) for known in self.networks)

    def believes(self, peer: str) -> bool:
        """Whether what the peer of that address says about its own clients counts."""
        return bool(self.networks) and (peer == "" or peer in self)

    def seen(self, ask: Ask) -> Ask:
        """The request as the client meant it: its own address, and the host and scheme it used, where a trusted proxy says so."""
        if not self.believes(ask.client):
            return ask
        host = (ask.headers.first("x-forwarded-host") or "").strip().lower()
        scheme = (ask.headers.first("x-forwarded-proto") or "").strip().lower()
        return attrs.evolve(
            ask,
            client=self._client(ask),
            host=host if _HOST.match(host) else ask.host,
            secure=scheme == "https" if scheme in ("http", "https") else ask.secure,
            passed=True,
        )

    def _client(self, ask: Ask) -> str:
        hops = [hop.strip() for line in ask.headers.every("x-forwarded-for") for hop in line.split(",")]
        for hop in reversed(hops):
            try:
                # A zone means nothing on another host, and may be any text, also such as forges lines of a log.
                ip = ipaddress.ip_address(hop.partition("%")[0].strip("[]"))
            except ValueError:
                break
            # A proxy of ours that listens for IPv6 may write IPv4 addresses like that, its own neighbours' among them.
            address = str(getattr(ip, "ipv4_mapped", None) or ip)
            if address not in self:
                return address
        return ask.client
