"""
Trying again, so that one broken transfer is mended and a broken upstream is not met by a multiple of what clients want (G11).

Each first question to an upstream earns it a small part of a second one. What is earned is all that is spent, so whatever breaks, and however often,
the upstream gets at most a tenth more than was asked for.
"""

from __future__ import annotations

import random as randomness
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

RESUMES = 3
"""How often one transfer that broke off is taken up again (F8), without enough having come in between."""

ENOUGH = 1 << 20
"""Bytes that are enough: then it is the line that breaks from time to time, and not the file, and a large one is worth to be taken up as often again."""

BASE = 0.2
"""Seconds to wait at most before the first of these; each further wait may be twice as long. Where in between is chance, so that many who lost the same
line do not come back in step (full jitter)."""

CAP = 10.0
"""Seconds of any such wait at most."""

EARNED = 0.09
"""What part of a further question each first one earns."""

AT_FIRST = 10.0
"""What there is to spend before anything was earned, and the most that is ever saved up: a thousand first questions and what may follow them are 1,100."""


@attrs.define(eq=False)
class Purse:
    """What may be asked again of one upstream."""

    left: float = AT_FIRST

    def earn(self) -> None:
        """Something was asked for the first time."""
        self.left = min(self.left + EARNED, AT_FIRST)

    def spend(self) -> bool:
        """Whether something may be asked again; yes uses it up."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


@attrs.define(eq=False)
class Tries:
    """
    What may be asked again, by upstream.

    :param random: gives numbers from 0 up to 1, for the jitter.
    """

    clock: IReactorTime
    random: Callable[[], float] = randomness.random
    denied: int = attrs.field(default=0, init=False)
    """How often something was not asked again for want of earnings."""
    _purses: dict[str, Purse] = attrs.field(factory=dict, init=False, repr=False)

    def first(self, origin: str) -> None:
        """Something is asked of that upstream for the first time; there are as many of these as indexes, so all are remembered."""
        self._purse(origin).earn()

    async def again(self, origin: str, attempt: int) -> bool:
        """
        Wait for a moment in which to ask again; answer whether it may be asked at all.

        :param attempt: how often it was asked again before.
        """
        if attempt >= RESUMES:
            return False
        if not self._purse(origin).spend():
            self.denied += 1
            return False
        await deferLater(self.clock, self.random() * min(CAP, BASE * 2**attempt))
        return True

    def _purse(self, origin: str) -> Purse:
        return self._purses.setdefault(origin, Purse())
