"""The public Python Package Index as an upstream: its address is known, so nothing needs to be configured."""

from __future__ import annotations

import random as randomness
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from distlib.index import DEFAULT_INDEX
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent
from zope.interface import implementer

from pypidaemon.interfaces import IBody, IDating, IHealth, IMeasured, IPlaces, IProbed, IRecords, ISourced, IStandIns, IUpstream, IWhole
from pypidaemon.model import Change, File, InThread, NormalizedName, NotModified, T, UpstreamNames, UpstreamPage, Validators
from pypidaemon.settings import Secret, duration, given, path, reference, setting, urls
from pypidaemon.upstreams.health import VOUCHES
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.routes import proxy_choice
from pypidaemon.upstreams.wording import FILE_MIRRORS, MIRRORS, SIGN_OF_LIFE


def public_index() -> str:
    """The URL of the public index's simple API: host as `distlib` knows it, always by https."""
    return f"https://{urlsplit(DEFAULT_INDEX).netloc}/simple/"


@implementer(IUpstream, IMeasured, IDating, ISourced, IProbed, IStandIns, IWhole)
@attrs.define(eq=False, slots=False, kw_only=True)
class PypiUpstream(Service):
    """
    The public index; keys as those of `http` that make sense for it.

    :raises ValueError: at construction, where `ca_file`, `file_mirrors`, `mirrors` or `proxy` cannot be used.
    """

    label: str = given("label")
    mirrors: tuple[str, ...] = setting(urls, default=(), help=MIRRORS)
    file_mirrors: tuple[str, ...] = setting(urls, default=(), help=FILE_MIRRORS)
    ca_file: Path | None = setting(path, default=None, help="certificates of authorities to trust besides the machine's own (PEM)")
    proxy: str | Secret = setting(proxy_choice, default="env", help="env (HTTP_PROXY and the like), none, or an HTTP proxy's URL")
    max_age: float = setting(
        duration, default=600.0, help="how long a page is fresh at most, and where the index does not say; 0s asks every time"
    )
    patience: float = setting(duration, default=2.0, help="how long clients wait before they get what is known")
    sign_of_life: float = setting(duration, default=VOUCHES, help=SIGN_OF_LIFE)
    clock: IReactorTime = given("clock")
    reactor: Any = given("reactor")
    cpu: InThread = given("cpu")
    records: IRecords = reference(IRecords, default="records", help="where this daemon's identity is kept")
    agent: IAgent | None = attrs.field(default=None, repr=False)
    limits: Limits = attrs.field(factory=Limits, repr=False)
    random: Callable[[], float] = attrs.field(default=randomness.random, repr=False)
    environ: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    _http: HttpUpstream = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._http = HttpUpstream(
            label=self.label,
            url=public_index(),
            mirrors=self.mirrors,
            file_mirrors=self.file_mirrors,
            ca_file=self.ca_file,
            proxy=self.proxy,
            max_age=self.max_age,
            patience=self.patience,
            sign_of_life=self.sign_of_life,
            clock=self.clock,
            reactor=self.reactor,
            cpu=self.cpu,
            records=self.records,
            agent=self.agent,
            limits=self.limits,
            random=self.random,
            environ=self.environ,
        )

    @property
    def url(self) -> str:
        """Where it is."""
        return self._http.url

    @property
    def source(self) -> str:
        """As `ISourced`."""
        return self._http.source

    @property
    def health(self) -> IHealth:
        """As `IUpstream`."""
        return self._http.health

    def health_of(self, url: str) -> IHealth:
        """As `IUpstream`."""
        return self._http.health_of(url)

    @property
    def line(self) -> IHealth:
        """As `IStandIns`."""
        return self._http.line

    @property
    def lost(self) -> tuple[str, ...]:
        """As `IStandIns`."""
        return self._http.lost

    def reaches(self, file: File) -> bool:
        """As `IStandIns`."""
        return self._http.reaches(file)

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IStandIns`."""
        self._http.listen(listener)

    @property
    def hosts(self) -> dict[str, IHealth]:
        """As `IStandIns`."""
        return self._http.hosts

    async def stand_in(self, name: NormalizedName) -> UpstreamPage:
        """As `IStandIns`."""
        return await self._http.stand_in(name)

    async def stand_in_names(self, validators: Validators, take: Callable[[UpstreamNames | NotModified], Awaitable[T]]) -> T:
        """As `IStandIns`."""
        return await self._http.stand_in_names(validators, take)

    def places(self, name: NormalizedName, file: File, suffix: str) -> IPlaces:
        """As `IStandIns`."""
        return self._http.places(name, file, suffix)

    async def probe(self, name: NormalizedName) -> None:
        """As `IProbed`."""
        await self._http.probe(name)

    def moved(self) -> None:
        """As `IProbed`."""
        self._http.moved()

    def measures(self) -> dict[str, float]:
        """As `IMeasured`."""
        return self._http.measures()

    def startService(self) -> None:
        """As `HttpUpstream`."""
        Service.startService(self)
        self._http.startService()

    def stopService(self) -> Deferred[None] | None:
        """As `HttpUpstream`."""
        Service.stopService(self)
        return self._http.stopService()

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        """As `IUpstream`."""
        return await self._http.fetch_names(validators)

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """As `IUpstream`."""
        return await self._http.fetch_page(name, validators)

    async def fetch_body(self, url: str, offset: int) -> IBody:
        """As `IUpstream`."""
        return await self._http.fetch_body(url, offset)

    async def fetch_whole(self, url: str, size: int) -> bytes | IBody:
        """As `IWhole`."""
        return await self._http.fetch_whole(url, size)

    async def last_modified(self, url: str) -> float | None:
        """As `IDating`."""
        return await self._http.last_modified(url)

    async def changes(self, since: int) -> list[Change] | None:
        """As `IUpstream`."""
        return await self._http.changes(since)
