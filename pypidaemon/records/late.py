"""A SQLite database that comes about with the first write: where nothing is ever written there is no file, and a start need not make one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

import attrs

from pypidaemon.records.database import Database

P = ParamSpec("P")
T = TypeVar("T")


@attrs.define(eq=False)
class Late(Database):
    """
    A database that need not be there. Until it is, questions are answered as if it were empty.

    To make one costs several syncs to the disk, so whoever has no use for it does not wait for them. One that is there is opened at the
    start, so that damage is found then and not later (F66).
    """

    made: Callable[[], Awaitable[None]] | None = attrs.field(default=None, init=False)
    """Called after the write that may have made it."""

    def open(self) -> None:
        """As `Database.open` where there is one, or anything in its place; else nothing is done."""
        if os.path.lexists(self.path):
            Database.open(self)

    async def read(self, question: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Database.read`; where another process has made the database meanwhile, it is opened first."""
        if self._writer is None:
            if not await self.reading(os.path.lexists, self.path):
                return await self.read_nothing(question, *args, **kwargs)
            await self.writing(self._begin)
        return await Database.read(self, question, *args, **kwargs)

    async def write(self, change: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Database.write`; the first one makes the database."""
        first = self._writer is None
        result = await Database.write(self, change, *args, **kwargs)
        if first and self.made is not None:
            await self.made()
        return result

    def at_once(self, change: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `Database.at_once`, and so as `Database.write`; the first makes the database, and may raise what `open` does."""
        self._begin()
        return Database.at_once(self, change, *args, **kwargs)

    def _begin(self) -> None:
        """Open it, or make it. Only the writing thread does so, hence only once."""
        if self._writer is None:
            Database.open(self)
