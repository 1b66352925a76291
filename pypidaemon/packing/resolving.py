"""
Requirements resolved for one target, by resolvelib, which is what pip resolves by (decision 14).

It asks for nothing. Where it needs to know more than is known it ends by saying what that is, and begins anew once that is known: so it runs on a thread
for moments, and waits on none. What is going to be needed as a rule is found out first, by following the newest of everything, so that it takes few rounds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from packaging.utils import NormalizedName as Extra
from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from pypidaemon.closure import MOST, Requires
from pypidaemon.environments import cost
from pypidaemon.model import File, NormalizedName
from pypidaemon.packing.knowledge import Absence, Document, Known, spoken
from pypidaemon.packing.targets import Target
from pypidaemon.packing.wants import Goal, Line
from pypidaemon.versions import SpecifierSet, Version, fits

ROUNDS = 20_000
"""Steps after which there is taken to be no solution; a project of 200 packages takes some 500."""
MOST_LOOKED = 1_000_000
"""Releases that are held against requirements in one attempt, each as often as it is: some five seconds of a thread. A large project takes a tenth."""
MOST_WORK = 30_000_000
"""Characters of markers that are evaluated in one attempt, each marker counted once: some ten seconds of a thread. A large project takes a hundredth."""
TOLD = 4
"""Requirements that a sentence on why they cannot all be met names."""

_Key = tuple[NormalizedName, frozenset[str]]


@attrs.frozen
class Picked:
    """A release that was chosen, with those of its files that fit the target."""

    name: NormalizedName
    version: Version
    files: tuple[File, ...]


@attrs.frozen
class Solved:
    """What meets all requirements on one target; `absent` is what would be needed as well and cannot be had, with who needs it."""

    picked: tuple[Picked, ...]
    absent: tuple[tuple[NormalizedName, str, Absence], ...] = ()


@attrs.frozen
class Lacking:
    """What has to be known first."""

    names: frozenset[NormalizedName] = frozenset()
    documents: frozenset[Document] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.names or self.documents)


@attrs.frozen
class Impossible:
    """Nothing meets all requirements; why, in one sentence, and of which project that is."""

    name: NormalizedName
    reason: str


def resolve(known: Known, goal: Goal, target: Target, *, without: bool) -> Solved | Lacking | Impossible:
    """
    Try it with what is known; call it on a thread, it takes from a millisecond to some seconds.

    :param without: whether to go on as if projects that cannot be had needed nothing, and were met by anything.
    """
    lines = [line for line in goal.lines if target.applies(line.requires.marker)]
    provider = _Provider(known, target, goal, without)
    try:
        lacking = provider.foreseen(lines)
        if lacking:
            return lacking
        result = Resolver(provider, BaseReporter()).resolve(lines, max_rounds=ROUNDS)
    except _Unknown as unknown:
        return unknown.lacking
    except ResolutionImpossible as error:
        return provider.told(error.causes)
    except (ResolutionTooDeep, _TooMuch):
        return Impossible(lines[0].requires.name, f"no solution for {target} was found by looking at {provider.looked} releases")
    picked = {found.name: found for found in result.mapping.values()}
    return Solved(
        tuple(Picked(one.name, one.version, one.files) for one in picked.values() if one.version is not None),
        tuple((one.name, provider.first[one.name], one.absence) for one in picked.values() if one.absence is not None),
    )


class _TooMuch(Exception):
    """Somebody made up projects whose requirements have no solution that can be found."""


class _Unknown(Exception):
    def __init__(self, lacking: Lacking) -> None:
        self.lacking = lacking


@attrs.frozen
class _Candidate:
    """One release with some extras; without a version it stands for a project that cannot be had."""

    name: NormalizedName
    extras: frozenset[str]
    version: Version | None
    files: tuple[File, ...] = attrs.field(default=(), eq=False)
    absence: Absence | None = attrs.field(default=None, eq=False)


class _Provider(AbstractProvider[Line, _Candidate, _Key]):
    """What resolvelib asks us."""

    def __init__(self, known: Known, target: Target, goal: Goal, without: bool) -> None:
        self.known, self.target, self.goal, self.without = known, target, goal, without
        self.first: dict[NormalizedName, str] = {}
        """Who needed it first."""
        self.looked = 0
        self.work = 0
        self.markers: set[str] = set()
        self.limits: dict[NormalizedName, list[Line]] = {}
        for line in goal.limits:
            if target.applies(line.requires.marker):
                self.limits.setdefault(line.requires.name, []).append(line)

    def foreseen(self, lines: Iterable[Line]) -> Lacking:
        """What is not known of the newest that meets each requirement by itself, and of what those need."""
        names: set[NormalizedName] = set()
        documents: set[Document] = set()
        seen: set[tuple[_Key, SpecifierSet]] = set()
        waiting = list(lines)
        while waiting and len(seen) < MOST:
            line = waiting.pop()
            key = (self.identify(line), line.requires.specifiers)
            if key in seen:
                continue
            seen.add(key)
            if line.requires.name not in self.known.pages and len(self.known.pages) < MOST:
                names.add(line.requires.name)
                continue
            newest = next(self._matching(self.identify(line), [line], frozenset()), None)
            if newest is None or newest.version is None:
                continue
            document = (newest.name, spoken(newest.files).filename)
            if document in self.known.documents:
                waiting += self._needs(newest)
            else:
                documents.add(document)
        return Lacking(frozenset(names), frozenset(documents))

    def identify(self, requirement_or_candidate: Line | _Candidate) -> _Key:
        """The project with the extras that are asked for; each such is met for itself, by the same release."""
        if isinstance(requirement_or_candidate, _Candidate):
            return requirement_or_candidate.name, requirement_or_candidate.extras
        return requirement_or_candidate.requires.name, requirement_or_candidate.requires.extras

    def get_preference(
        self,
        identifier: _Key,
        resolutions: Mapping[_Key, _Candidate],
        candidates: Mapping[_Key, Iterator[_Candidate]],
        information: Mapping[_Key, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> Any:
        """What is in the way of others first, then what leaves no choice, then in the order of names."""
        in_the_way = any(self.identify(cause.requirement)[0] == identifier[0] for cause in backtrack_causes)
        exact = any(one.operator in {"==", "==="} for found in information[identifier] for one in found.requirement.requires.specifiers)
        return not in_the_way, not exact, identifier[0], sorted(identifier[1])

    def find_matches(
        self, identifier: _Key, requirements: Mapping[_Key, Iterator[Line]], incompatibilities: Mapping[_Key, Iterator[_Candidate]]
    ) -> Iterable[_Candidate]:
        """What meets all of these, the newest first."""
        lines = [line for key in requirements if key[0] == identifier[0] for line in requirements[key]]
        for line in lines:
            self.first.setdefault(line.requires.name, line.by)
        excluded = frozenset(one.version for one in incompatibilities[identifier])
        return list(self._matching(identifier, lines, excluded))

    def is_satisfied_by(self, requirement: Line, candidate: _Candidate) -> bool:
        """Whether that release is one of those."""
        return candidate.version is None or fits(requirement.requires.specifiers, candidate.version)

    def get_dependencies(self, candidate: _Candidate) -> Iterable[Line]:
        """What it needs; with extras the same release without them too."""
        needs = list(self._needs(candidate))
        if candidate.extras and candidate.version is not None:
            same = Requires(candidate.name, SpecifierSet(f"==={candidate.version}"))
            needs.append(Line(same, f"{candidate.name}[{','.join(sorted(candidate.extras))}]"))
        return needs

    def told(self, causes: Collection[Any]) -> Impossible:
        """Why nothing meets all of them."""
        lines = list({(cause.requirement.by, str(cause.requirement.requires.specifiers)): cause.requirement for cause in causes}.values())
        lines = lines or list(self.goal.lines)
        name = lines[0].requires.name
        said = [f"{line.by} needs {_shown(line.requires)}" for line in lines[:TOLD]]
        if len(lines) > TOLD:
            said.append(f"there are {len(lines) - TOLD} more such")
        return Impossible(name, f"nothing meets all of this for {self.target}: {', '.join(said)}{self._nothing(name)}")

    def _nothing(self, name: NormalizedName) -> str:
        page = self.known.pages.get(name)
        if isinstance(page, Absence):
            return f"; of {name}: {page.reason}"
        shelf = self.known.shelf(name, self.target) if page is not None else None
        if page is not None and shelf is not None and not shelf.files:
            return f"; of {name} there is no file for it"
        return ""

    def _matching(self, key: _Key, lines: Sequence[Line], excluded: frozenset[Version | None]) -> Iterator[_Candidate]:
        name, extras = key
        self._insist_on_page(name)
        shelf = self.known.shelf(name, self.target)
        if shelf is None:
            page = self.known.pages[name]
            if self.without and isinstance(page, Absence):
                yield _Candidate(name, extras, None, absence=page)
            return
        self.looked += len(shelf.files)
        if self.looked > MOST_LOOKED:
            raise _TooMuch
        specifiers = SpecifierSet()
        for line in (*lines, *self.limits.get(name, ())):
            specifiers &= line.requires.specifiers
        hashes = [line.hashes for line in lines if line.hashes]
        for versions in (shelf.files.keys() - shelf.yanked, shelf.yanked):
            met = False
            for version in sorted(specifiers.filter(versions), reverse=True):
                files = tuple(file for file in shelf.files[version] if all(file.digest in allowed for allowed in hashes))
                met = met or bool(files)
                if files and version not in excluded:
                    yield _Candidate(name, extras, version, files)
            if met:
                return

    def _insist_on_page(self, name: NormalizedName) -> None:
        """Somebody may have made up a chain of projects that never ends."""
        if name not in self.known.pages:
            raise _TooMuch if len(self.known.pages) >= MOST else _Unknown(Lacking(names=frozenset([name])))

    def _needs(self, candidate: _Candidate) -> Iterator[Line]:
        if candidate.version is None:
            return
        document = (candidate.name, spoken(candidate.files).filename)
        if document not in self.known.documents:
            raise _Unknown(Lacking(documents=frozenset([document])))
        said = self.known.documents[document]
        by = f"{candidate.name} {candidate.version}"
        asked: frozenset[Extra | str] = candidate.extras
        for requires in () if isinstance(said, Absence) else said.requires:
            self._spend(requires.marker)
            if self.target.applies(requires.marker, frozenset(map(str, asked))):
                yield Line(requires, by)

    def _spend(self, marker: str) -> None:
        """Take note that a marker is evaluated; who wrote it may mean that to take hours."""
        if marker and marker not in self.markers:
            self.markers.add(marker)
            self.work += cost(marker)
            if self.work > MOST_WORK:
                raise _TooMuch


def _shown(requires: Requires) -> str:
    extras = f"[{','.join(sorted(requires.extras))}]" if requires.extras else ""
    return f"{requires.name}{extras}{requires.specifiers}"
