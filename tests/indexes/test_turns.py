"""Turns: one at a time, in order of arrival, whatever those who have them do and however many wait."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from pypidaemon.indexes.private.turns import Turns
from tests.gear import later, now, waiting


@pytest.fixture
def turns() -> Turns[str]:
    return Turns()


async def have(turns: Turns[str], until: Deferred[None] | None = None, seen: list[int] | None = None, number: int = 0) -> None:
    """Have the turn until then, or no longer than it takes to be written down."""
    async with turns.of("a"):
        if until is not None:
            await until
        if seen is not None:
            seen.append(number)


def test_any_number_who_need_it_for_no_time_are_served_in_order(turns: Turns[str]) -> None:
    """Each of them hands it on before the one before has finished handing it over."""
    gate: Deferred[None] = Deferred()
    seen: list[int] = []
    first = later(have(turns, gate))
    others = [later(have(turns, None, seen, number)) for number in range(3000)]
    assert turns.busy("a")
    gate.callback(None)
    assert [now(one) for one in (first, *others)] == [None] * 3001
    assert seen == list(range(3000))
    assert (len(turns), turns.busy("a")) == (0, False)


def test_who_comes_while_it_is_handed_on_waits_like_all_others(turns: Turns[str]) -> None:
    gate: Deferred[None] = Deferred()
    inside: Deferred[None] = Deferred()
    begun: list[Deferred[None]] = []

    async def short() -> None:
        async with turns.of("a"):
            pass
        # Nobody has it now, and the one before is not done with handing it on.
        begun.append(later(have(turns, inside)))
        begun.append(later(have(turns)))

    first, second = later(have(turns, gate)), later(short())
    gate.callback(None)
    now(first)
    now(second)
    third, fourth = begun
    assert waiting(third)
    assert waiting(fourth)
    assert turns.busy("a")
    fifth = later(have(turns))
    assert waiting(fifth)
    inside.callback(None)
    for one in (third, fourth, fifth):
        now(one)
    assert len(turns) == 0


def test_who_stops_waiting_holds_up_nobody(turns: Turns[str]) -> None:
    gate: Deferred[None] = Deferred()
    first, second, third = later(have(turns, gate)), later(have(turns)), later(have(turns))
    second.cancel()
    with pytest.raises(CancelledError):
        now(second)
    gate.callback(None)
    now(first)
    now(third)
    assert len(turns) == 0


def test_who_fails_hands_it_on(turns: Turns[str]) -> None:
    gate: Deferred[None] = Deferred()
    first, second = later(have(turns, gate)), later(have(turns))
    gate.errback(ValueError("it failed"))
    with pytest.raises(ValueError, match="it failed"):
        now(first)
    now(second)
    assert len(turns) == 0
