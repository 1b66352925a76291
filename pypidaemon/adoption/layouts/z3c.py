"""
The folder of z3c.pypimirror: `Name/file`, with the md5 of each file in `Name/.file.md5`, and pages that it makes of what is there (1.1 of switching.md).

The names of the folders are as upstream spelled them. The md5 is that which upstream's page promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Entry, Folder
from pypidaemon.adoption.found import Finding, Found, Passed, Project, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.naming import LINK, hidden, named, spelled

_MD5 = re.compile(rb"\s*([0-9a-fA-F]{32})\b")
_LONGEST = 4096


@implementer(ILayout)
@attrs.frozen
class PypiMirror:
    """A folder for each project, and in it the files and what they are to hash to."""

    role: Role = Role.MIRRORED
    in_place: bool = True

    def describe(self) -> str:
        """As `ILayout`."""
        return "Name/file with Name/.file.md5 beside it, as z3c.pypimirror keeps them"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        if folder.has("web/simple") or folder.has("web/packages"):
            return "it has a folder web, as that of bandersnatch or pep381client"
        return None

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        for entry in folder.entries():
            if entry.kind == "folder" and not hidden(entry):
                yield from self._project(folder, entry)
            else:
                yield _beside(entry)

    def _project(self, folder: Folder, place: Entry) -> Iterator[Finding]:
        name = spelled(place.name)
        if name is None:
            yield Passed(place.path, "no project can have this name")
            return
        try:
            entries = folder.entries(place.path)
        except OSError as error:
            yield Passed(place.path, error.strerror or type(error).__name__)
            return
        yield Project(name)
        for entry in entries:
            if hidden(entry) and entry.name.endswith(".md5"):
                continue
            found = Passed(entry.path, "a folder in that of a project") if entry.kind == "folder" else named(entry, name)
            yield _with_md5(folder, place, found) if isinstance(found, Found) else found


def _with_md5(folder: Folder, place: Entry, found: Found) -> Found | Passed:
    beside = f"{place.path}/.{found.file.filename}.md5"
    if not folder.has(beside):
        return found
    try:
        said = _MD5.match(folder.read(beside, _LONGEST))
    except OSError as error:
        return Passed(found.path, f"what is kept beside it cannot be read: {error.strerror or type(error).__name__}")
    if said is None:
        return Passed(found.path, "what is kept beside it is no md5")
    return attrs.evolve(found, file=attrs.evolve(found.file, hashes=(("md5", said[1].decode().lower()),)))


def _beside(entry: Entry) -> Passed:
    """What lies where only folders of projects belong: pages, a lock, a log; a distribution there is nobody's."""
    if entry.kind == "link":
        return Passed(entry.path, LINK, wrong=not hidden(entry))
    found = named(entry)
    return found if isinstance(found, Passed) else Passed(entry.path, "it lies in no folder of a project")
