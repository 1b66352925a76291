"""
Which versions an advisory is about, by the algorithm of the OSV schema (its section "Evaluation"). Pure.

Ranges hold versions as text and not as objects, since there are tens of thousands of them and few are ever asked about. A local version such as
`1.0+ours` is a version of its own here as it is there: who patched a release calls it so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache

import attrs

from pypidaemon.versions import LONGEST_VERSION, Version, known, same_version

INTRODUCED, FIXED, LAST_AFFECTED, LIMIT = "introduced", "fixed", "last_affected", "limit"

Event = tuple[str, str]
"""What happened with a version: one of the four words above, and the version."""

Range = tuple[Event, ...]
"""Events in the order of their versions."""

_BEGINNING = "0"
"""As the version of `introduced`: before every version there could be, also before `0.dev0`."""
_NO_LIMIT = "*"
_ZERO = Version("0")


@attrs.frozen
class Asked:
    """A version that is asked about: as `same_version` has it, and read; None where PEP 440 does not know it."""

    same: str
    version: Version | None

    @classmethod
    def of(cls, spelled: str) -> Asked:
        """That version, in any spelling."""
        return cls(same_version(spelled), _read(spelled))


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


def is_affected(asked: Asked, versions: Sequence[str], ranges: Sequence[Range]) -> bool:
    """
    Whether that version is among the versions or in one of the ranges.

    :param versions: sorted, each as `same_version` has it.
    """
    place = bisect_left(versions, asked.same)
    if place < len(versions) and versions[place] == asked.same:
        return True
    version = asked.version
    return version is not None and any(_inside(version, events) for events in ranges)


def fixed_after(asked: Asked, ranges: Sequence[Range]) -> str | None:
    """
    The first version after that one in which it is fixed, as spelled; None where no newer one is.

    After what is no version the last of all fixes is meant.
    """
    version = asked.version
    fixes = [(_version(fix), fix) for events in ranges for kind, fix in events if kind == FIXED]
    if version is None:
        return max(fixes)[1] if fixes else None
    later = [fix for fix in fixes if fix[0] > version]
    return min(later)[1] if later else None


def _inside(version: Version, events: Range) -> bool:
    limits = [limit for kind, limit in events if kind == LIMIT]
    if limits and all(version >= _version(limit) for limit in limits):
        return False
    inside = False
    for kind, spelled in events:
        if kind == INTRODUCED:
            inside = inside or spelled == _BEGINNING or version >= _version(spelled)
        elif kind == FIXED:
            inside = inside and version < _version(spelled)
        elif kind == LAST_AFFECTED:
            inside = inside and version <= _version(spelled)
    return inside


def _place(event: Event) -> tuple[bool, Version, bool]:
    # A single affected version is introduced and last affected at once, so of one version's events this is the last.
    kind, spelled = event
    first = kind == INTRODUCED and spelled == _BEGINNING
    return not first, _ZERO if first else _version(spelled), kind == LAST_AFFECTED


def _version(spelled: str) -> Version:
    version = _read(spelled)
    if version is None:
        raise ValueError("a version that PEP 440 does not know")
    return version


@lru_cache(maxsize=8192)
def _read(spelled: str) -> Version | None:
    return known(spelled) if len(spelled) <= LONGEST_VERSION else None
