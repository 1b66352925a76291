"""The door behind real sockets, without a reactor of its own: each turn is taken by the test, and the time is a `Clock`'s."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.posixbase import _DisconnectSelectableMixin
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Server
from zope.interface import implementer

TURNS = 20_000
"""Turns within which something must have happened."""


@implementer(IReactorFDSet)
class Turning(_DisconnectSelectableMixin, Clock):
    """As much of a reactor as a TCP transport needs."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def removeAll(self) -> list[Any]:
        raise NotImplementedError

    def getReaders(self) -> list[Any]:
        return list(self.readers)

    def getWriters(self) -> list[Any]:
        return list(self.writers)

    def turn(self) -> None:
        """One turn: what can be written is written, what can be read is read, and calls that are due are made."""
        readable, writable, _ = select.select(self.readers, self.writers, [], 0)
        for one in writable:
            if one in self.writers:
                self._ended(one, one.doWrite(), isRead=False)
        for one in readable:
            if one in self.readers:
                self._ended(one, one.doRead(), isRead=True)
        self.advance(0)

    def _ended(self, one: Any, why: Any, *, isRead: bool) -> None:
        if why is not None:
            self._disconnectSelectable(one, CONNECTION_LOST if isinstance(why, int) else why, isRead)  # type: ignore[no-untyped-call]


class Plug:
    """A connection to a protocol: `transport` is the daemon's end, `socket` the client's."""

    def __init__(self, protocol: Protocol, reactor: Turning, buffers: int = 0) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            if buffers:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
            self.socket = socket.socket()
            if buffers:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            self.socket.connect(listening.getsockname())
            there, peer = listening.accept()
        there.setblocking(False)
        self.socket.setblocking(False)
        self.reactor = reactor
        self.transport: Any = Server(there, protocol, peer, None, 1, reactor)  # type: ignore[arg-type]  # it is all that a transport needs
        protocol.makeConnection(self.transport)
        OPEN.add(self)

    def say(self, data: bytes) -> None:
        """Send that."""
        self.socket.sendall(data)
        self.reactor.turn()

    def take(self, limit: int = 1 << 20) -> bytes:
        """What is there; nothing of it is waited for."""
        try:
            return self.socket.recv(limit)
        except BlockingIOError:
            return b""

    def hear(self, done: Callable[[bytearray], bool] = lambda _: False, limit: int = 1 << 20) -> bytes:
        """Take turns, and all that comes, until it is enough; the end of the connection is too."""
        heard = bytearray()
        for _ in range(TURNS):
            self.reactor.turn()
            try:
                data = self.socket.recv(limit)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                return bytes(heard)
            heard += data
            if not data or done(heard):
                return bytes(heard)
        raise AssertionError(f"nothing more came after {len(heard)} bytes")

    def until(self, condition: Callable[[], bool]) -> None:
        """Take turns until that is so."""
        for _ in range(TURNS):
            if condition():
                return
            self.reactor.turn()
        raise AssertionError("it never came to be so")

    def close(self) -> None:
        """Hang up; the daemon's end is gone too when this comes back."""
        self.socket.close()
        for _ in range(10):
            self.reactor.turn()
        self.transport.abortConnection()
        self.reactor.turn()
        OPEN.discard(self)


OPEN: set[Plug] = set()
"""Connections that nobody has closed yet."""


def unplug() -> None:
    """Close those that a test left open, as one does that fails."""
    for plug in tuple(OPEN):
        plug.close()
