"""
One run: what is chosen of upstream, brought here, and what upstream no longer has, taken off.

A kill at any moment loses nothing. What is to be done is found out anew by comparing serials, which takes seconds; a project is recorded with its serial
once it is done; and how far all has come is recorded last (R208). Until then the run is on record as under way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import partial

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.catalogues import Opener, entries, has_name
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IFillable, IRecords, ISourced
from pypidaemon.model import InThread, NormalizedName, Progress, RememberedNames, Validators, Waiting
from pypidaemon.plans import Limit, Look
from pypidaemon.policies.blocked import Blocked
from pypidaemon.services.mirroring.acts import Acts
from pypidaemon.services.mirroring.allowance import Allowance
from pypidaemon.services.mirroring.begun import from_source, interrupted, marked
from pypidaemon.services.mirroring.choosing import Choice, Chooser
from pypidaemon.services.mirroring.following import Following, Pursuit
from pypidaemon.services.mirroring.lists import Lists, plain, unnumbered
from pypidaemon.services.mirroring.looking import AGAIN, LENT, Looking
from pypidaemon.services.mirroring.removing import Census, Removing
from pypidaemon.services.mirroring.tally import Summary, Tally, outcome
from pypidaemon.services.mirroring.work import Survey, Work
from pypidaemon.telling import plural

log = Logger()


@attrs.frozen
class Means:
    """
    What runs of one service have to work with.

    :param hands: projects that are looked at at once.
    :param follows: whether what upstream removed is taken off.
    :param flights: projects that are being looked at just now.
    :param following: what finds out what is needed; None where dependencies are not followed.
    """

    index: IFillable
    records: IRecords
    chooser: Chooser
    lists: Lists
    clock: IReactorTime
    cpu: InThread
    allowance: Allowance
    hands: int
    provenance: bool
    follows: bool
    limit: Limit
    flights: Flights[NormalizedName, None]
    blocked: Blocked
    following: Following | None = None


@attrs.frozen
class _Found:
    """
    What a run is to do.

    :param kept: upstream's list, where it was asked for; `compared` whether it was read to its end.
    :param serial: how far everything is here once it is done.
    :param lent: whether an index that stands in has told it, so that it takes nothing away and its numbers count for nothing (M7, F22).
    """

    looks: AsyncIterator[Look]
    survey: Survey
    kept: RememberedNames | None
    compared: bool
    serial: int
    lent: bool = False


@attrs.define
class Run:
    """
    One run, or the rehearsal of one.

    :param eager: whether what failed is tried again though its time has not come.
    """

    means: Means
    acts: Acts
    tally: Tally
    eager: bool = False
    _anew: bool = attrs.field(default=False, init=False)
    """Whether this is the first run with its upstream."""

    async def go(self) -> Summary:
        """
        Do it, for everything that is chosen; how it ended is on record then, save where it was cancelled.

        :raises PypidaemonError: the records cannot be read or written.
        """
        means = self.means
        before = await self._before()
        reached, ended = before, False
        try:
            reached = await self._everything(before)
            ended = True
        except PypidaemonError as error:
            self.tally.trouble(str(error))
        finally:
            if not ended:
                # Projects that were begun go on by themselves, and this run is over.
                await means.flights.land()
        self._say_lent()
        return await self._concluded(before, reached, ended=ended)

    async def go_for(self, name: NormalizedName) -> Summary:
        """
        Bring one project up to date, also beside a run for everything.

        :raises PypidaemonError: the records cannot be read or written.
        """
        try:
            await self._one(name)
        except PypidaemonError as error:
            self.tally.trouble(str(error))
        self._say_lent()
        waits = await self.means.records.mirrors.waiting_of(self.means.index.label, name)
        return self._summed_up(int(waits is not None and bool(waits.tries)), ended=True)

    async def go_again(self) -> Summary:
        """
        Try again what waits and is due, and ask upstream for nothing else.

        :raises PypidaemonError: the records cannot be read or written.
        """
        means, label = self.means, self.means.index.label
        before = await self._before()
        if self._anew:
            return await self.go()
        ended = False
        try:
            pursuit = await self._chosen(before)
            choice = pursuit.choice
            waiting = {one.name: one for one in await means.records.mirrors.waiting(label)}
            work = Work(label, means.records.mirrors, choice, means.cpu, before.selection, waiting, means.clock, self.eager)
            looks = await self._worthwhile(work.of_waiting(), waiting)
            self.tally.found, self.tally.phase = len(looks), "takes"
            await self.acts.advance(marked(before, means.clock.seconds()))
            looking = self._looking(choice, waiting, before)
            looking.listed = False
            await pursuit.through(_one_by_one(looks), looking, means.hands, work.is_due)
            for step in (*looking.missing, *(Look(one.page.name, one.serial) for one in looking.emptied)):
                await looking.fail(
                    step, "upstream has it no longer, or not most of its files; the next run for everything finds out whether they are gone"
                )
            ended = True
        except PypidaemonError as error:
            self.tally.trouble(str(error))
        finally:
            if not ended:
                await means.flights.land()
        self._say_lent()
        summary = await self._summary(ended=ended)
        await self.acts.advance(before)
        return summary

    async def _worthwhile(self, looks: list[Look], waiting: dict[NormalizedName, Waiting]) -> list[Look]:
        """Without what waits for nothing but upstream's own word, while it gives none: who stands in was asked already, and would be again and again (G11)."""
        lent = [waiting[one.name] for one in looks if waiting[one.name].reason == LENT]
        if not lent or self.means.index.upstream.health.state == "up" or await self.means.lists.answers():
            return looks
        due = self.means.clock.seconds() + AGAIN
        await self.acts.wait([attrs.evolve(one, due=due) for one in lent])
        return [one for one in looks if waiting[one.name].reason != LENT]

    async def _everything(self, before: Progress) -> Progress:
        means, label = self.means, self.means.index.label
        waiting = await self._waiting(before)
        # Before anything is asked, or whoever is killed in each run asks for the list at each start.
        await self.acts.advance(marked(before, means.clock.seconds()))
        pursuit = await self._chosen(before)
        choice = pursuit.choice
        await self.acts.forget()
        looking = self._looking(choice, waiting, before)
        work = Work(label, means.records.mirrors, choice, means.cpu, before.selection, waiting, means.clock, self.eager)
        held = await means.records.mirrors.count(label)
        found = await self._found(choice, before, work, looking)
        survey = found.survey
        self.tally.found, self.tally.skipped = survey.found, survey.skipped
        self.tally.phase = "takes"
        await pursuit.through(found.looks, looking, means.hands, work.is_due)
        if found.lent:
            return before
        self.tally.phase = "removes"
        # Among what was not chosen may be what has come to be needed since.
        for name in [name for name in survey.settled if choice.chooses(name) or not pursuit.choice.chooses(name)]:
            await self.acts.done(name)
        removing = Removing(looking, means.follows, means.limit, await means.records.mirrors.pinned(label))
        settled = await removing.dropped(pursuit.left(survey.dropped), held, before.selection)
        if settled:
            before = attrs.evolve(before, selection=choice.dropped(before.selection))
        kept, listed = found.kept, survey.listed
        gone = list(survey.gone)
        if looking.missing or (looking.emptied and not found.compared):
            kept, listed = await self._sought(looking, gone)
        census = Census(listed, kept.serial if kept is not None else 0, before.listed, before.serial)
        settled = await removing.gone(gone, looking.emptied, held, census) and settled
        return self._reached(before, found, choice, census) if settled and not self._fell(kept, before) else before

    async def _before(self) -> Progress:
        """How far all has come, and with another upstream than before that nothing has."""
        means = self.means
        known = await means.records.mirrors.progress(means.index.label)
        upstream, now = means.index.upstream, means.clock.seconds()
        before = from_source(known, upstream.source if ISourced.providedBy(upstream) else "", now)
        self._anew = before.since != known.since
        if self._anew:
            log.warn(
                "{label}: is filled from {after} from now on, and no longer from {before}; all of it is compared anew",
                label=means.index.label, after=before.source, before=known.source,
            )  # fmt: skip
        return before

    async def _waiting(self, before: Progress) -> dict[NormalizedName, Waiting]:
        """What waits; what another upstream announced is nothing to wait for, nor is what that one remembered of its pages."""
        means, label = self.means, self.means.index.label
        waiting = {one.name: one for one in await means.records.mirrors.waiting(label)}
        if not self._anew:
            return waiting
        # All of that before it is on record whose mirror this is now: a kill in between has it done again.
        await means.lists.names.distrust()
        for name in await means.records.pages.remembered(label):
            await means.records.pages.drop(label, name)
        waiting = {name: attrs.evolve(one, serial=0, due=min(one.due, before.since)) for name, one in waiting.items()}
        await self.acts.wait(list(waiting.values()))
        return waiting

    async def _chosen(self, before: Progress) -> Pursuit:
        """What is chosen, and what is needed for it."""
        choice = await self.means.chooser.choose()
        self.tally.private[:] = choice.left_out
        return await Pursuit.begin(self.means.following, choice, killed=interrupted(before))

    async def _found(self, choice: Choice, before: Progress, work: Work, looking: Looking) -> _Found:
        """Ask upstream as little as it takes to know what is to be done."""
        means = self.means
        if not choice.by_pattern:
            looking.listed = False
            survey = await work.unchosen()
            return self._of(work.of_names(), survey, None, 0)
        same = choice.revision == before.selection and not interrupted(before)
        if same and before.serial:
            changes = await means.lists.changes(before.serial)
            if changes is not None:
                looking.listed = False
                return self._of(work.of_changes(changes), Survey(), None, max((one.serial for one in changes), default=before.serial))
        self.tally.phase = "asks for the list"
        kept = await means.lists.own()
        if kept is None:
            return await self._of_others(before, work)
        if same and kept.serial and plain(kept.validators) == before.validators != Validators():
            # What waits need not be on it: it may have been ordered by its name.
            looking.listed = False
            return self._of(work.of_waiting(), Survey(), kept, kept.serial)
        self.tally.phase = "compares"
        opened = await means.lists.names.opened(kept)
        if opened is None:
            raise UpstreamUnavailable(means.index.upstream.label, "its list is not here any more")
        read = partial(entries, opened)
        return _Found(work.of_list(read), await work.survey(read), kept, compared=True, serial=kept.serial)

    async def _of_others(self, before: Progress, work: Work) -> _Found:
        """The same by the list of an index that stands in."""
        read = await self.means.lists.lent(before)
        self.tally.trouble(
            f"the list of {self.means.index.upstream.label} cannot be had; another index stands in for it, and nothing is removed"
        )
        return _Found(unnumbered(work.of_list(read)), await work.survey(read), None, compared=False, serial=0, lent=True)

    def _say_lent(self) -> None:
        if self.tally.lent:
            upstream, pages = self.means.index.upstream.label, plural(self.tally.lent, "project")
            self.tally.trouble(f"{upstream} cannot be asked; another index stood in for the pages of {pages}")

    def _of(self, looks: list[Look], survey: Survey, kept: RememberedNames | None, serial: int) -> _Found:
        survey.found = len(looks)
        return _Found(_one_by_one(looks), survey, kept, compared=False, serial=serial)

    async def _sought(self, looking: Looking, gone: list[NormalizedName]) -> tuple[RememberedNames, int]:
        """Projects whose page is not there: add those that are here and that upstream's list does not have either to what is gone."""
        means = self.means
        kept = await means.lists.names.ask()
        opened = await means.lists.names.opened(kept)
        if opened is None:
            raise UpstreamUnavailable(means.index.upstream.label, "its list is not here any more")
        for step in looking.missing:
            if await means.cpu(has_name, opened, step.name):
                await looking.fail(step, "upstream's list has it, and its page is not there")
            elif await means.records.mirrors.page(means.index.label, step.name) is not None:
                gone.append(step.name)
            else:
                self.tally.absent.append(step.name)
                await self.acts.done(step.name)
        return kept, await means.cpu(_count, opened)

    async def _one(self, name: NormalizedName) -> None:
        means = self.means
        before = await self._before()
        pursuit = await self._chosen(before)
        choice = pursuit.choice
        if not choice.chooses(name):
            raise PypidaemonError(f"{name} is not chosen, so it is not taken")
        waiting = {one.name: one for one in await means.records.mirrors.waiting(means.index.label)}
        work = Work(means.index.label, means.records.mirrors, choice, means.cpu, before.selection, waiting, means.clock, self.eager)
        looking = self._looking(choice, waiting, before)
        looking.listed = False
        self.tally.found, self.tally.phase = 1, "takes"
        look = Look(name, waiting[name].serial if name in waiting else 0)
        await pursuit.through(_one_by_one([look]), looking, means.hands, work.is_due)
        if looking.missing or looking.emptied:
            self.tally.trouble(
                f"{name}: upstream has it no longer, or not most of its files; a run for everything finds out whether they are gone"
            )

    def _looking(self, choice: Choice, waiting: dict[NormalizedName, Waiting], before: Progress) -> Looking:
        means = self.means
        return Looking(
            index=means.index,
            records=means.records,
            clock=means.clock,
            choice=choice,
            acts=self.acts,
            allowance=means.allowance,
            provenance=means.provenance,
            tally=self.tally,
            waiting=waiting,
            flights=means.flights,
            blocked=means.blocked,
            since=before.since,
        )

    def _fell(self, kept: RememberedNames | None, before: Progress) -> bool:
        """Whether upstream's list is older than what is here: then nobody knows what is new, and nothing of it is believed (M7)."""
        if kept is None or not 0 < kept.serial < before.serial:
            return False
        self.tally.trouble(f"upstream's serial fell from {before.serial} to {kept.serial}, so it is not known what is new")
        return True

    def _reached(self, before: Progress, found: _Found, choice: Choice, census: Census) -> Progress:
        # Where all is chosen by name, upstream's list is asked for only to find out what is gone, and then says how far that goes.
        serial = found.serial if choice.by_pattern else census.serial
        return attrs.evolve(
            before,
            serial=max(before.serial, serial),
            validators=plain(found.kept.validators) if found.kept is not None else before.validators,
            selection=choice.revision,
            started=self.tally.begun,
            listed=census.listed or before.listed,
        )

    async def _concluded(self, before: Progress, reached: Progress, *, ended: bool) -> Summary:
        summary = await self._summary(ended=ended)
        if not summary.complete:
            # Everything else is here, and what failed waits by itself, so the list need not be compared again; but not everything is here that far (M8).
            reached = attrs.evolve(reached, serial=before.serial, started=before.started)
        await self.acts.advance(attrs.evolve(reached, tried=self.means.clock.seconds(), begun=self.tally.begun, outcome=summary.outcome))
        return summary

    async def _summary(self, *, ended: bool) -> Summary:
        means, tally = self.means, self.tally
        # Of a rehearsal nothing that failed is on record, and what is there may be over by it.
        failing = tally.failed if tally.rehearsal else await means.records.mirrors.failing(means.index.label, means.clock.seconds())
        return self._summed_up(failing, ended=ended)

    def _summed_up(self, failing: int, *, ended: bool) -> Summary:
        tally, now = self.tally, self.means.clock.seconds()
        complete = ended and not failing and not tally.errors
        tally.phase = "ended"
        said = outcome(tally, complete=complete, waiting=failing)
        return Summary(tally, complete, ended, failing, said, now - tally.begun)


async def _one_by_one(looks: Iterable[Look]) -> AsyncIterator[Look]:
    for look in looks:
        yield look


def _count(opened: Opener) -> int:
    return sum(1 for _ in entries(opened))
