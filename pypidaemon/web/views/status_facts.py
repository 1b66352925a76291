"""What the status page goes by: how everything is, gathered at most every two seconds however many look, and who may see the names in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IDependent, IIndex, IMeasured, IMirror, IMirroring, IPushing, IReading, IRecords, IUpstream
from pypidaemon.model import NormalizedName, Replaced
from pypidaemon.traffic import TrafficRing
from pypidaemon.volume import Space
from pypidaemon.waits import TookTooLong, within
from pypidaemon.web.operations import counted, upstream_states

FRESH = 2.0
"""Seconds for which what was gathered is believed."""
WEIGHED = 600.0
"""Seconds from one weighing of what is never evicted to the next, since that goes through all that there is."""
GLANCE = 0.5
"""Seconds that are waited for the first."""
AGAIN = 60.0
"""Seconds until the next one where it failed."""
MOST_REPLACED = 1_000
"""Replaced files that are counted; of more it is said that there are more."""
MOST_NAMED = 20
"""Lines of a kind that are shown."""

_NEVER_EVICTED = ("private", "mirrored")

State = Mapping[str, Any]


@attrs.frozen
class Disk:
    """
    What lies on the disk, in bytes.

    :param roles: by the words of `[daemon] budget`; None of what is not weighed yet.
    :param limits: what each may have, where something is said.
    :param volume: the volume, where it can be asked.
    """

    roles: Mapping[str, int | None] = attrs.field(factory=dict)
    limits: Mapping[str, int] = attrs.field(factory=dict)
    volume: Space | None = None
    files: int = 0
    """Files that were fetched on demand."""
    weighed: float = 0.0
    """When it was seen how much there is of what is never evicted."""
    refused: Mapping[str, int] = attrs.field(factory=dict)
    """What was not taken for want of room since the start, by role."""


@attrs.frozen
class Facts:
    """
    All of a moment.

    :param lacking: why nothing is kept; "" where it is.
    :param trouble: what could not be gathered.
    :param depending: by upstream, what becomes of each index behind it while it is away: "mirror", "held" or "all".
    """

    moment: float
    upstreams: Mapping[str, State]
    services: Mapping[str, State] = MappingProxyType({})
    pushes: Mapping[str, State] = MappingProxyType({})
    policies: Mapping[str, State] = MappingProxyType({})
    replaced: tuple[Replaced, ...] = ()
    disk: Disk = Disk()
    lacking: str = ""
    downloads: Mapping[str, float] = MappingProxyType({})
    lost_lines: float = 0.0
    depending: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    packs: tuple[State, ...] = ()
    bundle: State | None = None
    trouble: tuple[str, ...] = ()

    def replaced_in(self) -> Mapping[str, int]:
        """How many replaced files there are, by index."""
        return Counter(one.label for one in self.replaced)


@attrs.frozen
class Sight:
    """
    What somebody may see. Numbers and the state of upstreams are for everybody, as in `/+health` and `/+metrics`; names of projects and files, and what
    went wrong with them, for who may `admin` the index that they are of.

    :param labels: those indexes.
    :param everything: whether he may administrate all there is.
    """

    labels: frozenset[str] = frozenset()
    everything: bool = False

    def sees(self, label: str) -> bool:
        """Whether the names in that index are for him."""
        return self.everything or label in self.labels


async def no_traffic() -> TrafficRing:
    """The traffic of a daemon that remembers none."""
    return TrafficRing()


async def no_weight() -> Mapping[str, int]:
    """The weight of nothing."""
    return dict.fromkeys(_NEVER_EVICTED, 0)


async def no_volume() -> Space | None:
    """The volume of a daemon that cannot ask for it."""
    return None


@attrs.frozen
class Sources:
    """
    Where it comes from how things are, besides what the door itself has.

    :param disk: looks after the room for what was fetched on demand. `count` has its counts be those of now.
    :param space: how it is with the volume. `lacking`: why nothing is kept now; "" where it is.
    :param weigh: how many bytes there are of what is never evicted, by role.
    :param traffic: what was given out and fetched over time.
    """

    disk: IMeasured | None = None
    count: Callable[[], Awaitable[None]] | None = None
    space: Callable[[], Awaitable[Space | None]] = no_volume
    lacking: Callable[[], Awaitable[str]] | None = None
    weigh: Callable[[], Awaitable[Mapping[str, int]]] = no_weight
    traffic: Callable[[], Awaitable[TrafficRing]] = no_traffic
    log: IMeasured | None = None


def nobody_packs() -> tuple[State, ...]:
    """The packs of a daemon that has none."""
    return ()


def no_bundle() -> State | None:
    """The last bundle of a daemon that took none in."""
    return None


@attrs.define(eq=False)
class StatusFacts:
    """
    Gathers them.

    :param indexes: every index by its label, bare.
    :param packs: the packs under way, and those that have just ended.
    :param bundle: the bundle that is being taken in, or was last.
    """

    clock: IReactorTime
    records: IRecords
    indexes: Mapping[str, IIndex]
    upstreams: Mapping[str, IUpstream]
    services: Mapping[str, IMirroring]
    pushings: Mapping[str, IPushing]
    policies: Mapping[str, IReading]
    spool: IMeasured
    sources: Sources
    packs: Callable[[], tuple[State, ...]] = nobody_packs
    bundle: Callable[[], State | None] = no_bundle
    flights: Flights[str, Any] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)))
    _kept: Facts | None = attrs.field(init=False, default=None)
    _weight: Mapping[str, int] | None = attrs.field(init=False, default=None)
    _weigh_at: float = attrs.field(init=False, default=0.0)
    _weighed_at: float = attrs.field(init=False, default=0.0)

    def sight(self, account: IAccount) -> Sight:
        """What that account may see."""
        # No pattern but one of everything has the project without a name.
        every = NormalizedName("")
        if account.may("admin", "*", every):
            return Sight(everything=True)
        return Sight(frozenset(label for label in self.indexes if account.may("admin", label, every)))

    async def now(self) -> Facts:
        """How it is, at most two seconds ago. What cannot be found out is named in `trouble`, and is no error."""
        kept = self._kept
        if kept is not None and 0 <= self.clock.seconds() - kept.moment < FRESH:
            return kept
        found: Facts = await self.flights.join("facts", self._gather)
        return found

    async def _gather(self) -> Facts:
        moment, trouble = self.clock.seconds(), list[str]()
        sources = self.sources
        if sources.count is not None:
            await sources.count()
        services: dict[str, State] = {}
        for label, service in sorted(self.services.items()):
            try:
                services[label] = await service.state()
            except PypidaemonError as error:
                trouble.append(f"{label}: {error}")
        try:
            replaced = tuple(await self.records.facts.replaced(("", "", ""), MOST_REPLACED))
        except PypidaemonError as error:
            replaced = ()
            trouble.append(str(error))
        self._kept = Facts(
            moment=moment,
            upstreams={label: state | counted(self.upstreams[label]) for label, state in upstream_states(self.upstreams).items()},
            services=services,
            pushes={label: one.state() for label, one in sorted(self.pushings.items())},
            policies={label: dict(policy.read()) for label, policy in sorted(self.policies.items())},
            replaced=replaced,
            disk=await self._disk(),
            lacking=await sources.lacking() if sources.lacking is not None else "",
            downloads=dict(self.spool.measures()),
            lost_lines=sources.log.measures().get("lost", 0.0) if sources.log is not None else 0.0,
            depending=self._depending(),
            packs=self.packs(),
            bundle=self.bundle(),
            trouble=tuple(dict.fromkeys(trouble)),
        )
        return self._kept

    async def _disk(self) -> Disk:
        said = self.sources.disk.measures() if self.sources.disk is not None else {}
        space = await self.sources.space()
        await self._weigh_in_time()
        weight: Mapping[str, int | None] = self._weight or dict.fromkeys(_NEVER_EVICTED)
        words = {"proxied": "limit", "pages": "pages_limit"} | {role: f"{role}_limit" for role in _NEVER_EVICTED}
        limits = {role: int(said.get(word, 0)) for role, word in words.items()}
        roles = {role: weight[role] for role in _NEVER_EVICTED} | {"proxied": int(said.get("bytes", 0)), "pages": int(said.get("pages", 0))}
        return Disk(
            roles if self.sources.disk is not None else {},
            {role: limit for role, limit in limits.items() if limit},
            space,
            int(said.get("files", 0)),
            self._weighed_at,
            {role: int(said.get(f"{role}_refused", 0)) for role in _NEVER_EVICTED},
        )

    async def _weigh_in_time(self) -> None:
        if self.clock.seconds() >= self._weigh_at:
            self._weigh_at = self.clock.seconds() + WEIGHED
            if self._weight is not None:
                self.flights.start("weigh", self._weighed)
                return
            # Most have little, and need not look twice.
            with suppress(TookTooLong):
                await within(self.clock, GLANCE, self.flights.join("weigh", self._weighed))

    async def _weighed(self) -> None:
        try:
            self._weight = await self.sources.weigh()
            self._weighed_at = self.clock.seconds()
        except PypidaemonError:
            self._weigh_at = self.clock.seconds() + AGAIN

    def _depending(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for label, index in sorted(self.indexes.items()):
            upstream = getattr(index, "upstream", None)
            if IUpstream.providedBy(upstream):
                kind = "mirror" if IMirror.providedBy(index) else "held" if IDependent.providedBy(index) and index.shrinks else "all"
                found.setdefault(upstream.label, {})[label] = kind
        return found
