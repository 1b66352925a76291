"""
Bodies that mean something: who takes one, and the way from the channel to whoever does.

A body is asked for only once somebody is there to take it: the head alone decides (R173), and while that is being decided, and
whenever more than one piece waits, the client is not read from. So a refused upload costs no more than its head, and one of many
GiB no more memory than a small one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred

from pypidaemon.errors import TooLarge
from pypidaemon.pace import PIECE, Gone
from pypidaemon.waits import Bell
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply


class Receiver(Protocol):
    """
    Takes the body of one request.

    Exactly one of `finish` and `drop` ends it, and nothing is called after that. Calls never overlap: the next one is made once the one
    before it has come back.
    """

    async def write(self, data: bytes) -> None:
        """
        Take some of the body, its framing taken off, in order; the client waits meanwhile, once a piece or so has piled up.

        Cancelled when the client leaves or the body turns out to be refused; `drop` follows. Whatever this raises is the answer, at once,
        and the connection ends with it unless the body was whole already; `drop` follows as well.
        """

    async def finish(self) -> Reply:
        """
        Answer the request: the body is whole.

        Cancelled when the client leaves. What this leaves undone, it undoes itself: `drop` is not called any more. Whatever it raises is
        answered by the table in `failures`.
        """

    def drop(self) -> None:
        """Undo what was taken: the client left, its body was refused, or `write` raised. Must not raise."""


Receive = Callable[[Ask], "Awaitable[Receiver | Reply] | None"]
"""
Asked once for each request that has a body, from its head alone; None: the body means nothing here, and is let go of.

What is awaited decides whether the body may come. Until it is done nothing of the body is looked at, and a client that waits for
`100 Continue` waits. It gives who takes the body; or it raises, or gives a Reply, and that is the answer, at once, with the connection
closing behind it. It is cancelled when the client leaves. Bodies of GET and HEAD mean nothing (RFC 9110 §9.3.1), so it is never asked for
those, nor for a request that cannot be read.
"""

Room = Callable[[bytes, bytes], int]
"""
The largest body allowed, in bytes, from the method and the raw target alone; above it stands 413, before `Receive` is asked where
the head says how long the body is. It holds only for bodies that somebody takes: others have `Limits.body`. It must not raise.
"""


def nothing_received(ask: Ask) -> Awaitable[Receiver | Reply] | None:
    """The `Receive` of a door where no body means anything."""
    return None


@attrs.define(eq=False)
class Collected:
    """
    A receiver for small bodies: collects the whole and hands it over.

    :param limit: the most bytes taken; above it `write` raises TooLarge.
    :param then: makes the answer of the whole body.
    """

    limit: int
    then: Callable[[bytes], Awaitable[Reply]]
    _data: bytearray = attrs.field(init=False, factory=bytearray)

    async def write(self, data: bytes) -> None:
        """
        Keep that.

        :raises TooLarge: together it is more than `limit`.
        """
        if len(self._data) + len(data) > self.limit:
            raise TooLarge(f"the body is larger than {self.limit} bytes")
        self._data += data

    async def finish(self) -> Reply:
        """Whatever `then` makes of it."""
        data = bytes(self._data)
        self._data.clear()
        return await self.then(data)

    def drop(self) -> None:
        """Forget it."""
        self._data.clear()


class Valve(Protocol):
    """The connection a body comes from, as far as an intake moves it."""

    def hold(self) -> None:
        """Read no more, and let no time run against the client."""

    def go_on(self) -> None:
        """Read again. Bytes that waited may come before this returns."""

    def welcome(self) -> None:
        """Ask for the body, where the client waits to be asked; then as `go_on`."""

    def turn_away(self) -> None:
        """Hear no more of this client: what is still to come of the body is discarded as it comes."""


@attrs.define(eq=False)
class Intake:
    """
    One body between its connection and its receiver.

    The connection gives it bytes and its end; `reply`, which the skin runs, passes them on as fast as they are taken.
    """

    valve: Valve
    ready: bool = attrs.field(init=False, default=False)
    """Whether it has been decided what becomes of the body. Before that nothing may be given."""
    whole: bool = attrs.field(init=False, default=False)
    """Whether all of the body has been given."""
    gone: bool = attrs.field(init=False, default=False)
    """Whether nobody waits for the answer any more: the client left, or was answered by its connection."""
    running: Deferred[None] | None = attrs.field(init=False, default=None)
    """The work that `cut` cancels; set by who runs it."""
    _waiting: bytearray = attrs.field(init=False, factory=bytearray)
    _held: bool = attrs.field(init=False, default=False)
    _reopening: bool = attrs.field(init=False, default=False)
    _over: bool = attrs.field(init=False, default=False)
    _bell: Bell = attrs.field(init=False, factory=Bell)

    def take(self, data: bytes, *, is_last: bool = False) -> None:
        """Some of the body. What comes after the answer is let go of; behind the last of it, which may be known, `end` follows at once."""
        if self.gone or self._over:
            return
        self._waiting += data
        if not is_last:
            self._bell.ring()
        if len(self._waiting) > PIECE and not self._held:
            self._held = True
            self.valve.hold()

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        self._bell.ring()

    def cut(self) -> None:
        """Nobody waits for the answer any more: whatever goes on is cancelled, once."""
        if self.gone:
            return
        self.gone = True
        self._waiting.clear()
        # While the connection is fed from within the work itself, nothing is awaited that could be cancelled; it looks afterwards.
        if self.running is not None and not self._reopening:
            self.running.cancel()

    async def reply(self, receiving: Awaitable[Receiver | Reply]) -> Reply:
        """
        Find out who takes the body, pass it on, and answer what is made of it.

        :raises Gone: nobody waits for the answer any more.
        :raises Exception: whatever the receiver, or the decision about it, raises.
        """
        try:
            found = await self._decided(receiving)
            return found if isinstance(found, Reply) else await self._passed_on(found)
        finally:
            self._over = True
            self._waiting.clear()

    async def _decided(self, receiving: Awaitable[Receiver | Reply]) -> Receiver | Reply:
        try:
            return await receiving
        finally:
            self.ready = True

    async def _passed_on(self, receiver: Receiver) -> Reply:
        try:
            self._reopen(self.valve.welcome)
            while self._waiting or not self.whole:
                if not self._waiting:
                    await self._bell.wait()
                    continue
                piece = bytes(self._waiting)
                self._waiting.clear()
                if self._held:
                    # The next piece may come while this one is being taken.
                    self._held = False
                    self._reopen(self.valve.go_on)
                await receiver.write(piece)
                self._stay()
        except BaseException:
            receiver.drop()
            raise
        return await receiver.finish()

    def _reopen(self, way: Callable[[], None]) -> None:
        self._reopening = True
        try:
            way()
        finally:
            self._reopening = False
        self._stay()

    def _stay(self) -> None:
        if self.gone:
            raise Gone
