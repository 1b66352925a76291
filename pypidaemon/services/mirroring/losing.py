"""What upstream's page of a project takes away, and whether that is believed at once (M7). Pure."""

from __future__ import annotations

import attrs

from pypidaemon.model import File, Mirrored, ProjectPage, UpstreamPage


def goes_back(held: Mirrored, page: ProjectPage, since: float) -> bool:
    """
    Whether a page is older than what is offered: it may tell of files that are not here, and says nothing on those that it does not list.

    :param since: when its upstream was first asked; what was taken until then has the serial of another (F22).
    """
    return (not since or held.taken > since) and 0 < page.serial < latest(held)


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


def entry(page: ProjectPage | UpstreamPage, filename: str) -> File | None:
    """What that page says of that file; None where it does not list it."""
    return next((file for file in page.files if file.filename == filename), None)


def is_replaced(offered: File | None, listed: File | None, wanted: File) -> bool:
    """
    Whether upstream has other bytes under the name of what is offered, so that whoever lost the first ones does not get them there (S28, F26).

    :param offered: what is offered; None where nothing is, so that nothing can be lost.
    :param listed: what upstream's page says, or None.
    :param wanted: what was asked for in vain.
    """
    if offered is None or listed is None or offered.digest != wanted.digest:
        return False
    return listed.digest not in (None, offered.digest)


def with_lost(held: Mirrored, page: ProjectPage) -> ProjectPage:
    """That page and what is offered and not listed on it besides; it is no older than what is offered."""
    names = lost(held, page)
    files = (*page.files, *(file for file in held.page.files if file.filename in names))
    versions = tuple(dict.fromkeys((*page.versions, *held.page.versions)))
    return attrs.evolve(page, files=files, versions=versions, serial=max(page.serial, latest(held)))
