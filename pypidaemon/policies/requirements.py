"""What requirements files and lock files name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import attrs
from zope.interface import implementer

from pypidaemon.filenames import version_of
from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.policies.requirement_files import Named, Wanted
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.settings import given, paths, setting
from pypidaemon.versions import Version, fits, known

_REMEMBERED = 1 << 14
"""How many versions of projects are remembered as judged."""


@implementer(IPolicy)
@attrs.frozen
class Requirements:
    """
    Shows only the projects that requirements files name, and of these only the versions, and where hashes are given the files, that fit.

    Where several lines name a project, one of them has to fit. Constraints limit what is shown of a project and name none. Dependencies that no
    file names are not shown, so the files should be complete, as those that `pip-compile` and `uv pip compile` write are.
    """

    label: str = given("label")
    files: Named = setting(
        paths, help="Requirements files and lock files, one on each line; they are read at the start.", read=wanted_files
    )
    also: tuple[str, ...] = setting(globs, default=(), help="Patterns of projects that are shown besides, whole.")
    _also: Globs = attrs.field(init=False, repr=False, eq=False)
    _fitting: Callable[[NormalizedName, str | None], tuple[Wanted, ...]] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_also", Globs(self.also))
        object.__setattr__(self, "_fitting", lru_cache(maxsize=_REMEMBERED)(partial(_fitting, self.files)))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that project, or of one that is named that file, is hidden; None shows it."""
        if name not in self.files.wanted:
            return None if self._also.first(name) is not None else "no requirements file names the project"
        if file is None or self._also.first(name) is not None:
            return None
        fitting = self._fitting(name, version_of(file.filename, name))
        if not fitting:
            return "the version fits no line of the requirements files"
        if all(wanted.hashes and wanted.hashes.isdisjoint(file.hashes) for wanted in fitting):
            return "none of the hashes in the requirements files is that of the file"
        return None


def _fitting(files: Named, name: NormalizedName, spelled: str | None) -> tuple[Wanted, ...]:
    """The lines on that project that a version of it fits, unless a constraint forbids it."""
    version = known(spelled) if spelled is not None else None
    limits = files.limits.get(name, ())
    marked = [limit for limit in limits if limit.marked]
    if not all(_fits(limit, version) for limit in limits if not limit.marked):
        return ()
    if marked and not any(_fits(limit, version) for limit in marked):
        return ()
    return tuple(wanted for wanted in files.wanted[name] if _fits(wanted, version))


def _fits(wanted: Wanted, version: Version | None) -> bool:
    """What names no version fits where any version will do."""
    if version is None:
        return not wanted.specifiers
    return fits(wanted.specifiers, version)
