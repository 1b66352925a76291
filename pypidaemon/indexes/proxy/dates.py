"""
Upload times that upstream does not give: those of the same bytes on another upstream, else when the file behind a URL was last changed.

Clients that leave out what is too new leave out what has no date (R56). What is found is a fact about the file, kept for good and never changed;
upstream's own word always goes before it (law 12).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore, FirstError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IDating, IRecords, IUpstream
from pypidaemon.model import Fact, File, Filename, NormalizedName, NotModified, Remembered, UpstreamPage, Validators
from pypidaemon.moments import uploaded, written
from pypidaemon.showing import bytes_of, is_another, quarantined
from pypidaemon.waits import TookTooLong, within

PATIENCE = 2.0
"""Seconds that the first page with undated files waits for their dates; what takes longer goes on behind the clients' backs."""
AT_ONCE = 8
"""Questions to upstream's files at once."""
MOST = 500
"""Such questions for one page and refresh."""
FRUITLESS = 16
"""After so many files in a row without a date, upstream is not asked about the others: it does not say."""
EARLIEST = 946_684_800.0
"""The year 2000: nothing that Python's packaging made is older, so an older date is that of a clock which was not set."""
LATEST = 86_400.0
"""Seconds that a date may be ahead of our clock."""
BY_FILE = "last-modified"
"""Who says so, where it is the file itself."""

log = Logger()


@attrs.define
class Dates:
    """
    The dates of one proxy's files.

    :param others: upstreams that are asked for the project's page, in order.
    :param from_files: whether upstream's files are asked, one by one.
    :param changed: called, and waited for, when something was learned about a project.
    """

    label: str
    upstream: IUpstream
    others: tuple[IUpstream, ...]
    from_files: bool
    records: IRecords
    clock: IReactorTime
    changed: Callable[[NormalizedName], Coroutine[Any, Any, None]]
    flights: Flights[NormalizedName, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _turns: DeferredSemaphore = attrs.field(factory=lambda: DeferredSemaphore(AT_ONCE), init=False, repr=False)

    async def repair(self, name: NormalizedName, said: UpstreamPage, before: Remembered | None) -> None:
        """
        Find the dates that a page lacks; call this once for each time that upstream was asked for it.

        Waits for at most `PATIENCE`, and not at all where all undated files were on the page before: they have been looked for. Of one project one
        search goes on at a time; what is new while it does is looked for the next time.
        """
        if not (self.others or self.from_files) or quarantined(said):
            return
        facts = await self.records.facts.known(self.label, name)
        undated = [file for file in said.files if file.upload_time is None and facts.get(file.filename, Fact()).upload_time is None]
        if not undated:
            return
        listed = {file.filename for file in before.page.files} if before is not None and before.page is not None else set()
        new = [file for file in undated if file.filename not in listed]
        old = [file for file in undated if file.filename in listed]
        # Of either what stands last comes first: on most pages that is the newest.
        order = (*reversed(new), *reversed(old))
        if not new:
            self.flights.start(name, lambda: self._find(name, order, facts))
            return
        with suppress(TookTooLong):
            await within(self.clock, PATIENCE, self.flights.join(name, lambda: self._find(name, order, facts)))

    async def _find(self, name: NormalizedName, files: Sequence[File], facts: Mapping[Filename, Fact]) -> None:
        left = {file.filename: file for file in files}
        learned: list[Filename] = []
        try:
            for other in self.others:
                if left:
                    await self._from_other(name, other, left, facts, learned)
            if left and self.from_files and IDating.providedBy(self.upstream):
                await self._from_files(name, left, facts, learned)
        except PypidaemonError as error:
            log.warn("{label}: dates of {name} cannot be recorded: {error}", label=self.label, name=name, error=str(error))
        if learned:
            await self.changed(name)

    async def _from_other(
        self, name: NormalizedName, other: IUpstream, left: dict[Filename, File], facts: Mapping[Filename, Fact], learned: list[Filename]
    ) -> None:
        """Give the files the dates that the same bytes have on another upstream's page, and take them off `left`."""
        try:
            said = await other.fetch_page(name, Validators())
        except PypidaemonError as error:
            log.info("{label}: {other} has no dates for {name}: {error}",
                     label=self.label, other=other.label, name=name, error=str(error))  # fmt: skip
            return
        if isinstance(said, NotModified):
            return
        theirs = {file.digest: file for file in said.files if file.digest is not None}
        for file in list(left.values()):
            digest = bytes_of(file, facts.get(file.filename))
            twin = theirs.get(digest) if digest is not None else None
            if twin is not None and _sensible(uploaded(twin), self.clock.seconds()):
                await self._learn(name, file.filename, Fact(upload_time=twin.upload_time, dated_by=other.label), learned)
                del left[file.filename]

    async def _from_files(
        self, name: NormalizedName, left: Mapping[Filename, File], facts: Mapping[Filename, Fact], learned: list[Filename]
    ) -> None:
        """Ask upstream's files themselves, some at a time, until it fails or has said nothing for too long."""
        # A file that upstream has replaced is not the one that is given here, so its date is not either.
        queue = deque([file for file in left.values() if not is_another(file, facts.get(file.filename))][:MOST])
        fruitless = 0

        async def ask() -> None:
            nonlocal fruitless
            while queue and fruitless < FRUITLESS:
                file = queue.popleft()
                moment = await self._of_file(name, file, queue)
                if not _sensible(moment, self.clock.seconds()):
                    fruitless += 1
                    continue
                fruitless = 0
                assert moment is not None
                await self._learn(name, file.filename, Fact(upload_time=written(moment), dated_by=BY_FILE), learned)

        try:
            await gatherResults([Deferred.fromCoroutine(ask()) for _ in range(min(AT_ONCE, len(queue)))], consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()

    async def _of_file(self, name: NormalizedName, file: File, queue: deque[File]) -> float | None:
        """When that file was last changed, None where that is not to be had; where upstream fails, the queue is given up."""
        await self._turns.acquire()
        try:
            return await IDating(self.upstream).last_modified(file.url)
        except NoSuchFile:
            return None
        except PypidaemonError as error:
            queue.clear()
            log.info("{label}: the files of {name} give no dates: {error}", label=self.label, name=name, error=str(error))
            return None
        finally:
            self._turns.release()

    async def _learn(self, name: NormalizedName, filename: Filename, fact: Fact, learned: list[Filename]) -> None:
        known = await self.records.facts.learn(self.label, name, filename, fact)
        if known.upload_time == fact.upload_time:
            learned.append(filename)


def _sensible(moment: float | None, now: float) -> bool:
    return moment is not None and EARLIEST <= moment <= now + LATEST
