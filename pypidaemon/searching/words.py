"""What somebody looks for: a few words, as a full-text index of trigrams can be asked for them, and how well a project fits. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import attrs

from pypidaemon.errors import PypidaemonError

LONGEST = 200
"""Characters of a question; no name is longer, and no page needs more to find anything."""

MOST = 8
"""Words that count; those behind them are left out."""

_MOST_GRAMS = 12
"""Trigrams that are asked for of one word: those at its beginning, which leave few others over."""

EXACT, BEGINS, NAMED, SAID = range(4)
"""How well a project fits, best first: it is what was asked for, its name begins with that, has it, or only its summary does."""

_SEPARATORS = re.compile(r"[-_.]+")


class Unsearchable(PypidaemonError):
    """A question that is none."""


@attrs.frozen
class Word:
    """
    One word of a question.

    :param raw: in lower case, as summaries have it; `name` as names have it, where it differs in its separators.
    """

    raw: str
    name: str

    def fits(self, name: str, summary: str) -> bool:
        """Whether the word is in either, of which the summary is in lower case."""
        return self.name in name or self.raw in summary

    @property
    def expression(self) -> str:
        """What to ask an FTS5 index without positions; "" for a word of less than three characters, which has no trigram."""
        spelled = [_grams(text) for text in dict.fromkeys((self.name, self.raw)) if len(text) >= 3]
        short = any(len(text) < 3 for text in (self.name, self.raw))
        return "" if short or not spelled else " OR ".join(f"({one})" for one in spelled)


@attrs.frozen
class Question:
    """
    What is looked for: projects whose name or summary has every word.

    :param joined: all words together as one name, which finds `http-client` for "http client".
    """

    words: tuple[Word, ...]
    joined: str

    @property
    def short(self) -> tuple[str, ...]:
        """The words that the index knows nothing of, of those that are plain ASCII, which SQLite can look for by itself."""
        return tuple(word.raw for word in self.words if not word.expression and word.raw == word.name and word.raw.isascii())

    @property
    def expression(self) -> str:
        """As that of a word, of all that have one; "" where none has."""
        return " AND ".join(f"({found})" for word in self.words if (found := word.expression))

    def fits(self, name: str, summary: str = "") -> bool:
        """Whether a project of that name has all of it; `summary` is in lower case."""
        return self.joined in name or all(word.fits(name, summary) for word in self.words)

    def rank(self, name: str) -> int:
        """How well a project of that name fits, given that it does."""
        if name == self.joined:
            return EXACT
        if name.startswith(self.joined):
            return BEGINS
        return NAMED if self.fits(name) else SAID


def read_question(text: str) -> Question | None:
    """
    The question in what somebody has typed; None where there is no word in it. Characters that are not for display part words as blanks do.

    :raises Unsearchable: it is too long.
    """
    if len(text) > LONGEST:
        raise Unsearchable(f"look for at most {LONGEST} characters")
    words = [_word(part) for part in "".join(map(_fit, text)).lower().split()]
    found = tuple(dict.fromkeys(word for word in words if word is not None))[:MOST]
    return Question(found, "-".join(word.name for word in found)) if found else None


def lowered(summary: str) -> str:
    """A summary as questions are put to it: in lower case, on one line."""
    return " ".join(summary.lower().split())


def _fit(character: str) -> str:
    """That character, or a blank where it is a control, a half of one, or turns text around."""
    return " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} else character


def _word(part: str) -> Word | None:
    name = _SEPARATORS.sub("-", part).strip("-")
    return Word(part, name) if name else None


def _grams(text: str) -> str:
    """
    Trigrams that cover a word, as strings of the index's query language, in which nothing but the quotation mark has a meaning.

    Of all of them a third is enough: each one costs time, and whatever is found is looked at.
    """
    places = dict.fromkeys([*range(0, len(text) - 2, 3), len(text) - 3])
    found: Sequence[str] = list(dict.fromkeys(text[place : place + 3] for place in places))
    return " AND ".join('"' + one.replace('"', '""') + '"' for one in found[:_MOST_GRAMS])
