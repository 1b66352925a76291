"""What a connection says, in as few calls to the system as that takes, and what it knows of its own ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.web.http_headers import Headers

from pypidaemon.web.eager import Outlet


def options(headers: Headers) -> set[bytes]:
    """The options of its Connection fields, in lower case."""
    lines = headers.getRawHeaders(b"Connection", [])
    return {option.strip(b" \t").lower() for line in lines for option in line.split(b",")}


class Says:
    """A `DoorChannel`, as far as answers are concerned. Behind this in the order of its classes stands Twisted's channel."""

    transport: Any
    persistent: bool
    _way_out: Outlet | None = None
    _kept: list[bytes] | None = None
    """The head and the body of an answer that is all here, while it is put together."""
    _near: Any = None
    _secure: bool | None = None

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write the head of an answer; one that says `Connection: close` is the last of its connection."""
        if b"close" in options(headers):
            self.persistent = False
        elif not self.persistent:
            headers.setRawHeaders(b"Connection", [b"close"])
        pairs = [b"%b: %b\r\n" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
        self.write(b"".join((b"HTTP/1.1 ", code, b" ", reason, b"\r\n", *pairs, b"\r\n")))

    def write(self, data: bytes) -> None:
        """Write some of an answer."""
        if self._kept is None:
            self.transport.write(data)
        else:
            self._kept.append(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write these, one behind the other."""
        self.write(b"".join(iovec))

    def answer(self, request: Any, body: bytes) -> None:
        """Write an answer that is all here, head and body together; at once, where nothing waits to be written."""
        kept = self._kept = []
        try:
            request.write(body)
        finally:
            self._kept = None
        if kept:
            if self._way_out is None:
                self._way_out = Outlet(self.transport)
            self._way_out.write(kept[0], b"".join(kept[1:]))

    def getHost(self) -> Any:
        """Our end's address, which is the same for as long as the connection lasts; the system is asked for it once."""
        if self._near is None:
            self._near = super().getHost()  # type: ignore[misc]  # Twisted's channel behind this has it
        return self._near

    def isSecure(self) -> bool:
        """Whether it is TLS, from its beginning or not at all."""
        if self._secure is None:
            self._secure = bool(super().isSecure())  # type: ignore[misc]  # as above
        return self._secure
