"""Several at work at once: through one stream of things to do, or each on one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from pypidaemon.waits import Bell

T = TypeVar("T")

_OVER: Any = object()


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """
    Do all of that at once, and come back when the last has ended.

    Where one fails, and where this wait is cancelled, the others are cancelled, once, and waited for all the same.

    :raises Exception: what the first to fail raised.
    """
    crew = _Crew()
    for coroutine in work:
        crew.add(coroutine)
    try:
        await crew.settled()
    finally:
        await crew.end()
    if crew.trouble:
        crew.trouble[0].raiseException()


@attrs.define(eq=False)
class _Crew:
    """What is under way; `trouble` are the failures in their order."""

    trouble: list[Failure] = attrs.field(factory=list)
    _running: dict[Deferred[None], None] = attrs.field(factory=dict)
    _changed: Bell = attrs.field(factory=Bell)

    def add(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin that."""
        deferred = Deferred.fromCoroutine(coroutine)
        self._running[deferred] = None
        deferred.addBoth(self._note, deferred)

    async def settled(self) -> None:
        """Come back when all is done, or something failed."""
        while self._running and not self.trouble:
            await self._changed.wait()

    async def end(self) -> None:
        """Cancel what is left, and come back when the last of it has ended."""
        for deferred in list(self._running):
            deferred.cancel()
        while self._running:
            await self._changed.wait()

    def _note(self, result: object, deferred: Deferred[None]) -> None:
        del self._running[deferred]
        if isinstance(result, Failure):
            self.trouble.append(result)
        if self.trouble or not self._running:
            # Nobody waits for less.
            self._changed.ring()


async def share_out(source: AsyncIterator[T], hands: int, do: Callable[[T], Awaitable[None]]) -> None:
    """
    Do that with each thing from the source, with so many hands; of what is to come no more is taken from it than hands are free.

    :raises Exception: what the source or the doing of one raised; all else is then ended.
    """
    turn = DeferredLock()

    async def hand() -> None:
        while True:
            await turn.acquire()
            try:
                thing = await anext(source, _OVER)
            finally:
                turn.release()
            if thing is _OVER:
                return
            await do(thing)

    await together(hand() for _ in range(hands))
