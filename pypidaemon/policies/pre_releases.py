"""Which releases are not final yet."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.filenames import version_of
from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting, words
from pypidaemon.versions import Version, known

ALL = ("alpha", "beta", "candidate", "dev")
_PHASES = {"a": "alpha", "b": "beta", "rc": "candidate"}


def kinds_of_pre_release(raw: str) -> tuple[str, ...]:
    """
    Some of `alpha`, `beta`, `candidate` and `dev`.

    :raises ValueError: there is none, or another word.
    """
    found = tuple(dict.fromkeys(word.lower() for word in words(raw)))
    strange = next((word for word in found if word not in ALL), None)
    if strange is not None or not found:
        raise ValueError(f"{strange or ''!r} is none of {', '.join(ALL)}")
    return found


@implementer(IPolicy)
@attrs.frozen
class PreReleases:
    """Hides pre-releases and development releases, by PEP 440. What names no version is shown."""

    label: str = given("label")
    kinds: tuple[str, ...] = setting(kinds_of_pre_release, default=ALL, help="What to hide: some of alpha, beta, candidate and dev.")
    exempt: tuple[str, ...] = setting(globs, default=(), help="Patterns of the projects whose pre-releases are shown.")
    _exempt: Globs = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_exempt", Globs(self.exempt))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        spelled = version_of(file.filename, name)
        version = known(spelled) if spelled is not None else None
        if version is None or not version.is_prerelease or self._exempt.first(name) is not None:
            return None
        kind = next((kind for kind in _kinds(version) if kind in self.kinds), None)
        return None if kind is None else f"version {version} is {_WORDS[kind]}"


_WORDS = {
    "alpha": "an alpha release",
    "beta": "a beta release",
    "candidate": "a release candidate",
    "dev": "a development release",
}


def _kinds(version: Version) -> list[str]:
    """`1.0a1.dev2` is both."""
    phase = [_PHASES[version.pre[0]]] if version.pre is not None else []
    return phase + ["dev"] * version.is_devrelease
