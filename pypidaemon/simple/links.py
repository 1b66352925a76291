"""
Where a file is served, below `packages/`, and how that is spelled in a URL.

One spelling is used everywhere, in HTML, in JSON and in the legacy document, because some clients compare URLs as strings (R143).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from pypidaemon.model import Filename, NormalizedName

BLAKE2B_256 = ("blake2b_256", "blake2_256", "blake2b-256")
"""The names under which indexes state a blake2b of 256 bits."""

_HASH_SHAPED = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{60})/[^/]+\Z", re.ASCII)
_USUAL = re.compile(r"https?://[a-z0-9.:-]+/(?:[a-z0-9]+/)*packages/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60})/([A-Za-z0-9_.-]+)", re.ASCII)
"""A URL of which nothing is written in another way than it is meant."""
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*\Z", re.ASCII)
_BLAKE2B = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


def packages_path(url: str, hashes: Mapping[str, str], filename: Filename) -> str:
    """
    Where a file of an upstream is served: `<2 hex>/<2 hex>/<60 hex>/<filename>`, or "" where that cannot be told (R15).

    Upstream's own path is kept where it has that shape and ends in this file name, so that lock files survive a change of host;
    else it is made of the content's blake2b-256 where upstream states one.
    """
    usual = _USUAL.fullmatch(url)
    if usual is not None and usual[2] == filename:
        return f"{usual[1]}/{filename}"
    try:
        segments = urlsplit(url).path.split("/")
    except ValueError:
        segments = []
    if len(segments) >= 5 and segments[-5] == "packages" and unquote(segments[-1]) == filename:
        path = "/".join([*segments[-4:-1], filename])
        if _HASH_SHAPED.match(path):
            return path
    for algorithm in BLAKE2B_256:
        digest = hashes.get(algorithm, "")
        if _BLAKE2B.match(digest):
            return f"{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"
    return ""


def blake2b_of(path: str) -> str | None:
    """The blake2b-256 that a path of the shape of `packages_path` states, or None."""
    found = _HASH_SHAPED.match(path)
    return "".join(found.groups()) if found else None


def by_name(label: str, name: NormalizedName, filename: Filename) -> str:
    """Where a file of unknown blake2b-256 is served: below the label of the index that answers for it."""
    return f"by-name/{label}/{name}/{filename}"


def quote_path(path: str) -> str:
    """
    The path as it stands in a URL: everything but `/` and the unreserved characters of RFC 3986 §2.3 is percent-encoded.

    A `+` becomes `%2B`, as PyPI writes it, since some software reads a bare one as a space (R8, R143).
    """
    # Nearly all are as they stand, and to find that out is quicker.
    return path if _PLAIN.match(path) else quote(path, safe="/")


def from_page(path: str) -> str:
    """The URL of a file relative to a project's page: same scheme, host and port, whatever prefix we stand under (R12, R14)."""
    return "../../packages/" + quote_path(path)
