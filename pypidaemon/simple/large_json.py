"""
A large project page in JSON, taken apart a piece at a time.

A parser that answers the whole document at once keeps every other thread waiting meanwhile, the reactor's among them: 10 MiB of empty
lists take it most of a second. `docs/decisions/0008-large-pages.md` has the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from pypidaemon.simple.entries import KEYS, MOST_HASHES, OBJECTS, Unreadable

LARGE = 512 * 1024
"""From how many bytes on a page is read here; below, even the worst of documents takes `orjson` less than 50 ms."""

CHUNK = 64 * 1024
"""How many bytes are parsed at a time."""

DEEPEST = 32
"""How deep a document may be nested; what we read of one needs four levels (S84)."""

MOST_VERSIONS = 100_000
"""How many versions a page may state (S84)."""

MOST_EVENTS = 4_000_000
"""How many keys, values and ends of objects a page may have: some 80 for each of the most entries that it may have (S84)."""

LONGEST = 256 * 1024
"""How many bytes a single value may have, about: the parser begins anew at its beginning with every piece that does not end it (S84)."""

_BEGINNINGS = frozenset({"start_map", "start_array"})
_ENDS = frozenset({"end_map", "end_array"})


@attrs.frozen
class _Shape:
    """What is kept of an object: values under `keys`, or the first of any where it is None, and objects under the keys of `inner`."""

    keys: frozenset[str] | None
    inner: Mapping[str, _Shape] = attrs.field(factory=dict)


_PAIRS = _Shape(None)
_STATUS = _Shape(frozenset({"status", "state", "reason"}))
_META = _Shape(frozenset({"api-version", "_last-serial", "project-status", "project-status-reason"}), {"project-status": _STATUS})
_ENTRY = _Shape(KEYS, dict.fromkeys(OBJECTS, _PAIRS))
_ROOT = _Shape(frozenset({"meta", "name", "versions", "files", "project-status"}), {"meta": _META, "project-status": _STATUS})


def parsed(pieces: Iterable[bytes], longest: int = LONGEST) -> Iterator[list[tuple[str, Any]]]:
    """
    The events of ijson's lowest layer for a document that comes in pieces of about `CHUNK`; each list is good until the next is asked for.

    A number is an int, or a Decimal where it has a fraction or an exponent.

    :param longest: how many bytes a single value may have, about.
    :raises Unreadable: it is no JSON, is cut short, or has a longer value.
    """
    # ijson loads its C part on import, which those who only want to see `--help` need not wait for.
    import ijson

    events: list[tuple[str, Any]] = ijson.sendable_list()
    # Of ijson's layers only the lowest keeps no path of keys, whose size grows with the square of the depth.
    # With `use_float` it would end at an integer that 64 bits do not hold, which a small page may state.
    parser = ijson.basic_parse_coro(events)
    silent = 0
    try:
        for piece in pieces:
            parser.send(piece)
            silent = 0 if events else silent + len(piece)
            if silent > longest:
                raise Unreadable("the JSON has a value that is too long")
            yield events
            events.clear()
        parser.close()
    except Unreadable:
        raise
    except (ijson.JSONError, ArithmeticError, ValueError, SystemError) as error:
        # An exponent that no Decimal has is an ArithmeticError, an integer of more digits than Python reads (4,300) no better than a SystemError.
        raise Unreadable("not JSON, or cut short") from error
    # The parser may have held the last events back until it saw the end.
    yield events


def take_apart(body: bytes, start: int, take: Callable[[object], None]) -> dict[str, Any]:
    """
    What is known of a project page, without its files: each of those goes to `take`, as soon as it is complete.

    What nobody reads is left out. Objects and arrays where none is expected become `[]`; the list of files is `()`, to tell that there
    was one.

    :param start: where in the body the document begins.
    :raises Unreadable: it is no JSON object, is nested too deep, has more than we read, or says `files` twice.
    """
    taking = _Taking(take)
    for events in parsed(body[position : position + CHUNK] for position in range(start, len(body), CHUNK)):
        taking.events(events)
    if taking.document is None:
        raise Unreadable("the JSON is not an object")
    return taking.document


@attrs.define
class _Taking:
    """What has been understood so far: the objects and arrays around us that are kept, and how deep we are in one that is not."""

    take: Callable[[object], None]
    document: dict[str, Any] | None = None
    _holders: list[tuple[_Shape | None, Any]] = attrs.field(factory=list)
    """The shape of each object under way and the object itself; of an array, no shape."""
    _keys: list[str] = attrs.field(factory=list)
    _skipped: int = 0
    _count: int = 0

    def events(self, events: Iterable[tuple[str, Any]]) -> None:
        """
        Understand these events of the parser.

        :raises Unreadable: as `take_apart`.
        """
        for event, value in events:
            if self._skipped:
                if event in _BEGINNINGS:
                    self._skipped += 1
                    self._require_shallow()
                elif event in _ENDS:
                    self._skipped -= 1
            elif event == "map_key":
                self._keys[-1] = value
            elif event in _BEGINNINGS:
                self._begin(event == "start_map")
            elif event in _ENDS:
                self._end()
            elif event == "number" and type(value) is not int:
                self._put(float(value))
            else:
                self._put(value)
            self._count += 1
        if self._count > MOST_EVENTS:
            raise Unreadable("the JSON has too many values")

    def _require_shallow(self) -> None:
        if len(self._holders) + self._skipped > DEEPEST:
            raise Unreadable("the JSON is nested too deep")

    def _begin(self, is_object: bool) -> None:
        shape, holder = self._kept(is_object)
        if holder is None:
            self._put([])
            self._skipped = 1
            self._require_shallow()
            return
        self._holders.append((shape, holder))
        self._keys.append("")

    def _kept(self, is_object: bool) -> tuple[_Shape | None, Any]:
        """What the object or array that begins here is filled into, and its shape; None for one that nobody reads."""
        if not self._holders:
            if is_object:
                self.document = {}
                return _ROOT, self.document
            return None, None
        around, key = self._holders[-1][0], self._keys[-1]
        if around is None:
            return (_ENTRY, {}) if is_object and self._keys[-2] == "files" else (None, None)
        if is_object:
            shape = around.inner.get(key)
            return (shape, None if shape is None else {})
        if around is _ROOT and key in {"files", "versions"}:
            if key == "files" and "files" in (self.document or {}):
                raise Unreadable("the JSON has two lists of files")
            if key == "files":
                self._put(())
            return None, []
        return None, None

    def _end(self) -> None:
        _, holder = self._holders.pop()
        self._keys.pop()
        if self._holders and not (self._holders[-1][0] is _ROOT and self._keys[-1] == "files"):
            self._put(holder)

    def _put(self, value: object) -> None:
        """Give the value to the object or array that it stands in."""
        if not self._holders:
            return
        shape, holder = self._holders[-1]
        if shape is not None:
            key = self._keys[-1]
            if key in shape.keys if shape.keys is not None else (key in holder or len(holder) < MOST_HASHES):
                holder[key] = value
        elif self._keys[-2] == "files":
            self.take(value)
        else:
            if len(holder) >= MOST_VERSIONS:
                raise Unreadable("the page has too many versions")
            holder.append(value)
