"""When a service runs next: by its schedule, spread a little, within its hours, and sooner where something waits to be tried again."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from pypidaemon.model import Progress
from pypidaemon.schedule import Schedule, spread
from pypidaemon.windows import Windows


@attrs.define
class Clockwork:
    """
    Says when. Moments are seconds since the epoch.

    :param random: gives numbers from 0 to 1, one for each due time.
    """

    schedule: Schedule
    jitter: float
    hours: Windows | None
    random: Callable[[], float]
    _spread: tuple[float, float] = attrs.field(default=(-1.0, 0.0), init=False)

    def next_run(self, progress: Progress, made_up: float | None, now: float) -> float:
        """
        When the next run for everything begins; one that was missed is made up as soon as the hours allow it.

        :param made_up: when one that was interrupted is to be made up; None where none was.
        """
        last = max(progress.started, progress.tried) or None
        due = made_up if made_up is not None else self.schedule.due(last, now)
        if due > now and made_up is None:
            if self._spread[0] != due:
                self._spread = due, spread(due, self.jitter, self.random())
            due = self._spread[1]
        return self.opens(due)

    def next_retry(self, first: float, now: float) -> float:
        """When what waits until `first` is due; infinity where nothing waits, which is when that is infinity."""
        return first if first == math.inf else self.opens(max(first, now))

    def opens(self, moment: float) -> float:
        """The first moment from that one on that is within the hours."""
        return moment if self.hours is None else self.hours.opens(moment)

    def closes(self, moment: float) -> float:
        """When the hours end; infinity where they do not."""
        return math.inf if self.hours is None else self.hours.closes(moment)
