"""Taking turns: whoever changes a project is alone with it meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import attrs
from twisted.internet.defer import Deferred

K = TypeVar("K", bound=Hashable)


@attrs.define(eq=False)
class _Turn:
    """A turn that somebody has, or is about to have."""

    waiting: deque[Deferred[None]] = attrs.field(factory=deque)
    handed_back: bool = False
    handing_on: bool = False


@attrs.define
class Turns(Generic[K]):
    """One turn per key, which exists only while somebody has it or waits for it. Those who wait are served in the order in which they came."""

    _turns: dict[K, _Turn] = attrs.field(factory=dict, init=False, repr=False)

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        """Wait for the turn, and have it for as long as the block lasts."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = _Turn()
        else:
            waiter: Deferred[None] = Deferred(turn.waiting.remove)
            turn.waiting.append(waiter)
            await waiter
        try:
            yield
        finally:
            self._hand_back(key, turn)

    def busy(self, key: K) -> bool:
        """Whether somebody has that turn now."""
        return key in self._turns

    def _hand_back(self, key: K, turn: _Turn) -> None:
        turn.handed_back = True
        if turn.handing_on:
            # Who got it handed it back before it was done with handing it on, and goes on there: of many who need it for no time none is called by another.
            return
        turn.handing_on = True
        while turn.handed_back and turn.waiting:
            turn.handed_back = False
            turn.waiting.popleft().callback(None)
        turn.handing_on = False
        if turn.handed_back:
            del self._turns[key]

    def __len__(self) -> int:
        return len(self._turns)
