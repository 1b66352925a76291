"""Patterns of project names, in which policies, grants and the reserved names are written."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

import attrs

from pypidaemon.model import NormalizedName
from pypidaemon.settings import words

_SPELLING = re.compile(r"\[[^\]\[]*\]|[-_.]+|[^-_.\[]+|\[")
_GLOB = re.compile(r"(?:[a-z0-9*?-]|\[!?[a-z0-9-]+\])+")
_RANGE = re.compile(r"(?=([a-z0-9])-([a-z0-9]))")


def globs(raw: str) -> tuple[str, ...]:
    """
    Patterns of project names, separated by white space, in the spelling in which names are compared.

    `*` stands for any run of characters, `?` for one, `[abc]`, `[a-c]` and `[!a-c]` for one of a set. Case and the choice among `-`, `_`
    and `.` mean as little as in names (PEP 503).

    :raises ValueError: there is no pattern, or one that could not match any name.
    """
    patterns = tuple(_normal(word) for word in words(raw))
    if not patterns:
        raise ValueError("must not be empty; leave the key out instead")
    return patterns


@attrs.frozen
class Globs:
    """
    Patterns of project names, compiled: plain names are looked up, however many there are, and the others are tried in their order.

    :raises ValueError: one of them is no pattern (see `globs`).
    """

    patterns: tuple[str, ...]
    _exact: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    _others: tuple[tuple[str, re.Pattern[str]], ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile them, once."""
        normal = [_normal(glob) for glob in self.patterns]
        exact = frozenset(glob for glob in normal if not set(glob) & set("*?["))
        others = tuple((glob, re.compile(fnmatch.translate(glob))) for glob in normal if glob not in exact)
        object.__setattr__(self, "_exact", exact)
        object.__setattr__(self, "_others", others)

    def first(self, name: NormalizedName) -> str | None:
        """
        The first of the patterns that matches the whole name, in its normal spelling, or None.

        It takes time in proportion to the length of the name (S85).
        """
        if name in self._exact:
            return name
        for glob, pattern in self._others:
            if pattern.match(name):
                return glob
        return None


def matches_any(name: NormalizedName, globs: tuple[str, ...]) -> str | None:
    """
    The first of these few patterns that matches the whole name, in its normal spelling, or None. They are compiled once.

    :raises ValueError: one of them is no pattern (see `globs`).
    """
    return _compiled(globs).first(name)


def _normal(glob: str) -> str:
    """The pattern in the spelling of normalised names; raises ValueError where no such name could match it."""
    pattern = "".join(_respelled(piece) for piece in _SPELLING.findall(glob.lower()))
    if not _GLOB.fullmatch(pattern):
        raise ValueError(f"{glob!r} is not a pattern of project names")
    if pattern.startswith("-") or pattern.endswith("-"):
        raise ValueError(f"{glob!r} begins or ends with a separator, which no project name does")
    if any(first > last for piece in _SPELLING.findall(pattern) if piece.startswith("[") for first, last in _RANGE.findall(piece)):
        raise ValueError(f"{glob!r} holds a range that runs backwards")
    return pattern


def _respelled(piece: str) -> str:
    if not piece.startswith("["):
        return "-" if piece[:1] in {"-", "_", "."} else piece
    if "_" in piece or "." in piece:
        # Among the members of a set a dash makes a range, save at the end.
        return piece.replace("_", "").replace(".", "").removesuffix("]") + "-]"
    return piece


_compiled = lru_cache(maxsize=256)(Globs)
