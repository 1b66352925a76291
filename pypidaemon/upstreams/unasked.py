"""An upstream that is never asked, for looking at what is remembered of it."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.interfaces import IBody, IHealth, IUpstream
from pypidaemon.model import Change, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators


@implementer(IHealth)
@attrs.frozen
class Unasked:
    """The health of an upstream that must not be asked: down, for the reason given."""

    cause: str
    state: str = "down"
    since: float = 0.0

    def may_ask(self) -> bool:
        """No."""
        return False

    def retry_after(self) -> int:
        """As late as can be."""
        return 60

    async def doubted(self) -> None:
        """It is not up."""


@implementer(IUpstream)
@attrs.frozen
class UnaskedUpstream:
    """As an upstream that cannot be reached: whoever has something remembered of it goes on giving that."""

    label: str
    health: Unasked

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        """Nothing."""
        raise self._trouble()

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """Nothing."""
        raise self._trouble()

    async def fetch_body(self, url: str, offset: int) -> IBody:
        """Nothing."""
        raise self._trouble()

    async def changes(self, since: int) -> list[Change] | None:
        """Nothing."""
        raise self._trouble()

    def _trouble(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(self.label, self.health.cause, self.health.retry_after())
