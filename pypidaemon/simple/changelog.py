"""The changelog of an index, as XML-RPC gives it (R146, R150): rows of lists, read with suspicion."""

from __future__ import annotations

import math
from typing import Any

import attrs

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.model import Change
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.xml_rpc import Dangerous, Fault, read_answer
from pypidaemon.versions import LONGEST_VERSION

MOST_ROWS = 50_000
"""Rows of one answer (R146)."""

HIGHEST = (1 << 63) - 1
"""The highest serial that records can hold."""

LONGEST_ACTION = 200
"""Characters of what a row says was done; what follows is cut off."""


@attrs.frozen
class Part:
    """One answer: its rows, ascending, and the serial and the number of all that it had, also of names that no project can have."""

    rows: tuple[Change, ...]
    last: int
    count: int


def read_changelog(body: bytes, since: int) -> Part:
    """
    The answer to `changelog_since_serial`. Slow for long ones, so call it on a thread.

    :param since: the serial that was asked with; without a row the last one is that.
    :raises Unreadable: it is no such answer, is not safe to parse, or its rows are not in order (R146).
    """
    found = _result(body)
    if not isinstance(found, list) or len(found) > MOST_ROWS:
        raise Unreadable(f"it is no list of at most {MOST_ROWS} rows")
    rows: list[Change] = []
    last = since
    for row in found:
        if not isinstance(row, list) or len(row) != 5:
            raise Unreadable("a row has not its five parts")
        serial = read_whole(row[4])
        # Whoever asks on from the last row would miss one that stands out of order.
        if serial <= since or serial < last:
            raise Unreadable("its serials do not ascend")
        last = serial
        change = _change(row, serial)
        if change is not None:
            rows.append(change)
    return Part(tuple(rows), last, len(found))


def read_last_serial(body: bytes) -> int:
    """
    The answer to `changelog_last_serial`.

    :raises Unreadable: it is no such answer, or is not safe to parse.
    """
    return read_whole(_result(body))


def read_whole(value: Any) -> int:
    """
    A serial. One that is too large for `<int>` may come as a double (R147).

    :raises Unreadable: it is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= HIGHEST:
        raise Unreadable("a serial is no whole number")
    return value


def _result(body: bytes) -> Any:
    try:
        return read_answer(body)
    except Dangerous as error:
        raise Unreadable(str(error)) from None
    except Fault as fault:
        said = "".join(c if c.isprintable() else " " for c in fault.line[:LONGEST_ACTION])
        raise Unreadable(f"fault {fault.code}: {said}") from None


def _change(row: list[Any], serial: int) -> Change | None:
    """The row; None where no project can have that name."""
    name, version, time, action, _ = row
    if not isinstance(name, str) or not isinstance(version, str | None) or not isinstance(action, str):
        raise Unreadable("a row has a part that is no text")
    if not isinstance(time, int | float) or isinstance(time, bool) or not math.isfinite(time):
        raise Unreadable("a row has a time that is none")
    try:
        known = project_name(name)
    except InvalidName:
        return None
    return Change(known, version[:LONGEST_VERSION] if version else None, float(time), action[:LONGEST_ACTION], serial)
