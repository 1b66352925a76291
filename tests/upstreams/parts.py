"""What the tests of upstreams share: an upstream set up against a served index, and a socket that says exactly what it is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import NotModified, UpstreamPage
from pypidaemon.testing import Served, TestIndex, listen
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.sieve import Sieve
from tests.gear import inline

QUICK = Limits(connect=1.0, head=0.3, page=0.6, idle=0.2, slowest=1024, window=0.4)
"""Deadlines short enough to be waited for."""


@attrs.frozen
class Identity:
    """As much of the records as an upstream needs."""

    async def identity(self) -> str:
        return "0123456789abcdef"


def make(simple: str, **settings: Any) -> HttpUpstream:
    """An upstream at that URL, with the real reactor and no proxy."""
    given: dict[str, Any] = {
        "label": "up",
        "url": simple,
        "proxy": "none",
        "clock": reactor,
        "reactor": reactor,
        "cpu": inline,
        "records": Identity(),
        "random": lambda: 0.5,
    }
    return HttpUpstream(**{**given, **settings})


def started(case: TestCase, simple: str, **settings: Any) -> HttpUpstream:
    """As `make`, and stopped when the test is over."""
    upstream = make(simple, **settings)
    upstream.startService()
    case.addCleanup(upstream.stopService)
    return upstream


def serve(case: TestCase, index: TestIndex, tls: Any = None) -> Served:
    """The index on a port of its own until the test is over."""
    served = listen(reactor, index, tls=tls)

    async def stop() -> None:
        await served.stop()

    case.addCleanup(stop)
    return served


async def whole(body: Any) -> bytes:
    """All that there is to read."""
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    body.close()
    return b"".join(pieces)


def gatherings(case: TestCase) -> list[int]:
    """How many bytes the system was to gather, each time that it took that on, until the test is over."""
    told: list[int] = []
    usual = Sieve.gather

    def gather(self: Sieve, count: int) -> bool:
        done = usual(self, count)
        if done:
            told.append(count)
        return done

    case.patch(Sieve, "gather", gather)
    return told


async def broken(body: Any) -> tuple[bytes, str]:
    """What there was to read before it broke off, and the cause."""
    received = b""
    try:
        while piece := await body.read():
            received += piece
    except UpstreamUnavailable as error:
        return received, error.cause
    raise AssertionError(f"it ended well, with {len(received)} bytes")


def page(answer: UpstreamPage | NotModified) -> UpstreamPage:
    """The answer as the page it must be."""
    assert isinstance(answer, UpstreamPage), answer
    return answer


class _Saying(Protocol):
    def __init__(self, replies: list[bytes], heard: list[bytes], close: bool) -> None:
        self.replies, self.heard, self.close, self.so_far = replies, heard, close, b""

    def dataReceived(self, data: bytes) -> None:
        self.so_far += data
        if b"\r\n\r\n" not in self.so_far:
            return
        self.heard.append(self.so_far)
        self.so_far = b""
        if self.replies:
            self.transport.write(self.replies.pop(0))  # type: ignore[union-attr]
            if self.close:
                self.transport.loseConnection()  # type: ignore[union-attr]


class Saying:
    """A server that answers each request with the next of its replies, verbatim, and then falls silent."""

    def __init__(self, case: TestCase, *replies: bytes, close: bool = False) -> None:
        self.heard: list[bytes] = []
        self.connections: list[_Saying] = []
        left = list(replies)

        def build() -> _Saying:
            protocol = _Saying(left, self.heard, close)
            self.connections.append(protocol)
            return protocol

        factory = Factory.forProtocol(build)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.port = port.getHost().port
        self.simple = f"http://127.0.0.1:{self.port}/simple/"

        async def stop() -> None:
            await port.stopListening()
            for connection in self.connections:
                connection.transport.abortConnection()  # type: ignore[union-attr]

        case.addCleanup(stop)


def cut_up(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The bytes in pieces as long as `cuts` says, one after the other, with what is left behind them."""
    pieces = []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    return [piece for piece in (*pieces, data) if piece]
