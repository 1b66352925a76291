"""What upstreams last said, in SQLite: pages compressed, absences, and where the project lists are."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

import attrs
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IBounded, IPageCache
from pypidaemon.model import Digest, Filename, KeptPage, NormalizedName, Remembered, RememberedNames, Validators
from pypidaemon.records.database import Database
from pypidaemon.records.packing import pack, unpack
from pypidaemon.records.sqlite_weights import Place, let_go, oldest, weigh
from pypidaemon.stored import cut, decode, encode

_COUNTED = "names"


class _SpoiltError(Exception):
    """A row that cannot be read any more; `fingerprint` is the one it has."""

    def __init__(self, fingerprint: bytes) -> None:
        super().__init__()
        self.fingerprint = fingerprint


def _recall(connection: sqlite3.Connection, label: str, name: NormalizedName, filename: Filename | None = None) -> Remembered | None:
    row = connection.execute(
        "SELECT fingerprint, body, fetched, fresh_until FROM pages LEFT JOIN bodies USING (label, name) WHERE label = ? AND name = ?",
        (label, name),
    ).fetchone()
    if row is None:
        return None
    fingerprint, body, fetched, fresh_until = row
    if fingerprint is None:
        return Remembered(None, fetched, fresh_until)
    try:
        encoded = unpack(body or b"")
        page = decode(encoded) if filename is None else cut(encoded, name, filename)
        return Remembered(page, fetched, fresh_until)
    except ValueError as error:
        raise _SpoiltError(fingerprint) from error


def _keep(connection: sqlite3.Connection, label: str, name: NormalizedName, remembered: Remembered) -> None:
    fingerprint, size = None, 0
    if remembered.page is None:
        connection.execute("DELETE FROM bodies WHERE label = ? AND name = ?", (label, name))
    else:
        encoded = encode(remembered.page)
        fingerprint = hashlib.blake2b(encoded, digest_size=16).digest()
        # A page that was only confirmed is not compressed and written again.
        same = connection.execute(
            "SELECT size FROM pages WHERE label = ? AND name = ? AND fingerprint = ?", (label, name, fingerprint)
        ).fetchone()
        if same is None:
            body = pack(encoded)
            connection.execute("INSERT OR REPLACE INTO bodies (label, name, body) VALUES (?, ?, ?)", (label, name, body))
        size = len(body) if same is None else same[0]
    connection.execute(
        "INSERT OR REPLACE INTO pages (label, name, fingerprint, fetched, fresh_until, size) VALUES (?, ?, ?, ?, ?, ?)",
        (label, name, fingerprint, remembered.fetched, remembered.fresh_until, size),
    )


def _drop(connection: sqlite3.Connection, label: str, name: NormalizedName, fingerprint: bytes | None = None) -> None:
    """Forget that project; with a fingerprint, only while it is still the one that the row has."""
    dropped = connection.execute(
        "DELETE FROM pages WHERE label = ? AND name = ? AND fingerprint IS coalesce(?, fingerprint)", (label, name, fingerprint)
    )
    if dropped.rowcount:
        connection.execute("DELETE FROM bodies WHERE label = ? AND name = ?", (label, name))


def _expire(connection: sqlite3.Connection, label: str, name: NormalizedName | None) -> int:
    if name is not None:
        return connection.execute("UPDATE pages SET fresh_until = 0 WHERE label = ? AND name = ?", (label, name)).rowcount
    pages = connection.execute("UPDATE pages SET fresh_until = 0 WHERE label = ?", (label,)).rowcount
    return pages + connection.execute("UPDATE lists SET fresh_until = 0 WHERE label = ?", (label,)).rowcount


def _remembered(connection: sqlite3.Connection, label: str) -> list[NormalizedName]:
    rows = connection.execute("SELECT name FROM pages WHERE label = ? AND fingerprint IS NOT NULL ORDER BY name", (label,)).fetchall()
    return [NormalizedName(name) for (name,) in rows]


def _recall_names(connection: sqlite3.Connection, label: str) -> RememberedNames | None:
    row = connection.execute(
        "SELECT digest, etag, last_modified, source, serial, fetched, fresh_until FROM lists WHERE label = ?", (label,)
    ).fetchone()
    if row is None:
        return None
    digest, etag, last_modified, source, serial, fetched, fresh_until = row
    return RememberedNames(Digest(digest), Validators(etag, last_modified, source), serial, fetched, fresh_until)


def _keep_names(connection: sqlite3.Connection, label: str, names: RememberedNames) -> None:
    said = names.validators
    connection.execute(
        "INSERT OR REPLACE INTO lists (label, digest, etag, last_modified, source, serial, fetched, fresh_until)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (label, names.digest, said.etag, said.last_modified, said.source, names.serial, names.fetched, names.fresh_until),
    )


@implementer(IPageCache, IBounded)
@attrs.frozen(eq=False)
class SqlitePages:
    """
    `IPageCache` in a database of its own.

    Because losing it costs time and never truth (law 8), a full disk, a busy or a damaged database is no error here: what cannot be kept is
    not kept, what cannot be read was never kept, and one line of the log says so. Only `drop` and `expire`, which would otherwise
    leave behind what must go, raise what the database raises.
    """

    database: Database

    log = Logger()

    async def recall(self, label: str, name: NormalizedName) -> Remembered | None:
        """What was last kept of that project; a row that cannot be read any more counts as none, and goes."""
        return await self._recalled(label, name, None)

    async def recall_file(self, label: str, name: NormalizedName, filename: Filename) -> Remembered | None:
        """The same cut down to one file."""
        return await self._recalled(label, name, filename)

    async def _recalled(self, label: str, name: NormalizedName, filename: Filename | None) -> Remembered | None:
        try:
            return await self.database.read(_recall, label, name, filename)
        except _SpoiltError as spoilt:
            fingerprint = spoilt.fingerprint
        except PypidaemonError as error:
            self.log.warn("What was kept of {name} cannot be read: {error}", name=name, error=str(error))
            return None
        self.log.warn("What was kept of {name} is damaged and was dropped.", name=name)
        try:
            await self.database.write(_drop, label, name, fingerprint)
        except PypidaemonError as error:
            self.log.warn("It could not be dropped: {error}", error=str(error))
        return None

    async def keep(self, label: str, name: NormalizedName, remembered: Remembered) -> None:
        """Remember this instead of what was kept before, if there is room for it."""
        try:
            await self.database.write(_keep, label, name, remembered)
        except PypidaemonError as error:
            self.log.warn("What upstream said of {name} is not kept: {error}", name=name, error=str(error))

    async def drop(self, label: str, name: NormalizedName) -> None:
        """
        Forget what was kept of that project.

        :raises PypidaemonError: the database cannot do it.
        """
        await self.database.write(_drop, label, name)

    async def expire(self, label: str, name: NormalizedName | None) -> int:
        """
        Let what was kept of that project, or of all and of the list, be fresh no longer; answer how much was kept.

        :raises PypidaemonError: the database cannot do it.
        """
        return await self.database.write(self._expire, label, name)

    async def remembered(self, label: str) -> list[NormalizedName]:
        """The projects with a page remembered, absences left out, in the order of the names; none where that cannot be read."""
        try:
            return await self.database.read(_remembered, label)
        except PypidaemonError as error:
            self.log.warn("Which pages were kept for {label} cannot be read: {error}", label=label, error=str(error))
            return []

    async def weight(self, labels: Sequence[str]) -> int:
        """
        As `IBounded`.

        :raises PypidaemonError: the database cannot be read.
        """
        return await self.database.read(weigh, labels)

    async def oldest(self, labels: Sequence[str], after: Place, limit: int) -> list[KeptPage]:
        """
        As `IBounded`.

        :raises PypidaemonError: the database cannot be read.
        """
        return await self.database.read(oldest, labels, after, limit)

    async def let_go(self, kept: KeptPage) -> int:
        """
        As `IBounded`.

        :raises PypidaemonError: the database cannot do it.
        """
        return await self.database.write(let_go, kept)

    async def recall_names(self, label: str) -> RememberedNames | None:
        """What was last kept of the project list."""
        try:
            return await self.database.read(_recall_names, label)
        except PypidaemonError as error:
            self.log.warn("The project list that was kept for {label} cannot be read: {error}", label=label, error=str(error))
            return None

    async def keep_names(self, label: str, remembered: RememberedNames) -> None:
        """Remember this list instead of the one before, if there is room for it."""
        try:
            await self.database.write(self._keep_names, label, remembered)
        except PypidaemonError as error:
            self.log.warn("The project list of {label} is not kept: {error}", label=label, error=str(error))

    def names_changed(self, label: str) -> int:
        """As `IPageCache.names_changed`."""
        return self.database.count((_COUNTED, label))

    def _keep_names(self, connection: sqlite3.Connection, label: str, remembered: RememberedNames) -> None:
        self.database.touch((_COUNTED, label))
        _keep_names(connection, label, remembered)

    def _expire(self, connection: sqlite3.Connection, label: str, name: NormalizedName | None) -> int:
        if name is None:
            self.database.touch((_COUNTED, label))
        return _expire(connection, label, name)
