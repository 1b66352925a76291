"""Any index that speaks the simple API, as an upstream."""

from __future__ import annotations

import random as randomness
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from twisted.application.service import Service
from twisted.copyright import version
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from pypidaemon import __version__, passage
from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.flights import landing
from pypidaemon.interfaces import IBody, IDating, IHealth, IMeasured, IPlaces, IProbed, IRecords, ISourced, IStandIns, IUpstream, IWhole
from pypidaemon.model import Change, File, InThread, NormalizedName, NotModified, T, UpstreamNames, UpstreamPage, Validators
from pypidaemon.settings import Secret, duration, given, path, reference, secret, setting, text, urls
from pypidaemon.settings import url as url_setting
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.reading import read_page
from pypidaemon.upstreams import headers
from pypidaemon.upstreams.agent import Outbound, outbound
from pypidaemon.upstreams.alternates import Alternates
from pypidaemon.upstreams.bodies import Bodies
from pypidaemon.upstreams.dating import Dating
from pypidaemon.upstreams.exchange import Answer, Exchange
from pypidaemon.upstreams.health import VOUCHES, Health
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.origins import BadTarget, Target, as_folder, check_page, configured, target
from pypidaemon.upstreams.pages import Tally, ask, collect
from pypidaemon.upstreams.routes import login, proxy_choice
from pypidaemon.upstreams.wording import FILE_MIRRORS, MIRRORS, SIGN_OF_LIFE

if TYPE_CHECKING:
    from pypidaemon.upstreams.changelog import Changelog

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""PEP 691: JSON where there is JSON, else whatever there is."""
SHORT = 50
"""Files on a page that is short enough to be asked for again and again."""
AGENT = f"pypidaemon/{__version__} (Twisted/{version})"


@implementer(IUpstream, IMeasured, IDating, ISourced, IProbed, IStandIns, IWhole)
@attrs.define(eq=False, slots=False, kw_only=True)
class HttpUpstream(Service):
    """
    An index at a URL; JSON or HTML, with or without hashes. A service, so that its connections are closed at the end.

    :raises ValueError: at construction, where `ca_file`, `changelog`, `file_mirrors`, `mirrors`, `proxy` or `url` cannot be used.
    """

    label: str = given("label")
    url: str = attrs.field(
        converter=as_folder,
        metadata=setting(url_setting, help="the index's URL, which ends in /simple/ with most servers").metadata,
    )
    mirrors: tuple[str, ...] = setting(urls, default=(), help=MIRRORS)
    file_mirrors: tuple[str, ...] = setting(urls, default=(), help=FILE_MIRRORS)
    username: str | None = setting(text, default=None, help="who we are to the index's own host")
    password: Secret | None = setting(secret, default=None, help="the password or token, as env:NAME or file:PATH")
    ca_file: Path | None = setting(path, default=None, help="certificates of authorities to trust besides the machine's own (PEM)")
    proxy: str | Secret = setting(proxy_choice, default="env", help="env (HTTP_PROXY and the like), none, or an HTTP proxy's URL")
    changelog: str | None = setting(
        url_setting, default=None, help="the URL of its XML-RPC interface, to ask there what changed; for indexes whose list has no serials"
    )
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
    health: Health = attrs.field(init=False)
    bytes_in: int = attrs.field(default=0, init=False, on_setattr=attrs.setters.NO_OP)
    _landmark: tuple[NormalizedName, Validators] | None = attrs.field(default=None, init=False, repr=False)
    """A page that was here, to be asked for again where it only matters whether the upstream answers."""
    _index: Target = attrs.field(init=False)
    _exchange: Exchange = attrs.field(init=False, repr=False)
    _dating: Dating = attrs.field(init=False, repr=False)
    _changelog: Changelog | None = attrs.field(default=None, init=False, repr=False)
    _out: IAgent = attrs.field(init=False, repr=False)
    _own: Outbound | None = attrs.field(default=None, init=False, repr=False)
    _beside: dict[str, HttpUpstream] = attrs.field(init=False, repr=False)
    _alternates: Alternates = attrs.field(init=False, repr=False)
    _mark: str | None = attrs.field(default=None, init=False)
    _pages: DeferredSemaphore = attrs.field(init=False, repr=False)
    _bodies: Bodies = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._index = configured("url", self.url)
        endpoint = None if self.changelog is None else configured("changelog", self.changelog)
        self.health = Health(self.clock, self.random, self.label, self.sign_of_life)
        authorization = login(self.username, self.password)
        self._exchange = Exchange(
            self.label, self._index, self.clock, self.limits, self.health, self.patience, authorization, self._glimpse
        )
        self._pages = DeferredSemaphore(self.limits.pages_at_once)
        self._bodies = Bodies(self._index, self._exchange, self._fields, self._send, self._count)
        if self.agent is not None:
            self._out = self.agent
        else:
            self._out = self._own = outbound(
                self.reactor,
                trusted_hosts=frozenset([self._index.host] if endpoint is None else [self._index.host, endpoint.host]),
                own_port=self._index.port,
                ca_file=self.ca_file,
                proxy=self.proxy,
                connect_timeout=self.limits.connect,
                pool_size=self.limits.pages_at_once,
                environ=self.environ,
            )
            self._bodies.small, self._exchange.forget = self._own.small, self._own.forget
        of_dates = attrs.evolve(self._exchange, health=Health(self.clock, self.random), glimpse=None)
        self._dating = Dating(self._index, of_dates, self.health, self._out, self._fields)
        if endpoint is not None:
            # It brings a reader of XML along, which few have a use for.
            from pypidaemon.upstreams.changelog import LARGEST, Changelog

            of_changes = attrs.evolve(
                of_dates,
                health=Health(self.clock, self.random),
                limits=attrs.evolve(self.limits, page_size=min(self.limits.page_size, LARGEST)),
            )
            self._changelog = Changelog(endpoint, of_changes, self._out, self._fields, self.cpu, self.reactor, self._count)
        indexes = {as_folder(url): self._other("mirrors", as_folder(url)) for url in self.mirrors}
        hosts = {as_folder(url): self._other("file-mirrors", as_folder(url)) for url in self.file_mirrors}
        self._beside = {**hosts, **indexes}
        self._alternates = Alternates(self, dict(indexes), dict(hosts), self.clock, self._exchange.elsewhere)

    def _other(self, key: str, url: str) -> HttpUpstream:
        """One that stands in for this one. It is nobody's business who we are here, so it gets no credentials (S50)."""
        there = configured(key, url)
        if there.url == self._index.url:
            raise ValueError(f"{key}: names the index itself")
        alone: dict[str, Any] = {"mirrors": (), "file_mirrors": (), "changelog": None, "username": None, "password": None}
        return attrs.evolve(self, label=f"{self.label} ({there.host})", url=url, **alone)

    @property
    def line(self) -> IHealth:
        """As `IStandIns`."""
        return self._alternates.line

    @property
    def lost(self) -> tuple[str, ...]:
        """As `IStandIns`."""
        return self._alternates.lost

    def reaches(self, file: File) -> bool:
        """As `IStandIns`."""
        return self._alternates.reaches(file)

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IStandIns`."""
        self._alternates.listen(listener)

    @property
    def hosts(self) -> dict[str, IHealth]:
        """As `IStandIns`."""
        found: dict[str, IHealth] = {}
        for one in (*reversed(self._beside.values()), self):
            found.update(one._exchange.hosts)
        return found

    async def _glimpse(self, url: str) -> None:
        await self._bodies.glimpse(url)

    async def stand_in(self, name: NormalizedName) -> UpstreamPage:
        """As `IStandIns`."""
        return await self._alternates.stand_in(name)

    async def stand_in_names(self, validators: Validators, take: Callable[[UpstreamNames | NotModified], Awaitable[T]]) -> T:
        """As `IStandIns`."""
        return await self._alternates.stand_in_names(validators, take)

    def places(self, name: NormalizedName, file: File, suffix: str) -> IPlaces:
        """As `IStandIns`."""
        return self._alternates.places(name, file, suffix)

    @property
    def requests(self) -> int:
        """How many requests were sent, redirects included."""
        return sum(exchange.requests for exchange in self._exchanges)

    @property
    def failures(self) -> int:
        """How many questions came to nothing."""
        return sum(exchange.failures for exchange in self._exchanges)

    @property
    def _exchanges(self) -> tuple[Exchange, ...]:
        own = (self._exchange, self._dating.exchange)
        return own if self._changelog is None else (*own, self._changelog.exchange)

    def measures(self) -> dict[str, float]:
        """As `IMeasured`."""
        return {"requests": self.requests, "failures": self.failures, "bytes_in": self.bytes_in}

    def startService(self) -> None:
        """Look after the hosts of files, and after those that stand in, from now on."""
        Service.startService(self)
        for hosts in (self._alternates.looked_after, *(one._exchange.elsewhere for one in (self, *self._beside.values()))):
            hosts.begin()

    def stopService(self) -> Deferred[None]:
        """Close the connections that are kept; fires when they are closed."""
        Service.stopService(self)
        self._exchange.elsewhere.end()
        self._alternates.looked_after.end()
        return Deferred.fromCoroutine(self._end(self._own))

    def moved(self) -> None:
        """As `IProbed`."""
        if self._own is not None:
            self._own.moved()
        self.health.moved()
        self._exchange.elsewhere.moved()
        self._alternates.moved()

    async def _end(self, own: Outbound | None) -> None:
        await landing(self._alternates.knocks, self._alternates.asking, self._alternates.looked_after.looks, self._exchange.elsewhere.looks)
        for other in self._beside.values():
            await other.stopService()
        if own is not None:
            await own.close()

    def health_of(self, url: str) -> IHealth:
        """As `IUpstream`; a URL that must not be asked is nobody's, so the upstream's own stands for it."""
        try:
            return self._exchange.health_at(target(url))
        except BadTarget:
            return self.health

    async def probe(self, name: NormalizedName) -> None:
        """
        As `IProbed`: by a page that is known here, which costs an answer without a body; where that page alone is broken, by the other name.

        A page proves more than any answer of the root would, since a portal answers everything.
        """
        if self._landmark is not None:
            stumbles = self.health.stumbles
            if await self._answers(*self._landmark) or self.health.stumbles == stumbles:
                return
            self._landmark = None
        await self._answers(name, Validators())

    async def _answers(self, name: NormalizedName, validators: Validators) -> bool:
        """Whether a question for that page has an answer that makes sense; it needs no place, since those may be held by pages that hang (F40)."""
        try:
            await self._page(name, validators)
        except NoSuchProject:
            return True
        except UpstreamUnavailable:
            return False
        return True

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """As `IUpstream`."""
        await self._pages.acquire()
        try:
            return await self._page(name, validators)
        finally:
            self._pages.release()

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        """As `IUpstream`."""
        fields = {**await self._fields(), "Accept": ACCEPT, "Accept-Encoding": "gzip", **headers.conditions(validators, self._index.url)}
        last = await self._last_serial()
        leave = await self._bodies.enter()
        try:
            answer = await self._exchange.ask(self._index, fields, self._send, self._check_page)
            response = answer.response
            if response.code == 304:
                leave()
                return self._unchanged(answer, validators)
            if response.code != 200:
                raise self._exchange.refuse(answer)
            encoded = headers.coding(response)
            if encoded not in ("", "gzip"):
                self._exchange.discard(answer)
                raise self._exchange.stumble(answer, "its project list comes in a coding that nobody asked for")
            body = self._bodies.begun(answer, 0, headers.length(response), leave)
        except BaseException:
            leave()
            raise
        return UpstreamNames(
            body=body,
            content_type=(headers.header(response, "Content-Type") or "").partition(";")[0].strip().lower(),
            coding=encoded,
            validators=headers.validators(response, self._index.url),
            max_age=headers.lifetime(response, self.max_age),
            serial=last if (said := headers.serial(response)) is None else said,
        )

    async def fetch_body(self, url: str, offset: int) -> IBody:
        """As `IUpstream`."""
        return await self._bodies.fetch(url, offset)

    async def fetch_whole(self, url: str, size: int) -> bytes | IBody:
        """As `IWhole`."""
        return await self._bodies.fetch_whole(url, size)

    @property
    def source(self) -> str:
        """As `ISourced`."""
        return self._index.url

    async def last_modified(self, url: str) -> float | None:
        """As `IDating`."""
        return await self._dating.last_modified(url)

    async def changes(self, since: int) -> list[Change] | None:
        """As `IUpstream`: the simple API has no such question, so None unless there is a `changelog`."""
        return None if self._changelog is None else await self._changelog.changes(since)

    async def _page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        tally = Tally(self._out)
        fields = {**await self._fields(), "Accept": ACCEPT, "Accept-Encoding": "gzip", **headers.conditions(validators, self._index.url)}
        began = self.clock.seconds()

        async def send(url: str, sent: Headers) -> IResponse:
            return await ask(tally, url, sent, self.reactor)

        answer = await self._exchange.ask(target(f"{self._index.url}{name}/"), fields, send, self._check_page)
        response = answer.response
        if self._exchange.absent(answer):
            raise NoSuchProject(name)
        if response.code == 304:
            return self._unchanged(answer, validators)
        if response.code != 200:
            raise self._exchange.refuse(answer)
        try:
            body = await collect(self._exchange, answer, tally, began + self.limits.page)
        finally:
            self._count(tally.raw)
        content_type = headers.header(response, "Content-Type") or ""
        try:
            if len(body) < self.limits.thread_from:
                page = read_page(body, content_type, answer.target.url, name)
            else:
                page = await self.cpu(read_page, body, content_type, answer.target.url, name)
        except Unreadable as error:
            raise self._exchange.stumble(answer, f"its page cannot be read: {error}") from error
        self._exchange.alive(answer)
        self._alternates.heard = name
        serial, known = headers.serial(response), headers.validators(response, self._index.url)
        if known != Validators() and (self._landmark is None or len(page.files) <= SHORT):
            self._landmark = (name, known)
        return attrs.evolve(
            page,
            serial=page.serial if serial is None else serial,
            validators=known,
            max_age=headers.lifetime(response, self.max_age),
        )

    def _unchanged(self, answer: Answer, validators: Validators) -> NotModified:
        self._exchange.discard(answer)
        if not headers.conditions(validators, self._index.url):
            raise self._exchange.stumble(answer, "it confirms what nobody asked it to confirm")
        self._exchange.alive(answer)
        return NotModified(max_age=headers.lifetime(answer.response, self.max_age), serial=headers.serial(answer.response))

    async def _last_serial(self) -> int | None:
        """
        The serial from which a list that has none can be followed by its changelog: asked first, so that nothing is missed in between.

        Where it cannot be had, the list is as good without.
        """
        try:
            return None if self._changelog is None else await self._changelog.last()
        except UpstreamUnavailable:
            return None

    def _count(self, size: int) -> None:
        self.bytes_in += size

    async def _fields(self) -> dict[str, str]:
        if self._mark is None:
            self._mark = f"pypidaemon-{await self.records.identity()}"
        return {"User-Agent": AGENT, "Via": passage.via(self._mark)}

    def _send(self, url: str, sent: Headers) -> Awaitable[IResponse]:
        asking: Awaitable[IResponse] = self._out.request(b"GET", url.encode("ascii"), sent, None)
        return asking

    def _check_page(self, there: Target) -> None:
        check_page(self._index, there)
