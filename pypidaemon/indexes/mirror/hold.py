"""
What was taken for projects that are not filled in yet. No record names those bytes, and a long project may take days.

So whatever clears up finds them too young for as long as more of the project arrives (law 7, M3).
"""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.indexes.mirror.documents import Documents
from pypidaemon.indexes.mirror.keeping import needs_of
from pypidaemon.interfaces import IBlobStore, IRecords
from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.showing import completed
from pypidaemon.upstream_files import renewed

OFTEN = 1_800.0
"""Seconds after which all that was taken of a project is renewed when the next of its files has arrived."""
FORGOTTEN = 86_400.0
"""Seconds after which a project of which nothing arrived any more is given up; whoever takes it up again renews what is here."""

log = Logger()


@attrs.define
class _Taken:
    renewed: float
    last: float
    files: dict[Filename, File] = attrs.field(factory=dict)


@attrs.define
class Hold:
    """What is under way of one mirror; in memory alone, since what a crash leaves is renewed when it is taken again."""

    label: str
    records: IRecords
    blobs: IBlobStore
    documents: Documents
    clock: IReactorTime
    _taken: dict[NormalizedName, _Taken] = attrs.field(factory=dict, init=False, repr=False)

    async def add(self, name: NormalizedName, file: File) -> None:
        """That file and its companions came, or were found here, and nothing records that yet."""
        now = self.clock.seconds()
        taken = self._taken.get(name)
        if taken is None:
            self._taken = {other: one for other, one in self._taken.items() if now - one.last < FORGOTTEN}
            taken = self._taken.setdefault(name, _Taken(now, now))
        taken.files[file.filename], taken.last = file, now
        if now - taken.renewed >= OFTEN:
            taken.renewed = now
            await self._renew(name, taken)

    def let_go(self, name: NormalizedName) -> None:
        """A record names what was taken of that project."""
        self._taken.pop(name, None)

    async def _renew(self, name: NormalizedName, taken: _Taken) -> None:
        try:
            facts = await self.records.facts.known(self.label, name)
            files = completed(self.label, name, taken.files.values(), facts)
            documents = await self.documents.of(name, files, None)
            await renewed(self.blobs, needs_of(files, documents.values()))
        except PypidaemonError as error:
            # The file that was taken is none the worse for it.
            log.warn("{label}: what was taken of {name} cannot be renewed: {error}", label=self.label, name=name, error=str(error))
