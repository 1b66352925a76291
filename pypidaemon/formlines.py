"""
What of forms the `multipart` library leaves to us: their line ends, and the ways to write a file name.

The library wants CRLF (RFC 2046 §4.1.1). `setup.py register` of every distutils, and uploads of Python before 2.7.9, frame their parts by
bare line feeds instead (P1, P2), and put a line end before the first boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import attrs

from pypidaemon.errors import InvalidUpload

_PLAIN = re.compile(r'form-data; ?name="([^"\\%]*)"(?:; ?filename="([^"\\%]*)")?')
_OPTION = re.compile(r";[ \t]*([A-Za-z0-9_-]+\*?)[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"|[^;\"]*)")
_QUOTED = re.compile(r'\\(["\\])')
_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


@attrs.define(eq=False)
class Framing:
    """
    Lets a form begin with its boundary, and its framing have CRLF line ends; what lies within parts stays as it is.

    Which line end a form uses is told by its first line. A form with CRLF passes through without being copied.

    :param boundary: the boundary, without dashes before it.
    :param limit: bytes that may stand where a line end must come: one header line.
    """

    boundary: bytes
    limit: int
    _step: str = attrs.field(init=False, default="start")
    """`start`, `crlf` (nothing to do), or within bare line feeds: `mark` (after a boundary), `header`, `body`, `over`."""
    _kept: bytes = attrs.field(init=False, default=b"")

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        Take the next bytes of the form, and give those that the library is to see; none of them is empty.

        :raises InvalidUpload: the form does not begin with its boundary, or has no line end where one must be.
        """
        if self._step == "crlf":
            if data:
                yield data
            return
        self._kept += data
        while (piece := self._next()) is not None:
            if piece:
                yield piece

    def _next(self) -> bytes | None:
        """The next piece in this step, or None where more bytes must come first."""
        match self._step:
            case "start":
                return self._start()
            case "mark":
                return self._mark()
            case "header":
                return self._header()
            case "body":
                return self._body()
        piece, self._kept = self._kept, b""
        return piece if piece and self._step == "crlf" else None

    def _start(self) -> bytes | None:
        self._kept = self._kept.lstrip(b"\r\n")
        line = b"--" + self.boundary
        if len(self._kept) < len(line) + 2:
            if not line.startswith(self._kept[: len(line)]):
                raise InvalidUpload("the form does not begin with its boundary")
            return None
        if not self._kept.startswith(line):
            raise InvalidUpload("the form does not begin with its boundary")
        if self._kept[len(line) : len(line) + 1] != b"\n":
            self._step = "crlf"
            return b""
        self._kept = self._kept[len(line) :]
        self._step = "mark"
        return line

    def _mark(self) -> bytes | None:
        """After a boundary there is a line end, or two dashes and the form is over."""
        if self._kept[:1] == b"\n":
            self._kept = self._kept[1:]
            self._step = "header"
            return b"\r\n"
        if not b"--".startswith(self._kept[:2]):
            raise InvalidUpload("the form has something behind a boundary")
        if len(self._kept) < 2:
            return None
        self._step = "over"
        return b"--"

    def _header(self) -> bytes | None:
        end = self._kept.find(b"\n")
        if max(end, len(self._kept) if end < 0 else 0) > self.limit:
            raise InvalidUpload(f"the header of a part of the form is longer than {self.limit} bytes")
        if end < 0:
            return None
        line, self._kept = self._kept[:end], self._kept[end + 1 :]
        if not line:
            self._step = "body"
        return line + b"\r\n"

    def _body(self) -> bytes | None:
        mark = b"\n--" + self.boundary
        place = self._kept.find(mark)
        if place >= 0:
            piece, self._kept = self._kept[:place], self._kept[place + len(mark) :]
            self._step = "mark"
            return piece + b"\r\n--" + self.boundary
        # What may be the beginning of a boundary waits for the rest.
        keep = self._kept.rfind(b"\n", max(0, len(self._kept) - len(mark) + 1))
        if keep < 0 or not mark.startswith(self._kept[keep:]):
            keep = len(self._kept)
        piece, self._kept = self._kept[:keep], self._kept[keep:]
        return piece or None


def disposition(value: str) -> tuple[str, str | None]:
    """
    Name and file name in a part's Content-Disposition, the file name None where the part is no file (R160).

    Understood are plain and quoted values, quotes escaped by backslash (RFC 2616) or percent signs (HTML), and RFC 5987's
    `filename*`, which rules where both stand (RFC 6266 §4.3).
    """
    plain = _PLAIN.fullmatch(value)
    if plain is not None:
        return plain[1], plain[2]
    options = {key.lower(): raw.strip() for key, raw in reversed(_OPTION.findall(value))}
    name = _extended(options["name*"]) if "name*" in options else _unquoted(options.get("name", ""))
    if "filename*" in options:
        return name, _extended(options["filename*"])
    return name, _unquoted(options["filename"]) if "filename" in options else None


def _unquoted(raw: str) -> str:
    if raw[:1] != '"':
        return raw
    text = raw[1:-1]
    if "\\" in text:
        return _QUOTED.sub(r"\1", text)
    for escape, sign in _ESCAPES:
        text = text.replace(escape, sign)
    return text


def _extended(raw: str) -> str:
    """RFC 5987 §3.2: charset, language, and percent-encoded bytes."""
    charset, _, rest = raw.strip('"').partition("'")
    try:
        return unquote_to_bytes(rest.partition("'")[2]).decode("latin-1" if charset.lower() == "iso-8859-1" else "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidUpload("the file name in the form is not in the charset it names") from error
