"""
Orders about packages as they are in force: what people blocked, and what they exempted from waiting.

Held in memory, so that whoever judges a page need not wait for the records; who changes the records changes this too.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name, version_of
from pypidaemon.model import File, NormalizedName, Ruling, RulingKind
from pypidaemon.versions import same_version

_DIGEST = "sha256:"


def target(raw: str) -> str:
    """
    What a ruling is about, in its one spelling: `NAME`, `NAME==VERSION` or `sha256:HEX`.

    :raises InvalidName: it is none of these.
    """
    word = raw.strip()
    if word.lower().startswith(_DIGEST):
        digest = word[len(_DIGEST) :].lower()
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise InvalidName(f"{word[:80]!r} is no sha256: it has 64 hexadecimal digits")
        return _DIGEST + digest
    name, marked, version = word.partition("==")
    project = project_name(name.strip())
    if not marked:
        return project
    if not version.strip():
        raise InvalidName(f"{word[:80]!r} names no version")
    return release(project, version.strip())


def release(name: NormalizedName, version: str) -> str:
    """How a release is named as a target."""
    return f"{name}=={same_version(version)}"


@attrs.define(eq=False)
class Rulings:
    """All rulings in force. `age` counts the changes."""

    age: int = attrs.field(default=0, init=False)
    _all: dict[tuple[RulingKind, str], Ruling] = attrs.field(factory=dict, init=False, repr=False)
    _released: dict[RulingKind, set[NormalizedName]] = attrs.field(factory=dict, init=False, repr=False)
    """The projects of which single releases are ruled about: of all others no file name need be read."""

    def replace(self, rulings: Iterable[Ruling]) -> None:
        """From now on these are in force and no others."""
        self._all = {(ruling.kind, ruling.target): ruling for ruling in rulings}
        self._released = {kind: set() for kind in RulingKind}
        for kind, about in self._all:
            name, marked, _ = about.partition("==")
            if marked:
                self._released[kind].add(NormalizedName(name))
        self.age += 1

    def all(self) -> list[Ruling]:
        """Those in force, in the order of kind and target."""
        return sorted(self._all.values(), key=lambda ruling: (ruling.kind.value, ruling.target))

    def on_project(self, kind: RulingKind, name: NormalizedName, now: float) -> Ruling | None:
        """The ruling on that project as a whole."""
        return self._valid(kind, name, now)

    def on_file(self, kind: RulingKind, name: NormalizedName, file: File, now: float) -> Ruling | None:
        """The ruling on that file: by its project, its release or its bytes."""
        if not self._all:
            return None
        found = self._valid(kind, name, now)
        if found is None and file.digest is not None:
            found = self._valid(kind, _DIGEST + file.digest, now)
        if found is None and name in self._released.get(kind, ()):
            version = version_of(file.filename, name)
            found = self._valid(kind, release(name, version), now) if version is not None else None
        return found

    def _valid(self, kind: RulingKind, about: str, now: float) -> Ruling | None:
        ruling = self._all.get((kind, about))
        return ruling if ruling is not None and (ruling.until is None or now < ruling.until) else None
