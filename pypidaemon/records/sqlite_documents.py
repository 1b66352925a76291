"""Small documents of upstreams that change, in SQLite, beside the pages."""

from __future__ import annotations

import sqlite3

import attrs
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IDocumentCache
from pypidaemon.model import NormalizedName
from pypidaemon.records.database import Database


def _recall(connection: sqlite3.Connection, label: str, name: NormalizedName, filename: str) -> tuple[bytes, float] | None:
    row: tuple[bytes, float] | None = connection.execute(
        "SELECT body, fresh_until FROM documents WHERE label = ? AND name = ? AND filename = ?", (label, name, filename)
    ).fetchone()
    return row


@attrs.frozen
class _Document:
    """What is to be kept, and as whose."""

    label: str
    name: NormalizedName
    filename: str
    body: bytes
    fresh_until: float


def _keep(connection: sqlite3.Connection, document: _Document) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO documents (label, name, filename, body, fresh_until, size) VALUES (?, ?, ?, ?, ?, ?)",
        (*attrs.astuple(document), len(document.body)),
    )


def _expire(connection: sqlite3.Connection, label: str, name: NormalizedName | None) -> int:
    return connection.execute("UPDATE documents SET fresh_until = 0 WHERE label = ?1 AND name = coalesce(?2, name)", (label, name)).rowcount


@implementer(IDocumentCache)
@attrs.frozen(eq=False)
class SqliteDocuments:
    """
    `IDocumentCache` in the database of the page cache, with the same grace (law 8).

    What cannot be kept is not kept, what cannot be read was never kept, and one line of the log says so. Only `expire` raises what the
    database raises, since else it would leave fresh what must not be.
    """

    database: Database

    log = Logger()

    async def recall(self, label: str, name: NormalizedName, filename: str) -> tuple[bytes, float] | None:
        """What was last kept under that name, and until when it is fresh."""
        try:
            return await self.database.read(_recall, label, name, filename)
        except PypidaemonError as error:
            self.log.warn("What was kept of {filename} cannot be read: {error}", filename=filename, error=str(error))
            return None

    async def keep(self, label: str, name: NormalizedName, filename: str, body: bytes, fresh_until: float) -> None:
        """Remember this instead, if there is room for it."""
        try:
            await self.database.write(_keep, _Document(label, name, filename, body, fresh_until))
        except PypidaemonError as error:
            self.log.warn("The document {filename} is not kept: {error}", filename=filename, error=str(error))

    async def expire(self, label: str, name: NormalizedName | None) -> int:
        """
        Let what was kept of that project, or of all, be fresh no longer; answer how much was kept.

        :raises PypidaemonError: the database cannot do it.
        """
        return await self.database.write(_expire, label, name)
