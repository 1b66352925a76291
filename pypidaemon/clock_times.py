"""
Clock times and what moments they are, in zones whose clocks are put forward and back. Pure; moments are seconds since the epoch.

A zone of None is the machine's own: Python then asks the C library, and so goes by all of the zone's changes (PEP 495).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

DAY = 86400.0
"""Seconds in a day whose clock is neither put forward nor back."""

_TIME = re.compile(r"(\d\d?):(\d\d)", re.ASCII)


def read_clock(text: str) -> int:
    """
    Minutes since midnight of a time written `03:15`.

    :raises ValueError: it is not written so, or no clock shows it.
    """
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError(f"{text[:40]!r} is not a time such as 03:15")
    return int(match[1]) * 60 + int(match[2])


def wall(moment: float, zone: tzinfo | None) -> datetime:
    """What the clock shows then, as a datetime without a zone."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)


def ahead(moment: float, zone: tzinfo | None) -> float:
    """How many seconds the clock is ahead of UTC then."""
    # The clock stands at whole seconds from UTC; their parts are only in the way.
    return wall(moment // 1, zone).replace(tzinfo=UTC).timestamp() - moment // 1


def instants(time: datetime, zone: tzinfo | None) -> tuple[float, float]:
    """
    When the clock shows that time: the first and the second moment, or the same one twice where it shows it once.

    A time that the clock leaves out counts as the moment at which it was put forward.
    """
    first, second = (time.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    if second < first:
        # PEP 495: of a time left out, the two readings lie on either side of the change, in the wrong order.
        first = second = change(second, first, zone)
    return first, second


def change(low: float, high: float, zone: tzinfo | None) -> float:
    """The moment after `low` and up to `high`, in whole seconds, at which the clock was put from how it stands at the one to how it stands at the other."""
    low, high = low // 1, high // 1
    there = ahead(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if ahead(middle, zone) == there:
            high = middle
        else:
            low = middle
    return high
