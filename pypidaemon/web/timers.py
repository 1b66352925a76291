"""The timers of a connection, by what they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall


class Timed:
    """Something that waits for several things at once, for each of them once at most."""

    callLater: Any
    """As `IReactorTime.callLater`."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: dict[str, IDelayedCall] = {}

    def _start(self, name: str, seconds: float, late: Callable[[], None]) -> None:
        """Start the timer of that name, unless it runs."""
        if name not in self._timers:
            self._timers[name] = self.callLater(seconds, lambda: self._rang(name, late))

    def _stop(self, name: str) -> None:
        """Stop it, where it runs."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _stop_all(self) -> None:
        for name in list(self._timers):
            self._stop(name)

    def _rang(self, name: str, late: Callable[[], None]) -> None:
        del self._timers[name]
        late()
