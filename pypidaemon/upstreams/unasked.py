"""An upstream that is never asked: for looking at what is remembered of it, and for a daemon that is told to stay off line."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from zope.interface import implementer

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.interfaces import IBody, IHealth, IUpstream
from pypidaemon.model import Change, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators

OFFLINE = "this daemon is told to stay off line"
"""Why nobody is asked where `[daemon] offline` says so."""


@implementer(IHealth)
@attrs.frozen
class Unasked:
    """The health of an upstream that must not be asked: not up, for the reason given, for good."""

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

    def listen(self, listener: Callable[[], None]) -> None:
        """There is nothing to hear."""


@implementer(IUpstream)
@attrs.frozen
class UnaskedUpstream:
    """As an upstream that cannot be reached: whoever has something remembered of it goes on giving that."""

    label: str
    health: Unasked
    patience: float = 0.0

    def health_of(self, url: str) -> IHealth:
        """As that of the upstream."""
        return self.health

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
