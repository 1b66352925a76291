"""
The keeper's side of one front: gives it answers, takes connections over from it, and counts and writes down what it answered.

A front's connections have places as all others have (`pypidaemon.web.places`), so their number holds over all processes: who connects there is let in by
the keeper, a moment later. What a front answers stands in the log and in the counts when the front has told of it, `front.PATIENCE` later at most.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from pypidaemon.pace import PIECE
from pypidaemon.web.express import Lane, Ready
from pypidaemon.web.places import Entry as Verdict
from pypidaemon.web.site import DoorSite
from pypidaemon.workers.entries import packed
from pypidaemon.workers.generations import Generations
from pypidaemon.workers.inquiry import Inquiry
from pypidaemon.workers.link import TooLarge

Adopt = Callable[[int, int, Any], Any]
"""As `IReactorSocket.adoptStreamConnection`."""


@attrs.define(eq=False)
class Away:
    """A connection that a front has, as far as its place is concerned."""

    desk: Desk
    number: int
    peer: str
    verdict: Verdict

    def make_way(self) -> None:
        """As `Connection` of `web.places`."""
        self.desk.say("goes", [self.number])


@attrs.define(eq=False)
class _Handed:
    """A factory for one connection that was let in before."""

    site: DoorSite
    verdict: Verdict

    def buildProtocol(self, address: IAddress) -> Any:
        return self.site.welcome(address, self.verdict)


@attrs.frozen(eq=False)
class _Given:
    """An answer that a front has, as far as log and counts are concerned; the bytes are its own."""

    lane: Lane
    key: bytes
    ready: Ready


def _without_body(ready: Ready) -> Ready:
    # Nor with what the term remembers it by.
    return attrs.evolve(ready, body=b"", copy=None, term=attrs.evolve(ready.term, still=_nobody_asks))


def _not_hit_twice(ready: Ready) -> Ready:
    """That answer for once, where the door has just counted that it was ready."""
    return ready if ready.term.given is not None else attrs.evolve(ready, term=attrs.evolve(ready.term, given=_nobody_hears))


def _nobody_hears(client: str, now: float) -> None:
    pass


def _nobody_asks() -> bool:
    return False


@attrs.define(eq=False)
class Desk:
    """
    One front.

    :param lines_lost: told how many answers could not be written down.
    """

    site: DoorSite
    inquiry: Inquiry
    generations: Generations
    adopt: Adopt
    lines_lost: Callable[[int], None]
    say: Callable[..., None] = attrs.field(default=lambda *_: None, init=False)
    """As `Link.say`."""
    answered: int = 0
    """How many requests it answered by itself."""
    asked: int = 0
    """How many answers it asked for and was given."""
    handed: int = 0
    """How many connections it handed over."""
    _away: dict[int, Away] = attrs.field(factory=dict, init=False, repr=False)
    _given: dict[int, _Given] = attrs.field(factory=dict, init=False, repr=False)
    """What it may give again, by number."""
    _last: int = attrs.field(default=0, init=False)
    _log = Logger(namespace="pypidaemon.web")

    @property
    def connections(self) -> int:
        """How many it has."""
        return len(self._away)

    def heard(self, word: str, facts: list[Any], data: bytes, descriptors: list[int]) -> None:
        """The front says that."""
        try:
            match word, facts:
                case "came", [number, peer]:
                    self._came(number, peer)
                case "left", [number]:
                    self._left(number)
                case "asks", [number, id, peer]:
                    self._asks(number, id, peer, data)
                case "gives", [number, family]:
                    self._gives(number, family, data, descriptors)
                case "told", [said, forgotten, lost]:
                    self._told(said, forgotten, lost)
        finally:
            for one in descriptors:
                os.close(one)

    def ended(self) -> None:
        """It is gone, and all its connections with it."""
        for away in self._away.values():
            self.site.places.left(away)
        self._away.clear()
        self._given.clear()

    def _came(self, number: int, peer: str) -> None:
        verdict = self.site.places.ask(peer)
        away = self._away[number] = Away(self, number, peer, verdict)
        if verdict is Verdict.ADMITTED:
            self.site.places.enter(peer, away, False)
        else:
            # What is said to those who are one too many is said here.
            self.say("take", [number])

    def _left(self, number: int) -> None:
        away = self._away.pop(number, None)
        if away is not None:
            self.site.places.left(away)

    def _asks(self, number: int, id: str, peer: str, head: bytes) -> None:
        away = self._away.get(number)
        if away is None or away.verdict is not Verdict.ADMITTED:
            # It will be handed over, or is gone.
            return
        try:
            answers = self._answers(number, id, peer, head)
        except Exception:  # noqa: BLE001  # whatever it is, the client is to be answered
            self._log.failure("a request of a worker process could not be looked at")
            answers = False
        if not answers:
            self.say("no", [number])

    def _answers(self, number: int, id: str, peer: str, head: bytes) -> bool:
        lane = self.site.lane
        if lane is None or lane.allows is not None or self.site.leaving:
            # A front does not count what each address asks.
            return False
        key, now = lane.origin(peer, False) + head, lane.clock.seconds()
        ready = lane.ready(key, now)
        known = ready is not None
        if not known:
            self.inquiry.learn(key, head, peer)
            ready = lane.ready(key, now)
        if ready is None or len(ready.body) > PIECE:
            return False
        # What comes once is not kept, as on the lane.
        found = self._last + 1 if known else 0
        slot = self.generations.slot(ready.term.project)
        counts = self.generations.counts
        answer = packed(ready, now, found, counts[0], slot, counts[slot])
        if answer is None:
            return False
        facts, data = answer
        try:
            self.say("answer", [number, id, lane.believes(peer), facts], data)
        except TooLarge:
            return False
        if known:
            self._last = found
            self._given[found] = _Given(lane, key, _without_body(ready))
        self.asked += 1
        lane.answered(ready if known else _not_hit_twice(ready), peer or "-", id, now)
        return True

    def _gives(self, number: int, family: int, data: bytes, descriptors: list[int]) -> None:
        away = self._away.pop(number, None)
        verdict = Verdict.ADMITTED if away is None else away.verdict
        if away is not None:
            self.site.places.left(away)
        if not descriptors:
            # This process may have no more files open, and so the connection is lost.
            return
        self.handed += 1
        try:
            transport = self.adopt(descriptors[0], family, _Handed(self.site, verdict))
        except OSError:
            # The client is gone by now.
            return
        if transport is not None and data:
            transport.protocol.dataReceived(data)

    def _told(self, said: list[Any], forgotten: list[int], lost: int) -> None:
        given, away, places = self._given, self._away, self.site.places
        active: dict[int, None] = {}
        in_use: dict[int, _Given] = {}
        for number, caller, peer, id, now in said:
            found = given.get(number)
            if found is not None:
                found.lane.answered(found.ready, peer or "-", id, now)
                active[caller] = None
                in_use[number] = found
        self.answered += len(said)
        for caller in active:
            one = away.get(caller)
            if one is not None and one.verdict is Verdict.ADMITTED:
                places.again(one)
        for found in in_use.values():
            # Who keeps what it was made of is to know that it is asked for; whether it still holds a front is told in another way.
            found.lane.ready(found.key, found.lane.clock.seconds())
        for number in forgotten:
            given.pop(number, None)
        if lost:
            self.lines_lost(lost)
