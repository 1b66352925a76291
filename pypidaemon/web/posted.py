"""What a form of a page sends, read whole: `application/x-www-form-urlencoded`, and `multipart/form-data` where a file may be among it (S23)."""

from __future__ import annotations

from urllib.parse import parse_qsl

import attrs

from pypidaemon.errors import InvalidUpload
from pypidaemon.forms import CONTENT, Field, FileBegins, FileBytes, FormLimits, FormReader

PLAIN = "application/x-www-form-urlencoded"
WITH_FILE = "multipart/form-data"
MOST_FIELDS = 200
"""Fields of a form; ours have a tenth of it."""


@attrs.frozen
class Posted:
    """
    A form, read.

    :param pairs: names and values in their order, line ends as Unix has them.
    :param filename: of the file in the part `content`; "" where there is none.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    filename: str = ""
    content: bytes = b""

    def one(self, name: str) -> str:
        """The last value of that name, without blanks around it; "" where there is none."""
        return next((value.strip() for key, value in reversed(self.pairs) if key == name), "")

    def every(self, name: str) -> tuple[str, ...]:
        """All values of that name that say something."""
        return tuple(value.strip() for key, value in self.pairs if key == name and value.strip())


def kind_of(content_type: str | None) -> str:
    """The media type without its parameters, in lower case."""
    return (content_type or "").partition(";")[0].strip().lower()


def read(content_type: str, body: bytes) -> Posted:
    """
    Read a form; of megabytes it takes its time, and is read on a thread.

    :raises InvalidUpload: it cannot be read.
    """
    return _plain(body) if kind_of(content_type) == PLAIN else _parts(content_type, body)


def _plain(body: bytes) -> Posted:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        # Not UTF-8, or too many; its own words would quote what may be a secret.
        raise InvalidUpload("the form cannot be read") from None
    return Posted(tuple((name, _lines(value)) for name, value in pairs))


def _parts(content_type: str, body: bytes) -> Posted:
    reader = FormReader(content_type, FormLimits(parts=MOST_FIELDS, field=len(body), long_field=len(body), fields=len(body) + 1))
    pairs: list[tuple[str, str]] = []
    filename, pieces, inside = "", [], False
    for event in (*reader.feed(body), *reader.end()):
        match event:
            case Field(name, value):
                pairs.append((name, _lines(value)))
            case FileBegins(name, called):
                inside = name == CONTENT
                filename = called if inside else filename
            case FileBytes(data) if inside:
                pieces.append(data)
    return Posted(tuple(pairs), filename, b"".join(pieces))


def _lines(value: str) -> str:
    return value.replace("\r\n", "\n")
