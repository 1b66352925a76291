"""Starting services one after another and stopping them one after another, which Twisted's own composite does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights


class CannotStart(SystemExit, PypidaemonError):
    """
    The daemon cannot begin its work; `str()` is one line for whoever started it.

    Being a SystemExit, it ends the process with that line and status 1 and without a traceback. Being an ordinary exception as well,
    it lets twistd remove its pid file and, when daemonised, tell the waiting parent the reason.
    """

    # Of that reason, written as in a traceback, twistd passes on 100 bytes. Only names of this module are written without their module.
    __module__ = "builtins"


@implementer(IService)
class OrderedService(MultiService):
    """
    A composite whose children start in the order given and stop in the reverse order, each after the one before has stopped.

    `MultiService` stops all children at once, so that a database could close under a request still running. Children open files and
    databases in `startService`, synchronously: `privilegedStartService` runs as root under `twistd --uid`, and `makeService` runs
    before twistd forks (examples.md 3.9). Ports are the exception: they are bound while privileged, and the kernel keeps callers
    waiting until the reactor runs, by when everything has started.
    """

    log = Logger()
    stopping = ""
    """The child that is being waited for while this stops, in words for the log; "" at any other time."""

    def __init__(self, children: Iterable[IService]) -> None:
        MultiService.__init__(self)
        self._ending: Flights[int, None] = Flights()
        for child in children:
            child.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """
        Do what may need to be root: bind ports.

        :raises CannotStart: a child could not.
        """
        self.running = 1
        for child in self:
            with self._in_one_line(self._undo):
                child.privilegedStartService()

    def startService(self) -> None:
        """
        Start the children in order. If one cannot, those already started are told to stop.

        :raises CannotStart: a child could not; its reason is the line.
        """
        self.running = 1
        for child in self:
            with self._in_one_line(self._undo):
                child.startService()

    def stopService(self) -> Deferred[None]:
        """Stop the children in reverse order, one at a time. A child that fails to stop is logged, and the rest still stop."""
        self.running = 0
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for child in reversed(list(self)):
            # One that is told by somebody else to stop says at once that it does not run, and may still be at it.
            if child.running or self._ending.flying(id(child)):
                self.stopping = _called(child)
                await self._stopped(child)
        self.stopping = ""

    async def _stopped(self, child: IService) -> None:
        await self._ending.join(id(child), lambda: self._stop_one(child))

    async def _stop_one(self, child: IService) -> None:
        try:
            await maybeDeferred(child.stopService)
        except Exception:  # noqa: BLE001  # the outermost loop of a service: the lock must be let go whatever a child does
            self.log.failure("A part of the daemon did not stop cleanly: {child!r}", child=child)

    async def begin(self, children: Iterable[IService]) -> None:
        """
        Start further children while this runs, in the order given; `arrange` then says where they stand.

        :raises PypidaemonError: one cannot start, in one line; those that did have stopped again.
        """
        begun: list[IService] = []
        try:
            for child in children:
                child.privilegedStartService()
                child.startService()
                begun.append(child)
        except Exception as error:
            await self.end(begun)
            line = one_line(error)
            if line is None:
                raise
            raise PypidaemonError(line) from error

    async def end(self, children: Iterable[IService]) -> None:
        """Stop these, in reverse order and one at a time, as `stopService` does with all."""
        for child in reversed(list(children)):
            if child.running:
                await self._stopped(child)

    def arrange(self, children: Iterable[IService]) -> None:
        """Have these children in this order from now on. None is started or stopped by that."""
        self.services = list(children)
        self.namedServices = {child.name: child for child in self.services if child.name is not None}
        for child in self.services:
            child.parent = self

    def _undo(self) -> None:
        # The process is about to end, and the reactor may never run, so nothing here can be waited for.
        self.stopService()

    @contextmanager
    def _in_one_line(self, undo: Callable[[], None]) -> Iterator[None]:
        try:
            yield
        except CannotStart:
            undo()
            raise
        except Exception as error:
            line = one_line(error)
            if line is None:
                raise
            undo()
            raise CannotStart(f"pypidaemon: {line}") from error


def one_line(error: Exception) -> str | None:
    """Why something could not start, in words for an operator; None where it is an error of the program's own."""
    if isinstance(error, PypidaemonError):
        return str(error)
    if isinstance(error, CannotListenError):
        return f"cannot listen on {_place(error)}: {_words(error.socketError)}"
    return f"cannot start: {_words(error)}" if isinstance(error, OSError | OverflowError) else None


def _called(child: IService) -> str:
    known = (getattr(child, word, None) for word in ("description", "label", "name"))
    return " ".join([type(child).__name__, *[word for word in known if isinstance(word, str)][:1]])


def _place(error: CannotListenError) -> str:
    # Twisted calls the path of a UNIX socket a port, and gives it as bytes.
    if isinstance(error.port, bytes | str):
        return os.fsdecode(error.port)
    return f"{error.interface or '*'} port {error.port}" if error.port is not None else str(error.interface)


def _words(error: Exception | str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
