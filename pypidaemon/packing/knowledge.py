"""What is known of projects while their requirements are resolved: their pages, and what their files say that they need. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pypidaemon.closure import Stated
from pypidaemon.filenames import version_of
from pypidaemon.model import File, Filename, NormalizedName, ProjectPage
from pypidaemon.packing.targets import Target, is_wheel
from pypidaemon.versions import Version, known


@attrs.frozen
class Absence:
    """
    Something that cannot be had, and why.

    :param cause: one word of `report.CAUSES`.
    """

    cause: str
    reason: str


Document = tuple[NormalizedName, Filename]
"""The metadata of a file of a project."""


@attrs.define
class Shelf:
    """The files of a project that fit a target, by version; `yanked` are the versions of which all files are (PEP 592)."""

    files: dict[Version, list[File]]
    yanked: frozenset[Version]


@attrs.define
class Known:
    """Pages, and documents; what cannot be had is known too."""

    pages: dict[NormalizedName, ProjectPage | Absence] = attrs.field(factory=dict)
    documents: dict[Document, Stated | Absence] = attrs.field(factory=dict)
    _shelves: dict[tuple[NormalizedName, Target], Shelf] = attrs.field(factory=dict)

    def shelf(self, name: NormalizedName, target: Target) -> Shelf | None:
        """What there is of a project for that target; None where it is known that nothing can be had. Its page has to be known."""
        page = self.pages[name]
        if isinstance(page, Absence):
            return None
        key = (name, target)
        if key not in self._shelves:
            self._shelves[key] = _shelf(page, target)
        return self._shelves[key]


def spoken(files: Sequence[File]) -> File:
    """Of the files of a release the one that is asked what it needs: a wheel with metadata of its own, else any wheel, else what has to be built."""
    return min(files, key=lambda file: (not is_wheel(file), file.core_metadata is None))


def of_version(page: ProjectPage, version: Version) -> list[File]:
    """The files of that release, in the order of the page."""
    return [file for file in page.files if _version(file, page.name) == version]


def _shelf(page: ProjectPage, target: Target) -> Shelf:
    found: dict[Version, list[File]] = {}
    for file in page.files:
        version = _version(file, page.name)
        if version is not None and target.fits(page.name, file):
            found.setdefault(version, []).append(file)
    return Shelf(found, frozenset(version for version, files in found.items() if all(file.yanked is not None for file in files)))


def _version(file: File, name: NormalizedName) -> Version | None:
    spelled = version_of(file.filename, name)
    return known(spelled) if spelled is not None else None
