"""
What may stand in the head of a request: one strict reading of its bytes, pure, before any other parser sees them.

What two parsers could read in two ways (RFC 9112 §11.2) is refused, since the other one may be a proxy before us.
"""

from __future__ import annotations

import re

import attrs


@attrs.frozen
class Limits:
    """What one connection may take. Times in seconds, sizes in bytes."""

    head_time: float = 15.0
    """From the first byte of a head to its last, however its bytes drip (S57); our clients send theirs in one packet."""
    idle: float = 60.0
    """Between two requests; longer than pip and uv pause within one run (S57)."""
    line: int = 8 * 1024
    """The request line; RFC 9112 §3 asks for at least 8000."""
    head: int = 16 * 1024
    """The whole head; a token and two cookies fit many times over (S64)."""
    headers: int = 100
    """Header lines (S64); uv and pip send fewer than 15."""
    body: int = 1024 * 1024
    """A body that nobody takes, however it is framed (S62); for others `web.intake.Room` says."""
    body_window: float = 30.0
    """How long a body is watched at a time (S57)."""
    body_rate: int = 1024
    """Bytes per second that a body must bring within each window (S57)."""
    stall: float = 60.0
    """How long what we wrote may wait for a client that does not read (S57); one piece of `pace` at most waits."""
    linger: float = 2.0
    """After a refusal, how long we go on discarding what was already on its way, so that the answer is not lost to a reset (RFC 9112 §9.6)."""


METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
"""Methods that routes may know or answer 405 to; any other is 501 (RFC 9110 §9.1), so TRACE and CONNECT are never looked at (S62)."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
_FIELD = re.compile(rb"(%s):([\t\x20-\x7e\x80-\xff]*)" % _TOKEN)
_STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\x00")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ABSOLUTE = re.compile(rb"https?://([^/?]+)", re.IGNORECASE)


def request_line(head: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, target and version (`HTTP/1.1`) of a whole head; three times nothing where it has no such line."""
    first = head[: head.find(b"\r\n")]
    if _REQUEST_LINE.fullmatch(first) is None:
        return b"", b"", b""
    method, target, version = first.split(b" ")
    return method, target, version


def origin_form(target: bytes) -> tuple[bytes, bytes]:
    """
    The host that a target in absolute form names, with its port, and that target as others are, which begin with the path (RFC 9112 §3.2.2).

    Of any other target no host and itself. Neither is looked at more closely here.
    """
    found = None if target.startswith(b"/") else _ABSOLUTE.match(target)
    if found is None:
        return b"", target
    below = target[found.end() :]
    return found[1], below if below.startswith(b"/") else b"/" + below


def refusal(head: bytes, limits: Limits, room: int | None = None) -> int | None:
    """
    The status that a whole head (up to and with its empty line) is refused with, None where it is fit to be parsed.

    Strict where RFC 9112 lets a server choose: no folded lines (§5.2), one Content-Length at most and never beside
    Transfer-Encoding (§6.3), no coding but chunked (§6.1), and no body that cannot be wanted.

    :param room: the largest body allowed, in bytes; None is `Limits.body`.
    """
    first, *lines = head[:-4].split(b"\r\n")
    request = _REQUEST_LINE.fullmatch(first)
    if request is None:
        return 400
    method, _, major, minor = request.groups()
    if major != b"1" or minor not in b"01":
        return 505
    if method not in METHODS:
        return 501
    if len(lines) > limits.headers:
        return 431
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return 400
        value = field[2].strip(b" \t").lower()
        match field[1].lower():
            case b"content-length":
                lengths.append(value)
            case b"transfer-encoding":
                codings.append(value)
            case b"expect" if value != b"100-continue":
                return 417
    return _body_refusal(lengths, codings, minor == b"1", limits.body if room is None else room)


def _body_refusal(lengths: list[bytes], codings: list[bytes], chunks: bool, room: int) -> int | None:
    if len(lengths) + len(codings) > 1:
        return 400
    if codings:
        if not chunks:
            return 400
        return None if codings[0] == b"chunked" else 501
    if lengths:
        if not lengths[0].isdigit():
            return 400
        if not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > room:
            return 413
    return None


def early_refusal(head: bytes, seen: int, limits: Limits) -> int | None:
    """
    The status that a head is refused with before it is whole, None while it may still become one.

    :param head: what has come of it, and nothing behind its empty line.
    :param seen: how much of it was looked at before; a break may lie across the border, so three bytes less than all.
    """
    if _STRAY.search(head, seen):
        return 400
    line = head.find(b"\r\n", 0, limits.line + 2)
    if line < 0 and len(head) > limits.line:
        return 414
    # A line that is no request, of HTTP/0.9 or no HTTP at all, may never be followed by the end of a head.
    if line >= 0 and not _REQUEST_LINE.fullmatch(head, 0, line):
        return 400
    return 431 if len(head) > limits.head else None
