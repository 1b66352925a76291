"""
What came of large files before the line was lost, kept for a while: whoever asks for one when it is back has it from where it broke off.

Over a line that is lost now and then a file that takes longer than from one loss to the next would else never come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import CannotStore, PypidaemonError, UpstreamDeclines, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBody, IDraft
from pypidaemon.transfers import Checks, Prefix, Transfer, Want, hashed, taken_up
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
    until: float
    """When it is worth nothing any more."""


@attrs.define(eq=False)
class Halves:
    """Those of one spool. Each is in a draft that nobody else has, so none outlives the process (F65)."""

    clock: IReactorTime
    _kept: dict[Hashable, tuple[_Half, IDelayedCall]] = attrs.field(factory=dict, init=False, repr=False)
    _dropping: Flights[IDraft, None] = attrs.field(factory=Flights, init=False, repr=False)

    def keep(self, transfer: Transfer, error: Exception) -> None:
        """
        Take over what a transfer has brought that ends with that error, where it is worth it: its readers hear of the error all the same.

        What nobody has promised a sha256 of, or upstream has no name for the state of, is not kept, since nothing would tell that the rest belongs to it, nor
        what comes from several places, of which nobody would know which one was wrong. Nor is anything once upstream will not answer: it may be the rest alone that
        it refuses.
        """
        draft = transfer.half or transfer.draft
        broke_off = isinstance(error, UpstreamUnavailable) and not isinstance(error, UpstreamDeclines)
        if draft is not None and broke_off and self._is_worth_it(transfer):
            while len(self._kept) >= MOST:
                self._forget(next(iter(self._kept)))
            flight, now = transfer.want.flight, self.clock.seconds()
            # Whoever asks in vain makes it no younger, or what upstream cannot go on from would be asked for as long as somebody asks.
            until = now + LASTS if transfer.half is None else min(transfer.half_until, now + LASTS)
            half = _Half(draft, transfer.size, transfer.received, transfer.validator, transfer.checks, until)
            self._kept[flight] = (half, self.clock.callLater(max(until - now, 0.0), self._forget, flight))
            transfer.draft = None
        elif transfer.half is not None:
            self._drop(transfer.half)
        transfer.half = None
        if isinstance(error, CannotStore):
            self._forget_all()

    def give(self, transfer: Transfer) -> None:
        """Have a transfer that begins go on from what is here of it."""
        kept = self._kept.pop(transfer.want.flight, None)
        if kept is not None:
            half, timer = kept
            timer.cancel()
            transfer.half, transfer.half_until, transfer.checks = half.draft, half.until, half.checks
            transfer.size, transfer.received, transfer.validator = half.size, half.received, half.validator

    async def begun(self, transfer: Transfer) -> IBody:
        """
        The first body of a transfer, which goes on from what is here of it, or comes from the beginning where upstream's file may be another by now.

        Then it begins without its half: whoever reads would be given that at once, and next to nothing until as much has come again, for longer than installers
        wait; or other bytes than upstream has by now.

        :raises PypidaemonError: as `taken_up`.
        """
        body = await (taken_up(transfer) if transfer.received else transfer.want.source(0))
        if transfer.half is not None and not body.offset:
            self._drop(transfer.half)
            transfer.begin_anew()
        transfer.goes_on()
        return body

    async def fits(self, want: Want, room: Callable[[int], Awaitable[bool]]) -> bool:
        """Whether there is room for what is missing of that; where there is too little, halves are the first to go."""
        kept = self._kept.get(want.flight)
        fits = await room(max((want.size or 0) - (kept[0].received if kept is not None else 0), 0))
        if not fits:
            await self.let_go()
        return fits

    async def let_go(self) -> bool:
        """Keep none any more, at the end or to make room; comes back when the last is gone, with whether there were any."""
        found = bool(self._kept)
        self._forget_all()
        await self._dropping.rest()
        return found

    def _is_worth_it(self, transfer: Transfer) -> bool:
        provable = transfer.want.digest is not None and transfer.validator is not None
        return transfer.received >= ENOUGH and provable and not transfer.small and not transfer.want.elsewhere

    def _forget_all(self) -> None:
        """What is whole is worth more than what may never be."""
        for flight in list(self._kept):
            self._forget(flight)

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
