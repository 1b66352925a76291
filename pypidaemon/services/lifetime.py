"""The daemon as its operator sees it in the log: one line when it answers, one when it stops, one when it has stopped."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.services.ordered import OrderedService

PATIENCE = 1.0
"""Seconds that a part may take to stop before the log says that it is waited for."""


@attrs.define(eq=False, slots=False)
class Lifetime(Service):
    """
    Starts and stops the whole daemon and says so.

    :param whole: all that lives.
    :param greeting: the line for when everything listens; asked for then, so that it can name the ports that were given.
    """

    whole: OrderedService
    clock: IReactorTime
    greeting: Callable[[], str]
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)

    def privilegedStartService(self) -> None:
        """
        As `OrderedService`.

        :raises CannotStart: a part could not.
        """
        Service.privilegedStartService(self)
        self.whole.privilegedStartService()

    def startService(self) -> None:
        """
        Start everything. The greeting comes when the reactor runs: before that nobody is answered, and a signal would find no handler.

        :raises CannotStart: a part could not; its reason is the line.
        """
        Service.startService(self)
        self.whole.startService()
        self._due = self.clock.callLater(0, self._greet)

    def stopService(self) -> Deferred[None]:
        """Stop everything in order, and say what is waited for where that takes longer than `PATIENCE`."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._log.info("stopping")
        self._cancel()
        self._due = self.clock.callLater(PATIENCE, self._late, "")
        try:
            await self.whole.stopService()
        finally:
            self._cancel()
        self._log.info("stopped")

    def _greet(self) -> None:
        self._log.info("{greeting}", greeting=self.greeting())

    def _late(self, said: str) -> None:
        part = self.whole.stopping
        if part != said:
            self._log.info("still stopping: waiting for {part}", part=part)
        self._due = self.clock.callLater(PATIENCE, self._late, part)

    def _cancel(self) -> None:
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
