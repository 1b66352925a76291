"""How much a run may do at once, and how those who wait are woken."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from pypidaemon.services.mirroring.allowance import MOST, Allowance, Places
from tests.gear import later, now, waiting


def test_thousands_who_wait_and_are_done_at_once_all_get_their_turn() -> None:
    """None is woken within another, which would be deeper than Python allows."""
    allowance = Allowance(Clock())
    gate: Deferred[None] = Deferred()
    done: list[int] = []

    async def slow() -> None:
        async with allowance.request():
            await gate

    async def quick(number: int) -> None:
        async with allowance.request():
            done.append(number)

    slows = [later(slow()) for _ in range(MOST)]
    quicks = [later(quick(number)) for number in range(3_000)]
    assert done == []
    gate.callback(None)
    for one in (*slows, *quicks):
        now(one)
    assert done == list(range(3_000))
    now(quick(0))


def test_who_leaves_or_is_dismissed_takes_no_place() -> None:
    """And whoever has one keeps it."""
    places = Places(1)
    gate: Deferred[None] = Deferred()
    begun: list[str] = []

    async def one(what: str) -> None:
        async with places.place():
            begun.append(what)
            await gate

    first, second, third = (later(one(what)) for what in ("first", "second", "third"))
    second.cancel()
    with pytest.raises(CancelledError):
        now(second)
    places.dismiss()
    with pytest.raises(CancelledError):
        now(third)
    assert waiting(first)
    gate.callback(None)
    now(first)
    now(one("last"))
    assert begun == ["first", "last"]
