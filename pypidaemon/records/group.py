"""
Changes of one database that are made together, because the disk takes as long to confirm one transaction as to confirm many.

Whoever finds the writing thread free is served at once and alone; those who come while it waits for the disk are served by the next transaction, all of
them in their order. Nobody is told that his change is made before it is on the disk.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import attrs

T = TypeVar("T")

TOGETHER = 64
"""Changes of one transaction at most: it is undone as a whole where the power goes, and others wait for it."""

At_once = Callable[[Callable[[sqlite3.Connection], Any]], Any]
"""Does that in a transaction of its own, as `Database.at_once`."""


@attrs.define(eq=False)
class Change(Generic[T]):
    """What somebody wants to have changed, and what came of it once that is `known`."""

    do: Callable[[sqlite3.Connection], T]
    known: bool = attrs.field(default=False, init=False)
    _result: Any = attrs.field(default=None, init=False)
    _error: BaseException | None = attrs.field(default=None, init=False)

    def end(self, result: Any, error: BaseException | None = None) -> None:
        """That came of it."""
        self.known, self._result, self._error = True, result, error

    def outcome(self) -> T:
        """What it answered; raises what it raised."""
        if self._error is not None:
            raise self._error
        result: T = self._result
        return result


@attrs.define(eq=False)
class Group:
    """Those that wait for the writing thread, which alone takes them."""

    _waiting: deque[Change[Any]] = attrs.field(factory=deque, init=False)

    def add(self, change: Change[Any]) -> None:
        """It is to be made by the next transaction."""
        self._waiting.append(change)

    def drop(self, change: Change[Any]) -> None:
        """It is not to be made any more, if it was not begun."""
        with suppress(ValueError):
            self._waiting.remove(change)

    def outcome(self, change: Change[T], at_once: At_once) -> T:
        """
        What came of a change that was added; it is made now, together with all that wait, if it is not made yet. On the writing thread.

        :raises Exception: what the change raised, or its transaction.
        """
        while not change.known and self._waiting:
            _make([self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))], at_once)
        return change.outcome()


def _make(changes: Sequence[Change[Any]], at_once: At_once) -> None:
    if len(changes) > 1:
        try:
            outcomes = at_once(lambda connection: [_one(connection, change) for change in changes])
        except BaseException as error:  # noqa: BLE001  # then each is done alone, and hears of what is its own
            if _is_busy(error):
                # Each would wait as long as all did.
                for change in changes:
                    change.end(None, error)
                return
        else:
            for change, outcome in zip(changes, outcomes, strict=True):
                change.end(*outcome)
            return
    for change in changes:
        try:
            change.end(at_once(change.do))
        except BaseException as error:  # noqa: BLE001  # whatever it is, who waits for this one has to hear of it, and nobody else
            change.end(None, error)


def _one(connection: sqlite3.Connection, change: Change[Any]) -> tuple[Any, Exception | None]:
    """
    What comes of one change within a transaction; where it raises, it alone is undone.

    :raises sqlite3.Error: SQLite failed, which may have undone all.
    """
    connection.execute("SAVEPOINT one")
    try:
        result, error = change.do(connection), None
    except (sqlite3.Error, OverflowError):
        raise
    except Exception as raised:  # noqa: BLE001  # as above
        result, error = None, raised
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    return result, error


def _is_busy(error: BaseException) -> bool:
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
