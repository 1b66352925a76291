"""What the log says of a daemon's start and end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.lifetime import Lifetime
from pypidaemon.services.notifying import Notifying
from pypidaemon.services.ordered import CannotStart, OrderedService
from tests.gear import later, now, waiting
from tests.test_ordered import Noted


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, line by line."""
    seen: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_namespace"] == "pypidaemon":
            seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def test_a_start_is_told_when_the_reactor_runs_and_a_stop_at_both_ends(lines: list[str]) -> None:
    """Not before: nobody is answered then, and a signal would find no handler."""
    diary: list[str] = []
    clock = Clock()
    life = Lifetime(OrderedService([Noted("a", diary), Noted("b", diary)]), clock, lambda: "here")
    life.privilegedStartService()
    life.startService()
    assert diary == ["bind a", "bind b", "start a", "start b"]
    assert (lines, life.running) == ([], 1)
    clock.advance(0)
    assert lines == ["here"]
    now(life.stopService())
    assert diary[4:] == ["stop b", "stop a"]
    assert lines[1:] == ["stopping", "stopped"]
    assert (clock.getDelayedCalls(), life.running) == ([], 0)


def test_a_slow_stop_says_what_is_waited_for_once_for_each_part(lines: list[str]) -> None:
    """After a second, and again only when it is another part's turn."""
    clock = Clock()
    first, second = Noted("a", [], slow=True), Noted("b", [], slow=True)
    life = Lifetime(OrderedService([first, second]), clock, lambda: "here")
    life.startService()
    clock.advance(0)
    stopping = life.stopService()
    clock.advance(0.9)
    assert lines[1:] == ["stopping"]
    clock.pump([1, 1, 1])
    assert lines[2:] == ["still stopping: waiting for Noted b"]
    second.stopped.callback(None)
    clock.pump([1, 1])
    assert lines[3:] == ["still stopping: waiting for Noted a"]
    assert waiting(stopping)
    first.stopped.callback(None)
    now(stopping)
    assert lines[4:] == ["stopped"]
    assert clock.getDelayedCalls() == []


def test_one_that_is_stopped_at_once_never_claims_to_answer(lines: list[str]) -> None:
    """As when a signal comes while it starts."""
    clock = Clock()
    life = Lifetime(OrderedService([Noted("a", [])]), clock, lambda: "here")
    life.startService()
    now(life.stopService())
    clock.advance(1)
    assert lines == ["stopping", "stopped"]


def test_a_start_that_fails_is_the_callers_to_tell(lines: list[str]) -> None:
    """Nothing is scheduled, nothing is claimed."""
    clock = Clock()
    life = Lifetime(OrderedService([Noted("a", [], PypidaemonError("no"))]), clock, lambda: "here")
    with pytest.raises(CannotStart):
        life.startService()
    assert (clock.getDelayedCalls(), lines) == ([], [])


def test_a_part_that_fails_to_stop_does_not_hold_the_last_line(lines: list[str], no_logged_failures: list[dict[str, Any]]) -> None:
    """It is logged by itself."""
    clock = Clock()
    bad = Noted("b", [], slow=True, stopped=Deferred())
    life = Lifetime(OrderedService([bad]), clock, lambda: "here")
    life.startService()
    stopping = life.stopService()
    bad.stopped.errback(ValueError("stuck"))
    now(stopping)
    assert lines == ["stopping", "stopped"]
    assert len(no_logged_failures) == 1
    no_logged_failures.clear()


class Manager:
    """A service manager that writes down what it is told."""

    def __init__(self, clock: Clock) -> None:
        self.told: list[str] = []

        async def probe() -> None:
            raise AssertionError("nobody waits for a sign of life")

        self.notifying = Notifying(clock, lambda datagram: self.told.append(datagram.decode().replace("\n", " ")), None, probe, lambda: 7)


def test_F72_F79_the_service_manager_hears_of_each_turn(lines: list[str]) -> None:
    """Also that a new configuration is not used, and that it is still ready with the old one."""
    clock = Clock()
    manager = Manager(clock)
    wrong: list[Exception] = []

    async def renew() -> None:
        if wrong:
            raise wrong.pop()

    life = Lifetime(OrderedService([Noted("a", [])]), clock, lambda: "here", renew, manager.notifying)
    life.startService()
    assert manager.told == []
    clock.advance(0)
    assert manager.told.pop() == "READY=1 STATUS=here"
    now(life.hang_up())
    assert manager.told == ["RELOADING=1 MONOTONIC_USEC=7 STATUS=reading the configuration again", "READY=1 STATUS=here"]
    wrong.append(PypidaemonError("no such key"))
    now(life.hang_up())
    kept = "the configuration was read again and is not used, all stays as it was: no such key"
    assert manager.told[-1] == f"READY=1 STATUS={kept}"
    now(life.stopService())
    assert manager.told[-1] == "STOPPING=1 STATUS=finishing what is under way"
    assert lines == ["here", "the configuration was read again; here", kept, "stopping", "stopped"]


def test_a_reload_that_fails_in_a_way_nobody_foresaw_is_logged_and_everything_goes_on(
    lines: list[str], no_logged_failures: list[dict[str, Any]]
) -> None:
    """A signal has nobody who could be told, and the service manager must not wait for ever."""
    clock = Clock()
    manager = Manager(clock)

    async def renew() -> None:
        raise ValueError("nonsense")

    life = Lifetime(OrderedService([]), clock, lambda: "here", renew, manager.notifying)
    life.startService()
    now(life.hang_up())
    assert manager.told[-1] == "READY=1 STATUS=here"
    assert len(no_logged_failures) == 1
    no_logged_failures.clear()
    now(life.stopService())


def test_one_that_cannot_read_its_configuration_again_says_so(lines: list[str]) -> None:
    """As before it has started, and after."""
    life = Lifetime(OrderedService([]), Clock(), lambda: "here")
    with pytest.raises(PypidaemonError, match="about to stop"):
        now(life.reload())


def test_F80_each_reload_reads_the_file_when_the_one_before_is_done(lines: list[str]) -> None:
    """Or one that read it earlier, and took longer, would have the last word; many signals in a row are as good as two."""
    clock = Clock()
    manager = Manager(clock)
    reading: list[Deferred[None]] = []

    async def renew() -> None:
        reading.append(Deferred())
        await reading[-1]

    life = Lifetime(OrderedService([]), clock, lambda: "here", renew, manager.notifying)
    life.startService()
    ordered = later(life.reload())
    signals = [life.hang_up() for _ in range(20)]
    other = later(life.reload())
    assert len(reading) == 1
    reading[0].callback(None)
    assert not waiting(ordered)
    assert len(reading) == 2
    # The signal is being heeded, so one that comes now is about what was written since.
    signals.append(life.hang_up())
    reading[1].callback(None)
    reading[2].callback(None)
    assert not waiting(other)
    assert len(reading) == 4
    reading[3].callback(None)
    assert [waiting(one) for one in signals] == [False] * 21
    assert [line.split()[0] for line in manager.told] == ["RELOADING=1", "READY=1"] * 4
    now(life.stopService())


def test_F80_a_reload_that_waits_for_its_turn_when_the_daemon_is_told_to_stop_does_nothing() -> None:
    """Who ordered it hears so; who signalled does not mind."""
    reading: list[Deferred[None]] = []

    async def renew() -> None:
        reading.append(Deferred())
        await reading[-1]

    life = Lifetime(OrderedService([]), Clock(), lambda: "here", renew)
    life.startService()
    first, signal, second = later(life.reload()), life.hang_up(), later(life.reload())
    now(life.stopService())
    reading[0].callback(None)
    now(first)
    now(signal)
    with pytest.raises(PypidaemonError, match="about to stop"):
        now(second)
    assert len(reading) == 1
