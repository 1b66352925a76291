"""A METADATA document that anyone may have written, read leniently and in a time that grows with its length alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import MessageError
from typing import Any

LONGEST_HEADERS = 1024 * 1024
"""How many bytes of the header fields that have a meaning are read; what follows is left out (S84)."""

LONGEST_DESCRIPTION = 1024 * 1024
"""How many bytes of the description are kept."""

_FIELDS = frozenset(
    b"author author-email classifier description description-content-type download-url dynamic home-page import-name import-namespace"
    b" keywords license license-expression license-file maintainer maintainer-email metadata-version name obsoletes obsoletes-dist platform"
    b" project-url provides provides-dist provides-extra requires requires-dist requires-external requires-python summary"
    b" supported-platform version".split()
)
_FIELD = re.compile(rb"([!-9;-~]{1,64})[ \t]*:")
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def read_metadata(document: bytes) -> dict[str, Any]:
    """
    The fields of the core metadata as `packaging` reads them, without what it cannot read; empty where it can read nothing.

    The description that follows the header fields counts before one among them, and is cut to `LONGEST_DESCRIPTION`; what is not
    UTF-8 in it becomes U+FFFD. Never raises.
    """
    fields, rest = _split(document)
    known = {key: _clean(value) for key, value in _parsed(fields).items()}
    if rest < len(document):
        # A character that the cut went through is left out.
        complete = rest + LONGEST_DESCRIPTION >= len(document)
        text = document[rest : rest + LONGEST_DESCRIPTION].decode("utf-8", "replace")
        known["description"] = _clean(text if complete else text.rstrip("\ufffd"))
    elif "description" in known:
        known["description"] = known["description"][:LONGEST_DESCRIPTION]
    return known


def _split(document: bytes) -> tuple[bytes, int]:
    """
    The header fields that have a meaning, and where the description begins: after the first empty line, or at the first line that is no
    field, as in mail (RFC 5322 §2.2).

    `packaging` looks every field up in all others, and reads nested parts where a field says that there are some; it is shown
    neither, for both take time with the square of the length.
    """
    kept: list[bytes] = []
    room = LONGEST_HEADERS
    wanted = False
    for start, line in _lines(document):
        if not line.strip(b"\r\n"):
            return b"".join(kept), start + len(line)
        if line[:1] not in {b" ", b"\t"}:
            field = _FIELD.match(line)
            if field is None:
                return b"".join(kept), start
            wanted = field[1].lower() in _FIELDS
        if wanted and room > 0:
            # The last field may be cut short, and says less then.
            kept.append(line if len(line) <= room else line[:room])
            room -= len(line)
    return b"".join(kept), len(document)


def _lines(document: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(document):
        end = document.find(b"\n", start) + 1 or len(document)
        yield start, document[start:end]
        start = end


def _parsed(fields: bytes) -> dict[str, Any]:
    # Its grammars of licences and requirements are a large import, and few clients ever ask for this.
    from packaging.metadata import parse_email

    try:
        raw, _ = parse_email(fields)
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError, MessageError):
        # In all these ways the email package below answers bytes that nobody thought of.
        return {}
    return {**raw}


def _clean(value: Any) -> Any:
    # Surrogates stand for bytes that were no UTF-8, and JSON cannot carry them.
    if isinstance(value, str):
        return _UNFIT.sub("", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return {_clean(key): _clean(item) for key, item in value.items()}
