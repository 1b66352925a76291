"""
A configuration that is read again while the daemon runs: what goes on as it is, what is made anew, and how the one gives way to the other (F80).

Nobody who is being served notices. The new parts start beside the old ones, the next request comes to them, and the old ones stop when what they
were at has ended. Where anything is wrong with the new configuration, or a part of it cannot start, all stays as it was (F72).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import IService
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from pypidaemon.blueprints import Part, Plan
from pypidaemon.components import is_ours
from pypidaemon.errors import ConfigError, PypidaemonError
from pypidaemon.late_tls import is_put_off
from pypidaemon.made import Made
from pypidaemon.schema import DAEMON_WIDE
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.sockets import PublicSocket

_STORES = ("blobs", "records")
_RESTART = "cannot change while the daemon runs: that needs a restart"


def insist(old: Plan, new: Plan) -> None:
    """
    See that the new configuration keeps everything in the same places.

    :raises ConfigError: it does not, so that it needs a restart.
    """
    if new.data != old.data:
        raise ConfigError(new.file, "daemon", "data", _RESTART)
    if new.daemon.read_only != old.daemon.read_only:
        raise ConfigError(new.file, "daemon", "read-only", _RESTART)
    for word in _STORES:
        if getattr(new, word) != getattr(old, word):
            raise ConfigError(new.file, "daemon", word, _RESTART)
    _insist_on_our_own(new)
    for name, part in old.parts.items():
        other = new.parts.get(name)
        if part.section.kind in _STORES and part.needed and other is not None and other.needed and not _alike(part, other):
            raise ConfigError(new.file, name, "", _RESTART)


def _insist_on_our_own(new: Plan) -> None:
    """Refuse what may want of Twisted what it has only where it found TLS when it was loaded, in a daemon that went without."""
    for name, part in new.parts.items():
        if is_put_off() and not is_ours(part.section.kind, part.section.use):
            raise ConfigError(
                new.file, name, "use", "cannot come into a daemon that was started with built-in parts alone: that needs a restart"
            )


def kept(old: Plan, new: Plan) -> frozenset[str]:
    """
    The names of the parts that go on as they are: nothing is said of them, or of what they refer to, that was not said before.

    What depends on a file beside the configuration is made anew, since that may say something else by now.
    """
    changed = {word for word in DAEMON_WIDE if getattr(old.daemon, word) != getattr(new.daemon, word)}
    found: set[str] = set()
    # Each part stands after all that it refers to.
    for name, part in new.parts.items():
        before = old.parts.get(name)
        if before is None or not (part.needed and before.needed and _alike(before, part) and found.issuperset(part.leads_to())):
            continue
        if part.section.kind not in _STORES and any(_reads(value) for value in part.values.values()):
            continue
        # Before every upstream stands what the daemon says of all.
        if changed.isdisjoint(part.givens.values()) and not (changed and part.section.kind == "upstream"):
            found.add(name)
    return frozenset(found)


def _alike(one: Part, other: Part) -> bool:
    return (one.component, one.values, one.references, one.givens) == (other.component, other.values, other.references, other.givens)


def _reads(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, tuple) and any(isinstance(one, Path) for one in value))


@attrs.frozen(eq=False)
class House:
    """
    A daemon by one configuration, but for the sockets, which may outlive it.

    :param rulings: of which there is one for all houses, as there is of the data folder and the stores.
    :param front: the sites that listen, in public and to the operator, which are those of the first house.
    :param number: how many houses stood before.
    :param services: all that lives in it, in the order of starting, the data folder first; some of it may have lived in the one before.
    :param clocks: those of them that act by themselves, of which there must not be two of a kind.
    :param sockets: by which it is to be reached.
    :param take_over: has the next request come here; what the house before, which it is given, was at goes on there.
    """

    plan: Plan
    made: Made
    rulings: Any
    doorkeeper: Any
    evicting: Any
    door: Any
    front: tuple[Any, Any]
    number: int
    services: tuple[IService, ...]
    clocks: tuple[IService, ...]
    sockets: tuple[PublicSocket, ...]
    take_over: Callable[[Any], None]


class Household(OrderedService):
    """
    The whole daemon, which can be told that its configuration has changed.

    :param house: what it is at first.
    :param before: what stands between the house and the public sockets, in the order of starting.
    :param after: what starts when it can be reached.
    :param raised: makes a house of a plan, beside the one that is given.
    :param renewed: called when another house and its sockets have just come into force.
    """

    def __init__(
        self,
        house: House,
        before: Iterable[IService],
        after: Iterable[IService],
        raised: Callable[[Plan, House], House],
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self.house = house
        self._before, self._after = tuple(before), tuple(after)
        self._raised = raised
        self._renewed = renewed
        self._sockets = house.sockets
        self._leaving: list[House] = []
        self._turns = DeferredLock()
        self._log = Logger(namespace="pypidaemon")
        super().__init__([*house.services, *self._before, *house.sockets, *self._after])

    @property
    def sockets(self) -> tuple[PublicSocket, ...]:
        """Those that it listens at."""
        return self._sockets

    async def renew(self, plan: Plan) -> None:
        """
        Be what that plan says, from the next request on. Comes back when that is so; what is under way goes on, and is not waited for.

        :raises ConfigError: it needs a restart, or a part cannot be made.
        :raises PypidaemonError: a part cannot start. Whatever is raised, everything is as it was; only a service that acts by itself, and cannot start, is
            left out and logged, since its like has ended by then.
        """
        await self._turns.acquire()
        try:
            if not self.running:
                # It was told to stop meanwhile, and what started now would be told by nobody.
                raise PypidaemonError("the daemon is about to stop")
            await self._renew(plan)
        finally:
            self._turns.release()

    async def _renew(self, plan: Plan) -> None:
        old = self.house
        insist(old.plan, plan)
        new = self._raised(plan, old)
        sockets, renewed, closed = _matched(self._sockets, new.sockets)
        fresh = _but(new.services, self.services, new.clocks)
        await self.begin([*fresh, *_but(sockets, self._sockets)])
        # From here to the arrangement nothing is waited for, so that no request finds a half of it.
        self._leaving.append(old)
        self.house, self._sockets = new, sockets
        new.take_over(old)
        for socket, its in renewed:
            socket.renew(its.endpoint)
        self._arrange(closed)
        self._renewed()
        await self.end([*_but(old.clocks, new.clocks), *closed])
        self._arrange(())
        if self.running:
            await self._set_going(_but(new.clocks, old.clocks))
            Deferred.fromCoroutine(self._retire(old)).addErrback(lambda failed: self._log.failure("an old configuration stays", failed))

    async def _set_going(self, clocks: Iterable[IService]) -> None:
        # Everything else is in force by now, and does not depend on them.
        for one in clocks:
            try:
                await self.begin([one])
            except Exception:  # noqa: BLE001  # whatever it is, the others are to start
                self._log.failure("a service of the new configuration did not start: {one!r}", one=one)

    def _arrange(self, closed: Iterable[PublicSocket]) -> None:
        new = self.house.services
        gone = _but(self._old(), new)
        self.arrange([*new, *gone, *self._before, *self._sockets, *closed, *self._after])

    def _old(self) -> Iterator[IService]:
        return (one for house in self._leaving for one in house.services)

    async def _retire(self, old: House) -> None:
        await old.door.rest()
        self._leaving.remove(old)
        await self.end(_but(old.services, self.house.services, tuple(self._old())))
        self._arrange(())


def _but(services: Iterable[IService], *others: Iterable[IService]) -> list[IService]:
    """Those of the services, each once, that are not among the others. Which is which is no matter of what they think equal."""
    known = {id(one) for those in others for one in those}
    found: list[IService] = []
    for one in services:
        if id(one) not in known:
            known.add(id(one))
            found.append(one)
    return found


Pairs = list[tuple[PublicSocket, PublicSocket]]


def _matched(now: tuple[PublicSocket, ...], wanted: tuple[PublicSocket, ...]) -> tuple[tuple[PublicSocket, ...], Pairs, list[PublicSocket]]:
    """The sockets to have, those of now that stay with what they would be otherwise, and those that are wanted no more."""
    left = list(now)
    sockets: list[PublicSocket] = []
    pairs: Pairs = []
    for one in wanted:
        same = next((other for other in left if other.description == one.description), None)
        if same is not None:
            left.remove(same)
            pairs.append((same, one))
        sockets.append(same or one)
    return tuple(sockets), pairs, left
