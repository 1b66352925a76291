"""The counts that the door keeps, and the way to all that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from pypidaemon.interfaces import IMeasured, IReading, IUpstream
from pypidaemon.traffic import Traffic
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.places import Places
from pypidaemon.web.uploads import concerned

_ROUTES = {"simple": "simple", "packages": "file", "pypi": "legacy", "index": "index", "at": "at"}
_CALLS = (("pypi",), ("RPC2",))
_FILES = frozenset({"file", "index-file"})


@attrs.define(eq=False)
class Tally:
    """The requests of one kind that were answered with one status, and the bytes of bodies sent for them; who knows it adds to it without a look-up."""

    requests: int = 0
    sent: int = 0


@attrs.define(eq=False)
class Metrics:
    """Everything measured since the start. Its own counts are plain numbers, since each request adds to them."""

    upstreams: Mapping[str, IUpstream]
    spool: IMeasured
    answers: Answers
    attestations: IMeasured | None = None
    mirrorings: Mapping[str, object] = MappingProxyType({})
    janitors: Mapping[str, IMeasured] = MappingProxyType({})
    disk: IMeasured | None = None
    policies: Mapping[str, IReading] = MappingProxyType({})
    log: IMeasured | None = None
    proxies: Mapping[str, IMeasured] = MappingProxyType({})
    workers: IMeasured | None = None
    pushings: Mapping[str, object] = MappingProxyType({})
    content_type: str = attrs.field(default="text/plain; version=0.0.4; charset=utf-8", init=False)
    places: Callable[[], Places | None] = attrs.field(default=lambda: None, init=False)
    """The connections of the site that this belongs to; set once there is one."""
    rates: IMeasured | None = attrs.field(default=None, init=False)
    """What counts the requests of each address, where that is done."""
    _tallies: dict[tuple[str, str], Tally] = attrs.field(factory=dict, init=False)
    """By route and status."""
    _waited: Tally = attrs.field(factory=Tally, init=False)
    """Files that had to be fetched before they could be given out."""

    def observe(self, ask: Ask, status: int, sent: int, seconds: float) -> None:
        """An observer of the skin: count one request."""
        tally = self.tally(ask, status)
        tally.requests += 1
        tally.sent += sent

    def tally(self, ask: Ask, status: int) -> Tally:
        """Where such an answer is counted."""
        return self._tallies.setdefault((_route(ask), str(status)), Tally())

    @property
    def requests(self) -> Mapping[tuple[str, str], int]:
        """Answers counted, by route and status."""
        return {labels: tally.requests for labels, tally in self._tallies.items() if tally.requests}

    @property
    def sent(self) -> Mapping[tuple[str], int]:
        """Bytes of bodies counted, by route."""
        sent: Counter[tuple[str]] = Counter()
        for (route, _), tally in self._tallies.items():
            if tally.requests:
                sent[(route,)] += tally.sent
        return sent

    def waited(self) -> None:
        """Count a file that comes from an upstream while it is given out."""
        self._waited.requests += 1

    def traffic(self) -> Traffic:
        """What was given out and fetched since the start."""
        given = [(tally, status) for (route, status), tally in self._tallies.items() if route in _FILES]
        files = sum(tally.requests for tally, status in given if status in {"200", "206"})
        counts = self.spool.measures()
        return Traffic(files, self._waited.requests, sum(tally.sent for tally, _ in given), int(counts.get("bytes_in", 0)))

    def go_on_from(self, other: Metrics) -> None:
        """Count requests on from what that one has counted, and together with it from now on."""
        self._tallies, self._waited = other._tallies, other._waited

    def expose(self, replaced: Mapping[str, int] = MappingProxyType({})) -> bytes:
        """
        All of it as Prometheus reads it.

        :param replaced: how many files upstream has replaced, by index.
        """
        from pypidaemon.web.exposition import Exposition

        exposition = Exposition(
            self.requests,
            self.sent,
            self.upstreams,
            self.spool,
            self.answers,
            self.attestations,
            self.mirrorings,
            self.janitors,
            self.places(),
            self.disk,
            self.policies,
            self.log,
            replaced=replaced,
            proxies=self.proxies,
            rates=self.rates,
            workers=self.workers,
            pushings=self.pushings,
        )
        return exposition.text()


def _route(ask: Ask) -> str:
    """Which kind of address was asked; what is posted is told apart by what it is, since uploads and calls come to addresses of other things too."""
    if not ask.segments:
        return "refused"
    if ask.method == "POST":
        # The label of the index is of no interest, so any does.
        if concerned(ask, "") is not None:
            return "upload"
        below = ask.segments[2:] if ask.segments[0] == "index" else ask.segments
        if below[:1] in _CALLS:
            return "xmlrpc"
    if ask.segments[:2] == ("+api", "releases"):
        return "releases"
    if ask.segments[0] == "index" and ask.segments[2:3] == ("packages",):
        return "index-file"
    return _ROUTES.get(ask.segments[0], "other")
