"""What files are called."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.patterns import Texts, regexes, word_globs
from pypidaemon.settings import given, setting


@implementer(IPolicy)
@attrs.frozen
class Filenames:
    """Shows only files with certain names, whatever their case. A denied name is refused even if it is also allowed."""

    label: str = given("label")
    allow: tuple[str, ...] = setting(word_globs, default=(), help="Patterns of the file names to show; without any, all are shown.")
    deny: tuple[str, ...] = setting(word_globs, default=(), help="Patterns of the file names to hide.")
    allow_regex: tuple[str, ...] = setting(regexes, default=(), help="Regular expressions of further file names to show.")
    deny_regex: tuple[str, ...] = setting(regexes, default=(), help="Regular expressions of further file names to hide.")
    _allowed: Texts = attrs.field(init=False, repr=False, eq=False)
    _denied: Texts = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_allowed", Texts(self.allow, self.allow_regex))
        object.__setattr__(self, "_denied", Texts(self.deny, self.deny_regex))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        denied = self._denied.first(file.filename)
        if denied is not None:
            return f"the file name matches the denied pattern {denied}"
        if self._allowed and self._allowed.first(file.filename) is None:
            return "the file name matches none of the allowed patterns"
        return None
