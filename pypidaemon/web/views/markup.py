"""HTML as a kind of text of its own: whatever is no `Markup` is escaped wherever it is put in (S79)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias
from urllib.parse import urlsplit

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_ADDRESSES = frozenset({"href", "src", "action"})
_SCHEMES = frozenset({"", "http", "https", "mailto"})
_UNFIT = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(0x80, 0xA0), *range(0xD800, 0xE000)), "\ufffd")
# What turns the direction of text around makes a name look like another one.
_TURNING = dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))


class Markup(str):
    """Text that is HTML already, and stands as it is. Only this module makes it, and who takes over what was cleaned."""

    __slots__ = ()


Content: TypeAlias = "str | int | Iterable[Content] | None"
"""What may stand in an element: text, numbers, `Markup`, any of these one after the other; None is nothing."""


def escaped(text: str) -> str:
    """Text as it stands in HTML, between tags and in attributes, without characters that are not for display."""
    return escape(text.translate(_UNFIT).translate(_TURNING))


def joined(*content: Content) -> Markup:
    """All of this one after the other."""
    pieces: list[str] = []
    _collect(content, pieces)
    return Markup("".join(pieces))


def tag(name: str, /, *content: Content, **attributes: str | int | bool | None) -> Markup:
    """
    An element: `tag("a", "home", href="./")`.

    In the name of an attribute a `_` at the end counts for nothing, and any other is a `-`. One that is None or False is left out, and of one that is
    True only the name stands. An address that leads to a scheme other than http, https and mailto is left out as well, whoever wrote it.
    """
    pieces = [f"<{name}"]
    for key, value in attributes.items():
        spelled = key.rstrip("_").replace("_", "-")
        if value is None or value is False or (spelled in _ADDRESSES and not is_address(str(value))):
            continue
        pieces.append(f" {spelled}" if value is True else f' {spelled}="{escaped(str(value))}"')
    pieces.append(">")
    if name not in _VOID:
        _collect(content, pieces)
        pieces.append(f"</{name}>")
    return Markup("".join(pieces))


def is_address(text: str) -> bool:
    """Whether a link may lead there: below this site, or to http, https or mailto. Browsers skip blanks and control characters in a scheme, so none may be there."""
    if not text.isprintable() or text != text.strip() or "\\" in text:
        return False
    try:
        return urlsplit(text).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _collect(content: Content, pieces: list[str]) -> None:
    if isinstance(content, Markup):
        pieces.append(content)
    elif isinstance(content, str):
        pieces.append(escaped(content))
    elif isinstance(content, int):
        pieces.append(str(content))
    elif content is not None:
        for one in content:
            _collect(one, pieces)
