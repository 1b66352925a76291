"""The pages of a private index: what the records say, as it is shown. Kept in memory until a change is announced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import blake2b

import attrs

from pypidaemon.indexes.private.held import Held
from pypidaemon.interfaces import IRecords
from pypidaemon.listings import in_stretches
from pypidaemon.model import Entered, Filename, FileRecord, InThread, NormalizedName, OnRecord, ProjectList
from pypidaemon.readings import Readings
from pypidaemon.shelf import Shelf

_MANY_FILES = 200
LIMIT = 48 << 20
"""Bytes of pages held, about: some of the very largest, or some thousands of usual ones."""


@attrs.define
class Pages:
    """
    All pages of one private index.

    An absence is not kept: it is one look into the records, and keeping it would let made-up names fill the memory (F52).
    """

    label: str
    records: IRecords
    cpu: InThread
    shelf: Shelf[NormalizedName, Held] = attrs.field(factory=lambda: Shelf(LIMIT), init=False)
    readings: Readings[NormalizedName] = attrs.field(factory=Readings, init=False)
    told: int = attrs.field(default=0, init=False)
    """How often a change was announced, of whatever index."""

    async def held(self, name: NormalizedName) -> Held:
        """
        The project's page.

        :raises NoSuchProject: there is no such project.
        :raises PypidaemonError: the records cannot be read, which is no absence (L3).
        """
        held = self.shelf.get(name)
        if held is None or not held.settle():
            with self.readings.of(name) as reading:
                serial, records = await self.records.files.page(self.label, name)
                made = partial(Held.made, self.label, name, serial, records)
                held = await self.cpu(made) if len(records) > _MANY_FILES else made()
                if reading.holds:
                    self.shelf.put(name, held, held.weight)
        return held

    def look(self, name: NormalizedName, filename: Filename) -> OnRecord | None:
        """
        What is on record of that file name, as far as it is held here, save who owns the project.

        It may have been overtaken by another process a moment ago.
        """
        held = self.shelf.get(name)
        return None if held is None else OnRecord(held.serial, record=held.records.get(filename))

    def set_aside(self, name: NormalizedName) -> Held | None:
        """Take that page out of what is held, for `extend` to bring it back."""
        held = self.shelf.get(name)
        self.shelf.drop(name)
        return held

    def extend(self, name: NormalizedName, held: Held | None, record: FileRecord, entered: Entered) -> None:
        """
        Have what makes the page with that file on it at hand, if it can be told from what was set aside. The page itself is made for who asks for it.

        :param held: what was set aside when the file had been recorded, and before that was announced.
        """
        if entered.before is None:
            held = Held.made(self.label, name, entered.serial, [record])
        elif held is None or held.serial != entered.before or not held.add(record, entered.serial):
            return
        self.shelf.put(name, held, held.weight)

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
            stretches=in_stretches(entries),
        )

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: let go of the page of a project, or of all."""
        self.told += 1
        self.readings.spoil(name)
        self.shelf.forget(name)


def _listed(numbers: Mapping[NormalizedName, int]) -> tuple[list[tuple[NormalizedName, int]], str]:
    entries = sorted(numbers.items())
    seen = blake2b(digest_size=16)
    for name, serial in entries:
        seen.update(b"%b\t%d\n" % (name.encode(), serial))
    return entries, seen.hexdigest()
