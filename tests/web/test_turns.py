"""Turns of a real epoll reactor that nobody runs: each is taken by the test."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.process import ProcessReader
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection, Server
from twisted.python import context
from twisted.python.failure import Failure
from twisted.python.log import ILogContext
from zope.interface import implementer

from pypidaemon.web import turns
from pypidaemon.web.turns import quicken


@implementer(IHalfCloseableProtocol)
class Hears(Protocol):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.systems: list[str] = []
        self.wrong: BaseException | None = None
        self.aborts: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        self.said.append(data)
        self.systems.append(context.get(ILogContext)["system"])
        for one in self.aborts:
            one.abortConnection()
        if self.wrong is not None:
            raise self.wrong

    def readConnectionLost(self) -> None:
        self.said.append("half closed")

    def writeConnectionLost(self) -> None:
        raise AssertionError

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008  # as Twisted's
        self.said.append(reason.type)


class Scene:
    """A reactor and connections to it."""

    def __init__(self) -> None:
        self.reactor: Any = EPollReactor()  # type: ignore[no-untyped-call]
        self.far: list[socket.socket] = []

    def connected(self) -> tuple[Hears, Any, socket.socket]:
        """The protocol, its transport, and the other end."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            far = socket.create_connection(listening.getsockname())
            near, peer = listening.accept()
        self.far.append(far)
        hears = Hears()
        transport: Any = Server(near, hears, peer, None, 1, self.reactor)  # type: ignore[arg-type]  # it is all that a transport needs
        hears.makeConnection(transport)
        transport.startReading()
        return hears, transport, far

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.reactor.runUntilCurrent()
            self.reactor.doIteration(0)

    def close(self) -> None:
        for far in self.far:
            far.close()
        for one in self.reactor.removeAll():
            one.connectionLost(Failure(ConnectionLost()))
        self.reactor._poller.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    assert quicken(scene.reactor)
    yield scene
    scene.close()


def test_what_is_read_is_heard_without_the_context_of_an_old_log(scene: Scene) -> None:
    hears, _, far = scene.connected()
    scene.turn()
    assert hears.said == []
    for word in (b"one", b"two"):
        far.sendall(word)
        scene.turn()
    assert hears.said == [b"one", b"two"]
    assert hears.systems == ["-", "-"]


def test_what_cannot_be_sent_at_once_is_sent_with_later_turns(scene: Scene) -> None:
    """And what is read meanwhile is heard."""
    hears, transport, far = scene.connected()
    far.setblocking(False)
    transport.write(b"x" * 8_000_000)
    heard = 0
    far.sendall(b"meanwhile")
    for _ in range(20_000):
        scene.turn()
        try:
            heard += len(far.recv(1 << 20))
        except BlockingIOError:
            continue
        if heard == 8_000_000:
            break
    assert heard == 8_000_000
    assert hears.said == [b"meanwhile"]


def test_the_end_of_a_connection_is_heard_as_ever(scene: Scene) -> None:
    """Half of it, or all, or by force."""
    hears, transport, far = scene.connected()
    far.shutdown(socket.SHUT_WR)
    scene.turn()
    assert hears.said == ["half closed"]
    transport.loseConnection()
    scene.turn(2)
    assert hears.said == ["half closed", ConnectionDone]
    hears, _, far = scene.connected()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    scene.turn(2)
    assert hears.said == [ConnectionLost]


def test_what_is_raised_is_logged_and_ends_that_connection_alone(scene: Scene, no_logged_failures: list[dict[str, Any]]) -> None:
    hears, _, far = scene.connected()
    other, _, other_far = scene.connected()
    hears.wrong = RuntimeError("by design")
    far.sendall(b"one")
    other_far.sendall(b"two")
    scene.turn(2)
    assert hears.said == [b"one", RuntimeError]
    assert other.said == [b"two"]
    (event,) = no_logged_failures
    assert event["log_failure"].value is hears.wrong
    no_logged_failures.clear()


def test_who_is_aborted_in_a_turn_is_not_heard_in_it(scene: Scene) -> None:
    first, first_transport, first_far = scene.connected()
    second, second_transport, second_far = scene.connected()
    first.aborts, second.aborts = [second_transport], [first_transport]
    first_far.sendall(b"one")
    second_far.sendall(b"two")
    scene.turn()
    assert sorted(map(len, (first.said, second.said))) == [0, 1]
    scene.turn(2)
    assert sorted(map(len, (first.said, second.said))) == [1, 1]


class Slow(Connection):  # type: ignore[misc]  # Twisted's carries no types
    """A download, each piece of which takes as long as `taken` says."""

    taken: Callable[[], None]

    def doRead(self) -> Any:
        self.taken()
        return super().doRead()


def downloads(scene: Scene, count: int, taken: Callable[[], None]) -> None:
    """So many, each with a piece to hand on."""
    for _ in range(count):
        hears, old, far = scene.connected()
        old.stopReading()
        slow = Slow(old.socket, hears, scene.reactor)
        slow.taken = taken
        slow.startReading()
        far.sendall(b"piece")


@pytest.mark.parametrize(
    ("takes", "order"),
    [
        (0, ["asks", "slow"] * 5),
        # Whoever asks so much has no more of a turn than all other things.
        (3, ["asks", "slow", "asks", "slow", "slow", "slow", "asks", "slow"]),
    ],
)
def test_who_asks_is_heard_before_everything_else_and_again_among_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, takes: int, order: list[str]
) -> None:
    """A request that comes while pieces of downloads are handed on, each of which takes long, does not wait for all of them."""
    now = 0.0
    monkeypatch.setattr(turns, "monotonic", lambda: now)
    done: list[str] = []
    asking, _, asks = scene.connected()

    def hand_on() -> None:
        nonlocal now
        now += turns.LOOK
        done.append("slow")

    def hear(data: bytes) -> None:
        nonlocal now
        now += takes * turns.LOOK
        done.append("asks")
        asks.sendall(b"again")

    asking.dataReceived = hear  # type: ignore[method-assign]
    downloads(scene, 5, hand_on)
    asks.sendall(b"first")
    scene.turn()
    assert done == order


class Broken:
    """A socket that fails as it is told."""

    def __init__(self, real: socket.socket, error: OSError) -> None:
        self.real, self.error = real, error

    def recv(self, _size: int) -> bytes:
        raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_a_read_that_fails_ends_it_and_one_that_has_nothing_does_not(scene: Scene) -> None:
    hears, transport, far = scene.connected()
    real = transport.socket
    far.sendall(b"one")
    transport.socket = Broken(real, BlockingIOError(11, "again"))
    scene.turn()
    assert hears.said == []
    transport.socket = Broken(real, TimeoutError(110, "timed out"))
    scene.turn(2)
    assert hears.said == [ConnectionLost]


def test_what_a_process_says_and_what_a_thread_has_done_is_looked_at_without_a_context(scene: Scene) -> None:
    systems: list[Any] = []

    class Said:
        name = "out"

        def childDataReceived(self, name: str, data: bytes) -> None:
            systems.append((data, context.get(ILogContext).get("system")))

        def childConnectionLost(self, name: str, reason: Any) -> None:
            systems.append(name)

    near, far = os.pipe()
    reader: Any = ProcessReader(scene.reactor, Said(), "out", near)  # type: ignore[no-untyped-call]
    os.write(far, b"word")
    scene.turn()
    assert [data for data, _ in systems] == [b"word"]
    assert "ProcessReader" not in str(systems[0][1])
    os.close(far)
    scene.turn(2)
    assert systems[1:] == ["out"]
    assert reader not in scene.reactor._selectables.values()


def test_other_reactors_are_left_alone() -> None:
    clock = Clock()
    assert not quicken(clock)
    assert not hasattr(clock, "doIteration")

    class Another(EPollReactor):  # type: ignore[misc]  # Twisted's carries no types
        """One that may work in another way."""

    another: Any = Another()  # type: ignore[no-untyped-call]
    assert not quicken(another)
    assert "doIteration" not in vars(another)
    another._poller.close()
    for one in another.removeAll():
        one.connectionLost(Failure(ConnectionLost()))


def test_what_is_relied_on_of_twisted() -> None:
    """Whatever is done otherwise in a turn, or in a read, is noticed here."""
    assert EPollReactor.doIteration is EPollReactor.doPoll
    turn = inspect.getsource(EPollReactor.doPoll)
    assert "self._poller.poll(timeout, len(self._selectables))" in turn
    assert "log.callWithLogger(selectable, _drdw, selectable, fd, event)" in turn
    read = inspect.getsource(Connection.doRead) + inspect.getsource(Connection._dataReceived)
    assert "self.socket.recv(self.bufferSize)" in read
    assert "self.protocol.dataReceived(data)" in read
    assert "return main.CONNECTION_DONE" in read
    assert Server.doRead is Connection.doRead
