"""
Entity tags: making them and comparing them (RFC 9110 §8.8.3, §13.1).

A header from outside is only ever compared, so nothing here raises: what cannot be read matches nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_TAG = re.compile(r'"[!#-~\x80-\xff]*"')


def etag(*parts: str) -> str:
    """
    A strong tag, with its quotes, that is the same for the same parts and differs where any part, or their number, does (R72).

    Give what tells one representation from another: revision, form, content coding.
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return f'"{digest.hexdigest()[:40]}"'


def matches(if_none_match: Sequence[str], etag: str) -> bool:
    """
    Whether the lines of an `If-None-Match` header name this tag, so that the answer is 304 (R73, RFC 9110 §13.1.2).

    The comparison is weak: `W/` counts for nothing on either side. `*` names every tag; a comma inside quotes is part of a tag.
    """
    opaque = etag.removeprefix("W/")
    return any(line.strip() == "*" or opaque in _TAG.findall(line) for line in if_none_match)


def if_range_holds(header: str | None, etag: str) -> bool:
    """
    Whether a `Range` may be answered with a part, as far as `If-Range` is concerned (R93, RFC 9110 §13.1.5).

    The comparison is strong: a weak tag, ours or theirs, never holds, and neither does a date. Without the header nothing is in the way.
    """
    if header is None:
        return True
    return header.strip() == etag and etag.startswith('"')
