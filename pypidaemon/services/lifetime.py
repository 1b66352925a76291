"""
The daemon as its operator and its service manager see it: one line when it answers, one when it has read its configuration again, one when it stops,
one when it has stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.services.notifying import Notifying
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.signals import Signals

PATIENCE = 1.0
"""Seconds that a part may take to stop before the log says that it is waited for."""


@attrs.define(eq=False, slots=False)
class Lifetime(Service):
    """
    Starts and stops the whole daemon and says so.

    :param whole: all that lives.
    :param greeting: the line for when everything listens; asked for then, so that it can name the ports that were given.
    :param renew: reads the configuration again and has it in force when it comes back; where that cannot be, it raises and everything is as it was.
    :param signals: makes what handles signals, for this; None leaves them alone.
    :param notifying: who tells the service manager.
    """

    whole: OrderedService
    clock: IReactorTime
    greeting: Callable[[], str]
    renew: Callable[[], Awaitable[None]] | None = None
    notifying: Notifying | None = None
    signals: Signals | None = None
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _turns: DeferredLock = attrs.field(init=False, factory=DeferredLock, repr=False)
    _flights: Flights[object, None] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)), repr=False)
    _hung_up: bool = attrs.field(init=False, default=False, repr=False)
    """Whether a signal waits for its turn: what it will read then is what any further one means as well."""

    def privilegedStartService(self) -> None:
        """
        As `OrderedService`.

        :raises CannotStart: a part could not.
        """
        Service.privilegedStartService(self)
        if self.signals is not None:
            self.signals.begin()
        self.whole.privilegedStartService()

    def startService(self) -> None:
        """
        Start everything. The greeting comes when the reactor runs: before that nobody is answered, and a signal would find no handler.

        :raises CannotStart: a part could not; its reason is the line.
        """
        Service.startService(self)
        self.whole.startService()
        if self.notifying is not None:
            self.notifying.startService()
        self._due = self.clock.callLater(0, self._greet)

    def stopService(self) -> Deferred[None]:
        """Stop everything in order, and say what is waited for where that takes longer than `PATIENCE`."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def reload(self) -> None:
        """
        Read the configuration again, and be what it says. Of several at once each reads it when the one before is done, so the last word is the file's.

        Who ordered it and leaves does not stop it halfway: the old parts have perhaps ended by then, and the new ones not begun.

        :raises PypidaemonError: it cannot be used, or needs a restart, or this daemon is about to stop; everything is as it was (F72).
        """
        await self._flights.join(object(), self._in_turn)

    async def _in_turn(self) -> None:
        await self._turns.acquire()
        try:
            await self._reload()
        finally:
            self._turns.release()

    async def _reload(self) -> None:
        if self.renew is None or not self.running:
            raise PypidaemonError("the daemon is about to stop")
        if self.notifying is not None:
            self.notifying.reloading()
        status = self.greeting()
        try:
            await self.renew()
            status = self.greeting()
            self._log.info("the configuration was read again; {greeting}", greeting=status)
        except PypidaemonError as error:
            status = f"the configuration was read again and is not used, all stays as it was: {error}"
            self._log.warn("{status}", status=status)
            raise
        finally:
            if self.notifying is not None and self.running:
                self.notifying.ready(status)

    def hang_up(self) -> Deferred[None]:
        """As `reload`, on a signal: nobody is there to hear what is wrong, so the log has it."""
        return Deferred.fromCoroutine(self._hang_up())

    async def _hang_up(self) -> None:
        if self._hung_up:
            return
        self._hung_up = True
        await self._turns.acquire()
        self._hung_up = False
        try:
            await self._reload()
        except PypidaemonError:
            pass
        except Exception:  # noqa: BLE001  # a signal has no caller who could be told
            self._log.failure("the configuration could not be read again")
        finally:
            self._turns.release()

    async def _stop(self) -> None:
        if self.signals is None or not self.signals.told:
            self._log.info("stopping")
        if self.notifying is not None:
            self.notifying.stopping("finishing what is under way")
        self._cancel()
        self._due = self.clock.callLater(PATIENCE, self._late, "")
        try:
            await self.whole.stopService()
        finally:
            self._cancel()
            if self.notifying is not None:
                await self.notifying.stopService()
        self._log.info("stopped")

    def _greet(self) -> None:
        greeting = self.greeting()
        if self.signals is not None:
            self.signals.take_over()
        if self.notifying is not None:
            self.notifying.ready(greeting)
        self._log.info("{greeting}", greeting=greeting)

    def _late(self, said: str) -> None:
        part = self.whole.stopping
        if part != said:
            self._log.info("still stopping: waiting for {part}", part=part)
        self._due = self.clock.callLater(PATIENCE, self._late, part)

    def _cancel(self) -> None:
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
