"""What publishers, and who runs the index, say of whole projects."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPagePolicy
from pypidaemon.model import File, Filename, NormalizedName, ProjectPage
from pypidaemon.settings import given, setting, words

MARKERS = ("archived", "deprecated", "quarantined")
_LONGEST = 200
"""Characters of a reason from elsewhere that are repeated."""


def markers(raw: str) -> tuple[str, ...]:
    """
    Some of PEP 792's markers of projects: `archived`, `deprecated`, `quarantined`.

    :raises ValueError: there is none, or another word.
    """
    found = tuple(dict.fromkeys(word.lower() for word in words(raw)))
    strange = next((word for word in found if word not in MARKERS), None)
    if strange is not None or not found:
        raise ValueError(f"{strange or ''!r} is none of {', '.join(MARKERS)}")
    return found


@implementer(IPagePolicy)
@attrs.frozen
class Statuses:
    """Hides all files of projects with certain status markers (PEP 792)."""

    label: str = given("label")
    deny: tuple[str, ...] = setting(markers, help="The markers of the projects to hide: some of archived, deprecated and quarantined.")

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """None: a file itself has no status."""
        return None

    def refusals(self, page: ProjectPage, now: float) -> Mapping[Filename, str]:
        """All files of the page, or none."""
        status = page.status
        if status.marker not in self.deny:
            return {}
        said = " ".join((status.reason or "").split())[:_LONGEST].rstrip()
        reason = f"the project is {status.marker}" + (f": {said}" if said else "")
        return {file.filename: reason for file in page.files}
