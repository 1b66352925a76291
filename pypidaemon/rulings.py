"""
Orders about packages as they are in force: what people blocked, and what they exempted from waiting.

Held in memory, so that whoever judges a page need not wait for the records; who changes the records changes this too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name, version_of
from pypidaemon.model import File, NormalizedName, Ruling, RulingKind
from pypidaemon.versions import LONGEST_VERSION, is_exact, same_version

_DIGEST = "sha256:"
Key = tuple[RulingKind, str]


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
    if not is_exact(version.strip()):
        # It would be kept, and never hold for any file.
        raise InvalidName(f"{word[:80]!r} is not one release such as alpha==1.0: name each by itself, or the project")
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
    """
    All rulings in force. `age` counts the changes.

    The dictionaries are replaced and never changed, so that `frozen` costs nothing and a thread may read on while somebody gives orders.
    """

    age: int = attrs.field(default=0, init=False, repr=False)
    _all: Mapping[Key, Ruling] = attrs.field(factory=dict, init=False, repr=False)
    _released: Mapping[RulingKind, Mapping[NormalizedName, int]] = attrs.field(factory=dict, init=False, repr=False)
    """The projects of which single releases are ruled about, and how many: of all others no file name need be read."""
    _sums: Mapping[RulingKind, tuple[int, int]] = attrs.field(factory=dict, init=False, repr=False)
    """How many there are, and a number that all of them make together, whichever came first."""

    def replace(self, rulings: Iterable[Ruling]) -> None:
        """From now on these are in force and no others. Slow for many: to make them on a thread and `adopt` them is better."""
        self._all, self._released, self._sums = {}, {}, {}
        self._change((), rulings)

    def adopt(self, others: Rulings) -> None:
        """From now on those are in force that the others are now, and no more."""
        self._all, self._released, self._sums = others._all, others._released, others._sums
        self.age += 1

    def put(self, ruling: Ruling) -> None:
        """From now on this is in force, instead of one of the same kind and target."""
        self._change(((ruling.kind, ruling.target),), (ruling,))

    def drop(self, kind: RulingKind, *about: str) -> None:
        """From now on those on these targets are not in force."""
        self._change([(kind, one) for one in about], ())

    def frozen(self) -> Rulings:
        """Those of this moment, whatever becomes of them."""
        made = Rulings()
        made.age, made._all, made._released, made._sums = self.age, self._all, self._released, self._sums
        return made

    def revision(self, kind: RulingKind) -> str:
        """Changes with the rulings of that kind; where these are the same it is the same, in another process too."""
        count, total = self._sums.get(kind, (0, 0))
        return f"{total:016x}" if count else ""

    @property
    def count(self) -> int:
        """How many there are, those included whose time is over and that were not taken off yet."""
        return len(self._all)

    def all(self) -> list[Ruling]:
        """Those in force, in the order of kind and target. Slow for many, so call it on a thread."""
        return sorted(self._all.values(), key=lambda ruling: (ruling.kind.value, ruling.target))

    def in_force(self, now: float) -> list[Ruling]:
        """The same without those whose time is over."""
        return [ruling for ruling in self.all() if _lasts(ruling, now)]

    def targets(self) -> Iterator[str]:
        """What they are about, in no order."""
        return (about for _, about in self._all)

    def over(self, now: float) -> list[Ruling]:
        """Those whose time is over, in no order."""
        return [ruling for ruling in self._all.values() if not _lasts(ruling, now)]

    def near(self, kind: RulingKind, name: NormalizedName, now: float) -> list[str]:
        """The targets in force that are about the project or a release of it, in order."""
        about = (key[1] for key in self._all if key[0] is kind and key[1].startswith(name) and project_of(key[1]) == name)
        return sorted(one for one in about if self.on(kind, one, now) is not None)

    def on(self, kind: RulingKind, about: str, now: float) -> Ruling | None:
        """The ruling on exactly that target."""
        ruling = self._all.get((kind, about))
        return ruling if ruling is not None and _lasts(ruling, now) else None

    def on_project(self, kind: RulingKind, name: NormalizedName, now: float) -> Ruling | None:
        """The ruling on that project as a whole."""
        return self.on(kind, name, now)

    def on_file(self, kind: RulingKind, name: NormalizedName, file: File, now: float) -> Ruling | None:
        """The ruling on that file: by its project, its release or its bytes."""
        if not self._all:
            return None
        found = self.on(kind, name, now)
        if found is None and file.digest is not None:
            found = self.on(kind, _DIGEST + file.digest, now)
        if found is None and name in self._released.get(kind, ()):
            version = version_of(file.filename, name)
            found = self.on(kind, release(name, version), now) if version is not None else None
        return found

    def _change(self, gone: Iterable[Key], come: Iterable[Ruling]) -> None:
        every, sums = dict(self._all), dict(self._sums)
        released = {kind: dict(names) for kind, names in self._released.items()}
        arrived = {(ruling.kind, ruling.target): ruling for ruling in come}
        for key in {*gone, *arrived}:
            former = every.pop(key, None)
            if former is not None:
                _count(former, -1, sums, released)
        for key, ruling in arrived.items():
            every[key] = ruling
            _count(ruling, 1, sums, released)
        self._all, self._sums, self._released = every, sums, released
        self.age += 1


def _count(
    ruling: Ruling, step: int, sums: dict[RulingKind, tuple[int, int]], released: dict[RulingKind, dict[NormalizedName, int]]
) -> None:
    """Take that ruling into account, or with -1 out of it again."""
    count, total = sums.get(ruling.kind, (0, 0))
    sums[ruling.kind] = count + step, total ^ _number(ruling)
    spelled, marked, _ = ruling.target.partition("==")
    if marked:
        name, names = NormalizedName(spelled), released.setdefault(ruling.kind, {})
        names[name] = names.get(name, 0) + step
        if not names[name]:
            del names[name]


def _number(ruling: Ruling) -> int:
    return int.from_bytes(blake2b(repr(ruling).encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _lasts(ruling: Ruling, now: float) -> bool:
    return ruling.until is None or now < ruling.until
