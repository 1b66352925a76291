"""
The channel that knows the express lane: a head that was answered before is answered at once, everything else goes through the parser as ever.

It takes no request that anything stands before: no other one under way, none half here, none behind it in the same packet, no bytes that wait for the
client. So there is nothing to keep in order, and a request that is not known costs one look into a dictionary.

Of a long answer the client is given a piece when it has taken the one before, as on the ordinary road, and nothing more is read from it meanwhile.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
from twisted.python.failure import Failure

from pypidaemon.pace import PIECE
from pypidaemon.web.channel import DoorChannel
from pypidaemon.web.eager import JOINED, Outlet
from pypidaemon.web.express import Lane, Ready
from pypidaemon.web.places import address_of

_BEGINNINGS = (b"GET ", b"HEAD ")
_END = b"\r\n\r\n"
_LONGEST = 8 << 10
"""Bytes of a head that the lane may know, and more."""


@attrs.define(eq=False)
class _Rest:
    """What of an answer is still to be written, from `offset` of the body on."""

    lane: Lane
    ready: Ready
    id: str
    began: float
    offset: int

    def piece(self) -> bytes:
        """The next piece, none where all has been."""
        piece = self.ready.body[self.offset : self.offset + PIECE]
        self.offset += len(piece)
        return piece


class ExpressChannel(DoorChannel):
    """
    As `DoorChannel`. The site's factory also sets `site`, whose `lane` there may be.

    Of Twisted's channel this relies on besides: `requests` is empty and `line_mode` true exactly while no request is under way, and `setTimeout` begins
    the wait for the next one anew and remembers how long that is in `timeOut`. `tests/web/test_express.py` notices when that changes.
    """

    timeOut: Any
    asked: bytes | None = None
    """While the ordinary road answers: the key under which the lane would know the answer, if that is worth a place."""

    def __init__(self) -> None:
        super().__init__()
        self._lane: Lane | None = None
        self._origin = b""
        self._peer = ""
        self._outlet = Outlet(None)
        self._rest: _Rest | None = None
        self._resting = False
        """
        Whether the last thing here was an answer of the lane that went out whole at once, so that it need not be looked again at each of the things that a
        request may have to wait for. Whatever comes between takes it back.
        """
        self._said_at = -math.inf
        """When the lane answered last."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client: answer at once what is known, and leave the rest to the ordinary road."""
        lane = self.site.lane
        if not self._resting or lane is not self._lane or len(data) > _LONGEST:
            # Where it is that long, the body of something is among it, and to look that up would cost as much as to read a form.
            if lane is None or len(data) > _LONGEST or not self._at_rest():
                self._ordinary(data)
                return
            if lane is not self._lane:
                self._board(lane)
            self._resting = self._outlet.look()
        key = self._origin + data
        now = lane.clock.seconds()
        ready = lane.ready(key, now)
        if ready is not None and (lane.allows is None or lane.allows(ready.client or self._peer)):
            id = lane.ids.next()
            self._served = True
            if len(ready.body) <= JOINED:
                if not self._outlet.say(b"".join((ready.before, id.encode("ascii"), ready.behind, ready.body))):
                    self._resting = False
            elif not self._tells(lane, ready, id, now):
                return
            lane.answered(ready, self._peer, id, now)
            if self._clogged:
                # What he was told he must take before the next one can be late.
                self.setTimeout(self.setTimeout(None))
                self.works(True)
            else:
                # The idle time begins anew; whoever watches over it looks at this when it is over, so it costs nothing here.
                self._said_at = now
                self.site.places.again(self)
            return
        if data.startswith(_BEGINNINGS) and data.find(_END) == len(data) - 4 and lane.wants(key):
            self.asked = key
        try:
            self._ordinary(data)
        finally:
            self.asked = None

    def _ordinary(self, data: bytes) -> None:
        """Take the ordinary road, once it is free."""
        self._resting = False
        if self._rest is None:
            super().dataReceived(data)
        else:
            # Read before the transport stopped, or decrypted since.
            self._waiting.append(data)
            self.transport.pauseProducing()

    def _at_rest(self) -> bool:
        """Whether nothing stands before the next request."""
        return bool(
            self.line_mode
            and not self.requests
            and not self._head
            and not self._waiting
            and not self._skipped
            and not self._over
            and not self._clogged
            and not self._holding
            and not self.spare
            and not self.site.leaving
        )

    def _board(self, lane: Lane) -> None:
        """This connection meets that lane for the first time; the configuration may have been read again since the last one."""
        address = address_of(self.transport.getPeer())
        self._lane, self._origin, self._peer = lane, lane.origin(address, self.isSecure()), address or "-"
        self._outlet = Outlet(self.transport)

    def _tells(self, lane: Lane, ready: Ready, id: str, now: float) -> bool:
        """Give an answer that is not copied behind its head; whether it is all said, or the transport has the rest."""
        body = ready.body
        went = self._outlet.begin(b"".join((ready.before, id.encode("ascii"), ready.behind)), body, ready.copy)
        if went < len(body):
            self._resting = False
            if len(body) > PIECE:
                self._answer_long(_Rest(lane, ready, id, now, went))
                return False
            self.transport.write(body[went:])
        return True

    def timeoutConnection(self) -> None:
        """As `DoorChannel.timeoutConnection`, unless the lane has answered since the idle time began."""
        idle = self.timeOut
        left = self._said_at + idle - self._lane.clock.seconds() if self._lane is not None and idle is not None else 0.0
        if left <= 0:
            super().timeoutConnection()
            return
        # A clock that was put back makes nobody wait longer than from now on.
        self.setTimeout(min(left, idle))
        self.timeOut = idle

    def _answer_long(self, rest: _Rest) -> None:
        self._rest = rest
        self.works(True)
        self.setTimeout(None)
        self._go_on()

    def _go_on(self) -> None:
        """Write the next piece, for as long as the client takes them; behind the last one the next request is read."""
        rest = self._rest
        while rest is not None and not self._clogged:
            piece = rest.piece()
            if piece:
                self.transport.write(piece)
                continue
            self._end_rest(rest)
            if self.site.leaving:
                self.loseConnection()
                return
            self.setTimeout(self.limits.idle)
            # Which begins with the next request, if it is here.
            super().resumeProducing()
            return

    def _end_rest(self, rest: _Rest) -> None:
        self._rest = None
        seconds = rest.lane.clock.seconds() - rest.began
        rest.lane.ended(rest.ready, self._peer, rest.id, rest.offset, seconds)

    def loseConnection(self) -> None:
        """As `DoorChannel.loseConnection`."""
        self._resting = False
        super().loseConnection()

    def make_way(self) -> None:
        """As `DoorChannel.make_way`."""
        self._resting = False
        super().make_way()

    def resumeProducing(self) -> None:
        """The client has taken what was written: the rest of an answer goes first."""
        if self._rest is None:
            super().resumeProducing()
            return
        self._clogged = False
        self._stop("stall")
        self._go_on()

    def leave(self) -> None:
        """As `DoorChannel.leave`; who is being given a long answer is to have the end of it."""
        if self._rest is None:
            super().leave()

    def owes(self) -> bool:
        """As `HearsOut.owes`; the rest of an answer too."""
        return self._rest is not None or super().owes()

    def connectionLost(self, reason: Failure) -> None:
        """The end, whoever made it."""
        self._resting = False
        rest: Any = self._rest
        if rest is not None:
            self._end_rest(rest)
        super().connectionLost(reason)
