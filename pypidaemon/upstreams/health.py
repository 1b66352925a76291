"""
Whether an upstream is worth asking: one state, shared by all requests, so that one of them finds out and nobody else waits (F33, F40).
"""

from __future__ import annotations

import math
import random as randomness
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.interfaces import IHealth
from pypidaemon.waits import Bell

FIRST_INTERVAL = 1.0
"""Seconds from the first failure to the first probe."""
LONGEST_INTERVAL = 30.0
"""Seconds between probes at most, so that service is back soon after upstream is (F40)."""
JITTER = 0.2
"""Each interval is that part longer or shorter, so that many daemons do not probe in step."""
LONGEST_HOLD = 3600.0
"""Seconds of a `Retry-After` that are obeyed at most (F2)."""
STRIKES = 3
"""Wrong answers in a row after which an upstream that does answer counts as down (F7)."""


@implementer(IHealth)
@attrs.define(eq=False)
class Health:
    """
    What the outcomes of requests say about an upstream.

    No answer at all makes it `down`, no sign of life within the time that clients can wait makes it `suspect`. In both states
    `may_ask` says yes to one asker per interval, whose request is the probe, and no to everybody else. Any answer that makes sense
    makes it `up` again.

    :param clock: tells the time and nothing else.
    :param random: gives numbers from 0 up to 1, for the jitter.
    :param label: what the log calls it; without one its coming and going is not logged.
    """

    _clock: IReactorTime
    _random: Callable[[], float] = randomness.random
    _label: str = ""
    state: str = attrs.field(default="up", init=False)
    cause: str = attrs.field(default="", init=False)
    since: float = attrs.field(init=False)
    _interval: float = attrs.field(default=FIRST_INTERVAL, init=False)
    _next: float = attrs.field(default=0.0, init=False)
    _held_until: float = attrs.field(default=0.0, init=False)
    _strikes: int = attrs.field(default=0, init=False)
    _bell: Bell = attrs.field(factory=Bell, init=False)
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self.since = self._clock.seconds()

    def succeeded(self) -> None:
        """It gave an answer that makes sense, were it only that it has no such thing."""
        self._strikes = 0
        if self._clock.seconds() < self._held_until:
            # It asked to be left alone after it had accepted this request.
            return
        if self.state != "up":
            self._enter("up", "")
            self._interval = FIRST_INTERVAL

    def failed(self, cause: str, retry_after: float | None = None) -> None:
        """
        It gave no answer, or asked to be left alone for `retry_after` seconds, of which at most an hour is obeyed (F2, R210).

        :param cause: what happened, in a few words that may be shown to anyone.
        """
        now = self._clock.seconds()
        if retry_after is not None and retry_after > 0:
            self._held_until = max(self._held_until, now + min(retry_after, LONGEST_HOLD))
        self._leave_up(now)
        self._enter("down", cause)

    def stumbled(self, cause: str) -> None:
        """
        It answered, but wrongly: an error, or something that is no answer to what was asked.

        One project that is broken there must not take the others with it, so only the third in a row counts as a failure.
        """
        self._strikes += 1
        if self._strikes >= STRIKES:
            self.failed(cause)

    def silent(self) -> None:
        """It has shown no sign of life for as long as clients can wait. Its request goes on and may still succeed."""
        if self.state == "up":
            self._leave_up(self._clock.seconds())
            self._enter("suspect", "it does not answer in time")

    def may_ask(self) -> bool:
        """As `IHealth`; saying yes while not up uses up this interval's probe."""
        if self.state == "up":
            return True
        now = self._clock.seconds()
        if now < self._next or now < self._held_until:
            return False
        self._next = now + self._jittered()
        self._interval = min(self._interval * 2, LONGEST_INTERVAL)
        return True

    def retry_after(self) -> int:
        """As `IHealth` (R217)."""
        if self.state == "up":
            return 1
        wait = max(self._next, self._held_until) - self._clock.seconds()
        return min(max(math.ceil(wait), 1), 60)

    async def doubted(self) -> None:
        """As `IHealth`."""
        if self.state == "up":
            await self._bell.wait()

    def _leave_up(self, now: float) -> None:
        if self.state == "up":
            self._next = now + self._jittered()
            self._interval = FIRST_INTERVAL * 2

    def _enter(self, state: str, cause: str) -> None:
        was_up = self.state == "up"
        if state != self.state:
            now = self._clock.seconds()
            self._tell(state, cause, now - self.since)
            self.since = now
        self.state, self.cause = state, cause
        if was_up and state != "up":
            self._bell.ring()

    def _tell(self, state: str, cause: str, lasted: float) -> None:
        """One line at each change, since nobody looks at an upstream until installs fail."""
        if not self._label:
            return
        if state == "up":
            self._log.info("upstream {label} is up again after {lasted:.0f} s", label=self._label, lasted=lasted)
        else:
            self._log.warn("upstream {label} is {state}: {cause}", label=self._label, state=state, cause=cause)

    def _jittered(self) -> float:
        return self._interval * (1 - JITTER + 2 * JITTER * self._random())
