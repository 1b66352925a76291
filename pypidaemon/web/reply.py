"""
What is answered, as a frozen value. A header that could break out of its line cannot be built at all (S59).

The skin adds what every answer has: `Date`, `Server`, `Content-Length`, `X-Request-Id`.
"""

from __future__ import annotations

import http
import re
from collections.abc import Callable, Iterable

import attrs

from pypidaemon.interfaces import IContent

Pairs = tuple[tuple[str, str], ...]

_GAP = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile("[\t\x20-\x7e\xa0-\xff]*")
_OWN: Pairs = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))
_PLAIN = (_OWN, (*_OWN, ("Cache-Control", "no-store")))
"""What plain answers and plain errors say, which need not be looked at each time."""
_RESERVED = frozenset({"content-length", "transfer-encoding", "date", "server"})


def one_line(text: str) -> str:
    """The text with every run of white space and control characters made one blank."""
    return _GAP.sub(" ", text).strip() if text else ""


def phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110 §15)."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _checked(instance: Reply, attribute: attrs.Attribute[Pairs], pairs: Pairs) -> None:
    if pairs in _PLAIN:
        return
    for name, value in pairs:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"this must not be a header: {name!r}: {value!r}")
        if name.lower() in _RESERVED:
            raise ValueError(f"the skin writes {name} itself")


@attrs.frozen
class Stream:
    """Bytes `offset` to `offset + length` of a content. `length` None is all there is from `offset` on, however much."""

    content: IContent
    offset: int = 0
    length: int | None = None


@attrs.frozen
class Term:
    """
    For how long a reply is the answer to the same request as well, as far as the clock goes; who keeps it is told of everything else.

    :param project: whose it is.
    :param since: the clock may be put back, and what was not made yet then is no answer.
    :param until: in seconds since the epoch, as `since`.
    :param cache_control: that field's value at a moment; all other fields stay as they are.
    :param counts_to: the moment to which that field counts down in whole seconds; None where it says the same all the time.
    :param still: whether who made it would still give it; asked from time to time while it is in use.
    :param given: told of each time that it was given again, with the address that it went to ("-" where that has none) and the moment.
    """

    project: str
    since: float
    until: float
    cache_control: Callable[[float], str]
    counts_to: float | None
    still: Callable[[], bool]
    given: Callable[[str, float], None] | None = None


@attrs.frozen
class Reply:
    """
    One answer: either `body` or, where it is given, `stream`; whoever takes the Reply closes the stream's content.

    :raises ValueError: a header holds a control character or is none of Latin-1 (S59), is one the skin writes itself,
        or there are both a body and a stream.
    """

    status: int
    headers: Pairs = attrs.field(default=(), validator=_checked)
    body: bytes = b""
    stream: Stream | None = None
    length: int | None = None
    """How long a GET's body would be, where a HEAD is answered without opening it (S65, R85); else None."""
    reason: str = attrs.field(default="", converter=one_line)
    """A reason phrase of our own; "" is the usual one of that status."""
    line: str = attrs.field(default="", converter=one_line, eq=False, repr=False)
    """The body's one line where it is plain text, which the log gives as the reason of a refusal, in whatever form it is sent."""
    term: Callable[[], Term] | None = attrs.field(default=None, eq=False, repr=False)
    """Says, when asked at once, for how long this is the answer; None where nobody knows."""

    def __attrs_post_init__(self) -> None:
        if self.stream is not None and self.body:
            raise ValueError("a reply has a body or a stream")

    def close(self) -> None:
        """Let go of the stream, if there is one."""
        if self.stream is not None:
            self.stream.content.close()


def text(status: int, line: str, id: str, headers: Iterable[tuple[str, str]] = (), reason: str = "") -> Reply:
    """
    A plain answer: one line and the request's id. Errors say that nobody keeps them (`no-store`), since uv and pip keep 404s.

    :raises ValueError: as `Reply`.
    """
    own = _PLAIN[0] if status < 400 else _PLAIN[1]
    return Reply(status, own + tuple(headers), f"{one_line(line)}\nrequest id: {id}\n".encode(), reason=reason, line=line)


def bare(status: int, line: str = "") -> bytes:
    """A whole answer as it goes out, given by a connection itself to what nobody has read; it is the last one there."""
    body = f"{line or phrase(status).lower()}\n".encode("ascii")
    again = "Retry-After: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {phrase(status)}\r\nServer: pypidaemon\r\n{again}Content-Type: text/plain; charset=utf-8\r\n"
        f"Cache-Control: no-store\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def redirect(location: str, permanent: bool) -> Reply:
    """
    Send the client elsewhere: 301 for good, else 302. pip replays a 301 for ever, so it is for spellings of one URL only (R7).

    :raises ValueError: `location` would leave this host by a trick of spelling (S60), or is no header value.
    """
    return Reply(301 if permanent else 302, (("Location", _here(location)),))


def onward(location: str, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    """
    What was posted is done, and this is to be looked at next (RFC 9110 §15.4.4); nobody keeps that.

    :raises ValueError: as `redirect`.
    """
    return Reply(303, (("Location", _here(location)), ("Cache-Control", "no-store"), *headers))


def _here(location: str) -> str:
    if re.match(r"[\s]*[/\\]{2}", location) or "\\" in location or not location.isascii() or " " in location:
        raise ValueError(f"this must not be redirected to: {location!r}")
    return location
