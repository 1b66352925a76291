"""
Small files, each of which is asked for over a connection that is kept, and comes as nearly all of them do: in a plain head and one body of the size that was
expected.

Twisted's client makes some thirty objects for each answer and calls some three hundred functions; of a mirror that is most of what a file costs. An answer of
this kind needs none of that. Any other is given to Twisted's client from its first byte, as if that had asked, and so is one that is late: nothing that a
server may do is judged here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.client import URI
from twisted.web.iweb import IResponse

from pypidaemon.upstreams.connections import LINE, Client, Fields, Question
from pypidaemon.upstreams.sieve import HEAD_LINES, Sieve

LARGEST = 1 << 20
"""Bytes of such a file at most: it is all in memory before anybody hears of it."""

_HEAD = re.compile(rb"HTTP/1\.1 200 [^\r\n]*+\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\r\n]*+\r\n)++)\r\n")
"""The head of an answer that has what was asked for, whole and with no line that is continued."""

_UNUSUAL = re.compile(
    rb"(?:^|\n)(?:transfer-encoding|content-encoding|content-range|trailer|upgrade|connection:(?![ \t]*keep-alive[ \t]*\r))", re.IGNORECASE
)
"""What says that the body is in a coding, is a part, or that the connection is not kept as it is."""

_LENGTH = re.compile(rb"(?:^|\n)content-length:[ \t]*([^\r\n]*)", re.IGNORECASE)


@attrs.frozen(eq=False)
class Unusual:
    """
    What is to be waited for instead of such an answer.

    :param asking: the answer as Twisted's client reads it; None where the connection was lost before anything came, so that another is to be asked.
    :param silent: whether nothing had come when the time was up.
    :param spent: for how many seconds it was waited for.
    """

    asking: Deferred[IResponse] | None
    silent: bool = False
    spent: float = 0.0


class _Sent(Question):
    """A request that was sent already, and is sent by who tries it again."""

    _is_sent = True

    def writeTo(self, transport: Any) -> Deferred[None]:
        """As Twisted's."""
        if self._is_sent:
            self._is_sent = False
            return succeed(None)
        return Question.writeTo(self, transport)


@attrs.define(eq=False)
class Watch:
    """
    Sees to it that no such answer is waited for in vain: one timer serves all that are under way, since all are given the same time.

    :param seconds: how long that is.
    """

    clock: IReactorTime
    seconds: float
    _due: dict[Small, float] = attrs.field(factory=dict, init=False, repr=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)

    def begin(self, one: Small) -> None:
        """That was asked for just now."""
        self._due[one] = self.clock.seconds() + self.seconds
        if self._timer is None and len(self._due) == 1:
            self._timer = self.clock.callLater(self.seconds, self._look)

    def end(self, one: Small) -> None:
        """It is waited for no more."""
        self._due.pop(one, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def spent(self, one: Small) -> float:
        """For how many seconds that has been waited for; all of them where the time is up."""
        return self.seconds - max(self._due.get(one, 0.0) - self.clock.seconds(), 0.0)

    def _look(self) -> None:
        self._timer = None
        now = self.clock.seconds()
        # They are in the order in which they were asked for. Who hears that one is late may leave another, or ask for more.
        while self._due:
            one, due = next(iter(self._due.items()))
            if due > now:
                if self._timer is None:
                    self._timer = self.clock.callLater(due - now, self._look)
                return
            del self._due[one]
            one.late()


@attrs.define(eq=False)
class Small:
    """
    One such file that is under way.

    :param usual: gives Twisted's client for this connection, which tries a request once more where the connection turns out to be dead.
    :param size: how many bytes there are to be.
    :param kept: takes the connection back.
    """

    _client: Client
    _usual: Callable[[], Any]
    _question: tuple[bytes, Fields, URI]
    _size: int
    _watch: Watch
    _kept: Callable[[Client], None]
    answered: Deferred[bytes | Unusual] = attrs.field(init=False)
    """All bytes of the file."""
    _pieces: list[bytes] = attrs.field(factory=list, init=False, repr=False)
    _begins: int = attrs.field(default=0, init=False)
    """Where in what came the body begins; 0 while nothing has come."""
    _missing: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.answered = Deferred(self._cancel)

    def ask(self) -> None:
        """Send the request."""
        path, fields, _ = self._question
        self._watch.begin(self)
        self._sieve.ask(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, fields.lines), self)

    def received(self, data: bytes) -> None:
        """These bytes came."""
        self._pieces.append(data)
        if not self._begins:
            self._begins = body_of(data, self._size)
            if not self._begins:
                self._hand_over()
                return
            self._missing = self._begins + self._size
        self._missing -= len(data)
        if self._missing > 0:
            return
        if self._missing < 0:
            self._hand_over()
            return
        whole = data if len(self._pieces) == 1 else b"".join(self._pieces)
        self._end()
        # First, so that whoever asks next because of this is given it.
        self._kept(self._client)
        self.answered.callback(whole[self._begins :])

    def lost(self) -> None:
        """The connection is lost."""
        if self._pieces:
            self._hand_over()
        else:
            self._end()
            self.answered.callback(Unusual(None))

    def late(self) -> None:
        """The time is up."""
        self._hand_over()

    def _hand_over(self) -> None:
        """Have Twisted's client read the answer, from its first byte."""
        path, fields, uri = self._question
        came, spent = b"".join(self._pieces), self._watch.spent(self)
        self._end()
        asking: Deferred[IResponse] = self._usual().request(_Sent(b"GET", path, fields, uri))
        self._sieve.go_on(came)
        self.answered.callback(Unusual(asking, not came, spent))

    def _cancel(self, answered: Deferred[bytes | Unusual]) -> None:
        self._end()
        self._sieve.abortConnection()

    def _end(self) -> None:
        self._pieces.clear()
        self._watch.end(self)
        self._sieve.asked = None

    @property
    def _sieve(self) -> Sieve:
        return cast("Sieve", self._client.transport)


def body_of(data: bytes, size: int) -> int:
    """Where the body begins in what came first of an answer, if that is one with a plain head and a body of that size; else 0."""
    head = _HEAD.match(data)
    if head is None or head.end() > LINE or data.count(b"\n", 0, head.end()) > HEAD_LINES:
        return 0
    fields = head[1]
    if _UNUSUAL.search(fields) is not None or [said.rstrip() for said in _LENGTH.findall(fields)] != [b"%d" % size]:
        return 0
    return head.end()
