"""
A ready answer on its way to a front, and there: what `pypidaemon.web.express.Ready` is in the keeper, without whatever cannot leave it.

Of an answer only its date, its id, and the seconds that caches may keep it are new each time; all else comes from the keeper, byte for byte.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any

import attrs

from pypidaemon.freshness import remaining

if TYPE_CHECKING:
    # A front has no use for it, nor for all that comes with it.
    from pypidaemon.web.express import Ready

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_COUNTED = re.compile(r"(.*max-age=)(\d+)(.*)")


@attrs.define(eq=False)
class Entry:
    """
    An answer as it is sent but for the id, which stands between `before` and `behind`, until before `end`.

    It holds at a moment from `since` until before `until` while `everything` and `own`, which is the counter `slot`, are what `Generations` counts.
    """

    number: int
    """What the keeper calls it; 0 is one that is given once."""
    everything: int
    slot: int
    own: int
    since: float
    until: float
    counts_to: float | None
    """The moment to which the seconds for caches count down; None where they do not."""
    caching: tuple[str, str]
    """What stands around those seconds, or all that is said to caches and nothing behind it."""
    pieces: tuple[bytes, bytes, bytes, bytes]
    body: bytes = attrs.field(repr=False)
    before: bytes = attrs.field(default=b"", init=False, repr=False)
    behind: bytes = attrs.field(default=b"", init=False, repr=False)
    start: float = attrs.field(default=math.inf, init=False)
    end: float = attrs.field(default=-math.inf, init=False)

    @property
    def weight(self) -> int:
        """Bytes held."""
        return 1024 + 2 * sum(map(len, self.pieces)) + len(self.body)

    def ready(self, now: float) -> bool:
        """Whether it may be given at that moment, as far as the clock goes; it is ready to be sent then."""
        if self.start <= now < self.end:
            return True
        if not self.since <= now < self.until:
            return False
        first, second, third, last = self.pieces
        self.before = first + date(now) + second
        self.behind = third + said(self.caching, self.counts_to, now).encode("ascii") + last
        self.start, self.end = now, min(self.until, math.floor(now) + 1.0)
        if self.counts_to is not None and now < self.counts_to:
            self.end = min(self.end, self.counts_to - math.floor(self.counts_to - now))
        return True


def date(now: float) -> bytes:
    """The value of `Date` at that moment (RFC 9110 §5.6.7)."""
    year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(now)
    return b"%s, %02d %s %4d %02d:%02d:%02d GMT" % (
        _DAYS[weekday].encode("ascii"),
        day,
        _MONTHS[month - 1].encode("ascii"),
        year,
        hour,
        minute,
        second,
    )


def said(caching: tuple[str, str], counts_to: float | None, now: float) -> str:
    """The value of `Cache-Control` at that moment."""
    first, last = caching
    return first if counts_to is None else f"{first}{remaining(now, counts_to)}{last}"


def caching_of(ready: Ready, now: float) -> tuple[str, str] | None:
    """What a front needs to say the same to caches; None where it could not."""
    term = ready.term
    value = term.cache_control(now)
    if term.counts_to is None:
        return value, ""
    counted = _COUNTED.fullmatch(value)
    found = (counted[1], counted[3]) if counted is not None else None
    return found if found is not None and said(found, term.counts_to, now) == value else None


def packed(ready: Ready, now: float, number: int, everything: int, slot: int, own: int) -> tuple[list[Any], bytes] | None:
    """That answer as values and bytes for a message; None where a front could not give it."""
    caching, term = caching_of(ready, now), ready.term
    if caching is None or not term.since <= now < term.until:
        return None
    # Which JSON has no number for.
    until = None if term.until == math.inf else term.until
    lengths = [len(piece) for piece in ready.pieces]
    facts = [number, everything, slot, own, term.since, until, term.counts_to, list(caching), lengths]
    return facts, b"".join((*ready.pieces, ready.body))


def unpacked(facts: list[Any], data: bytes) -> Entry:
    """The answer that `packed` made these of."""
    number, everything, slot, own, since, until, counts_to, caching, lengths = facts
    pieces, at = [], 0
    for length in lengths:
        pieces.append(data[at : at + length])
        at += length
    first, second, third, last = pieces
    return Entry(
        number,
        everything,
        slot,
        own,
        since,
        math.inf if until is None else until,
        counts_to,
        (caching[0], caching[1]),
        (first, second, third, last),
        data[at:],
    )
