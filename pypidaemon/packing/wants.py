"""
What the files of a project ask for: of lock files the very files that they name, of all others requirements that are still to be resolved. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pypidaemon.closure import LONGEST, MOST_REQUIREMENTS, Requires
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.locks import NO_REQUIREMENTS, is_lock, read_lock
from pypidaemon.model import Digest, Filename, NormalizedName
from pypidaemon.packing.needed import needed
from pypidaemon.packing.projects import Part, read_pyproject
from pypidaemon.packing.targets import Target
from pypidaemon.policies.requirement_files import Named, Wanted, requirement_files
from pypidaemon.settings import Lines
from pypidaemon.versions import SpecifierSet, Version, known, specifier_set

MOST_PIECES = 20_000
"""Packages that lock files may name together; the longest lock that anybody told of has some 2,000."""

_EVERYTHING = SpecifierSet()


@attrs.frozen
class Piece:
    """
    One version of a project, or the newest where the file names none, of which these files are wanted, or those with these hashes.

    With neither it is all that fit. `targets` are those that cannot do without it: whether something is missing for others is nobody's affair.
    """

    name: NormalizedName
    version: Version | None
    targets: tuple[Target, ...]
    files: tuple[tuple[Filename, Digest | None], ...] = ()
    hashes: frozenset[str] = frozenset()
    """The sha256 of each, in hexadecimal."""

    @property
    def title(self) -> str:
        """As people write it."""
        return f"{self.name}=={self.version}" if self.version is not None else self.name


@attrs.frozen
class Line:
    """One requirement, with the sha256 that its files may have where it says that, and who has it."""

    requires: Requires
    by: str
    hashes: frozenset[str] = frozenset()


@attrs.frozen
class Goal:
    """
    Requirements that are to be met together.

    :param limits: what constraints say, of projects that are wanted or not.
    :param apart: what it falls into, where nothing meets all of it together.
    """

    title: str
    lines: tuple[Line, ...]
    limits: tuple[Line, ...] = ()
    apart: tuple[Goal, ...] = ()


@attrs.frozen
class Wants:
    """All that the files ask for, and what they name that no index has, in sentences."""

    pieces: tuple[Piece, ...] = ()
    goals: tuple[Goal, ...] = ()
    notes: tuple[str, ...] = ()


def wants(names: Iterable[str], texts: Mapping[str, str], targets: tuple[Target, ...]) -> Wants:
    """
    Read these files, each by what it is called.

    :param texts: the text of each, and of each that one of them includes, by its name.
    :raises ValueError: one of them is no such file; the text is one line that begins with its name.
    """
    pieces: list[Piece] = []
    goals: list[Goal] = []
    notes: list[str] = []
    for name in dict.fromkeys(names):
        found = _read(name, texts, targets)
        pieces += found.pieces
        goals += found.goals
        notes += found.notes
    if len(pieces) > MOST_PIECES:
        raise ValueError(f"more than {MOST_PIECES} packages are locked together")
    return Wants(tuple(pieces), tuple(goals), tuple(notes))


def _read(name: str, texts: Mapping[str, str], targets: tuple[Target, ...]) -> Wants:
    last = PurePosixPath(name).name
    if last == "pyproject.toml":
        return _project(name, _text(name, texts))
    if last == "Pipfile.lock":
        return _pipfile(name, _text(name, texts), targets)
    if is_lock(last):
        return _lock(name, last, _text(name, texts), targets)
    if last.endswith(NO_REQUIREMENTS):
        raise ValueError(f"{name}: nobody here knows such a file; known are uv.lock pylock.toml poetry.lock pdm.lock Pipfile.lock"
                         " pyproject.toml and requirements files")  # fmt: skip
    return _requirements(name, texts, targets)


def _text(name: str, texts: Mapping[str, str]) -> str:
    if name not in texts:
        raise ValueError(f"{name}: its text was not given")
    return texts[name].removeprefix("\ufeff")


def _lock(name: str, last: str, text: str, targets: tuple[Target, ...]) -> Wants:
    try:
        lock = read_lock(last, text)
        where = needed(lock, targets)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    pieces = [Piece(package.name, package.version, whose, package.files) for package, whose in zip(lock.packages, where, strict=True)]
    return Wants(tuple(pieces), notes=tuple(f"{name}: {one}, is left out, since no index has it" for one in lock.passed_over))


def _pipfile(name: str, text: str, targets: tuple[Target, ...]) -> Wants:
    """Pipenv's lock, which says hashes and no names of files."""
    pieces: list[Piece] = []
    notes: list[str] = []
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or "_meta" not in document:
            raise ValueError("it has no _meta")
        for category in (value for key, value in document.items() if key != "_meta"):
            for spelled, said in category.items():
                version = known(str(said.get("version", "")).removeprefix("==").strip())
                if version is None:
                    notes.append(f"{name}: {ascii(spelled)[:80]} is left out, since it is no release of an index")
                    continue
                marker = str(said.get("markers", ""))[:LONGEST]
                whose = tuple(target for target in targets if target.applies(marker))
                hashes = frozenset(_sha256(("sha256", one.removeprefix("sha256:")) for one in said.get("hashes", [])))
                pieces.append(Piece(project_name(spelled), version, whose, (), hashes))
    except (ValueError, AttributeError, TypeError, RecursionError, InvalidName) as error:
        raise ValueError(f"{name}: no Pipfile.lock that can be read: {' '.join(str(error).split())[:200]}") from None
    return Wants(tuple(pieces), notes=tuple(notes))


def _requirements(name: str, texts: Mapping[str, str], targets: tuple[Target, ...]) -> Wants:
    given = {str(Path(key)): key for key in texts}

    def read(path: Path) -> str:
        if str(path) not in given:
            raise ValueError(f"{path}: is included, and its text was not given")
        return _text(given[str(path)], texts)

    named = requirement_files(Lines([Path(name)]), read)
    notes = tuple(f"{place}: is left out, since it names a URL or a path and nothing of an index" for place in named.left_out)
    if named.wanted and all(_is_locked(line) for lines in named.wanted.values() for line in lines):
        # Whoever is given hashes insists on one for each file that he takes (pip's --require-hashes), so all of them are there.
        return Wants(tuple(_hashed(named, targets)), notes=notes)
    lines = tuple(_line(project, line, name) for project, found in named.wanted.items() for line in found)
    limits = tuple(_line(project, line, name) for project, found in named.limits.items() for line in found)
    return Wants(goals=(Goal(name, lines, limits),) if lines else (), notes=notes)


def _is_locked(line: Wanted) -> bool:
    return bool(line.hashes) and _exact(line.specifiers) is not None


def _exact(specifiers: SpecifierSet) -> Version | None:
    """The one version that these specifiers leave, where they are one `==` without a star."""
    one = [*specifiers]
    return known(one[0].version) if len(one) == 1 and one[0].operator in {"==", "==="} else None


def _hashed(named: Named, targets: tuple[Target, ...]) -> Iterator[Piece]:
    for project, lines in named.wanted.items():
        for line in lines:
            whose = tuple(target for target in targets if target.applies(line.marker))
            yield Piece(project, _exact(line.specifiers), whose, (), frozenset(_sha256(line.hashes)))


def _sha256(hashes: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (value for algorithm, value in hashes if algorithm == "sha256")


def _line(project: NormalizedName, line: Wanted, by: str) -> Line:
    return Line(Requires(project, line.specifiers, line.extras, line.marker), by, frozenset(_sha256(line.hashes)))


def _project(name: str, text: str) -> Wants:
    try:
        found = read_pyproject(name, text)
        parts = {part: tuple(spelled_lines(lines, part.title, found.elsewhere)) for part, lines in found.parts.items()}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    notes = [f"{name}: {note}" for note in found.notes]
    base = parts.get(Part(), ())
    own = [lines for part, lines in parts.items() if part != Part() and not part.builds]
    goals: list[Goal] = []
    if base or own:
        apart = tuple(Goal(part.title, base + lines) for part, lines in parts.items() if not part.builds)
        goals.append(Goal(name, base + tuple(line for lines in own for line in lines), apart=apart if len(apart) > 1 else ()))
    goals += [Goal(part.title, lines) for part, lines in parts.items() if part.builds and lines]
    return Wants(goals=tuple(goals), notes=tuple(notes))


def spelled_lines(spelled: Iterable[str], by: str, elsewhere: frozenset[NormalizedName] = frozenset()) -> Iterator[Line]:
    """
    These requirements, as PEP 508 has them.

    :param elsewhere: projects that do not come from an index, whose lines are left out.
    :raises ValueError: one is none, or there are too many; the text is one line.
    """
    for number, text in enumerate(spelled):
        if number >= MOST_REQUIREMENTS:
            raise ValueError(f"{by} has more than {MOST_REQUIREMENTS} requirements")
        found = _requirement(text, by)
        if found is not None and found.requires.name not in elsewhere:
            yield found


def _requirement(text: Any, by: str) -> Line | None:
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError(f"{by}: {ascii(text)[:80]} is no requirement")
    try:
        read = Requirement(text)
        specifiers = specifier_set(str(read.specifier)) if read.specifier else _EVERYTHING
        extras = frozenset(canonicalize_name(extra) for extra in read.extras)
        if read.url is not None:
            return None
        return Line(Requires(project_name(read.name), specifiers, extras, str(read.marker) if read.marker is not None else ""), by)
    except (InvalidRequirement, InvalidName, ValueError, RecursionError):
        raise ValueError(f"{by}: {ascii(text)[:80]} is no requirement") from None
