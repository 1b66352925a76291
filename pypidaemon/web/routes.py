"""Which address leads where. Every index that is exposed has the same addresses below its own root (design §5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import attrs

from pypidaemon.errors import Loop, NoSuchFile, Refused
from pypidaemon.interfaces import IIndex, IRecords
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask
from pypidaemon.web.files import Files
from pypidaemon.web.legacy import Legacy
from pypidaemon.web.lists import Lists
from pypidaemon.web.operations import Operations
from pypidaemon.web.pages import Pages, moved
from pypidaemon.web.reply import Reply, text

READING = ("GET", "HEAD")


@attrs.define
class Address:
    """
    The absolute address of this daemon, needed where a relative one cannot stand (R13).

    `public` is what the configuration says. Behind a trusted proxy the Host is the one the proxy passed on. Without it a Host that is an IP address or `localhost` is believed, since no other site can make a browser
    send one of those; any other Host is not, and `local` is used.
    """

    public: str | None
    local: str

    def root(self, ask: Ask) -> str:
        """The address of the default index's root, ending in "/"."""
        if self.public is not None:
            return self.public.rstrip("/") + "/"
        if _is_plain(ask.host):
            return f"{'https' if ask.secure else 'http'}://{ask.host}/"
        return self.local.rstrip("/") + "/"


def _is_plain(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@attrs.define
class Routes:
    """The public side: `quick` and `handle` are what the skin calls."""

    default: str
    indexes: Mapping[str, IIndex]
    address: Address
    records: IRecords
    pages: Pages
    lists: Lists
    files: Files
    legacy: Legacy
    operations: Operations

    def quick(self, ask: Ask) -> Reply | None:
        """A ready answer to a request for a project page, without a coroutine; None for everything else."""
        if ask.method not in READING or ask.headers.first("via") is not None:
            return None
        match ask.segments:
            case ("simple", project, "") if project:
                return self.pages.quick(ask, self.default, project)
            case ("index", label, "simple", project, "") if project and label in self.indexes:
                return self.pages.quick(ask, label, project)
        return None

    async def handle(self, ask: Ask) -> Reply:
        """
        Any request.

        :raises Loop: the request came from this daemon itself, by way of others (L9).
        :raises PypidaemonError: as the index asked; the skin has the table.
        """
        if ask.method not in READING:
            return text(405, "only GET and HEAD are answered here", ask.id, (("Allow", ", ".join(READING)),))
        await self._check_loop(ask)
        match ask.segments:
            case ("index", label, *below) if label in self.indexes:
                return await self._of_index(ask, label, tuple(below), f"index/{label}/")
            case ("",) | ("+health",) | ("+ready",) | ("+metrics",):
                return await self.operations.handle(ask, self.address.root(ask))
        return await self._of_index(ask, self.default, ask.segments, "")

    async def _of_index(self, ask: Ask, index: str, below: tuple[str, ...], root: str) -> Reply:
        match below:
            case ("simple",):
                return moved(ask, "simple/")
            case ("simple", ""):
                return await self.lists.listing(ask, index)
            case ("simple", project) if project != "namespaces":  # PEP 752's own address, which must not lead to a project (R122)
                return await self.pages.page(ask, index, project, slash=False)
            case ("simple", project, ""):
                return await self.pages.page(ask, index, project, slash=True)
            case ("packages", *rest):
                try:
                    return await self.files.file(ask, index, tuple(rest))
                except Refused as error:
                    return failures.answer(error, ask.id, of_file=True)
            case ("pypi", _, "json", "") | ("pypi", _, _, "json", ""):
                return moved(ask, "../json")
            case ("pypi", project, "json") | (project, "json"):
                return await self.legacy.document(ask, index, project, None, self.address.root(ask) + root)
            case ("pypi", project, version, "json"):
                return await self.legacy.document(ask, index, project, version, self.address.root(ask) + root)
        raise NoSuchFile("/".join(below)[:200])

    async def _check_loop(self, ask: Ask) -> None:
        """RFC 9110 §7.6.3: whoever finds its own name in `Via` is asking itself."""
        passed = ask.headers.every("via")
        if passed and await self.records.identity() in ",".join(passed):
            raise Loop("this request came from here: two daemons have each other as upstream")
