"""
Requirements files as pip has them, read for what they name: projects, specifiers and hashes.

Markers are ignored, since the clients of an index run on many machines: what any of them needs is named. What is no requirement on an index,
a URL or a path, is left out with a warning, and so are the options on how to install.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.settings import Lines, contents
from pypidaemon.versions import SpecifierSet, specifier_set

MOST_FILES = 1000
"""Files that may be read for one setting, those that others include counted."""

# Blanks count from the first of a run alone, or a long run of them would be tried from each (S85).
_COMMENT = re.compile(r"(?:^|(?<!\s)\s+)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S.*)")
_OPTIONS = re.compile(r"(?<!\s)\s+(?=--?[A-Za-z])")
_HASH = re.compile(r"--hash(?:=|\s+)([a-z0-9]+):([0-9A-Fa-f]+)")
_EDITABLE = re.compile(r"-e\b|--editable\b")
_ELSEWHERE = re.compile(r"\.|/|~|[A-Za-z][A-Za-z0-9+]*:|[^\s;\[@]*/|\S+\.(?:whl|zip|tar\.gz|tgz|tar\.bz2)(?:\s|;|\[|$)")

# A URL may hold a password, so the line itself is not repeated (S71).
_LEFT_OUT = "%s: left out, since it names a URL or a path and nothing of an index"

log = logging.getLogger(__name__)


@attrs.frozen
class Wanted:
    """What one line says of a project: versions, and hashes as (algorithm, lower-case hexadecimal value), none where any file will do."""

    specifiers: SpecifierSet
    hashes: frozenset[tuple[str, str]] = frozenset()
    marked: bool = False
    """Whether the line is for some machines only."""
    extras: frozenset[str] = frozenset()
    """The extras that the line asks for, normalised."""
    marker: str = attrs.field(default="", eq=False)
    """Its marker, for whoever has one machine in mind; "" is none."""


@attrs.frozen
class Named:
    """
    Requirements files as they were when they were read; `digest` stands for what they said.

    `wanted` are the requirements by project, `limits` what constraints say of projects, wanted or not.
    """

    paths: tuple[Path, ...]
    wanted: Mapping[NormalizedName, tuple[Wanted, ...]] = attrs.field(repr=False, eq=False)
    limits: Mapping[NormalizedName, tuple[Wanted, ...]] = attrs.field(repr=False, eq=False)
    digest: str
    left_out: tuple[str, ...] = attrs.field(default=(), repr=False, eq=False)
    """Where lines are that name nothing of an index."""

    def __str__(self) -> str:
        return "\n".join(str(path) for path in self.paths)


def requirement_files(paths: Lines, read: Callable[[Path], str] = contents) -> Named:
    """
    Read these files and those that they include (`-r`, `-c`).

    :param read: gives the text of a file, or raises a ValueError that says which cannot be read.
    :raises ValueError: one of them cannot be read, or has a line that is no requirement.
    """
    reading = _Reading(read)
    for path in paths:
        reading.file(path, limiting=False)
    fixed = [{name: tuple(lines) for name, lines in found.items()} for found in (reading.wanted, reading.limits)]
    return Named(tuple(paths), fixed[0], fixed[1], reading.said.hexdigest(), tuple(reading.left_out))


@attrs.define
class _Reading:
    """What was found so far."""

    read: Callable[[Path], str]
    wanted: dict[NormalizedName, list[Wanted]] = attrs.field(factory=dict)
    limits: dict[NormalizedName, list[Wanted]] = attrs.field(factory=dict)
    seen: set[tuple[Path, bool]] = attrs.field(factory=set)
    said: blake2b = attrs.field(factory=lambda: blake2b(digest_size=8))
    left_out: list[str] = attrs.field(factory=list)

    def file(self, path: Path, limiting: bool) -> None:
        """One file; as constraints where `limiting`. One that was read already, as in a circle, says nothing new."""
        waiting = [(path, limiting)]
        while waiting:
            place, limits = waiting.pop(0)
            if (place, limits) in self.seen:
                continue
            self.seen.add((place, limits))
            if len(self.seen) > MOST_FILES:
                raise ValueError(f"{path}: more than {MOST_FILES} files are included")
            text = self.read(place)
            self.said.update(f"{place}\n{limits}\n{text}\n".encode(errors="surrogateescape"))
            for number, line in _lines(text):
                try:
                    waiting += self._line(place, f"{place}, line {number}", line, limits)
                except ValueError as error:
                    raise ValueError(f"{place}, line {number}: {' '.join(str(error).split())}") from None

    def _line(self, place: Path, here: str, line: str, limiting: bool) -> Iterator[tuple[Path, bool]]:
        """Take in one line; what it includes is to be read next."""
        include = _INCLUDE.match(line)
        if include is not None:
            named = include[1].strip("\"'")
            if "://" in named:
                self._leave_out(here)
            else:
                yield Path(os.path.normpath(place.parent / named)), limiting or line.startswith(("-c", "--constraint"))
        elif _EDITABLE.match(line) or (_ELSEWHERE.match(line) and not line.startswith("-")):
            self._leave_out(here)
        elif not line.startswith("-"):
            self._requirement(here, line, self.limits if limiting else self.wanted)

    def _requirement(self, here: str, line: str, found: dict[NormalizedName, list[Wanted]]) -> None:
        spelled = _OPTIONS.split(line, maxsplit=1)[0]
        try:
            read = Requirement(spelled)
            name = project_name(read.name)
        except (InvalidRequirement, InvalidName) as error:
            raise ValueError(f"{spelled[:80]!r} is no requirement: {str(error).partition(chr(10))[0]}") from None
        if read.url is not None:
            self._leave_out(here)
            return
        extras = frozenset(canonicalize_name(extra) for extra in read.extras)
        hashes = frozenset((algorithm, value.lower()) for algorithm, value in _HASH.findall(line))
        marker = str(read.marker) if read.marker is not None else ""
        found.setdefault(name, []).append(Wanted(specifier_set(str(read.specifier)), hashes, bool(marker), extras, marker))

    def _leave_out(self, here: str) -> None:
        log.warning(_LEFT_OUT, here)
        self.left_out.append(here)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with the numbers of where they begin; one that ends in a backslash goes on."""
    begun, begins = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        begins = begins or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", begun + line).strip()
        if whole:
            yield begins, whole
        begun, begins = "", 0
    if begun.strip():
        yield begins, begun.strip()
