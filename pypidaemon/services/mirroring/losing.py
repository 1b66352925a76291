"""What upstream's page of a project takes away, and whether that is believed at once (M7). Pure."""

from __future__ import annotations

import attrs

from pypidaemon.model import Mirrored, ProjectPage, UpstreamPage


def goes_back(held: Mirrored, page: ProjectPage) -> bool:
    """Whether a page is older than what is offered: it may tell of files that are not here, and says nothing on those that it does not list."""
    return 0 < page.serial < latest(held)


def latest(held: Mirrored) -> int:
    """The highest serial that is known of what is offered; 0 where there is none."""
    return max(held.serial, held.page.serial or 0)


def loses_most(held: Mirrored, page: ProjectPage) -> bool:
    """
    Whether of the files that are offered more than half are not listed any more: as much as if the project were gone.

    While upstream has it in quarantine its page lists none, and nothing is taken away for that (PEP 792).
    """
    return page.status.marker != "quarantined" and 2 * len(lost(held, page)) > len(held.page.files)


def lost(held: Mirrored, page: ProjectPage | UpstreamPage) -> frozenset[str]:
    """The names of the files that are offered and not listed."""
    return frozenset(file.filename for file in held.page.files) - frozenset(file.filename for file in page.files)


def with_lost(held: Mirrored, page: ProjectPage) -> ProjectPage:
    """That page and what is offered and not listed on it besides; it is no older than what is offered."""
    names = lost(held, page)
    files = (*page.files, *(file for file in held.page.files if file.filename in names))
    versions = tuple(dict.fromkeys((*page.versions, *held.page.versions)))
    return attrs.evolve(page, files=files, versions=versions, serial=max(page.serial, latest(held)))
