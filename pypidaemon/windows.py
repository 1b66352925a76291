"""The hours of the day in which something may be done. Pure; moments are seconds since the epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta, tzinfo

import attrs

from pypidaemon.clock_times import DAY, ahead, change, instants, read_clock, wall
from pypidaemon.settings import words

MOST = 48
"""Windows in a day."""

_AHEAD = 5
"""Days in which any window opens: the clock may leave out an hour of one day, and has left out a whole one (Samoa, 2011)."""

_MIDNIGHT = 24 * 60


@attrs.frozen
class Window:
    """From one clock time up to, and without, another, in minutes since midnight; over midnight where the first is the later one."""

    begins: int
    ends: int

    def __str__(self) -> str:
        return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.begins, self.ends))

    def holds(self, minutes: int) -> bool:
        """Whether that time of day, in minutes since midnight, lies in it."""
        if self.begins < self.ends:
            return self.begins <= minutes < self.ends
        return minutes >= self.begins or minutes < self.ends


@attrs.frozen
class Windows:
    """
    Hours of the day, by what the clock of `zone` shows, or where that is None the machine's own.

    Where the clocks are put back, a window in the repeated hour is open twice; where they are put forward, one in the hour left out is not open.
    """

    windows: tuple[Window, ...]
    zone: tzinfo | None = None

    def __str__(self) -> str:
        return " ".join(str(window) for window in self.windows)

    def open_at(self, moment: float) -> bool:
        """Whether one of them is open then."""
        shown = wall(moment, self.zone)
        return self._holds(shown.hour * 60 + shown.minute)

    def opens(self, moment: float) -> float:
        """The first moment from that one on at which one is open."""
        return moment if self.open_at(moment) else self._turns(moment)

    def closes(self, moment: float) -> float:
        """The first moment from that one on at which none is open; infinity where there is always one."""
        if not self.open_at(moment):
            return moment
        return math.inf if self._always() else self._turns(moment)

    def _holds(self, minutes: int) -> bool:
        return any(window.holds(minutes) for window in self.windows)

    def _always(self) -> bool:
        return all(self._holds(minutes % _MIDNIGHT) for minutes in (0, *(window.ends for window in self.windows)))

    def _turns(self, moment: float) -> float:
        """The first moment after that one at which it is otherwise."""
        now = self.open_at(moment)
        return next(other for other in sorted(self._bounds(moment)) if other > moment and self.open_at(other) != now)

    def _bounds(self, moment: float) -> Iterator[float]:
        """The moments, in any order, at which it may become otherwise in the days after that moment."""
        today = wall(moment, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        times = {minutes for window in self.windows for minutes in (window.begins, window.ends)}
        for days in range(-1, _AHEAD):
            for minutes in times:
                yield from instants(today + timedelta(days=days, minutes=minutes), self.zone)
            begin, end = moment + days * DAY, moment + (days + 1) * DAY
            if ahead(begin, self.zone) != ahead(end, self.zone):
                yield change(begin, end, self.zone)


def windows(raw: str, zone: tzinfo | None = None) -> Windows:
    """
    Hours of the day, such as `22:00-06:00 12:00-13:00`; outside of them nothing is done.

    :param zone: whose clock times those are; None means the machine's own time zone.
    :raises ValueError: there is none, or one that cannot be read or is empty.
    """
    spelled = words(raw)
    if not spelled:
        raise ValueError("must not be empty; leave the key out instead")
    if len(spelled) > MOST:
        raise ValueError(f"has more than {MOST} hours of the day")
    return Windows(tuple(_window(each) for each in spelled), zone)


def _window(text: str) -> Window:
    begin, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"{text[:40]!r} is not hours such as 22:00-06:00")
    begins, ends = read_clock(begin), _MIDNIGHT if end == "24:00" else read_clock(end)
    if begins == ends:
        raise ValueError(f"{text!r} holds no minute; the whole day is 00:00-24:00")
    return Window(begins, ends)
