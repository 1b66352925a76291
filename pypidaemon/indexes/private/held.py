"""A page of a private index as it is held: with all that it takes to put one file more on it without looking at all the others."""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Iterable, Sequence

import attrs

from pypidaemon.filenames import version_of
from pypidaemon.model import File, Filename, FileRecord, NormalizedName, ProjectPage, Standing
from pypidaemon.simple.reading import covering, in_order, normal_version, place, version_order
from pypidaemon.simple.revision import MARK, mark, revision
from pypidaemon.versions import same_version

COMING = 50
"""Files that come before they are put on the page, though nobody has asked for it: of an upload after the other it is made anew once for so many."""


@attrs.define(eq=False)
class Held:
    """
    A page, its entries by their names, and every record of the project, whatever its standing.

    `page` is a value, and replaced; all else belongs to this alone. What a file more makes of it is what `made` would make of all of them. Page and
    entries have all files once `settle` says so; serial and records always do.
    """

    page: ProjectPage
    files: dict[Filename, File]
    records: dict[Filename, FileRecord]
    _places: list[str]
    """What the files are sorted by, in that order."""
    _marks: bytearray
    """The marks of the files, in their order."""
    _versions: dict[str, str]
    """The versions as they are shown, by what tells one from another."""
    _orders: list[str]
    """What the versions are sorted by, in that order."""
    weight: int
    """About how many bytes of memory it takes."""
    serial: int
    """The project's."""
    _coming: list[FileRecord] = attrs.field(factory=list, init=False)
    """What is to be put on the page."""
    _is_good: bool = attrs.field(default=True, init=False)

    @classmethod
    def made(cls, label: str, name: NormalizedName, serial: int, records: Sequence[FileRecord]) -> Held:
        """
        The page of these records.

        :param label: the index's.
        """
        shown = [record for record in records if record.standing is Standing.SHOWN]
        files = in_order(name, (record.file for record in shown))
        versions = covering(name, (record.version for record in shown), files)
        marks = bytearray().join(map(mark, files))
        page = ProjectPage(name=name, files=files, versions=versions, serial=serial, source=label)
        return cls(
            attrs.evolve(page, revision=revision(page, marks)),
            {file.filename: file for file in files},
            {record.file.filename: record for record in records},
            [place(name, file) for file in files],
            marks,
            {same_version(version): version for version in versions},
            [version_order(version) for version in versions],
            2000 + sum(map(_weight, records)),
            serial,
        )

    def add(self, record: FileRecord, serial: int) -> bool:
        """
        Have one file more, of a project that has that serial from now on.

        Answer False where only all records together say what becomes of the page; this is of no use any more then.
        """
        if record.standing is not Standing.SHOWN or record.file.filename in self.records:
            return False
        self.records[record.file.filename] = record
        self.weight += _weight(record)
        self.serial = serial
        self._coming.append(record)
        return len(self._coming) < COMING or self.settle()

    def settle(self) -> bool:
        """Put on the page what has come; answer False as `add` does."""
        if self._coming and self._is_good:
            coming, self._coming = self._coming, []
            # So it stays where that breaks off.
            self._is_good = False
            self._is_good = self._put(coming)
        return self._is_good

    def _put(self, coming: Sequence[FileRecord]) -> bool:
        page, files = self.page, list(self.page.files)
        versions = page.versions
        for record in coming:
            file, new = record.file, self._new_versions(record)
            if new is None:
                return False
            spot = place(page.name, file)
            number = bisect_left(self._places, spot)
            self._places.insert(number, spot)
            self._marks[number * MARK : number * MARK] = mark(file)
            files.insert(number, file)
            self._versions.update(new)
            versions = self._with(versions, new.values())
            self.files[file.filename] = file
        more = attrs.evolve(page, files=tuple(files), versions=versions, serial=self.serial)
        self.page = attrs.evolve(more, revision=revision(more, self._marks))
        return True

    def _new_versions(self, record: FileRecord) -> dict[str, str] | None:
        """The versions that come with that file, as in `_versions`; None where it spells one that is here in another way."""
        new: dict[str, str] = {}
        for version in self._told(record):
            same, shown = same_version(version), normal_version(version)
            if self._versions.get(same, new.get(same, shown)) != shown:
                # Which of them is shown is a matter of the order in which they are looked at.
                return None
            if same not in self._versions:
                new[same] = shown
        return new

    def _told(self, record: FileRecord) -> Iterable[str]:
        """The versions that a file says it is of: its metadata's, and its name's."""
        spelled = version_of(record.file.filename, self.page.name)
        return (record.version, spelled) if spelled else (record.version,)

    def _with(self, versions: tuple[str, ...], new: Iterable[str]) -> tuple[str, ...]:
        """These versions and the new ones, in order."""
        for version in new:
            order = version_order(version)
            number = bisect(self._orders, order)
            self._orders.insert(number, order)
            versions = (*versions[:number], version, *versions[number:])
        return versions


def _weight(record: FileRecord) -> int:
    return 1600 + len(record.file.path) + len(record.file.yanked or "") + len(record.file.requires_python or "")
