"""
Many advisories, by the projects that they are about, in as little memory as will do. Pure.

What is said of a project lies here as bytes and is read when somebody asks for it. As objects it would be half a million of them, which the garbage
collector looks through again and again while everybody waits; of most projects nobody ever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import attrs
import orjson

from pypidaemon.advisories.affected import is_whole
from pypidaemon.advisories.concerns import Concern, Concerns, Finding, closed, opened
from pypidaemon.advisories.reading import SEVERITIES, Advisory, BadAdvisory, Kind, advisory
from pypidaemon.model import NormalizedName

_REMEMBERED = 50_000
"""Answers on single versions that are remembered."""

_OPEN = 500
"""Projects whose advisories are remembered as they were read from their bytes."""


@attrs.frozen(eq=False)
class Gathered:
    """
    All advisories of one kind that are to be heeded. Asked by several threads at once.

    :param concerns: by project, what `closed` made of the advisories about it in the order of their ids.
    :param whole: the projects that an advisory is about in every version there could be, with the first such one.
    :param revision: the same for the same advisories, and another for others.
    """

    concerns: Mapping[NormalizedName, bytes]
    whole: Mapping[NormalizedName, bytes]
    revision: str
    _open: dict[NormalizedName, Concerns] = attrs.field(factory=dict, init=False, repr=False)
    _known: dict[tuple[NormalizedName, str], tuple[Finding, ...]] = attrs.field(factory=dict, init=False, repr=False)

    def on_project(self, name: NormalizedName) -> Finding | None:
        """The first advisory that is about every version of that project there could be."""
        found = self.whole.get(name)
        return None if found is None else Finding(*orjson.loads(found))

    def on_version(self, name: NormalizedName, version: str) -> tuple[Finding, ...]:
        """All advisories that are about that version, in any spelling. Slow where it is the first of a project with many, so call it on a thread."""
        if name not in self.concerns:
            return ()
        # A release has dozens of files.
        found = self._known.get((name, version))
        if found is None:
            found = self._of(name).on_version(version)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name, version] = found
        return found

    def _of(self, name: NormalizedName) -> Concerns:
        found = self._open.get(name)
        if found is None:
            found = opened(self.concerns[name])
            if len(self._open) >= _OPEN:
                self._open.clear()
            self._open[name] = found
        return found


@attrs.frozen
class _Entry:
    """An advisory while others come in: how it is rated, and by project what it says, closed, and whether of every version."""

    summary: str
    severity: str | None
    words: tuple[str, ...]
    said: tuple[tuple[NormalizedName, bytes, bool], ...]


@attrs.define(eq=False)
class Gathering:
    """
    Advisories as they come in.

    :param kind: those of the other kind are counted and let go.
    :param ignore: ids and aliases of advisories that are not to be heeded, in capitals.
    :param least: one of `SEVERITIES`: advisories below it are not heeded. One of unknown severity is as severe as another about the same matter says,
        and where none says it is heeded.
    """

    kind: Kind
    ignore: frozenset[str] = frozenset()
    least: str = SEVERITIES[0]
    understood: int = attrs.field(default=0, init=False)
    """Advisories of either kind."""
    misread: int = attrs.field(default=0, init=False)
    """Documents that are no advisories."""
    left_out: int = attrs.field(default=0, init=False)
    """Projects and ranges within advisories that could not be understood."""
    widened: int = attrs.field(default=0, init=False)
    """Projects of which malware counts for every version, since a range of it could not be understood."""
    _entries: dict[str, _Entry] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def count(self) -> int:
        """Advisories of its kind, whether they are to be heeded or not."""
        return len(self._entries)

    def take(self, documents: Iterable[bytes | None]) -> None:
        """Read some more documents; None stands for one that could not be had."""
        for document in documents:
            if document is None:
                self.misread += 1
                continue
            try:
                found = advisory(document)
            except BadAdvisory:
                self.misread += 1
                continue
            if found is not None:
                self.understood += 1
                self.left_out += found.left_out
                if found.kind is self.kind:
                    self.widened += found.widened
                    self._entries[found.id] = _entry(found)

    def gathered(self) -> Gathered:
        """What is to be heeded of all that came in."""
        rated = self._rated()
        concerns: dict[NormalizedName, list[bytes]] = {}
        whole: dict[NormalizedName, bytes] = {}
        for id in sorted(self._entries):
            entry = self._entries[id]
            if self._heeded(entry, rated):
                for name, written, every in entry.said:
                    concerns.setdefault(name, []).append(written)
                    if every:
                        whole.setdefault(name, bytes(memoryview(orjson.dumps((id, entry.summary)))))
        made = {name: b"[" + b",".join(concerns[name]) + b"]" for name in sorted(concerns)}
        digest = blake2b(digest_size=8)
        for name, written in made.items():
            digest.update(name.encode() + written)
        return Gathered(made, whole, digest.hexdigest())

    def _rated(self) -> dict[str, int]:
        """How severe matters are, by the ids and aliases of whoever says so; the gravest word counts."""
        rated: dict[str, int] = {}
        for entry in self._entries.values():
            if entry.severity is not None:
                rank = SEVERITIES.index(entry.severity)
                for word in entry.words:
                    rated[word] = max(rank, rated.get(word, rank))
        return rated

    def _heeded(self, entry: _Entry, rated: Mapping[str, int]) -> bool:
        if any(word.upper() in self.ignore for word in entry.words):
            return False
        if entry.severity is not None:
            rank = SEVERITIES.index(entry.severity)
        else:
            rank = max((rated[word] for word in entry.words if word in rated), default=len(SEVERITIES))
        return rank >= SEVERITIES.index(self.least)


def changed(before: Gathered, after: Gathered) -> list[NormalizedName]:
    """The projects of which the one says something else than the other."""
    names = {*before.concerns, *after.concerns}
    return sorted(name for name in names if before.concerns.get(name) != after.concerns.get(name))


def _entry(found: Advisory) -> _Entry:
    said = tuple(
        (one.name, closed(Concern(found.id, found.summary, one.versions, one.ranges)), is_whole(one.ranges))
        for one in found.affected
        if one.versions or one.ranges
    )
    return _Entry(found.summary, found.severity, (found.id, *found.aliases), said)
