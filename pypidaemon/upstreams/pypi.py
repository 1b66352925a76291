"""The public Python Package Index as an upstream: its address is known, so nothing needs to be configured."""

from __future__ import annotations

import random as randomness
from collections.abc import Callable, Mapping
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

from pypidaemon.interfaces import IBody, IDating, IHealth, IMeasured, IRecords, IUpstream
from pypidaemon.model import Change, InThread, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators
from pypidaemon.settings import Secret, duration, given, path, reference, setting
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.routes import proxy_choice


def public_index() -> str:
    """The URL of the public index's simple API: host as `distlib` knows it, always by https."""
    return f"https://{urlsplit(DEFAULT_INDEX).netloc}/simple/"


@implementer(IUpstream, IMeasured, IDating)
@attrs.define(eq=False, slots=False, kw_only=True)
class PypiUpstream(Service):
    """
    The public index; keys as those of `http` that make sense for it.

    :raises ValueError: at construction, where `ca_file` or `proxy` cannot be used.
    """

    label: str = given("label")
    ca_file: Path | None = setting(path, default=None, help="certificates of authorities to trust besides the machine's own (PEM)")
    proxy: str | Secret = setting(proxy_choice, default="env", help="env (HTTP_PROXY and the like), none, or an HTTP proxy's URL")
    max_age: float = setting(duration, default=600.0, help="how long a page is fresh at most, and where the index does not say")
    patience: float = setting(duration, default=2.0, help="how long clients wait before they get what is known")
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
            ca_file=self.ca_file,
            proxy=self.proxy,
            max_age=self.max_age,
            patience=self.patience,
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
    def health(self) -> IHealth:
        """As `IUpstream`."""
        return self._http.health

    def measures(self) -> dict[str, float]:
        """As `IMeasured`."""
        return self._http.measures()

    def startService(self) -> None:
        """As `HttpUpstream`."""
        Service.startService(self)
        Service.startService(self._http)

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

    async def last_modified(self, url: str) -> float | None:
        """As `IDating`."""
        return await self._http.last_modified(url)

    async def changes(self, since: int) -> list[Change] | None:
        """As `IUpstream`."""
        return await self._http.changes(since)
