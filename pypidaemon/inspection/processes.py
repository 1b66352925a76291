"""
Inspection in processes of its own: hostile bytes meet no parser in the daemon (S14-S16, design §7).

Decision 6 says why processes, and why they live on between archives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.archives.rules import Rules
from pypidaemon.errors import InvalidUpload, PypidaemonError
from pypidaemon.inspection import speech
from pypidaemon.inspection.pieces import PIECE, beginning, length, pieces
from pypidaemon.inspection.workers import Ended, Worker, command
from pypidaemon.interfaces import IContent, IInFile, IInspector, IMeasured
from pypidaemon.model import Inspected, Upload
from pypidaemon.waits import Bell, TookTooLong

START_PATIENCE = 30.0
"""Seconds until a worker must be ready; a busy machine needs one."""

PACE = 128 * 2**20
"""Bytes of archive for which one second more is allowed."""

MOST_JOBS = 4000
"""Archives after which a worker is replaced, so that nothing that one did to it lasts. To start one takes as long as to inspect hundreds."""

OLDEST = 600.0
"""Seconds after which it is given no more archives either: where few come, that is sooner, and there starting one costs nobody anything."""

HASTE = 0.5
"""
Seconds that an archive waits for a worker that is at work before another one is started, which takes about as long. Nearly every archive is inspected in
some milliseconds, so that one worker keeps up with all uploads, and each takes 26 MiB.
"""

_BEYOND = "the archive could not be inspected within its limits"


@implementer(IInspector, IMeasured)
@attrs.define(eq=False, slots=False)
class ProcessInspector(Service):
    """
    Hands archives to a few worker processes that have hard limits, one archive at a time each; others wait their turn.

    Workers are started when they are first needed, live on, and are replaced when they die, hang or talk nonsense. As a service it stops them.

    :param reactor: starts the processes (IReactorProcess) and measures time (IReactorTime).
    :param size: the most worker processes at once.
    :param rules: how strictly archives are judged, unless a view made by `under` says otherwise.
    :param patience: seconds that the inspection of an archive may take, and one more for every `PACE` bytes of it.
    :param memory: bytes of address space that a worker may use.
    :param command: the command line of a worker that may use so many bytes.
    """

    reactor: IReactorProcess
    size: int = 2
    rules: Rules = Rules()
    patience: float = 10.0
    memory: int = 512 * 2**20
    command: Callable[[int], list[str]] = command
    inspected: int = attrs.field(init=False, default=0)
    refused: int = attrs.field(init=False, default=0)
    started: int = attrs.field(init=False, default=0)
    lost: int = attrs.field(init=False, default=0)
    """Workers that died, hung or talked nonsense over an archive."""
    _slots: DeferredSemaphore = attrs.field(init=False, repr=False)
    _idle: list[Worker] = attrs.field(init=False, factory=list, repr=False)
    _living: set[Worker] = attrs.field(init=False, factory=set, repr=False)
    _starting: int = attrs.field(init=False, default=0, repr=False)
    """Workers that are not ready yet."""
    _freed: Bell = attrs.field(init=False, factory=Bell, repr=False)
    """Rings when a worker is ready, idle, or gone, or somebody has waited for that for too long."""
    _hurry: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    """When that is so of whoever waits longest; one timer for all, since in a burst of uploads nearly all of them wait for some milliseconds."""
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    """When idle workers are looked at that may have become old."""
    _stopping: bool = attrs.field(init=False, default=False)
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._slots = DeferredSemaphore(self.size)

    async def inspect(self, content: IContent, upload: Upload) -> Inspected:
        """
        Check the archive; as `IInspector.inspect`.

        :raises InvalidUpload: also where it cannot be inspected within the limits of time and memory.
        :raises PypidaemonError: no worker can be started, or the daemon is stopping.
        """
        return await self._judge(content, upload, self.rules)

    def under(self, rules: Rules) -> IInspector:
        """An inspector that judges by other rules, with the same processes."""
        return _View(self, rules)

    def measures(self) -> dict[str, float]:
        """As `IMeasured`."""
        return {name: getattr(self, name) for name in ("inspected", "refused", "started", "lost")}

    def startService(self) -> None:
        """Accept archives from now on; nothing is started before the first."""
        self._stopping = False
        Service.startService(self)

    def stopService(self) -> Deferred[None]:
        """End all workers; fires when they have ended. Who waits for a verdict gets a PypidaemonError."""
        Service.stopService(self)
        self._stopping = True
        self._idle.clear()
        for call in (self._due, self._hurry):
            if call is not None:
                call.cancel()
        self._due = self._hurry = None
        ended = DeferredList([worker.gone() for worker in self._living])
        for worker in list(self._living):
            worker.kill()
        return ended.addCallback(lambda _: None)

    async def _judge(self, content: IContent, upload: Upload, rules: Rules) -> Inspected:
        await self._slots.acquire()
        try:
            worker = await self._ready()
            finished = False
            try:
                inspected = await self._ask(worker, content, upload, rules)
                finished = True
            except InvalidUpload:
                finished = True
                self.refused += 1
                raise
            except (TookTooLong, Ended, speech.Nonsense) as error:
                if self._stopping:
                    raise PypidaemonError("the daemon is stopping") from error
                self.lost += 1
                self.refused += 1
                self._log.warn(
                    "a worker was lost over {filename}: {what}{complaint}",
                    filename=upload.filename,
                    what=f"{type(error).__name__} {error}".strip(),
                    complaint=f": {worker.complaint.strip().splitlines()[-1:]}" if worker.complaint else "",
                )
                raise InvalidUpload(_BEYOND) from error
            finally:
                self._give_back(worker, finished)
            self.inspected += 1
            return inspected
        finally:
            self._slots.release()

    async def _ready(self) -> Worker:
        """A worker that waits for work; the one used last is the warmest. Another one is started where there is none, or none is idle for too long."""
        patience = HASTE
        while (found := self._warmest()) is None:
            if self._stopping:
                raise PypidaemonError("the daemon is stopping")
            if self._starting:
                # How long that takes says nothing about how long the archives before this one will.
                await self._freed.wait()
                continue
            if not self._living or patience <= 0:
                return await self._another()
            since = self._clock.seconds()
            if self._hurry is None:
                self._hurry = self._clock.callLater(patience, self._hurry_up)
            await self._freed.wait()
            patience -= self._clock.seconds() - since
        return found

    def _warmest(self) -> Worker | None:
        """The worker used last, of those that wait for work."""
        while self._idle:
            worker = self._idle.pop()
            if self._is_old(worker):
                worker.kill()
            elif not worker.over:
                return worker
        return None

    async def _another(self) -> Worker:
        self._starting += 1
        try:
            return await self._begun()
        finally:
            self._starting -= 1
            self._freed.ring()

    async def _begun(self) -> Worker:
        worker = Worker.start(self.reactor, self.command(self.memory))
        worker.since = self._clock.seconds()
        self.started += 1
        self._living.add(worker)
        worker.gone().addCallback(lambda _: self._left(worker))
        try:
            said, _ = await worker.hear(self._clock, START_PATIENCE)
        except (TookTooLong, Ended, speech.Nonsense) as error:
            worker.kill()
            self._log.error("a worker for inspection does not start: {complaint}", complaint=worker.complaint.strip())
            raise PypidaemonError("no worker for the inspection of archives can be started") from error
        except BaseException:
            worker.kill()
            raise
        assert said == speech.READY
        return worker

    async def _ask(self, worker: Worker, content: IContent, upload: Upload, rules: Rules) -> Inspected:
        worker.jobs += 1
        path = content.path if IInFile.providedBy(content) else None
        size = length(content)
        seconds = self.patience + (size or 0) / PACE
        whole = path is None and size is not None and size <= PIECE
        asked = speech.question(upload, rules, path, round(seconds) + 1, whole=whole)
        if whole and size is not None:
            worker.say(asked, await beginning(content, size))
        else:
            worker.say(asked)
        if path is None and not whole:
            async for piece in pieces(content):
                await self._expect(worker, seconds)
                worker.say(piece)
            await self._expect(worker, seconds)
            worker.say(b"")
        said, told = await worker.hear(self._clock, seconds)
        if said == speech.REFUSED:
            raise InvalidUpload(speech.line(told))
        if said != speech.FOUND:
            raise speech.Nonsense(said)
        return speech.inspected(told)

    async def _expect(self, worker: Worker, seconds: float) -> None:
        """Wait until the worker wants more."""
        said, _ = await worker.hear(self._clock, seconds)
        if said != speech.MORE:
            raise speech.Nonsense(said)

    def _give_back(self, worker: Worker, finished: bool) -> None:
        """Keep a worker for the next archive, unless it may not be what it was."""
        if not finished or self._stopping or worker.jobs >= MOST_JOBS:
            worker.kill()
        else:
            self._idle.append(worker)
            self._freed.ring()
            if self._due is None:
                self._due = self._clock.callLater(OLDEST, self._look)

    def _hurry_up(self) -> None:
        self._hurry = None
        self._freed.ring()

    def _left(self, worker: Worker) -> None:
        self._living.discard(worker)
        self._freed.ring()

    def _look(self) -> None:
        """End idle workers that are given nothing any more: each holds as much memory as half a daemon, and the next archive may come in a week."""
        self._due = None
        left = []
        for worker in self._idle:
            if self._is_old(worker):
                worker.kill()
            elif not worker.over:
                left.append(worker)
        self._idle[:] = left
        if left:
            self._due = self._clock.callLater(OLDEST, self._look)

    def _is_old(self, worker: Worker) -> bool:
        return self._clock.seconds() - worker.since > OLDEST

    @property
    def _clock(self) -> IReactorTime:
        return cast(IReactorTime, self.reactor)


@implementer(IInspector)
@attrs.frozen
class _View:
    """The same workers under other rules."""

    processes: ProcessInspector
    rules: Rules

    async def inspect(self, content: IContent, upload: Upload) -> Inspected:
        return await self.processes._judge(content, upload, self.rules)
