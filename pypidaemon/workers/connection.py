"""
One client's connection at a front.

What a client sends is looked up as it came, every byte of it, as on the express lane (`pypidaemon.web.express_channel`); what is not known is left to the
keeper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from pypidaemon.web.eager import JOINED, Outlet

if TYPE_CHECKING:
    from pypidaemon.workers.entries import Entry
    from pypidaemon.workers.front import Front

_BEGINNINGS = (b"GET ", b"HEAD ")
_END = b"\r\n\r\n"


class Caller(Protocol):
    """
    One client's connection.

    Of Twisted's TCP transport this relies on, besides what `Outlet` does: who set its `producerPaused` is told by `resumeProducing` when all is sent.
    """

    def __init__(self, front: Front, number: int, peer: str) -> None:
        self.front = front
        self.number = number
        self.peer = peer
        self.at = front.clock.seconds()
        """When something was last said to it."""
        self.asked = b""
        """What the keeper was asked about."""
        self.behind = b""
        """What came behind that."""
        self.clogged = False
        """Whether it has to take what it was told before it is heard again."""
        self.over = False

    def connectionMade(self) -> None:
        """Begin."""
        self._transport.setTcpNoDelay(True)
        self._transport.registerProducer(self, True)
        self.outlet = Outlet(self.transport)
        self.outlet.look()
        self.front.came(self)

    @property
    def _transport(self) -> Any:
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        """Answer what is known, and have the keeper answer the rest."""
        front = self.front
        if self.over or self.asked or self.clogged:
            # The transport had read it before it stopped.
            self.behind += data
            return
        now = front.clock.seconds()
        entry = front.known(self, data, now)
        if entry is not None:
            id = front.next_id()
            front.answered(self, entry, id, now)
            self._say(entry, id, now)
        elif not front.leaving and data.startswith(_BEGINNINGS) and data.find(_END) == len(data) - 4:
            self.asked = data
            self._transport.pauseProducing()
            front.ask(self, data)
        else:
            front.hand_over(self, data)

    def _say(self, entry: Entry, id: str, now: float) -> None:
        body = entry.body
        self.at = now
        if len(body) <= JOINED:
            whole = self.outlet.say(b"".join((entry.before, id.encode("ascii"), entry.behind, body)))
        else:
            went = self.outlet.begin(b"".join((entry.before, id.encode("ascii"), entry.behind)), body)
            whole = went == len(body)
            if not whole:
                self._transport.write(body[went:])
        if not whole and not self.clogged:
            # Whoever hangs up now is still to have the end of it, so that is not heard before.
            self._transport.producerPaused = True
            self.pauseProducing()

    def told(self, entry: Entry, id: str) -> None:
        """The keeper has an answer to what it was asked; it has written it down under that id."""
        asked, self.asked = self.asked, b""
        now = self.front.clock.seconds()
        if self.over or not asked:
            return
        if not entry.ready(now):
            # The clock went on, or back, meanwhile.
            self.front.hand_over(self, asked + self.behind)
            return
        self._say(entry, id, now)
        if self.front.leaving:
            self.close(self.front.rules.stall)
        elif not self.clogged:
            self._go_on()

    def not_told(self) -> None:
        """The keeper wants the connection itself."""
        if not self.over:
            self.front.hand_over(self, self.asked + self.behind)

    def pauseProducing(self) -> None:
        """The client does not take what it is told, for which it has only so much time."""
        self.clogged = True
        self.front.stalled.setdefault(self, self.front.clock.seconds())
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """It has taken all."""
        self.clogged = False
        self.at = self.front.clock.seconds()
        self.front.stalled.pop(self, None)
        self.outlet.look()
        self._go_on()

    def _go_on(self) -> None:
        self._transport.resumeProducing()
        behind, self.behind = self.behind, b""
        if behind:
            self.dataReceived(behind)

    def stopProducing(self) -> None:
        """The connection is lost, which `connectionLost` hears as well."""

    def close(self, seconds: float) -> None:
        """Close, when the client has what it was told, for which it has so long."""
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        self.front.stalled.setdefault(self, self.front.clock.seconds() - self.front.rules.stall + seconds)

    def drop(self) -> None:
        """Close now."""
        self._transport.abortConnection()

    def detached(self) -> None:
        """The socket is somebody else's: let go of it without a word."""
        transport = self._transport
        self.over = True
        transport.unregisterProducer()
        transport.stopReading()
        transport.stopWriting()
        transport.connected = 0
        transport.socket.close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end."""
        if not self.over:
            self.over = True
            self.front.left(self)
