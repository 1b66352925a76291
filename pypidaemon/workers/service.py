"""
Starts as many fronts as the configuration says, and tells each of them which sockets there are and by which rules.

One that ends by itself is started again, after a while where that happens often. What it was at is lost with it; whoever is connected to any other
process notices nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
from twisted.application.service import Service
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pypidaemon.interfaces import IMeasured
from pypidaemon.services.sockets import PublicSocket
from pypidaemon.waits import Bell

if TYPE_CHECKING:
    # None of it is needed where there are no fronts.
    from pypidaemon.web.site import DoorSite
    from pypidaemon.workers.desk import Desk
    from pypidaemon.workers.generations import Generations
    from pypidaemon.workers.link import Link

SOON = 0.1
"""Seconds until one that ended is started again; each time it is doubled, up to `LATE`."""
LATE = 30.0
STEADY = 60.0
"""Seconds for which one has to live to be as good as new."""
_LOUDEST = 2000


class _Process(ProcessProtocol):
    """The process of a front."""

    def __init__(self, one: One) -> None:
        self.one = one
        self.complaint = ""

    def errReceived(self, data: bytes) -> None:
        """Keep the end of its complaints."""
        self.complaint = (self.complaint + data.decode("utf-8", "replace"))[-_LOUDEST:]

    outReceived = errReceived

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        self.one.ended(reason, self.complaint)


@attrs.define(eq=False)
class One:
    """A front, as the keeper has it."""

    workers: Workers
    desk: Desk
    began: float
    link: Link = attrs.field(init=False)
    process: Any = attrs.field(default=None, init=False)
    leaving: bool = False
    known: dict[int, PublicSocket] = attrs.field(factory=dict)
    """The sockets that it listens at, by the numbers it has for them."""
    rules: tuple[Any, ...] = ()
    met: int = 0

    def ended(self, reason: Failure, complaint: str) -> None:
        """Its process is gone."""
        self.link.end_it()
        self.desk.ended()
        self.workers.lost(self, reason, complaint)

    def cut(self) -> None:
        """It is heard no more; if it is not gone, it has no business to stay."""
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessExitedAlready):
            self.process.signalProcess("KILL")


def _how(reason: Failure) -> str:
    ended: Any = reason.value
    number = getattr(ended, "signal", None)
    return f"signal {number}" if number else f"itself, with status {getattr(ended, 'exitCode', None)}"


@implementer(IMeasured)
@attrs.define(eq=False, slots=False)
class Workers(Service):
    """
    The fronts of a daemon, of which there may be none.

    :param wanted: how many processes there should be, the keeper among them.
    :param sockets: those that the keeper listens at now.
    :param site: what listens there.
    :param trusting: whether what proxies say of their clients counts.
    """

    reactor: Any
    wanted: Callable[[], int]
    sockets: Callable[[], Iterable[PublicSocket]]
    site: Callable[[], DoorSite]
    trusting: Callable[[], bool]
    name: str = "workers"
    started: int = attrs.field(default=0, init=False)
    died: int = attrs.field(default=0, init=False)
    unwritten: int = attrs.field(default=0, init=False)
    """Answers of fronts that could not be counted and written down."""
    _past: tuple[int, int, int] = attrs.field(default=(0, 0, 0), init=False)
    _generations: Generations | None = attrs.field(default=None, init=False, repr=False)
    _fronts: list[One] = attrs.field(factory=list, init=False, repr=False)
    _due: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)
    _wait: float = attrs.field(default=SOON, init=False)
    _left: Bell = attrs.field(factory=Bell, init=False, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def changed(self, project: str | None) -> None:
        """No front gives any more what it was given about that project; with None, anything."""
        if self._generations is not None:
            self._generations.change(project)

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`: how many `processes` there are, what the fronts `answered` by themselves, `asked` for, and `handed` over, and how many `died`."""
        answered, asked, handed = self._past
        for one in self._fronts:
            answered, asked, handed = answered + one.desk.answered, asked + one.desk.asked, handed + one.desk.handed
        processes = 1 + sum(not one.leaving for one in self._fronts)
        return {"processes": processes, "answered": answered, "asked": asked, "handed": handed, "died": self.died}

    def startService(self) -> None:
        """Start them, once the reactor runs: before that nobody would be answered."""
        Service.startService(self)
        self._due = self.reactor.callLater(0, self._late)

    def stopService(self) -> None:
        """Have them take nobody any more. `empty` says when they are gone."""
        Service.stopService(self)
        self._cancel()
        for one in tuple(self._fronts):
            self._dismiss(one)

    async def empty(self) -> None:
        """Come back when there is no front."""
        while self._fronts:
            await self._left.wait()

    def drop(self) -> int:
        """End those that are still here, and answer how many connections they had."""
        dropped = sum(one.desk.connections for one in self._fronts)
        for one in tuple(self._fronts):
            one.kill()
        return dropped

    def renew(self) -> None:
        """Be what the configuration says now: how many, at which sockets, by which rules."""
        if not self.running:
            return
        staying = [one for one in self._fronts if not one.leaving]
        wanted = max(self.wanted() - 1, 0)
        for one in staying[wanted:]:
            self._dismiss(one)
        if self._due is None:
            try:
                for _ in range(wanted - len(staying)):
                    self._begin()
            except OSError as error:
                self._later(f"no worker process can be started: {error.strerror or error}")
        for one in self._fronts:
            if not one.leaving:
                self._inform(one)

    def lost(self, one: One, reason: Failure, complaint: str) -> None:
        """The process of that one has ended."""
        self._fronts.remove(one)
        answered, asked, handed = self._past
        self._past = answered + one.desk.answered, asked + one.desk.asked, handed + one.desk.handed
        self._left.ring()
        if one.leaving:
            return
        self.died += 1
        if self.reactor.seconds() - one.began >= STEADY:
            self._wait = SOON
        last = complaint.strip().splitlines()[-1:]
        self._later(f"a worker process has ended by {_how(reason)}{f': {last[0]}' if last else ''}")

    def _later(self, what: str) -> None:
        """That happened: what is missing is started again after a while."""
        self._log.warn("{what}; another one begins in {seconds:g} s", what=what, seconds=self._wait)
        if self.running and self._due is None:
            self._due = self.reactor.callLater(self._wait, self._late)
        self._wait = min(self._wait * 2, LATE)

    def _late(self) -> None:
        self._due = None
        self.renew()

    def _begin(self) -> None:
        from pypidaemon.workers.desk import Desk
        from pypidaemon.workers.generations import Generations
        from pypidaemon.workers.inquiry import Inquiry
        from pypidaemon.workers.link import Link, pair
        from pypidaemon.workers.process import LINK, command, deaf

        site = self.site()
        if self._generations is None:
            self._generations = Generations.begun()
        ours, theirs = pair()
        desk = Desk(site, Inquiry(site), self._generations, self.reactor.adoptStreamConnection, self._unwritten)
        one = One(self, desk, self.reactor.seconds())
        link = one.link = Link(self.reactor, ours, desk.heard, one.cut)
        desk.say = link.say
        with theirs:
            words = command()
            environment = {key: value for key, value in os.environ.items() if key == "LD_LIBRARY_PATH"} | {"LC_ALL": "C.UTF-8"}
            descriptors = {0: "w", 1: "r", 2: "r", LINK: theirs.fileno()}
            try:
                with deaf():
                    one.process = self.reactor.spawnProcess(_Process(one), words[0], words, environment, childFDs=descriptors)
            except BaseException:
                link.end_it()
                raise
        self.started += 1
        self._fronts.append(one)
        link.begin()
        link.say("begins", [], b"", [self._generations.descriptor])

    def _inform(self, one: One) -> None:
        """Tell it what it does not know yet of rules and sockets."""
        from pypidaemon.workers.accepting import one_by_one

        limits = self.site().limits
        rules = (limits.idle, limits.stall, limits.linger, self.trusting())
        if one.rules != rules:
            one.rules = rules
            one.link.say("rules", rules)
        sockets = list(self.sockets())
        for number, known in tuple(one.known.items()):
            if not any(known is socket for socket in sockets):
                del one.known[number]
                one.link.say("shuts", [number])
        for public in sockets:
            port: Any = public.port
            if any(public is known for known in one.known.values()) or not self._shareable(port):
                continue
            one_by_one(port)
            one.met += 1
            one.known[one.met] = public
            one.link.say("listens", [one.met, int(port.addressFamily)], b"", [port.fileno()])

    def _shareable(self, port: Any) -> bool:
        """Plain TCP alone: all else is not what it looks like to who has only the socket."""
        return (
            port is not None
            and getattr(port, "addressFamily", None) in (socket.AF_INET, socket.AF_INET6)
            and getattr(port, "factory", None) is self.site()
        )

    def _dismiss(self, one: One) -> None:
        one.leaving = True
        one.link.say("leaves")

    def _unwritten(self, count: int) -> None:
        self.unwritten += count
        self._log.warn(
            "{count} answers of a worker process were neither counted nor written down: there were too many at once", count=count
        )

    def _cancel(self) -> None:
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
