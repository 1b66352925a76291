"""Reserved names, which no upstream ever hears of (law 3): dependency confusion ends here, whatever the stores hold."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from zope.interface import implementer

from pypidaemon.errors import NoSuchProject
from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IBody, IDating, IHealth, IMeasured, IUpstream
from pypidaemon.model import Change, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators


@implementer(IUpstream, IMeasured, IDating)
@attrs.frozen(eq=False)
class Guarded:
    """
    An upstream that denies having the reserved names without being asked for them.

    Bytes pass, since their URLs come from pages that have passed. So does the project list, which has to be asked for as a whole;
    whoever reads it leaves out what `hides` says.

    :param reserved: globs on normalised names, as `pypidaemon.globs.globs` reads them.
    """

    upstream: IUpstream
    reserved: tuple[str, ...]

    @property
    def label(self) -> str:
        """As `IUpstream`."""
        return self.upstream.label

    @property
    def health(self) -> IHealth:
        """As `IUpstream`."""
        return self.upstream.health

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: what the upstream counts, if it does."""
        return self.upstream.measures() if IMeasured.providedBy(self.upstream) else {}

    def hides(self, name: NormalizedName) -> bool:
        """Whether that name is reserved."""
        return matches_any(name, self.reserved) is not None

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        """As `IUpstream`."""
        return await self.upstream.fetch_names(validators)

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """As `IUpstream`; a reserved name is absent, without a request."""
        if self.hides(name):
            raise NoSuchProject(name)
        return await self.upstream.fetch_page(name, validators)

    async def fetch_body(self, url: str, offset: int) -> IBody:
        """As `IUpstream`."""
        return await self.upstream.fetch_body(url, offset)

    async def last_modified(self, url: str) -> float | None:
        """As `IDating`; None where the upstream has no such question."""
        return await self.upstream.last_modified(url) if IDating.providedBy(self.upstream) else None

    async def changes(self, since: int) -> list[Change] | None:
        """As `IUpstream`, without the reserved names."""
        rows = await self.upstream.changes(since)
        return None if rows is None else [row for row in rows if not self.hides(row.name)]
