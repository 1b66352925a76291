"""What files are classified as."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import ICostlyPolicy, IInformedPolicy
from pypidaemon.model import File, Knowledge, NormalizedName
from pypidaemon.patterns import Texts, text_globs
from pypidaemon.settings import Lines, given, setting, show_or_hide

METADATA = frozenset({Knowledge.METADATA})
_LONGEST = 100
"""Characters of a classifier that are repeated."""


@implementer(ICostlyPolicy, IInformedPolicy)
@attrs.frozen
class Classifiers:
    """Shows only files with certain classifiers, as their metadata says, where it is here. One that is denied hides a file also if others are allowed."""

    label: str = given("label")
    allow: tuple[str, ...] = setting(
        text_globs,
        default=Lines(),
        help="Patterns of classifiers, one on each line: a file needs one that matches; without any, none is needed.",
    )
    deny: tuple[str, ...] = setting(text_globs, default=Lines(), help="Patterns of classifiers that hide a file, one on each line.")
    unknown: str = setting(show_or_hide, default="show", help="What becomes of files whose metadata is not here: show or hide.")
    _judged: Callable[[tuple[str, ...]], str | None] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_judged", lru_cache(maxsize=1 << 12)(partial(_refusal, Texts(self.allow), Texts(self.deny))))

    def wants(self, name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        """What the file's METADATA says."""
        return METADATA

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        if file.described is None:
            return None if self.unknown == "show" else "its metadata is not known"
        return self._judged(file.described.classifiers)


def _refusal(allow: Texts, deny: Texts, classifiers: tuple[str, ...]) -> str | None:
    denied = deny.first_of(classifiers)
    if denied is not None:
        return f"its classifier {' '.join(denied.split())[:_LONGEST]} is denied"
    if allow and allow.first_of(classifiers) is None:
        return "none of its classifiers is among the allowed ones"
    return None
