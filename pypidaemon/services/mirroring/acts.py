"""What a run does to an index and its books, and what a rehearsal only writes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.interfaces import IFillable, IRecords
from pypidaemon.model import File, Leaving, NormalizedName, Progress, ProjectPage, Waiting
from pypidaemon.returns import forget_over
from pypidaemon.services.mirroring.losing import lost
from pypidaemon.services.mirroring.tally import Tally

KEPT = 7 * 86_400.0
"""Seconds for which that is remembered which an index without a delay of its own offers no longer."""

MOST_PLANNED = 10_000
"""Lines of each kind that a rehearsal writes down."""


class Acts(Protocol):
    """Everything by which a run changes something."""

    async def take(self, name: NormalizedName, file: File) -> int:
        """As `IFillable.take`."""

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `IFillable.fill`."""

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """Offer these projects no longer; they can be brought back for a while."""

    async def wait(self, waiting: Sequence[Waiting]) -> None:
        """As `IMirrorRecords.wait`."""

    async def done(self, name: NormalizedName) -> None:
        """As `IMirrorRecords.done`."""

    async def advance(self, progress: Progress) -> None:
        """As `IMirrorRecords.advance`."""

    async def forget(self) -> None:
        """Forget what left and whose time is over."""


@attrs.frozen
class Doing:
    """Does it."""

    index: IFillable
    records: IRecords
    announcements: Announcements
    clock: IReactorTime
    delay: float = KEPT
    tally: Tally = attrs.field(factory=lambda: Tally(0.0))

    async def take(self, name: NormalizedName, file: File) -> int:
        """As `Acts`."""
        return await self.index.take(name, file)

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `Acts`."""
        mirrors, label = self.records.mirrors, self.index.label
        before = await mirrors.page(label, page.name)
        await self.index.fill(page, files, serial, complete)
        if before is None or {file.filename for file in before.page.files} <= {file.filename for file in files}:
            return
        after = await mirrors.page(label, page.name)
        if after is not None:
            self.tally.files_removed += len(lost(before, after.page))

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """As `Acts`."""
        label, now = self.index.label, self.clock.seconds()
        for name in names:
            mirrored = await self.records.mirrors.page(label, name)
            if mirrored is not None:
                await self.records.mirrors.leave(label, [Leaving(name, None, now, now + self.delay, mirrored)])
                self.announcements.announce(name)
            await self.records.mirrors.done(label, name)

    async def wait(self, waiting: Sequence[Waiting]) -> None:
        """As `Acts`."""
        await self.records.mirrors.wait(self.index.label, waiting)

    async def done(self, name: NormalizedName) -> None:
        """As `Acts`."""
        await self.records.mirrors.done(self.index.label, name)

    async def advance(self, progress: Progress) -> None:
        """As `Acts`."""
        await self.records.mirrors.advance(self.index.label, progress)

    async def forget(self) -> None:
        """As `Acts`: the bytes are cleared away by whoever clears away what nobody needs."""
        await forget_over(self.index.label, self.records.mirrors, self.clock.seconds())


@attrs.frozen
class Rehearsing:
    """Does nothing of it, and writes down what would be taken and removed."""

    index: IFillable
    records: IRecords
    tally: Tally

    async def take(self, name: NormalizedName, file: File) -> int:
        """As `Acts`."""
        self._note("take", f"{name} {file.filename}")
        return file.size or 0

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `Acts`."""
        held = await self.records.mirrors.page(self.index.label, page.name)
        kept = {file.filename for file in files}
        for file in held.page.files if held is not None else ():
            if file.filename not in kept:
                why = "it is not chosen any more" if page.file(file.filename) is not None else "upstream lists it no longer"
                self._note("remove", f"{page.name} {file.filename}: {why}")

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """As `Acts`."""
        for name in names:
            self._note("remove", f"{name}: {why}")

    async def wait(self, waiting: Sequence[Waiting]) -> None:
        """As `Acts`."""

    async def done(self, name: NormalizedName) -> None:
        """As `Acts`."""

    async def advance(self, progress: Progress) -> None:
        """As `Acts`."""

    async def forget(self) -> None:
        """As `Acts`."""

    def _note(self, what: str, line: str) -> None:
        lines = self.tally.plan.setdefault(what, [])
        if len(lines) < MOST_PLANNED:
            lines.append(line)
