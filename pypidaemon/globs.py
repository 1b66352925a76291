"""Patterns of project names, in which policies, grants and the reserved names are written."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from functools import lru_cache

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


def matches_any(name: NormalizedName, globs: tuple[str, ...]) -> str | None:
    """
    The first of these patterns that matches the whole name, in its normal spelling, or None.

    Patterns are compiled once; matching takes time in proportion to the length of the name (S85).

    :raises ValueError: one of them is no pattern (see `globs`).
    """
    exact, patterns = _compiled(globs)
    if name in exact:
        return name
    for glob, pattern in patterns:
        if pattern.match(name):
            return glob
    return None


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


@lru_cache(maxsize=256)
def _compiled(globs: tuple[str, ...]) -> tuple[Mapping[str, None], tuple[tuple[str, re.Pattern[str]], ...]]:
    """Plain names, to be looked up, and patterns, to be tried in their order."""
    normal = [_normal(glob) for glob in globs]
    plain = {glob: None for glob in normal if not set(glob) & set("*?[")}
    return plain, tuple((glob, re.compile(fnmatch.translate(glob))) for glob in normal if glob not in plain)
