"""The pages of a private index: what the records say, as it is shown. Kept in memory until a change is announced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

import attrs

from pypidaemon.interfaces import IRecords
from pypidaemon.model import File, Filename, FileRecord, InThread, NormalizedName, ProjectList, ProjectPage, Standing
from pypidaemon.readings import Readings
from pypidaemon.shelf import Shelf
from pypidaemon.simple.reading import covering, in_order
from pypidaemon.simple.revision import revise

_MANY_FILES = 200


@attrs.frozen
class Held:
    """A page, and its entries by their names, so that finding one does not take reading all."""

    page: ProjectPage
    files: Mapping[Filename, File]


@attrs.define
class Pages:
    """
    All pages of one private index.

    An absence is not kept: it is one look into the records, and keeping it would let made-up names fill the memory (F52).
    """

    label: str
    records: IRecords
    cpu: InThread
    shelf: Shelf[NormalizedName, Held] = attrs.field(factory=lambda: Shelf(8 << 20), init=False)
    readings: Readings[NormalizedName] = attrs.field(factory=Readings, init=False)

    async def held(self, name: NormalizedName) -> Held:
        """
        The project's page.

        :raises NoSuchProject: there is no such project.
        :raises PypidaemonError: the records cannot be read, which is no absence (L3).
        """
        held = self.shelf.get(name)
        if held is None:
            with self.readings.of(name) as reading:
                serial, records = await self.records.files.page(self.label, name)
                many = len(records) > _MANY_FILES
                held = await self.cpu(_made, self.label, name, serial, records) if many else _made(self.label, name, serial, records)
                if reading.holds:
                    self.shelf.put(name, held, _weight(held))
        return held

    async def names(self) -> ProjectList:
        """Every project that was ever started, also one without a file to show, whose name stays claimed (law 3)."""
        numbers = await self.records.files.names(self.label)
        entries, revision = await self.cpu(_listed, numbers)

        def again() -> Iterator[tuple[NormalizedName, int]]:
            return iter(entries)

        return ProjectList(
            entries=again,
            revision=revision,
            serial=max((serial for _, serial in entries), default=0),
            source=self.label,
        )

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: let go of the page of a project, or of all."""
        self.readings.spoil(name)
        self.shelf.drop_where(lambda held: name in (None, held))


def _made(label: str, name: NormalizedName, serial: int, records: Sequence[FileRecord]) -> Held:
    shown = [record for record in records if record.standing is Standing.SHOWN]
    files = in_order(name, (record.file for record in shown))
    versions = covering(name, (record.version for record in shown), files)
    page = revise(ProjectPage(name=name, files=files, versions=versions, serial=serial, source=label))
    return Held(page, {file.filename: file for file in files})


def _listed(numbers: Mapping[NormalizedName, int]) -> tuple[list[tuple[NormalizedName, int]], str]:
    entries = sorted(numbers.items())
    seen = blake2b(digest_size=16)
    for name, serial in entries:
        seen.update(b"%b\t%d\n" % (name.encode(), serial))
    return entries, seen.hexdigest()


def _weight(held: Held) -> int:
    """About how many bytes of memory that takes."""
    return 1000 + sum(1000 + len(file.path) + len(file.yanked or "") + len(file.requires_python or "") for file in held.page.files)
