"""
What is shown of a project while its upstream cannot be asked and another index stands in (M18, S28, S33). Pure.

The upstream's own last word stays: what it listed is listed, with the bytes that it promised, and what it had taken away does not come back by way of an
index that forgot to. The other one adds what is newer.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from pypidaemon.model import File, Filename, UpstreamPage
from pypidaemon.moments import uploaded
from pypidaemon.showing import quarantined
from pypidaemon.simple.reading import covering

SLACK = 900.0
"""Seconds by which an upload may be older than the page that does not list it yet: pages lie in caches on their way for so long."""


@attrs.frozen
class Together:
    """
    A page put together of two.

    :param added: the files on it that the upstream itself has not told of.
    """

    page: UpstreamPage
    added: frozenset[Filename]


def together(known: UpstreamPage | None, confirmed: float, said: UpstreamPage, gone: Collection[Filename]) -> Together | None:
    """
    The page while `said` stands in; None where it says nothing that is not known better.

    Files of which it tells no sha256 are left out: what they are could be anything.

    :param known: what the upstream itself said last, None where it was never asked.
    :param confirmed: when it last said so, seconds since the epoch.
    :param said: the page of the index that stands in.
    :param gone: the files that the upstream listed once and no longer does.
    """
    files = [_provisional(file) for file in said.files if file.digest is not None]
    if known is None:
        made = UpstreamPage(said.name, tuple(files), covering(said.name, (), files), said.status)
        return Together(made, frozenset(file.filename for file in files))
    ahead = said.serial - known.serial if known.serial is not None and said.serial is not None else 0
    if ahead < 0:
        return None
    later = ahead > 0
    listed = {file.filename for file in known.files} | set(gone)
    added = [file for file in files if file.filename not in listed and _is_newer(file, confirmed, later)]
    shown = known.files
    if later:
        yanks = {(file.filename, file.digest): file.yanked for file in said.files}
        shown = tuple(attrs.evolve(file, yanked=yanks.get((file.filename, file.digest), file.yanked)) for file in known.files)
    status = said.status if later and not quarantined(known) else known.status
    if not added and shown == known.files and status == known.status:
        return None
    made = attrs.evolve(
        known, files=(*shown, *added), versions=covering(known.name, known.versions, added), status=status, max_age=None, refused=0
    )
    return Together(made, frozenset(file.filename for file in added))


def _is_newer(file: File, confirmed: float, later: bool) -> bool:
    """Whether a file that the upstream did not list came to be after it said so; else it was taken away, or never was there."""
    moment = uploaded(file)
    return later if moment is None else moment > confirmed - SLACK


def _provisional(file: File) -> File:
    """An entry as far as it can be held to its word. Its companions are not promised, since nothing is to be learned by them before the upstream has spoken."""
    return attrs.evolve(file, core_metadata=None, provenance=None)
