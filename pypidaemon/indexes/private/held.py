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


@attrs.define(eq=False)
class Held:
    """
    A page, its entries by their names, and every record of the project, whatever its standing.

    `page` is a value, and replaced; all else belongs to this alone. What a file more makes of it is what `made` would make of all of them.
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
        )

    def add(self, record: FileRecord, serial: int) -> bool:
        """
        Put one file more on the page, whose project has that serial from now on.

        Answer False, and nothing has happened, where only all records together say what becomes of the page.
        """
        file, page = record.file, self.page
        if record.standing is not Standing.SHOWN or file.filename in self.records:
            return False
        new: dict[str, str] = {}
        for version in self._told(record):
            same, shown = same_version(version), normal_version(version)
            if self._versions.get(same, new.get(same, shown)) != shown:
                # Two spellings of one version: which of them is shown is a matter of the order in which they are looked at.
                return False
            if same not in self._versions:
                new[same] = shown
        spot = place(page.name, file)
        number = bisect_left(self._places, spot)
        self._places.insert(number, spot)
        self._marks[number * MARK : number * MARK] = mark(file)
        self._versions.update(new)
        self.files[file.filename] = file
        self.records[file.filename] = record
        self.weight += _weight(record)
        more = attrs.evolve(
            page,
            files=(*page.files[:number], file, *page.files[number:]),
            versions=self._with(page.versions, new.values()),
            serial=serial,
        )
        self.page = attrs.evolve(more, revision=revision(more, self._marks))
        return True

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
