"""Which platforms files are for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import attrs
from zope.interface import implementer

from pypidaemon.filenames import platform, wheel_tags
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.patterns import Texts, word_globs
from pypidaemon.settings import given, setting

ANY = "any"
SYSTEMS = {
    "windows": ("win32", "win_*", "cygwin*", "mingw*"),
    "linux": ("linux*", "manylinux*", "musllinux*"),
    "macos": ("macosx*", "darwin*"),
    "freebsd": ("freebsd*",),
}
"""The words for whole systems, and the tags that each stands for."""

_REMEMBERED = 1 << 12
"""How many different platforms, or lists of them in one file name, are remembered as judged."""


@implementer(IPolicy)
@attrs.frozen
class Platforms:
    """
    Shows only files for certain platforms: wheels by their tags, eggs and installers by their names.

    A file is shown if one of its platforms is allowed and not denied. What is for no platform, such as a source distribution, is always
    shown; what is for `any` is shown unless `any` itself is denied.
    """

    label: str = given("label")
    allow: tuple[str, ...] = setting(
        word_globs, default=(), help="Patterns of the platform tags to show, or windows, linux, macos, freebsd; without any, all are shown."
    )
    deny: tuple[str, ...] = setting(word_globs, default=(), help="Patterns of the platform tags to hide, or one of the same words.")
    _judged: Callable[[tuple[str, ...]], str | None] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        judge = partial(_refusal, Texts(_spelled_out(self.allow)), Texts(_spelled_out(self.deny)))
        object.__setattr__(self, "_judged", lru_cache(maxsize=_REMEMBERED)(judge))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        tags = platforms(file.filename)
        return self._judged(tags) if tags else None


def platforms(filename: Filename) -> tuple[str, ...]:
    """The tags of the platforms that a file is for; none where it is for no platform."""
    tags = wheel_tags(filename)
    if tags is not None:
        return tags[2]
    named = platform(filename)
    return (named,) if named else ()


def _refusal(allow: Texts, deny: Texts, tags: tuple[str, ...]) -> str | None:
    left = [tag for tag in tags if deny.first(tag) is None]
    if not left:
        return f"its platform, {' or '.join(tags)}, is denied"
    if allow and not any(tag == ANY or allow.first(tag) is not None for tag in left):
        return f"its platform, {' or '.join(left)}, is not among the allowed ones"
    return None


def _spelled_out(patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag for pattern in patterns for tag in SYSTEMS.get(pattern.lower(), (pattern,)))
