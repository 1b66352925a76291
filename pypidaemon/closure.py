"""
What is needed for what was chosen: of each dependency the newest releases that fit each requirement, for named environments. Pure.

Nothing is solved here. Each requirement is met for itself, and so are those of what that brings in, until nothing is new; what an installer then picks among
what is here is its own affair. Why that is enough in nearly all cases stands in decision 12.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pypidaemon.environments import Environment
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import package_type, project_name, version_of
from pypidaemon.model import File, NormalizedName
from pypidaemon.policies.requirement_files import Named
from pypidaemon.simple.core_metadata import read_metadata
from pypidaemon.versions import SpecifierSet, Version, fits, known, specifier_set

MOST = 5000
"""Projects that may be needed together; a chain of projects that somebody made up ends here."""

MOST_REQUIREMENTS = 2000
"""Requirements of one file that are read."""

LONGEST = 4000
"""Characters of a requirement that is read; reading its marker takes time with the square of them."""

REQUIREMENTS = "the requirements"
"""Who needs what requirements files name."""

_LISTED = 3
"""Environments that a sentence names."""


@attrs.frozen
class Requires:
    """One `Requires-Dist` of a file; an empty marker always applies."""

    name: NormalizedName
    specifiers: SpecifierSet
    extras: frozenset[str] = frozenset()
    marker: str = ""


@attrs.frozen
class Stated:
    """What a file says that it needs, and for people, what of that cannot be had from an index or cannot be read."""

    requires: tuple[Requires, ...]
    left_out: tuple[str, ...] = ()


@attrs.frozen
class Need:
    """
    Some versions of a project are needed in an environment.

    With None it is a line of a requirements file that says by hashes which files it means: all of them are needed (M21).
    """

    environment: Environment | None
    specifiers: SpecifierSet


def stated(document: bytes) -> Stated:
    """What a METADATA document says is needed. Slow for long documents, so call it on a thread. Never raises."""
    found: list[Requires] = []
    left_out: list[str] = []
    said = read_metadata(document).get("requires_dist", [])
    for line in said[:MOST_REQUIREMENTS]:
        try:
            found.append(_read(line))
        except (ValueError, RecursionError):
            left_out.append(ascii(line)[1:-1][:80])
    if len(said) > MOST_REQUIREMENTS:
        left_out.append(f"{len(said) - MOST_REQUIREMENTS} more requirements")
    return Stated(tuple(found), tuple(left_out))


@attrs.define
class Needs:
    """
    What is needed, and by whom; it grows while files are looked at.

    :param releases: how many of the newest releases that fit are wanted for each need.
    :param limits: versions beyond which nothing of a project is wanted, as constraints say.
    """

    environments: tuple[Environment, ...]
    releases: int = 1
    limits: Mapping[NormalizedName, SpecifierSet] = attrs.field(factory=dict)
    full: bool = attrs.field(default=False, init=False)
    """Whether more than `MOST` projects are needed, so that some are missing here."""
    left_out: dict[str, None] = attrs.field(factory=dict, init=False)
    """What cannot be had from an index, or not be read, in sentences."""
    _wanted: dict[NormalizedName, dict[Need, str]] = attrs.field(factory=dict, init=False)
    _extras: dict[NormalizedName, dict[Environment, frozenset[str]]] = attrs.field(factory=dict, init=False)

    @classmethod
    def named(cls, environments: tuple[Environment, ...], releases: int, named: Named | None) -> Needs:
        """What requirements files name; constraints limit also what they do not name."""
        if named is None:
            return cls(environments, releases)
        limits = {name: _together(line.specifiers for line in lines if not line.marked) for name, lines in named.limits.items()}
        needs = cls(environments, releases, limits)
        for name, lines in named.wanted.items():
            for line in lines:
                needs._add(name, None if line.hashes else environments, Requires(name, line.specifiers, line.extras), REQUIREMENTS)
        return needs

    @property
    def names(self) -> frozenset[NormalizedName]:
        """The projects that are needed."""
        return frozenset(self._wanted)

    def of(self, name: NormalizedName) -> frozenset[Need]:
        """What is needed of that project."""
        return frozenset(self._wanted.get(name, ()))

    def visit(self, name: NormalizedName, files: Iterable[tuple[File, Stated]]) -> list[NormalizedName]:
        """
        Add what these files of a project need; answer the projects of which more is needed now, that one included where it needs more of itself.

        It takes a millisecond for some hundred requirements and environments, so call it on a thread.
        """
        changed: dict[NormalizedName, None] = {}
        asked = self._extras.get(name, {})
        for file, said in files:
            self.left_out.update((f"{file.filename} needs {one}, which is no requirement on an index", None) for one in said.left_out)
            here = [environment for environment in self.environments if environment.fits(name, file)]
            for requires in said.requires:
                where = [each for each in here if _counts(requires, each, asked.get(each, frozenset()))]
                if where and self._add(requires.name, where, requires, file.filename):
                    changed[requires.name] = None
        return list(changed)

    def chosen(self, name: NormalizedName, files: Sequence[File]) -> list[File]:
        """
        Of these files of a project those that are wanted, in their order.

        For each need the newest releases that fit, and besides the newest of those that have a wheel, since not everybody can build. Of a release the
        wheels that fit the environment, or else the source distribution. Yanked files and pre-releases count where there is nothing else (PEP 592, PEP 440).
        """
        wanted: set[str] = set()
        shelves: dict[Environment | None, _Shelf] = {}
        for need in self._wanted.get(name, ()):
            if need.environment not in shelves:
                shelves[need.environment] = _Shelf.of(name, files, need.environment)
            shelf = shelves[need.environment]
            wanted.update(shelf.all(need.specifiers) if need.environment is None else shelf.newest(need.specifiers, self.releases))
        return [file for file in files if file.filename in wanted]

    def unmet(self, name: NormalizedName, files: Sequence[File]) -> list[str]:
        """What these files of a project, all that there are, do not meet, in sentences."""
        shelves: dict[Environment | None, _Shelf] = {}
        missing: dict[tuple[str, str], list[Environment | None]] = {}
        for need, by in self._wanted.get(name, {}).items():
            if need.environment not in shelves:
                shelves[need.environment] = _Shelf.of(name, files, need.environment)
            if not shelves[need.environment].all(need.specifiers):
                missing.setdefault((by, str(need.specifiers)), []).append(need.environment)
        return [
            f"{by}: needs {name}{specifiers}, and nothing that fits is here{_where(where)}" for (by, specifiers), where in missing.items()
        ]

    def _add(self, name: NormalizedName, where: Collection[Environment] | None, requires: Requires, by: str) -> bool:
        """Note that need; answer whether it is more than was known."""
        if name not in self._wanted and len(self._wanted) >= MOST:
            self.full = True
            return False
        limit = self.limits.get(name)
        specifiers = requires.specifiers if limit is None else requires.specifiers & limit
        wanted = self._wanted.setdefault(name, {})
        before = len(wanted)
        for environment in [None] if where is None else where:
            wanted.setdefault(Need(environment, specifiers), by)
        more = False
        extras = self._extras.setdefault(name, {})
        for environment in self.environments if where is None else where:
            known_ones = extras.get(environment, frozenset())
            if not requires.extras <= known_ones:
                extras[environment] = known_ones | requires.extras
                more = True
        return more or len(wanted) > before


@attrs.frozen
class _Shelf:
    """
    The files of a project that fit one environment, by their versions; None is every environment.

    `plain` are those that are not yanked, `yanked` the others.
    """

    plain: Mapping[Version, list[File]]
    yanked: Mapping[Version, list[File]]

    @classmethod
    def of(cls, name: NormalizedName, files: Iterable[File], environment: Environment | None) -> _Shelf:
        """Those of these files."""
        sorts: tuple[dict[Version, list[File]], dict[Version, list[File]]] = ({}, {})
        for file in files:
            spelled = version_of(file.filename, name)
            version = known(spelled) if spelled is not None else None
            if version is not None and (environment is None or environment.fits(name, file)):
                sorts[file.yanked is not None].setdefault(version, []).append(file)
        return cls(*sorts)

    def all(self, specifiers: SpecifierSet) -> list[str]:
        """The names of all files whose versions fit."""
        found = {**self.yanked, **self.plain}
        return [
            file.filename
            for version in found
            if fits(specifiers, version)
            for file in (*self.plain.get(version, ()), *self.yanked.get(version, ()))
        ]

    def newest(self, specifiers: SpecifierSet, count: int) -> list[str]:
        """The names of the files of the newest releases that fit."""
        for releases in (self.plain, self.yanked):
            fitting = sorted(specifiers.filter(releases), reverse=True)
            if fitting:
                built = [version for version in fitting if any(_is_wheel(file) for file in releases[version])]
                picked = {*fitting[:count], *built[:count]}
                return [file.filename for version in picked for file in _installable(releases[version])]
        return []


def _installable(files: Sequence[File]) -> Iterator[File]:
    """What an installer takes of a release: a wheel, and only where none fits what has to be built."""
    wheels = [file for file in files if _is_wheel(file)]
    yield from wheels or files


def _is_wheel(file: File) -> bool:
    return package_type(file.filename) == "bdist_wheel"


def _counts(requires: Requires, environment: Environment, extras: frozenset[str]) -> bool:
    if not requires.marker:
        return True
    return any(environment.applies(requires.marker, extra) for extra in ("", *sorted(extras)))


def _together(limits: Iterable[SpecifierSet]) -> SpecifierSet:
    found = SpecifierSet()
    for limit in limits:
        found &= limit
    return found


def _where(environments: Sequence[Environment | None]) -> str:
    named = [str(environment) for environment in environments if environment is not None]
    if not named:
        return ""
    more = f" and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
    return f" for {', '.join(named[:_LISTED])}{more}"


@lru_cache(maxsize=1 << 13)
def _read(line: str) -> Requires:
    """
    One `Requires-Dist`.

    :raises ValueError: it is none, or on something that is in no index.
    """
    if len(line) > LONGEST:
        raise ValueError("too long")
    try:
        read = Requirement(line)
        name = project_name(read.name)
    except (InvalidRequirement, InvalidName) as error:
        raise ValueError(str(error)) from None
    if read.url is not None:
        raise ValueError("it names a URL")
    extras = frozenset(canonicalize_name(extra) for extra in read.extras)
    return Requires(name, specifier_set(str(read.specifier)), extras, str(read.marker) if read.marker is not None else "")
