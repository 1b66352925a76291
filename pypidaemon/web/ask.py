"""
What a request asks, as a frozen value: read once, checked once, and then believed by everything behind the door.

The path is decoded exactly once (R8); what could mean one thing to us and another to a proxy before us is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote_to_bytes

import attrs
from twisted.web.http import Request

from pypidaemon.model import Fetch
from pypidaemon.web.heads import origin_form
from pypidaemon.web.places import address_of

MAX_PATH = 4096
"""The longest path answered, in bytes; ours are below 600."""

_HOST = re.compile(r"(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,253}))(?::[0-9]{1,5})?")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NOT_A_TARGET = re.compile(rb"[^\x21-\x7e]|#")


class BadRequest(Exception):
    """
    A request that is refused before anything behind the door sees it.

    :param reason: one plain line for the client; never an echo of what it sent.
    :param status: 400 unless another is more exact.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


def _lowered(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in pairs)


@attrs.frozen
class Headers:
    """The header fields of a request in the order they came, names in any case, values as Latin-1 (RFC 9110 §5.5)."""

    pairs: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_lowered)

    def first(self, name: str) -> str | None:
        """The value of the first field of that name, None where there is none."""
        wanted = name.lower()
        for known, value in self.pairs:
            if known == wanted:
                return value
        return None

    def every(self, name: str) -> list[str]:
        """The values of all fields of that name, one for each line."""
        wanted = name.lower()
        return [value for known, value in self.pairs if known == wanted]


@attrs.define
class Notes:
    """What the log and the records are to say of a request besides what it asked; written down on the request's way."""

    account: str = ""
    """Who has logged in; "" where nobody has."""
    reason: str = ""
    """Why it was refused or failed, in the one line that the client is told; "" where nothing said so."""
    ready: bool | None = None
    """Whether the answer was here when it was asked for, so that nothing was fetched or made for it; None where that is not known."""
    taking: tuple[Fetch, int | None] | None = None
    """The file that is sent whole, and its size, where that is put on record."""


@attrs.frozen
class Ask:
    """
    One request. Its body is no part of it: whoever takes one is given it as it comes (`pypidaemon.web.intake`).

    `segments` is the path split at "/", each piece decoded once: `/simple/a%2Bb/` is `("simple", "a+b", "")`, a last ""
    is a trailing slash, and `/` is `("",)`. A segment never holds a slash, a backslash or a control character, is
    never "." or "..", and is empty only at the end. No segments at all stand for a request that could not be read (only
    observers see such an Ask).
    """

    method: str = "GET"
    segments: tuple[str, ...] = ("",)
    query: tuple[tuple[str, str], ...] = ()
    """Names and values, decoded; unknown ones are to be ignored (R9)."""
    headers: Headers = Headers()
    client: str = ""
    """The peer's address without the port; "" for a unix socket."""
    host: str = ""
    """The Host field in lower case, checked for its form alone, so never a reason to trust it (S56); "" where HTTP/1.0 sent none."""
    secure: bool = False
    """Whether the connection itself is TLS."""
    passed: bool = False
    """Whether a proxy passed it on that we trust."""
    id: str = ""
    """What this request is called in the log and in its answer: 16 hexadecimal digits."""
    notes: Notes = attrs.field(factory=Notes, eq=False, repr=False)
    """For observers alone. No answer may depend on it."""


def read(request: Request, id: str) -> Ask:
    """
    Read a request whose head has arrived.

    A target in absolute form is for us as any other (RFC 9112 §3.2.2), where it names the host that Host names: of two names each, one proxy before us
    would go by this one and the next by the other.

    :raises BadRequest: the path is not clean ASCII with a root (R8, R9), it is too long (414), or Host is missing in
        HTTP/1.1, there twice, malformed, or not the host that the target names (S56, RFC 9112 §3.2).
    """
    authority, target = origin_form(request.uri)
    path, _, query = target.partition(b"?")
    if len(path) > MAX_PATH:
        raise BadRequest("the path is too long", 414)
    if not target.startswith(b"/"):
        raise BadRequest("the request target must be a path")
    if _NOT_A_TARGET.search(request.uri):
        raise BadRequest("the request target must be plain ASCII")
    headers = _headers(request)
    return Ask(
        method=request.method.decode("latin-1"),
        segments=_segments(path),
        query=tuple(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="replace")) if query else (),
        headers=headers,
        client=peer(request),
        host=_named(authority, _host(headers, request.clientproto)),
        secure=bool(request.isSecure()),
        id=id,
    )


def unreadable(request: Request, id: str) -> Ask:
    """The Ask that stands for a request `read` refused, for observers alone: it has no segments."""
    return Ask(method=request.method.decode("latin-1"), segments=(), headers=_headers(request), client=peer(request), id=id)


def peer(request: Request) -> str:
    """The address of the other end without its port, as `address_of`: one and the same whichever kind of socket it came in by (S61, S69)."""
    return address_of(request.getClientAddress())


def _headers(request: Request) -> Headers:
    return Headers(
        tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        )
    )


def _segments(path: bytes) -> tuple[str, ...]:
    if _ESCAPE.search(path):
        raise BadRequest("the path holds a broken percent escape")
    segments = tuple(map(_segment, path[1:].split(b"/")))
    if "" in segments[:-1]:
        raise BadRequest("the path holds an empty segment")
    return segments


def _segment(raw: bytes) -> str:
    try:
        text = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None
    if text in (".", "..") or "/" in text or "\\" in text or _CONTROL.search(text):
        raise BadRequest("the path holds a segment that is not clean")
    return text


def _named(authority: bytes, host: str) -> str:
    """The host that both name, target and Host field; HTTP/1.0 may do without the latter."""
    name = authority.decode("ascii").lower()
    if name and (host not in ("", name) or not _HOST.fullmatch(name)):
        raise BadRequest("the request target names another host than the Host header")
    return name or host


def _host(headers: Headers, version: bytes) -> str:
    hosts = headers.every("host")
    if not hosts and version == b"HTTP/1.0":
        return ""
    if len(hosts) != 1:
        raise BadRequest("exactly one Host header is needed")
    host = hosts[0].lower()
    if not _HOST.fullmatch(host):
        raise BadRequest("the Host header is malformed")
    return host
