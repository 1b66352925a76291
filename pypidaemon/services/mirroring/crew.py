"""Several at work at once: through one stream of things to do, or each on one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

T = TypeVar("T")

_OVER: Any = object()


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """
    Do all of that at once, and come back when the last has ended.

    Where one fails, and where this wait is cancelled, the others are cancelled, once, and waited for all the same.

    :raises Exception: what the first to fail raised.
    """
    trouble: list[Failure] = []
    ended: Deferred[None] = Deferred()
    turned: Deferred[None] = Deferred()
    running: list[Deferred[None]] = []
    cancelled = False
    left = 0

    def cancel() -> None:
        nonlocal cancelled
        if not cancelled:
            cancelled = True
            for each in running:
                each.cancel()

    def note(result: object) -> None:
        nonlocal left
        left -= 1
        if isinstance(result, Failure):
            trouble.append(result)
        if trouble and not turned.called:
            turned.callback(None)
        if not left and begun:
            ended.callback(None)
            if not turned.called:
                turned.callback(None)

    begun = False
    for coroutine in work:
        left += 1
        running.append(Deferred.fromCoroutine(coroutine))
        running[-1].addBoth(note)
    begun = True
    if left:
        try:
            await turned
        finally:
            if left:
                cancel()
                await ended
    if trouble:
        trouble[0].raiseException()


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
