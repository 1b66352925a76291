"""
Whether an upstream is worth asking: one state, shared by all requests, so that one of them finds out and nobody else waits (F33, F40).
"""

from __future__ import annotations

import math
import random as randomness
from collections import deque
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.interfaces import IAttended, IVouched
from pypidaemon.model import AWAY, Outage
from pypidaemon.upstreams.listeners import Listeners
from pypidaemon.waits import Bell

FIRST_INTERVAL = 1.0
"""Seconds from the first failure to the first probe."""
LONGEST_INTERVAL = 20.0
"""Seconds between probes at most; with jitter, and a probe that takes its time, service is back within 30 s after upstream is (F40)."""
JITTER = 0.2
"""Each interval is that part longer or shorter, so that many daemons do not probe in step."""
LONGEST_HOLD = 3600.0
"""Seconds of a `Retry-After` that are obeyed at most (F2)."""
LOOKS = 5.0
"""Seconds between two looks at an upstream that is up and doubted: any number of hosts of files may not answer, and each of them casts doubt once."""
STRIKES = 3
"""Wrong answers in a row after which an upstream that does answer is looked at, or counts as down where nobody looks (F7)."""
VOUCHES = 60.0
"""Seconds for which an answer vouches for an upstream, where nothing else is said."""
SELDOM = 30.0
"""Seconds from one look at an upstream that nobody vouches for to the next, at least."""
LONGEST_SILENCE = 8.0
"""Seconds of silence that are waited for at most, however slow its answers were: who has nothing else to give is told by then, before installers give up."""
PACES = 4
"""How many of the last answers say how slow it is."""
GLANCE = 2.0
"""Seconds after which nobody waits for what comes of such a look, be it that nobody did so before and heard nothing."""


@implementer(IAttended, IVouched)
@attrs.define(eq=False)
class Health:
    """
    What the outcomes of requests say about an upstream.

    Where somebody attends to it, one request without a good answer makes it `suspect`, be it that there was none, or no sign of life within the time that
    clients can wait; it is probed at once, and if that has none either it is `down`, so that one connection that breaks takes nothing off any page. From
    then on it is probed at intervals, and is `probing` meanwhile. Where nobody attends, no answer at all makes it `down`, and the probe is the request of
    one asker per interval, to whom `may_ask` says yes. Any answer that makes sense makes it `up` again.

    :param clock: tells the time and nothing else.
    :param random: gives numbers from 0 up to 1, for the jitter.
    :param label: what the log calls it; without one its coming and going is not logged.
    :param vouches: seconds for which an answer vouches for it, `SELDOM` at least; 0 is for good.
    """

    _clock: IReactorTime
    _random: Callable[[], float] = randomness.random
    _label: str = ""
    _vouches: float = VOUCHES
    state: str = attrs.field(default="up", init=False)
    cause: str = attrs.field(default="", init=False)
    since: float = attrs.field(init=False)
    stumbles: int = attrs.field(default=0, init=False)
    """How often it has answered wrongly; never set back."""
    answers: int = attrs.field(default=0, init=False)
    """How often it gave an answer that makes sense; never set back."""
    flowed: float = attrs.field(default=-math.inf, init=False)
    """When bytes of a file came from it last, and more than a drip."""
    _interval: float = attrs.field(default=FIRST_INTERVAL, init=False)
    _next: float = attrs.field(default=0.0, init=False)
    _held_until: float = attrs.field(default=0.0, init=False)
    _looks: float = attrs.field(default=0.0, init=False)
    _strikes: int = attrs.field(default=0, init=False)
    _struck: tuple[str, ...] = attrs.field(default=(), init=False)
    """What the wrong answers in a row were about, as long as it is up."""
    _attended: bool = attrs.field(default=False, init=False)
    _heard: bool = attrs.field(default=False, init=False)
    _questioned: bool = attrs.field(default=False, init=False)
    _examined: bool = attrs.field(default=False, init=False)
    """Whether it is suspect and being probed."""
    _soon: bool = attrs.field(default=False, init=False)
    """Whether it is suspect since it failed, and not since it was silent, so that it may be known in moments what it is."""
    _answered: float = attrs.field(default=-math.inf, init=False)
    _glanced: float = attrs.field(default=-math.inf, init=False)
    """When it was last looked at for those who wait for a moment."""
    _unheard: bool = attrs.field(default=False, init=False)
    """Whether one of them heard nothing of what came of it."""
    _bell: Bell = attrs.field(factory=Bell, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    _paces: deque[float] = attrs.field(factory=lambda: deque(maxlen=PACES), init=False, repr=False)
    _listeners: Listeners = attrs.field(factory=Listeners, init=False, repr=False)
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self.since = self._clock.seconds()

    def succeeded(self) -> None:
        """It gave an answer that makes sense, were it only that it has no such thing."""
        self._heard = True
        self.answers += 1
        self._strikes, self._struck = 0, ()
        now = self._clock.seconds()
        if 0 < self._held_until - now <= LONGEST_HOLD:
            # It asked to be left alone after it had accepted this request.
            return
        self._answered = now
        if self.state != "up":
            self._enter("up", "")
            self._interval = FIRST_INTERVAL
        self._news.ring()

    def failed(self, cause: str, retry_after: float | None = None) -> None:
        """
        It gave no answer, or asked to be left alone for `retry_after` seconds, of which at most an hour is obeyed (F2, R210).

        :param cause: what happened, in a few words that may be shown to anyone.
        """
        self._heard = True
        now, before = self._clock.seconds(), (self.state, self._held_until)
        if retry_after is not None and retry_after > 0:
            self._held_until = max(self._held_until, now + min(retry_after, LONGEST_HOLD))
        if self.state == "up" and self._attended and self._held_until <= now:
            # It may have been this one connection, so another is tried before anything is taken off pages.
            self._suspect(cause)
            return
        self._leave_up(now)
        self._enter("down", cause)
        if before[0] == "down" and before[1] != self._held_until:
            # Also that is to be remembered over a restart, and no state says it.
            self._tell()

    def stumbled(self, cause: str, about: str = "", retry_after: float | None = None) -> None:
        """
        It answered, but wrongly: an error, or something that is no answer to what was asked.

        One project that is broken there must not take the others with it, so only the third in a row counts. But clients try again and again, and all three may
        have been about the same one: so where somebody attends to it, he finds out whether it is the upstream itself, which counts as up meanwhile unless three
        different things were wrong (F86). Who is not up does not come up by it.

        :param about: what was asked for; "" is something else each time.
        :param retry_after: as of `failed`, once it counts.
        """
        self._heard = True
        self.stumbles += 1
        self._strikes += 1
        if self.state == "up" and not (about and about in self._struck):
            self._struck += (about,)
        if self.state != "up" or (self._strikes >= STRIKES and not self._attended):
            self.failed(cause, retry_after)
        elif len(self._struck) >= STRIKES:
            self._suspect(cause)
        elif self._strikes >= STRIKES:
            self.question()

    def took(self, seconds: float) -> None:
        """So long it was silent before it answered."""
        self._paces.append(seconds)

    def patience(self, usual: float) -> float:
        """
        As `IAttended`: twice of what its last answers took, where that is more than usual. An upstream that is slow, and gives all that is asked for, would else
        be taken for silent with each question, so that nobody is given what is not here.
        """
        return max(usual, min(2 * max(self._paces, default=0.0), LONGEST_SILENCE))

    def silent(self) -> None:
        """It has shown no sign of life for as long as clients can wait. Its request goes on and may still succeed; who attends to it looks at once."""
        self._heard = True
        if self.state == "up":
            self._suspect("it does not answer in time", soon=False)

    def question(self) -> None:
        """Somebody has reason to doubt it, since a host that its pages lead to does not answer; so whoever attends to it looks."""
        if self._attended and self.state == "up" and not self._questioned:
            self._questioned = True
            self._tell()

    def may_ask(self) -> bool:
        """As `IHealth`; saying yes while not up uses up this interval's probe."""
        if self.state == "up":
            return True
        if not self._attended:
            return self._granted()
        self._set_right()
        return False

    def retry_after(self) -> int:
        """As `IHealth` (R217)."""
        return 1 if self.state == "up" else min(max(math.ceil(self._wait()), 1), 60)

    async def doubted(self) -> None:
        """As `IHealth`."""
        if self.state == "up":
            await self._bell.wait()

    def vouched(self) -> float:
        """As `IVouched`; what was heard before the clock was put back vouches for nothing."""
        now = self._clock.seconds()
        since = now - self._glanced
        hopeful = 0 <= since < GLANCE and not self._unheard
        if self.state == "suspect" and self._soon:
            # It has just failed, and the look that follows may have failed as well in no time.
            return -math.inf if hopeful else math.inf
        if self.state != "up" or not self._attended or self._vouches <= 0:
            return math.inf
        until = self._answered + max(self._vouches, SELDOM) if self._answered <= now else -math.inf
        return max(until, self._glanced + SELDOM) if 0 <= since < SELDOM and not hopeful else until

    async def confirmed(self) -> None:
        """As `IVouched`."""
        now = self._clock.seconds()
        if self.vouched() > now:
            return
        if not 0 <= now - self._glanced < GLANCE:
            self._glanced, self._unheard = now, False
            self.question()
        await self._news.wait()

    def unheard(self) -> None:
        """As `IVouched`."""
        self._unheard = True

    def doubt(self) -> None:
        """What was heard of it so far vouches for nothing any more, and that somebody looked lately neither."""
        self._answered = self._glanced = -math.inf
        # Whoever has noted until when it may be believed has to ask again.
        self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IHealth`; a method is called for as long as its object is there, since an upstream may outlive those who look at it."""
        self._listeners.add(listener)

    def moved(self) -> None:
        """As `IAttended`; how slow it was may have been the network."""
        self._paces.clear()
        if self.state != "up":
            self._next, self._interval = self._clock.seconds(), FIRST_INTERVAL
        # Which tells whoever attends to it as well.
        self.doubt()

    def attend(self) -> None:
        """As `IAttended`; a look that another has given up is made anew at once."""
        self._attended = True
        if self.state == "suspect":
            self._next = self._clock.seconds()

    def due(self) -> float | None:
        """As `IAttended`."""
        if self.state != "up":
            return self._wait()
        if not self._questioned:
            return None
        left = self._looks - self._clock.seconds()
        return left if 0.0 < left <= LOOKS else 0.0

    def begin(self) -> bool:
        """As `IAttended`; one that is up stays up while it is looked at."""
        if self.state == "up":
            if self.due() != 0.0:
                return False
            self._questioned, self._looks = False, self._clock.seconds() + LOOKS
            # There is doubt already, so two wrong answers to those who look will do.
            self._strikes, self._struck = 1, ("",)
            return True
        if not self._granted():
            return False
        if self.state in AWAY:
            self._enter("probing", self.cause)
        else:
            # It goes on being suspect, since nobody knows yet that it is down.
            self._examined = True
        return True

    def end(self) -> None:
        """As `IAttended`; who gave no sign of life now either is down."""
        if self.state == "probing" or self._examined:
            self._enter("down", self.cause)

    def outage(self) -> Outage | None:
        """As `IAttended`."""
        return Outage(self.cause, self.since, self._held_until) if self.state in AWAY else None

    def resume(self, outage: Outage) -> None:
        """As `IAttended`. It is looked at again at once, unless it asked to be left alone."""
        now = self._clock.seconds()
        if self._heard:
            return
        self._held_until = outage.held_until
        self._next, self._interval = now, FIRST_INTERVAL
        self._enter("down", outage.cause or "it did not answer before the restart")
        self.since = min(outage.since, now)

    def _granted(self) -> bool:
        """Whether a probe is due; saying yes uses it up."""
        if self._wait() > 0:
            return False
        self._next = self._clock.seconds() + self._jittered()
        self._interval = min(self._interval * 2, LONGEST_INTERVAL)
        return True

    def _wait(self) -> float:
        """Seconds until a probe is due. Times further ahead than they can be were written by a clock that was since put back (F44)."""
        now = self._clock.seconds()
        until_next, until_released = self._next - now, self._held_until - now
        if until_next > LONGEST_INTERVAL * (1 + JITTER):
            until_next = 0.0
        if until_released > LONGEST_HOLD:
            until_released = 0.0
        return max(until_next, until_released, 0.0)

    def _set_right(self) -> None:
        """
        Have whoever attends to it look anew where the clock was put back since it was last looked when a probe is due (F44).

        What waits for a moment of the clock to come waits longer by as much, and nobody else would ask.
        """
        now = self._clock.seconds()
        if self._next - now > LONGEST_INTERVAL * (1 + JITTER) or self._held_until - now > LONGEST_HOLD:
            self._next, self._held_until = now, min(self._held_until, now)
            self._tell()

    def _suspect(self, cause: str, *, soon: bool = True) -> None:
        now = self._clock.seconds()
        self._leave_up(now)
        if self._attended:
            self._next = now
        self._soon, self._glanced, self._unheard = soon and self._attended, now, False
        self._enter("suspect", cause)

    def _leave_up(self, now: float) -> None:
        if self.state == "up":
            self._next = now + self._jittered()
            self._interval = FIRST_INTERVAL * 2

    def _enter(self, state: str, cause: str) -> None:
        before, self._questioned, self._examined = self.state, False, False
        if "up" in (state, before) and state != before:
            now = self._clock.seconds()
            self._write(state, cause, now - self.since)
            self.since = now
        elif (before, state) == ("suspect", "down"):
            self._write(state, cause, 0.0)
        self.state, self.cause = state, cause
        # Who listens hears of it first: those whom the bell wakes answer at once, and with what is listed while it is down.
        if state != before:
            self._tell()
        if before == "up" and state != "up":
            self._bell.ring()
        if state in AWAY:
            self._news.ring()

    def _tell(self) -> None:
        self._listeners.tell()

    def _write(self, state: str, cause: str, lasted: float) -> None:
        """One line at each change, since nobody looks at an upstream until installs fail."""
        if not self._label:
            return
        if state == "up":
            self._log.info("upstream {label} is up again after {lasted:.0f} s", label=self._label, lasted=lasted)
        else:
            self._log.warn("upstream {label} is {state}: {cause}", label=self._label, state=state, cause=cause)

    def _jittered(self) -> float:
        return self._interval * (1 - JITTER + 2 * JITTER * self._random())
