"""A project page as it comes over the wire: asked for, decoded, and cut where it is larger than any page can be (S53, F18)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.client import GzipDecoder, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from pypidaemon.upstreams.exchange import Answer, Exchange
from pypidaemon.upstreams.headers import coding
from pypidaemon.upstreams.limits import Limits
from pypidaemon.waits import TookTooLong, within

_ENDS = (b"}", b"</html>", b"</methodresponse>")
_BLOCK = 256 << 10
_UNSEEN = 512 << 10
"""Bytes that may have come more than were decoded: what was read at once, and what a coding adds to what it cannot shrink."""


class BadPage(Exception):
    """A body that is not read to its end; the text says why."""


class _CountedBody(proxyForInterface(IProtocol)):  # type: ignore[misc]  # made at run time
    def __init__(self, original: IProtocol, count: Callable[[bytes], None]) -> None:
        super().__init__(original)
        self._count = count

    def dataReceived(self, data: bytes) -> None:
        self._count(data)
        self.original.dataReceived(data)


class _CountedResponse(proxyForInterface(IResponse)):  # type: ignore[misc]  # made at run time
    def __init__(self, original: IResponse, count: Callable[[bytes], None]) -> None:
        super().__init__(original)
        self._count = count

    def deliverBody(self, protocol: IProtocol) -> None:
        self.original.deliverBody(_CountedBody(protocol, self._count))


@implementer(IAgent)
@attrs.define(eq=False)
class Tally:
    """
    Lies below the decoder, for one request: counts what arrives before it is decoded, and lets at most one coding through.

    Codings may be stacked (RFC 9110 §8.4), and each layer may grow a thousandfold. `told` is called whenever more has come, before it is decoded.
    """

    agent: IAgent
    raw: int = attrs.field(default=0, init=False)
    told: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _gzip: bool = attrs.field(default=False, init=False)
    _tail: bytes = attrs.field(default=b"", init=False)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """As `IAgent`."""
        asking: Deferred[IResponse] = self.agent.request(method, uri, headers, bodyProducer)
        return asking.addCallback(self._weigh)

    def confirms(self, size: int) -> bool:
        """Whether what was decoded is all there was: gzip ends with its own size (RFC 1952 §2.3.1), which Twisted does not check."""
        return not self._gzip or int.from_bytes(self._tail, "little") == size & 0xFFFFFFFF

    def _weigh(self, response: IResponse) -> IResponse:
        codings = b",".join(response.headers.getRawHeaders(b"Content-Encoding") or []).split(b",")
        if len(codings) > 1:
            # Under another name the decoder leaves it alone, and `coding` finds it.
            response.headers.setRawHeaders(b"Content-Encoding", [b"stacked"])
        self._gzip = coding(response) == "gzip"
        counted: IResponse = _CountedResponse(response, self._count)
        return counted

    def _count(self, data: bytes) -> None:
        self.raw += len(data)
        self._tail = (self._tail + data[-4:])[-4:]
        self.told()


async def ask(tally: Tally, url: str, headers: Headers, reactor: Any, body: bytes | None = None) -> IResponse:
    """
    Send one GET, or a POST of that body by treq, without following redirects and without keeping cookies; answer the response with its body out of gzip.

    :param headers: of a GET, all that is sent.
    """
    if body is None:
        return unzipped(await tally.request(b"GET", url.encode("ascii"), headers))
    # Few ask for changes, and it brings half a library of its own along.
    from treq.client import HTTPClient

    answer: IResponse = await HTTPClient(tally).request(
        "POST", url, headers=headers, data=body, allow_redirects=False, unbuffered=True, reactor=reactor
    )
    return answer


def unzipped(response: IResponse) -> IResponse:
    """A response whose body comes out of gzip, where it is said to be in that; of any other coding it still says so."""
    if b",".join(response.headers.getRawHeaders(b"Content-Encoding") or []).strip() != b"gzip":
        return response
    response.headers.removeHeader(b"Content-Encoding")
    decoded: IResponse = GzipDecoder(response)
    return decoded


async def collect(exchange: Exchange, answer: Answer, tally: Tally, until: float, what: str = "page") -> bytes:
    """
    The whole body of an answer, with an eye on its progress: who drips is as good as silent (F30).

    :param until: when it has to be here, in seconds of the exchange's clock.
    :param what: what it should be, for the errors.
    :raises UpstreamUnavailable: it broke off, takes too long, or is larger than any such thing can be.
    """
    clock, limits = exchange.clock, exchange.limits
    if coding(answer.response):
        exchange.discard(answer)
        raise exchange.stumble(answer, f"its {what} comes in a coding that nobody asked for")
    page = Page(limits, tally, what)
    silent = partial(exchange.silent, answer.target, answer.health)
    watch = Watch(clock, exchange.patience, int(limits.slowest * exchange.patience), lambda: tally.raw, silent)
    watch.start()
    try:
        answer.response.deliverBody(page)
        return await within(clock, max(until - clock.seconds(), 0.0), page.finished)
    except TookTooLong:
        raise exchange.stumble(answer, f"its {what} takes too long") from None
    except BadPage as error:
        raise exchange.stumble(answer, str(error)) from error
    finally:
        watch.stop()


@attrs.define(eq=False, slots=False)
class Page(Protocol):
    """
    Collects a decoded body; `finished` fires with it or fails with `BadPage`.

    :param tally: knows how much of it has come before decoding.
    :param what: what it should be, for the errors.
    """

    limits: Limits
    tally: Tally
    what: str = "page"
    finished: Deferred[bytes] = attrs.field(init=False)
    # In blocks of much the same size: pieces may be so small that each costs more than it holds, and one buffer that grows is copied from hole to hole.
    _blocks: list[bytes] = attrs.field(factory=list, init=False, repr=False)
    _last: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _size: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.finished = Deferred(lambda _: self._drop())
        self.tally.told = self._compare

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece, unless it is one too many."""
        if self.finished.called:
            return
        self._size += len(data)
        if self._size > self.limits.page_size:
            self._refuse(f"its {self.what} is too large")
        elif self._size > self.limits.ratio_from and self._size > self.tally.raw * self.limits.ratio:
            self._refuse(f"its {self.what} is compressed beyond belief")
        else:
            self._last += data
            if len(self._last) >= _BLOCK:
                self._blocks.append(bytes(self._last))
                self._last.clear()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The end. One that only the closing of the connection shows is believed where the body itself shows it too: a page cut in the
        middle must not look like a page with fewer files (F8, F9).
        """
        if self.finished.called:
            return
        body = b"".join((*self._blocks, self._last))
        self._forget()
        cut = reason.check(PotentialDataLoss) is not None and not body.rstrip().lower().endswith(_ENDS)
        if cut or reason.check(ResponseDone, PotentialDataLoss) is None:
            self.finished.errback(BadPage(f"it broke off after {self._size} bytes"))
        elif not self.tally.confirms(self._size):
            self.finished.errback(BadPage(f"its {self.what} does not decode to its own end"))
        else:
            self.finished.callback(body)

    def _compare(self) -> None:
        """Object to what goes on after its coding has ended: the decoder hands none of it on, and keeps all of it."""
        if not self.finished.called and self.tally.raw > self._size + _UNSEEN:
            self._refuse(f"its {self.what} goes on after its own end")

    def _refuse(self, why: str) -> None:
        self._forget()
        self._drop()
        self.finished.errback(BadPage(why))

    def _forget(self) -> None:
        self._blocks.clear()
        self._last.clear()

    def _drop(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


@attrs.define(eq=False)
class Watch:
    """
    Raises the alarm each time that a period brings fewer than `least`: who drips is as good as silent (F30).

    :param period: in seconds of `clock`.
    :param count: answers how many have come so far.
    """

    clock: IReactorTime
    period: float
    least: int
    count: Callable[[], int]
    alarm: Callable[[], None]
    _seen: int = attrs.field(default=0, init=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Begin a period."""
        self._seen = self.count()
        self._timer = self.clock.callLater(self.period, self._look)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look(self) -> None:
        if self.count() - self._seen < self.least:
            self.alarm()
        self.start()
