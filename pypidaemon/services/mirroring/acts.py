"""What a run does to an index and its books, and what a rehearsal only writes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.interfaces import IFillable, IRecords
from pypidaemon.model import File, Leaving, NormalizedName, Progress, ProjectPage, Waiting
from pypidaemon.services.mirroring.tally import Tally

KEPT = 7 * 86_400.0
"""Seconds for which that is remembered which an index without a delay of its own offers no longer."""


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

    async def take(self, name: NormalizedName, file: File) -> int:
        """As `Acts`."""
        return await self.index.take(name, file)

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `Acts`."""
        await self.index.fill(page, files, serial, complete)

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
        await self.records.mirrors.forget_leaving(self.index.label, self.clock.seconds())


@attrs.frozen
class Rehearsing:
    """Does nothing of it, and writes down what would be taken and removed."""

    tally: Tally

    async def take(self, name: NormalizedName, file: File) -> int:
        """As `Acts`."""
        self.tally.plan.setdefault("take", []).append(f"{name} {file.filename}")
        return file.size or 0

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `Acts`."""

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """As `Acts`."""
        self.tally.plan.setdefault("remove", []).extend(f"{name}: {why}" for name in names)

    async def wait(self, waiting: Sequence[Waiting]) -> None:
        """As `Acts`."""

    async def done(self, name: NormalizedName) -> None:
        """As `Acts`."""

    async def advance(self, progress: Progress) -> None:
        """As `Acts`."""

    async def forget(self) -> None:
        """As `Acts`."""
