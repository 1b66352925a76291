"""
METADATA as nearly all tools write it, read without the reader of mail that it takes for all else: half of what the inspection of a small wheel costs is that.

Whatever might be read in two ways is left to that reader, and so is every field that it does not know: what it says of these few is the same
(`tests/archives/test_plain.py`).
"""

from __future__ import annotations

import re

from packaging.metadata import RawMetadata

ONCE = {"metadata-version": "metadata_version", "name": "name", "version": "version", "requires-python": "requires_python"}
"""Fields that stand there once at most, and what `packaging` calls them."""

MANY = "requires-dist"

_OTHERS = frozenset(
    {
        "author",
        "author-email",
        "classifier",
        "description",
        "description-content-type",
        "download-url",
        "dynamic",
        "home-page",
        "keywords",
        "license",
        "license-expression",
        "license-file",
        "maintainer",
        "maintainer-email",
        "obsoletes",
        "obsoletes-dist",
        "platform",
        "project-url",
        "provides",
        "provides-dist",
        "provides-extra",
        "requires",
        "requires-external",
        "summary",
        "supported-platform",
    }
)
_LINE = re.compile(r"([A-Za-z-]{4,30}):[\t ]*([\t\x20-\x7e]*)")


def plainly(raw: bytes) -> RawMetadata | None:
    """
    What `packaging.metadata.parse_email` says of `ONCE` and `MANY`, and nothing of all other fields; None where it has to be asked.

    It has to where a line is not in ASCII, goes on in the next one, ends in anything but a line feed, or has a field that is not one of core metadata's; and
    where one of `ONCE` stands there twice.
    """
    head = raw.partition(b"\n\n")[0].removesuffix(b"\n")
    if not head.isascii():
        return None
    found: RawMetadata = {}
    needed: list[str] = []
    for line in head.decode("ascii").split("\n"):
        field = _LINE.fullmatch(line)
        if field is None:
            return None
        name = field[1].lower()
        if name in _OTHERS:
            continue
        if name == MANY:
            needed.append(field[2])
        elif name in ONCE and ONCE[name] not in found:
            found[ONCE[name]] = field[2]  # type: ignore[literal-required]  # one of those that hold text
        else:
            return None
    if needed:
        found["requires_dist"] = needed
    return found
