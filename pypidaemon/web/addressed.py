"""What is written down for the address of a client: all of it, the network that it is in, or nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache

IPV4_KEPT, IPV6_KEPT = 24, 48
"""Bits of an address that say which network it is of, and not which machine."""

REMEMBERED = 4096
"""Addresses of which that is remembered."""


@lru_cache(REMEMBERED)
def shortened(address: str) -> str:
    """Its network's first address; what is none, such as "-" for a client of a Unix socket, stays as it is."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    kept = IPV4_KEPT if known.version == 4 else IPV6_KEPT
    return str(ipaddress.ip_network((known, kept), strict=False).network_address)


def nothing(address: str) -> str:
    """As for a client without an address."""
    return "-"


HOW: dict[str, Callable[[str], str] | None] = {"whole": None, "shortened": shortened, "none": nothing}
"""By what the configuration calls it; None where it is the address itself."""
