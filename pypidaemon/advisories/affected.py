"""
Which versions an advisory is about, by the algorithm of the OSV schema (its section "Evaluation"). Pure.

Ranges hold versions as text and not as objects, since there are tens of thousands of them and few are ever asked about. A local version such as
`1.0+ours` is a version of its own here as it is there: who patched a release calls it so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from pypidaemon.versions import LONGEST_VERSION, Version, known

INTRODUCED, FIXED, LAST_AFFECTED, LIMIT = "introduced", "fixed", "last_affected", "limit"

Event = tuple[str, str]
"""What happened with a version: one of the four words above, and the version."""

Range = tuple[Event, ...]
"""Events in the order of their versions."""

_BEGINNING = "0"
"""As the version of `introduced`: before every version there could be, also before `0.dev0`."""
EVERYTHING: Range = ((INTRODUCED, _BEGINNING),)
"""Every version there could be."""

_NO_LIMIT = "*"
_ZERO = Version("0")
_FIRST, _NEVER = -1, sys.maxsize
"""Places before and behind every version."""


def arranged(events: Iterable[Event]) -> Range:
    """
    The range that these events make, in whatever order they are written.

    :raises ValueError: nothing was ever introduced, or there is a version that PEP 440 does not know, so that nobody can say what comes before it.
    """
    listed = list(events)
    if all(kind != INTRODUCED for kind, _ in listed):
        raise ValueError("a range without a beginning")
    if (LIMIT, _NO_LIMIT) in listed:
        listed = [event for event in listed if event[0] != LIMIT]
    return tuple(sorted(listed, key=_place))


def is_whole(ranges: Sequence[Range]) -> bool:
    """Whether every version there could be is in one of these ranges."""
    return any(all(event == (INTRODUCED, _BEGINNING) for event in events) for events in ranges)


def spans(ranges: Sequence[Range], place: Callable[[str], int]) -> tuple[int, ...]:
    """
    Where what is in one of the ranges begins, ends, begins again and so on; a version is in one where an odd number of these come no later than it.

    :param place: where a version stands among all that are named; between two of these is room for a place of others.
    """
    found: list[int] = []
    for begin, end in sorted(span for events in ranges for span in _spans(events, place)):
        if found and begin <= found[-1]:
            found[-1] = max(found[-1], end)
        else:
            found += (begin, end)
    return tuple(found)


def fixes(ranges: Sequence[Range]) -> list[str]:
    """The versions in which something is fixed."""
    return [version for events in ranges for kind, version in events if kind == FIXED]


def _spans(events: Range, place: Callable[[str], int]) -> Iterator[tuple[int, int]]:
    """
    Where one range begins and ends.

    What counts for a version is the last event that comes no later than it; what is last affected ends just behind its version. A version behind all
    limits is in no range.
    """
    limit = max((place(version) for kind, version in events if kind == LIMIT), default=_NEVER)
    turns: dict[int, bool] = {}
    for kind, version in events:
        if kind != LIMIT:
            first = kind == INTRODUCED and version == _BEGINNING
            turns[_FIRST if first else place(version) + (kind == LAST_AFFECTED)] = kind == INTRODUCED
    begin: int | None = None
    for at, inside in turns.items():
        if at >= limit:
            break
        if inside and begin is None:
            begin = at
        elif not inside and begin is not None:
            yield begin, at
            begin = None
    if begin is not None:
        yield begin, limit


def _place(event: Event) -> tuple[bool, Version, bool]:
    # A single affected version is introduced and last affected at once, so of one version's events this is the last.
    kind, spelled = event
    first = kind == INTRODUCED and spelled == _BEGINNING
    return not first, _ZERO if first else _version(spelled), kind == LAST_AFFECTED


def _version(spelled: str) -> Version:
    version = read(spelled)
    if version is None:
        raise ValueError("a version that PEP 440 does not know")
    return version


@lru_cache(maxsize=8192)
def read(spelled: str) -> Version | None:
    """The version; None where PEP 440 does not know it, or it is longer than any."""
    return known(spelled) if len(spelled) <= LONGEST_VERSION else None
