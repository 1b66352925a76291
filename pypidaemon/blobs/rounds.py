"""
Things that are done together, because together they cost little more than one of them: whoever comes while others are served is served in the next round.

So a lone one is served at once, and the more come at a time the less each costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import attrs
from twisted.internet.defer import Deferred

from pypidaemon.model import InThread

T = TypeVar("T")
R = TypeVar("R")


@attrs.define(eq=False)
class Rounds(Generic[T, R]):
    """
    The rounds of one kind of work.

    :param do: does it for many things, on a thread; answers for each what came of it, or the error to raise.
    :param most: things of one round at most.
    :param at_once: rounds at once at most.
    """

    disk: InThread
    do: Callable[[Sequence[T]], list[R | Exception]]
    most: int
    at_once: int = 1
    _waiting: deque[tuple[T, Deferred[R]]] = attrs.field(init=False, factory=deque)
    _under_way: int = attrs.field(init=False, default=0)

    async def join(self, thing: T) -> R:
        """
        Answer what came of that thing.

        Whoever stops waiting does not know what became of it.

        :raises Exception: what `do` has for it, or what went wrong with the whole round.
        """
        waiter: Deferred[R] = Deferred()
        self._waiting.append((thing, waiter))
        if self._under_way < self.at_once:
            self._under_way += 1
            Deferred.fromCoroutine(self._serve())
        return await waiter

    async def _serve(self) -> None:
        try:
            while self._waiting:
                served = [self._waiting.popleft() for _ in range(min(self.most, len(self._waiting)))]
                outcomes: Sequence[R | Exception]
                try:
                    outcomes = await self.disk(self.do, [thing for thing, _ in served])
                except Exception as error:  # noqa: BLE001  # whatever it is, those who wait have to hear of it
                    outcomes = [error] * len(served)
                for (_, waiter), outcome in zip(served, outcomes, strict=True):
                    if waiter.called:
                        continue  # cancelled by whoever waited
                    if isinstance(outcome, Exception):
                        waiter.errback(outcome)
                    else:
                        waiter.callback(outcome)
        finally:
            self._under_way -= 1
