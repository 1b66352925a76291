"""What signals mean to a daemon (F80)."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from pypidaemon.services.signals import Signals, end_at_once


class World:
    """A process whose signals are only written down."""

    def __init__(self) -> None:
        self.handlers: dict[int, Any] = {}
        self.calls: list[Any] = []
        self.done: list[str] = []
        self.signals = Signals(
            self,  # type: ignore[arg-type]  # the one method that it needs
            lambda: self.done.append("again"),
            lambda: self.done.append("stop"),
            lambda number: self.done.append(f"die of {number}"),
            self.handlers.__setitem__,
        )

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        self.calls.append(lambda: function(*arguments))

    def send(self, number: int) -> list[str]:
        """That signal comes, and the reactor turns; what has been done by then."""
        self.handlers[number](number, None)
        while self.calls:
            self.calls.pop(0)()
        return self.done


def test_F80_a_hang_up_reads_the_configuration_again_as_often_as_it_comes() -> None:
    """Before anything has started it only waits, and never kills."""
    world = World()
    world.signals.begin()
    assert set(world.handlers) == {signal.SIGHUP}
    world.send(signal.SIGHUP)
    assert world.send(signal.SIGHUP) == ["again", "again"]


def test_a_log_of_ours_is_opened_again_and_goes_on_where_it_cannot_be(lines: list[str]) -> None:
    """On SIGUSR1, as log rotation sends it, and when the configuration is read again; elsewhere SIGUSR1 is left to twistd."""
    world = World()
    world.signals.reopen = lambda: world.done.append("reopen")
    world.signals.begin()
    assert set(world.handlers) == {signal.SIGHUP, signal.SIGUSR1}
    assert world.send(signal.SIGUSR1) == ["reopen"]
    assert world.send(signal.SIGHUP) == ["reopen", "reopen", "again"]

    def refused() -> None:
        raise PermissionError(13, "Permission denied", "/var/log/x")

    world.signals.reopen = refused
    world.send(signal.SIGUSR1)
    assert lines == ["the log goes on in the file that it was in: [Errno 13] Permission denied: '/var/log/x'"]


def test_F80_a_second_signal_ends_at_once_whatever_the_first_one_was(lines: list[str]) -> None:
    """Also when the reactor is what is stuck: the handler itself does it."""
    world = World()
    world.signals.begin()
    world.signals.take_over()
    assert world.send(signal.SIGTERM) == ["stop"]
    world.handlers[signal.SIGINT](signal.SIGINT, None)
    assert world.done == ["stop", f"die of {signal.SIGINT:d}"]
    assert lines == ["SIGTERM: stopping", "SIGINT for the second time: ending at once"]


def test_F80_the_end_is_that_of_a_process_that_never_handled_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """So whoever started it sees what it died of."""
    done: list[Any] = []
    monkeypatch.setattr("signal.signal", lambda *how: done.append(how))
    monkeypatch.setattr("os.kill", lambda *how: done.append(how[1]))
    end_at_once(signal.SIGTERM)
    assert done == [(signal.SIGTERM, signal.SIG_DFL), signal.SIGTERM]
