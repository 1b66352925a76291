"""Some objects out of a JSON document of any size: each is given as soon as it is complete, and the rest is read past in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.large_json import CHUNK, DEEPEST, parsed

LONGEST = 2 << 20
"""Bytes of a single text: the descriptions of releases stand in such documents too."""

MOST = 500_000
"""Values in one object that is wanted."""

LARGEST = 32 << 20
"""Characters of all keys and texts in one object that is wanted."""

_BEGINNINGS = frozenset({"start_map", "start_array"})
_ENDS = frozenset({"end_map", "end_array"})

Where = tuple[str, ...]
"""The keys that lead to an object, "" for the place in an array."""


def extracts(pieces: Iterable[bytes], wanted: Callable[[Sequence[str]], bool]) -> Iterator[tuple[Where, dict[str, Any]]]:
    """
    The objects that are wanted, with the keys that lead to each, in their order. One within another is a part of that.

    :param pieces: the document, in pieces of about `CHUNK`.
    :param wanted: takes the keys that lead to an object.
    :raises Unreadable: it is no JSON, is cut short, is nested too deep, or has an object that is too large; what came before is good.
    """
    reading = _Reading(wanted)
    for events in parsed(pieces, LONGEST):
        yield from reading.take(events)


def in_pieces(body: bytes) -> Iterator[bytes]:
    """A body that is here, in such pieces."""
    return (body[position : position + CHUNK] for position in range(0, len(body), CHUNK))


@attrs.define
class _Reading:
    """What has been understood so far."""

    wanted: Callable[[Sequence[str]], bool]
    _keys: list[str] = attrs.field(factory=list)
    """The key under way in each object or array around us, "" in an array."""
    _built: list[Any] = attrs.field(factory=list)
    """The wanted object under way, and what is under way in it."""
    _count: int = 0
    _length: int = 0

    def take(self, events: Iterable[tuple[str, Any]]) -> Iterator[tuple[Where, dict[str, Any]]]:
        """
        Understand these events of the parser, and give what is complete.

        :raises Unreadable: as `extracts`.
        """
        for event, value in events:
            if event == "map_key":
                self._keys[-1] = value
                if self._built:
                    self._measure(value)
            elif event in _BEGINNINGS:
                self._begin({} if event == "start_map" else [])
            elif event in _ENDS:
                self._keys.pop()
                if self._built:
                    whole = self._built.pop()
                    if not self._built:
                        yield tuple(self._keys), whole
            elif self._built:
                self._put(float(value) if event == "number" and type(value) is not int else value)

    def _begin(self, holder: dict[str, Any] | list[Any]) -> None:
        if self._built:
            self._put(holder)
            self._built.append(holder)
        elif isinstance(holder, dict) and self.wanted(self._keys):
            self._built.append(holder)
            self._count = self._length = 0
        self._keys.append("")
        if len(self._keys) > DEEPEST:
            raise Unreadable("the JSON is nested too deep")

    def _put(self, value: object) -> None:
        self._count += 1
        if self._count > MOST:
            raise Unreadable("the JSON has an object that is too large")
        if isinstance(value, str):
            self._measure(value)
        around = self._built[-1]
        if isinstance(around, dict):
            around[self._keys[-1]] = value
        else:
            around.append(value)

    def _measure(self, text: str) -> None:
        self._length += len(text)
        if self._length > LARGEST:
            raise Unreadable("the JSON has an object that is too large")
