"""Which places have brought other bytes than promised of late, so that nobody is sent there for them again at once (F15, S26)."""

from __future__ import annotations

from collections import OrderedDict

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.model import Digest

COOLDOWN = 600.0
"""Seconds for which a place is left alone that had other bytes."""

MOST = 10_000
"""Of how many bytes that is remembered; the oldest are forgotten first."""


@attrs.define(eq=False)
class Blame:
    """By digest and place, until when."""

    clock: IReactorTime
    _until: OrderedDict[tuple[Digest, str], float] = attrs.field(factory=OrderedDict, init=False, repr=False)

    def note(self, digest: Digest, place: str) -> None:
        """That place has other bytes than those."""
        self._until[digest, place] = self.clock.seconds() + COOLDOWN
        self._until.move_to_end((digest, place))
        while len(self._until) > MOST:
            self._until.popitem(last=False)

    def has(self, digest: Digest, place: str) -> bool:
        """Whether that place is to be left alone where these bytes are wanted."""
        until = self._until.get((digest, place), 0.0)
        # Times further ahead than they can be were noted by a clock that was since put back (F44).
        return self.clock.seconds() < until <= self.clock.seconds() + COOLDOWN
