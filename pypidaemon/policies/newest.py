"""How many releases there are."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from zope.interface import implementer

from pypidaemon.filenames import version_of
from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IPagePolicy
from pypidaemon.model import File, Filename, NormalizedName, ProjectPage
from pypidaemon.settings import count, given, setting
from pypidaemon.versions import Version, known


def at_least_one(raw: str) -> int:
    """A whole number from 1 on."""
    found = count(raw)
    if found < 1:
        raise ValueError("must be 1 or more; to show nothing, deny the name")
    return found


@implementer(IPagePolicy)
@attrs.frozen
class Newest:
    """
    Shows only the newest releases of each project, by PEP 440 and of those that other policies show.

    Final and pre-releases count alike. Versions that PEP 440 does not know, and files that name none, are older than all others.
    """

    label: str = given("label")
    count: int = setting(at_least_one, help="How many releases to show.")
    exempt: tuple[str, ...] = setting(globs, default=(), help="Patterns of the projects of which all releases are shown.")
    _exempt: Globs = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_exempt", Globs(self.exempt))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """None: by itself no file is too old."""
        return None

    def refusals(self, page: ProjectPage, now: float) -> Mapping[Filename, str]:
        """The files of all releases but the newest ones."""
        if self._exempt.first(page.name) is not None:
            return {}
        releases: dict[_Rank, list[Filename]] = {}
        for file in page.files:
            releases.setdefault(_rank(version_of(file.filename, page.name)), []).append(file.filename)
        many = f"{self.count} newest releases are" if self.count > 1 else "newest release is"
        reason = f"only the {many} shown"
        older = sorted(releases, reverse=True)[self.count :]
        return {filename: reason for rank in older for filename in releases[rank]}


_Rank = tuple[bool, Version, str]
_NONE = Version("0")


def _rank(spelled: str | None) -> _Rank:
    """What releases are ordered by; one and the same for all spellings of a version."""
    version = known(spelled) if spelled is not None else None
    return (False, _NONE, spelled or "") if version is None else (True, version, "")
