"""
Just enough of HTML to read index pages: a scanner for start tags, end tags, text and comments, in linear time.

It follows the tokenizer of the HTML standard (§13.2.5) where index pages need it and never goes back over what it has read, which
is what makes it safe on hostile pages (S54); `docs/decisions/0003-own-page-readers.md` tells why the standard library's parser is not.
"""

from __future__ import annotations

import enum
import html
import re
from collections.abc import Iterator

import attrs

from pypidaemon.simple.entries import Unreadable

LONGEST = 256 * 1024
"""How many characters a tag, a comment or a stretch of text may have where a page is read piece by piece."""

_TAG_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_GAP = re.compile(r"[\s/]*")
_SPACE = re.compile(r"\s*")
_ATTRIBUTE_NAME = re.compile(r"=?[^\s/>=]*")
_BARE_VALUE = re.compile(r"[^\s>]*")
_LONG_REFERENCE = re.compile(r"&#[0-9]{9,};?")
_RAW_END = {tag: re.compile(f"</{tag}(?=[\\s/>])", re.IGNORECASE) for tag in ("script", "style", "textarea", "title")}


class Kind(enum.Enum):
    """What a token is."""

    START = "start"
    END = "end"
    TEXT = "text"
    COMMENT = "comment"


@attrs.frozen
class Token:
    """A piece of a page: `text` is the tag's name in lower case, the text with its references resolved, or the comment's content."""

    kind: Kind
    text: str
    attributes: dict[str, str] = attrs.field(factory=dict)
    """Of a start tag: names in lower case, values with references resolved, "" for a bare name, the first of duplicates."""


def unescape(text: str) -> str:
    """Resolve character references. Absurdly long numbers are U+FFFD, as §13.2.5.80 has it; the standard library raises on them."""
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


@attrs.define
class Scanner:
    """Turns a page, whole or in pieces, into tokens."""

    _rest: str = attrs.field(default="", init=False)
    _raw: str = attrs.field(default="", init=False)

    def feed(self, text: str, final: bool) -> Iterator[Token]:
        """
        The tokens that are complete after this piece; the iterator must be read to its end before the next piece is fed.

        :param final: nothing follows. What is incomplete then is dropped, as the standard has it.
        :raises Unreadable: an incomplete token is longer than `LONGEST` and more is to follow.
        """
        page = self._rest + text
        position = 0
        while position < len(page):
            found = self._token(page, position, final)
            if found is None:
                break
            token, position = found
            if token is not None:
                yield token
        self._rest = page[position:]
        if len(self._rest) > LONGEST and not final:
            raise Unreadable("the HTML has a tag that does not end")

    def _token(self, page: str, position: int, final: bool) -> tuple[Token | None, int] | None:
        """One token, or None for something to skip, and where the next one begins; None where the page ends within it."""
        if self._raw:
            return self._raw_text(page, position)
        if page[position] != "<":
            end = page.find("<", position)
            if end < 0 and not final:
                return None
            end = len(page) if end < 0 else end
            return Token(Kind.TEXT, unescape(page[position:end])), end
        if page.startswith("<!--", position):
            # From the second dash on, since `<!-->` is a whole comment.
            end = page.find("-->", position + 2)
            return None if end < 0 else (Token(Kind.COMMENT, page[position + 4 : end]), end + 3)
        following = page[position + 1 : position + 2]
        if following in {"!", "?", "/"}:
            end = page.find(">", position)
            if end < 0:
                return None
            named = _TAG_NAME.match(page, position + 2, end) if following == "/" else None
            return (Token(Kind.END, named.group().lower()) if named else None), end + 1
        named = _TAG_NAME.match(page, position + 1)
        if named is None:
            return (Token(Kind.TEXT, "<"), position + 1) if following or final else None
        return self._start(page, named)

    def _raw_text(self, page: str, position: int) -> tuple[Token | None, int] | None:
        end = _RAW_END[self._raw].search(page, position)
        titled = self._raw == "title"
        if end is not None:
            self._raw = ""
            shown = titled and end.start() > position
            return (Token(Kind.TEXT, unescape(page[position : end.start()])) if shown else None), end.start()
        if titled:
            return None
        # Only as much is kept as could be the beginning of the end tag.
        kept = max(position, len(page) - len("</textarea>"))
        return (None, kept) if kept > position else None

    def _start(self, page: str, named: re.Match[str]) -> tuple[Token | None, int] | None:
        attributes: dict[str, str] = {}
        position = named.end()
        while True:
            position = _end(_GAP, page, position)
            if position >= len(page):
                return None
            if page[position] == ">":
                break
            name_end = _end(_ATTRIBUTE_NAME, page, position)
            name = page[position:name_end].lower()
            position = _end(_SPACE, page, name_end)
            value = ""
            if page.startswith("=", position):
                start = _end(_SPACE, page, position + 1)
                quote = page[start : start + 1]
                if quote in {'"', "'"}:
                    start += 1
                    end = page.find(quote, start)
                    position = end + 1
                else:
                    end = position = _end(_BARE_VALUE, page, start)
                if end < 0:
                    return None
                value = unescape(page[start:end])
            attributes.setdefault(name, value)
        tag = named.group().lower()
        if tag in _RAW_END:
            self._raw = tag
        return Token(Kind.START, tag, attributes), position + 1


def _end(pattern: re.Pattern[str], page: str, position: int) -> int:
    found = pattern.match(page, position)
    return found.end() if found else position
