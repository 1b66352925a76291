"""
Orders about packages as they are in force: what people blocked, and what they exempted from waiting.

Held in memory, so that whoever judges a page need not wait for the records; who changes the records changes this too.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name, version_of
from pypidaemon.model import File, NormalizedName, Ruling, RulingKind
from pypidaemon.versions import LONGEST_VERSION, same_version

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
    if len(version) > LONGEST_VERSION or not version.isprintable():
        raise InvalidName(f"{word[:80]!r} is malformed")
    return release(project, version.strip())


def release(name: NormalizedName, version: str) -> str:
    """How a release is named as a target."""
    return f"{name}=={same_version(version)}"


def project_of(about: str) -> NormalizedName | None:
    """The project of a target in its one spelling; None where that names bytes."""
    return None if about.startswith(_DIGEST) else NormalizedName(about.partition("==")[0])


def version_in(about: str) -> str | None:
    """The version of a target in its one spelling, in its normal spelling too; None where it is not about one release."""
    return None if about.startswith(_DIGEST) else about.partition("==")[2] or None


def digest_of(about: str) -> str:
    """The 64 hexadecimal digits of a target that names bytes."""
    return about.removeprefix(_DIGEST)


@attrs.define(eq=False)
class Rulings:
    """All rulings in force. `age` counts the changes."""

    age: int = attrs.field(default=0, init=False)
    _all: dict[tuple[RulingKind, str], Ruling] = attrs.field(factory=dict, init=False, repr=False)
    _released: dict[RulingKind, set[NormalizedName]] = attrs.field(factory=dict, init=False, repr=False)
    """The projects of which single releases are ruled about: of all others no file name need be read."""
    _revisions: dict[RulingKind, str] = attrs.field(factory=dict, init=False, repr=False)

    def replace(self, rulings: Iterable[Ruling]) -> None:
        """From now on these are in force and no others."""
        self._all = {(ruling.kind, ruling.target): ruling for ruling in rulings}
        self._released = {kind: set() for kind in RulingKind}
        for kind, about in self._all:
            name, marked, _ = about.partition("==")
            if marked:
                self._released[kind].add(NormalizedName(name))
        ordered = self.all()
        self._revisions = {kind: _revision([ruling for ruling in ordered if ruling.kind is kind]) for kind in RulingKind}
        self.age += 1

    def revision(self, kind: RulingKind) -> str:
        """Changes with the rulings of that kind; where these are the same it is the same, in another process too."""
        return self._revisions.get(kind, "")

    def all(self) -> list[Ruling]:
        """Those in force, in the order of kind and target."""
        return sorted(self._all.values(), key=lambda ruling: (ruling.kind.value, ruling.target))

    def in_force(self, now: float) -> list[Ruling]:
        """The same without those whose time is over."""
        return [ruling for ruling in self.all() if _lasts(ruling, now)]

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
        return ruling if ruling is not None and _lasts(ruling, now) else None


def _lasts(ruling: Ruling, now: float) -> bool:
    return ruling.until is None or now < ruling.until


def _revision(rulings: list[Ruling]) -> str:
    said = "\n".join(repr(ruling) for ruling in rulings)
    return blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest() if rulings else ""
