"""How much a run may do at once, and how those who wait are woken."""

from __future__ import annotations

from contextlib import suppress

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import ITurn
from pypidaemon.services.mirroring.allowance import ASIDE, ASIDE_BYTES, MOST, Allowance, Places
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


def test_R210_what_came_is_stored_while_others_make_their_requests() -> None:
    """But no more at once than memory is meant for, and who makes another request waits for his turn again."""
    clock = Clock()
    allowance = Allowance(clock)
    turns = [now(allowance.turn()) for _ in range(MOST)]
    verifyObject(ITurn, turns[0])
    more = [later(allowance.turn()) for _ in range(ASIDE)]
    assert all(waiting(one) for one in more)
    turns[0].leave(1)
    turns[0].leave(1)
    assert not waiting(more[0])
    assert waiting(more[1])
    again = later(turns[0].enter())
    assert waiting(again)
    for one in more:
        one.cancel()
        with suppress(CancelledError):
            now(one).end(0)
    now(again)
    now(turns[0].enter())
    for turn in turns:
        turn.end(1)
        turn.end(1)
    turns = [now(allowance.turn()) for _ in range(MOST)]
    assert waiting(later(allowance.turn()))


def test_only_so_many_are_stored_beside_those_who_make_requests() -> None:
    allowance = Allowance(Clock())
    stored = []
    for _ in range(ASIDE):
        stored.append(now(allowance.turn()))
        stored[-1].leave(1)
    turns = [now(allowance.turn()) for _ in range(MOST)]
    turns[0].leave(1)
    one = later(allowance.turn())
    assert waiting(one)
    stored[0].end(1)
    turns[1].leave(1)
    assert not waiting(one)


def test_only_so_many_bytes_are_stored_beside_them_or_one_file() -> None:
    allowance = Allowance(Clock())
    turns = [now(allowance.turn()) for _ in range(MOST)]
    more = [later(allowance.turn()) for _ in range(4)]
    turns[0].leave(ASIDE_BYTES + 1)
    assert not waiting(more[0])
    turns[1].leave(1)
    assert waiting(more[1])
    turns[0].end(ASIDE_BYTES + 1)
    turns[2].leave(ASIDE_BYTES - 1)
    turns[3].leave(1)
    assert [waiting(one) for one in more] == [False] * 3 + [True]
    assert waiting(more[3])


def test_bytes_count_when_they_have_come_and_once() -> None:
    """Whoever makes the next request waits for them, also while they are being stored."""
    clock = Clock()
    allowance = Allowance(clock, 100)
    turn = now(allowance.turn())
    turn.leave(200)
    following = later(allowance.turn())
    clock.advance(1.9)
    assert waiting(following)
    turn.end(300)
    clock.advance(1.0)
    assert waiting(following)
    clock.advance(0.2)
    now(following).end(0)


def test_who_stops_waiting_for_the_bandwidth_takes_no_place() -> None:
    clock = Clock()
    allowance = Allowance(clock, 1)
    allowance.took(100)
    for _ in range(2 * MOST):
        one = later(allowance.turn())
        one.cancel()
        with pytest.raises(CancelledError):
            now(one)
    clock.advance(100)
    now(allowance.turn())
