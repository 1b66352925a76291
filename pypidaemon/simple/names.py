"""
The list of all projects of an index, kept and written a piece at a time: there may be hundreds of thousands.

Kept, it is lines of `name<TAB>serial` in order of the names, so that lists are merged without being held.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import BinaryIO, cast

import attrs
import orjson

from pypidaemon.model import NormalizedName
from pypidaemon.simple.read_names import read_names as read_names
from pypidaemon.simple.write_html import foot, head
from pypidaemon.simple.write_json import API_VERSION

CHUNK = 64 * 1024
"""How many bytes are written at a time, about."""

_RUN = 10_000
"""How many lines are sorted at a time: some milliseconds."""


def write_lines(entries: Iterable[tuple[NormalizedName, int]]) -> Iterator[bytes]:
    """
    The entries, in any order, as lines in order of the names, many lines at a time; of duplicates the higher serial is kept.

    Holds them all meanwhile, in about 75 bytes each.
    """
    # No character of a name sorts below the tab, so the order of the lines is that of the names.
    return chunks(_without_duplicates(_sorted(b"%b\t%d\n" % (name.encode(), serial) for name, serial in entries)))


def _sorted(lines: Iterable[bytes]) -> Iterable[bytes]:
    """
    The lines in order.

    To sort half a million of them at one stroke holds up all other threads for a second, the reactor's among them. So many short runs are sorted, and merged
    where they are not in order already, as lists usually are.
    """
    runs: list[list[bytes]] = []
    rest = iter(lines)
    while run := list(islice(rest, _RUN)):
        run.sort()
        runs.append(run)
    ordered = all(before[-1] <= after[0] for before, after in pairwise(runs))
    given = map(_given_up, runs)
    return chain.from_iterable(given) if ordered else heapq.merge(*given)


def _given_up(lines: list[bytes]) -> Iterator[bytes]:
    """These lines, each of which is let go of with the next: to let go of half a million at one stroke holds up other threads as well."""
    lines.reverse()
    while lines:
        yield lines.pop()


def read_lines(stream: BinaryIO) -> Iterator[tuple[NormalizedName, int]]:
    """
    The entries that `write_lines` wrote.

    :raises ValueError: a line is none of those.
    """
    left = b""
    while piece := stream.read(CHUNK):
        # Many at once: one after the other they take twice as long.
        whole, _, left = (left + piece).rpartition(b"\n")
        for line in whole.decode("ascii").split("\n") if whole else ():
            name, serial = line.split("\t")
            yield cast("NormalizedName", name), int(serial)
    if left:
        raise ValueError("the last line is cut short")


def merge(lists: Sequence[Iterator[tuple[NormalizedName, int]]]) -> Iterator[tuple[NormalizedName, int]]:
    """All entries of lists that are in order of the names, in that order; of one name, the entry of the first list that has it."""
    merged: Iterator[tuple[NormalizedName, int]] = iter(())
    # Two at a time, since `heapq.merge` with a key takes half as long again for each entry, of which there may be hundreds of thousands.
    for number, one in enumerate(reversed(lists)):
        merged = _both(one, merged) if number else one
    return merged


def _both(
    first: Iterator[tuple[NormalizedName, int]], second: Iterator[tuple[NormalizedName, int]]
) -> Iterator[tuple[NormalizedName, int]]:
    other = next(second, None)
    for entry in first:
        name = entry[0]
        while other is not None and other[0] < name:
            yield other
            other = next(second, None)
        if other is not None and other[0] == name:
            other = next(second, None)
        yield entry
    if other is not None:
        yield other
        yield from second


@attrs.frozen
class Layout:
    """
    How a list is written: something that goes by the highest serial of all, the names in their order, and something behind them.

    :param lines: what of each name is written, one after the other.
    :param between: what stands between one and the next.
    """

    head: Callable[[int], bytes]
    lines: Callable[[Iterable[tuple[NormalizedName, int]]], Iterable[bytes]]
    foot: Callable[[int], bytes]
    between: bytes = b""

    def whole(self, entries: Iterable[tuple[NormalizedName, int]], serial: int) -> Iterator[bytes]:
        """The list of these, many at a time."""
        return chunks(chain([self.head(serial)], self._spaced(entries), [self.foot(serial)]))

    def _spaced(self, entries: Iterable[tuple[NormalizedName, int]]) -> Iterator[bytes]:
        between = b""
        for line in self.lines(entries):
            yield between + line
            between = self.between


def _json_head(serial: int) -> bytes:
    return b'{"meta":' + orjson.dumps({"_last-serial": serial, "api-version": API_VERSION}) + b',"projects":['


def _json_lines(entries: Iterable[tuple[NormalizedName, int]]) -> Iterable[bytes]:
    # A name that passed the gate has nothing to escape.
    return (b'{"_last-serial":%d,"name":"%b"}' % (serial, name.encode()) for name, serial in entries)


def _html_lines(entries: Iterable[tuple[NormalizedName, int]]) -> Iterable[bytes]:
    return (f'<a href="{name}/">{name}</a><br>\n'.encode() for name, _ in entries)


JSON = Layout(_json_head, _json_lines, lambda _: b"]}", b",")
"""As `application/vnd.pypi.simple.v1+json`, with a serial for each project, without which mirrors skip it (R47, R48)."""
HTML = Layout(lambda _: head("Simple index", []).encode(), _html_lines, lambda serial: foot(serial).encode())
"""As `text/html`: one anchor per project, relative to the list (R20)."""


def render_names_json(entries: Iterable[tuple[NormalizedName, int]], serial: int) -> Iterator[bytes]:
    """
    The list as `JSON` has it.

    :param serial: the highest of all.
    """
    return JSON.whole(entries, serial)


def render_names_html(entries: Iterable[tuple[NormalizedName, int]], serial: int) -> Iterator[bytes]:
    """
    The list as `HTML` has it.

    :param serial: the highest of all.
    """
    return HTML.whole(entries, serial)


def _without_duplicates(lines: Iterable[bytes]) -> Iterator[bytes]:
    kept, kept_name = b"", b""
    for line in lines:
        name = line[: line.index(b"\t")]
        if name != kept_name:
            if kept:
                yield kept
            kept, kept_name = line, name
        else:
            kept = max(kept, line, key=_serial_of)
    if kept:
        yield kept


def _serial_of(line: bytes) -> int:
    return int(line.rpartition(b"\t")[2])


def chunks(pieces: Iterator[bytes], least: int = CHUNK) -> Iterator[bytes]:
    """The same bytes in pieces of so many at least, but for the last one."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= least:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield b"".join(waiting)
