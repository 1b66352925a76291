"""
The list of all projects as an upstream sends it, read a piece at a time: there may be hundreds of thousands.

`docs/decisions/0004-ijson.md` tells why JSON is read by ijson here and by orjson elsewhere.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import unquote

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.simple.entries import LONGEST_TEXT, Unreadable
from pypidaemon.simple.entries import serial as read_serial
from pypidaemon.simple.large_json import DEEPEST, parsed
from pypidaemon.simple.markup import Kind, Scanner
from pypidaemon.simple.read_json import require_major
from pypidaemon.simple.reading import HTML_TYPES, JSON_TYPES, media_type

CHUNK = 64 * 1024
"""How many bytes are read at a time."""

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
        try:
            yield project_name(name), serial
        except InvalidName:
            continue


def _names_in_json(stream: BinaryIO) -> Iterator[tuple[str, int]]:
    reading = _JsonReading()
    for events in parsed(iter(partial(stream.read, CHUNK), b"")):
        yield from reading.take(events)
    if not reading.listed:
        raise Unreadable("the JSON has no list of projects")


@attrs.define
class _JsonReading:
    """What has been understood of a list in JSON so far: where we are, and the project under way."""

    listed: bool = False
    _keys: list[str] = attrs.field(factory=list)
    """The key under way in each object or array around us, "" in an array."""
    _name: object = None
    _serial: object = None

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
