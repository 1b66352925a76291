"""
What stands before every upstream: reserved names, which none ever hears of (law 3), and the switch that keeps a daemon off line.

Dependency confusion ends here, whatever the stores hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
from zope.interface import implementer

from pypidaemon.errors import NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IBody, IDating, IHealth, IMeasured, IPlaces, IProbed, ISourced, IStandIns, IUpstream, IWhole
from pypidaemon.model import AWAY, Change, File, NormalizedName, NotModified, T, UpstreamNames, UpstreamPage, Validators
from pypidaemon.upstreams.strangers import Strangers
from pypidaemon.upstreams.unasked import Unasked
from pypidaemon.whereabouts import OnePlace, beside

HARMLESS = tuple(map(NormalizedName, ("pypidaemon", "pip", "setuptools", *"0abcdefghijklmnopqrstuvwxyz")))
"""Names that an upstream may hear when it is only asked whether it answers; the first one that is not reserved."""


@implementer(IUpstream, IMeasured, IDating, ISourced, IProbed, IStandIns, IWhole)
@attrs.frozen(eq=False)
class Guarded:
    """
    An upstream that denies having the reserved names without being asked for them.

    Bytes pass, since their URLs come from pages that have passed. So does the project list, which has to be asked for as a whole;
    whoever reads it leaves out what `hides` says.

    :param reserved: globs on normalised names, as `pypidaemon.globs.globs` reads them.
    :param strangers: bounds the questions about names that nothing is known of here (F52).
    :param offline: what stands in for its health while nothing at all may be asked of it; None lets it be asked.
    """

    upstream: IUpstream
    reserved: tuple[str, ...]
    offline: Unasked | None = None
    strangers: Strangers | None = None

    @property
    def label(self) -> str:
        """As `IUpstream`."""
        return self.upstream.label

    @property
    def health(self) -> IHealth:
        """As `IUpstream`."""
        return self.offline or self.upstream.health

    @property
    def patience(self) -> float:
        """As `IUpstream`."""
        return self.upstream.patience

    def health_of(self, url: str) -> IHealth:
        """As `IUpstream`."""
        return self.offline or self.upstream.health_of(url)

    @property
    def line(self) -> IHealth:
        """As `IStandIns`; the upstream's own where nobody stands in."""
        if self.offline is not None:
            return self.offline
        return IStandIns(self.upstream).line if IStandIns.providedBy(self.upstream) else self.upstream.health

    @property
    def lost(self) -> tuple[str, ...]:
        """As `IStandIns`; of one that does not say, itself while it is down."""
        if self.offline is None and IStandIns.providedBy(self.upstream):
            found: tuple[str, ...] = IStandIns(self.upstream).lost
            return found
        return (self.label,) if self.health.state in AWAY else ()

    def reaches(self, file: File) -> bool:
        """As `IStandIns`."""
        if self.offline is None and IStandIns.providedBy(self.upstream):
            return IStandIns(self.upstream).reaches(file)
        return not self.lost

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IStandIns`."""
        if self.offline is None and IStandIns.providedBy(self.upstream):
            IStandIns(self.upstream).listen(listener)
        else:
            self.health.listen(listener)

    @property
    def hosts(self) -> Mapping[str, IHealth]:
        """As `IStandIns`; none where the upstream does not say."""
        return IStandIns(self.upstream).hosts if IStandIns.providedBy(self.upstream) else {}

    async def stand_in(self, name: NormalizedName) -> UpstreamPage:
        """As `IStandIns`; nobody hears of a reserved name."""
        if self.hides(name):
            raise NoSuchProject(name)
        self._insist()
        if not IStandIns.providedBy(self.upstream):
            raise self._alone()
        stand_in = IStandIns(self.upstream).stand_in
        return await (stand_in(name) if self.strangers is None else self.strangers.ask(lambda: stand_in(name)))

    async def stand_in_names(self, validators: Validators, take: Callable[[UpstreamNames | NotModified], Awaitable[T]]) -> T:
        """As `IStandIns`; whoever reads it leaves out what `hides` says."""
        self._insist()
        if not IStandIns.providedBy(self.upstream):
            raise self._alone()
        return await IStandIns(self.upstream).stand_in_names(validators, take)

    def places(self, name: NormalizedName, file: File, suffix: str) -> IPlaces:
        """As `IStandIns`."""
        if self.offline is None and IStandIns.providedBy(self.upstream):
            return IStandIns(self.upstream).places(name, file, suffix)
        return OnePlace(self, beside(file.url, suffix))

    @property
    def source(self) -> str:
        """As `ISourced`; empty where the upstream does not say it."""
        return self.upstream.source if ISourced.providedBy(self.upstream) else ""

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: what the upstream counts, if it does, and what was not asked."""
        counted = self.upstream.measures() if IMeasured.providedBy(self.upstream) else {}
        return counted if self.strangers is None else {**counted, "strangers_refused": self.strangers.refused}

    def hides(self, name: NormalizedName) -> bool:
        """Whether that name is reserved."""
        return matches_any(name, self.reserved) is not None

    def moved(self) -> None:
        """As `IProbed`."""
        if self.offline is None and IProbed.providedBy(self.upstream):
            self.upstream.moved()

    async def probe(self, name: NormalizedName) -> None:
        """As `IProbed`, for a name that is not reserved; of an upstream that cannot be probed the page of that name is asked for."""
        allowed = next((one for one in (name, *HARMLESS) if not self.hides(one)), None)
        if allowed is None or self.offline is not None:
            return
        if IProbed.providedBy(self.upstream):
            await self.upstream.probe(allowed)
            return
        try:
            await self.upstream.fetch_page(allowed, Validators())
        except PypidaemonError:
            # Whatever it was, its health was told.
            return

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        """As `IUpstream`."""
        self._insist()
        return await self.upstream.fetch_names(validators)

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """As `IUpstream`; a reserved name is absent, without a request."""
        if self.hides(name):
            raise NoSuchProject(name)
        self._insist()
        if self.strangers is not None and validators == Validators():
            return await self.strangers.ask(lambda: self.upstream.fetch_page(name, validators))
        return await self.upstream.fetch_page(name, validators)

    async def fetch_body(self, url: str, offset: int) -> IBody:
        """As `IUpstream`."""
        self._insist()
        return await self.upstream.fetch_body(url, offset)

    async def fetch_whole(self, url: str, size: int) -> bytes | IBody:
        """As `IWhole`; a body where the upstream has no such way."""
        self._insist()
        if IWhole.providedBy(self.upstream):
            return await IWhole(self.upstream).fetch_whole(url, size)
        return await self.upstream.fetch_body(url, 0)

    async def last_modified(self, url: str) -> float | None:
        """As `IDating`; None where the upstream has no such question."""
        self._insist()
        return await self.upstream.last_modified(url) if IDating.providedBy(self.upstream) else None

    async def changes(self, since: int) -> list[Change] | None:
        """As `IUpstream`, without the reserved names."""
        self._insist()
        rows = await self.upstream.changes(since)
        return None if rows is None else [row for row in rows if not self.hides(row.name)]

    def _alone(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(self.label, self.upstream.health.cause or "nobody stands in for it", self.upstream.health.retry_after())

    def _insist(self) -> None:
        """
        :raises UpstreamUnavailable: it must not be asked.
        """
        if self.offline is not None:
            raise UpstreamUnavailable(self.label, self.offline.cause, self.offline.retry_after())
