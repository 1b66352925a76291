"""
One advisory in the OSV format (schema 1.7), read from bytes that nobody vouches for. Pure.

Only what policies go by is kept. What is malformed within a document that is otherwise sound is left out and counted, since one careless entry must
not make all others unknown.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import attrs
import orjson

from pypidaemon.advisories.affected import EVERYTHING, FIXED, INTRODUCED, LAST_AFFECTED, LIMIT, Event, Range, arranged
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.versions import LONGEST_VERSION, same_version

LARGEST_DOCUMENT = 4 * 2**20
"""Bytes of one document; the longest that are published have a few hundred thousand."""

LONGEST_SUMMARY = 200
"""Characters of a summary, which ends up in the reason phrase of an answer."""

MOST_EVENTS = 1000
"""Events of one range."""

SEVERITIES = ("low", "moderate", "high", "critical")
"""From the least on, in the words of the GitHub advisory database."""

_ECOSYSTEM = "PyPI"
_MALWARE = "MAL-"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_SPELLED = {**{word: word for word in SEVERITIES}, "medium": "moderate"}
_EVENTS = (INTRODUCED, FIXED, LAST_AFFECTED, LIMIT)


class Kind(enum.Enum):
    """What an advisory warns of."""

    MALWARE = "malware"
    """A release made to do harm: its id, or one of its aliases, begins with `MAL-`."""
    VULNERABLE = "vulnerable"
    """A release with a mistake in it."""


@attrs.frozen
class Affected:
    """What of one project is affected: `versions`, sorted and each as `same_version` has it, and what is in the `ranges`."""

    name: NormalizedName
    versions: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()


@attrs.frozen
class Advisory:
    """
    What policies need of an advisory. `aliases` are ids of others about the same matter; `severity` is one of `SEVERITIES`, None where it is not said.

    `left_out` counts projects and ranges in it that could not be understood, `widened` projects of which it counts for every version, since a range of
    malware could not be.
    """

    id: str
    kind: Kind
    summary: str = ""
    aliases: tuple[str, ...] = ()
    severity: str | None = None
    affected: tuple[Affected, ...] = ()
    left_out: int = 0
    widened: int = 0


class BadAdvisory(ValueError):
    """What was read is no advisory; `str()` says why in one line."""


def is_id(word: str) -> bool:
    """Whether that could be the id of an advisory."""
    return _ID.fullmatch(word) is not None


def advisory(document: bytes) -> Advisory | None:
    """
    Read one document. None: it was withdrawn, or is about nothing on PyPI.

    :raises BadAdvisory: it is too large, is not JSON, or has no id.
    """
    if len(document) > LARGEST_DOCUMENT:
        raise BadAdvisory(f"larger than {LARGEST_DOCUMENT} bytes")
    try:
        read = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise BadAdvisory("not JSON") from None
    if not isinstance(read, dict) or not isinstance(read.get("id"), str) or not is_id(read["id"]):
        raise BadAdvisory("no advisory: it has no id")
    if isinstance(read.get("withdrawn"), str):
        return None
    aliases = tuple(alias for alias in _strings(read.get("aliases"))[:100] if is_id(alias))
    kind = Kind.MALWARE if any(word.startswith(_MALWARE) for word in (read["id"], *aliases)) else Kind.VULNERABLE
    found: dict[NormalizedName, Affected] = {}
    left_out = widened = 0
    for entry in _dicts(read.get("affected")):
        package = entry.get("package")
        if not isinstance(package, dict) or package.get("ecosystem") != _ECOSYSTEM:
            continue
        try:
            name = project_name(_string(package.get("name")))
        except InvalidName:
            left_out += 1
            continue
        ranges, misread = _ranges(entry)
        if misread and kind is Kind.MALWARE:
            # Too much hidden is noticed, malware that is shown is not.
            ranges.append(EVERYTHING)
            widened += 1
        else:
            left_out += misread
        before = found.get(name, Affected(name))
        versions = tuple(sorted({*before.versions, *_versions(entry)}))
        found[name] = Affected(name, versions, tuple(dict.fromkeys((*before.ranges, *ranges))))
    if not found and not left_out:
        return None
    return Advisory(read["id"], kind, _line(read.get("summary")), aliases, _severity(read), tuple(found.values()), left_out, widened)


def _ranges(entry: dict[str, Any]) -> tuple[list[Range], int]:
    """The ranges in the order of the ecosystem's versions, and how many of them could not be understood."""
    found: list[Range] = []
    misread = 0
    for one in _dicts(entry.get("ranges")):
        if one.get("type") != "ECOSYSTEM":
            # Commits, and versions of another kind than Python's.
            continue
        try:
            found.append(arranged(_events(one)))
        except ValueError:
            misread += 1
    return found, misread


def _events(one: dict[str, Any]) -> Iterator[Event]:
    events = one.get("events")
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise ValueError("no events, or too many")
    for event in events:
        if not isinstance(event, dict):
            raise ValueError("an event that is none")  # noqa: TRY004  # whoever catches this wants no more than to leave the range out
        for kind in _EVENTS:
            if kind in event:
                yield kind, sys.intern(_string(event[kind]))


def _versions(entry: dict[str, Any]) -> list[str]:
    return [_same(version) for version in _strings(entry.get("versions")) if 0 < len(version) <= LONGEST_VERSION]


def _severity(read: dict[str, Any]) -> str | None:
    said = read.get("database_specific")
    word = said.get("severity") if isinstance(said, dict) else None
    return _SPELLED.get(word.lower()) if isinstance(word, str) else None


def _line(said: object) -> str:
    """The text as one line that a terminal or a header can show (S59)."""
    if not isinstance(said, str):
        return ""
    shown = " ".join(said[: 4 * LONGEST_SUMMARY].split())[:LONGEST_SUMMARY].strip()
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _dicts(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _string(found: object) -> str:
    """The text; "" stands for what is none, and is neither a name nor a version."""
    return found if isinstance(found, str) else ""


def _strings(found: object) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


@lru_cache(maxsize=16384)
def _same(spelled: str) -> str:
    # The same few thousand spellings come in most advisories, and each is held once.
    return sys.intern(same_version(spelled))
