"""What projects are called."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import attrs
from zope.interface import implementer

from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.patterns import Texts, regexes
from pypidaemon.settings import contents, given, path, setting


@attrs.frozen
class NameList:
    """A file with patterns of names, as it was when it was read; `digest` stands for what it said."""

    path: Path
    patterns: tuple[str, ...] = attrs.field(repr=False)
    digest: str

    def __str__(self) -> str:
        return str(self.path)


def name_list(file: Path) -> NameList:
    """
    Read a file with one name or pattern on each line; `#` begins a comment, and empty lines mean nothing.

    :raises ValueError: it cannot be read, or a line is no pattern.
    """
    patterns: list[str] = []
    text = contents(file)
    for number, line in enumerate(text.splitlines(), 1):
        written = line.partition("#")[0].strip()
        if written:
            try:
                (pattern,) = globs(written)
            except ValueError as error:
                reason = "more than one pattern" if len(written.split()) > 1 else str(error)
                raise ValueError(f"{file}, line {number}: {reason}") from None
            patterns.append(pattern)
    return NameList(file, tuple(patterns), blake2b(text.encode(), digest_size=8).hexdigest())


@implementer(IPolicy)
@attrs.frozen
class Names:
    """Shows only projects with certain names. A denied name is refused even if it is also allowed."""

    label: str = given("label")
    allow: tuple[str, ...] = setting(globs, default=(), help="Patterns of the names to show; without any, all are shown.")
    deny: tuple[str, ...] = setting(globs, default=(), help="Patterns of the names to hide.")
    allow_regex: tuple[str, ...] = setting(regexes, default=(), help="Regular expressions of further names to show.")
    deny_regex: tuple[str, ...] = setting(regexes, default=(), help="Regular expressions of further names to hide.")
    allow_file: NameList | None = setting(path, default=None, help="A file with further names to show, one on each line.", read=name_list)
    deny_file: NameList | None = setting(path, default=None, help="A file with further names to hide, one on each line.", read=name_list)
    _allowed: _Side = attrs.field(init=False, repr=False, eq=False)
    _denied: _Side = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns; bad ones are refused now, not at the first request."""
        object.__setattr__(self, "_allowed", _Side.of(self.allow, self.allow_regex, self.allow_file))
        object.__setattr__(self, "_denied", _Side.of(self.deny, self.deny_regex, self.deny_file))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that project, and with it each of its files, is hidden; None shows it."""
        denied = self._denied.first(name)
        if denied is not None:
            return f"the name matches the denied pattern {denied}"
        # A list without any name allows none.
        if (self.allow or self.allow_regex or self.allow_file is not None) and self._allowed.first(name) is None:
            return "the name matches none of the allowed patterns"
        return None


@attrs.frozen
class _Side:
    """All patterns to show, or all to hide."""

    globs: Globs
    regexes: Texts

    @classmethod
    def of(cls, globs: tuple[str, ...], regexes: tuple[str, ...], listed: NameList | None) -> _Side:
        return cls(Globs(globs + (listed.patterns if listed is not None else ())), Texts(regexes=regexes))

    def first(self, name: NormalizedName) -> str | None:
        found = self.globs.first(name)
        return self.regexes.first(name) if found is None else found
