"""Who wants to hear of something."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from weakref import WeakMethod

import attrs


@attrs.define(eq=False)
class Listeners:
    """They are called in the order in which they came. A method is, for as long as its object is there: what it listens to may outlive that."""

    _known: list[Callable[[], Callable[[], None] | None]] = attrs.field(factory=list, init=False, repr=False)

    def add(self, listener: Callable[[], None]) -> None:
        """Call that too from now on."""
        self._known.append(WeakMethod(listener) if isinstance(listener, MethodType) else lambda: listener)

    def tell(self) -> None:
        """Call them all."""
        self._known = [known for known in self._known if known() is not None]
        for known in self._known:
            if (listener := known()) is not None:
                listener()
