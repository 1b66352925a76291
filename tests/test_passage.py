"""`pypidaemon.passage`: what a daemon passes on of the daemons before it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from pypidaemon import passage
from pypidaemon.waits import Bell
from tests.gear import later, now


async def answered(*lines: str) -> str:
    """What a coroutine asks with that answers a request with these `Via` lines."""
    passage.note(lines)
    return await asked()


async def asked() -> str:
    return passage.via("pypidaemon-me")


def test_L9_without_via_there_is_our_own_mark_alone() -> None:
    assert now(answered()) == "1.1 pypidaemon-me"


@pytest.mark.parametrize(
    ("lines", "before"),
    [
        (("1.1 pypidaemon-ab12",), ["pypidaemon-ab12"]),
        (("1.1 pypidaemon-ab12, 1.1 proxy.internal (squid)", "HTTP/2 pypidaemon-cd34"), ["pypidaemon-ab12", "pypidaemon-cd34"]),
        (("1.1 vegur, 1.0 fred",), []),
        (("1.1 pypidaemon-\x00, \r\nHost: x, 1.1 pypidaemon-" + "a" * 65, ""), []),
        (tuple(f"1.1 pypidaemon-{number}" for number in range(100)), [f"pypidaemon-{number}" for number in range(80, 100)]),
    ],
)
def test_L9_the_daemons_before_us_are_passed_on_and_nobody_else(lines: tuple[str, ...], before: list[str]) -> None:
    assert now(answered(*lines)) == ", ".join(f"1.1 {mark}" for mark in [*before, "pypidaemon-me"])


def test_L9_the_chain_belongs_to_one_request_and_to_all_that_it_begins() -> None:
    bell = Bell()

    async def slowly(*lines: str) -> str:
        passage.note(lines)
        await bell.wait()
        return await Deferred.fromCoroutine(asked())

    one, other = later(slowly("1.1 pypidaemon-one")), later(slowly())
    assert passage.via("pypidaemon-me") == "1.1 pypidaemon-me"
    bell.ring()
    assert now(one) == "1.1 pypidaemon-one, 1.1 pypidaemon-me"
    assert now(other) == "1.1 pypidaemon-me"


def test_other_daemons_are_told_from_other_proxies() -> None:
    assert passage.passed(["1.1 squid", "1.0 cache, 1.1 pypidaemon-0123456789abcdef"])
    assert not passage.passed(["1.1 squid (not pypidaemon)"])
    assert not passage.passed([])


def test_who_asks_is_known_as_long_as_that_is_answered() -> None:
    async def answering() -> str | None:
        passage.note((), "192.0.2.7")
        return passage.asker()

    assert now(answering()) == "192.0.2.7"
    assert passage.asker() is None
