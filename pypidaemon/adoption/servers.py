"""A running server, reached by its URL: what it is, which parts it has, and one of these to be adopted from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import attrs
from zope.interface import implementer

from pypidaemon.adoption.beginning import Means, Order, WrongOrder
from pypidaemon.adoption.fetched import Fetching
from pypidaemon.adoption.found import Finding, Found, Role
from pypidaemon.adoption.origins import IOrigin
from pypidaemon.adoption.remote import SimpleOrigin
from pypidaemon.adoption.remote_devpi import Devpi, DevpiOrigin, reached
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IContent
from pypidaemon.settings import Secret, url
from pypidaemon.upstreams.documents import Documents
from pypidaemon.upstreams.http import AGENT, HttpUpstream
from pypidaemon.upstreams.origins import BadTarget, target


@attrs.frozen
class Address:
    """
    Where a server is and who we are to it.

    :param server: one of `beginning.REMOTE`; `simple` is any simple index.
    :raises ValueError: at construction: the URL cannot be used, in words that do not show it.
    """

    server: str
    url: str = attrs.field(converter=url)
    username: str | None = None
    password: Secret | None = attrs.field(default=None, repr=False)
    ca_file: Path | None = None

    def __attrs_post_init__(self) -> None:
        try:
            target(self.url)
        except BadTarget as error:
            raise ValueError(f"cannot be used: {error}") from None

    @property
    def label(self) -> str:
        """What the server is called in errors."""
        return target(self.url).place


@attrs.define(eq=False)
class Server:
    """A server by its address. Whoever has made one closes it."""

    address: Address
    means: Means
    _devpi: Devpi | None = None
    _documents: Documents | None = None
    _upstreams: list[HttpUpstream] = attrs.field(factory=list)

    async def parts(self) -> list[str]:
        """
        The parts of it that can be adopted from, of which one has to be chosen where there are several; none where it is all one.

        :raises PypidaemonError: it cannot be asked, or is no such server.
        """
        if self.address.server != "devpi":
            return []
        devpi = await self._reached()
        return [devpi.part] if devpi.part is not None else await devpi.stages()

    async def origin(self, part: str | None = None) -> IOrigin:
        """
        All of it, or that part.

        :raises PypidaemonError: as `parts`; or there are several parts and none is chosen, or one that it does not have.
        """
        if self.address.server != "devpi":
            upstream = self._upstream(_pages(self.address))
            return SimpleOrigin(upstream, self._fetching(upstream), self.means.cpu)
        devpi = await self._reached()
        known = await self.parts()
        if part is None and len(known) == 1:
            part = known[0]
        if part is None or part not in known:
            which = "say which index" if part is None else f"the server has no stage index {part[:200]}"
            raise PypidaemonError(f"{which}: --map USER/INDEX=LABEL (known: {' '.join(known[:50])})")
        upstream = self._upstream(f"{devpi.root}{part}/+simple/")
        return DevpiOrigin(devpi, part, self._fetching(upstream))

    async def close(self) -> None:
        """Close all connections to it."""
        for upstream in self._upstreams:
            closed = upstream.stopService()
            if closed is not None:
                await closed
        if self._documents is not None:
            await self._documents.close()

    async def _reached(self) -> Devpi:
        if self._devpi is None:
            address = self.address
            self._documents = Documents(
                label=address.label,
                server=target(address.url),
                fields={"User-Agent": AGENT},
                clock=self.means.clock,
                reactor=self.means.reactor,
                cpu=self.means.cpu,
                username=address.username,
                password=address.password,
                ca_file=address.ca_file,
            )
            self._devpi = await reached(self._documents, address.url, self.means.clock)
        return self._devpi

    def _upstream(self, place: str) -> HttpUpstream:
        address, means = self.address, self.means
        made = HttpUpstream(
            label=address.label,
            url=place,
            username=address.username,
            password=address.password,
            ca_file=address.ca_file,
            clock=means.clock,
            reactor=means.reactor,
            cpu=means.cpu,
            records=means.records,
        )
        made.startService()
        self._upstreams.append(made)
        return made

    def _fetching(self, upstream: HttpUpstream) -> Fetching:
        means = self.means
        return Fetching(upstream, means.blobs, means.data, means.allotments.mirrored.room, means.clock, means.disk)


@implementer(IOrigin)
@attrs.define(eq=False)
class RemoteOrigin:
    """
    A server that is asked for the first time when something is to be found there.

    :param part: which part of it, as of `Server.origin`.
    """

    server: Server
    part: str | None
    role: Role = Role.PRIVATE
    _origin: IOrigin | None = None

    async def findings(self) -> AsyncIterator[Finding]:
        """As `IOrigin`."""
        try:
            self._origin = await self.server.origin(self.part)
        except ValueError as error:
            # So the parts that ask say that the certificates cannot be used.
            raise PypidaemonError(str(error)) from error
        async for finding in self._origin.findings():
            yield finding

    async def open(self, found: Found) -> IContent:
        """As `IOrigin`."""
        assert self._origin is not None  # it has found something
        return await self._origin.open(found)

    async def close(self) -> None:
        """As `IOrigin`."""
        await self.server.close()


def remote(order: Order, means: Means) -> IOrigin:
    """
    The server that an order is about.

    :raises WrongOrder: its URL cannot be used, or a part of it was chosen and it has none.
    """
    more = order.more
    if "part" in more and order.layout != "devpi":
        raise WrongOrder(f"a server of the layout {order.layout} has no parts to choose from")
    password, ca_file = more.get("password"), more.get("ca-file")
    try:
        address = Address(
            order.layout,
            order.source,
            more.get("user"),
            None if password is None else Secret(password),
            None if ca_file is None else Path(ca_file),
        )
    except ValueError as error:
        words = str(error).replace("; use the keys username and password", ": say --user and --password-stdin")
        raise WrongOrder(f"the URL {words}") from None
    return RemoteOrigin(Server(address, means), more.get("part"))


def _pages(address: Address) -> str:
    """The URL of its pages: pypiserver has them below `simple/`, and people name its root."""
    if address.server == "pypiserver" and urlsplit(address.url).path.rstrip("/").rpartition("/")[2] != "simple":
        return address.url.rstrip("/") + "/simple/"
    return address.url
