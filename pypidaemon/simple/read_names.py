"""
The list of all projects as an upstream sends it, read a piece at a time: there may be hundreds of thousands.

`docs/decisions/0004-ijson.md` tells why JSON is read by ijson here and by orjson elsewhere.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

import attrs
import orjson

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import LONGEST_PROJECT, project_name
from pypidaemon.model import NormalizedName
from pypidaemon.simple.entries import BIGGEST, LONGEST_TEXT, Unreadable
from pypidaemon.simple.entries import serial as read_serial
from pypidaemon.simple.large_json import DEEPEST, parsed
from pypidaemon.simple.markup import Kind, Scanner
from pypidaemon.simple.read_json import require_major
from pypidaemon.simple.reading import HTML_TYPES, JSON_TYPES, media_type

CHUNK = 64 * 1024
"""How many bytes are read at a time."""

_AT_ONCE = 128 * 1024
"""How many bytes of projects are read at a time where they can be read many at once: no other thread waits for more than some milliseconds."""
_LIST = re.compile(rb'"projects"\s*:\s*\[')
_BETWEEN = re.compile(rb"\},\s{0,9}\{")
_FAR = 4096
"""How far from the end of what was read the last project is looked for; a longer one is left to the other parser."""
_NORMAL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z", re.ASCII)

_BEGINNINGS = frozenset({"start_map", "start_array"})
_ENDS = frozenset({"end_map", "end_array"})


def read_names(stream: BinaryIO, content_type: str, base: str) -> Iterator[tuple[NormalizedName, int]]:
    """
    The projects of an upstream's list, in its order, each with its serial, 0 where none is stated.

    Names that are none are left out, duplicates are not. What has been given before `Unreadable` is raised is worth nothing.

    :param stream: the body, without content coding.
    :param content_type: the header as it came.
    :param base: the absolute URL that answered.
    :raises Unreadable: that is no project list, is cut short, or is of a major version other than 1.
    """
    kind = media_type(content_type)
    if kind in JSON_TYPES:
        raw = _names_in_json(stream)
    elif kind in HTML_TYPES:
        raw = _names_in_html(stream)
    else:
        raise Unreadable("the content type is not that of a project list")
    for name, serial in raw:
        if len(name) <= LONGEST_PROJECT and _NORMAL.match(name):
            # Nearly all are, and to find that out is quicker than to make them so.
            yield NormalizedName(name), serial
            continue
        try:
            yield project_name(name), serial
        except InvalidName:
            continue


def _names_in_json(stream: BinaryIO) -> Iterator[tuple[str, int]]:
    reading = _JsonReading()
    source = _Source(stream)
    for events in parsed(source):
        yield from reading.take(events)
        if reading.between_projects and source.at_a_project:
            yield from source.projects()
    if not reading.listed:
        raise Unreadable("the JSON has no list of projects")


@attrs.define
class _Source:
    """
    A list in JSON, iterated in pieces for the parser that understands whatever there may be in one.

    That one takes a minute's quarter for half a million projects. So where its place is the beginning of the list of projects, whole projects are read past
    it, many at a time, by the parser that takes them at once: what is a JSON array when brackets are put around it, and ends with the end of an object, is
    what that one would have read as well, and it goes on behind it as if it had just begun the list. It reads what is no such thing, too.
    """

    stream: BinaryIO
    at_a_project: bool = False
    """Whether the last piece ended where the list of projects seems to begin."""
    _held: bytes = b""
    _begun: bool = False

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._held or self.stream.read(CHUNK):
            self._held = b""
            found = None if self._begun else _LIST.search(piece)
            self.at_a_project = found is not None
            if found is not None:
                self._begun = True
                piece, self._held = piece[: found.end()], piece[found.end() :]
            yield piece

    def projects(self) -> Iterator[tuple[str, int]]:
        """The projects from here on, as far as they can be read like this."""
        more = True
        while more:
            piece = self.stream.read(_AT_ONCE)
            more = bool(piece)
            self._held += piece
            # Up to a comma behind which another object begins, so that what is left is again as at the beginning of the list.
            end, at = 0, max(len(self._held) - _FAR, 0)
            # Not by `finditer`: each call of it leaves a text in CPython's cache of attributes, among the names that come and go here, and one text keeps a
            # megabyte of them in use.
            while (cut := _BETWEEN.search(self._held, at)) is not None:
                end, at = cut.start() + 1, cut.end()
            if not end:
                return
            try:
                found = orjson.loads(b"[" + self._held[:end] + b"]")
            except ValueError:
                return
            self._held = self._held[end + 1 :]
            for entry in found:
                if isinstance(entry, dict) and isinstance(name := entry.get("name"), str):
                    serial = entry.get("_last-serial")
                    yield name, serial if type(serial) is int and 0 <= serial <= BIGGEST else read_serial(serial) or 0


@attrs.define
class _JsonReading:
    """What has been understood of a list in JSON so far: where we are, and the project under way."""

    listed: bool = False
    _keys: list[str] = attrs.field(factory=list)
    """The key under way in each object or array around us, "" in an array."""
    _name: object = None
    _serial: object = None

    @property
    def between_projects(self) -> bool:
        """Whether what comes next is a project, or the end of their list."""
        return self._keys == ["projects", ""]

    def take(self, events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, int]]:
        """
        The projects that are complete after these events of the parser.

        :raises Unreadable: the nesting is too deep, or the major version is not 1.
        """
        keys = self._keys
        for event, value in events:
            if event == "map_key":
                keys[-1] = value
            elif event in _BEGINNINGS:
                self.listed = self.listed or (event == "start_array" and keys == ["projects"])
                keys.append("")
                if len(keys) > DEEPEST:
                    raise Unreadable("the JSON is nested too deep")
            elif event in _ENDS:
                keys.pop()
                if len(keys) == 2 and keys[0] == "projects":
                    if isinstance(self._name, str):
                        yield self._name, read_serial(self._serial) or 0
                    self._name = self._serial = None
            else:
                self._scalar(value)

    def _scalar(self, value: object) -> None:
        keys = self._keys
        if len(keys) == 3 and keys[0] == "projects":
            if keys[2] == "name":
                self._name = value
            elif keys[2] == "_last-serial":
                self._serial = value
        elif keys == ["meta", "api-version"]:
            require_major(value)


def _names_in_html(stream: BinaryIO) -> Iterator[tuple[str, int]]:
    scanner, decoder = Scanner(), codecs.getincrementaldecoder("utf-8-sig")("replace")
    version: str | None = None
    href: str | None = None
    tags, anchors, interactive = 0, 0, False
    text: list[str] = []
    room = 0
    more = True
    while more:
        chunk = stream.read(CHUNK)
        more = bool(chunk)
        for token in scanner.feed(decoder.decode(chunk, not more), not more):
            if token.kind is Kind.TEXT and href is not None:
                # Longer than this it is no name, whatever follows.
                if room > 0:
                    text.append(token.text[:room])
                    room -= len(token.text)
            elif token.kind is Kind.END and token.text == "a" and href is not None:
                anchors += 1
                yield _named("".join(text).strip(), href), 0
                href = None
            elif token.kind is Kind.START:
                tags += 1
                interactive = interactive or token.text in {"form", "script"}
                if token.text == "a":
                    href = token.attributes.get("href")
                    text.clear()
                    room = LONGEST_TEXT
                elif token.text == "meta" and token.attributes.get("name", "").strip().lower() == "pypi:repository-version":
                    version = token.attributes.get("content", "")
    require_major(version)
    # A login page of a captive portal has links too; what it lacks is the version (F7).
    if version is None and (interactive or not tags):
        raise Unreadable("the HTML is not a project list")


def _named(text: str, href: str) -> str:
    """The project that an anchor means: by its text (PEP 503), or by its URL where the text is no name."""
    try:
        project_name(text)
    except InvalidName:
        return unquote(href.strip().partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2])
    return text
