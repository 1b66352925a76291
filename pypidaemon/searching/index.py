"""
The file that projects are searched in: opened when it is first needed, made anew where it is damaged or gone, and asked from threads of its own.

It holds nothing that could not be found out again, so it may be removed at any time, and no backup has it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.model import InThread, NormalizedName
from pypidaemon.records.database import Database, UnusableDatabase
from pypidaemon.searching import cards
from pypidaemon.searching.cards import CARDS, LENGTHS, SCHEMA, Described, Found, Place
from pypidaemon.searching.words import Question
from pypidaemon.threads import Threads

FILE = "search.sqlite"
"""Its name below the data folder."""

TITLE = "the search index"

_AT_ONCE = 20_000
"""Names that are taken in by one transaction."""

_AT_ONCE_GONE = 2_000
"""Rows that are taken out by one."""

_READERS = 2

log = Logger()


@attrs.define(eq=False, slots=False)
class SearchIndex(Service):
    """
    The search index of a daemon.

    :param path: where it lies; None is in a folder for this process alone, for a daemon that must not write where its data are.
    :param reading: runs questions, and `writing` changes, one at a time.
    """

    path: Path | None
    reading: InThread
    writing: InThread
    complete: bool = attrs.field(default=False, init=False)
    """Whether all that is to be found has been taken in once, names at least."""
    _database: Database | None = attrs.field(default=None, init=False)
    _folder: Path | None = attrs.field(default=None, init=False)
    _opening: Flights[str, Database] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    @classmethod
    def with_threads(cls, path: Path | None, reactor: Any) -> SearchIndex:
        """One with threads of its own: a long change must not hold up anything else, and nothing else a question."""
        return cls(path, Threads(reactor, "search", _READERS), Threads(reactor, "search-writing", 1))

    def startService(self) -> None:
        """Let there be threads; the file is opened when it is first needed."""
        Service.startService(self)
        for threads in (self.reading, self.writing):
            if isinstance(threads, Threads):
                threads.startService()

    def stopService(self) -> Deferred[None]:
        """Finish what was begun, and close the file."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        await self._opening.land()
        for threads in (self.reading, self.writing):
            if isinstance(threads, Threads) and (ended := threads.stopService()) is not None:
                await ended
        database, self._database = self._database, None
        if database is not None:
            database.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def look(self) -> None:
        """
        See that the file is there, and begin another where somebody has removed it.

        :raises PypidaemonError: it cannot be made.
        """
        database = await self._opened()
        if not await self.reading(database.path.exists):
            await self.begin_again()
            await self._opened()

    async def begin_again(self) -> None:
        """Let go of all that is in it."""
        database, self._database = self._database, None
        self.complete = False
        if database is not None:
            await self.writing(_discarded, database)

    async def find(self, question: Question, places: Sequence[Place], may_see: Callable[[str, NormalizedName], bool]) -> list[Found]:
        """
        As `cards.find`.

        :raises PypidaemonError: it cannot be read.
        """
        database = await self._opened()
        return await database.read(cards.find, question, places, may_see)

    async def stamp(self, label: str, table: str) -> str:
        """As `cards.stamp_of`."""
        return await (await self._opened()).read(cards.stamp_of, label, table)

    async def take_in(self, label: str, table: str, stamp: str, names: Iterator[tuple[str, int]], gather: InThread) -> None:
        """
        Have these names, and no others, be of that index in that table. A crash on the way leaves some of them, and no stamp.

        :param names: with their serials, read a part at a time on `gather`.
        :raises PypidaemonError: there is no room, or it cannot be written.
        """
        database = await self._opened()
        await database.write(cards.clear_fresh)
        while part := await gather(lambda: list(islice(names, _AT_ONCE))):
            await database.write(cards.add_fresh, part)
        while await database.write(cards.drop_gone, label, table, _AT_ONCE_GONE):
            pass
        first = await database.read(cards.stamp_of, label, table) == ""
        for length in LENGTHS:
            await database.write(cards.add_new, label, table, length)
        if table == CARDS:
            await database.write(cards.mark_changed, label)
        if first:
            await database.write(cards.optimize)
        await database.write(cards.clear_fresh)
        await database.write(cards.set_stamp, label, table, stamp)

    async def put(self, label: str, said: Mapping[str, Described | None]) -> None:
        """As `cards.put`."""
        await (await self._opened()).write(cards.put, label, said)

    async def due(self, label: str, limit: int) -> list[NormalizedName]:
        """As `cards.due`."""
        return await (await self._opened()).read(cards.due, label, limit)

    async def drop_others(self, kept: Collection[tuple[str, str]]) -> None:
        """Take out what is of no index and table among these."""
        database = await self._opened()
        while await database.write(cards.drop_others, kept, _AT_ONCE_GONE):
            pass

    async def counts(self) -> tuple[int, int]:
        """As `cards.counts`."""
        return await (await self._opened()).read(cards.counts)

    async def _opened(self) -> Database:
        if self._database is not None:
            return self._database
        return await self._opening.join("", self._open)

    async def _open(self) -> Database:
        if self.path is None and self._folder is None:
            try:
                self._folder = Path(await self.writing(tempfile.mkdtemp, prefix="pypidaemon-"))
            except OSError as error:
                raise PypidaemonError(f"{TITLE} cannot be made: {error.strerror or type(error).__name__}") from error
        folder = self._folder
        path = self.path if self.path is not None or folder is None else folder / FILE
        assert path is not None  # one of the two is there
        database = Database(path, TITLE, SCHEMA, "NORMAL", self.reading, self.writing)
        await self.writing(_open, database)
        self._database = database
        return database


def _open(database: Database) -> None:
    try:
        database.open()
    except UnusableDatabase as error:
        # Whatever is wrong with it, another one says the same.
        log.warn("{title} is made anew: {error}", title=TITLE, error=str(error))
        database.discard()
        database.open()


def _discarded(database: Database) -> None:
    database.close()
    database.discard()
