"""One project of a run: asked for, judged, its files taken, and offered. Whatever becomes of it is no other project's business (M11)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, PypidaemonError, Refused, StorageFull, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IFillable, IMirror, IRecords
from pypidaemon.judging import sooner
from pypidaemon.model import File, Filename, Mirrored, NormalizedName, ProjectPage, Waiting
from pypidaemon.plans import Look, backoff
from pypidaemon.policies.blocked import Blocked
from pypidaemon.services.mirroring.acts import Acts
from pypidaemon.services.mirroring.allowance import ASIDE, Allowance
from pypidaemon.services.mirroring.choosing import Choice
from pypidaemon.services.mirroring.crew import together
from pypidaemon.services.mirroring.losing import entry, goes_back, is_replaced, latest, loses_most, lost, with_lost
from pypidaemon.services.mirroring.tally import Tally
from pypidaemon.showing import chosen
from pypidaemon.stand_ins import away

BLOCKED = 86_400.0
"""Seconds after which a project is looked at again of which a file was blocked by an order; it may have been taken back."""

AGAIN = 600.0
"""Seconds after which a project is looked at again for whose page another index stood in."""

LENT = "another index stood in for upstream's page"
"""Why such a project waits."""

_MANY_FILES = 200

log = Logger()


class Stopped(PypidaemonError):
    """A run ends before it has looked at everything, since no project can be had just now."""


@attrs.frozen
class Emptied:
    """Upstream's page of a project is there and lacks most of the files that are offered: as much as if the project were gone (M7)."""

    page: ProjectPage
    serial: int


@attrs.define
class Looking:
    """
    Looks at projects, several at once.

    :param waiting: what earlier runs could not do, by names, as it was when this run began.
    :param blocked: says what was blocked by an order and is not fetched.
    :param listed: whether upstream's list was compared in this run, so that what is looked at is on it.
    :param since: when this upstream was first asked.
    """

    index: IFillable
    records: IRecords
    clock: IReactorTime
    choice: Choice
    acts: Acts
    allowance: Allowance
    provenance: bool
    tally: Tally
    waiting: dict[NormalizedName, Waiting]
    flights: Flights[NormalizedName, None]
    blocked: Blocked
    listed: bool = True
    since: float = 0.0
    missing: list[Look] = attrs.field(factory=list, init=False)
    """Projects whose page upstream says is not there, and of which it is not known whether the list has them."""
    emptied: list[Emptied] = attrs.field(factory=list, init=False)

    async def look(self, step: Look) -> None:
        """
        Bring that project up to date, or have it wait.

        :raises Stopped: no project can be had just now.
        :raises StorageFull: there is no room.
        """
        # A client's order to look at this very project may be carried out just now, beside a run.
        await self.flights.join(step.name, lambda: self._look(step))

    async def _look(self, step: Look) -> None:
        held = await self.records.mirrors.page(self.index.label, step.name)
        try:
            if self.choice.is_reserved(step.name):
                # Whoever makes others list such a name must not keep every run from its end.
                self.tally.absent += [step.name] if step.name in self.choice.selection.names else []
                await self.acts.done(step.name)
            elif self.choice.chooses(step.name):
                async with self.allowance.request():
                    page = await self.index.offered(step.name, step.serial)
                await self._bring(step, page, held)
            else:
                await self._restore(step, held)
        except NoSuchProject:
            await self._absent(step, held)
        except StorageFull:
            raise
        except PypidaemonError as error:
            await self.fail(step, str(error))
            if isinstance(error, UpstreamUnavailable) and away(self.index.upstream):
                # All others would fail as well, and each would have to wait for it.
                raise Stopped(f"{error}; the projects that are left are looked at in the next run") from None
        finally:
            self.tally.looked += 1

    async def fail(self, step: Look, reason: str) -> None:
        """Have that project wait, longer each time."""
        before = self.waiting.get(step.name)
        tries = (before.tries if before is not None else 0) + 1
        self.tally.failed += 1
        self.tally.trouble(f"{step.name}: {reason}")
        log.warn("{label}: {name} waits: {reason}", label=self.index.label, name=step.name, reason=reason)
        # What upstream announced holds until its page has it (M8), also where another list was read since that says nothing of it.
        serial = step.serial or (before.serial if before is not None else 0)
        await self.acts.wait([Waiting(step.name, serial, tries, self.clock.seconds() + backoff(tries), reason)])

    async def _restore(self, step: Look, held: Mirrored | None) -> None:
        """A project that is offered and not chosen, so that nothing new of it is taken: have the bytes here that are to be here."""
        files = held.page.files if held is not None else ()
        _, trouble, blocked = await self._take(step.name, files, None)
        if trouble:
            await self.fail(step, _in_short(trouble))
        elif blocked:
            due = self.clock.seconds() + BLOCKED
            await self.acts.wait([Waiting(step.name, step.serial, 0, due, "something of it was lost here, and is blocked")])
        else:
            await self.acts.done(step.name)

    async def _absent(self, step: Look, held: Mirrored | None) -> None:
        if self.listed:
            # The two contradict each other, so neither is believed (M7).
            await self.fail(step, "upstream's list has it, and its page is not there")
        elif held is not None or self.choice.by_pattern:
            self.missing.append(step)
        else:
            self.tally.absent.append(step.name)
            await self.acts.done(step.name)

    async def _bring(self, step: Look, page: ProjectPage, held: Mirrored | None) -> None:
        if page.lent is not None:
            await self._borrow(page, held)
            return
        mirrored, held = held, held.own if held is not None else None
        # Where no list announced a serial, the page's own tells a later list whether there is anything new.
        if not step.serial:
            step = Look(step.name, page.serial)
        if held is not None and goes_back(held, page, self.since):
            if lost(held, page):
                self.tally.trouble(
                    f"{page.name}: upstream's page fell from serial {latest(held)} to {page.serial}; what it does not list stays"
                )
            page = with_lost(held, page)
            step = attrs.evolve(step, serial=page.serial)
        elif held is not None and loses_most(held, page):
            self.emptied.append(Emptied(page, step.serial))
            return
        await self.bring(page, step.serial, mirrored)

    async def _borrow(self, page: ProjectPage, held: Mirrored | None) -> None:
        """Add what an index that stands in has told of. It takes nothing away, and its numbers count for nothing (M7, F22)."""
        self.tally.lent += 1
        await self.bring(with_lost(held, page) if held is not None else page, held.serial if held is not None else 0, held)

    async def bring(self, page: ProjectPage, serial: int, held: Mirrored | None) -> None:
        """
        Take what is chosen of that page, and offer it.

        :raises PypidaemonError: none of it could be had.
        """
        if not self.provenance and any(file.provenance is not None for file in page.files):
            page = attrs.evolve(page, files=tuple(attrs.evolve(file, provenance=None) for file in page.files))
        judgement = await self.choice.judge(page)
        turns = judgement.turns
        # A file that was lost here looks as if it were here.
        trusted = held if page.name not in self.waiting else None
        if turns is None and trusted is not None and await self._is_the_same(trusted, page, judgement.shown, serial):
            self.tally.held += len(judgement.shown)
            return
        files, trouble, blocked = await self._take(page.name, judgement.shown, trusted)
        if blocked:
            turns = sooner(turns, self.clock.seconds() + BLOCKED)
        complete = not trouble
        # What is not finished is recorded as if it had no serial: should the note that it waits be lost in a crash, it is looked at again.
        borrowed = page.lent is not None
        await self.acts.fill(page, files, serial if complete and turns is None and not borrowed else 0, complete)
        if trouble:
            await self.fail(Look(page.name, serial), _in_short(trouble))
        elif borrowed:
            announced = self.waiting[page.name].serial if page.name in self.waiting else 0
            due = self.clock.seconds() + AGAIN
            await self.acts.wait([Waiting(page.name, announced, 0, due, LENT)])
        elif turns is not None:
            await self.acts.wait([Waiting(page.name, serial, 0, turns, "then a policy may let more of it in, or less")])
        elif not IMirror.providedBy(self.index):
            # Who offers a project at one stroke lets it wait no longer.
            await self.acts.done(page.name)

    async def _is_the_same(self, held: Mirrored, page: ProjectPage, files: Sequence[File], serial: int) -> bool:
        if len(page.files) > _MANY_FILES:
            return await self.choice.whole.cpu(_the_same, held, page, files, serial)
        return _the_same(held, page, files, serial)

    async def _take(self, name: NormalizedName, files: Sequence[File], held: Mirrored | None) -> tuple[list[File], list[str], bool]:
        """Have these files here; answer those that are, what is wrong with the others, and whether some were blocked by an order."""
        known = {file.filename: file for file in held.page.files} if held is not None else {}
        taken: set[Filename] = set()
        trouble: list[str] = []
        blocked: list[File] = []
        replaced: list[File] = []

        async def take(file: File) -> None:
            try:
                # A refusal is no request, and takes no turn from one.
                self._check_blocked(name, file)
                count = await self._fetched(name, file)
            except StorageFull:
                raise
            except Refused:
                blocked.append(file)
                return
            except (CorruptContent, NoSuchFile) as error:
                if await self._is_replaced(name, file):
                    replaced.append(file)
                else:
                    trouble.append(f"{file.filename}: {error}")
                return
            except PypidaemonError as error:
                trouble.append(f"{file.filename}: {error}")
                return
            self.tally.files += bool(count)
            self.tally.held += not count
            self.tally.bytes += count
            taken.add(file.filename)

        wanted = [file for file in files if not _is_here(known.get(file.filename), file)]
        await self.acts.foresee(wanted)
        queue = iter(wanted)

        async def hand() -> None:
            for file in queue:
                await take(file)

        # Most of them are being stored, or wait for a turn.
        await together(hand() for _ in range(min(ASIDE, len(wanted))))
        self.tally.held += len(files) - len(wanted)
        if replaced:
            await self.acts.lose(name, replaced)
        missed = {file.filename for file in wanted} - taken
        return [file for file in files if file.filename not in missed], sorted(trouble), bool(blocked)

    async def _fetched(self, name: NormalizedName, file: File) -> int:
        """Take that file when it is its turn; answer how many bytes were fetched for it."""
        turn = await self.allowance.turn()
        count = 0
        try:
            count = await self.acts.take(name, file, turn)
        finally:
            turn.end(count)
        return count

    async def _is_replaced(self, name: NormalizedName, file: File) -> bool:
        """Whether a mirror offers that file and upstream's page has other bytes for it by now, so that nobody can bring its own back."""
        held = await self.records.mirrors.page(self.index.label, name) if IMirror.providedBy(self.index) else None
        said = await self.records.pages.recall_file(self.index.label, name, file.filename)
        offered = entry(held.page, file.filename) if held is not None else None
        listed = entry(said.page, file.filename) if said is not None and said.page is not None else None
        return is_replaced(offered, listed, file)

    def _check_blocked(self, name: NormalizedName, file: File) -> None:
        """What is here already stays, hidden; nothing more of it is fetched."""
        now = self.clock.seconds()
        for one in (None, file):
            reason = self.blocked.refusal(name, one, now)
            if reason is not None:
                raise Refused(self.blocked.label, reason)


def _in_short(trouble: Sequence[str]) -> str:
    return "; ".join(trouble[:3]) + (f"; and {len(trouble) - 3} more" if len(trouble) > 3 else "")


def _is_here(held: File | None, file: File) -> bool:
    """Whether that file and what belongs to it was taken as it is now."""
    if held is None or file.digest is None or held.digest != file.digest:
        return False
    return file.core_metadata in (None, "", held.core_metadata) and file.provenance in (None, held.provenance)


def _the_same(held: Mirrored, page: ProjectPage, files: Sequence[File], serial: int) -> bool:
    """Whether what is offered is all that, as it is now, so that nothing needs to be recorded."""
    if not held.complete or held.serial != serial or len(held.page.files) != len(files) or held.lent != (page.lent or frozenset()):
        return False
    known = {file.filename: file for file in held.page.files}
    if not all(_is_here(known.get(file.filename), file) for file in files):
        return False
    new = chosen(page, [attrs.evolve(file, core_metadata=known[file.filename].core_metadata) for file in files])
    kept = [attrs.evolve(known[file.filename], provenance=file.provenance) for file in new.files]
    old = attrs.evolve(held.page, files=tuple(kept), validators=new.validators, max_age=None, refused=0)
    return new == old
