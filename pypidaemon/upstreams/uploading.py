"""Uploads to another index: its pages asked first, by the ways of any upstream, and forms sent by the same way out."""

from __future__ import annotations

import random as randomness
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer, IResponse
from zope.interface import implementer

from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IContent, IRecords
from pypidaemon.model import Filename, InThread, NormalizedName, UpstreamPage, Validators
from pypidaemon.settings import Secret
from pypidaemon.upstreams.agent import outbound
from pypidaemon.upstreams.causes import explain
from pypidaemon.upstreams.headers import hold
from pypidaemon.upstreams.http import AGENT, HttpUpstream
from pypidaemon.upstreams.origins import configured
from pypidaemon.upstreams.routes import login
from pypidaemon.waits import Bell, within

PIECE = 64 << 10
ANSWER = 60.0
"""Seconds for the answer to a form that has been sent."""
SLOWEST = 16 << 10
"""Bytes a second that a line takes at least."""
MOST_SAID = 4096
"""Bytes of an answer that are read."""


@attrs.frozen
class Verdict:
    """What the other index said to a form: its status, and the first line of its answer."""

    status: int
    said: str
    hold: float | None = None
    """For how many seconds it asked to be left alone."""


@implementer(IBodyProducer)
@attrs.define(eq=False)
class Form:
    """A form on its way: what stands before the file, its bytes as they are read, and what stands behind. No more than a piece is in memory."""

    head: bytes
    content: IContent
    tail: bytes
    _paused: bool = attrs.field(init=False, default=False)
    _resumed: Bell = attrs.field(init=False, factory=Bell)
    _work: Deferred[None] | None = attrs.field(init=False, default=None)

    @property
    def length(self) -> Any:
        """As `IBodyProducer`."""
        return UNKNOWN_LENGTH if self.content.size is None else len(self.head) + self.content.size + len(self.tail)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """As `IBodyProducer`."""
        self._work = Deferred.fromCoroutine(self._produce(consumer))
        return self._work

    def pauseProducing(self) -> None:
        """As `IPushProducer`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """As `IPushProducer`."""
        self._paused = False
        self._resumed.ring()

    def stopProducing(self) -> None:
        """As `IProducer`."""
        work, self._work = self._work, None
        if work is not None:
            work.addErrback(lambda failed: failed.trap(CancelledError))
            work.cancel()

    async def _produce(self, consumer: IConsumer) -> None:
        consumer.write(self.head)
        offset = 0
        while piece := await self.content.read(offset, PIECE):
            while self._paused:
                await self._resumed.wait()
            consumer.write(piece)
            offset += len(piece)
        consumer.write(self.tail)


class _Reading(Protocol):
    """Reads the first bytes of an answer."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        """More of it."""
        self._data += data
        if len(self._data) >= MOST_SAID:
            self._cut()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end, however it came."""
        if not self.done.called:
            self.done.callback(self._data[:MOST_SAID])

    def _cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


def addresses(to: str) -> tuple[str, str]:
    """
    Where an index takes uploads, and where its simple index is, by either of them or by what stands before both.

    :raises ValueError: nothing can be asked there.
    """
    root = to if to.endswith("/") else to + "/"
    for ending in ("legacy/", "simple/"):
        root = root.removesuffix(ending)
    configured("to", root)
    return f"{root}legacy/", f"{root}simple/"


@attrs.define(eq=False)
class Destination:
    """
    Another index that takes uploads.

    :param to: its address, as `addresses` takes it.
    :param simple: where its simple index is, if that is elsewhere.
    :raises ValueError: at construction, where something of it cannot be used.
    """

    label: str
    to: str
    reactor: Any
    cpu: InThread
    records: IRecords
    username: str | None = None
    password: Secret | None = attrs.field(default=None, repr=False)
    ca_file: Path | None = None
    proxy: str | Secret = "env"
    simple: str | None = None
    environ: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    _url: str = attrs.field(init=False)
    _out: Any = attrs.field(init=False, repr=False)
    _pages: HttpUpstream = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._url, simple = addresses(self.to)
        simple = self.simple or simple
        there, pages = configured("to", self._url), configured("simple", simple)
        self._out = outbound(
            self.reactor,
            trusted_hosts=frozenset([there.host, pages.host]),
            own_port=there.port,
            ca_file=self.ca_file,
            proxy=self.proxy,
            environ=self.environ,
        )
        self._pages = HttpUpstream(
            label=self.label,
            url=simple,
            username=self.username,
            password=self.password,
            max_age=0.0,
            clock=self.reactor,
            reactor=self.reactor,
            cpu=self.cpu,
            records=self.records,
            agent=self._out,
            random=randomness.random,
        )

    async def page(self, name: NormalizedName) -> UpstreamPage | None:
        """
        What it has of that project now; None where it has none.

        :raises UpstreamUnavailable: it cannot be asked.
        """
        try:
            found = await self._pages.fetch_page(name, Validators())
        except NoSuchProject:
            return None
        return found if isinstance(found, UpstreamPage) else None

    async def upload(self, filename: Filename, kind: str, head: bytes, content: IContent, tail: bytes) -> Verdict:
        """
        Send a form, and answer what it says to it.

        :param kind: the content type of the form.
        :raises UpstreamUnavailable: there was no answer.
        """
        clock: IReactorTime = self.reactor
        headers = Headers({"User-Agent": [AGENT], "Content-Type": [kind], "Accept": ["text/plain, */*;q=0.1"]})
        authorization = login(self.username, self.password)
        if authorization is not None:
            headers.setRawHeaders(b"Authorization", [authorization])
        patience = ANSWER + (content.size or 0) / SLOWEST
        try:
            asking: Deferred[IResponse] = self._out.request(b"POST", self._url.encode("ascii"), headers, Form(head, content, tail))
            response = await within(clock, patience, asking)
            reading = _Reading()
            response.deliverBody(reading)
            said = await within(clock, ANSWER, reading.done)
        except CancelledError:
            raise
        except Exception as error:
            raise UpstreamUnavailable(self.label, explain(error), 60) from error
        lines = said.decode("utf-8", "replace").split("\n")
        words = "".join(sign if sign.isprintable() else " " for sign in lines[0])[:300].strip()
        return Verdict(response.code, words or response.phrase.decode("latin-1")[:100], hold(response, clock.seconds()))

    async def close(self) -> None:
        """Close its connections."""
        ended = self._pages.stopService()
        if ended is not None:
            await ended
        await self._out.close()
