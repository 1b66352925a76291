"""
Where a run learns what there is: upstream's history and its list, and the list of an index that stands in while upstream cannot be asked (M18).

What another index says takes nothing away, and its numbers count for nothing (M7, F22): it is only asked what is newer than upstream's own last word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

import attrs

from pypidaemon.catalogues import Opener, entries, later
from pypidaemon.errors import UpstreamDeclines, UpstreamUnavailable
from pypidaemon.interfaces import IPageCache, IProbed, IUpstream
from pypidaemon.model import Change, NormalizedName, Progress, RememberedNames, Validators
from pypidaemon.plans import Look
from pypidaemon.services.mirroring.differences import Entry
from pypidaemon.services.mirroring.work import Reading
from pypidaemon.simple.names import merge
from pypidaemon.stand_ins import able, passed_over
from pypidaemon.upstream_lists import UpstreamList

HARMLESS = NormalizedName("pip")
"""A project that any index may be asked for, just to see whether it answers."""


@attrs.frozen
class Lists:
    """
    What one mirror is told of projects.

    :param names: upstream's list, and `others` that of who stands in for it, which is kept apart.
    """

    upstream: IUpstream
    pages: IPageCache
    names: UpstreamList
    others: UpstreamList

    async def changes(self, since: int) -> list[Change] | None:
        """
        As `IUpstream.changes`. Nobody else is asked that, since a place in one history means nothing in another: where upstream is gone, None.

        :raises UpstreamUnavailable: it could not be had, and the index itself is well: its list would say less at a higher price.
        """
        try:
            return await self.upstream.changes(since)
        except UpstreamUnavailable as error:
            if isinstance(error, UpstreamDeclines) or not able(self.upstream):
                raise
            # These questions have a health of their own.
            if await self.answers():
                raise
            return None

    async def answers(self) -> bool:
        """Whether the upstream itself is well, which is found out by one question."""
        if IProbed.providedBy(self.upstream):
            await IProbed(self.upstream).probe(HARMLESS)
        return self.upstream.health.state == "up"

    async def own(self) -> RememberedNames | None:
        """
        Upstream's list as of now; None where it cannot be had, and others may have one.

        :raises UpstreamUnavailable: it cannot be had, and nobody stands in.
        """
        if passed_over(self.upstream):
            return None
        try:
            return await self.names.ask()
        except UpstreamUnavailable as error:
            if isinstance(error, UpstreamDeclines) or not able(self.upstream):
                raise
            return None

    async def lent(self, before: Progress) -> Reading:
        """
        The entries of upstream's own last list, with those that an index which stands in has besides and that are newer.

        Where upstream's list was never read to its end all of the other is new.

        :raises UpstreamUnavailable: nobody has a list.
        """
        beside = await self.others.ask_others()
        opened = await self.others.opened(beside)
        if opened is None:
            raise UpstreamUnavailable(self.upstream.label, "the list of who stands in for it is not here any more")
        if not before.listed:
            return partial(entries, opened)
        kept = await self.pages.recall_names(self.names.label)
        own = await self.names.opened(kept) if kept is not None else None
        return partial(_with_later, own, opened, before.serial if kept is None or own is None else kept.serial)


def plain(said: Validators) -> Validators:
    """Validators as they are on record where it is known anyway whose they are."""
    return attrs.evolve(said, source="")


async def unnumbered(looks: AsyncIterator[Look]) -> AsyncIterator[Look]:
    """The same projects, of none of which it is known what number upstream has for it."""
    async for look in looks:
        yield Look(look.name, 0)


def _with_later(own: Opener | None, beside: Opener, serial: int) -> Iterator[Entry]:
    # Of what both have, the number that is higher than all upstream has told of says that there is something new.
    return merge([later(beside, serial), entries(own)] if own is not None else [later(beside, serial)])
