"""Several healths as one: up while any of them is."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IHealth, IVouched
from pypidaemon.model import AWAY


@implementer(IHealth, IVouched)
@attrs.frozen(eq=False)
class Line:
    """
    Whether any of those is up that will do.

    :param healths: the upstream's own first, which says why none is where none is.
    """

    healths: tuple[IHealth, ...]

    @property
    def state(self) -> str:
        """As `IHealth`."""
        if self._up():
            return "up"
        # While one of them may yet answer, not all are away.
        return next((one.state for one in self.healths if one.state not in AWAY), self.healths[0].state)

    @property
    def cause(self) -> str:
        """As `IHealth`."""
        return "" if self._up() else self.healths[0].cause

    @property
    def since(self) -> float:
        """As `IHealth`: since the first of those that are up came up, or the last of all fell."""
        up = self._up()
        return min(one.since for one in up) if up else max(one.since for one in self.healths)

    def may_ask(self) -> bool:
        """As `IHealth`; a probe is used up only where none is up."""
        return bool(self._up()) or any(one.may_ask() for one in self.healths)

    def retry_after(self) -> int:
        """As `IHealth`."""
        return min(one.retry_after() for one in self.healths)

    async def doubted(self) -> None:
        """As `IHealth`: when none is up any more."""
        while up := self._up():
            await up[0].doubted()

    def vouched(self) -> float:
        """As `IVouched`: of the first that is up, for the others will do only when that is known to be down; where none is, of who may be found so in a moment."""
        one = self._speaker()
        return float(one.vouched()) if one is not None else math.inf

    async def confirmed(self) -> None:
        """As `IVouched`."""
        one = self._speaker()
        if one is not None:
            await one.confirmed()

    def unheard(self) -> None:
        """As `IVouched`."""
        one = self._speaker()
        if one is not None:
            one.unheard()

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IHealth`; also called for changes that make no difference to all of them together."""
        for one in self.healths:
            one.listen(listener)

    def _speaker(self) -> IVouched | None:
        able = [one for one in self.healths if one.state not in AWAY and IVouched.providedBy(one)]
        up = next((one for one in able if one.state == "up"), None)
        # Of those that are suspect the first of which it is not known for good.
        return up or next((one for one in able if IVouched(one).vouched() == -math.inf), None)

    def _up(self) -> list[IHealth]:
        return [one for one in self.healths if one.state == "up"]
