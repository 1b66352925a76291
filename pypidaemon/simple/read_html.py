"""
A project page in HTML, as an upstream sends it (PEP 503, 592, 629, 658, 792), read and checked.

Old mirrors, directory listings and devpi write pages that bend the rules; one bad anchor costs that anchor, never the page.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import belongs, filename
from pypidaemon.model import NormalizedName, ProjectStatus, UpstreamPage
from pypidaemon.simple.entries import LONGEST_TEXT, LONGEST_URL, Entries, Unreadable, remark, serial, status_marker
from pypidaemon.simple.markup import Kind, Scanner, Token
from pypidaemon.simple.read_json import require_major

CHUNK = 64 * 1024
"""How many bytes are read at a time."""

MOST_TAGS = 1_000_000
"""How many start tags a page may have: some 20 for each of the most entries that it may have (S84)."""

_CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "iso8859-15"})
_ARCHIVE = re.compile(r".\.(?:whlx?|egg|zip|tgz|tbz2?|txz|exe|msi|rpm|deb|dmg|tar(?:\.(?:gz|bz2|xz|z|lzma|lz|zst))?)\Z", re.IGNORECASE)
_COMPANION = re.compile(r"\.(?:asc|sig|metadata|provenance|md5|sha256|sha512)\Z", re.IGNORECASE)
_SERIAL = re.compile(r"\s*SERIAL (\d{1,16})\s*\Z", re.ASCII)
_ELSEWHERE = frozenset({"homepage", "download"})
_INDEX = re.compile(r"\b(?:links for|simple index|index of|directory listing)\b", re.IGNORECASE)
_TRUTH = {"true": True, "false": False}


def read_html(body: bytes, charset: str | None, base: str, name: NormalizedName) -> UpstreamPage:
    """
    The page in the body, its files in upstream's order and without `path`.

    Anchors that lead to no file (`../`, a homepage, a signature) are skipped; files that are not clean are counted in `refused`.
    Takes time in proportion to the body (S54), and never holds up other threads for more than 50 ms at a time.

    :param charset: what Content-Type says; UTF-8 where it says nothing or something outlandish.
    :param base: the absolute URL that answered, after redirects.
    :raises Unreadable: the page states a major version other than 1 (R61), has more entries or tags than a page may have (S84), or is
        a page for people, as captive portals have (F7): without entries, without a version, and without the title of an index.
    """
    entries = Entries(base, name)
    reading = _Reading(base, base, entries)
    scanner = Scanner()
    for text, last in decoded(body, charset):
        for token in scanner.feed(text, last):
            reading.take(token)
    reading.close_anchor()
    has_entries = entries.files or entries.refused
    if reading.version is None and not has_entries and (reading.interactive or not reading.listing):
        raise Unreadable("the HTML is not an index page")
    require_major(reading.version)
    return UpstreamPage(
        name=name,
        files=tuple(entries.files),
        status=ProjectStatus(reading.marker or "active", reading.reason if reading.marker else None),
        serial=reading.serial,
        refused=entries.refused,
    )


def decoded(body: bytes, charset: str | None) -> Iterator[tuple[str, bool]]:
    """
    The text of an HTML page in pieces, each with whether it is the last; what is not of its charset becomes U+FFFD, and only charsets
    that index pages have are believed.
    """
    try:
        codec = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        codec = "utf-8"
    if codec not in _CHARSETS or body.startswith(codecs.BOM_UTF8):
        codec = "utf-8"
    decoder = codecs.getincrementaldecoder(codec)("replace")
    start = len(codecs.BOM_UTF8) * body.startswith(codecs.BOM_UTF8)
    for position in range(start, max(len(body), start + 1), CHUNK):
        last = position + CHUNK >= len(body)
        yield decoder.decode(body[position : position + CHUNK], last), last


@attrs.define
class _Reading:
    """What has been understood of a page so far."""

    page_url: str
    base: str
    entries: Entries
    version: str | None = None
    marker: str | None = None
    reason: str | None = None
    serial: int | None = None
    interactive: bool = False
    listing: bool = False
    """Whether the title or a mark of old indexes says that this is an index's page."""
    tags: int = 0
    _based: bool = False
    _anchor: dict[str, str] | None = None
    _text: list[str] = attrs.field(factory=list)
    _room: int = 0
    _titled: bool = False

    def take(self, token: Token) -> None:
        """
        Understand one more token.

        :raises Unreadable: as `read_html`.
        """
        if token.kind is Kind.START:
            self.tags += 1
            if self.tags > MOST_TAGS:
                raise Unreadable("the HTML has too many tags")
            self._start(token.text, token.attributes)
        elif token.kind is Kind.END:
            self._titled = False
            if token.text == "a":
                self.close_anchor()
        elif token.kind is Kind.TEXT:
            if self._titled:
                self.listing = self.listing or _INDEX.search(token.text) is not None
            elif self._anchor is not None and self._room > 0:
                # Longer than this it is no file name, whatever follows.
                self._text.append(token.text[: self._room])
                self._room -= len(token.text)
        else:
            found = _SERIAL.match(token.text)
            if found:
                self.serial = serial(found[1])

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._titled = tag == "title"
        if tag == "a":
            self.close_anchor()
            self._anchor, self._room = attributes, LONGEST_TEXT
        elif tag == "meta":
            self._meta(attributes.get("name", "").strip().lower(), attributes.get("content", ""))
        elif tag == "base" and "href" in attributes and not self._based:
            self._based = True
            # Every link is joined to it, so a long one would cost the square of its length.
            if len(attributes["href"]) <= LONGEST_URL:
                with suppress(ValueError):
                    self.base = urljoin(self.page_url, attributes["href"].strip())
        elif tag in {"form", "script"}:
            self.interactive = True

    def _meta(self, name: str, content: str) -> None:
        if name == "pypi:repository-version":
            self.version = content
        elif name == "pypi:project-status":
            self.marker = status_marker(content.strip())
        elif name == "pypi:project-status-reason":
            self.reason = remark(content)
        elif name == "api-version":
            # What indexes wrote before PEP 629.
            self.listing = True

    def close_anchor(self) -> None:
        """Make an entry of the anchor that has ended, if one was open and leads to a file."""
        anchor, text = self._anchor, "".join(self._text).strip()
        self._anchor = None
        self._text.clear()
        if anchor is None or "href" not in anchor or _ELSEWHERE & set(anchor.get("rel", "").lower().split()):
            return
        url, parts = "", urlsplit("")
        if len(anchor["href"]) <= LONGEST_URL:
            with suppress(ValueError):
                url = urljoin(self.base, anchor["href"].strip())
                parts = urlsplit(url)
        named = self._file_named(unquote(parts.path.rpartition("/")[2]), text)
        if named is None:
            return
        self.entries.take(_spelled_as_json(anchor, url, named, parts.fragment))

    def _file_named(self, segment: str, text: str) -> str | None:
        """The name of the file that an anchor means: the URL's, the text's where the URL names none, None where neither does."""
        for named in (segment, text):
            if _ARCHIVE.search(named):
                return named
        try:
            known = not _COMPANION.search(segment) and belongs(filename(segment), self.entries.name)
        except InvalidName:
            known = False
        return segment if known else None


def _spelled_as_json(anchor: dict[str, str], url: str, named: str, fragment: str) -> dict[str, Any]:
    pairs = (pair.partition("=") for pair in fragment.split("&"))
    size = anchor.get("data-size", "")
    raw: dict[str, Any] = {
        "filename": named,
        "url": url,
        "hashes": {algorithm: digest for algorithm, _, digest in pairs},
        "size": serial(size),
        "upload-time": anchor.get("data-upload-time"),
        "requires-python": anchor.get("data-requires-python"),
        # Bare and empty both say that it is yanked (PEP 592), unlike JSON's "".
        "yanked": (anchor["data-yanked"] or True) if "data-yanked" in anchor else None,
        "provenance": anchor.get("data-provenance"),
        "gpg-sig": _TRUTH.get(anchor.get("data-gpg-sig", "").lower()),
    }
    for key in ("core-metadata", "dist-info-metadata"):
        said = anchor.get("data-" + key, "").strip()
        algorithm, stated, digest = said.partition("=")
        raw[key] = {algorithm: digest} if stated else _TRUTH.get(said.lower())
    return raw
