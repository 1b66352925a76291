"""
One client's connection: Twisted's HTTP/1.1 parser behind limits and a strict reading of every request head.

The head of a request is held back here until it is whole, judged as bytes, and only then given to Twisted. So a slow or
endless head costs one small buffer, every refusal is an answer and not a silent close (S64), and what two parsers could read in
two ways (RFC 9112 §11.2) never reaches the second one (S55).

A body that somebody takes (`pypidaemon.web.intake`) is passed on only when it is wanted. Meanwhile its bytes wait here, before any
parser, and the transport is not read from; that is our slowness, so no time of the client's runs.

Of Twisted's channel this relies on: `line_mode` is true exactly while a head is expected; `allHeadersReceived`,
`allContentReceived`, `requestDone`, `timeoutConnection`, those of `Says` and the producer methods are called as they are named; the first of these does
no more than ours does; and every other complaint of the parser ends in `_respondToBadRequestAndDisconnect`. `tests/web/test_channel.py`
notices when one of these changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from pypidaemon.web.heads import Limits as Limits
from pypidaemon.web.heads import early_refusal, origin_form, refusal, request_line
from pypidaemon.web.hearing_out import HearsOut
from pypidaemon.web.intake import Room
from pypidaemon.web.places import address_of
from pypidaemon.web.reply import bare, phrase
from pypidaemon.web.saying import Says, options
from pypidaemon.web.timers import Timed

WATCHED = frozenset({b"/+health", b"/+ready", b"/+metrics"})
"""Questions that are answered when all places are taken (S58)."""

CHUNKS = 8 * 1024
"""Bytes of a chunked body that are taken apart at a time."""

FRAMING = 16 * 1024
"""Bytes of framing that a body may have, besides a quarter of its own: enough for one that comes line by line, and too little for a flood of tiny chunks."""

PIPELINED = 4
"""Requests of one client that are answered in one turn of the reactor, where they lie ready behind one another; then all others have theirs."""


_Channel: Any = HTTPChannel


def _nothing(*_: object) -> None:
    """What a channel tells whoever does not listen."""


class DoorChannel(HearsOut, Says, Timed, _Channel):  # type: ignore[misc]  # Twisted's channel carries no types
    """
    A connection from a client. Made by the site's factory, which sets `limits`, `room` and `callLater` and hears of the end by `ended`.

    A refused request is answered by one bare line and the connection closes; requests sent behind it are never looked at.
    """

    limits = Limits()
    room: Room | None = None
    """How large a body may be; None is `Limits.body` for all."""
    spare = False
    """Whether all places are taken, so that this one is for a single question of whoever watches over us (`WATCHED`)."""
    _log = Logger(namespace="pypidaemon.web")

    def __init__(self) -> None:
        super().__init__()
        self.ended: Callable[[], None] = _nothing
        self.works: Callable[[bool], None] = _nothing
        self._served = False
        self._waiting: list[bytes] = []
        self._feeding = False
        self._head = b""
        self._skipped = False
        self._over = False
        self._line = (b"", b"", b"")
        self.largest = 0
        self._coming = False
        self._body = 0
        self._body_before = 0
        self._expected = False
        self._holding = False
        self._clogged = False
        self._lingers = False

    # What comes in.

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client, or from Twisted where they were kept while the request before them was being answered."""
        self._waiting.append(data)
        if self._holding:
            # What was read before the transport stopped, or another of its users made it go on.
            self.transport.pauseProducing()
        self._feed()

    def _feed(self) -> None:
        if self._feeding:
            return
        self._feeding = True
        try:
            begun = 0
            while self._waiting and not self._over and not self._holding:
                if self.line_mode:
                    begun += 1
                    if self._clogged or begun > PIPELINED or "turn" in self._timers:
                        self._put_off()
                        break
                data = b"".join(self._waiting)
                self._waiting.clear()
                if self.line_mode:
                    self._more_head(data)
                else:
                    self._more_body(data)
        finally:
            self._feeding = False
        if self._over:
            self._waiting.clear()

    def _put_off(self) -> None:
        """Begin with no further request before the client has taken what he was told (S57), and others have had their turn."""
        self.transport.pauseProducing()
        if not self._clogged:
            self._start("turn", 0, self._take_turn)

    def _take_turn(self) -> None:
        if not self._over:
            self._feed()
            if not self._waiting and not self._clogged and not self._holding:
                self.transport.resumeProducing()

    def _more_head(self, data: bytes) -> None:
        if not self._head:
            self.resetTimeout()
        seen = max(len(self._head) - 3, 0)
        self._head += data
        # One empty line before a request is forgiven (RFC 9112 §2.2).
        if not self._skipped and self._head.startswith(b"\r\n"):
            self._skipped = True
            self._head = self._head[2:]
            seen = 0
            if not self._head:
                self._stop("head")
                return
        end = self._head.find(b"\r\n\r\n", seen)
        whole = self._head if end < 0 else self._head[: end + 4]
        status = early_refusal(whole, seen, self.limits)
        if status is None and end >= 0:
            self._line = method, target, _ = request_line(whole)
            self.largest = self.limits.body if self.room is None else self.room(method, origin_form(target)[1])
            status = refusal(whole, self.limits, self.largest)
        if status is not None:
            self.refuse(status)
            return
        if end < 0:
            # One that is whole in its first packet, as nearly all are, needs no timer.
            self._start("head", self.limits.head_time, self._head_too_slow)
            return
        if self.spare and origin_form(self._line[1])[1].partition(b"?")[0] not in WATCHED:
            self.refuse(503)
            return
        rest = self._head[end + 4 :]
        self._head = b""
        self._skipped = False
        self._stop("head")
        if rest:
            self._waiting.insert(0, rest)
        self.works(True)
        super().dataReceived(whole)

    def _more_body(self, data: bytes) -> None:
        if not self._coming:
            super().dataReceived(data)
            return
        # Of chunks a few at a time: a packet may hold ten thousand.
        piece, rest = (data[:CHUNKS], data[CHUNKS:]) if self.length is None else (data, b"")
        self._body += len(piece)
        # Framing counts too: a body of one-byte chunks is work like any other.
        if self._body > 2 * self.largest + 64 * 1024:
            self.refuse(413)
            return
        request = self.requests[-1]
        super().dataReceived(piece)
        # What lies behind the end of the body in this piece has come back to wait by now.
        if rest:
            self._waiting.append(rest)
        if self._coming and self._body - request.arrived > FRAMING + request.arrived // 4:
            self.refuse(413)

    def allHeadersReceived(self) -> None:
        """
        A head has been parsed: where a body belongs to it, ask what becomes of that, and then watch how it comes.

        `100 Continue` is said where it is asked for, and once there is somebody to take the body, or it is known to mean nothing.
        """
        if self._over:
            return
        request = self.requests[-1]
        request.method, request.uri, request.clientproto = self._line
        self.persistent = self.checkPersistence(request, self._line[2])
        request.gotLength(self.length)
        if self.length == 0:
            return
        self._coming = True
        self._body = self._body_before = 0
        self._expected = self._line[2] == b"HTTP/1.1" and request.requestHeaders.hasHeader(b"Expect")
        intake = request.received()
        if self._over:
            return
        if intake is None:
            self.largest = min(self.largest, self.limits.body)
            if self.length is not None and self.length > self.largest:
                self.refuse(413)
                return
            self.welcome()
        elif not intake.ready:
            self.hold()
            return
        if self.length is None or self.length > sum(map(len, self._waiting)):
            self._start("body", self.limits.body_window, self._watch_body)

    def allContentReceived(self) -> None:
        """A request is whole: hand it over, unless it was refused on the way."""
        self._stop("body")
        if self._over:
            return
        self._coming = False
        # Twisted remembers the time-out here, and while the answer is made, the transport must tell of a client that leaves.
        self._let_go()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """An answer has been written; where another request may follow it, that is waited for."""
        self._served = True
        # Whose line has not taken it all yet is not idle: his place would cost him the end of it.
        if not self._clogged:
            self.works(False)
        super().requestDone(request)

    def hold(self) -> None:
        """As `Valve.hold`."""
        if self._over or self._holding:
            return
        self._holding = True
        self._stop("body")
        self.setTimeout(None)
        self.transport.pauseProducing()

    def go_on(self) -> None:
        """As `Valve.go_on`."""
        if self._over or not self._holding:
            return
        self._body_before = self._body
        self._start("body", self.limits.body_window, self._watch_body)
        self._let_go()
        self._feed()

    def welcome(self) -> None:
        """As `Valve.welcome`."""
        if self._expected and not self._over:
            self._expected = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.go_on()

    def turn_away(self) -> None:
        """As `Valve.turn_away`: what is written from now on is the last answer, and closing lingers until the client has seen it."""
        self._over = self._lingers = True
        for name in ("head", "body"):
            self._stop(name)
        self._let_go()
        self.setTimeout(None)
        self._waiting.clear()

    def _let_go(self) -> None:
        if self._holding:
            self._holding = False
            self.setTimeout(self.limits.idle)
            if not self._clogged:
                self.transport.resumeProducing()

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Whether another request may follow: in HTTP/1.1, unless one of the options says `close` (RFC 9112 §9.3) or the site takes its leave."""
        return version == b"HTTP/1.1" and not self.site.leaving and not self.spare and b"close" not in options(request.requestHeaders)

    # What goes out.

    def pauseProducing(self) -> None:
        """The client takes no more for now; it has `Limits.stall` to change its mind."""
        self._clogged = True
        self._start("stall", self.limits.stall, self.abort)
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken what we wrote."""
        self._clogged = False
        self._stop("stall")
        if self._served and not self.requests:
            self.works(False)
        super().resumeProducing()
        if self._holding:
            self.transport.pauseProducing()
        self._feed()

    def loseConnection(self) -> None:
        """
        Close once the client has taken what we wrote, or when it has had its time for that.

        Closing with unread bytes makes the system reset the connection, and the client may then never see the answer. So where a request
        was turned away, only our half is closed, and what still comes is discarded for `Limits.linger`.
        """
        self._over = True
        self._stop("stall")
        # TLS has no half-closed state that clients agree on.
        if self._lingers and IHalfCloseableDescriptor.providedBy(self.transport) and not self.isSecure():
            transport: Any = self.transport
            self._start("stall", self.limits.linger, self.abort)
            transport.unregisterProducer()
            transport.loseWriteConnection()
            transport.resumeProducing()
        else:
            self._start("stall", self.limits.stall, self.abort)
            super().loseConnection()

    def abort(self) -> None:
        """Drop the connection, with whatever is still unsent."""
        transport: Any = self.transport
        transport.abortConnection()

    # How it ends.

    def leave(self) -> None:
        """The request that is under way is the last one; where there is none, close."""
        if self.requests:
            self.persistent = False
        elif not (self._over or self._head):
            self.loseConnection()

    def make_way(self) -> None:
        """Close, since others want the place: with a word owed to nobody at once, else once the client has the end of what it was told."""
        if self.requests or not self._served or self._over:
            self.abort()
            return
        self._over = True
        self._stop("head")
        self._stop("stall")
        self._start("stall", self.limits.linger, self.abort)
        super().loseConnection()

    def refuse(self, status: int) -> None:
        """Answer the request that is arriving with a bare `status`, hear no more of this client, and close."""
        if self._over:
            return
        self.turn_away()
        peer = address_of(self.transport.getPeer())
        self._log.debug("refused a request of {peer} unread: {status} {line}", peer=peer or "-", status=status, line=phrase(status))
        self.transport.write(bare(status))
        self.loseConnection()
        if self._coming:
            self.requests[-1].cut(status)

    def timeoutConnection(self) -> None:
        """Nothing came for `Limits.idle`: close without a word, as clients expect of a connection kept alive."""
        self.loseConnection()

    def connectionLost(self, reason: Failure) -> None:
        """The end, whoever made it."""
        self._over = True
        self._stop_all()
        self._head = b""
        self._waiting.clear()
        super().connectionLost(reason)
        # What is told refers to us. Without that nothing here goes in a circle, so that all that nobody took goes now, which may be a piece of a file, and
        # not when garbage is looked for.
        ended, self.ended, self.works = self.ended, _nothing, _nothing
        ended()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400)

    def _head_too_slow(self) -> None:
        self.refuse(408)

    def _watch_body(self) -> None:
        if self._body - self._body_before < self.limits.body_rate * self.limits.body_window:
            self.refuse(408)
        else:
            self._body_before = self._body
            self._start("body", self.limits.body_window, self._watch_body)
