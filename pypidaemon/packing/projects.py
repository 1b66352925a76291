"""What a `pyproject.toml` asks for: dependencies, extras, groups of those who develop it (PEP 735), and what it takes to build it (PEP 518). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from packaging.dependency_groups import resolve_dependency_groups
from packaging.utils import canonicalize_name

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.locks import read_toml
from pypidaemon.model import NormalizedName

MOST_PARTS = 200
"""Extras and groups of one project."""

MOST_IN_GROUPS = 20_000
"""Requirements of all groups of one project, each counted as often as a group includes it."""

DEFAULT_BUILD = ("setuptools>=40.8.0", "wheel")
"""What installers take to build a project that does not say what it takes (PEP 518); setuptools asked for `wheel` besides until release 70.1."""


@attrs.frozen
class Part:
    """One list of requirements: the dependencies themselves, or those of an extra or a group, or, where it `builds`, what building takes."""

    extra: str = ""
    group: str = ""
    builds: bool = False

    @property
    def title(self) -> str:
        """What the list is called."""
        if self.builds:
            return "build-system.requires"
        return f"the extra {self.extra}" if self.extra else f"the group {self.group}" if self.group else "project.dependencies"


@attrs.frozen
class Project:
    """
    The lists of requirements, as they stand there.

    :param elsewhere: projects that come from a repository or a folder, as the file says to uv, and the project itself.
    :param notes: what of it is not followed, in sentences.
    """

    parts: Mapping[Part, tuple[str, ...]]
    elsewhere: frozenset[NormalizedName] = frozenset()
    notes: tuple[str, ...] = ()


def read_pyproject(name: str, text: str) -> Project:
    """
    Read such a file.

    :raises ValueError: it is none; the text is one line.
    """
    document = read_toml(name, text, "pyproject.toml")
    project = _table(document, "project")
    parts: dict[Part, tuple[str, ...]] = {}
    if dependencies := _strings(project, "dependencies"):
        parts[Part()] = dependencies
    extras = _table(project, "optional-dependencies")
    parts.update((Part(extra=extra), _strings(extras, extra)) for extra in extras)
    parts.update(_groups(_table(document, "dependency-groups")))
    system = _table(document, "build-system")
    if system or "name" in project:
        parts[Part(builds=True)] = build_requirements(document)
    if len(parts) > MOST_PARTS:
        raise ValueError(f"it has more than {MOST_PARTS} extras and groups")
    elsewhere, notes = _elsewhere(document)
    own = project.get("name")
    return Project(parts, elsewhere | ({_named(own)} if isinstance(own, str) else frozenset()), tuple(notes))


def build_requirements(document: Mapping[str, Any]) -> tuple[str, ...]:
    """
    What it takes to build a project with that `pyproject.toml`.

    :raises ValueError: it does not say that as it should.
    """
    system = _table(document, "build-system")
    if "requires" not in system:
        return DEFAULT_BUILD
    found = _strings(system, "requires")
    of_setuptools = str(system.get("build-backend", "setuptools.build_meta")).startswith("setuptools.")
    return (*found, "wheel") if of_setuptools else found


def _groups(groups: Mapping[str, Any]) -> Iterator[tuple[Part, tuple[str, ...]]]:
    if len(groups) > MOST_PARTS:
        raise ValueError(f"it has more than {MOST_PARTS} groups")
    by_name: dict[str, Any] = {canonicalize_name(group): lines for group, lines in groups.items()}
    sizes: dict[str, int] = {}
    if sum(_size(by_name, name, sizes) for name in by_name) > MOST_IN_GROUPS:
        raise ValueError(f"its groups have more than {MOST_IN_GROUPS} requirements, with those of what they include")
    for group in groups:
        try:
            yield Part(group=group), resolve_dependency_groups(groups, group)
        except Exception as error:  # noqa: BLE001  # several exceptions at once come in a group of them, which is none of those they are
            reason = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            raise ValueError(f"dependency-groups: {' '.join(str(reason).split())[:200]}") from None


def _size(groups: Mapping[str, Any], name: str, sizes: dict[str, int]) -> int:
    """
    How many requirements a group comes to, with all that it includes; twice what it includes twice, as who resolves it goes on to take it.

    Twenty groups that include the one before twice are a million. Circles, and what is no group, are for who resolves it to refuse.
    """
    if name not in sizes:
        sizes[name] = 0
        lines = groups.get(name)
        for line in lines if isinstance(lines, list) else ():
            included = line.get("include-group") if isinstance(line, dict) else None
            sizes[name] += _size(groups, canonicalize_name(included), sizes) if isinstance(included, str) else 1
    return sizes[name]


def _elsewhere(document: Mapping[str, Any]) -> tuple[frozenset[NormalizedName], list[str]]:
    tool = _table(document, "tool")
    names: set[NormalizedName] = set()
    notes: list[str] = []
    for spelled, source in _table(_table(tool, "uv"), "sources").items():
        if isinstance(source, dict) and "index" not in source:
            names.add(_named(spelled))
            notes.append(
                f"{_named(spelled)} is left out, since tool.uv.sources has it come from {ascii(next(iter(source), 'elsewhere'))[1:-1][:40]}"
            )
    poetry = _table(tool, "poetry")
    if ("dependencies" in poetry or "group" in poetry) and "project" not in document:
        notes.append("what tool.poetry needs is written in Poetry's own way, which is not followed: name its poetry.lock")
    return frozenset(names), notes


def _named(spelled: str) -> NormalizedName:
    try:
        return project_name(spelled)
    except InvalidName as error:
        raise ValueError(str(error)) from None


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key, {})
    if isinstance(found, dict):
        return found
    raise ValueError(f"{key} is no table")


def _strings(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{key[:80]!r} is no list of requirements")
    return tuple(found)
