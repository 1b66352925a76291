"""Where the bytes behind an entry of an upstream's page are to be had: at its URL, and where their sha256 is known, wherever else the upstream knows of."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import attrs
from zope.interface import implementer

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.interfaces import IBody, IPlaces, IStandIns, IUpstream, IWhole
from pypidaemon.model import Digest, File, NormalizedName


@implementer(IPlaces)
@attrs.frozen
class OnePlace:
    """The one URL that there is."""

    upstream: IUpstream
    url: str
    several: bool = attrs.field(default=False, init=False)

    async def fetch(self, offset: int) -> IBody:
        """As `IPlaces`."""
        return await self.upstream.fetch_body(self.url, offset)

    async def whole(self, size: int) -> bytes | IBody:
        """As `IWhole.fetch_whole`; a body where the upstream has no such way."""
        if IWhole.providedBy(self.upstream):
            return await IWhole(self.upstream).fetch_whole(self.url, size)
        return await self.upstream.fetch_body(self.url, 0)

    async def doubted(self) -> UpstreamUnavailable:
        """As `IPlaces`: when who has the bytes behind the URL is not up."""
        health = self.upstream.health_of(self.url)
        await health.doubted()
        return UpstreamUnavailable(self.upstream.label, health.cause, health.retry_after())

    def blame(self) -> bool:
        """As `IPlaces`: there is no other."""
        return False


def beside(url: str, suffix: str) -> str:
    """The URL of what lies beside a file, under its name and that suffix."""
    if not suffix:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path + suffix))


def whereabouts(upstream: IUpstream, name: NormalizedName, file: File, digest: Digest | None, suffix: str = "") -> IPlaces:
    """
    The places to ask for a file of that project, or for what lies beside it.

    :param digest: the sha256 that the page promises of what is asked for. Bytes of which nothing is promised are had from the URL on the page alone: from
        anywhere else they would be anything (M18).
    """
    if digest is not None and file.digest is not None and IStandIns.providedBy(upstream):
        return IStandIns(upstream).places(name, file, suffix)
    return OnePlace(upstream, beside(file.url, suffix))
