"""
When something is to be done again: schedules as people write them, and hours in which it may be done at all. Pure.

Moments are seconds since the epoch, and clock times are those of a time zone: that of the machine, unless another is given. Where the clocks are
put forward, what was due at a time that the day does not have is due at once after the change; where they are put back, what is due at a time
that the day has twice is due the first time. Only a schedule that has all hours of the day, as `hourly` has, goes by every hour that passes, the
repeated one too.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

import attrs

from pypidaemon.clock_times import DAY, ahead, instants, read_clock, wall
from pypidaemon.settings import duration

SHORTEST = 60.0
"""Seconds between two starts of `every`, at least; it is what cron can tell apart."""

LONGEST = 366 * DAY
"""Seconds between two starts of `every`, at most."""

LONGEST_TEXT = 200
"""Characters of a schedule; a cron expression with every value of every field written out is not meant."""

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SOME_TIME = datetime.fromisoformat("2000-01-01T00:00")


@attrs.frozen
class Every:
    """So many seconds after the last start, whatever the clock shows."""

    seconds: float

    def after(self, moment: float) -> float:
        """When it is due after a start at that moment."""
        return moment + self.seconds


@attrs.frozen
class ByClock:
    """At the clock times of a cron expression of five fields, in `zone`, or where that is None in the machine's own."""

    expression: str
    zone: tzinfo | None = None

    def after(self, moment: float) -> float:
        """The first due time after that moment."""
        from cronsim import CronSim

        # Where tomorrow's clock is behind today's, times that were already come again.
        back = min(0.0, ahead(moment + DAY, self.zone) - ahead(moment, self.zone))
        times = CronSim(self.expression, wall(moment, self.zone) + timedelta(seconds=back))
        later: list[float] = []
        while True:
            first, second = instants(next(times), self.zone)
            later += [due for due in ((first, second) if len(times.hours) == 24 else (first,)) if due > moment]
            # From one clock time to the next the first moments never fall, so what follows is no sooner.
            if first > moment:
                return min(later)


@attrs.frozen
class Schedule:
    """When runs are due. `spelled` is how it was written, and reads back as the same."""

    spelled: str
    rhythm: Every | ByClock = attrs.field(repr=False)

    def __str__(self) -> str:
        return self.spelled

    def after(self, moment: float) -> float:
        """The first due time after that moment; for `every` the moment is that of the last start."""
        return self.rhythm.after(moment)

    def missed(self, last_started: float | None, now: float) -> bool:
        """
        Whether a run is to be made up now, since one was due after the last start and up to now, while nothing ran.

        What never ran is due at once: who sets up a mirror wants it filled, not empty until the night. However many were due, one makes up for all.
        A start that lies ahead, because the clock was put right meanwhile, counts as one just now.
        """
        if last_started is None:
            return True
        return last_started <= now and self.after(last_started) <= now

    def due(self, last_started: float | None, now: float) -> float:
        """When the next run is to start: now, where one was missed, and else the first due time after the last start."""
        if last_started is None or self.missed(last_started, now):
            return now
        return self.after(min(last_started, now))


def schedule(raw: str, zone: tzinfo | None = None) -> Schedule:
    """
    A schedule: `every 6h`, `hourly`, `daily 03:15`, `weekly sun 03:15`, or a cron expression of five fields such as `15 3 * * mon-fri`.

    :param zone: whose clock times those are; None means the machine's own time zone.
    :raises ValueError: it is none of these, or never comes.
    """
    text = " ".join(raw.lower().split())
    word, _, rest = text.partition(" ")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{text[:40]!r}... is no schedule: it has more than {LONGEST_TEXT} characters")
    if word == "every":
        return Schedule(text, Every(_interval(rest)))
    if text == "hourly":
        return Schedule(text, ByClock("0 * * * *", zone))
    if word == "daily":
        return Schedule(text, ByClock(_daily(rest, "*"), zone))
    if word == "weekly":
        day, _, time = rest.partition(" ")
        if day not in _DAYS:
            raise ValueError(f"{text!r} names none of the days {' '.join(_DAYS)}, as in weekly sun 03:15")
        return Schedule(text, ByClock(_daily(time, day), zone))
    return Schedule(text, ByClock(_cron(text), zone))


def spread(due: float, jitter: float, share: float) -> float:
    """
    That due time put off by a share of at most `jitter` seconds, so that not everybody asks upstream in the same second.

    :param share: from 0 to 1, drawn by the caller, once for each due time.
    """
    return due + jitter * share


def _interval(text: str) -> float:
    seconds = duration(text)
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"every {text} is not between 1m and {LONGEST / DAY:.0f}d")
    return seconds


def _daily(time: str, weekday: str) -> str:
    """The cron expression for that time of each such day."""
    minutes = read_clock(time)
    return f"{minutes % 60} {minutes // 60} * * {weekday}"


def _cron(text: str) -> str:
    """The expression, once it is known that it can be read and comes about."""
    kinds = "every 6h, hourly, daily 03:15, weekly sun 03:15 or the five fields of cron"
    if not re.fullmatch(r"[0-9a-z*,/#-]+(?: [0-9a-z*,/#-]+){4}", text):
        raise ValueError(f"{text[:80]!r} is no schedule such as {kinds}")
    # Its reading costs more than that of any other module here, and whoever has no such schedule has no use for it.
    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(text, _SOME_TIME))
    except CronSimError as error:
        raise ValueError(f"{text!r} is no schedule such as {kinds}: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except StopIteration:
        raise ValueError(f"{text!r} never comes") from None
    return text
