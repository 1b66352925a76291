"""
Orders about packages that hold in every index: blocked, exempted from waiting, and each taken back.

What the command line and the HTTP interface ask for comes as a verb and a JSON object, and is answered by one. A ruling is on record first, durably,
then in force, then announced; so whoever has the answer is sure that the next request sees it, and a restart forgets none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import ref

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.announcements import Announcements, Follower
from pypidaemon.callers import Caller
from pypidaemon.errors import NotAllowed, PypidaemonError
from pypidaemon.flights import Flights, landing
from pypidaemon.interfaces import IAccount, IRecords
from pypidaemon.model import Deed, InThread, NormalizedName, Ruling, RulingKind
from pypidaemon.moments import written
from pypidaemon.refusals import Refusals
from pypidaemon.rulings import Rulings, project_of
from pypidaemon.rulingwords import VERBS, RulingOrder, read
from pypidaemon.takers import fetches_of

MOST_COUNTED = 10_000
"""Fetches that are counted for an answer."""
MOST_RULINGS = 50_000
"""Rulings in force: some tens of megabytes. Whoever wants to hide more than that wants a policy."""
_DONE = {RulingKind.BLOCK: "blocked", RulingKind.EXEMPT: "exempt"}

Answer = dict[str, Any]


@attrs.define(eq=False, slots=False)
class Rulemaking(Service):
    """
    Keeps the rulings in force, and carries out orders about them.

    As a service it learns at the start what is on record; whoever lets anybody in waits for `learn`, so that no request is answered before that.

    :param rulings: those in force, which are changed by nobody else.
    :param cpu: for what takes long where there are many.
    """

    records: IRecords
    rulings: Rulings
    announcements: Announcements
    clock: IReactorTime
    cpu: InThread
    name: str = "rulings"
    refusals: Refusals = attrs.field(init=False, repr=False)
    flights: Flights[object, Any] = attrs.field(init=False, repr=False, factory=lambda: Flights(quiet=(PypidaemonError,)))
    known: bool = attrs.field(init=False, default=False)
    """Whether all that is on record is in force."""
    _followers: list[ref[Follower]] = attrs.field(init=False, repr=False, factory=list)
    _turns: DeferredLock = attrs.field(init=False, repr=False, factory=DeferredLock)
    log: Logger = attrs.field(init=False, repr=False, factory=lambda: Logger(namespace="pypidaemon"))

    def __attrs_post_init__(self) -> None:
        self.refusals = Refusals(self.records.accounts, self.clock)

    def startService(self) -> None:
        """Begin to learn; where that fails who comes next tries again."""
        Service.startService(self)
        self.flights.start("learn", self._learn)

    def stopService(self) -> Deferred[None]:
        """Fires when no order is under way any more."""
        Service.stopService(self)
        return landing(self.flights)

    def follow(self, follower: Follower) -> None:
        """
        Tell that one of every order from now on, and of what is found in force, which may be known already.

        It is told for as long as it is there, which this does not prolong, as with `Announcements`.
        """
        self._followers = [*(known for known in self._followers if known() is not None), ref(follower)]
        if self.known:
            follower.learnt(self.rulings.targets())

    def _following(self) -> Iterator[Follower]:
        for known in self._followers:
            follower = known()
            if follower is not None:
                yield follower

    async def learn(self) -> None:
        """
        Come back when all rulings on record are in force: at once, but for the first moment of a daemon.

        :raises PypidaemonError: the records cannot be read, so nobody knows what is blocked.
        """
        if not self.known:
            await self.flights.join("learn", self._learn)

    async def perform(self, verb: str, order: Mapping[str, Any], caller: Caller) -> Answer:
        """
        Carry out one order and answer the ruling that it made or took back, with the number of fetches on record of what it is about.

        It takes the right `admin` everywhere. Who gave the order and leaves does not stop it halfway.

        :param verb: one of `VERBS`.
        :raises NotAllowed: the caller may not.
        :raises Unacceptable: it makes no sense, or there is nothing to take back; the line says why.
        :raises PypidaemonError: the records cannot be read or written.
        """
        try:
            insist(caller.account)
            answer: Answer = await self.flights.join(object(), lambda: self._perform(read(verb, order), caller))
            return answer
        except PypidaemonError as error:
            # What is no text may be nested so deeply that nobody can spell it.
            about = order.get("target")
            await self.refusals.note(caller, caller.account, about if isinstance(about, str) else "", str(error), verb)
            raise

    async def listed(self) -> Answer:
        """
        All rulings in force, as a JSON object.

        :raises PypidaemonError: the records cannot be read.
        """
        await self.learn()
        return {"rulings": await self.cpu(_listed, self.rulings.frozen(), self.clock.seconds())}

    async def about(self, name: NormalizedName) -> list[Answer]:
        """
        The rulings in force on that project and its releases, as `listed` has them.

        :raises PypidaemonError: the records cannot be read.
        """
        await self.learn()
        now = self.clock.seconds()
        found = [self.rulings.on(kind, target, now) for kind in RulingKind for target in self.rulings.near(kind, name, now)]
        return [_shown(ruling) for ruling in found if ruling is not None]

    async def lapse(self) -> int:
        """
        Take those off the record whose time is over, and answer how many that were; they have no force as it is.

        :raises PypidaemonError: the records cannot be written.
        """
        await self.learn()
        await self._turns.acquire()
        try:
            over = self.rulings.over(self.clock.seconds())
            for ruling in over:
                await self.records.rulings.repeal(ruling.kind, ruling.target)
            for kind in RulingKind:
                about = [ruling.target for ruling in over if ruling.kind is kind]
                if about:
                    self.rulings.drop(kind, *about)
            return len(over)
        finally:
            self._turns.release()

    async def look_again(self) -> None:
        """
        Heed what came on record past this, from somebody who found no daemon that listened.

        :raises PypidaemonError: the records cannot be read.
        """
        await self.learn()
        await self._turns.acquire()
        try:
            found = await self.cpu(_together, await self.records.rulings.rulings())
            if any(found.revision(kind) != self.rulings.revision(kind) for kind in RulingKind):
                self._find(found)
        finally:
            self._turns.release()

    async def _learn(self) -> None:
        found = await self.cpu(_together, await self.records.rulings.rulings())
        self._find(found)
        self.known = True
        if found.count:
            count = found.count - len(found.over(self.clock.seconds()))
            self.log.info("{rulings} in force", rulings="1 ruling is" if count == 1 else f"{count} rulings are")

    def _find(self, found: Rulings) -> None:
        self.rulings.adopt(found)
        # Somebody may have looked at an index before, for instance one that watches a folder.
        self.announcements.announce(None)
        for follower in self._following():
            follower.learnt(found.targets())

    async def _perform(self, order: RulingOrder, caller: Caller) -> Answer:
        await self.learn()
        kind, making = VERBS[order.verb]
        # One after the other: what is in force must be what the last of them left on record.
        await self._turns.acquire()
        try:
            now = self.clock.seconds()
            until = None if order.lasting is None else now + order.lasting
            if making:
                self._insist_on_room(kind, order.target, now)
                ruling = Ruling(kind, order.target, order.reason, caller.account.name, now, until)
                await self.records.rulings.rule(ruling)
                self.rulings.put(ruling)
            else:
                ruling = self._former(kind, order.target, now)
                await self.records.rulings.repeal(kind, order.target)
                self.rulings.drop(kind, order.target)
            self.announcements.announce(project_of(order.target))
            for follower in self._following():
                follower.ordered(order.target)
        finally:
            self._turns.release()
        detail = " ".join(filter(None, [f"until {written(until)}" if until else "", f"reason: {order.reason}" if order.reason else ""]))
        await self.records.accounts.note(Deed(now, caller.account.name, caller.client, order.verb, order.target, detail))
        return {**_shown(ruling), "fetched": await self._fetched(order.target)}

    def _former(self, kind: RulingKind, about: str, now: float) -> Ruling:
        ruling = self.rulings.on(kind, about, now)
        if ruling is not None:
            return ruling
        name = project_of(about)
        near = self.rulings.near(kind, name, now) if name is not None else []
        hint = f"; what is {_DONE[kind]}: {' '.join(near[:20])}" if near else ""
        raise Unacceptable(f"{about} is not {_DONE[kind]}{hint}")

    def _insist_on_room(self, kind: RulingKind, about: str, now: float) -> None:
        if self.rulings.count >= MOST_RULINGS and self.rulings.on(kind, about, now) is None:
            raise Unacceptable(f"{MOST_RULINGS} rulings are in force, and there can be no more: take some back, or write a policy")

    async def _fetched(self, about: str) -> int | None:
        """How many fetches of it are on record, at most `MOST_COUNTED`; None where that cannot be found out, which undoes no order."""
        try:
            return len(await fetches_of(self.records.fetches, about, 0.0, MOST_COUNTED))
        except PypidaemonError as error:
            self.log.warn("who took {about} cannot be counted: {error}", about=about, error=str(error))
            return None


def insist(account: IAccount, otherwise: str = "what is blocked or exempt is for administrators") -> None:
    """
    Let pass who may `admin` everywhere: a ruling holds in every index.

    :param otherwise: what all others are told.
    :raises NotAllowed: the account may not.
    """
    # To ask with None would be to ask whether it may in any project. No pattern but `*` has the project without a name.
    if not account.may("admin", "*", NormalizedName("")):
        raise NotAllowed(otherwise, would_help=not account.authenticated)


def _together(rulings: list[Ruling]) -> Rulings:
    made = Rulings()
    made.replace(rulings)
    return made


def _listed(rulings: Rulings, now: float) -> list[Answer]:
    return [_shown(ruling) for ruling in rulings.in_force(now)]


def _shown(ruling: Ruling) -> Answer:
    """A ruling as the command line and the HTTP interface give it; times are RFC 3339 in UTC."""
    return {
        "kind": ruling.kind.value,
        "target": ruling.target,
        "reason": ruling.reason,
        "account": ruling.account,
        "time": written(ruling.time),
        "until": None if ruling.until is None else written(ruling.until),
    }
