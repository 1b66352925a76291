"""The pages of a mirror: what it was filled with, as it is shown. Kept in memory until a change is announced."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IRecords
from pypidaemon.model import Digest, File, Filename, InThread, Mirrored, NormalizedName, ProjectPage
from pypidaemon.readings import Readings
from pypidaemon.serials import serial_of
from pypidaemon.shelf import Shelf
from pypidaemon.showing import show, weight
from pypidaemon.simple.revision import revise

DAMAGED = "what is recorded of it is damaged; the next run brings it back"
"""What is wrong with a project that is mirrored and whose record cannot be read."""
_MANY_FILES = 200


@attrs.frozen
class Held:
    """A page, its entries by their names, and the provenance documents that are here; `serial` is what upstream's list announced."""

    page: ProjectPage
    files: Mapping[Filename, File]
    documents: Mapping[Filename, Digest]
    serial: int


@attrs.define
class Pages:
    """
    All pages of one mirror.

    An absence is not kept: it is one look into the records, and keeping it would let made-up names fill the memory (F52).
    """

    label: str
    records: IRecords
    cpu: InThread
    shelf: Shelf[NormalizedName, Held] = attrs.field(factory=lambda: Shelf(24 << 20), init=False)
    readings: Readings[NormalizedName] = attrs.field(factory=Readings, init=False)
    numbered: Callable[[NormalizedName], None] = attrs.field(default=lambda _: None, init=False, repr=False)
    """Called with a project whose page has a higher number than its record, which only the ledger knows of."""

    async def held(self, name: NormalizedName) -> Held:
        """
        The project's page.

        :raises NoSuchProject: it is not mirrored.
        :raises UpstreamUnavailable: it is, and what is recorded of it cannot be read any more, which is no absence (law 10).
        :raises PypidaemonError: the records cannot be read, which is no absence (L3).
        """
        held = self.shelf.get(name)
        if held is None:
            with self.readings.of(name) as reading:
                mirrored = await self.records.mirrors.page(self.label, name)
                if mirrored is None and await self._recorded(name):
                    raise UpstreamUnavailable(self.label, DAMAGED, 60)
                if mirrored is None:
                    raise NoSuchProject(name)
                held = await self.made(mirrored)
                if reading.holds:
                    self.shelf.put(name, held, 2 * weight(held.page))
        return held

    async def _recorded(self, name: NormalizedName) -> bool:
        """Whether there is a record of that name, readable or not."""
        # No letter of a name is above this one, so no name stands between that and the one that is looked for.
        before = f"{name[:-1]}{chr(ord(name[-1]) - 1)}\x7f"
        return [found for found, _ in await self.records.mirrors.serials(self.label, before, 1)] == [name]

    async def made(self, mirrored: Mirrored) -> Held:
        """The page made of that, with its number in the ledger: at least upstream's, and a higher one after every change (R69, R71)."""
        said = mirrored.page
        page = await self.cpu(_shown, self.label, mirrored) if len(said.files) > _MANY_FILES else _shown(self.label, mirrored)
        serial = await serial_of(self.records, self.label, said.name, page.revision, max(said.serial or 0, mirrored.serial))
        if serial > mirrored.serial:
            self.numbered(said.name)
        return Held(
            attrs.evolve(page, serial=serial), {file.filename: file for file in page.files}, dict(mirrored.documents), mirrored.serial
        )

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: let go of the page of a project, or of all."""
        self.readings.spoil(name)
        self.shelf.forget(name)


def _shown(label: str, mirrored: Mirrored) -> ProjectPage:
    # What was found out about the files stands in the entries since they were taken.
    return revise(show(label, mirrored.page, {}))
