"""A worker as the daemon sees it: something to talk to, that may hang, die or lie at any moment."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.fdesc import writeToFD
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.process import ProcessWriter
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pypidaemon.inspection import speech
from pypidaemon.waits import TookTooLong

_LOUDEST = 4000
"""Bytes of what a worker says on standard error that are kept."""

# The worker's own module is not imported here: the readers of archives would take a megabyte and more of the daemon, which has no use for them.
_START = (
    "import sys; sys.path[:] = sys.argv[2:]; from pypidaemon.inspection.behind import come_behind; come_behind();"
    " from pypidaemon.inspection.{} import main; main(int(sys.argv[1]))"
)


def command(memory: int, module: str = "worker") -> list[str]:
    """
    The command line of a worker: isolated from environment and user, without site hooks, but with this process's own module path.

    :param memory: bytes of address space that it may use.
    :param module: whose `main` it runs, of those beside this one.
    """
    return [sys.executable, "-I", "-S", "-B", "-c", _START.format(module), str(memory), *(os.path.abspath(path) for path in sys.path)]


class Ended(Exception):
    """The worker is gone."""


@attrs.define(eq=False, slots=False)
class Worker(ProcessProtocol):
    """
    One worker process. What it says is read a frame at a time by `hear`, by one listener.
    """

    jobs: int = attrs.field(init=False, default=0)
    """How many archives it was given."""
    since: float = attrs.field(init=False, default=0.0)
    """When it was started, by the reactor's clock."""
    complaint: str = attrs.field(init=False, default="")
    """What it said on standard error."""
    over: bool = attrs.field(init=False, default=False)
    _is_late: bool = attrs.field(init=False, default=False)
    """Whether the reactor may still have something to write to it, which must not be overtaken."""
    _buffer: bytearray = attrs.field(init=False, factory=bytearray)
    _listener: Deferred[bytes] | None = attrs.field(init=False, default=None)
    _mourners: list[Deferred[None]] = attrs.field(init=False, factory=list)

    @classmethod
    def start(cls, reactor: IReactorProcess, arguments: list[str]) -> Worker:
        """Start a process with that command line."""
        worker = cls()
        # Nothing of the daemon's environment is the worker's business, but where the interpreter finds its own libraries.
        environment = {key: value for key, value in os.environ.items() if key == "LD_LIBRARY_PATH"} | {"LC_ALL": "C.UTF-8"}
        reactor.spawnProcess(worker, arguments[0], arguments, environment, childFDs={0: "w", 1: "r", 2: "r"})
        return worker

    def say(self, *frames: bytes) -> None:
        """Send these frames, at one stroke; does nothing where the worker is gone."""
        data = b"".join(map(speech.frame, frames))
        # Its standard input may be gone a moment before it is.
        with suppress(KeyError):
            if not self._is_late:
                # Who waits for a question has room for it; to have the reactor write it costs four calls to the system and another of its turns.
                taken = writeToFD(self._input.fileno(), data)
                data = data[max(taken, 0) :]
            if data:
                self._is_late = True
                self._process.writeToChild(0, data)

    async def hear(self, clock: IReactorTime, seconds: float) -> tuple[str, dict[str, Any]]:
        """
        Wait for what the worker says next, for so many seconds.

        :raises TookTooLong: it says nothing.
        :raises Ended: it is gone.
        :raises Nonsense: it says what cannot be.
        """
        data = self._frame()
        if data is None:
            if self.over:
                raise Ended
            listener = self._listener = Deferred(self._left)
            late = clock.callLater(seconds, self._too_late, listener)
            try:
                data = await listener
            finally:
                if late.active():
                    late.cancel()
        return speech.word(data)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")

    def gone(self) -> Deferred[None]:
        """Fires when the process has ended."""
        ended: Deferred[None] = Deferred()
        if self.over:
            ended.callback(None)
        else:
            self._mourners.append(ended)
        return ended

    def outReceived(self, data: bytes) -> None:
        """Collect what the worker says."""
        self._buffer += data
        listener = self._listener
        if listener is None:
            # It speaks without being asked; whoever hears it next will find that out, unless it goes on for too long.
            if len(self._buffer) > speech.LARGEST_FRAME:
                self.kill()
            return
        try:
            frame = self._frame()
        except speech.Nonsense:
            self._listener = None
            listener.errback(Failure())
            return
        if frame is not None:
            self._listener = None
            listener.callback(frame)

    def errReceived(self, data: bytes) -> None:
        """Keep the end of its complaints."""
        self.complaint = (self.complaint + data.decode("utf-8", "replace"))[-_LOUDEST:]

    def processEnded(self, reason: Failure) -> None:
        """Tell everybody who waits for it."""
        self.over = True
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.errback(Ended())
        mourners, self._mourners = self._mourners, []
        for mourner in mourners:
            mourner.callback(None)

    @property
    def _input(self) -> ProcessWriter:
        """
        Its standard input.

        :raises KeyError: it is gone.
        """
        pipe: ProcessWriter = cast(Any, self.transport).pipes[0]
        return pipe

    @property
    def _process(self) -> IProcessTransport:
        return cast(IProcessTransport, self.transport)

    def _frame(self) -> bytes | None:
        """
        The next whole frame that has come, if there is one.

        :raises Nonsense: one that is too long begins.
        """
        if len(self._buffer) < speech.HEAD:
            return None
        end = speech.HEAD + speech.length(bytes(self._buffer[: speech.HEAD]))
        if len(self._buffer) < end:
            return None
        data = bytes(self._buffer[speech.HEAD : end])
        del self._buffer[:end]
        # It answers what it has read to the end; one that does not is lost in any case.
        self._is_late = False
        return data

    def _too_late(self, listener: Deferred[bytes]) -> None:
        if self._listener is listener:
            self._listener = None
            listener.errback(TookTooLong("the worker says nothing"))

    def _left(self, _: Deferred[bytes]) -> None:
        self._listener = None
