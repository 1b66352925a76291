"""
What signals mean to a daemon (F80): SIGHUP to read its configuration again, SIGTERM and SIGINT to stop, and a second one of these to end at once.
SIGUSR1, and SIGHUP as well, have the log go on in a new file where the daemon itself writes it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

Handler = Callable[[int, FrameType | None], None]


def end_at_once(number: int) -> None:
    """End this process by that signal, as if nobody had ever handled it: what is stored is made to survive that (F73)."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@attrs.define(eq=False)
class Signals:
    """
    Handles signals in place of Twisted, whose own handlers leave SIGHUP deadly and a second SIGTERM without effect.

    A daemon that stops because it was told to ends with status 0, by whatever signal.

    :param reactor: calls back from a handler, which may interrupt anything.
    :param again: reads the configuration again.
    :param stop: stops the daemon in order.
    :param die: ends the process, now.
    :param install: as `signal.signal`.
    """

    reactor: IReactorFromThreads
    again: Callable[[], object]
    stop: Callable[[], object]
    die: Callable[[int], object] = end_at_once
    install: Callable[[int, Handler], Any] = signal.signal
    reopen: Callable[[], object] | None = None
    """Opens the log again; None where twistd writes it, which has its own ways."""
    told: bool = attrs.field(init=False, default=False)
    """Whether the daemon was told to stop, of which the log has a line then."""
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def begin(self) -> None:
        """Before anything starts: a SIGHUP that comes early waits."""
        self.install(signal.SIGHUP, self._hang_up)
        if self.reopen is not None:
            self.install(signal.SIGUSR1, self._rotate)

    def take_over(self) -> None:
        """Once the reactor runs, which has installed its own handlers by then."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.install(number, self._end)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self._rotate(number, frame)
        self.reactor.callFromThread(self.again)

    def _rotate(self, number: int, frame: FrameType | None) -> None:
        if self.reopen is not None:
            self.reactor.callFromThread(self._reopen, self.reopen)

    def _reopen(self, reopen: Callable[[], object]) -> None:
        try:
            reopen()
        except OSError as error:
            self._log.warn("the log goes on in the file that it was in: {error}", error=str(error))

    def _end(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.told:
            # The reactor may be what does not end, so nothing is left to it.
            self._log.warn("{name} for the second time: ending at once", name=name)
            self.die(number)
            return
        self.told = True
        self._log.info("{name}: stopping", name=name)
        self.reactor.callFromThread(self.stop)
