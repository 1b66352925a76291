"""The one small way in which a change of what an index shows reaches those who keep answers made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Protocol
from weakref import WeakMethod

import attrs

from pypidaemon.model import NormalizedName

Listener = Callable[[NormalizedName | None], None]


@attrs.define
class Announcements:
    """
    Tells every listener that a project, or with None anything at all, may look different from now on.

    Names alone travel: which index changed does not matter to a listener, since any combiner may show any leaf's project.
    """

    _listeners: list[Callable[[], Listener | None]] = attrs.field(factory=list, init=False, repr=False)

    def listen(self, listener: Listener) -> None:
        """
        Call `listener` at every announcement from now on. It must be quick and must not raise.

        A method is called for as long as its object is there, which this does not prolong: parts of a daemon come and go when its configuration
        is read again, and those that went must not be remembered for ever.
        """
        known: Callable[[], Listener | None] = WeakMethod(listener) if isinstance(listener, MethodType) else lambda: listener
        self._listeners = [*(one for one in self._listeners if one() is not None), known]

    def announce(self, name: NormalizedName | None) -> None:
        """Tell all listeners, now."""
        for known in self._listeners:
            listener = known()
            if listener is not None:
                listener(name)


class Follower(Protocol):
    """Who is told of orders when they are in force and announced. It must be quick and must not raise."""

    def ordered(self, about: str, /) -> None:
        """An order about that target was given, or taken back."""

    def learnt(self, about: Iterable[str], /) -> None:
        """Rulings about these targets were found on record."""
