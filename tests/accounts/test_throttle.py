"""Guessing is slow, and nobody can lock out somebody else."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from pypidaemon.accounts.throttle import LIMIT, MOST, MOST_TRYING, WINDOW, Throttle
from pypidaemon.errors import TooManyAttempts


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def refused(throttle: Throttle, account: str, address: str) -> int | None:
    """Seconds to wait, or None where a try is open."""
    try:
        throttle.ask(account, address)
    except TooManyAttempts as error:
        return error.retry_after
    return None


def fail(throttle: Throttle, account: str, address: str, times: int = LIMIT) -> list[bool]:
    return [throttle.failed(account, address) for _ in range(times)]


def test_S69_an_address_has_a_hundred_failures_a_minute(throttle: Throttle, clock: Clock) -> None:
    """Whatever accounts they are about; the last is said, once."""
    for number in range(LIMIT - 1):
        assert not throttle.failed(f"user:{number}", "192.0.2.1")
    assert refused(throttle, "user:x", "192.0.2.1") is None
    clock.advance(20)
    assert throttle.failed("", "192.0.2.1")
    assert not throttle.failed("", "192.0.2.1")
    assert refused(throttle, "user:x", "192.0.2.1") == 40
    assert refused(throttle, "user:x", "192.0.2.2") is None
    clock.advance(WINDOW - 20)
    assert refused(throttle, "user:x", "192.0.2.1") is None


def test_S69_an_account_under_attack_can_be_tried_from_elsewhere(throttle: Throttle) -> None:
    """Once, not from where it failed already."""
    for number in range(LIMIT):
        throttle.failed("user:ann", f"192.0.2.{number}")
    assert refused(throttle, "user:ann", "192.0.2.7") == 60
    assert refused(throttle, "user:bob", "192.0.2.7") is None
    assert refused(throttle, "user:ann", "198.51.100.1") is None
    throttle.failed("user:ann", "198.51.100.1")
    assert refused(throttle, "user:ann", "198.51.100.1") == 60


def test_S69_tries_under_way_take_places(throttle: Throttle) -> None:
    """And give them back; from elsewhere there are others."""
    for _ in range(MOST_TRYING):
        throttle.enter("user:ann", "192.0.2.1")
    with pytest.raises(TooManyAttempts) as caught:
        throttle.enter("user:bob", "192.0.2.1")
    assert caught.value.retry_after == 1
    throttle.enter("user:bob", "192.0.2.2")
    throttle.leave("user:bob", "192.0.2.2")
    throttle.leave("user:ann", "192.0.2.1")
    throttle.enter("user:bob", "192.0.2.1")
    throttle.leave("user:bob", "192.0.2.1")
    for _ in range(MOST_TRYING - 1):
        throttle.leave("user:ann", "192.0.2.1")
    assert not throttle._trying
    assert not throttle._failed


def test_S69_tries_under_way_count_to_the_limit(throttle: Throttle) -> None:
    """So that many at once are no way around it."""
    fail(throttle, "user:ann", "192.0.2.1", LIMIT - 2)
    throttle.enter("user:ann", "192.0.2.1")
    throttle.enter("user:ann", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        throttle.enter("user:ann", "192.0.2.1")


def test_failures_are_forgotten_one_by_one(throttle: Throttle, clock: Clock) -> None:
    for _ in range(LIMIT):
        throttle.failed("", "192.0.2.1")
        clock.advance(0.5)
    assert refused(throttle, "", "192.0.2.1") == 10
    clock.advance(10)
    assert refused(throttle, "", "192.0.2.1") is None
    throttle.failed("", "192.0.2.1")
    assert refused(throttle, "", "192.0.2.1") == 1


def test_one_machine_is_one_address(throttle: Throttle) -> None:
    """Of IPv6 it has a whole /64, and an IPv4 address in two spellings."""
    for number in range(LIMIT):
        throttle.failed("", f"2001:db8:0:1::{number:x}")
    assert refused(throttle, "", "2001:db8:0:1:ffff::1%eth0") == 60
    assert refused(throttle, "", "2001:db8:0:2::1") is None
    fail(throttle, "", "::ffff:192.0.2.1")
    assert refused(throttle, "", "192.0.2.1") == 60


def test_memory_is_bounded(throttle: Throttle) -> None:
    """What was touched last stays."""
    fail(throttle, "", "192.0.2.1", LIMIT - 1)
    for number in range(MOST):
        throttle.failed(f"user:{number}", "192.0.2.9")
        throttle.failed("", f"10.0.{number // 256}.{number % 256}")
    assert len(throttle._failed) <= MOST
    assert refused(throttle, "", "192.0.2.9") == 60
    assert all(len(times) <= LIMIT for times in throttle._failed.values())


def test_a_socket_without_an_address_is_one_too(throttle: Throttle) -> None:
    fail(throttle, "", "")
    assert refused(throttle, "user:x", "") == 60
    assert refused(throttle, "user:x", "192.0.2.1") is None
