"""What was ordered here of private releases, as their history tells: no bundle undoes it, whenever that was made (N7)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pypidaemon.errors import NoSuchProject
from pypidaemon.interfaces import IFileRecords
from pypidaemon.model import Filename, FileRecord, NormalizedName
from pypidaemon.versions import same_version

ROWS = 10_000
"""Rows of a history that are read at once."""
_DONE = {"yank": "yanked", "unyank": "unyanked", "hide": "hidden", "show": "shown", "remove": "removed"}
"""By the word that begins the action in the history, what was done: `pypidaemon.indexes.private` writes them."""
_OBJECTS = ("release", "project")


@attrs.define
class Orders:
    """The orders of one private index. Its history is only read where something hangs on it, and every row once."""

    label: str
    files: IFileRecords
    _after: int = attrs.field(init=False, default=0)
    _found: dict[tuple[NormalizedName, str], str] = attrs.field(init=False, factory=dict)
    """By project and release, "" for all of them, what was ordered last."""

    async def keeping(self, name: NormalizedName, records: Sequence[FileRecord]) -> tuple[list[FileRecord], list[tuple[Filename, str]]]:
        """
        These records of a project as they are to be taken over; and the files, each with what was ordered, of which they say something else.

        :raises PypidaemonError: the records cannot be read.
        """
        try:
            _, page = await self.files.page(self.label, name)
        except NoSuchProject:
            return list(records), []
        here = {one.file.filename: one for one in page}
        made, kept = list[FileRecord](), list[tuple[Filename, str]]()
        for record in records:
            known = here.get(record.file.filename)
            if known is None or known.file.digest != record.file.digest or _shown(known) == _shown(record):
                made.append(record)
                continue
            done = await self._done(name, known.version)
            if done is None:
                made.append(record)
                continue
            kept.append((record.file.filename, done))
            made.append(attrs.evolve(record, standing=known.standing, file=attrs.evolve(record.file, yanked=known.file.yanked)))
        return made, kept

    async def _done(self, name: NormalizedName, version: str) -> str | None:
        while rows := await self.files.changes(self.label, self._after, ROWS):
            for row in rows:
                word, _, rest = row.action.partition(" ")
                if word in _DONE and rest in _OBJECTS:
                    self._found[row.name, "" if row.version is None else same_version(row.version)] = _DONE[word]
            self._after = rows[-1].serial
        return self._found.get((name, same_version(version))) or self._found.get((name, ""))


def _shown(record: FileRecord) -> tuple[object, str | None]:
    return record.standing, record.file.yanked
