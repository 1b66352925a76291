"""One question to an upstream: sent, waited for, followed through its redirects, and its outcome told to the upstream's health."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.error import TimeoutError as NotConnected
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from pypidaemon.errors import UpstreamDeclines, UpstreamUnavailable
from pypidaemon.upstreams.addresses import AddressRefused
from pypidaemon.upstreams.causes import explain
from pypidaemon.upstreams.connections import Fields
from pypidaemon.upstreams.file_hosts import FileHosts
from pypidaemon.upstreams.headers import header, hold, length
from pypidaemon.upstreams.health import Health
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.origins import BadTarget, Target, redirected
from pypidaemon.waits import TookTooLong, within

REDIRECTS = frozenset((301, 302, 303, 307, 308))
"""RFC 9110 §15.4; 300 leaves the choice to a person."""
_SMALL = 64 << 10
_MOST_HOSTS = 64
_ABSENT = frozenset((404, 410))
_UNWELCOME = frozenset((401, 403, 451))


@attrs.define(eq=False, slots=False)
class _Discard(Protocol):
    """Lets a body run out, so that its connection can be used again, or cuts it."""

    _timer: IDelayedCall | None = attrs.field(default=None, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def allow(self, clock: IReactorTime, seconds: float) -> None:
        """Cut it unless it ends by itself within that time."""
        if not self._ended:
            self._timer = clock.callLater(seconds, self.cut)

    def cut(self) -> None:
        """Drop the connection, unless the body has ended."""
        transport: Any = self.transport
        if not self._ended and transport is not None:
            transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Drop it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end."""
        self._ended = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


@lru_cache(64)
def _headers(authority: str, authorization: bytes | None, fields: tuple[tuple[str, str], ...]) -> Fields:
    """What is sent with a request; of all files of one host it is the same."""
    sent = Fields({name: [value] for name, value in fields})
    if authorization is not None:
        sent.setRawHeaders(b"Authorization", [authorization])
    # Twisted's client would add it to a copy of all the others.
    sent.setRawHeaders(b"Host", [authority.encode("ascii")])
    return sent


async def _nothing(url: str) -> None:
    """Nobody is asked."""


def _none_kept(there: Target) -> None:
    """Every connection is a new one."""


@attrs.frozen(eq=False)
class Answer:
    """A response, where it came from, and the health of who gave it; `through` are those who redirected there."""

    target: Target
    response: IResponse
    health: Health
    through: tuple[tuple[Target, Health], ...] = ()


@attrs.define(eq=False)
class _Doubt:
    """
    Doubts whoever was asked, once nothing has come of him for as long as clients can wait: neither an answer nor anything of what others asked for.

    A line that is full of an upstream's files is slow, and nobody is silent at its other end.
    """

    exchange: Exchange
    there: Target
    health: Health
    asked: float
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)

    def look(self) -> None:
        """That time is over since the question was asked."""
        # Others may have been answered since, as slowly.
        left = max(
            self.exchange.trusted(self.health), self.asked + self.health.patience(self.exchange.patience) - self.exchange.clock.seconds()
        )
        if left > 0:
            self._timer = self.exchange.clock.callLater(left, self.look)
        else:
            self.exchange.silent(self.there, self.health)

    def stop(self) -> None:
        """There is an answer, or none is waited for any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


@attrs.define(eq=False)
class Exchange:
    """
    How one upstream is asked.

    Outcomes count for the upstream's health where its own host was asked. Files may lie anywhere, and a page that links to a dead
    host must not make the index look dead, nor a host of files that lives make it look alive: each of these has a health of its own (N6). But one
    that falls silent may mean that the line is down, so then the upstream is looked at.

    :param patience: seconds without a response head after which the upstream is suspect; the request goes on.
    :param glimpse: asks for a file's URL just to see whether there is an answer; None where nobody looks after hosts that fell.
    :param forget: has no connection used any more that is kept to who answers there.
    :param authorization: what the index's own origin, and nobody else, is sent (S50).
    """

    label: str
    index: Target
    clock: IReactorTime
    limits: Limits
    health: Health
    patience: float
    authorization: bytes | None = attrs.field(repr=False)
    glimpse: Callable[[str], Awaitable[None]] | None = None
    forget: Callable[[Target], None] = attrs.field(default=_none_kept, repr=False)
    requests: int = attrs.field(default=0, init=False)
    failures: int = attrs.field(default=0, init=False)
    elsewhere: FileHosts = attrs.field(init=False, repr=False)
    _asked: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.elsewhere = FileHosts(self.clock, self.patience, _MOST_HOSTS, self.glimpse or _nothing)
        # Who falls silent may do so because the line is down.
        self.elsewhere.fell.add(self.health.question)

    @property
    def hosts(self) -> dict[str, Health]:
        """The health of every host that was asked, but for those that were forgotten among many."""
        return ({self.index.place: self.health} if self._asked else {}) | self.elsewhere.asked()

    def health_at(self, there: Target) -> Health:
        """The health of who answers there: of a host, or of one port of it, since files may lie on another than the index (N6)."""
        if there.place == self.index.place:
            return self.health
        return self.elsewhere.at(there.place)

    async def ask(
        self,
        start: Target,
        fields: Mapping[str, str],
        send: Callable[[str, Headers], Awaitable[IResponse]],
        check: Callable[[Target], None],
        sent: Awaitable[IResponse] | None = None,
    ) -> Answer:
        """
        Send a request and follow at most five redirects (S50, F17); answer the response that is none.

        :param check: raises `BadTarget` where a redirect must not be followed.
        :param sent: the response to the first request, where that was sent, and told to `begin`, before.
        :raises UpstreamUnavailable: there was no answer, or redirects that are not followed.
        """
        here = start
        through: tuple[tuple[Target, Health], ...] = ()
        for _ in range(self.limits.redirects + 1):
            answer = await self._once(here, fields, send, sent)
            sent = None
            if answer.response.code not in REDIRECTS:
                return attrs.evolve(answer, through=through) if through else answer
            through += ((here, answer.health),)
            location = header(answer.response, "Location")
            self.discard(answer)
            if location is None:
                raise self.stumble(answer, "it redirects to nowhere")
            try:
                here = redirected(here, location)
                check(here)
            except BadTarget as error:
                raise self.stumble(answer, str(error)) from error
        raise self.stumble(answer, "it redirects without end")

    def absent(self, answer: Answer) -> bool:
        """Whether the answer says that there is no such thing, which is a good answer."""
        if answer.response.code not in _ABSENT:
            return False
        self.discard(answer)
        self.alive(answer)
        return True

    def alive(self, answer: Answer, *, good: bool = False) -> None:
        """
        Note that who gave that answer is alive, and so are those who led there: of hosts of files alone, since a portal leads everybody somewhere (F7).

        :param good: whether it was what was asked for, so that it can be asked for again to see whether they are.
        """
        answer.health.succeeded()
        for there, health in (*answer.through, (answer.target, answer.health)):
            if health is not self.health:
                health.succeeded()
                if good:
                    self.elsewhere.praise(there.place, there.url)

    def refuse(self, answer: Answer) -> UpstreamUnavailable:
        """Judge a response that is not what was asked for (F1, F2, F4); answer the error to raise."""
        code = answer.response.code
        self.discard(answer)
        wait = hold(answer.response, self.clock.seconds())
        if code == 503 and header(answer.response, "X-Pypidaemon-Waiting") is not None:
            # It is one of us, and well: this one thing it cannot get from its own upstream.
            self.alive(answer)
            return self.fail("its own upstream cannot be asked")
        if code in (408, 429):
            # That is about us, whatever we asked for.
            cause = f"it asks us to come back later ({code})"
            answer.health.failed(cause, wait)
            return self.fail(cause, answer.health)
        if code == 503 and wait is not None:
            # One page that a server behind it cannot give now must not take all others with it (F86); where all are like that, it is left alone.
            trouble = self.stumble(answer, f"it asks us to come back later ({code})", wait)
            return UpstreamUnavailable(trouble.upstream, trouble.cause, max(trouble.retry_after, math.ceil(min(wait, 60.0))))
        if not 400 <= code < 500:
            return self.stumble(answer, f"it answers with status {code}")
        # Whoever is refused gets that answer at once, so nobody has to wait and it counts as alive.
        self.alive(answer)
        if code == 401:
            return self._decline("it refuses our credentials (401)")
        return self._decline(f"it refuses to answer us ({code})" if code in _UNWELCOME else f"it answers with status {code}")

    def trusted(self, health: Health) -> float:
        """For how many seconds more who does not answer is not doubted, since what others asked for is coming."""
        left = health.flowed + self.patience - self.clock.seconds()
        return left if 0 < left <= self.patience else 0.0

    def silent(self, there: Target, health: Health) -> None:
        """Note that who was asked there shows no sign of life. What is asked next goes over no connection that may be as dead (F40)."""
        self.forget(there)
        health.silent()

    def stumble(self, answer: Answer, cause: str, retry_after: float | None = None) -> UpstreamUnavailable:
        """Note that it answered wrongly, and answer the error to raise; `retry_after` as of `Health.stumbled`."""
        answer.health.stumbled(cause, answer.target.url, retry_after)
        return self.fail(cause, answer.health)

    def fail(self, cause: str, health: Health | None = None) -> UpstreamUnavailable:
        """Note that a question came to nothing, whoever is to blame, and answer the error to raise."""
        self.failures += 1
        return UpstreamUnavailable(self.label, cause, (health or self.health).retry_after())

    def _decline(self, cause: str) -> UpstreamDeclines:
        self.failures += 1
        return UpstreamDeclines(self.label, cause, self.health.retry_after())

    def discard(self, answer: Answer) -> None:
        """Let go of a response whose body nobody wants: a small one runs out, another is cut."""
        sink = _Discard()
        answer.response.deliverBody(sink)
        size = length(answer.response)
        if size is not None and size <= _SMALL:
            sink.allow(self.clock, self.limits.head)
        else:
            sink.cut()

    def sent(self, here: Target, fields: Mapping[str, str]) -> Fields:
        """The header fields of a request."""
        known = self.authorization if self.authorization is not None and here.origin == self.index.origin else None
        return _headers(here.authority, known, tuple(fields.items()))

    def begin(self, here: Target, health: Health) -> None:
        """Count a request that is sent there."""
        self.requests += 1
        if health is self.health:
            self._asked = True
        else:
            self.elsewhere.note(here.place, here.url)

    def whole(self, here: Target, health: Health) -> None:
        """Note that who was asked there has given all of what was asked for, at once."""
        health.succeeded()
        if health is not self.health:
            self.elsewhere.praise(here.place, here.url)

    async def _once(
        self,
        here: Target,
        fields: Mapping[str, str],
        send: Callable[[str, Headers], Awaitable[IResponse]],
        sent: Awaitable[IResponse] | None = None,
    ) -> Answer:
        health = self.health_at(here)
        answers = health.answers
        if sent is None:
            self.begin(here, health)
        asking = send(here.url, self.sent(here, fields)) if sent is None else sent
        began = self.clock.seconds()
        doubt = _Doubt(self, here, health, began)
        try:
            response = await within(self.clock, self.limits.head, asking, (health.patience(self.patience), doubt.look))
        except CancelledError:
            raise
        except AddressRefused as error:
            # Nobody was asked, so nobody failed.
            raise self.fail(str(error)) from error
        except Exception as error:
            cause, waited_out = explain(error), isinstance(error, TookTooLong | NotConnected)
            if waited_out:
                self.forget(here)
            # That something asked while the line was cut is given up when it is back is no news: what was asked after it has been answered (F40).
            if not waited_out or health.answers == answers:
                health.failed(cause)
            raise self.fail(cause, health) from error
        finally:
            doubt.stop()
        health.took(max(self.clock.seconds() - began, 0.0))
        return Answer(here, response, health)
