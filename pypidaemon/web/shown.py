"""An index as an address shows it: as it is, or as it was at a moment."""

from __future__ import annotations

from functools import lru_cache

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon import moments
from pypidaemon.indexes.policed import AsOf
from pypidaemon.interfaces import IIndex
from pypidaemon.model import InThread

MOMENTS = "a moment is written YYYY-MM-DD, its first second in UTC, or YYYY-MM-DDTHH:MM:SSZ"


@attrs.frozen
class Shown:
    """
    What one address answers from.

    `label` is the index's own, whichever way it is seen: rights and headers go by it. `view` is "" for the index itself, else the moment in its
    one spelling; whatever is made of an index depends on both.
    """

    label: str
    index: IIndex
    view: str = ""


@attrs.frozen
class Past:
    """The past of one index. Anybody may ask for any moment, so nothing is kept for one: a view of it costs no more than the object."""

    label: str
    index: IIndex
    clock: IReactorTime
    cpu: InThread

    def at(self, view: str) -> Shown:
        """That index at a moment in its one spelling."""
        return Shown(self.label, AsOf(self.label, moments.moment(view), self.clock, self.cpu, self.index), view)


@lru_cache(maxsize=256)
def view_of(segment: str) -> str | None:
    """The one spelling of the moment that a segment of a path names; None where it names none."""
    try:
        return moments.written(moments.moment(segment)) if segment == segment.strip() else None
    except ValueError:
        return None
