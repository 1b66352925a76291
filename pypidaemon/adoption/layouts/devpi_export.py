"""What `devpi-export` writes: `dataindex.json`, which says everything, and the files beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import attrs
from zope.interface import implementer

from pypidaemon.adoption import devpi
from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Passed, Role
from pypidaemon.adoption.layouts import ILayout, IParted
from pypidaemon.errors import InvalidName, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.extracts import Where, extracts
from pypidaemon.simple.large_json import CHUNK

_DATA = "dataindex.json"
_NOWHERE = "https://devpi.invalid/"
_KINDS = {"doczip": "documentation, which is not kept here", "toxresult": "the result of a test, which is not kept here"}


@implementer(IParted)
@attrs.frozen
class DevpiExport:
    """
    The folder that `devpi-export` has written, of any devpi-server since 2.1.

    :param part: the stage index, as `USER/INDEX`, of which the files are taken; None is the only one there is.
    """

    part: str | None = None
    role = Role.PRIVATE
    in_place = False

    def describe(self) -> str:
        """As `ILayout`."""
        return f"a folder that devpi-export has written: {_DATA} and the files of its stage indexes"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        return None if folder.has(_DATA) else f"it has no {_DATA}, which devpi-export writes at the end"

    def of(self, part: str) -> ILayout:
        """As `IParted`."""
        return attrs.evolve(self, part=part)

    def parts(self, folder: Folder) -> list[str]:
        """
        The stage indexes that it has files of.

        :raises PypidaemonError: it is no export, or is damaged.
        :raises OSError: it cannot be read.
        """
        with_files = {where[1]: None for where, _ in _documents(folder) if where[0] == "indexes" and where[2] == "files"}
        return sorted(with_files)

    def find(self, folder: Folder) -> Iterator[Finding]:
        """
        As `ILayout`.

        :raises PypidaemonError: as `parts`; or there are several indexes and none is chosen, or not the one that is.
        """
        part = self._part(self.parts(folder))
        people: set[str] = set()
        for where, said in _documents(folder):
            if where[0] == "users":
                people.add(where[1])
            elif where[2] == "indexconfig":
                yield from _told(where[1], said, part, people)
            elif where[1] == part:
                yield _finding(said)

    def _part(self, parts: list[str]) -> str:
        if self.part is None and len(parts) == 1:
            return parts[0]
        if self.part is None or self.part not in parts:
            which = "say which index" if self.part is None else f"it has no files of an index {devpi.word(self.part)}"
            raise PypidaemonError(f"{which}: --map USER/INDEX=LABEL (known: {' '.join(map(devpi.word, parts[:50]))})")
        return self.part


def _told(index: str, config: dict[str, Any], part: str, people: set[str]) -> Iterator[Passed]:
    if config.get("type") == "mirror":
        yield devpi.mirror(devpi.word(index), config)
    elif index == part:
        yield from (devpi.user(name) for name in sorted(devpi.people(index, config) & people))
        yield from devpi.rights(devpi.word(index), config)
    else:
        yield Passed(devpi.word(index), "is another index, which is not the one to be taken", wrong=False)


def _finding(said: dict[str, Any]) -> Finding:
    path, kind, mapping = said.get("relpath"), said.get("type"), said.get("entrymapping")
    if not isinstance(path, str) or not path or PurePosixPath(path).is_absolute():
        return Passed(_DATA, "an entry in it names no file")
    if kind != "releasefile":
        return Passed(
            path, f"is {_KINDS.get(kind, 'no file of a release') if isinstance(kind, str) else 'no file of a release'}", wrong=False
        )
    try:
        name = project_name(str(said.get("projectname"))[:1000])
    except InvalidName as error:
        return Passed(path, str(error))
    # Export format 1 has the hashes in the same place, under other keys.
    facts = mapping if isinstance(mapping, dict) else {}
    found = devpi.found(path, _NOWHERE + quote(path), {**facts, "log": said.get("log")}, name)
    return found if isinstance(found, Passed) else attrs.evolve(found, file=attrs.evolve(found.file, url=""))


def _documents(folder: Folder) -> Iterator[tuple[Where, dict[str, Any]]]:
    """
    Each user, index and file that it tells of, and where in it: `users NAME`, `indexes USER/INDEX indexconfig` or `indexes USER/INDEX files ""`.

    The rest of it, which is the metadata of all releases, is read past.
    """
    with os.fdopen(folder.open(_DATA), "rb") as source:
        try:
            yield from extracts(iter(lambda: source.read(CHUNK), b""), _wanted)
        except Unreadable as error:
            raise PypidaemonError(f"{_DATA} cannot be read: {error}") from error


def _wanted(keys: Sequence[str]) -> bool:
    match keys:
        case ["users", _] | ["indexes", _, "indexconfig"] | ["indexes", _, "files", ""]:
            return True
    return False
