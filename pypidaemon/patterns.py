"""Patterns of other texts than project names: globs and regular expressions over file names, classifiers, licences, and over names too."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

import attrs

from pypidaemon.settings import Lines, lines, words

_NOTHING = "(?!)"
"""What a glob with an impossible set becomes."""


@attrs.frozen
class Texts:
    """
    Globs and regular expressions, compiled. Each has to match a whole text, and case means nothing.

    A glob takes time in proportion to the length of the text (S85); a regular expression takes what whoever configured it made it take.

    :raises ValueError: one of them cannot be read.
    """

    globs: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()
    _compiled: tuple[tuple[str, re.Pattern[str]], ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile them, once."""
        globs = [(glob, _glob(glob)) for glob in self.globs]
        object.__setattr__(self, "_compiled", (*globs, *((regex, _regex(regex)) for regex in self.regexes)))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._compiled)

    def first(self, text: str) -> str | None:
        """The first of them, as it was written, that matches the text; None where none does."""
        for written, pattern in self._compiled:
            if pattern.fullmatch(text):
                return written
        return None

    def first_of(self, texts: Iterable[str]) -> str | None:
        """The first of the texts that one of them matches."""
        return next((text for text in texts if self.first(text) is not None), None)


def text_globs(raw: str) -> Lines:
    """
    Patterns of texts that hold blanks, one on each line: `*` stands for any run of characters, `?` for one, `[ab]` for one of a set.

    :raises ValueError: there is none, or one that cannot be read.
    """
    found = lines(raw)
    Texts(globs=found)
    return found


def word_globs(raw: str) -> tuple[str, ...]:
    """
    Patterns of single words, separated by white space: `*` stands for any run of characters, `?` for one, `[ab]` for one of a set.

    :raises ValueError: there is none, or one that cannot be read.
    """
    found = words(raw)
    if not found:
        raise ValueError("must not be empty; leave the key out instead")
    Texts(globs=found)
    return found


def regexes(raw: str) -> Lines:
    """
    Regular expressions in Python's grammar, one on each line; each has to match the whole text.

    :raises ValueError: there is none, or one that cannot be read.
    """
    found = Lines(line.strip() for line in raw.splitlines() if line.strip())
    if not found:
        raise ValueError("must not be empty; leave the key out instead")
    Texts(regexes=found)
    return found


def _glob(glob: str) -> re.Pattern[str]:
    expression = fnmatch.translate(glob)
    if _NOTHING in expression:
        raise ValueError(f"{glob[:80]!r} holds a range that runs backwards")
    return re.compile(expression, re.IGNORECASE)


def _regex(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{regex[:80]!r} is no regular expression: {error}") from None
