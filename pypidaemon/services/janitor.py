"""The janitor: removes what nobody needs any more, once a day, at a pace that nobody notices."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMeasured
from pypidaemon.returns import forget_over
from pypidaemon.services.recurring import Recurring
from pypidaemon.settings import duration, given, setting
from pypidaemon.telling import plural
from pypidaemon.verification.clearing import AGE, Clearing
from pypidaemon.verification.holdings import Holdings
from pypidaemon.verification.pace import Pace

FIRST = 600.0
"""Seconds after the start until the first round, so that a daemon that is restarted every day is cleared up too."""
DAY = 86_400.0
YOUNGEST = 3_600.0
"""Seconds that `age` is at least: whoever stores something may take a while until it is on record (law 7)."""
SHORTEST = 60.0
"""Seconds that `interval` is at least."""
PACE = 500.0
"""Blobs a second that are looked at."""


def age(raw: str) -> float:
    """A duration of an hour at least."""
    return _at_least(raw, YOUNGEST, "1h")


def interval(raw: str) -> float:
    """A duration of a minute at least."""
    return _at_least(raw, SHORTEST, "1m")


def _at_least(raw: str, least: float, spelled: str) -> float:
    found = duration(raw)
    if found < least:
        raise ValueError(f"{raw.strip()} is less than {spelled}")
    return found


@implementer(IMeasured)
@attrs.define(eq=False, slots=False)
class Janitor(Service):
    """
    Clears up: what was taken away from mirrors and whose time is over, and then every blob, draft and stray that is old and that nobody needs.

    What cannot be done now is done the next time.
    """

    label: str = given("label")
    holdings: Holdings = given("holdings")
    clock: IReactorTime = given("clock")
    interval: float = setting(interval, default=DAY, help="how long from the end of one round to the next")
    age: float = setting(age, default=AGE, help="how old something that nobody needs has to be to be removed")
    rounds: int = attrs.field(init=False, default=0)
    forgotten: int = attrs.field(init=False, default=0)
    """What had left mirrors and cannot be brought back any more."""
    removed: int = attrs.field(init=False, default=0)
    failed: int = attrs.field(init=False, default=0)
    """Rounds that were not done to their end."""
    _recurring: Recurring = attrs.field(init=False, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def __attrs_post_init__(self) -> None:
        self._recurring = Recurring(self.clock, self._round, FIRST, self.interval)

    def startService(self) -> None:
        """Begin to wait."""
        Service.startService(self)
        self._recurring.start()

    def stopService(self) -> Deferred[None]:
        """Do nothing any more; fires when what was under way has ended."""
        Service.stopService(self)
        return self._recurring.stop()

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`."""
        return {word: getattr(self, word) for word in ("rounds", "forgotten", "removed", "failed")}

    async def _round(self) -> None:
        forgotten, removed = self.forgotten, self.removed
        try:
            await self._forget()
            await self._clear()
        except (PypidaemonError, OSError) as error:
            self.failed += 1
            self._log.warn("{label}: could not clear up to the end: {error}", label=self.label, error=str(error))
        finally:
            self.rounds += 1
        forgotten, removed = self.forgotten - forgotten, self.removed - removed
        if forgotten or removed:
            self._log.info(
                "{label}: removed {removed} that nobody needed, and forgot {forgotten} that had left a mirror",
                label=self.label, removed=plural(removed, "thing"), forgotten=plural(forgotten, "thing"),
            )  # fmt: skip

    async def _forget(self) -> None:
        """First on record, then the bytes: what is forgotten in between is unowned, and nothing is on record without its bytes (law 7)."""
        for home in self.holdings.homes:
            mirrors, now = home.records.mirrors, self.clock.seconds()
            if home.remembers:
                # What a proxy has of that is from when it was a mirror, and no run of one ends any more.
                self.forgotten += len(await mirrors.forget_leaving(home.label, now))
            elif home.source is not None:
                self.forgotten += len(await forget_over(home.label, mirrors, now))

    async def _clear(self) -> None:
        pace = Pace(self.clock, PACE)
        clearing = Clearing(self.holdings, self.clock, self.age, pace)
        async for one in clearing.unowned():
            self.removed += await clearing.remove(one)
            await pace.spend(1)
