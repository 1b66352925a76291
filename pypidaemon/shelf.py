"""A bounded place for values that can be made again: what was not asked for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

K = TypeVar("K")
V = TypeVar("V")


@attrs.define
class Shelf(Generic[K, V]):
    """
    Values by key, kept while their weights together stay within `limit`.

    A value heavier than the whole shelf is not kept at all. `weight` counts in whatever unit the owner chose: bytes, entries.

    :param gone: called with each key and value that are not here any more, for whatever reason, also where another value is about to come.
    """

    limit: int
    gone: Callable[[K, V], None] | None = None
    weight: int = attrs.field(default=0, init=False)
    _held: OrderedDict[K, tuple[V, int]] = attrs.field(factory=OrderedDict, init=False, repr=False)

    def get(self, key: K) -> V | None:
        """The value of that key, now the last to go; None where there is none."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep this value, instead of any that had the key, and let go of the oldest ones until all fits."""
        self.drop(key)
        if weight > self.limit:
            return
        self._held[key] = (value, weight)
        self.weight += weight
        while self.weight > self.limit:
            self.drop(next(iter(self._held)))

    def drop(self, key: K) -> None:
        """Forget that key, if it is here."""
        found = self._held.pop(key, None)
        if found is not None:
            self.weight -= found[1]
            if self.gone is not None:
                self.gone(key, found[0])

    def forget(self, key: K | None) -> None:
        """Forget that key, or with None all. Of thousands one is forgotten without looking at the others, as every upload has it done."""
        if key is None:
            self.drop_where(lambda _: True)
        else:
            self.drop(key)

    def drop_where(self, doomed: Callable[[K], bool]) -> None:
        """Forget every key of which `doomed` says so."""
        for key in [key for key in self._held if doomed(key)]:
            self.drop(key)

    def __len__(self) -> int:
        return len(self._held)
