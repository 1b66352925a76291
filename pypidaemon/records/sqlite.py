"""Records in SQLite: four databases with their threads, and the thirteen books on them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon import settings
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import (
    IAccountRecords,
    IDocumentCache,
    IFetchRecords,
    IFileFacts,
    IFileRecords,
    ILedger,
    IMendable,
    IMirrorRecords,
    IPageCache,
    IPins,
    IPublisherRecords,
    IReadable,
    IRecords,
    IRulingRecords,
    ISaved,
    IUses,
    IWithdrawnEntries,
)
from pypidaemon.model import InThread
from pypidaemon.records import schemas
from pypidaemon.records.chronicled import Chronicled
from pypidaemon.records.database import Database, UnusableDatabase, records_title
from pypidaemon.records.late import Late
from pypidaemon.records.sqlite_accounts import SqliteAccounts
from pypidaemon.records.sqlite_documents import SqliteDocuments
from pypidaemon.records.sqlite_facts import SqliteFacts
from pypidaemon.records.sqlite_fetches import SqliteFetches
from pypidaemon.records.sqlite_files import SqliteFiles
from pypidaemon.records.sqlite_ledger import SqliteLedger
from pypidaemon.records.sqlite_mirrors import SqliteMirrors
from pypidaemon.records.sqlite_pages import SqlitePages
from pypidaemon.records.sqlite_rulings import SqliteRulings
from pypidaemon.records.sqlite_uses import SqlitePins, SqliteUses
from pypidaemon.records.sqlite_withdrawn import SqlitePublishers, SqliteWithdrawn
from pypidaemon.settings import given, setting
from pypidaemon.threads import Threads

READERS = 2
"""How many questions are asked at once; more would only wait for the interpreter's lock."""


MIRRORS = "mirrors"
"""The word by which it is noted that the database of mirrors was made."""


def missing(mirrored: Database) -> UnusableDatabase:
    """What there is to say of a database of mirrors that was made and is gone: to begin anew would be to offer nothing, as if that were so."""
    return UnusableDatabase(
        f"{mirrored.title}: {mirrored.path.name} is gone; put it back as it was, or put an empty file there to begin with empty mirrors"
    )


SETTLED = 1.0
"""After how many seconds at most a change is on the disk in the chronicle too; in the database it is when it is answered."""


class Pool(InThread, Protocol):
    """What `pypidaemon.threads.Threads` is: threads with a life."""

    def startService(self) -> None:
        """Accept calls from now on."""

    def stopService(self) -> Any:
        """Finish the calls accepted; may give a Deferred that fires then."""


def _identify(connection: sqlite3.Connection, fresh: str) -> str:
    """The instance's name: the one it has, else from now on `fresh`."""
    connection.execute("INSERT OR IGNORE INTO instance (one, identity) VALUES (1, ?)", (fresh,))
    identity: str = connection.execute("SELECT identity FROM instance").fetchone()[0]
    return identity


def has_made(connection: sqlite3.Connection, word: str) -> bool:
    """Whether that database was made beside the main one, which this is."""
    return connection.execute("SELECT 1 FROM made WHERE word = ?", (word,)).fetchone() is not None


def _note_made(connection: sqlite3.Connection, word: str) -> None:
    connection.execute("INSERT OR IGNORE INTO made (word) VALUES (?)", (word,))


@implementer(IRecords, IReadable, ISaved, IMendable)
@attrs.define(eq=False, slots=False)
class SqliteRecords(Service):
    """
    `IRecords` in four SQLite databases (`use = sqlite`): what must not be lost at `path`; what mirrors hold, what upstreams said and what
    clients took beside it.

    The cache has its own file and its own writing thread, so that it costs no sync to the disk and no commit waits while a page is
    compressed; and so have the fetches, which are many. Losing the cache costs time only (law 8), losing the fetches a history that nothing
    goes by: where one of these is damaged, it is begun anew. What mirrors hold may be some gigabytes, so that no upload waits for it and no
    upgrade of the main database copies it; where there is no mirror there is no such file. Where that or the main one is damaged, the
    service refuses to start (F66).

    :param path: the main database; the others are `<stem>-mirrors.sqlite`, `<stem>-cache.sqlite` and `<stem>-fetches.sqlite` in the same
        folder.
    :param draw: gives that many random bytes.
    :param pool: makes the threads, of a reactor, a name and a size.
    :param kind: makes the databases but for two.
    :param main: makes the main one, which has a chronicle beside it.
    :param late: makes the one of mirrors, which need not be there.
    """

    path: Path = setting(
        settings.path, help="the SQLite database; what mirrors hold, page cache, history of fetches and write-ahead logs lie beside it"
    )
    label: str = given("label")
    clock: IReactorTime = given("clock")
    reactor: Any = given("reactor")
    draw: Callable[[int], bytes] = attrs.field(default=os.urandom, kw_only=True)
    pool: Callable[[Any, str, int], Pool] = attrs.field(default=Threads, kw_only=True)
    kind: type[Database] = attrs.field(default=Database, kw_only=True)
    main: type[Database] = attrs.field(default=Chronicled, kw_only=True)
    late: type[Database] = attrs.field(default=Late, kw_only=True)
    pages: IPageCache = attrs.field(init=False)
    facts: IFileFacts = attrs.field(init=False)
    ledger: ILedger = attrs.field(init=False)
    files: IFileRecords = attrs.field(init=False)
    accounts: IAccountRecords = attrs.field(init=False)
    rulings: IRulingRecords = attrs.field(init=False)
    fetches: IFetchRecords = attrs.field(init=False)
    withdrawn: IWithdrawnEntries = attrs.field(init=False)
    publishers: IPublisherRecords = attrs.field(init=False)
    documents: IDocumentCache = attrs.field(init=False)
    mirrors: IMirrorRecords = attrs.field(init=False)
    uses: IUses = attrs.field(init=False)
    pins: IPins = attrs.field(init=False)
    _pools: tuple[Pool, ...] = attrs.field(init=False, repr=False)
    _main: Database = attrs.field(init=False, repr=False)
    _mirrored: Database = attrs.field(init=False, repr=False)
    _cache: Database = attrs.field(init=False, repr=False)
    _taken: Database = attrs.field(init=False, repr=False)
    _accounts: SqliteAccounts = attrs.field(init=False, repr=False)
    _fetches: SqliteFetches = attrs.field(init=False, repr=False)
    _uses: SqliteUses = attrs.field(init=False, repr=False)
    _identity: str = attrs.field(default="", init=False)
    _settling: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)

    log = Logger()

    def __attrs_post_init__(self) -> None:
        reading = self.pool(self.reactor, f"{self.label}-read", READERS)
        writing = self.pool(self.reactor, f"{self.label}-write", 1)
        caching = self.pool(self.reactor, f"{self.label}-cache", 1)
        noting = self.pool(self.reactor, f"{self.label}-fetches", 1)
        mirroring = self.pool(self.reactor, f"{self.label}-mirrors", 1)
        self._pools = (reading, writing, caching, noting, mirroring)
        mirrored, cache, taken = (self.path.with_name(f"{self.path.stem}-{word}.sqlite") for word in ("mirrors", "cache", "fetches"))
        self._main = self.main(self.path, records_title(self.label), schemas.steps("records"), "FULL", reading, writing)
        if isinstance(self._main, Chronicled):
            self._main.changed = self._settle_soon
        self._mirrored = self.late(mirrored, f"mirrors of {self.label}", schemas.steps("mirrors"), "FULL", reading, mirroring)
        if isinstance(self._mirrored, Late):
            self._mirrored.made = self._note_mirrors
        self._cache = self.kind(cache, f"page cache of {self.label}", schemas.steps("cache"), "NORMAL", reading, caching)
        self._taken = self.kind(taken, f"fetches of {self.label}", schemas.steps("fetches"), "NORMAL", reading, noting)
        self.pages = SqlitePages(self._cache)
        self.facts = SqliteFacts(self._main)
        self.ledger = SqliteLedger(self._main, self.clock)
        self.files = SqliteFiles(self._main, self.clock)
        self.accounts = self._accounts = SqliteAccounts(self._main, self.clock)
        self.rulings = SqliteRulings(self._main)
        self.fetches = self._fetches = SqliteFetches(self._taken, self.clock)
        self.withdrawn = SqliteWithdrawn(self._main)
        self.publishers = SqlitePublishers(self._main)
        self.documents = SqliteDocuments(self._cache)
        self.mirrors = SqliteMirrors(self._mirrored)
        self.uses = self._uses = SqliteUses(self._cache, self.clock)
        self.pins = SqlitePins(self._main)

    def startService(self) -> None:
        """
        Open the databases and start their threads; all is usable when this returns.

        :raises UnusableDatabase: the main database or the one of mirrors is damaged (F66) or was made by a later version (F92), or the
            one of mirrors was made and is gone; nothing of it was changed.
        :raises PypidaemonError: a database cannot be used, for the reason given.
        """
        self._main.open()
        try:
            self._mirrored.open()
            if os.path.lexists(self._mirrored.path):
                self._main.at_once(_note_made, MIRRORS)
            elif self._main.at_once(has_made, MIRRORS):
                raise missing(self._mirrored)
            self._identity = self._main.at_once(_identify, self.draw(8).hex())
            self._open_or_begin_anew(self._cache)
            self._open_or_begin_anew(self._taken)
        except BaseException:
            self._close_databases()
            raise
        for pool in self._pools:
            pool.startService()
        self._fetches.startService()
        self._uses.startService()
        Service.startService(self)

    def stopService(self) -> Deferred[Any]:
        """Finish what was begun, then close the databases; fires when that is done."""
        Service.stopService(self)
        settling, self._settling = self._settling, None
        if settling is not None:
            settling.cancel()
        self._fetches.stopService()
        self._uses.stopService()
        stopped = DeferredList([maybeDeferred(pool.stopService) for pool in self._pools], fireOnOneErrback=False, consumeErrors=False)
        return stopped.addCallback(self._close)

    def for_reading(self) -> IRecords:
        """As `IReadable`."""
        from pypidaemon.records.glance import Glance, GlanceRecords, LateGlance

        return GlanceRecords(attrs.evolve(self, kind=Glance, main=Glance, late=LateGlance))

    def places(self) -> Mapping[str, Path]:
        """As `ISaved`."""
        return {"main": self._main.path, "mirrors": self._mirrored.path, "cache": self._cache.path, "fetches": self._taken.path}

    def save(self, folder: Path, everything: bool) -> Mapping[str, Path]:
        """As `ISaved`."""
        from pypidaemon.records.copying import copied

        chosen = {word: path for word, path in self.places().items() if everything or word != "cache"}
        return copied(chosen, self.saved(folder).places(), self.label)

    def saved(self, folder: Path) -> SqliteRecords:
        """As `ISaved`."""
        return attrs.evolve(self, path=folder / "records.sqlite", main=Database)

    def severed(self) -> None:
        """As `ISaved`."""
        from pypidaemon.records.copying import severed

        severed(self._main.path, self.label)

    def begun(self) -> bool:
        """As `IMendable`."""
        return os.path.lexists(self._main.path) or (isinstance(self._main, Chronicled) and self._main.chronicle.there())

    def ailments(self) -> list[str]:
        """As `IMendable`."""
        from pypidaemon.records.mending import ailments, missed

        return [*ailments(self._main), *ailments(self._mirrored), *missed(self._main, self._mirrored, MIRRORS)]

    def mend(self) -> list[str]:
        """As `IMendable`: the main database from its chronicle; of mirrors there is none, so they begin empty and are filled by the next run."""
        from pypidaemon.records.mending import ailments, mend, missed

        done = mend(self._main, ails) if (ails := ailments(self._main)) else []
        ails = ailments(self._mirrored) or missed(self._main, self._mirrored, MIRRORS)
        return [*done, *(mend(self._mirrored, ails) if ails else [])]

    @property
    def databases(self) -> tuple[Database, ...]:
        """Its databases, first the two that must not be lost: the main one, and what mirrors hold."""
        return (self._main, self._mirrored, self._cache, self._taken)

    @property
    def reading(self) -> Pool:
        """The threads that questions are asked on."""
        return self._pools[0]

    async def identity(self) -> str:
        """The random name of this instance, made once and kept: 16 hexadecimal digits, a pseudonym for `Via` (RFC 9110 §7.6.3)."""
        return self._identity

    async def _note_mirrors(self) -> None:
        try:
            await self._main.write(_note_made, MIRRORS)
        except PypidaemonError as error:
            # What was written is written; the next start makes up for the note.
            self.log.warn("{label}: that there are mirrors could not be noted: {error}", label=self.label, error=str(error))

    def _settle_soon(self) -> None:
        if self._settling is None and self.running:
            self._settling = self.clock.callLater(SETTLED, self._settle)

    def _settle(self) -> None:
        self._settling = None
        Deferred.fromCoroutine(self._settled()).addErrback(
            lambda failed: self.log.failure("{label}: the chronicle could not be brought to the disk", failed, label=self.label)
        )

    async def _settled(self) -> None:
        if isinstance(self._main, Chronicled):
            # On a thread that nobody's upload waits for.
            await self._pools[2](self._main.settle)
            await self._main.shorten()

    def _open_or_begin_anew(self, database: Database) -> None:
        """Open a database that may be lost."""
        try:
            database.open()
        except UnusableDatabase as error:
            self.log.warn("{error}; it is begun anew.", error=str(error))
            database.discard()
            database.open()

    def _close(self, _: object) -> None:
        self._accounts.settle()
        self._fetches.settle()
        self._uses.settle()
        self._close_databases()

    def _close_databases(self) -> None:
        for database in reversed(self.databases):
            database.close()
