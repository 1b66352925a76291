"""Who need not wait: projects, single releases, and publishers who attest what they upload."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from functools import lru_cache

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name, version_of
from pypidaemon.globs import globs, matches_any
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import words
from pypidaemon.versions import known, same_version

_PUBLISHER = "publisher:"
_WHO = re.compile(r"[a-z*?][a-z0-9*?-]*:[\x21-\x7e]+")


def exemptions(raw: str) -> tuple[str, ...]:
    """
    Exemptions, separated by white space: patterns of project names, releases such as `django==5.0.1`, and publishers such as `publisher:github:acme/*`.

    :raises ValueError: one of them is none of these.
    """
    found = tuple(dict.fromkeys(_one(word) for word in words(raw)))
    if not found:
        raise ValueError("must not be empty; leave the key out instead")
    return found


@attrs.frozen
class Exempt:
    """Exemptions as they are looked up."""

    projects: tuple[str, ...] = ()
    releases: Mapping[NormalizedName, frozenset[str]] = attrs.field(factory=dict)
    """By project, so that of all others no file name need be read; versions in their normal spelling."""
    publishers: tuple[str, ...] = ()

    def covers(self, name: NormalizedName, file: File) -> bool:
        """Whether project, release or publisher of that file is exempt."""
        if self.projects and matches_any(name, self.projects) is not None:
            return True
        if name in self.releases:
            version = version_of(file.filename, name)
            if version is not None and same_version(version) in self.releases[name]:
                return True
        return bool(self.publishers) and self._attested(file)

    def _attested(self, file: File) -> bool:
        if file.attested is None or file.attested.problem is not None:
            return False
        return any(pattern.match(who.lower()) for pattern in _compiled(self.publishers) for who in file.attested.publishers)


def read(spelled: tuple[str, ...]) -> Exempt:
    """
    What those words of `exemptions` exempt.

    :raises ValueError: as `exemptions`.
    """
    projects: list[str] = []
    releases: dict[NormalizedName, frozenset[str]] = {}
    publishers: list[str] = []
    for word in map(_one, spelled):
        name, marked, version = word.partition("==")
        if word.startswith(_PUBLISHER):
            publishers.append(word[len(_PUBLISHER) :])
        elif marked:
            project = project_name(name)
            releases[project] = releases.get(project, frozenset()) | {version}
        else:
            projects.append(word)
    return Exempt(tuple(projects), releases, tuple(publishers))


def _one(word: str) -> str:
    """That word in its one spelling; raises ValueError where it is no exemption."""
    if word.lower().startswith(_PUBLISHER):
        # Names of owners and repositories are the same in any case, where packages are built by others.
        who = word[len(_PUBLISHER) :].lower()
        if not _WHO.fullmatch(who):
            raise ValueError(f"{word[:80]!r} is no publisher such as publisher:github:owner/repository")
        return _PUBLISHER + who
    name, marked, version = word.partition("==")
    if not marked:
        return globs(word)[0]
    if known(version) is None:
        raise ValueError(f"{word[:80]!r} is no release such as django==5.0.1")
    try:
        return f"{project_name(name)}=={same_version(version)}"
    except InvalidName as error:
        raise ValueError(f"{word[:80]!r}: {error}") from None


@lru_cache(maxsize=64)
def _compiled(publishers: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(fnmatch.translate(publisher)) for publisher in publishers)
