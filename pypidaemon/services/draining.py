"""What a daemon owes to those who are at it when it is told to stop: time to come to an end (F79)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.waits import TookTooLong, within


@attrs.define(eq=False, slots=False)
class Draining(Service):
    """
    Stops when the last connection has ended, or when its time is over: then what is left is dropped, so that nobody takes a part for the whole.

    It has to stop after the sockets, through which others would come, and before whatever answers.

    :param seconds: how long transfers may go on; asked when it stops.
    :param leave: called first, so that nobody stays for another request.
    :param empty: comes back when there is no connection.
    :param drop: drops every connection, and answers how many those were.
    """

    clock: IReactorTime
    seconds: Callable[[], float]
    leave: Callable[[], None]
    empty: Callable[[], Awaitable[None]]
    drop: Callable[[], int]
    name: str = "transfers"
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def stopService(self) -> Deferred[None]:
        """Wait for those who are still here; fires when nobody is."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> None:
        self.leave()
        seconds = self.seconds()
        try:
            await within(self.clock, seconds, self.empty())
        except TookTooLong:
            dropped = self.drop()
            self._log.warn("{dropped} connections were dropped: they were not done after {seconds:g} s", dropped=dropped, seconds=seconds)
