"""The counts that the door keeps, and the way to all that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from pypidaemon.interfaces import IMeasured, IUpstream
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask

_ROUTES = {"simple": "simple", "packages": "file", "pypi": "legacy", "index": "index"}


@attrs.define(eq=False)
class Metrics:
    """Everything measured since the start. Its own counts are plain numbers, since each request adds to them."""

    upstreams: Mapping[str, IUpstream]
    spool: IMeasured
    answers: Answers
    content_type: str = attrs.field(default="text/plain; version=0.0.4; charset=utf-8", init=False)
    _requests: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)
    _sent: Counter[tuple[str]] = attrs.field(factory=Counter, init=False)

    def observe(self, ask: Ask, status: int, sent: int, seconds: float) -> None:
        """An observer of the skin: count one request."""
        route = _ROUTES.get(ask.segments[0], "other") if ask.segments else "refused"
        self._requests[route, str(status)] += 1
        self._sent[(route,)] += sent

    def expose(self) -> bytes:
        """All of it as Prometheus reads it."""
        from pypidaemon.web.exposition import Exposition

        return Exposition(self._requests, self._sent, self.upstreams, self.spool, self.answers).text()
