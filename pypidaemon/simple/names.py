"""
The list of all projects of an index, kept and written a piece at a time: there may be hundreds of thousands.

Kept, it is lines of `name<TAB>serial` in order of the names, so that lists are merged without being held.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from operator import itemgetter
from typing import BinaryIO, cast

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
    if all(before[-1] <= after[0] for before, after in pairwise(runs)):
        return chain.from_iterable(runs)
    return heapq.merge(*runs)


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
    if len(lists) == 1:
        yield from lists[0]
        return
    previous = ""
    for name, serial in heapq.merge(*lists, key=itemgetter(0)):
        if name != previous:
            yield name, serial
            previous = name


def render_names_json(entries: Iterable[tuple[NormalizedName, int]], serial: int) -> Iterator[bytes]:
    """
    The list as `application/vnd.pypi.simple.v1+json`, with a serial for each project, without which mirrors skip it (R47, R48).

    :param serial: the highest of all.
    """
    meta = orjson.dumps({"_last-serial": serial, "api-version": API_VERSION})
    return chunks(_json_pieces(entries, b'{"meta":' + meta + b',"projects":['))


def render_names_html(entries: Iterable[tuple[NormalizedName, int]], serial: int) -> Iterator[bytes]:
    """
    The list as `text/html`: one anchor per project, relative to the list (R20).

    :param serial: the highest of all.
    """
    return chunks(_html_pieces(entries, serial))


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


def _json_pieces(entries: Iterable[tuple[NormalizedName, int]], start: bytes) -> Iterator[bytes]:
    for name, serial in entries:
        # A name that passed the gate has nothing to escape.
        yield b'%b{"_last-serial":%d,"name":"%b"}' % (start, serial, name.encode())
        start = b","
    yield (b"" if start == b"," else start) + b"]}"


def _html_pieces(entries: Iterable[tuple[NormalizedName, int]], serial: int) -> Iterator[bytes]:
    yield head("Simple index", []).encode()
    for name, _ in entries:
        yield f'<a href="{name}/">{name}</a><br>\n'.encode()
    yield foot(serial).encode()


def chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about `CHUNK`."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield b"".join(waiting)
