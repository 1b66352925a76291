"""What the header fields of an upstream's response say, and nothing else of them: each value is clean or it is not there."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import attrs
from twisted.web.iweb import IResponse

from pypidaemon import freshness
from pypidaemon.model import Validators

_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)\Z", re.ASCII)


def header(response: IResponse, name: str) -> str | None:
    """The value of a header field that is there once, as clean text of at most 1,000 characters; None otherwise."""
    values = response.headers.getRawHeaders(name.encode("ascii")) or []
    if len(values) != 1:
        return None
    value = values[0].decode("latin-1").strip()
    return value if 0 < len(value) <= 1000 and value.isascii() and value.isprintable() else None


def hold(response: IResponse, now: float) -> float | None:
    """Seconds that `Retry-After` asks for, in either of its forms (RFC 9110 §10.2.3); None where it says nothing that makes sense."""
    value = header(response, "Retry-After")
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", value, re.ASCII):
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def coding(response: IResponse) -> str:
    """The content coding that is still on a response, in lower case; "" where there is none (RFC 9110 §8.4)."""
    said = b",".join(response.headers.getRawHeaders(b"Content-Encoding") or []).decode("latin-1").strip().lower()
    return {"identity": "", "x-gzip": "gzip"}.get(said, said)


def conditions(validators: Validators, source: str) -> dict[str, str]:
    """
    The request fields that ask whether what we hold is still right (RFC 9110 §13.1).

    None where the validators are not that index's: another one, such as that which was configured before, would confirm by chance what it never said.
    """
    fields: dict[str, str] = {}
    if validators.source != source:
        return fields
    if validators.etag:
        fields["If-None-Match"] = validators.etag
    if validators.last_modified:
        fields["If-Modified-Since"] = validators.last_modified
    return fields


def validators(response: IResponse, source: str) -> Validators:
    """What to ask that with next time, and whom; nothing where the response has neither."""
    said = Validators(etag=header(response, "ETag"), last_modified=header(response, "Last-Modified"))
    return said if said == Validators() else attrs.evolve(said, source=source)


def strong(response: IResponse) -> str | None:
    """What names this state of a body byte for byte: a strong ETag, or else a Last-Modified (RFC 9110 §8.8.1)."""
    etag = header(response, "ETag")
    return etag if etag is not None and etag.startswith('"') else header(response, "Last-Modified")


def serial(response: IResponse) -> int | None:
    """PyPI's serial of the page or list, None where there is none that makes sense (F21)."""
    said = header(response, "X-PyPI-Last-Serial")
    return int(said) if said is not None and re.fullmatch(r"\d{1,15}", said, re.ASCII) else None


def modified(response: IResponse) -> float | None:
    """When the body was last changed, seconds since the epoch, in any of the forms of RFC 9110 §5.6.7; None where that cannot be read."""
    try:
        moment = parsedate_to_datetime(header(response, "Last-Modified") or "")
        # Of these forms the oldest names no zone, and all are in UTC.
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def length(response: IResponse) -> int | None:
    """The announced size of the body in bytes, None where none is announced."""
    said: Any = response.length
    return said if isinstance(said, int) else None


def part(response: IResponse) -> tuple[int, int | None] | None:
    """Where a partial body begins, and the size of the whole where it is said; None where `Content-Range` cannot be read."""
    match = _RANGE.match(header(response, "Content-Range") or "")
    if match is None:
        return None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def lifetime(response: IResponse, cap: float) -> float:
    """For how many more seconds the answer is fresh: what upstream says, less its age, at most `cap`; `cap` where it says nothing."""
    said = freshness.max_age([line.decode("latin-1") for line in response.headers.getRawHeaders(b"Cache-Control") or []])
    if said is None:
        return cap
    return max(min(said - freshness.age(header(response, "Age")), cap), 0.0)
