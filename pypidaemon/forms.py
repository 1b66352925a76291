"""
Upload forms, read while they arrive: `multipart/form-data` (RFC 7578), as every uploader since distutils has written it.

Bytes go in, in pieces of any size, and events come out; no more than one field is in memory at once, and of the file only what was just
fed. What clients do is tolerated (R159, R160, R182, P1, P2): parts in any order and without a Content-Type, names in every kind of quoting,
text without a charset, and the bare line feeds of `setup.py register`. What would cost memory or leaves a doubt is refused (S23).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import attrs
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from pypidaemon.errors import InvalidUpload
from pypidaemon.formlines import Framing, disposition

CONTENT = "content"
"""The name of the part that is the file (R156)."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_LONG = frozenset({"description", "readme"})
# The heads of parts as uploaders write them, without names that could be written in another way or would have to be unquoted. No boundary stands in these:
# nearly every form has one of its own, and to compile them again takes ten times as long as to read the form.
_PLAIN_FIELD = re.compile(rb'Content-Disposition: form-data; name="([A-Za-z0-9_:.-]{1,80})"\r\n\r\n')
_PLAIN_FILE = re.compile(
    rb'Content-Disposition: form-data; name="content"; filename="([A-Za-z0-9_.+!-]{1,250})"\r\n(?:Content-Type: ([a-z]{1,20}/[a-z.+-]{1,60})\r\n)?\r\n'
)
_PLAIN_PARTS = 100
"""Fields that are read without the parser at most: so many are read in one go, and some more would take too long."""


@attrs.frozen
class FormLimits:
    """
    What a form may cost, the file itself excepted (S23).

    The largest release known, with all its extras spelled out, has some 1,500 requirements; descriptions of megabytes occur (R182), other
    fields are lines. A part's header has two or three short lines. Sizes are in bytes.
    """

    parts: int = 2000
    field: int = 2**20
    long_field: int = 8 * 2**20
    """For `description` and `readme`."""
    fields: int = 16 * 2**20
    """All fields, and all files but `content`, together."""
    header: int = 8 * 2**10


@attrs.frozen
class Field:
    """A field of the form, whole; fields of the same name come one after the other (R162)."""

    name: str
    value: str


@attrs.frozen
class FileBegins:
    """
    A part that is a file begins: `content`, or the old `gpg_signature` (R177).

    `filename` is as it was sent, only unquoted and unchecked, so it may be a path: the gate says what becomes of it (S1).
    `content_type` is "" where none was sent.
    """

    name: str
    filename: str
    content_type: str


@attrs.frozen
class FileBytes:
    """More bytes of the file that began last; never empty."""

    data: bytes


@attrs.frozen
class FileEnds:
    """That file is whole."""


Event = Field | FileBegins | FileBytes | FileEnds


@attrs.define(eq=False)
class FormReader:
    """
    Reads one form. After an InvalidUpload it must not be fed again.

    :param content_type: the request's Content-Type, which names the boundary.
    :param limits: what the form may cost.
    :raises InvalidUpload: it is not `multipart/form-data`, or has no boundary that RFC 2046 §5.1.1 allows.
    """

    content_type: str
    limits: FormLimits = FormLimits()
    _boundary: str = attrs.field(init=False)
    _framing: Framing = attrs.field(init=False)
    _parser: PushMultipartParser | None = attrs.field(init=False, default=None)
    """What reads all that is not plain, once there is such a thing."""
    _is_over: bool = attrs.field(init=False, default=False)
    """Whether the end was read without it."""
    _parts: int = attrs.field(init=False, default=0)
    """How many parts were read without it."""
    _name: str = attrs.field(init=False, default="")
    _is_file: bool = attrs.field(init=False, default=False)
    _value: list[bytes] = attrs.field(init=False, factory=list)
    _size: int = attrs.field(init=False, default=0)
    """Bytes of the part under way."""
    _total: int = attrs.field(init=False, default=0)
    """Bytes of all parts but `content`."""
    _seen_content: bool = attrs.field(init=False, default=False)
    _fresh: bool = attrs.field(init=False, default=True)
    """Whether nothing has been read yet."""
    _border: bytes = attrs.field(init=False)
    """What ends a part."""

    def __attrs_post_init__(self) -> None:
        self._boundary = _boundary(self.content_type)
        self._border = b"\r\n--" + self._boundary.encode("ascii")
        self._framing = Framing(self._boundary.encode("ascii"), self.limits.header)

    def feed(self, data: bytes) -> Iterator[Event]:
        """
        Take the next bytes and give what they complete; to be iterated to its end before the next call.

        :raises InvalidUpload: the form is malformed or exceeds a limit.
        """
        try:
            for piece in self._framing.feed(data):
                rest = piece
                if self._fresh:
                    self._fresh = False
                    rest = yield from self._plain_fields(piece)
                if not self._is_over:
                    for event in self._reading().parse(rest):
                        yield from self._on(event)
        except MultipartError as error:
            raise InvalidUpload(_told(error)) from error

    def end(self) -> Iterator[Event]:
        """
        Say that all bytes have come; gives what was still to be given.

        :raises InvalidUpload: the form is not finished.
        """
        try:
            if not self._is_over:
                self._reading().close()
        except MultipartError as error:
            raise InvalidUpload("the form ends too early: its closing boundary is missing") from error
        yield from ()

    def _plain_fields(self, data: bytes) -> Generator[Event, None, bytes]:
        """
        Read the fields that the form begins with, as far as they are whole and as plain as uploaders write them, and the file where it is the last part
        and whole; answer the rest, a form by itself.

        What this does not know by heart it leaves to the parser, which takes five times as long.
        """
        line = self._border[2:] + b"\r\n"
        if not data.startswith(line):
            return data
        place, parts, most = len(line), 0, min(_PLAIN_PARTS, self.limits.parts - 1)
        while parts < most and (head := _PLAIN_FIELD.match(data, place)) is not None and head[1] != CONTENT.encode():
            end = data.find(self._border, head.end())
            after = end + len(self._border)
            if end < 0 or data[after : after + 2] != b"\r\n":
                break
            self._name, self._is_file, self._size = head[1].decode("ascii"), False, 0
            self._count(end - head.end())
            yield Field(self._name, _text(data[head.end() : end]))
            place, parts = after + 2, parts + 1
        self._parts = parts
        self._is_over = yield from self._plain_file(data, place)
        return b"" if self._is_over else data[place - len(line) :]

    def _plain_file(self, data: bytes, place: int) -> Generator[Event, None, bool]:
        """Read the file where it stands there whole, and the form ends with it; answer whether that is so."""
        head = _PLAIN_FILE.match(data, place)
        end = data.find(self._border, head.end()) if head is not None else -1
        after = end + len(self._border)
        if head is None or end < 0 or data[after : after + 2] != b"--" or head.end() - place > self.limits.header:
            return False
        yield FileBegins(CONTENT, head[1].decode("ascii"), (head[2] or b"").decode("ascii"))
        if end > head.end():
            yield FileBytes(data[head.end() : end])
        yield FileEnds()
        return True

    def _reading(self) -> PushMultipartParser:
        """The parser, made when it is first needed."""
        if self._parser is None:
            # The sum of a part's header lines is checked below; two bytes more here, so that a line end still under way never decides.
            self._parser = PushMultipartParser(
                self._boundary,
                max_header_size=self.limits.header + 2,
                max_header_count=16,
                max_segment_count=self.limits.parts - self._parts,
            )
        return self._parser

    def _on(self, event: MultipartSegment | bytes | bytearray | None) -> Iterator[Event]:
        if isinstance(event, MultipartSegment):
            yield from self._begin(event)
        elif event is None:
            yield from self._finish()
        else:
            self._count(len(event))
            if self._is_file:
                yield FileBytes(bytes(event))
            else:
                self._value.append(bytes(event))

    def _begin(self, part: MultipartSegment) -> Iterator[Event]:
        if sum(len(name) + len(value) for name, value in part.headerlist) > self.limits.header:
            raise InvalidUpload(f"the header of a part of the form is longer than {self.limits.header} bytes")
        if not all(value.isprintable() for _, value in part.headerlist):
            raise InvalidUpload("the header of a part of the form holds a control character")
        name, filename = disposition(part["Content-Disposition"])
        if not name:
            raise InvalidUpload("a part of the form has no name")
        self._name, self._is_file, self._size = name, filename is not None, 0
        if name == CONTENT:
            if filename is None:
                raise InvalidUpload("the part of the form called content has no file name")
            if self._seen_content:
                raise InvalidUpload("the form has two parts called content")
            self._seen_content = True
        if filename is not None:
            yield FileBegins(name, filename, part.content_type or "")

    def _finish(self) -> Iterator[Event]:
        if self._is_file:
            yield FileEnds()
            return
        raw = b"".join(self._value)
        self._value.clear()
        yield Field(self._name, _text(raw))

    def _count(self, count: int) -> None:
        if self._is_file and self._name == CONTENT:
            return
        self._size += count
        self._total += count
        limit = self.limits.long_field if self._name in _LONG else self.limits.field
        if self._size > limit:
            raise InvalidUpload(f"the field {self._name[:80]!a} of the form is longer than {limit} bytes")
        if self._total > self.limits.fields:
            raise InvalidUpload(f"the fields of the form are longer than {self.limits.fields} bytes together")


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise InvalidUpload("an upload is a form of the type multipart/form-data")
    boundary = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidUpload("the form's boundary is missing, longer than 70 characters or holds characters that it must not")
    return str(boundary)


def _text(raw: bytes) -> str:
    """Field text: UTF-8 whatever the client says (R182), unless it cannot be, as in what Python 2 sent."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _told(error: MultipartError) -> str:
    words = " ".join(str(argument) for argument in error.args if isinstance(argument, str)).rstrip(".")
    return "the form cannot be read: " + (ascii(words)[1:-1].lower() or "it is malformed")
