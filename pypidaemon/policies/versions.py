"""Which versions of certain projects there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

import attrs
from zope.interface import implementer

from pypidaemon.filenames import version_of
from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting
from pypidaemon.versions import SpecifierSet, fits, known, specifier_set

_AROUND = re.compile(r"(?:(?<!\s)\s+)?(===|==|~=|!=|<=|>=|<|>|,)\s*")
_NAME_ENDS = re.compile(r"[=~!<>]")
_REMEMBERED = 1 << 14
"""How many versions of projects are remembered as judged."""


@attrs.frozen
class Bound:
    """Some versions of the projects that a pattern of names matches, by PEP 440's specifiers."""

    glob: str
    specifiers: str

    def __str__(self) -> str:
        return f"{self.glob}{self.specifiers}"


def bounds(raw: str) -> tuple[Bound, ...]:
    """
    Projects with version specifiers, each best on a line of its own: `django >=4,<5` or `acme-* !=1.3`.

    :raises ValueError: there is none, or one that cannot be read.
    """
    found = tuple(_bound(word) for word in _AROUND.sub(r"\1", raw).split())
    if not found:
        raise ValueError("must not be empty; leave the key out instead")
    return found


@implementer(IPolicy)
@attrs.frozen
class Versions:
    """
    Shows only certain versions of certain projects; a project that nothing is said about is shown whole.

    Pre-releases are versions like others here. Where several lines are about a project, a version has to match one of them. A file that names
    no version of such a project is not shown by `allow`, and not hidden by `deny`.
    """

    label: str = given("label")
    allow: tuple[Bound, ...] = setting(
        bounds, default=(), help="The versions to show of certain projects, as `django >=4,<5`, one on each line."
    )
    deny: tuple[Bound, ...] = setting(bounds, default=(), help="The versions to hide of certain projects, written alike.")
    _judged: Callable[[NormalizedName, str | None], str | None] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Read the specifiers, once."""
        judge = partial(_refusal, _read(self.allow), _read(self.deny))
        object.__setattr__(self, "_judged", lru_cache(maxsize=_REMEMBERED)(judge))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        return None if file is None else self._judged(name, version_of(file.filename, name))


_Lines = tuple[tuple[Globs, SpecifierSet], ...]


def _refusal(allow: _Lines, deny: _Lines, name: NormalizedName, spelled: str | None) -> str | None:
    version = known(spelled) if spelled is not None else None
    for projects, specifiers in deny:
        if version is not None and projects.first(name) is not None and fits(specifiers, version):
            return f"version {version} is denied by {specifiers}"
    wanted = [specifiers for projects, specifiers in allow if projects.first(name) is not None]
    if wanted and version is None:
        return "the file names no version that could be allowed"
    if wanted and not any(fits(specifiers, version) for specifiers in wanted if version is not None):
        return f"version {version} is not allowed by {' or '.join(str(specifiers) for specifiers in wanted)}"
    return None


def _read(bounds: tuple[Bound, ...]) -> _Lines:
    return tuple((Globs((bound.glob,)), specifier_set(bound.specifiers)) for bound in bounds)


def _bound(word: str) -> Bound:
    begins = _NAME_ENDS.search(word)
    if begins is None:
        raise ValueError(f"{word[:80]!r} names no versions; write a line such as django >=4,<5")
    try:
        (glob,) = globs(word[: begins.start()])
        return Bound(glob, str(specifier_set(word[begins.start() :])))
    except ValueError as error:
        raise ValueError(f"{word[:80]!r}: {error}") from None
