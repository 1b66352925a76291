"""What is forgotten in time: chores that are done once an hour, by the daemon's own clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.recurring import Recurring

FIRST = 60.0
"""Seconds after the start until the chores are done for the first time: by then a start has other things behind it."""
EVERY = 3600.0
"""Seconds between the end of one time and the beginning of the next."""

Chore = Callable[[], Awaitable[int]]
"""Does something, and answers how much it was; what cannot be done now raises a PypidaemonError."""


@attrs.define(eq=False, slots=False)
class Pruning(Service):
    """
    Does the chores one after the other; one that fails keeps none of the others from being done, and is tried again the next time.

    :param chores: by what they forget, in words for the log.
    """

    clock: IReactorTime
    chores: Mapping[str, Chore]
    name: str = "pruning"
    _recurring: Recurring = attrs.field(init=False, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def __attrs_post_init__(self) -> None:
        self._recurring = Recurring(self.clock, self._prune, FIRST, EVERY)

    def startService(self) -> None:
        """Begin to wait."""
        Service.startService(self)
        self._recurring.start()

    def stopService(self) -> Deferred[None]:
        """Do nothing any more; fires when what was under way has ended."""
        Service.stopService(self)
        return self._recurring.stop()

    async def _prune(self) -> None:
        for what, chore in self.chores.items():
            await self._do(what, chore)

    async def _do(self, what: str, chore: Chore) -> None:
        try:
            count = await chore()
        except PypidaemonError as error:
            self._log.warn("{what} could not be forgotten: {error}", what=what, error=str(error))
            return
        if count:
            self._log.info("{what}: {count} forgotten", what=what, count=count)
