"""A whole daemon in memory: its real parts, threads and files, with time by `Clock` and sockets that are only looked at."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from pypidaemon.blueprints import plan
from pypidaemon.renewing import Household
from pypidaemon.services.lifetime import Lifetime
from pypidaemon.tap import lifetime
from tests.web.wire import Client, Heard, answers, get

T = TypeVar("T")
LONG = 30.0
"""Seconds that a thread may take at most before a test fails."""

_Memory: Any = MemoryReactorClock


class Port:
    """A port that somebody listens at until it is closed."""

    def __init__(self, address: Any, factory: Any) -> None:
        self.address = address
        self.factory = factory
        self.closed = False

    def getHost(self) -> Any:
        return self.address

    def stopListening(self) -> None:
        self.closed = True


class Loop(_Memory):  # type: ignore[misc]  # Twisted's own carries no types
    """A reactor whose threads are real: what they hand back is run by `turn`."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._pool = ThreadPool(0, 4)
        self.ports: list[Port] = []
        self.refused: set[int] = set()
        self.lines: list[Callable[[], object]] = []
        """Called at every turn: what else moves in the world."""
        self.rightNow = 1_780_000_000.0

    def callFromThread(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        self._calls.put(lambda: function(*args, **kwargs))

    def getThreadPool(self) -> ThreadPool:
        return self._pool

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        if port in self.refused:
            from twisted.internet.error import CannotListenError

            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        base = super().listenTCP(port, factory, backlog, interface)
        self.ports.append(Port(base.getHost(), factory))
        return self.ports[-1]

    def turn(self, seconds: float = 0.0) -> None:
        """Run what is due, and what threads have handed back."""
        self.advance(seconds)
        for line in self.lines:
            line()
        while not self._calls.empty():
            self._calls.get()()

    def until(self, done: Callable[[], object]) -> None:
        """Turn until that is so, however long threads take for it."""
        while not done():
            self.turn()
            if not done() and not self._is_more_due():
                self._calls.get(timeout=LONG)()

    def _is_more_due(self) -> bool:
        """Whether a turn has made something due at once, as a reactor would run it without waiting for anybody."""
        return any(call.getTime() <= self.seconds() for call in self.getDelayedCalls())

    def result(self, awaitable: Awaitable[T]) -> T:
        """What that comes to; raises what it raises."""

        async def waited() -> T:
            return await awaitable

        results: list[Any] = []
        Deferred.fromCoroutine(waited()).addBoth(results.append)
        self.until(lambda: results)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]  # type: ignore[no-any-return]  # the list holds anything


@attrs.define(eq=False)
class Running:
    """A daemon that runs, by the file that `write` writes."""

    file: Path
    loop: Loop = attrs.field(factory=Loop)
    clients: list[Client] = attrs.field(factory=list)
    life: Lifetime = attrs.field(init=False)

    @property
    def household(self) -> Household:
        whole = self.life.whole
        assert isinstance(whole, Household)
        return whole

    @property
    def front(self) -> Any:
        """The site that listens."""
        return self.loop.ports[0].factory

    def write(self, text: str) -> None:
        """Have the file say that."""
        self.file.write_text(text)

    def start(self) -> None:
        """Start it, and wait until it has greeted."""
        self.loop._pool.start()
        self.life = lifetime(plan(str(self.file)), self.loop)
        # The process is pytest's, which has its own ideas of signals and service managers.
        self.life.signals = None
        self.life.privilegedStartService()
        self.life.startService()
        self.loop.turn()

    def reload(self, text: str) -> None:
        """Have the file say that, and be read again."""
        self.write(text)
        self.loop.result(self.life.reload())

    def client(self) -> Client:
        """A new connection."""
        self.clients.append(Client(self.front))
        return self.clients[-1]

    def hang_up(self) -> None:
        """Have the connections end that this side has closed."""
        for client in tuple(self.clients):
            if client.wire.closed:
                self.clients.remove(client)
                client.hang_up(clean=True)

    def ask(self, path: str, *headers: str, client: Client | None = None) -> Heard:
        """One answer, on a connection of its own where none is given."""
        alone = client is None
        client = client or self.client()
        heard = client.say(get(path, *headers, *(["Connection: close"] if alone else [])))
        while not heard.endswith(b"\r\n\r\n") and not _whole(heard):
            self.loop.until(lambda: client.wire.out)
            heard += client.heard()
        if alone:
            self.loop.until(lambda: client.wire.closed)
            self.hang_up()
        (answer,) = answers(heard)
        return answer

    def stop(self) -> None:
        """Stop it in order."""
        stopping = self.life.stopService()
        self.hang_up()
        if not stopping.called:
            # Whoever is still here is dropped when his time is over.
            self.loop.turn(self.household.house.plan.daemon.drain)
            self.hang_up()
            self.loop.result(stopping)
        self.loop._pool.stop()


def _whole(heard: bytes) -> bool:
    head, blank, body = heard.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(blank) and (body.endswith(b"0\r\n\r\n") if not lengths else len(body) >= lengths[0])


@contextmanager
def running(folder: Path, text: str) -> Iterator[Running]:
    """A daemon by that configuration, in `<folder>/etc/config.ini`."""
    file = folder / "etc" / "config.ini"
    file.parent.mkdir()
    file.write_text(text)
    daemon = Running(file)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
