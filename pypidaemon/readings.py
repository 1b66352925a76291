"""
Whether what is being made was overtaken while it was made.

A value read before a change and kept after it would undo the change. So whoever makes a value to be kept says so before the first wait, whoever
announces a change spoils what is being made of that name, and what was spoilt serves who asked for it and is not kept.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import attrs

K = TypeVar("K", bound=Hashable)


@attrs.define(eq=False)
class Reading:
    """Something being made. `holds` until a change overtakes it."""

    holds: bool = True


@attrs.define
class Readings(Generic[K]):
    """All that is being made now, by what it is about."""

    _open: dict[K, set[Reading]] = attrs.field(factory=dict, init=False, repr=False)

    @contextmanager
    def of(self, key: K) -> Iterator[Reading]:
        """A reading that lasts as long as the block."""
        reading = Reading()
        self._open.setdefault(key, set()).add(reading)
        try:
            yield reading
        finally:
            left = self._open[key]
            left.discard(reading)
            if not left:
                del self._open[key]

    def spoil(self, key: K | None) -> None:
        """Something about that key, or with None about all, has changed."""
        concerned = self._open.values() if key is None else [self._open.get(key, set())]
        for readings in concerned:
            for reading in readings:
                reading.holds = False


@attrs.define
class Ages(Generic[K]):
    """How often something changed, by what it is about: two equal answers about a key mean that nothing happened to it between them."""

    most: int = 10_000
    """Keys that are told apart; when there are more, all that are held count as changed."""
    _now: int = attrs.field(default=0, init=False)
    _whole: int = attrs.field(default=0, init=False)
    _last: dict[K, int] = attrs.field(factory=dict, init=False, repr=False)

    def of(self, key: K) -> int:
        """The age of that key."""
        return self._last.get(key, self._whole)

    def change(self, key: K | None) -> None:
        """Something about that key, or with None about all, has changed."""
        self._now += 1
        if key is None or len(self._last) >= self.most:
            self._last.clear()
            self._whole = self._now
        else:
            self._last[key] = self._now
