"""
What came of large files before the line was lost, kept for a while: whoever asks for one when it is back has it from where it broke off.

Over a line that is lost now and then a file that takes longer than from one loss to the next would else never come.
"""

from __future__ import annotations

from collections.abc import Hashable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import CannotStore, PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IDraft
from pypidaemon.transfers import Checks, Prefix, Transfer, hashed
from pypidaemon.tries import ENOUGH

LASTS = 900.0
"""Seconds for which one is kept: a tunnel, a change of trains, a machine that slept."""
MOST = 4
"""How many are kept; of more, the one goes that was left first."""

log = Logger()


@attrs.frozen(eq=False)
class _Half:
    """What a transfer knew of itself when it ended; as of `Transfer`."""

    draft: IDraft
    size: int | None
    received: int
    validator: str | None
    checks: Checks | None


@attrs.define(eq=False)
class Halves:
    """Those of one spool. Each is in a draft that nobody else has, so none outlives the process (F65)."""

    clock: IReactorTime
    _kept: dict[Hashable, tuple[_Half, IDelayedCall]] = attrs.field(factory=dict, init=False, repr=False)
    _dropping: Flights[IDraft, None] = attrs.field(factory=Flights, init=False, repr=False)

    def keep(self, transfer: Transfer, error: Exception) -> None:
        """
        Take over what a transfer has brought that ends with that error, where it is worth it: its readers hear of the error all the same.

        What nobody has promised a sha256 of is not kept, since nothing would tell that the rest belongs to it, nor what comes from several places, of which
        nobody would know which one was wrong.
        """
        draft = transfer.half or transfer.draft
        if draft is not None and isinstance(error, UpstreamUnavailable) and self._is_worth_it(transfer):
            while len(self._kept) >= MOST:
                self._forget(next(iter(self._kept)))
            flight = transfer.want.flight
            half = _Half(draft, transfer.size, transfer.received, transfer.validator, transfer.checks)
            self._kept[flight] = (half, self.clock.callLater(LASTS, self._forget, flight))
            transfer.draft = None
        elif transfer.half is not None:
            self._drop(transfer.half)
        transfer.half = None
        if isinstance(error, CannotStore):
            # What is whole is worth more than what may never be.
            for flight in list(self._kept):
                self._forget(flight)

    def give(self, transfer: Transfer) -> None:
        """Have a transfer that begins go on from what is here of it."""
        kept = self._kept.pop(transfer.want.flight, None)
        if kept is not None:
            half, timer = kept
            timer.cancel()
            transfer.half, transfer.checks = half.draft, half.checks
            transfer.size, transfer.received, transfer.validator = half.size, half.received, half.validator

    async def end(self) -> None:
        """Keep none any more; comes back when the last is gone."""
        kept, self._kept = self._kept, {}
        for half, timer in kept.values():
            timer.cancel()
            await _dropped(half.draft)
        await self._dropping.land()

    def _is_worth_it(self, transfer: Transfer) -> bool:
        return transfer.received >= ENOUGH and transfer.want.digest is not None and not transfer.small and not transfer.want.elsewhere

    def _forget(self, flight: Hashable) -> None:
        half, timer = self._kept.pop(flight)
        if timer.active():
            timer.cancel()
        self._drop(half.draft)

    def _drop(self, draft: IDraft) -> None:
        self._dropping.start(draft, lambda: _dropped(draft))


async def _dropped(draft: IDraft) -> None:
    await draft.abort()
    draft.close()


async def note_prefix(transfer: Transfer) -> None:
    """Note what readers may have had of a file for whose rest there is no room; the draft is as it was before."""
    if transfer.prefix is None and transfer.draft is not None and transfer.readers:
        try:
            transfer.prefix = Prefix(transfer.received, await hashed(transfer.draft, transfer.received))
        except (PypidaemonError, OSError) as error:
            log.info("{title}: what came of it cannot be read: {error}", title=transfer.want.title, error=str(error))
