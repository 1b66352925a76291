"""How fast something is done that nobody waits for, so that those who wait for something else do not notice."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

AHEAD = 0.05
"""Seconds that one may be ahead before one waits; waiting for less would cost more than it gives."""


@attrs.define
class Pace:
    """
    Holds up whoever goes faster than that on average; what was saved up by a pause is not made up.

    :param rate: how much a second, of whatever is counted; None is as fast as it goes.
    """

    clock: IReactorTime
    rate: float | None
    _free: float = attrs.field(default=0.0, init=False)

    async def spend(self, amount: float) -> None:
        """So much was done."""
        if self.rate is None:
            return
        now = self.clock.seconds()
        self._free = max(self._free, now) + amount / self.rate
        if self._free - now > AHEAD:
            await deferLater(self.clock, self._free - now)
