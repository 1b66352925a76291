"""Sending the answers of a scriptable index, rightly or wrongly."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import attrs

from pypidaemon.testing.faults import Fault

TICK = 0.05
"""Seconds between the pieces of an answer that is sent slowly."""


@attrs.define
class Answer:
    """A status, header fields by lower-case name, and a body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def ranged(self, wanted: str | None, fault: Fault) -> None:
        """Make it a part of itself where a single range is wanted (RFC 9110 §14)."""
        if self.status != 200:
            return
        size = len(self.body)
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
        if fault.unasked_range:
            first, last = 0, max(size // 2, 1) - 1
        elif match is None or match[0] == "bytes=-" or fault.ignore_range:
            return
        elif not match[1]:
            first, last = max(size - int(match[2]), 0), size - 1
        else:
            first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if first > last:
            self.status, self.body = 416, b""
            self.headers["content-range"] = f"bytes */{size}"
            return
        self.status, self.body = 206, self.body[first : last + 1]
        self.headers["content-range"] = f"bytes {first + int(fault.bad_range)}-{last}/{size}"

    def spoil(self, fault: Fault) -> None:
        """Do to it what can be done before it is sent."""
        if fault.redirect is not None:
            self.status, self.body, self.headers = 302, b"", {"location": fault.redirect}
        if fault.status is not None:
            self.status = fault.status
            if fault.body is None and fault.status != 200:
                self.body, self.headers = f"status {fault.status}\n".encode(), {"content-type": "text/plain"}
        if fault.body is not None:
            self.body = fault.body
            self.headers.pop("content-encoding", None)
        if fault.content_type is not None:
            self.headers["content-type"] = fault.content_type
        self._garble(fault)
        for name, value in fault.headers:
            if value:
                self.headers[name.lower()] = value
            else:
                self.headers.pop(name.lower(), None)
        for number in range(fault.header_flood):
            self.headers[f"x-flood-{number}"] = "x" * 50

    def _garble(self, fault: Fault) -> None:
        if fault.flip is not None and self.body:
            spot = fault.flip % len(self.body)
            self.body = self.body[:spot] + bytes([self.body[spot] ^ 1]) + self.body[spot + 1 :]
        if fault.gzip:
            self.body = gzip.compress(self.body, mtime=0)
            self.headers["content-encoding"] = "gzip"


def send(request: Any, answer: Answer, fault: Fault, later: Callable[..., object], rate: int | None) -> None:
    """
    Send an answer.

    :param request: the `twisted.web.server.Request` to be answered.
    :param later: called with seconds, a function and its arguments, for whatever takes time.
    :param rate: bytes a second, or None for as fast as it goes.
    """
    with_body = request.method != b"HEAD" and answer.status not in (204, 304)
    if not fault.is_raw and (rate is None or not with_body):
        request.setResponseCode(answer.status)
        for name, value in answer.headers.items():
            request.setHeader(name, value)
        if answer.status not in (204, 304):
            request.setHeader("content-length", str(len(answer.body)))
        if with_body:
            request.write(answer.body)
        request.finish()
        return
    _Raw(request.channel.transport, answer, fault, later, rate).start(with_body=with_body)


@attrs.define(eq=False)
class _Raw:
    """An answer written straight to the connection, which is of no use afterwards."""

    transport: Any
    answer: Answer
    fault: Fault
    later: Callable[..., object]
    rate: int | None
    rest: bytes = attrs.field(default=b"", init=False)

    def start(self, *, with_body: bool) -> None:
        fault, answer = self.fault, self.answer
        # While the channel is a producer of this connection, closing it may wait for ever for a producer that was paused.
        self.transport.unregisterProducer()
        headers = {"connection": "close", **answer.headers}
        if fault.cut_chunked:
            headers["transfer-encoding"] = "chunked"
        elif not fault.no_length and not fault.endless:
            headers["content-length"] = str(len(answer.body) if fault.length is None else fault.length)
        lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.transport.write("\r\n".join(lines).encode("latin-1"))
        body = answer.body if with_body else b""
        limits = [limit for limit in (fault.truncate, fault.reset, fault.stall_after) if limit is not None]
        if limits:
            body = body[: min(limits)]
        if fault.cut_chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        self.rest = body + fault.extra
        speed = fault.drip or self.rate
        if fault.endless:
            self.transport.registerProducer(self, False)
        elif speed is None:
            self.transport.write(self.rest)
            self._end()
        else:
            self._piece(speed, 0.0)

    def resumeProducing(self) -> None:
        self.transport.write(self.rest)

    def stopProducing(self) -> None:
        self.rest = b""

    def _piece(self, speed: int, owed: float) -> None:
        owed += speed * TICK
        piece, self.rest = self.rest[: int(owed)], self.rest[int(owed) :]
        self.transport.write(piece)
        if not self.rest:
            self._end()
        else:
            self.later(TICK, self._piece, speed, owed - len(piece))

    def _end(self) -> None:
        if self.fault.stall_after is not None:
            return
        if self.fault.reset is not None:
            # A reset overtakes what was sent just before it, so that is given time to arrive.
            self.later(TICK, self.transport.abortConnection)
        else:
            self.transport.loseConnection()
