"""
For which targets each package of a lock is needed. Pure.

A lock is for many machines, and some of its packages are for some of them only: that there is no file of `pywin32` for Linux is nothing that is missing.
Where the lock does not say enough a package counts as needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from pypidaemon.environments import cost
from pypidaemon.locks import Edge, Lock, Locked
from pypidaemon.model import NormalizedName
from pypidaemon.packing.targets import Target
from pypidaemon.versions import Version

MOST_WORK = 30_000_000
"""Characters of markers that are evaluated for all targets together: some ten seconds. A lock of 2,000 packages has a hundredth, for ten targets."""

_Key = tuple[NormalizedName, Version | None, str]
"""A project, one version of it or any, and an extra of it, "" for none."""


def needed(lock: Lock, targets: Sequence[Target]) -> list[tuple[Target, ...]]:
    """
    The targets that need each package, in the order of the lock.

    :raises ValueError: its markers are so long that nobody could wait for the answer; the text is one line.
    """
    _insist_on_little(lock, targets)
    graph = _Graph.of(lock)
    found = [graph.followed(lock.roots, target) if lock.roots is not None else _said(lock, target) for target in targets]
    return [tuple(target for target, where in zip(targets, found, strict=True) if where[number]) for number in range(len(lock.packages))]


@attrs.frozen
class _Graph:
    """Which packages of a lock are meant where one needs another. Each is looked at a few times, however many there are of one name."""

    packages: Sequence[Locked]
    meant: Mapping[_Key, Sequence[int]]

    @classmethod
    def of(cls, lock: Lock) -> _Graph:
        """That of this lock."""
        meant: dict[_Key, list[int]] = {}
        for number, package in enumerate(lock.packages):
            for version in {package.version, None}:
                for extra in {"", *package.edges}:
                    meant.setdefault((package.name, version, extra), []).append(number)
        return cls(lock.packages, meant)

    def followed(self, roots: Iterable[Edge], target: Target) -> list[bool]:
        """What can be reached from the project itself, by what applies there."""
        reached = [False] * len(self.packages)
        seen: set[_Key] = set()
        done: set[tuple[int, str]] = set()
        waiting = list(roots)
        while waiting:
            edge = waiting.pop()
            keys = [key for extra in ("", *edge.extras) if (key := (edge.name, edge.version, extra)) not in seen]
            if not keys or not _applies(edge.marker, target):
                continue
            seen.update(keys)
            for key in keys:
                for number in self.meant.get(key, ()):
                    reached[number] = True
                    if (number, key[2]) not in done:
                        done.add((number, key[2]))
                        waiting += self.packages[number].edges.get(key[2], ())
        return reached


def _said(lock: Lock, target: Target) -> list[bool]:
    """
    What applies by its own marker, and of what others need what one of these needs there.

    What the project itself needs of the latter, no matter who else does, such locks do not say.
    """
    by_others: dict[NormalizedName, bool] = {}
    for package in lock.packages:
        for edge in (edge for edges in package.edges.values() for edge in edges):
            by_others[edge.name] = by_others.get(edge.name, False) or _applies(edge.marker, target)
    return [_applies(package.marker, target) and by_others.get(package.name, True) for package in lock.packages]


def _insist_on_little(lock: Lock, targets: Sequence[Target]) -> None:
    markers = {package.marker for package in lock.packages}
    markers.update(edge.marker for package in lock.packages for edges in package.edges.values() for edge in edges)
    markers.update(edge.marker for edge in lock.roots or ())
    if sum(map(cost, markers)) * len(targets) > MOST_WORK:
        raise ValueError(f"its markers are too long to be evaluated for {len(targets)} Pythons and platforms")


def _applies(marker: str, target: Target) -> bool:
    # An extra says here that somebody asked for it, or, in uv's locks, which of several conflicting ones.
    return "extra" in marker or "dependency_groups" in marker or target.applies(marker)
