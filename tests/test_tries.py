"""Trying again: at most a tenth more than what was asked for first, and not in step."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from pypidaemon.tries import AT_FIRST, BASE, CAP, RESUMES, Purse, Tries
from tests.gear import later, now, waiting


def test_G11_what_is_earned_is_all_that_is_spent() -> None:
    purse = Purse()
    again = 0
    for _ in range(1000):
        purse.earn()
        again += purse.spend() + purse.spend()
    assert again <= 100


def test_what_is_saved_up_is_bounded() -> None:
    purse = Purse()
    for _ in range(10_000):
        purse.earn()
    assert purse.left == AT_FIRST
    assert sum(purse.spend() for _ in range(100)) == AT_FIRST


def test_upstreams_do_not_pay_for_each_other() -> None:
    tries = Tries(Clock(), lambda: 0.0)
    answers = [later(tries.again("one", 0)) for _ in range(20)]
    tries.clock.advance(0)  # type: ignore[attr-defined]  # it is the one that moves by hand
    assert sum(now(answer) for answer in answers) == AT_FIRST
    assert tries.denied == 10
    other = later(tries.again("other", 0))
    tries.clock.advance(0)  # type: ignore[attr-defined]  # as above
    assert now(other)


@pytest.mark.parametrize("chance", [0.25, 0.999])
@pytest.mark.parametrize("attempt", range(RESUMES))
def test_waits_grow_and_where_in_between_they_end_is_chance(chance: float, attempt: int) -> None:
    clock = Clock()
    answer = later(Tries(clock, lambda: chance).again("one", attempt))
    whole = min(CAP, BASE * 2**attempt) * chance
    clock.advance(whole * 0.99)
    assert waiting(answer)
    clock.advance(whole * 0.02)
    assert now(answer)


def test_a_transfer_is_taken_up_so_often_and_no_more() -> None:
    tries = Tries(Clock(), lambda: 0.0)
    assert not now(tries.again("one", RESUMES))
    assert tries.denied == 0
