"""What upstream no longer has, taken off here, unless it looks like a mistake of upstream's (M5-M7)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.logger import Logger

from pypidaemon.errors import NoSuchProject, PypidaemonError
from pypidaemon.interfaces import IMirror
from pypidaemon.model import NormalizedName
from pypidaemon.plans import Limit, Look, Verdict, removals
from pypidaemon.services.mirroring.differences import PART
from pypidaemon.services.mirroring.looking import Emptied, Looking
from pypidaemon.services.mirroring.losing import with_lost
from pypidaemon.telling import enumerated, plural

WITHOUT = Limit(100.0)
"""No limit."""

log = Logger()


@attrs.frozen
class Census:
    """
    Upstream's list, in numbers: how many projects it has, and its serial, 0 where it has none.

    `before` and `serial_before` are those of the last run that was completed; 0 where there was none.
    """

    listed: int
    serial: int
    before: int = 0
    serial_before: int = 0


@attrs.define
class Removing:
    """
    Takes off what has gone.

    :param follows: whether it is taken off at all.
    :param pinned: projects of which nothing is.
    """

    looking: Looking
    follows: bool
    limit: Limit
    pinned: frozenset[NormalizedName]

    async def dropped(self, names: Sequence[NormalizedName], held: int, before: str) -> bool:
        """
        Take off what is no longer chosen; answer whether that is settled.

        There is no limit where the owner said so (M1), and one where what chooses has changed by itself.

        :param held: how many projects are here.
        :param before: what was chosen before, as `Choice.revision` says it.
        """
        names = [name for name in names if name not in self.pinned]
        if not (names and self.follows):
            return True
        looking = self.looking
        verdict = looking.choice.may_drop(len(names), held, self.limit if self._offers else WITHOUT, before)
        if verdict.allowed:
            await looking.acts.leave(names, "it is not chosen any more")
            self._count(len(names))
            return True
        if not verdict.reason:
            log.info(
                "{label}: {projects} not chosen any more and {stay} until more is known of what clients took: {names}",
                label=looking.index.label, projects=f"{plural(len(names), 'project')} {'is' if len(names) == 1 else 'are'}",
                stay="stays" if len(names) == 1 else "stay", names=enumerated(names),
            )  # fmt: skip
            return True
        self._say(f"nothing that is not chosen any more is removed: {verdict.reason}")
        return False

    async def gone(self, names: Sequence[NormalizedName], emptied: Sequence[Emptied], held: int, census: Census) -> bool:
        """
        Take off what upstream lists no longer and has no page of, and files of which it lists none; answer whether that is settled.

        :param names: what is here and was not on a list that was read to its end.
        :param held: how many projects are here.
        """
        concerned = [name for name in names if name not in self.pinned]
        if not self.follows:
            # Its page is upstream's all the same, and what is kept is beside that.
            return await self._empty(emptied)
        losing = [one for one in emptied if one.page.name not in self.pinned and (self._offers or not one.page.files)]
        count = len(concerned) - await self._only_lent(concerned) + len(losing)
        verdict = removals(count, held, self.limit, census.listed, census.before, census.serial, census.serial_before)
        if not verdict.allowed:
            await self._refuse(verdict, emptied)
            return False
        settled = await self._empty(emptied)
        for name in concerned:
            settled = await self._leave(name) and settled
        return settled

    async def _only_lent(self, names: Sequence[NormalizedName]) -> int:
        """Of how many of these projects upstream never told of anything that is here: it is no mistake of upstream's that it has none."""
        books, label = self.looking.records.mirrors, self.looking.index.label
        # What was lent is recorded without a serial, so of a list that is empty not every page there is has to be read.
        sought, count, after = set(names), 0, ""
        while sought and (part := await books.serials(label, after, PART)):
            for name in [name for name, serial in part if not serial and name in sought]:
                held = await books.page(label, name)
                count += held is not None and bool(held.lent) and not held.own.page.files
            after = part[-1][0]
        return count

    async def _leave(self, name: NormalizedName) -> bool:
        looking = self.looking
        try:
            async with looking.allowance.request():
                page = await looking.index.offered(name, 0)
        except NoSuchProject:
            await looking.acts.leave([name], "upstream has it no longer")
            self._count(1)
            return True
        except PypidaemonError as error:
            looking.tally.trouble(f"{name}: whether it is gone is not known: {error}")
            return False
        if page.lent is not None:
            looking.tally.trouble(f"{name}: whether it is gone is not known: {looking.index.upstream.label} cannot be asked")
            return False
        log.warn(
            "{label}: upstream's list has {name} no longer, and its page is there; it stays until that is gone too",
            label=looking.index.label, name=name,
        )  # fmt: skip
        await looking.acts.done(name)
        return True

    async def _empty(self, emptied: Sequence[Emptied]) -> bool:
        looking = self.looking
        for one in emptied:
            held = await looking.records.mirrors.page(looking.index.label, one.page.name)
            try:
                await looking.bring(one.page, one.serial, held)
            except PypidaemonError as error:
                await looking.fail(Look(one.page.name, one.serial), str(error))
                return False
        return True

    async def _refuse(self, verdict: Verdict, emptied: Sequence[Emptied]) -> None:
        looking = self.looking
        reason = f"nothing is removed: {verdict.reason}"
        self._say(reason)
        for one in emptied:
            await self._add(one)
            await looking.fail(Look(one.page.name, one.serial), f"upstream's page lacks most files, and {reason}")

    async def _add(self, one: Emptied) -> None:
        """What is new of such a project is taken all the same, as of all others."""
        looking = self.looking
        held = await looking.records.mirrors.page(looking.index.label, one.page.name)
        if held is None or not one.page.files:
            return
        try:
            # Upstream has spoken, so what was only lent is nothing that it lacks.
            await looking.bring(with_lost(held.own, one.page), 0, held)
        except PypidaemonError as error:
            looking.tally.trouble(f"{one.page.name}: {error}")

    def _say(self, reason: str) -> None:
        self.looking.tally.trouble(reason)
        log.error("{label}: {reason}", label=self.looking.index.label, reason=reason)

    @property
    def _offers(self) -> bool:
        """Whether what goes is offered no longer; a proxy fetches it again for whoever asks, and has no limit that anybody could raise."""
        return IMirror.providedBy(self.looking.index)

    def _count(self, number: int) -> None:
        self.looking.tally.removed += number
