"""Which representation of an index page a request gets (PEP 691, RFC 9110 §12.5)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
"""The media type of an index page in JSON."""

V1_HTML_TYPE = "application/vnd.pypi.simple.v1+html"
"""The media type of an index page in HTML, by its versioned name."""

_QUALITY = re.compile(r"(?:\d{1,3}(?:\.\d{0,20})?|\.\d{1,20})\Z", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z", re.ASCII)
_MOST_RANGES = 200


class Representation(enum.Enum):
    """A form of an index page; `content_type` is the exact header that goes with it."""

    JSON = JSON_TYPE
    V1_HTML = V1_HTML_TYPE
    HTML = "text/html"

    @property
    def content_type(self) -> str:
        """
        The value of Content-Type.

        JSON goes without a parameter, since devpi compares the whole header (R43); HTML goes with its charset, since some take
        Latin-1 where none is said (R18).
        """
        return self.value if self is Representation.JSON else f"{self.value}; charset=utf-8"


_EXACT = {
    JSON_TYPE: Representation.JSON,
    V1_HTML_TYPE: Representation.V1_HTML,
    "text/html": Representation.HTML,
    # `latest` is a name to ask by; the answer names the real type (R41).
    "application/vnd.pypi.simple.latest+json": Representation.JSON,
    "application/vnd.pypi.simple.latest+html": Representation.V1_HTML,
}
_RICHEST_FIRST = (Representation.JSON, Representation.V1_HTML, Representation.HTML)
_PLAINEST_FIRST = (Representation.HTML, Representation.JSON, Representation.V1_HTML)


def negotiate(accept: Sequence[str], format: str | None) -> Representation:
    """
    The representation to answer with. Never raises; what cannot be understood is ignored.

    A known `?format=` rules (R42). Then the highest q-value wins, named types before wildcards (R36, R37), and among named ones of one
    q JSON first (R39). No Accept, `*/*`, or nothing that we have is HTML (R38, R40).

    :param accept: every Accept header line of the request.
    :param format: the `format` of the query string, None where there is none.
    """
    if format in _EXACT:
        return _EXACT[format]
    best: dict[Representation, tuple[int, float]] = {}
    for media, quality in _ranges(accept):
        for representation, specificity in _matches(media):
            # A more specific range overrules the wider one, whatever their order (RFC 9110 §12.5.1).
            best[representation] = max(best.get(representation, (0, 0.0)), (specificity, quality))
    wanted = {representation: (quality, specificity) for representation, (specificity, quality) in best.items() if quality > 0}
    if not wanted:
        return Representation.HTML
    top = max(wanted.values())
    preference = _RICHEST_FIRST if top[1] > 1 else _PLAINEST_FIRST
    return next(representation for representation in preference if wanted.get(representation) == top)


def choose_type(accept: Sequence[str], available: Sequence[str]) -> str | None:
    """
    Which of these media types to answer in, the best first; None where the client wants none of them (406, RFC 9110 §15.5.7). Never raises.

    The highest q-value wins, ties go by the order of `available`; no Accept is for anything.

    :param accept: every Accept header line of the request.
    :param available: media types in lower case, without parameters.
    """
    if not accept:
        return available[0]
    said: dict[str, float] = {}
    for media, quality in _ranges(accept):
        said.setdefault(media, quality)
    chosen, best = None, 0.0
    for media in available:
        # A more specific range overrules the wider one (RFC 9110 §12.5.1).
        quality = said.get(media, said.get(f"{media.partition('/')[0]}/*", said.get("*/*", 0.0)))
        if quality > best:
            chosen, best = media, quality
    return chosen


def choose_coding(accept_encoding: Sequence[str], available: Sequence[str]) -> str:
    """
    The content coding to answer in: one of `available`, or "" for none (RFC 9110 §12.5.3). Never raises.

    The highest q-value wins, ties go by the order of `available`. A request that says nothing gets none, and so does one that likes
    `identity` better.

    :param accept_encoding: every Accept-Encoding header line of the request.
    :param available: codings by their names in HTTP (`zstd`, `gzip`), the best first.
    """
    said: dict[str, float] = {}
    for coding, quality in _ranges(accept_encoding):
        said.setdefault("gzip" if coding == "x-gzip" else coding, quality)
    chosen, best = "", said.get("identity", 0.0)
    for coding in available:
        quality = said.get(coding, said.get("*", 0.0))
        if quality > best or (quality == best and quality > 0 and not chosen):
            chosen, best = coding, quality
    return chosen


def _ranges(lines: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Each element of a list header, in lower case, with its q-value; malformed ones are left out."""
    for element in ",".join(lines).split(",")[:_MOST_RANGES]:
        value, *parameters = (part.strip() for part in element.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, number = parameter.partition("=")
            if key.strip().lower() == "q":
                number = number.strip()
                quality = min(float(number), 1.0) if _QUALITY.match(number) else -1.0
        if quality >= 0 and all(_TOKEN.match(token) for token in value.split("/")):
            yield value.lower(), quality


def _matches(media: str) -> Iterator[tuple[Representation, int]]:
    """The representations within a media range, with how specific the range is: 3 for a type, 2 for `type/*`, 1 for `*/*`."""
    if media in _EXACT:
        yield _EXACT[media], 3
    elif media == "*/*":
        yield from ((representation, 1) for representation in Representation)
    elif media.endswith("/*"):
        yield from ((representation, 2) for representation in Representation if representation.value.startswith(media[:-1]))
