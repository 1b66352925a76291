"""
What was seen in a folder, look by look, and what may be shown of it. Pure: it is told what was found and says what to read.

A file that is still being copied has a name and some bytes already. So a file is read once two looks have found it the same, and shown once it was
read whole and found sound; and it is off the page with the first look that does not find it as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from pypidaemon.indexes.directory.looking import Distribution, Mark
from pypidaemon.model import Filename, NormalizedName, ProjectPage
from pypidaemon.simple.reading import covering, in_order
from pypidaemon.simple.revision import revise

SETTLED = 10.0
"""Seconds for which a file has not changed that is believed at the very first look, so that a start shows what was there before."""


@attrs.frozen
class Kept:
    """A file that was read, and the state it was in. `path` is from the folder."""

    path: str
    mark: Mark
    distribution: Distribution


@attrs.define
class Watched:
    """All that is known of one folder."""

    label: str
    seen: Mapping[str, Mark] | None = attrs.field(default=None, init=False)
    """What the last look found; None before the first."""
    kept: dict[str, Kept] = attrs.field(factory=dict, init=False)
    broken: dict[str, Mark] = attrs.field(factory=dict, init=False)
    shown: dict[NormalizedName, dict[Filename, Kept]] = attrs.field(factory=dict, init=False)
    pages: dict[NormalizedName, ProjectPage] = attrs.field(factory=dict, init=False)

    def look(self, found: Mapping[str, Mark], now: float) -> list[str]:
        """Take note of what was found, forget what is not as it was, and answer the paths that are to be read now."""
        before = self.seen
        self.seen = dict(found)
        self.kept = {path: kept for path, kept in self.kept.items() if found.get(path) == kept.mark}
        self.broken = {path: mark for path, mark in self.broken.items() if found.get(path) == mark}
        due = []
        for path, mark in found.items():
            settled = now - mark.changed / 1e9 >= SETTLED if before is None else before.get(path) == mark
            if settled and path not in self.kept and path not in self.broken:
                due.append(path)
        return due

    def took(self, path: str, mark: Mark, distribution: Distribution) -> None:
        """It was read and is sound. Its METADATA can be had again from the file, so it is not kept."""
        self.kept[path] = Kept(path, mark, attrs.evolve(distribution, metadata=b""))

    def refused(self, path: str, mark: Mark) -> None:
        """It was read and is not sound; it is read again only when it has changed."""
        self.broken[path] = mark

    def show(self) -> set[NormalizedName]:
        """
        Make the pages of what is kept now, and answer the projects whose pages came, went or changed.

        Of two files of one name the first in order of their paths is shown.
        """
        shown: dict[NormalizedName, dict[Filename, Kept]] = {}
        for path in sorted(self.kept):
            kept = self.kept[path]
            shown.setdefault(kept.distribution.name, {}).setdefault(kept.distribution.file.filename, kept)
        pages = {}
        for name, files in shown.items():
            before = self.pages.get(name)
            pages[name] = before if before is not None and self.shown.get(name) == files else _page(self.label, name, files.values())
        changed = {name for name in {*pages, *self.pages} if pages.get(name) != self.pages.get(name)}
        self.shown, self.pages = shown, pages
        return changed


def _page(label: str, name: NormalizedName, files: Iterable[Kept]) -> ProjectPage:
    distributions = [kept.distribution for kept in files]
    ordered = in_order(name, (one.file for one in distributions))
    versions = covering(name, (one.version for one in distributions), ordered)
    return revise(ProjectPage(name=name, files=ordered, versions=versions, source=label))
