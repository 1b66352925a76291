"""
A host of files in memory that answers as wrongly as a seed has it: what it says goes byte by byte through Twisted's own HTTP client, without a socket.

Each way of answering wrongly is a function of the table `WAYS`; what it makes of a file is a `Said`.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer, IStreamClientEndpoint, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import Agent
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 404: "Not Found", 416: "Range Not Satisfiable"}


@attrs.frozen
class Said:
    """An answer as it goes over the line, and how it ends: "close", "reset", "stall", or "stay" where the connection is left to the client."""

    raw: bytes
    end: str = "close"

    def as_part(self) -> Said:
        """The same, called a part of the whole."""
        return attrs.evolve(self, raw=self.raw.replace(b" 200 OK", b" 206 Partial Content", 1))


@attrs.frozen
class Wanted:
    """A file that is asked for, from that byte on; 0 is also where no range was asked for. `other` is some other file of the same size."""

    data: bytes
    start: int
    other: bytes
    random: random.Random

    @property
    def tag(self) -> str:
        """Its strong entity tag."""
        return tag_of(self.data)


def tag_of(data: bytes) -> str:
    """The entity tag of a file."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def head(status: int, **fields: str) -> bytes:
    """A status line and header fields; a `_` stands for `-`."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def plain(wanted: Wanted, body: bytes, *, end: str = "close", tag: str | None = None, start: int | None = None, **fields: str) -> Said:
    """A body as an answer to that question: 200, or where a part was asked for, 206 of a file that it is the end of."""
    begins = wanted.start if start is None else start
    told = {"Content_Length": str(len(body)), "ETag": tag or wanted.tag, "Content_Type": "application/octet-stream", **fields}
    if begins:
        told.setdefault("Content_Range", f"bytes {begins}-{begins + len(body) - 1}/{begins + len(body)}")
    return Said(head(206 if begins else 200, **told) + body, end)


def right(wanted: Wanted) -> Said:
    """What was asked for."""
    return plain(wanted, wanted.data[wanted.start :], end="stay")


def _part(wanted: Wanted) -> bytes:
    return wanted.data[wanted.start :]


def _within(wanted: Wanted, least: int = 0) -> int:
    """A place in what was asked for, short of its end."""
    return wanted.random.randrange(least, max(len(_part(wanted)), least + 1))


def _flip(wanted: Wanted) -> Said:
    body, spot = bytearray(_part(wanted)), _within(wanted)
    body[spot] ^= 1 << wanted.random.randrange(8)
    return plain(wanted, bytes(body))


def _last_byte(wanted: Wanted) -> Said:
    body = _part(wanted)
    return plain(wanted, body[:-1] + bytes([body[-1] ^ 0xFF]))


def _hole(wanted: Wanted) -> Said:
    body, spot = bytearray(_part(wanted)), _within(wanted)
    length = min(wanted.random.randrange(1, 5000), len(body) - spot)
    body[spot : spot + length] = b"\x00" * length
    return plain(wanted, bytes(body))


def _swapped(wanted: Wanted) -> Said:
    body, spot = _part(wanted), _within(wanted, 1)
    return plain(wanted, body[spot:] + body[:spot])


def _all_of(wanted: Wanted) -> dict[str, str]:
    """The range of an answer that claims to be all that was asked for; none where the whole was."""
    return {"Content_Range": f"bytes {wanted.start}-{len(wanted.data) - 1}/{len(wanted.data)}"} if wanted.start else {}


def _cut(wanted: Wanted, end: str) -> Said:
    body = _part(wanted)
    return plain(wanted, body[: _within(wanted)], end=end, Content_Length=str(len(body)), **_all_of(wanted))


def _broken_off(wanted: Wanted) -> Said:
    return _cut(wanted, "close")


def _reset(wanted: Wanted) -> Said:
    return _cut(wanted, "reset")


def _stalled(wanted: Wanted) -> Said:
    return _cut(wanted, "stall")


def _short(wanted: Wanted) -> Said:
    """What a cache took for the whole."""
    return plain(wanted, _part(wanted)[: _within(wanted, 1)])


def _endless_short(wanted: Wanted) -> Said:
    """Without a length, and closed early, as if that were all."""
    return Said(head(206 if wanted.start else 200, ETag=wanted.tag, **_all_of(wanted)) + _part(wanted)[: _within(wanted)])


def _more(wanted: Wanted) -> Said:
    """More bytes than wanted, and the length says so."""
    return plain(wanted, _part(wanted) + wanted.random.randbytes(wanted.random.randrange(1, 3000)))


def _more_than_told(wanted: Wanted) -> Said:
    """More bytes than the length says."""
    return plain(wanted, _part(wanted) + b"more", Content_Length=str(len(_part(wanted))), **_all_of(wanted))


def _told_less(wanted: Wanted) -> Said:
    """A length that cuts the end off."""
    return plain(wanted, _part(wanted), Content_Length=str(_within(wanted)))


def _chunked(body: bytes, *, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:700], body[700:]) if piece) + last


def _in_chunks(wanted: Wanted, framed: bytes) -> Said:
    return Said(head(206 if wanted.start else 200, ETag=wanted.tag, Transfer_Encoding="chunked", **_all_of(wanted)) + framed)


def _chunks_without_end(wanted: Wanted) -> Said:
    return _in_chunks(wanted, _chunked(_part(wanted)[: _within(wanted)], last=b""))


def _chunks_that_end_early(wanted: Wanted) -> Said:
    return _in_chunks(wanted, _chunked(_part(wanted)[: _within(wanted)]))


def _chunks_and_more(wanted: Wanted) -> Said:
    return _in_chunks(wanted, _chunked(_part(wanted) + b"\n"))


def _chunks_of_nonsense(wanted: Wanted) -> Said:
    return _in_chunks(wanted, _chunked(_part(wanted)[: _within(wanted)], last=b"zz\r\nmore\r\n"))


def _another(wanted: Wanted) -> Said:
    """Another file of the same size, under the tag of this one."""
    return plain(wanted, wanted.other[wanted.start :])


def _replaced(wanted: Wanted) -> Said:
    """Another file of the same size, which says so."""
    return plain(wanted, wanted.other[wanted.start :], tag=tag_of(wanted.other))


def _portal(wanted: Wanted) -> Said:
    body = b"<!DOCTYPE html><html><head><title>Welcome aboard</title></head><body>Log in</body></html>"
    return Said(head(200, Content_Type="text/html", Content_Length=str(len(body))) + body)


def _compressed(wanted: Wanted) -> Said:
    body = gzip.compress(_part(wanted), 1, mtime=0)
    return plain(wanted, body, start=0, Content_Encoding="gzip")


def _compressed_unsaid(wanted: Wanted) -> Said:
    return plain(wanted, gzip.compress(_part(wanted), 1, mtime=0), start=0)


def _unasked_part(wanted: Wanted) -> Said:
    """A part of it, whatever was asked for."""
    size = len(wanted.data)
    return plain(wanted, wanted.data[: size // 2 + 1], start=0, Content_Range=f"bytes 0-{size // 2}/{size}").as_part()


def _unasked_whole_part(wanted: Wanted) -> Said:
    """All of it, and called a part."""
    size = len(wanted.data)
    return plain(wanted, wanted.data, start=0, Content_Range=f"bytes 0-{size - 1}/{size}").as_part()


def _other_part(wanted: Wanted) -> Said:
    """It says so itself."""
    start = wanted.random.randrange(len(wanted.data))
    return plain(wanted, wanted.data[start:], start=start)


def _other_part_unsaid(wanted: Wanted) -> Said:
    """The bytes of another place, as if they were of the one asked for."""
    shift = wanted.random.randrange(1, 50)
    body = (wanted.data + wanted.data)[wanted.start + shift :][: len(_part(wanted))]
    return plain(wanted, body)


def _part_of_more(wanted: Wanted) -> Said:
    """The whole is larger than it is, by the part's own word."""
    body = _part(wanted)
    return plain(
        wanted, body, start=wanted.start, Content_Range=f"bytes {wanted.start}-{wanted.start + len(body) - 1}/{len(wanted.data) + 9}"
    )


def _whole_instead_of_part(wanted: Wanted) -> Said:
    return plain(wanted, wanted.data, start=0)


def _unsatisfied(wanted: Wanted) -> Said:
    return Said(head(416, Content_Length="0", Content_Range=f"bytes */{len(wanted.data)}"))


def _gone(wanted: Wanted) -> Said:
    return Said(head(404, Content_Length="0"))


def _failing(wanted: Wanted) -> Said:
    return Said(head(wanted.random.choice((403, 429, 500, 502, 503)), Content_Length="0"))


def _circling(wanted: Wanted) -> Said:
    return Said(head(302, Content_Length="0", Location="/packages/elsewhere"))


def _two_lengths(wanted: Wanted) -> Said:
    said = plain(wanted, _part(wanted))
    return attrs.evolve(said, raw=said.raw.replace(b"ETag:", b"Content-Length: 3\r\nETag:", 1))


def _no_head(wanted: Wanted) -> Said:
    return Said(wanted.random.choice((b"", b"HTTP/1.1 200 OK\r\nConte", b"\x00\xff nonsense\r\n\r\n", wanted.data[:100])))


WAYS: Mapping[str, Callable[[Wanted], Said]] = MappingProxyType(
    {function.__name__.strip("_"): function for function in (
        _flip, _last_byte, _hole, _swapped, _broken_off, _reset, _stalled, _short, _endless_short, _more, _more_than_told, _told_less,
        _chunks_without_end, _chunks_that_end_early, _chunks_and_more, _chunks_of_nonsense, _another, _replaced, _portal, _compressed,
        _compressed_unsaid, _unasked_part, _unasked_whole_part, _other_part, _other_part_unsaid, _part_of_more, _whole_instead_of_part,
        _unsatisfied, _gone, _failing, _circling, _two_lengths, _no_head,
    )}
)  # fmt: skip
"""Every way to answer wrongly, by name."""


def shuffled(seed: random.Random) -> Iterator[str]:
    """All ways again and again, each time in another order."""
    while True:
        yield from seed.sample(sorted(WAYS), len(WAYS))


@implementer(ITransport, IPushProducer)
class _Line:
    """One connection of the client under test, with the host at its other end."""

    def __init__(self, protocol: Any, host: Crooked) -> None:
        self.protocol, self.host = protocol, host
        self.heard, self.left, self.end = b"", b"", ""
        self.paused = self.lost = self.answered = False
        protocol.makeConnection(self)

    def write(self, data: bytes) -> None:
        self.heard += data
        if not self.answered and b"\r\n\r\n" in self.heard:
            self.answered = True
            said = self.host.answer(self.heard.decode("latin-1"))
            self.left, self.end = said.raw, said.end
            self.host.clock.callLater(0, self._go_on)

    def writeSequence(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def _go_on(self) -> None:
        """A piece of it at a time, as a network brings it."""
        if self.lost or self.paused:
            return
        if self.left:
            count = self.host.random.choice((len(self.left), 1 << 16, 1 << 16, self.host.random.randrange(1, 3000)))
            piece, self.left = self.left[:count], self.left[count:]
            self.protocol.dataReceived(piece)
            self.host.clock.callLater(0, self._go_on)
        elif self.end in ("close", "reset"):
            self._lose(error.ConnectionLost() if self.end == "reset" else error.ConnectionDone())

    def _lose(self, why: Exception) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(Failure(why))

    def loseConnection(self) -> None:
        self.host.clock.callLater(0, self._lose, error.ConnectionDone())

    def abortConnection(self) -> None:
        self.host.clock.callLater(0, self._lose, error.ConnectionAborted())

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        if self.paused:
            self.paused = False
            self.host.clock.callLater(0, self._go_on)

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """What is asked has no body worth a producer."""

    def unregisterProducer(self) -> None:
        """As above."""

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 80)

    getHost = getPeer


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
@attrs.define(eq=False, repr=False)
class Crooked:
    """
    The host: pages are answered rightly, and files in one of `WAYS`, unless it is `honest`.

    :param ways: how the next files will be answered.
    :param files: path and bytes of each.
    :param others: for each path a file of the same size.
    """

    clock: Clock
    random: random.Random
    ways: Iterator[str]
    pages: dict[str, bytes] = attrs.field(factory=dict)
    files: dict[str, bytes] = attrs.field(factory=dict)
    others: dict[str, bytes] = attrs.field(factory=dict)
    honest: float = 0.0
    """How likely it is that an answer is the right one."""
    done: list[str] = attrs.field(factory=list)
    """What was done wrongly, in order."""

    def agent(self) -> Any:
        """A client that reaches nothing but this host."""
        return Agent.usingEndpointFactory(self.clock, self)

    def endpointForURI(self, uri: Any) -> Any:
        """As `IAgentEndpointFactory`."""
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        """As `IStreamClientEndpoint`."""
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 80))
        _Line(protocol, self)
        return succeed(protocol)

    def answer(self, request: str) -> Said:
        """What it says to a request."""
        path = urlsplit(request.split(" ", 2)[1]).path
        if path in self.pages:
            body = self.pages[path]
            return Said(head(200, Content_Type="application/vnd.pypi.simple.v1+json", Content_Length=str(len(body))) + body, "stay")
        data = self.files.get(path)
        if data is None:
            return Said(head(404, Content_Length="0"))
        match = re.search(r"\r\nrange: bytes=(\d+)-\r\n", request, re.IGNORECASE)
        wanted = Wanted(data, int(match[1]) if match is not None else 0, self.others[path], self.random)
        if self.random.random() < self.honest or wanted.start >= len(data):
            return right(wanted)
        way = next(self.ways)
        self.done.append(way)
        return WAYS[way](wanted)
