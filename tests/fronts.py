"""A front and its keeper in one process: the real ones over real sockets, with time by `Clock` and a loop that is turned by hand."""

from __future__ import annotations

import select
import socket
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor, IReadWriteDescriptor, IWriteDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.task import Clock
from twisted.internet.tcp import Server
from twisted.python.failure import Failure

from pypidaemon.web.site import DoorSite
from pypidaemon.workers.desk import Desk
from pypidaemon.workers.front import Door, Front, Rules
from pypidaemon.workers.generations import Generations
from pypidaemon.workers.inquiry import Inquiry
from pypidaemon.workers.link import Link, pair
from pypidaemon.workers.process import Listener

PATIENCE = 5.0
"""Seconds that the system may take to move some bytes on."""
ID = "07" * 8
"""What `House` calls every request."""


class Loop:
    """A reactor for descriptors and delayed calls that turns when it is told to."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def seconds(self) -> float:
        return self.clock.seconds()

    def callLater(self, delay: float, call: Any, *args: Any, **keywords: Any) -> IDelayedCall:
        return self.clock.callLater(delay, call, *args, **keywords)

    def addReader(self, reader: IReadDescriptor) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        self.writers.discard(writer)

    def turn(self) -> bool:
        """Do what can be done now; whether there was anything."""
        self.clock.advance(0)
        readable, writable, _ = select.select(list(self.readers), list(self.writers), [], 0)
        for one in readable:
            if one in self.readers:
                self._done(one, one.doRead())
        for one in writable:
            if one in self.writers:
                self._done(one, one.doWrite())
        return bool(readable or writable)

    def settle(self) -> None:
        """Turn until there is nothing to do."""
        while self.turn():
            pass

    def _done(self, one: IReadWriteDescriptor, why: Any) -> None:
        if why:
            self.removeReader(one)
            self.removeWriter(one)
            one.connectionLost(Failure(why if why is not True else CONNECTION_DONE))


@attrs.define(eq=False)
class Client:
    """Somebody who is connected, by a socket of his own."""

    rig: Rig
    socket: socket.socket

    def send(self, data: bytes) -> None:
        """Say that, and let everybody do what they do about it."""
        self.socket.sendall(data)
        self.rig.loop.settle()

    def heard(self) -> bytes:
        """All that there is to hear now."""
        found = b""
        while True:
            self.rig.loop.settle()
            try:
                piece = self.socket.recv(1 << 20)
            except BlockingIOError:
                return found
            except ConnectionError:
                return found
            if not piece:
                return found
            found += piece

    def to_the_end(self) -> bytes:
        """All that there is to hear until the other side closes, however slowly the system moves it."""
        found = b""
        while True:
            self.rig.loop.settle()
            moves, others, _ = select.select([self.socket], list(self.rig.loop.writers), [], PATIENCE)
            assert moves or others, f"nothing more after {len(found)} bytes"
            if moves:
                piece = self.socket.recv(1 << 20)
                if not piece:
                    return found
                found += piece

    def say(self, data: bytes) -> bytes:
        """Say that; what is heard."""
        self.send(data)
        return self.heard()

    @property
    def closed(self) -> bool:
        """Whether the other side has closed."""
        self.rig.loop.settle()
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def hang_up(self) -> None:
        """Close."""
        self.socket.close()
        self.rig.loop.settle()


class Rig:
    """One front of that site, and clients of its."""

    def __init__(self, site: DoorSite, clock: Clock, by_peer: bool = False) -> None:
        self.loop = Loop(clock)
        self.site = site
        self.generations = Generations.begun()
        self.lost = 0
        self.over = False
        self.desk = Desk(site, Inquiry(site), self.generations, self._adopt, self._count)
        ours, theirs = pair()
        self.link = Link(self.loop, ours, self.desk.heard, self.desk.ended)  # type: ignore[arg-type]  # all of it that is wanted
        self.desk.say = self.link.say
        self.listener = Listener(self.loop, self._end)
        self.listener.link = Link(self.loop, theirs, self.listener.heard, self._end)  # type: ignore[arg-type]  # as above
        self.link.begin()
        self.listener.link.begin()
        self.link.say("begins", [], b"", [self.generations.descriptor])
        self.follow(Rules(by_peer=by_peer))
        self.front.next_id = lambda: ID
        self.clients: list[Client] = []

    @property
    def front(self) -> Front:
        """The front."""
        assert self.listener.front is not None
        return self.listener.front

    def follow(self, rules: Rules) -> None:
        """Have it follow these rules."""
        self.link.say("rules", [rules.idle, rules.stall, rules.linger, rules.by_peer])
        self.loop.settle()

    def client(self, address: str = "127.0.0.1", room: int = 0) -> Client:
        """Somebody at that address of this machine connects, and the front accepts; on the way to him is so much room, or what the system gives."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname(), source_address=(address, 0))
            theirs, _ = listening.accept()
        ours.setblocking(False)
        with theirs:
            theirs.setblocking(False)
            if room:
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            Server._fromConnectedSocket(theirs.fileno(), socket.AF_INET, Door(self.front), self.loop)
        self.loop.settle()
        self.clients.append(Client(self, ours))
        return self.clients[-1]

    def ask(self, head: bytes, address: str = "127.0.0.1") -> tuple[bytes, str]:
        """What is said to that head on a connection of its own; and by whom: "front" alone, the "keeper" through it, or the keeper that took "over"."""
        client = self.client(address)
        asked, handed = self.desk.asked, self.desk.handed
        heard = client.say(head)
        client.hang_up()
        self.clients.remove(client)
        return heard, "over" if self.desk.handed > handed else "keeper" if self.desk.asked > asked else "front"

    def tell(self) -> None:
        """Have the front tell what it has to tell."""
        self.front.tell()
        self.loop.settle()

    def close(self) -> None:
        """End it all."""
        for client in self.clients:
            client.socket.close()
        self.loop.settle()
        for link in (self.link, self.listener.link):
            link.end_it()
        self.desk.ended()
        for channel in tuple(self.site._channels):
            channel.abort()
        self.loop.settle()
        self.generations.close()

    def _adopt(self, descriptor: int, family: int, factory: Any) -> Any:
        return Server._fromConnectedSocket(descriptor, family, factory, self.loop)

    def _count(self, count: int) -> None:
        self.lost += count

    def _end(self) -> None:
        self.over = True
