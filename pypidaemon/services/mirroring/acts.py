"""What a run does to an index and its books, and what a rehearsal only writes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.announcements import Announcements
from pypidaemon.interfaces import IFillable, IRecords, ITurn
from pypidaemon.model import Digest, Fact, File, Leaving, NormalizedName, Progress, ProjectPage, Waiting
from pypidaemon.moments import written
from pypidaemon.returns import forget_over
from pypidaemon.services.mirroring.losing import entry
from pypidaemon.services.mirroring.tally import MOST_NAMED, MOST_PLANNED, Tally
from pypidaemon.telling import enumerated, plural
from pypidaemon.upstream_files import holding

KEPT = 7 * 86_400.0
"""Seconds for which that is remembered which an index without a delay of its own offers no longer."""

log = Logger()


class Acts(Protocol):
    """Everything by which a run changes something."""

    async def foresee(self, files: Sequence[File]) -> None:
        """As `IFillable.foresee`."""

    async def take(self, name: NormalizedName, file: File, turn: ITurn) -> int:
        """As `IFillable.take`."""

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `IFillable.fill`."""

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """Offer these projects no longer; they can be brought back for a while."""

    async def lose(self, name: NormalizedName, files: Sequence[File]) -> None:
        """Offer these files of a project no longer: their bytes are lost here, and upstream has others under their names."""

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

    async def foresee(self, files: Sequence[File]) -> None:
        """As `Acts`."""
        await self.index.foresee(files)

    async def take(self, name: NormalizedName, file: File, turn: ITurn) -> int:
        """As `Acts`."""
        return await self.index.take(name, file, turn)

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `Acts`."""
        gone = sorted(await self.index.fill(page, files, serial, complete))
        self.tally.files_removed += len(gone)
        unchosen = [name for name in gone if page.file(name) is not None]
        if unchosen:
            log.info(
                "{label}: of {name} {files}: offered no longer, since not chosen any more",
                label=self.index.label,
                name=page.name,
                files=enumerated(unchosen),
            )

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """As `Acts`."""
        label, now = self.index.label, self.clock.seconds()
        told = 0
        for name in names:
            mirrored = await self.records.mirrors.page(label, name)
            if mirrored is not None:
                await self.records.mirrors.leave(label, [Leaving(name, None, now, now + self.delay, mirrored)])
                self.announcements.announce(name)
                told += 1
                if told <= MOST_NAMED:
                    log.warn(
                        "{label}: {name} is offered no longer: {why}; it can be brought back until {until}",
                        label=label, name=name, why=why, until=written(now + self.delay),
                    )  # fmt: skip
            await self.records.mirrors.done(label, name)
        if told > MOST_NAMED:
            more = plural(told - MOST_NAMED, "project")
            log.warn("{label}: nor are {more} more, for the same reason and as long", label=label, more=more)

    async def lose(self, name: NormalizedName, files: Sequence[File]) -> None:
        """As `Acts`: who finds the first bytes can put them back until the time is over, and others are never taken for them (F26)."""
        label, now = self.index.label, self.clock.seconds()
        mirrored = await self.records.mirrors.page(label, name)
        offered = [one for file in files if mirrored is not None and (one := entry(mirrored.page, file.filename)) is not None]
        if mirrored is None or not offered:
            return
        for file in offered:
            sidecar = Digest(file.core_metadata) if file.core_metadata else None
            await self.records.facts.learn(label, name, file.filename, Fact(file.digest, file.size, sidecar))
        # Each is cut down to what leaves by whoever records it.
        await self.records.mirrors.leave(label, [Leaving(name, file.filename, now, now + self.delay, mirrored) for file in offered])
        self.announcements.announce(name)
        self.tally.files_removed += len(offered)
        self.tally.replaced += [f"{name} {file.filename}" for file in offered]
        for file in offered:
            log.warn(
                "{label}: {file} of {name} is offered no longer: its bytes are lost here, and upstream has replaced them; they can be put back until {until}",
                label=label, file=file.filename, name=name, until=written(now + self.delay),
            )  # fmt: skip

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

    async def foresee(self, files: Sequence[File]) -> None:
        """As `Acts`; each of them is asked for alone."""

    async def take(self, name: NormalizedName, file: File, turn: ITurn) -> int:
        """As `Acts`; what is here already would be found, as where it is looked for because something was lost."""
        if file.digest is not None and await holding(self.index.blobs, [file.digest]):
            return 0
        self._note("take", f"{name} {file.filename}")
        if file.size:
            return file.size
        # It is counted as fetched all the same.
        self.tally.unsized += 1
        return 1

    async def fill(self, page: ProjectPage, files: Sequence[File], serial: int, complete: bool) -> None:
        """As `Acts`."""
        held = await self.records.mirrors.page(self.index.label, page.name)
        kept = {file.filename for file in files}
        for file in held.page.files if held is not None else ():
            if file.filename not in kept:
                why = "it is not chosen any more" if page.file(file.filename) is not None else "upstream lists it no longer"
                self._note("remove", f"{page.name} {file.filename}: {why}")
                self.tally.files_removed += 1

    async def leave(self, names: Sequence[NormalizedName], why: str) -> None:
        """As `Acts`."""
        for name in names:
            self._note("remove", f"{name}: {why}")

    async def lose(self, name: NormalizedName, files: Sequence[File]) -> None:
        """As `Acts`; no rehearsal finds that out, as it fetches no bytes."""

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
