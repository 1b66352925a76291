"""
Looking after upstreams that do not answer, so that they are in use again soon after they are back, and no client has to find out (F40, F43, N1).

What is asked is small: a page that is known, which is answered without a body. Clients' requests do the catching up, each for what it needs, and share
what they ask for, so an upstream that comes back is not met by all that was missed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import orjson
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights, landing
from pypidaemon.interfaces import IAttended, IProbed, IRecords, ISourced, IUpstream
from pypidaemon.model import AWAY, NormalizedName, Outage
from pypidaemon.upstreams.default_route import DefaultRoute
from pypidaemon.waits import Bell, TookTooLong, first, within

NAME = NormalizedName("pypidaemon")
"""What is asked for where no page is known: every index may hear of that name, and few have much to say of it."""
LONGEST = 8.0
"""Seconds that a probe takes at most: one that hangs must not keep the next from finding that all is well again."""
SHORTEST = 1.0
"""Seconds that a probe is given at least, also where clients wait for less."""
MOMENT = 0.25
"""Seconds after which it is noted that somebody was silent for too long."""
_WHERE = NormalizedName("health")
_NOTHING = (0.0, 0.0)
"""Noted instead of an outage where something is on record that is of no use."""

log = Logger()


@attrs.define(eq=False, slots=False)
class Probing(Service):
    """
    Probes every upstream that is not up, at intervals that grow to some 20 s, and remembers over a restart which were not (N1).

    :param upstreams: by label.
    :param way_out: tells of changes of the way out of this machine; None where nobody does.
    """

    clock: IReactorTime
    records: IRecords
    upstreams: Mapping[str, IUpstream]
    way_out: DefaultRoute | None = None
    name: str = "probing"
    _watches: list[_Watch] = attrs.field(init=False, factory=list, repr=False)

    def startService(self) -> None:
        """Attend to all that can be attended to."""
        Service.startService(self)
        for upstream in self.upstreams.values():
            if IProbed.providedBy(upstream) and IAttended.providedBy(upstream.health):
                self._watches.append(_Watch(upstream, IAttended(upstream.health), self.records, self.clock))
        for watch in self._watches:
            watch.begin()
        if self.way_out is not None:
            self.way_out.begin(self.moved)

    def stopService(self) -> Deferred[None]:
        """Probe no more; fires when what is to be remembered is on record."""
        Service.stopService(self)
        if self.way_out is not None:
            self.way_out.end()
        watches, self._watches = self._watches, []
        return Deferred.fromCoroutine(_ended(watches))

    def moved(self) -> None:
        """Have everybody looked at anew who may be seen in another light from where this machine stands now."""
        if self._watches:
            log.info("the way out of this machine has changed: upstreams are looked at anew")
        for watch in self._watches:
            watch.moved()


async def _ended(watches: list[_Watch]) -> None:
    for watch in watches:
        await watch.end()


@attrs.define(eq=False)
class _Watch:
    """One upstream that is attended to."""

    upstream: IUpstream
    health: IAttended
    records: IRecords
    clock: IReactorTime
    _probes: Flights[str, None] = attrs.field(init=False, factory=Flights)
    _notes: Flights[str, None] = attrs.field(init=False, factory=Flights)
    _noted: tuple[float, float] | None = attrs.field(init=False, default=None)
    _running: bool = attrs.field(init=False, default=True)
    _asking: bool = attrs.field(init=False, default=False)
    _timer: IDelayedCall | None = attrs.field(init=False, default=None)
    _troubled: bool = attrs.field(init=False, default=False)
    _elsewhere: Bell = attrs.field(init=False, factory=Bell)

    def begin(self) -> None:
        """Recall how it was, and look after it from now on."""
        self.health.attend()
        self.health.listen(self.changed)
        self._notes.start("", self._recall)
        self._wait()

    async def end(self) -> None:
        """Let it alone, and see that what is on record is how it is."""
        self._running = False
        self._rest()
        await landing(self._probes)
        if self._notes.flying(""):
            await self._notes.join("", self._note)
        await self._note()

    def changed(self) -> None:
        """A listener of the health."""
        if self._running:
            self._wait()
            self._notes.start("", self._note)

    def moved(self) -> None:
        """This machine may stand in another network: a probe that is under way would be waited for in vain, and says nothing of anybody."""
        self._elsewhere.ring()
        IProbed(self.upstream).moved()

    def _wait(self) -> None:
        self._rest()
        due = self.health.due() if self._running and not self._asking else None
        if due is not None:
            self._timer = self.clock.callLater(due, self._due)

    def _rest(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _due(self) -> None:
        self._asking = True
        if self.health.begin():
            self._probes.start("", self._ask)
        else:
            self._asking = False
            self._wait()

    async def _ask(self) -> None:
        # Who was silent once, and is so again where he is asked for next to nothing, is down: so the next look follows as soon as that is known.
        usual = max(self.health.patience(self.upstream.patience), SHORTEST)
        longest = LONGEST if self.health.state in AWAY else min(usual + MOMENT, LONGEST)
        ended = False
        try:
            ended = await first(within(self.clock, longest, IProbed(self.upstream).probe(NAME)), self._elsewhere.wait()) == 0
        except TookTooLong:
            ended = True
        finally:
            self._asking = False
            # A look that was given up says nothing, so who was suspect before still is.
            if ended or self.health.state in AWAY:
                self.health.end()
            self._wait()

    async def _recall(self) -> None:
        try:
            found = await self.records.documents.recall(self._place, _WHERE, _WHERE)
        except PypidaemonError as error:
            log.warn("how upstream {label} was is not known: {error}", label=self.upstream.label, error=str(error))
            found = None
        outage = _read(found[0], self._source) if found is not None else None
        if outage is not None:
            self._noted = (outage.since, outage.held_until)
            self.health.resume(outage)
        elif found is not None and found[0] != _written(None, ""):
            self._noted = _NOTHING
        await self._note()

    async def _note(self) -> None:
        """
        Put on record how it is, and again where that has changed meanwhile.

        Where there is no room for it that is tried again at the next change, which the next probe is at the latest: it costs who comes first after a
        restart his patience, and nothing else.
        """
        while True:
            outage = self.health.outage()
            now = None if outage is None else (outage.since, outage.held_until)
            if now == self._noted:
                return
            try:
                await self.records.documents.keep(self._place, _WHERE, _WHERE, _written(outage, self._source), 0.0)
            except PypidaemonError as error:
                if not self._troubled:
                    log.warn("how upstream {label} is cannot be put on record: {error}", label=self.upstream.label, error=str(error))
                self._troubled = True
                return
            self._noted, self._troubled = now, False

    @property
    def _place(self) -> str:
        # No index has such a label, so nobody else's documents are kept there.
        return f"upstream:{self.upstream.label}"

    @property
    def _source(self) -> str:
        return self.upstream.source if ISourced.providedBy(self.upstream) else ""


def _written(outage: Outage | None, source: str) -> bytes:
    return orjson.dumps(None if outage is None else {**attrs.asdict(outage), "source": source})


def _read(body: bytes, source: str) -> Outage | None:
    """
    What was written of that source.

    None also where it was another one that had the label then, or where that is not understood, which costs the first client its patience and nothing
    else.
    """
    try:
        said = orjson.loads(body)
        if said is None or said["source"] != source:
            return None
        return Outage(str(said["cause"]), _moment(said["since"]), _moment(said["held_until"]))
    except (ValueError, KeyError, TypeError):
        return None


def _moment(value: object) -> float:
    """
    :raises ValueError: it is none.
    """
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError("no moment")
    return float(value)
