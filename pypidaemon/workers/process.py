"""
The program that a front is: it has a reactor, the link to the keeper, and the sockets that the keeper names.

It lives exactly as long as the keeper: once the link ends, it ends, whatever it is at. Signals are the keeper's business, which may be sent to all
processes of a terminal or a unit at once, so none but the deadly one means anything here.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet.interfaces import IListeningPort

from pypidaemon.web.request_ids import RequestIds
from pypidaemon.web.turns import quicken
from pypidaemon.workers.accepting import one_by_one
from pypidaemon.workers.entries import unpacked
from pypidaemon.workers.front import Door, Front, Rules
from pypidaemon.workers.generations import Generations
from pypidaemon.workers.link import Link

LINK = 3
"""The descriptor by which the keeper speaks to this process."""
_KEEPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)

# As for the workers that look into archives: nothing of the environment, and the module path of this process.
# It speaks in plain to whoever it accepts, and to nobody else.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; from pypidaemon.late_tls import put_off; put_off(); "
    "from pypidaemon.workers.process import main; main()"
)


def command() -> list[str]:
    """The command line of a front."""
    return [sys.executable, "-I", "-S", "-B", "-c", _START, *(os.path.abspath(path) for path in sys.path)]


@contextmanager
def deaf() -> Iterator[None]:
    """What is started meanwhile hears no signal that is the keeper's, from its first moment on: that is inherited, as handlers are not."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _KEEPERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@attrs.define(eq=False)
class Listener:
    """
    Does what the keeper says.

    :param end: ends the process.
    """

    reactor: Any
    end: Any
    link: Any = attrs.field(default=None, init=False)
    front: Front | None = attrs.field(default=None, init=False)
    _ports: dict[int, IListeningPort] = attrs.field(factory=dict, init=False)

    def heard(self, word: str, facts: list[Any], data: bytes, descriptors: list[int]) -> None:
        """The keeper says that."""
        try:
            if word == "begins":
                counts = Generations(descriptors[0], False).counts
                self.front = Front(self.reactor, counts, self.link.say, RequestIds(os.urandom).next, self._busy, self.end)
                return
            assert self.front is not None
            if word == "listens":
                self._listen(facts[0], facts[1], descriptors[0])
            elif word == "shuts":
                self._shut(facts[0])
            elif word == "leaves":
                for number in tuple(self._ports):
                    self._shut(number)
                self.front.leave()
            else:
                _obey(self.front, word, facts, data)
        finally:
            for one in descriptors:
                os.close(one)

    def _busy(self) -> bool:
        waiting: int = self.link.waiting
        return waiting > 0

    def _listen(self, number: int, family: int, descriptor: int) -> None:
        assert self.front is not None
        port = self._ports[number] = self.reactor.adoptStreamPort(descriptor, family, Door(self.front))
        one_by_one(port)

    def _shut(self, number: int) -> None:
        port = self._ports.pop(number, None)
        if port is not None:
            port.stopListening()


def _obey(front: Front, word: str, facts: list[Any], data: bytes) -> None:
    """What the keeper says of connections and answers."""
    match word, facts:
        case "answer", [number, id, by_peer, entry]:
            front.answer(number, id, by_peer, unpacked(entry, data))
        case "no", [number]:
            front.no_answer(number)
        case "take", [number]:
            front.take(number)
        case "goes", [number]:
            front.make_way(number)
        case "rules", [idle, stall, linger, by_peer]:
            front.follow(Rules(idle, stall, linger, by_peer))


def main() -> None:
    """Be a front."""
    # The reactor is made here and not found as everybody's, since there is no other part of a program that would look for it.
    from twisted.internet.epollreactor import EPollReactor
    from twisted.internet.main import installReactor

    for number in _KEEPERS:
        signal.signal(number, signal.SIG_IGN)
    reactor: Any = EPollReactor()
    installReactor(reactor)
    quicken(reactor)
    quicken(reactor)
    listener = Listener(reactor, lambda: os._exit(0))
    end = socket.socket(fileno=LINK)
    end.setblocking(False)
    listener.link = Link(reactor, end, listener.heard, listener.end)
    listener.link.begin()
    reactor.run(installSignalHandlers=False)
