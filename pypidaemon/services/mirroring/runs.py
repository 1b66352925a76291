"""The runs of one service: begun, told apart by their numbers, at most one for everything at a time, and what became of the last of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IMirror
from pypidaemon.model import NormalizedName
from pypidaemon.moments import written
from pypidaemon.plans import Limit
from pypidaemon.policies.blocked import Blocked
from pypidaemon.services.mirroring.acts import KEPT, Acts, Doing, Rehearsing
from pypidaemon.services.mirroring.allowance import Allowance, Places
from pypidaemon.services.mirroring.choosing import Chooser
from pypidaemon.services.mirroring.lists import Lists
from pypidaemon.services.mirroring.lock import RunLock
from pypidaemon.services.mirroring.run import Means, Run
from pypidaemon.services.mirroring.tally import Summary, Tally
from pypidaemon.settings import Lines
from pypidaemon.telling import plural
from pypidaemon.upstream_lists import OTHERS, UpstreamList

if TYPE_CHECKING:
    from pypidaemon.services.mirroring.service import Mirroring

EVERYTHING, RETRY, REHEARSAL = "everything", "what waits", "a rehearsal"
"""What a run can be for, besides one project."""

REPORT = 60.0
"""Seconds between two lines of the log on a run that goes on."""

MOST_REMEMBERED = 50
"""Runs of which it is known how they ended."""

MOST_PLANS = 2
"""Rehearsals of which it is known what they planned, which may be twenty thousand lines."""

MOST_WAITING = 100
"""Waiting projects that a state names."""


MOST_ORDERS = 1_000
"""Orders for single projects that wait or are carried out; one after the other, beside the run for everything."""

Purpose = tuple[str, NormalizedName | None]
"""What a run is for: one of the above, or `PROJECT` and its name. A project may be called like any of them."""

PROJECT = "project"


@attrs.define(eq=False)
class Runs:
    """
    Carries out the runs of a service.

    :param service: says what is filled, and with what.
    """

    service: Mirroring
    lock: RunLock
    means: Means = attrs.field(init=False, repr=False)
    flights: Flights[Purpose, dict[str, Any]] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    _numbers: dict[Purpose, int] = attrs.field(factory=dict, init=False)
    """The number of the run under way for something."""
    _begun: int = attrs.field(default=0, init=False)
    _ended: dict[int, dict[str, Any]] = attrs.field(factory=dict, init=False)
    _running: dict[int, tuple[str, Tally]] = attrs.field(factory=dict, init=False)
    _turn: Places = attrs.field(factory=lambda: Places(1), init=False)
    _orders: Places = attrs.field(factory=lambda: Places(1), init=False)
    _counts: Counter[str] = attrs.field(factory=Counter, init=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"))

    def __attrs_post_init__(self) -> None:
        service, index = self.service, self.service.index
        files = service.requirements.paths if service.requirements is not None else ()
        self.means = Means(
            index=index,
            records=service.records,
            chooser=Chooser(
                service.projects,
                service.exclude,
                Lines(files),
                service.asked,
                service.policies,
                index,
                service.records,
                service.clock,
                service.cpu,
                service.disk,
                service.informants,
                service.following.scope if service.following is not None else "",
                service.local_indexes,
                service.reserved,
            ),
            lists=self._lists(),
            clock=service.clock,
            cpu=service.cpu,
            allowance=Allowance(service.clock, service.bandwidth),
            hands=service.parallel,
            provenance=service.provenance,
            # What a proxy offers is upstream's affair; a mirror says for itself how careful it is.
            follows=not IMirror.providedBy(index) or index.removal == "follow",
            limit=index.removal_limit if IMirror.providedBy(index) else Limit(),
            flights=Flights(quiet=(PypidaemonError,)),
            blocked=Blocked("blocked", service.rulings),
            following=service.following,
        )

    def _lists(self) -> Lists:
        service, index = self.service, self.service.index
        names = UpstreamList(
            f"{index.label}/upstream", index.upstream, service.records, service.lists, service.clock, service.cpu, service.disk
        )
        return Lists(index.upstream, service.records.pages, names, attrs.evolve(names, label=f"{names.label}/{OTHERS}"))

    def begin(self, project: NormalizedName | None, *, rehearsal: bool, eager: bool) -> int:
        """
        Begin a run, and answer its number; where one for the same is under way, that one's.

        :raises PypidaemonError: as many projects as may be are waiting for their turns.
        """
        if project is not None:
            return self._start((PROJECT, project), eager=True)
        return self._start((REHEARSAL if rehearsal else EVERYTHING, None), eager=eager)

    def begin_by_itself(self, what: str) -> int:
        """The same for `EVERYTHING` or `RETRY`, as the schedule has it: what waits for a later time goes on waiting."""
        return self._start((what, None), eager=False)

    async def over(self, number: int) -> None:
        """Come back when that run has ended."""
        purpose = next((purpose for purpose, known in self._numbers.items() if known == number), None)
        if purpose is not None and self.flights.flying(purpose):
            await self.flights.join(purpose, self._nothing)

    def failed(self, number: int) -> bool:
        """Whether that run did not come to its end."""
        return not self._ended.get(number, {}).get("ended", False)

    async def stop(self) -> None:
        """End all that is under way, and come back when it has ended."""
        # First those who wait, or each would begin when the one before it ends.
        self._orders.dismiss()
        self._turn.dismiss()
        await self.flights.land()
        await self.means.flights.land()

    def measures(self) -> Mapping[str, float]:
        """What was done since the start."""
        words = ("runs", "complete", "failed", "looked", "files", "bytes", "removed")
        return {word: float(self._counts[word]) for word in words}

    async def state(self, due: float) -> dict[str, Any]:
        """
        How it is, as JSON.

        :param due: when it runs next.
        """
        label, books, now = self.service.index.label, self.service.records.mirrors, self.service.clock.seconds()
        progress, (waiting, _) = await books.progress(label), await books.queue(label)
        return {
            "index": label,
            "serial": progress.serial,
            "projects": await books.count(label),
            "complete_since": written(progress.started) if progress.started else None,
            "tried": written(progress.tried) if progress.tried else None,
            "outcome": progress.outcome,
            "next": None if due == math.inf else written(due),
            "waiting": waiting,
            "waits": [
                {"name": one.name, "serial": one.serial, "tries": one.tries, "due": written(one.due), "reason": one.reason}
                for one in await books.first_waiting(label, MOST_WAITING)
            ],
            "running": {str(number): {"for": what, **tally.as_json(now)} for number, (what, tally) in self._running.items()},
            "ended": {str(number): said for number, said in self._ended.items()},
        }

    def _start(self, purpose: Purpose, *, eager: bool) -> int:
        if not self.flights.flying(purpose):
            if purpose[1] is not None and len(self._numbers) >= MOST_ORDERS:
                raise PypidaemonError(f"{self.service.label}: {MOST_ORDERS} orders wait already; ask again later")
            self._begun += 1
            self._numbers[purpose] = number = self._begun
            self.flights.start(purpose, lambda: self._carry_out(number, purpose, eager=eager))
        return self._numbers.get(purpose, self._begun)

    async def _carry_out(self, number: int, purpose: Purpose, *, eager: bool) -> dict[str, Any]:
        what = purpose[1] or purpose[0]
        tally = Tally(self.service.clock.seconds(), rehearsal=purpose == (REHEARSAL, None))
        self._running[number] = what, tally
        said: dict[str, Any] = {"complete": False, "ended": False, "outcome": "it was stopped before its end"}
        try:
            summary = await self._in_turn(purpose, tally, eager=eager)
            said = {**summary.as_json(), "ended": summary.ended}
            self._count(summary)
        except PypidaemonError as error:
            tally.trouble(str(error))
            said = {**said, "outcome": str(error), "errors": [str(error)]}
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # said to whoever waits, and logged
            # A mistake of ours, or trouble that nobody thought of; the next run may do better.
            self._log.failure("{service}: {what} failed", service=self.service.label, what=what)
            said = {**said, "outcome": f"it failed ({type(error).__name__}); the log has more", "errors": [type(error).__name__]}
        finally:
            del self._running[number]
            self._numbers.pop(purpose, None)
            self._remember(number, said)
            self._say_end(what, said)
        return said

    async def _in_turn(self, purpose: Purpose, tally: Tally, *, eager: bool) -> Summary:
        what, project = purpose
        async with (self._turn if project is None else self._orders).place():
            report = self._report_later(project or what, tally)
            try:
                async with self.lock.held():
                    if project is not None:
                        return await self._run(tally, eager=True).go_for(project)
                    self._log.info(
                        "{service}: begins to fill {index}: {what}", service=self.service.label, index=self.means.index.label, what=what
                    )
                    if what == RETRY:
                        return await self._run(tally, eager=eager).go_again()
                    return await self._run(tally, eager=eager, rehearsal=what == REHEARSAL).go()
            finally:
                report()

    def _run(self, tally: Tally, *, eager: bool, rehearsal: bool = False) -> Run:
        means, service = self.means, self.service
        acts: Acts = Rehearsing(means.index, means.records, tally)
        if not rehearsal:
            delay = means.index.removal_delay if IMirror.providedBy(means.index) else KEPT
            acts = Doing(means.index, means.records, service.announcements, means.clock, delay, tally)
        else:
            # Or an order that comes while a rehearsal looks at the same project would be taken for carried out.
            means = attrs.evolve(means, flights=Flights(quiet=(PypidaemonError,)))
        return Run(means, acts, tally, eager)

    def _report_later(self, what: str, tally: Tally) -> Any:
        """Have the log say every minute how far it is; answer what ends that."""
        clock = self.service.clock
        due: list[IDelayedCall] = []

        def report() -> None:
            said = tally.as_json(clock.seconds())
            self._log.info(
                "{service}: {phase} ({what}): {looked} of {found} looked at, {files} and {bytes} {would}fetched, {failed} failed",
                service=self.service.label, what=what, phase=said["phase"], looked=said["looked"], found=plural(said["found"], "project"),
                files=plural(said["files"], "file"), bytes=plural(said["bytes"], "byte"), would="would be " if tally.rehearsal else "",
                failed=said["failed"],
            )  # fmt: skip
            due[:] = [clock.callLater(REPORT, report)]

        due.append(clock.callLater(REPORT, report))

        def end() -> None:
            for call in due:
                if call.active():
                    call.cancel()

        return end

    def _remember(self, number: int, said: dict[str, Any]) -> None:
        self._ended[number] = said
        planned = [known for known, one in self._ended.items() if "plan" in one]
        for known in planned[:-MOST_PLANS]:
            self._ended[known] = {word: value for word, value in self._ended[known].items() if word != "plan"}
        while len(self._ended) > MOST_REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _say_end(self, what: str, said: Mapping[str, Any]) -> None:
        say = self._log.info if said["complete"] else self._log.warn
        say("{service}: {what}: {outcome}", service=self.service.label, what=what, outcome=said["outcome"])

    def _count(self, summary: Summary) -> None:
        tally = summary.tally
        self._counts["runs"] += 1
        self._counts["complete"] += summary.complete
        for word in ("failed", "looked", "files", "bytes", "removed"):
            self._counts[word] += getattr(tally, word)

    async def _nothing(self) -> dict[str, Any]:
        return {}
