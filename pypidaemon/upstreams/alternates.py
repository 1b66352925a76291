"""Others that stand in for an upstream while it cannot be asked: for its pages and its list, and for the bytes of files whose sha256 it has told (M18)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBody, IHealth, IPlaces, IProbed, IUpstream
from pypidaemon.model import AWAY, Digest, File, NormalizedName, NotModified, T, UpstreamNames, UpstreamPage, Validators
from pypidaemon.shelf import Shelf
from pypidaemon.upstreams.blame import Blame
from pypidaemon.upstreams.file_hosts import FileHosts
from pypidaemon.upstreams.health import Health
from pypidaemon.upstreams.line import Line
from pypidaemon.upstreams.places import Place, Places, unless_silent
from pypidaemon.whereabouts import OnePlace, beside

LASTS = 60.0
"""Seconds for which a page of another index is not asked for again."""
_ROOM = 4 << 20

log = Logger()


@attrs.frozen
class _Known:
    """What another index said of a project, and until when that will do; None is that it has none."""

    page: UpstreamPage | None
    until: float


@attrs.define(eq=False)
class Alternates:
    """
    Those that stand in for one upstream, in the order in which they are asked.

    :param upstream: the one that they stand in for.
    :param indexes: others that have its pages and link to its files, by their URLs.
    :param hosts: others that have its files alone, under the paths of their URLs below these.
    :param files: those that its files lie on, apart from itself.
    """

    upstream: IUpstream
    indexes: dict[str, IUpstream]
    hosts: dict[str, IUpstream]
    clock: IReactorTime
    files: FileHosts
    line: IHealth = attrs.field(init=False)
    knocks: Flights[str, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    asking: Flights[tuple[str, NormalizedName], UpstreamPage | None] = attrs.field(
        factory=lambda: Flights(quiet=(PypidaemonError,)), init=False
    )
    _pages: Shelf[tuple[str, NormalizedName], _Known] = attrs.field(factory=lambda: Shelf(_ROOM), init=False, repr=False)
    looked_after: FileHosts = attrs.field(init=False, repr=False)
    """The indexes, by their URLs: while answers are given that are ready, nobody else would find out that one of them is back (F40)."""
    heard: NormalizedName | None = attrs.field(default=None, init=False)
    """A project that was asked for: a name that may be heard by all."""
    _was_up: bool = attrs.field(default=True, init=False)
    _blamed: Blame = attrs.field(init=False, repr=False)
    _shared: WeakValueDictionary[tuple[str, str, str], Places] = attrs.field(factory=WeakValueDictionary, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        own = self.upstream.health
        own.listen(self._own_changed)
        self.line = Line((own, *(one.health for one in self.indexes.values()))) if self.indexes else own
        self._blamed = Blame(self.clock)
        self.looked_after = FileHosts(self.clock, self.upstream.patience, len(self.indexes), self._look)
        for url, index in self.indexes.items():
            if isinstance(index.health, Health):
                self.looked_after.adopt(url, index.health)
                self.looked_after.note(url, url)

    @property
    def lost(self) -> tuple[str, ...]:
        """As `IStandIns`."""
        if self.line.state in AWAY:
            return (self.upstream.label,)
        if any(one.health.state not in AWAY for one in (*self.indexes.values(), *self.hosts.values())):
            return ()
        return tuple(place for place, health in self.files.known.items() if health.state in AWAY)

    def reaches(self, file: File) -> bool:
        """As `IStandIns`."""
        return not self.lost or not (self.line.state in AWAY or self.upstream.health_of(file.url).state in AWAY)

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IStandIns`."""
        self.line.listen(listener)
        self.files.turned.add(listener)
        for host in self.hosts.values():
            host.health.listen(listener)

    async def stand_in(self, name: NormalizedName) -> UpstreamPage:
        """As `IStandIns`."""
        answered = False
        for url, index in self.indexes.items():
            if index.health.state != "up":
                self._knock(url, partial(_probe, index, name))
                continue
            try:
                page = await unless_silent(self._page(url, index, name), index.health, index.label)
            except UpstreamUnavailable:
                continue
            answered = True
            if page is not None:
                return page
        if answered:
            raise NoSuchProject(name)
        raise UpstreamUnavailable(self.upstream.label, self.upstream.health.cause or "nobody stands in for it", self.line.retry_after())

    async def stand_in_names(self, validators: Validators, take: Callable[[UpstreamNames | NotModified], Awaitable[T]]) -> T:
        """As `IStandIns`."""
        for url, index in self.indexes.items():
            if index.health.state != "up":
                if self.heard is not None:
                    self._knock(url, partial(_probe, index, self.heard))
                continue
            try:
                said = await unless_silent(index.fetch_names(validators), index.health, index.label)
                answer = await take(said)
            except UpstreamUnavailable:
                continue
            log.info("{label}: {index} stands in for the project list", label=self.upstream.label, index=index.label)
            return answer
        raise UpstreamUnavailable(self.upstream.label, self.upstream.health.cause or "nobody stands in for it", self.line.retry_after())

    def places(self, name: NormalizedName, file: File, suffix: str) -> IPlaces:
        """As `IStandIns`."""
        url = beside(file.url, suffix)
        digest = file.digest if not suffix else Digest(file.core_metadata) if file.core_metadata else None
        if digest is None or file.digest is None or not (self.indexes or self.hosts):
            return OnePlace(self.upstream, url)
        # Whoever wants the same bytes at the same time shares how far the asking has got.
        key = (file.digest, digest, url)
        places = self._shared.get(key)
        if places is None:
            found = [self._place(urlsplit(url).hostname or url, self.upstream, url)]
            path = urlsplit(url).path
            if not leads_up(path):
                found += [self._place(root, host, root.rstrip("/") + path) for root, host in self.hosts.items()]
            found += [self._by_page(where, index, name, file.digest, suffix) for where, index in self.indexes.items()]
            self._shared[key] = places = Places(self.upstream.label, digest, tuple(found), self._blamed)
        return places

    def _place(self, key: str, upstream: IUpstream, url: str) -> Place:
        health = partial(upstream.health_of, url)
        fetch = partial(upstream.fetch_body, url)
        return Place(key, fetch, health, lambda: self._knock(key, partial(_glimpse, fetch)))

    def _by_page(self, key: str, index: IUpstream, name: NormalizedName, digest: Digest, suffix: str) -> Place:
        """Where another index says that these bytes are. What it calls the file does not matter."""
        urls: list[str] = []

        def health() -> IHealth:
            return index.health_of(urls[0]) if urls else index.health

        async def ask(offset: int) -> IBody:
            page = await self._page(key, index, name)
            found = next((file.url for file in page.files if file.digest == digest), None) if page is not None else None
            if found is None:
                raise NoSuchFile(f"the file with sha256 {digest}")
            urls[:] = [beside(found, suffix)]
            return await index.fetch_body(urls[0], offset)

        return Place(key, ask, health, lambda: self._knock(key, partial(_probe, index, name)))

    async def _page(self, url: str, index: IUpstream, name: NormalizedName) -> UpstreamPage | None:
        known = self._pages.get((url, name))
        if known is not None and self.clock.seconds() < known.until <= self.clock.seconds() + LASTS:
            return known.page
        return await self.asking.join((url, name), partial(self._fetch_page, url, index, name))

    def moved(self) -> None:
        """As `IProbed`, for all of them."""
        for one in (*self.indexes.values(), *self.hosts.values()):
            IProbed(one).moved()
        self.looked_after.moved()

    def _own_changed(self) -> None:
        """A listener of the upstream's own health: where it has just fallen, whoever stands in may stand on the same line."""
        was_up, self._was_up = self._was_up, self.upstream.health.state == "up"
        if was_up and not self._was_up:
            for index in self.indexes.values():
                if isinstance(index.health, Health):
                    index.health.doubt()

    async def _look(self, url: str) -> None:
        if self.heard is not None:
            await IProbed(self.indexes[url]).probe(self.heard)

    async def _fetch_page(self, url: str, index: IUpstream, name: NormalizedName) -> UpstreamPage | None:
        self.heard = name
        page: UpstreamPage | None = None
        try:
            said = await index.fetch_page(name, Validators())
            assert isinstance(said, UpstreamPage)  # since nothing was asked to be confirmed
            page = said
        except NoSuchProject:
            # It may hold a part of the upstream, so that means nothing but that it does not help here.
            page = None
        self._pages.put((url, name), _Known(page, self.clock.seconds() + LASTS), 500 + 1000 * len(page.files if page is not None else ()))
        return page

    def _knock(self, key: str, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """See whether a place is back, if it is time for that, without anybody waiting for it."""
        self.knocks.start(key, ask)


def leads_up(path: str) -> bool:
    """Whether a path leads up somewhere, so that below the root of another host it might be anything there: the upstream chooses it (S48)."""
    return any(unquote(segment) in (".", "..") for segment in path.split("/"))


async def _probe(index: IUpstream, name: NormalizedName) -> None:
    if index.health.may_ask():
        await IProbed(index).probe(name)


async def _glimpse(fetch: Callable[[int], Awaitable[IBody]]) -> None:
    """Who is asked for a body says itself where it is not time."""
    (await fetch(0)).close()
