"""The body of an upstream's answer, turned from pushed pieces into something to be read, with a deadline for every wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from zope.interface import implementer

from pypidaemon.errors import UpstreamTooSlow, UpstreamUnavailable
from pypidaemon.interfaces import IBody
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.sieve import Sieve

BULK = 2**20
"""Bytes after which a body is a long one, of which pieces are gathered before its reader is told."""

GATHERED = 2**20
"""How many bytes are enough to tell it: each telling costs the same, for the reader, the disk, and everybody who follows."""

GATHERING = 0.04
"""Seconds for which those are waited for at most."""

PATIENCE = 0.1
"""
Seconds for which the system gathers what comes of a long body at most, before it is taken as it is: each piece costs the same to take, and a steady line
would bring them one by one.
"""

SHARE = 3
"""It gathers no more than an eighth, 2 to the power of minus this, of what has come: so nobody waits much longer than the body takes anyway."""

LEAST = 64 << 10
"""Bytes of which fewer are not worth to be gathered."""

HELD = 32 << 10
"""Bytes at the end of a body that are not gathered: TLS holds back what is no whole record yet, so that they may not be with the system any more."""


@implementer(IBody)
@attrs.define(eq=False, slots=False)
class Body(Protocol):
    """
    One body, read by one reader.

    The connection is paused while `limits.waiting` bytes lie unread. Only time that the reader spends waiting counts against the
    upstream: a slow reader is not a slow upstream (F30, F31).

    :param label: the upstream's label, for the errors.
    :param offset: where in the whole it begins.
    :param total: the size of the whole, where known; a body that ends short of it, or goes on beyond it, has broken off (F8, F10).
    :param ended: called once, when no more will come, with what went wrong or None.
    :param counted: called with the number of bytes of each piece that arrives.
    """

    label: str
    clock: IReactorTime
    limits: Limits
    offset: int
    total: int | None
    validator: str | None
    ended: Callable[[str | None], None]
    counted: Callable[[int], None]
    received: int = attrs.field(default=0, init=False)
    waited_out: bool = attrs.field(default=False, init=False)
    """Whether it was given up since it came too slowly, or no more."""
    _pieces: list[bytes] = attrs.field(factory=list, init=False, repr=False)
    _unread: int = attrs.field(default=0, init=False)
    _paused: bool = attrs.field(default=False, init=False)
    _line: Sieve | None = attrs.field(default=None, init=False, repr=False)
    """What can have the system gather; None where nothing can."""
    _gathered: int = attrs.field(default=1, init=False)
    """How many bytes the system gathers before it tells of them."""
    _look: IDelayedCall | None = attrs.field(default=None, init=False)
    """When it is looked whether it has gathered for long enough."""
    _done: bool = attrs.field(default=False, init=False)
    _trouble: str | None = attrs.field(default=None, init=False)
    _error: type[UpstreamUnavailable] = attrs.field(default=UpstreamUnavailable, init=False)
    _waiter: Deferred[None] | None = attrs.field(default=None, init=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)
    _waited: float = attrs.field(default=0.0, init=False)
    _arrived: int = attrs.field(default=0, init=False)
    _began: float = attrs.field(default=0.0, init=False)
    """When the first of the pieces came that are not read."""
    _latest: float = attrs.field(default=0.0, init=False)
    """When the last piece came."""

    async def read(self) -> bytes:
        """As `IBody`: all that has arrived, or a wait for more."""
        while not self._pieces and not self._done:
            await self._wait()
        if self.received > BULK and self._unread < GATHERED and self._gathered == 1 and not (self._done or self._paused):
            await self._gather()
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._unread = 0
            if self._paused:
                self._paused = False
                self._producer.resumeProducing()
            return data
        if self._trouble is not None:
            raise self._error(self.label, self._trouble)
        return b""

    def close(self) -> None:
        """As `IBody`."""
        self._pieces.clear()
        if not self._done:
            self._finish("it was closed", told=None)
            self._drop()

    def connectionMade(self) -> None:
        """Note what the connection can do. Twisted's client knows it no more when the body has ended."""
        line = getattr(self.transport, "_producer", None)
        self._line = line if isinstance(line, Sieve) else None

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece until it is read."""
        if self._done:
            return
        self.received += len(data)
        self._arrived += len(data)
        self._unread += len(data)
        self.counted(len(data))
        self._latest = self.clock.seconds()
        if not self._pieces:
            self._began = self._latest
        self._pieces.append(data)
        if self.total is not None and self.offset + self.received > self.total:
            self._give_up(f"sent more than the {self.total} bytes it announced")
            return
        if not self._paused and self._unread >= self.limits.waiting:
            self._paused = True
            self._producer.pauseProducing()
        if self._line is not None and self.total is not None and self.received > BULK:
            self._let_gather(self._line, self.total - self.offset - self.received)
        # Not at once: what the connection read in one go comes in several pieces, and is worth one awakening.
        if self._timer is not None and self._timer.active() and self.offset + self.received != self.total:
            if self._is_short and not self._paused:
                # Nobody is given anything of one so short before its verdict (law 6), so its end, which is near, is worth the only awakening.
                pass
            elif self.received <= BULK or self._gathered > 1 or self._unread >= GATHERED:
                self._timer.reset(0)
            elif len(self._pieces) == 1:
                self._timer.reset(GATHERING)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The end, good or bad.

        An end that only the closing of the connection shows (`PotentialDataLoss`, RFC 9112 §6.3) is good unless the size says
        otherwise; whoever knows a digest checks it (F12).
        """
        if self._done:
            return
        short = self.total is not None and self.offset + self.received < self.total
        if reason.check(ResponseDone, PotentialDataLoss) is None or short:
            trouble = f"broke off after {self.offset + self.received} bytes"
            self._finish(trouble, trouble)
        else:
            self._finish(None, None)

    def _let_gather(self, line: Sieve, left: int) -> None:
        """Have the system gather what comes next, no more than may lie unread and up to the end."""
        # In powers of two, since to tell the system costs something too.
        count = min(self.limits.waiting - LEAST, left - HELD, 1 << self.received.bit_length() - 1 - SHARE)
        if count < LEAST:
            count = 1
        if count != self._gathered:
            if not line.gather(count):
                self._line = None
                return
            self._gathered = count
        if count > 1 and self._look is None:
            self._look = self.clock.callLater(PATIENCE, self._take, line)

    def _take(self, line: Sieve) -> None:
        """Have the system tell of what there is, if nothing came of it for long enough."""
        self._look = None
        seconds = self._latest + PATIENCE - self.clock.seconds()
        if seconds > 0:
            self._look = self.clock.callLater(seconds, self._take, line)
        elif line.gather(1):
            self._gathered = 1

    async def _gather(self) -> None:
        """
        Let more of a long body come, if the first piece came just now.

        Whoever reads is busy with what he read meanwhile, and would else be given the one or two pieces that came since.
        """
        seconds = self._began + GATHERING - self.clock.seconds()
        if 0 < seconds <= GATHERING:
            await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        """Wait until something wakes us, at most so long."""
        waiter: Deferred[None] = Deferred()
        self._waiter = waiter
        self._timer = self.clock.callLater(seconds, self._wake)
        try:
            await waiter
        finally:
            self._waiter = None
            if self._timer.active():
                self._timer.cancel()

    async def _wait(self) -> None:
        began = now = self.clock.seconds()
        patient = True
        while patient:
            silent = now - max(began, self._latest)
            seconds = min(self.limits.idle - silent, self.limits.window - self._waited - (now - began))
            await self._sleep(max(seconds, 0.0))
            now = self.clock.seconds()
            silent = now - max(began, self._latest)
            # What comes of a short one wakes nobody, so silence is counted anew here from when that came.
            patient = self._is_short and not (self._done or self._paused) and silent < self.limits.idle
            patient = patient and self._waited + now - began < self.limits.window
        self._waited += now - began
        if self._done:
            return
        if silent >= self.limits.idle:
            self.waited_out = True
            self._give_up(f"stalled after {self.offset + self.received} bytes")
        elif self._waited >= self.limits.window:
            if self._arrived < self.limits.slowest * self.limits.window:
                self._error, self.waited_out = UpstreamTooSlow, True
                self._give_up(f"became too slow after {self.offset + self.received} bytes")
            self._waited, self._arrived = 0.0, 0

    def _give_up(self, trouble: str) -> None:
        self._finish(trouble, trouble)
        self._drop()

    def _finish(self, trouble: str | None, told: str | None) -> None:
        self._done = True
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if self._line is not None and self.received > BULK:
            self._line.gather(0)
        self._trouble = trouble
        self.ended(told)
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.called:
            waiter.callback(None)

    @property
    def _is_short(self) -> bool:
        return self.total is not None and self.total <= BULK

    @property
    def _producer(self) -> Any:
        return self.transport

    def _drop(self) -> None:
        if self.transport is not None:
            # A paused connection would not notice its own end.
            if self._paused:
                self._paused = False
                self._producer.resumeProducing()
            self._producer.loseConnection()
