"""
The names that requests may call this daemon by (S56), and the pages that may have a browser send something here.

A site can point its own name at our address and then read, with the browser of somebody who can reach us, whatever is answered under that name
(DNS rebinding). A daemon for this machine alone is the usual target: everybody who can reach it is trusted, and its names are known.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from pypidaemon.web.ask import Ask, BadRequest
from pypidaemon.web.reply import Reply, text

_PIECES = re.compile(r"(?<!\\):")
_OWN_SITE = ("same-origin", "none")
"""What browsers call requests from our own pages, and those that no page made (W3C Fetch Metadata)."""


def bare(host: str) -> str:
    """The name or address of a Host field, without its port, brackets and last dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def is_loopback(description: str) -> bool:
    """
    Whether that Twisted endpoint description listens for this machine alone.

    What is not known to do so does not, a Unix socket for instance: a web server before it passes on the names of its own.
    """
    kind, *arguments = _PIECES.split(description)
    if kind not in ("tcp", "tcp6", "ssl"):
        return False
    named = [argument.partition("=")[2] for argument in arguments if argument.startswith("interface=")]
    if not named and kind != "ssl" and len(arguments) > 1 and "=" not in arguments[1]:
        named = [arguments[1]]
    interface = named[-1].replace("\\", "") if named else ""
    return interface == "localhost" or _is_address(interface, loopback=True)


def machine_names(table: Path = Path("/etc/hosts")) -> tuple[str, ...]:
    """
    What this machine calls itself, by its own name and by the table of hosts, which has the others beside it.

    No name server is asked: without a network that takes minutes, in which nothing would be served (F36).
    """
    full = socket.gethostname().lower().rstrip(".")
    own = [full, full.partition(".")[0]]
    try:
        lines = table.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        names = [name.lower().rstrip(".") for name in line.partition("#")[0].split()[1:]]
        if not {full, own[1]}.isdisjoint(names):
            own += names
    return tuple(dict.fromkeys(name for name in own if name))


def known_hosts(listen: Iterable[str], written: tuple[str, ...]) -> tuple[str, ...] | None:
    """
    The patterns for `Hosts`: those of the configuration with the machine's own names.

    None where it has none and others than this machine are listened for, since nobody can know by which names these find us.
    """
    if not written and not all(map(is_loopback, listen)):
        return None
    return (*written, *machine_names())


@attrs.frozen
class Hosts:
    """
    Tells our own names from others.

    :param names: patterns of names that requests may be for, besides addresses, `localhost` and what `public_url` names; None is any.
    """

    names: tuple[str, ...] | None = None
    public_url: str | None = None
    _public: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_public", _host_of(self.public_url or ""))

    def vouched(self, ask: Ask) -> Ask:
        """
        That request, which is for us.

        :raises BadRequest: its Host is none of our names (421).
        """
        if self.names is None or not ask.host or self._is_ours(bare(ask.host)):
            return ask
        raise BadRequest("this daemon does not go by the name in the Host header; hosts in [daemon] says which names it has", 421)

    def refusal(self, ask: Ask) -> Reply | None:
        """What is answered to an order that a page of another site may have had a browser send; None where that cannot be."""
        if (ask.headers.first("content-type") or "").partition(";")[0].strip().lower() != "application/json":
            # A page of another site can have a browser send its user's credentials along, but no body of this kind without our leave.
            return text(415, "send a JSON object, with Content-Type: application/json", ask.id)
        if self.from_elsewhere(ask):
            return text(403, "pages of other sites may give no orders here", ask.id)
        return None

    def from_elsewhere(self, ask: Ask) -> bool:
        """Whether a page of another site had a browser send this; with its user's credentials, as browsers do for Basic."""
        if any(site.strip().lower() not in _OWN_SITE for site in ask.headers.every("sec-fetch-site")):
            return True
        own = {bare(ask.host), self._public} - {""}
        return any(_host_of(origin.strip()) not in own for origin in ask.headers.every("origin"))

    def _is_ours(self, name: str) -> bool:
        if name in ("localhost", self._public) or name.endswith(".localhost") or _is_address(name):
            return True
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.names or ())


def _host_of(url: str) -> str:
    """The host of a URL or of an Origin in lower case, "" where it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


@lru_cache(256)
def _is_address(name: str, *, loopback: bool = False) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not loopback
