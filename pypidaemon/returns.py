"""What upstream took away from a mirror, brought back by order, and kept from then on whatever upstream does (M7)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.announcements import Announcements
from pypidaemon.interfaces import IMirror, IMirrorRecords
from pypidaemon.model import Leaving, NormalizedName


async def forget_over(label: str, records: IMirrorRecords, now: float) -> list[Leaving]:
    """
    Forget what left that mirror and cannot be brought back any more, and answer it.

    That is what a run has ended after: of a clock that jumps ahead all that waits is over at once, and it is gone for good (F44). So one run more goes by
    first, in which the clock can be put right.
    """
    return await records.forget_leaving(label, min(now, (await records.progress(label)).tried))


@attrs.frozen
class Returns:
    """
    Brings back what left.

    :param mirrors: by their labels.
    """

    mirrors: Mapping[str, IMirror]
    records: IMirrorRecords
    announcements: Announcements

    async def mirror_of(self, name: NormalizedName, wanted: str | None) -> str | None:
        """
        The label of the mirror that an order about that project is about: the one that is named, or the one that it left; None where there is none.

        :raises Unacceptable: it left several.
        """
        if wanted is not None:
            return wanted if wanted in self.mirrors else None
        left = [label for label in self.mirrors if any(one.name == name for one in await self.records.leaving(label))]
        if len(left) > 1:
            raise Unacceptable(f"{name} left several mirrors; say --index with one of: {' '.join(sorted(left))}")
        return left[0] if left else None

    async def bring_back(self, label: str, name: NormalizedName) -> int:
        """
        Offer again what left of that project and is still here, and pin it; answer how many files that were.

        :raises Unacceptable: nothing of it left, or its time is over.
        :raises PypidaemonError: it cannot be recorded.
        """
        # The pin comes first: without what it keeps it does no harm.
        pinned = name in await self.records.pinned(label)
        await self.records.pin(label, name, True)
        count = await self.records.bring_back(label, name)
        if not count and not pinned:
            await self.records.pin(label, name, False)
            raise Unacceptable(f"nothing of {name} left {label} that could be brought back")
        self.announcements.announce(name)
        return count
