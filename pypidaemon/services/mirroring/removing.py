"""What upstream no longer has, taken off here, unless it looks like a mistake of upstream's (M5-M7)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.logger import Logger

from pypidaemon.errors import NoSuchProject, PypidaemonError
from pypidaemon.model import NormalizedName
from pypidaemon.plans import Limit, Look, Verdict, removals
from pypidaemon.services.mirroring.looking import Emptied, Looking

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

    async def dropped(self, names: Sequence[NormalizedName]) -> None:
        """Take off what is no longer chosen: that is the owner's own will, so there is no limit to it (M1)."""
        names = [name for name in names if name not in self.pinned]
        if names and self.follows:
            await self.looking.acts.leave(names, "it is not chosen any more")
            self._count(len(names))

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
        verdict = removals(
            len(concerned) + len(emptied), held, self.limit, census.listed, census.before, census.serial, census.serial_before
        )
        if not verdict.allowed:
            await self._refuse(verdict, emptied)
            return False
        settled = await self._empty(emptied)
        for name in concerned:
            settled = await self._leave(name) and settled
        return settled

    async def _leave(self, name: NormalizedName) -> bool:
        looking = self.looking
        try:
            async with looking.allowance.request():
                await looking.index.offered(name, 0)
        except NoSuchProject:
            await looking.acts.leave([name], "upstream has it no longer")
            self._count(1)
            return True
        except PypidaemonError as error:
            looking.tally.trouble(f"{name}: whether it is gone is not known: {error}")
            return False
        log.warn("{label}: upstream's list has {name} no longer, and its page is there; it stays", label=looking.index.label, name=name)
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
        looking.tally.trouble(reason)
        log.error("{label}: {reason}", label=looking.index.label, reason=reason)
        for one in emptied:
            await looking.fail(Look(one.page.name, one.serial), f"upstream's page has no files any more, and {reason}")

    def _count(self, number: int) -> None:
        self.looking.tally.removed += number
