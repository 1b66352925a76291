"""
A front: the connections of clients whose requests were all answered before, and the answers.

What is not known is asked of the keeper where it is one whole question, while nothing more is read; and where that has no answer ready, or it is anything
else than a question, the keeper is given the connection and what was read of it. A front parses nothing, and what it cannot do it does not try.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory

from pypidaemon.shelf import Shelf
from pypidaemon.web.places import address_of
from pypidaemon.workers.connection import Caller
from pypidaemon.workers.entries import Entry

LIMIT = 64 << 20
"""Bytes of answers held."""
PATIENCE = 0.1
"""Seconds for which the keeper may have to wait to hear what was answered."""
MOST = 1024
"""Answers that it is told of at once."""
UNSAID = 64 * 1024
"""Answers that may wait to be told of, where the keeper is busy; of more only the number is told."""
_LOOK = 1.0


Say = Callable[..., None]
"""As `Link.say`."""


@attrs.frozen
class Rules:
    """
    What the keeper's configuration says of connections; times in seconds.

    :param by_peer: whether an answer may depend on who is at the other end, as it does where proxies are trusted.
    """

    idle: float = 60.0
    stall: float = 60.0
    linger: float = 2.0
    by_peer: bool = False


@attrs.define(eq=False)
class Front:
    """
    All connections of this process, and the answers that it knows.

    :param counts: as `Generations.counts`.
    :param say: tells the keeper.
    :param next_id: names a request, as `RequestIds.next`.
    :param busy: whether the keeper has not heard yet what it was told last.
    :param done: called when it was told to leave and nobody is here any more.
    """

    clock: IReactorTime
    counts: Any
    say: Say
    next_id: Callable[[], str]
    busy: Callable[[], bool]
    done: Callable[[], None]
    rules: Rules = Rules()
    leaving: bool = False
    callers: dict[int, Caller] = attrs.field(factory=dict, init=False)
    """Those that are here."""
    stalled: dict[Caller, float] = attrs.field(factory=dict, init=False)
    """Those who have to take what they were told, and since when."""
    _entries: Shelf[bytes, Entry] = attrs.field(init=False, repr=False)
    _everything: int = attrs.field(default=0, init=False)
    _met: int = attrs.field(default=0, init=False)
    _said: list[tuple[int, int, str, str, float]] = attrs.field(factory=list, init=False, repr=False)
    _forgotten: list[int] = attrs.field(factory=list, init=False, repr=False)
    _lost: int = attrs.field(default=0, init=False)
    _due: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)
    _look: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._entries = Shelf(LIMIT, self._gone)

    # Callers.

    def welcome(self, peer: str) -> Caller:
        """Somebody from that address has connected."""
        self._met += 1
        return Caller(self, self._met, peer)

    def came(self, caller: Caller) -> None:
        """That one is here."""
        self.callers[caller.number] = caller
        self.say("came", [caller.number, caller.peer])
        if self._look is None:
            self._look = self.clock.callLater(_LOOK, self._look_around)
        if self.leaving:
            self.hand_over(caller, b"")

    def left(self, caller: Caller) -> None:
        """That one is lost."""
        self._off(caller)
        self.say("left", [caller.number])
        self._perhaps_done()

    def hand_over(self, caller: Caller, data: bytes) -> None:
        """Give the keeper that connection, of which these bytes were read."""
        self.tell()
        self.say("gives", [caller.number, int(caller._transport.socket.family)], data, [caller._transport.fileno()])
        caller.detached()
        self._off(caller)
        self._perhaps_done()

    def ask(self, caller: Caller, head: bytes) -> None:
        """Ask the keeper for the answer to that head."""
        self.say("asks", [caller.number, self.next_id(), caller.peer], head)

    def _off(self, caller: Caller) -> None:
        self.callers.pop(caller.number, None)
        self.stalled.pop(caller, None)

    def _perhaps_done(self) -> None:
        if self.leaving and not self.callers:
            self.tell()
            self.done()

    # Answers.

    def key(self, caller: Caller, head: bytes) -> bytes:
        """What an answer is known by."""
        return b"%s\x00%s" % (caller.peer.encode(), head) if self.rules.by_peer else head

    def known(self, caller: Caller, head: bytes, now: float) -> Entry | None:
        """The answer to that head, where it is known and holds now."""
        counts = self.counts
        if counts[0] != self._everything:
            # None of them holds, and nobody may ask for some of them again.
            self._everything = counts[0]
            self._entries.drop_where(lambda _: True)
        key = self.key(caller, head)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if counts[0] == entry.everything and counts[entry.slot] == entry.own and entry.ready(now):
            return entry
        self._entries.drop(key)
        return None

    def answered(self, caller: Caller, entry: Entry, id: str, now: float) -> None:
        """That was given; the keeper will hear of it."""
        said = self._said
        if len(said) < UNSAID:
            said.append((entry.number, caller.number, caller.peer, id, now))
        else:
            self._lost += 1
        if len(said) == MOST:
            self.tell()
        elif self._due is None:
            self._due = self.clock.callLater(PATIENCE, self._late)

    def answer(self, caller: int, id: str, by_peer: bool, entry: Entry) -> None:
        """
        The keeper answers what it was asked.

        :param by_peer: whether the answer depends on who is at the other end.
        """
        found = self.callers.get(caller)
        if found is None:
            if entry.number:
                self._forgotten.append(entry.number)
            return
        if entry.number and (self.rules.by_peer or not by_peer) and found.asked:
            self._entries.put(self.key(found, found.asked), entry, len(found.asked) + entry.weight)
        elif entry.number:
            self._forgotten.append(entry.number)
        found.told(entry, id)

    def no_answer(self, caller: int) -> None:
        """The keeper has none."""
        found = self.callers.get(caller)
        if found is not None:
            found.not_told()

    def take(self, caller: int) -> None:
        """The keeper wants that one, whatever it is at; what it was told it takes with it."""
        found = self.callers.get(caller)
        if found is None:
            return
        if found.clogged:
            found.drop()
        else:
            self.hand_over(found, found.asked + found.behind)

    def make_way(self, caller: int) -> None:
        """Others want the place of that one."""
        found = self.callers.get(caller)
        if found is not None:
            found.close(self.rules.linger)

    def tell(self) -> None:
        """Tell the keeper what was answered and what is not known any more."""
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        if self.busy():
            # What waits here is bounded.
            self._due = self.clock.callLater(PATIENCE, self._late)
            return
        while self._said:
            some, self._said = self._said[:MOST], self._said[MOST:]
            self.say("told", [some, [], 0])
        if self._forgotten or self._lost:
            gone, self._forgotten = self._forgotten, []
            lost, self._lost = self._lost, 0
            for at in range(0, max(len(gone), 1), MOST):
                self.say("told", [[], gone[at : at + MOST], lost if at == 0 else 0])

    def follow(self, rules: Rules) -> None:
        """What is known by other rules is known by a wrong name."""
        self.rules = rules
        self._entries.drop_where(lambda _: True)

    def leave(self) -> None:
        """Nobody comes any more; those who are here go when they have what they were told."""
        self.leaving = True
        for caller in tuple(self.callers.values()):
            if not caller.asked:
                caller.close(self.rules.stall)
        self._perhaps_done()

    def _late(self) -> None:
        self._due = None
        self.tell()

    def _gone(self, key: bytes, entry: Entry) -> None:
        self._forgotten.append(entry.number)
        if self._due is None:
            self._due = self.clock.callLater(PATIENCE, self._late)

    def _look_around(self) -> None:
        """Let those go who ask nothing, and those who take nothing."""
        self._look = None
        now, rules = self.clock.seconds(), self.rules
        for caller in tuple(self.callers.values()):
            if caller.at + rules.idle <= now and not caller.asked and caller not in self.stalled:
                caller.close(rules.linger)
        for caller, since in tuple(self.stalled.items()):
            if since + rules.stall <= now:
                caller.drop()
        if self.callers:
            self._look = self.clock.callLater(_LOOK, self._look_around)


class Door(Factory[Caller]):
    """Where callers come in."""

    noisy = False

    def __init__(self, front: Front) -> None:
        self.front = front

    def buildProtocol(self, addr: IAddress | None) -> Caller:
        """A connection."""
        return self.front.welcome(address_of(addr))
