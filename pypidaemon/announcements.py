"""The one small way in which a change of what an index shows reaches those who keep answers made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from pypidaemon.model import NormalizedName

Listener = Callable[[NormalizedName | None], None]


@attrs.define
class Announcements:
    """
    Tells every listener that a project, or with None anything at all, may look different from now on.

    Names alone travel: which index changed does not matter to a listener, since any combiner may show any leaf's project.
    """

    _listeners: list[Listener] = attrs.field(factory=list, init=False, repr=False)

    def listen(self, listener: Listener) -> None:
        """Call `listener` at every announcement from now on. It must be quick and must not raise."""
        self._listeners.append(listener)

    def announce(self, name: NormalizedName | None) -> None:
        """Tell all listeners, now."""
        for listener in self._listeners:
            listener(name)


class Follower(Protocol):
    """Who is told of orders when they are in force and announced. It must be quick and must not raise."""

    def ordered(self, about: str, /) -> None:
        """An order about that target was given, or taken back."""

    def learnt(self, about: Iterable[str], /) -> None:
        """Rulings about these targets were found on record."""
