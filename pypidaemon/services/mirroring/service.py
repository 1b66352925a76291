"""The service: what the configuration says of a mirror's runs, and the life that begins them."""

from __future__ import annotations

import math
import random as chances
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.announcements import Announcements
from pypidaemon.environments import environments, platforms, pythons
from pypidaemon.errors import PypidaemonError
from pypidaemon.globs import globs
from pypidaemon.interfaces import IBlobStore, IFillable, IIndex, IInformant, IMeasured, IMirroring, IPolicy, IRecords
from pypidaemon.model import InThread, Knowledge, NormalizedName
from pypidaemon.plans import backoff
from pypidaemon.policies.newest import at_least_one
from pypidaemon.policies.requirement_files import Named
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.rulings import Rulings
from pypidaemon.schedule import Schedule, schedule
from pypidaemon.services.mirroring.allowance import MOST
from pypidaemon.services.mirroring.begun import made_up
from pypidaemon.services.mirroring.clockwork import Clockwork
from pypidaemon.services.mirroring.following import Following
from pypidaemon.services.mirroring.lock import RunLock
from pypidaemon.services.mirroring.runs import EVERYTHING, RETRY, Runs
from pypidaemon.settings import count, duration, flag, given, paths, reference, references, setting, size
from pypidaemon.waits import first
from pypidaemon.windows import Windows, windows

PAUSE = 60.0
"""Seconds between the end of one run that this service began and the beginning of the next, at least; and for how long it sleeps, at most."""


def hands(raw: str) -> int:
    """From 1 to as many as R210 allows."""
    number = count(raw)
    if not 1 <= number <= MOST:
        raise ValueError(f"{number} is not from 1 to {MOST}")
    return number


@implementer(IMirroring, IMeasured)
@attrs.define(eq=False, slots=False)
class Mirroring(Service):
    """
    Fills an index: a mirror, which then offers what it was filled with, or a proxy, which then has the files here.

    Everything that was chosen is taken; what a policy refuses is not. Two of these never fill one index.
    """

    label: str = given("label")
    index: IFillable = reference(IFillable, help="the index that is filled: a mirror, or a proxy")
    policies: tuple[IPolicy, ...] = references(IPolicy, default=(), help="the rules on what is taken of a project")
    records: IRecords = reference(IRecords, default="records", help="where it is recorded how far it has come")
    lists: IBlobStore = given("lists")
    data: Path = given("data")
    clock: IReactorTime = given("clock")
    cpu: InThread = given("cpu")
    disk: InThread = given("disk")
    announcements: Announcements = given("announcements")
    informants: Mapping[Knowledge, IInformant] = given("informants", factory=dict)
    rulings: Rulings = given("rulings", factory=Rulings)
    local_indexes: Mapping[str, IIndex] = given("local_indexes", factory=dict)
    reserved: tuple[str, ...] = given("reserved", factory=tuple)
    projects: tuple[str, ...] = setting(globs, default=(), help="patterns of the names of projects that are taken; * is everything")
    exclude: tuple[str, ...] = setting(globs, default=(), help="patterns of those that are not")
    requirements: Named | None = setting(
        paths,
        default=None,
        help="requirements files and lock files (pylock.toml, uv.lock, poetry.lock, pdm.lock), one on each line; what they name is taken, and"
        " they are read again for each run",
        read=wanted_files,
    )
    asked: float = setting(duration, default=0.0, help="how far back what clients took of the index counts as chosen")
    schedule: Schedule = setting(
        schedule, default=schedule("every 6h"), help="when it runs: every 6h, hourly, daily 03:15, weekly sun 03:15, or cron's five fields"
    )
    jitter: float = setting(duration, default=0.0, help="by how much at most a run begins later than that, at random")
    hours: Windows | None = setting(windows, default=None, help="the hours of the day in which it may run, such as 22:00-06:00")
    bandwidth: int = setting(size, default=0, help="how much is fetched in a second on average; 0 is as much as there is")
    parallel: int = setting(hands, default=8, help="how many projects are looked at at once, 10 at most")
    provenance: bool = setting(flag, default=True, help="whether provenance documents are taken as well")
    dependencies: bool = setting(
        flag, default=False, help="whether what the files taken need is taken as well, for the pythons and platforms that are named"
    )
    pythons: tuple[str, ...] = setting(pythons, default=(), help="the Pythons that dependencies are for, such as 3.11 3.12")
    platforms: tuple[str, ...] = setting(
        platforms, default=(), help="the platforms that dependencies are for, such as linux-x86_64 musl-x86_64 macos-arm64 windows-x86_64"
    )
    releases: int = setting(
        at_least_one, default=3, help="how many of the newest releases that fit are taken for each requirement, where dependencies are"
    )
    random: Callable[[], float] = chances.random
    following: Following | None = attrs.field(init=False, default=None, repr=False)
    runs: Runs = attrs.field(init=False)
    _clockwork: Clockwork = attrs.field(init=False, repr=False)
    _life: Deferred[None] | None = attrs.field(init=False, default=None, repr=False)
    _next: float = attrs.field(init=False, default=math.inf, repr=False)
    _failures: int = attrs.field(init=False, default=0, repr=False)
    _over: bool = attrs.field(init=False, default=False, repr=False)
    """Whether it was told to stop: what begins then would be told by nobody to end."""
    _tried: float = attrs.field(init=False, default=0.0, repr=False)
    """When a run for everything last began by itself; also where that could not be recorded."""
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def __attrs_post_init__(self) -> None:
        if not (self.projects or self.requirements or self.asked):
            raise ValueError("it chooses nothing: say projects, requirements or asked")
        if self.dependencies:
            self.following = self._follow()
        elif self.pythons or self.platforms:
            raise ValueError("pythons and platforms are for dependencies = yes; policies can leave out what is for others")
        self.runs = Runs(self, RunLock(self.data / f"mirroring-{self.index.label}.lock", self.disk))
        self._clockwork = Clockwork(self.schedule, self.jitter, self.hours, self.random)

    def _follow(self) -> Following:
        if not (self.pythons and self.platforms):
            raise ValueError("dependencies = yes needs pythons and platforms, which say whose dependencies are meant")
        if "*" in self.projects:
            raise ValueError("projects = * is everything, dependencies included: leave one of the two out")
        return Following(
            self.index.label,
            self.records.mirrors,
            self.index.blobs,
            self.cpu,
            environments(self.pythons, self.platforms),
            self.releases,
        )

    def startService(self) -> None:
        """Begin to live by the schedule."""
        Service.startService(self)
        self._over = False
        self._life = Deferred.fromCoroutine(self._live())
        self._life.addErrback(lambda failure: failure.trap(CancelledError))

    def stopService(self) -> Deferred[None]:
        """End what is under way, which goes on where it was the next time; fires when it has ended."""
        Service.stopService(self)
        self._over = True
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
        return Deferred.fromCoroutine(self.runs.stop())

    def begin(self, project: NormalizedName | None, rehearsal: bool) -> int:
        """
        As `IMirroring`.

        :raises PypidaemonError: it has been told to stop.
        """
        if self._over:
            raise PypidaemonError(f"{self.label} has stopped: the configuration was read again, or the daemon is about to stop")
        return self.runs.begin(project, rehearsal=rehearsal, eager=True)

    async def over(self, number: int) -> None:
        """As `IMirroring`."""
        await self.runs.over(number)

    async def state(self) -> dict[str, Any]:
        """As `IMirroring`."""
        return await self.runs.state(self._next)

    def measures(self) -> Mapping[str, float]:
        """As `IMeasured`."""
        return self.runs.measures()

    async def _live(self) -> None:
        """Run after run; it rests also where it could not even be found out when the next one is due."""
        rested = 0.0
        while True:
            try:
                due, what = await self._due()
                due = max(due, rested)
                self._next = due
                while (wait := due - self.clock.seconds()) > 0:
                    await deferLater(self.clock, min(wait, PAUSE))
                    # What came to wait meanwhile, by an order or by a client who met lost bytes, may be due earlier than all that was known.
                    sooner, other = await self._due()
                    if max(sooner, rested) < due:
                        due, what = max(sooner, rested), other
                        self._next = due
                self._next = math.inf
                await self._run(what)
            except CancelledError:
                if not self.running:
                    raise
                # Only the run was cancelled.
                await deferLater(self.clock, PAUSE)
            except PypidaemonError as error:
                self._log.warn("{label} cannot run: {error}", label=self.label, error=str(error))
                await deferLater(self.clock, PAUSE)
            except Exception:  # noqa: BLE001  # logged, and a life goes on
                self._log.failure("{label} cannot run", label=self.label)
                await deferLater(self.clock, PAUSE)
            rested = self.clock.seconds() + PAUSE

    async def _due(self) -> tuple[float, str]:
        """When something is to be done next, and what."""
        now, books = self.clock.seconds(), self.records.mirrors
        progress = await books.progress(self.index.label)
        progress = attrs.evolve(progress, tried=max(progress.tried, min(self._tried, now)))
        again = made_up(progress, now)
        due = self._clockwork.next_run(progress, again, now)
        _, first_due = await books.queue(self.index.label)
        retry = self._clockwork.next_retry(first_due, now)
        if self._failures:
            # What was missed or interrupted is not asked for every minute either.
            rested = self._clockwork.opens(now + backoff(self._failures))
            due = rested if due <= now or again is not None else min(due, rested)
            retry = max(retry, rested)
        return (retry, RETRY) if retry < due else (due, EVERYTHING)

    async def _run(self, what: str) -> None:
        """One run, which ends with the hours in which it may be."""
        if what == EVERYTHING:
            self._tried = self.clock.seconds()
        left = self._clockwork.closes(self.clock.seconds()) - self.clock.seconds()
        number = self.runs.begin_by_itself(what)
        if left == math.inf:
            await self.runs.over(number)
        elif await first(self.runs.over(number), deferLater(self.clock, left)) == 1:
            self._log.info("{label}: its hours are over; it goes on where it was", label=self.label)
            await self.runs.stop()
        self._failures = self._failures + 1 if self.runs.failed(number) else 0
