"""Several at work at once, and the end of one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from twisted.internet.defer import CancelledError, Deferred

from pypidaemon.services.mirroring.crew import share_out, together
from tests.gear import later, now, waiting


async def numbers(until: int, taken: list[int]) -> AsyncIterator[int]:
    """One after the other; `taken` are those that were."""
    for number in range(until):
        taken.append(number)
        yield number


def test_no_more_is_taken_from_the_source_than_hands_are_free() -> None:
    """And all of it is done in the end."""
    taken: list[int] = []
    doing: dict[int, Deferred[None]] = {}

    async def do(number: int) -> None:
        doing[number] = Deferred()
        await doing[number]

    work = later(share_out(numbers(5, taken), 2, do))
    assert taken == [0, 1]
    doing[1].callback(None)
    assert taken == [0, 1, 2]
    for number in (0, 2, 3, 4):
        doing[number].callback(None)
    now(work)


def test_where_one_fails_the_others_are_ended_and_waited_for() -> None:
    """What the first raised is what counts."""
    ended: list[str] = []
    slow: Deferred[None] = Deferred()
    broken: Deferred[None] = Deferred()

    async def long() -> None:
        try:
            await Deferred()
        finally:
            await slow
            ended.append("long")

    async def fails() -> None:
        await broken

    work = later(together([long(), fails()]))
    broken.errback(KeyError("first"))
    assert waiting(work)
    assert ended == []
    slow.callback(None)
    with pytest.raises(KeyError, match="first"):
        now(work)
    assert ended == ["long"]


def test_who_is_cancelled_cancels_all_once() -> None:
    """And comes back when they have ended."""
    cancelled: list[int] = []

    async def long() -> None:
        deferred: Deferred[None] = Deferred(lambda _: cancelled.append(1))
        await deferred

    work = later(together([long(), long()]))
    work.cancel()
    assert cancelled == [1, 1]
    with pytest.raises(CancelledError):
        now(work)


def test_what_needs_no_waiting_is_done_at_once() -> None:
    """Also nothing at all, and also where it fails."""

    async def fine() -> None:
        """Nothing to do."""

    async def fails() -> None:
        raise KeyError("at once")

    now(together([]))
    now(together([fine(), fine()]))
    with pytest.raises(KeyError):
        now(together([fails(), fine()]))
