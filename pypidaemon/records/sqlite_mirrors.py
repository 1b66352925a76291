"""What mirrors hold, still have to do and take away, in SQLite."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

import attrs
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IMirrorRecords
from pypidaemon.model import Digest, Leaving, Mirrored, NormalizedName, Progress, Validators, Waiting
from pypidaemon.records import sqlite_leaving
from pypidaemon.records.database import LARGEST, Database
from pypidaemon.records.mirror_rules import cut_down, plain
from pypidaemon.records.packing import pack_mirrored

_MANY_FILES = 100
"""Pages of more files than these are compressed on a reading thread."""


def _packed(mirrored: Mirrored) -> tuple[Mirrored, bytes]:
    kept = plain(mirrored)
    return kept, pack_mirrored(kept)


def _keep(connection: sqlite3.Connection, label: str, name: NormalizedName, mirrored: Mirrored) -> None:
    sqlite_leaving.keep(connection, label, name, *_packed(mirrored))


def _packed_leaving(leaving: Sequence[Leaving]) -> list[sqlite_leaving.Packed]:
    return [(one, pack_mirrored(one.mirrored)) for one in map(cut_down, leaving)]


def _serials(connection: sqlite3.Connection, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
    return connection.execute(
        "SELECT name, serial FROM mirrored WHERE label = ? AND name > ? ORDER BY name LIMIT ?", (label, after, _bounded(limit))
    ).fetchall()


def _count(connection: sqlite3.Connection, label: str) -> int:
    return int(connection.execute("SELECT count(*) FROM mirrored WHERE label = ?", (label,)).fetchone()[0])


def _pin(connection: sqlite3.Connection, label: str, name: NormalizedName, pinned: bool) -> None:
    change = (
        "INSERT OR IGNORE INTO mirror_pins (label, name) VALUES (?, ?)"
        if pinned
        else "DELETE FROM mirror_pins WHERE label = ? AND name = ?"
    )
    connection.execute(change, (label, name))


def _pinned(connection: sqlite3.Connection, label: str) -> frozenset[NormalizedName]:
    return frozenset(NormalizedName(name) for (name,) in connection.execute("SELECT name FROM mirror_pins WHERE label = ?", (label,)))


def _wait(connection: sqlite3.Connection, label: str, waiting: Sequence[Waiting]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO waiting (label, name, serial, tries, due, reason) VALUES (?, ?, ?, ?, ?, ?)",
        [(label, *attrs.astuple(one)) for one in waiting],
    )


def _done(connection: sqlite3.Connection, label: str, name: NormalizedName) -> None:
    connection.execute("DELETE FROM waiting WHERE label = ? AND name = ?", (label, name))


def _waiting(connection: sqlite3.Connection, label: str, limit: int) -> list[Waiting]:
    found = connection.execute("SELECT name, serial, tries, due, reason FROM waiting WHERE label = ? ORDER BY name LIMIT ?", (label, limit))
    return [Waiting(*row) for row in found]


def _failing(connection: sqlite3.Connection, label: str, now: float) -> int:
    counted = connection.execute("SELECT count(*) FROM waiting WHERE label = ? AND (tries > 0 OR due <= ?)", (label, now))
    return int(counted.fetchone()[0])


def _waiting_of(connection: sqlite3.Connection, label: str, name: NormalizedName) -> Waiting | None:
    row = connection.execute("SELECT name, serial, tries, due, reason FROM waiting WHERE label = ? AND name = ?", (label, name)).fetchone()
    return None if row is None else Waiting(*row)


def _queue(connection: sqlite3.Connection, label: str) -> tuple[int, float]:
    count, first = connection.execute("SELECT count(*), min(due) FROM waiting WHERE label = ?", (label,)).fetchone()
    return int(count), math.inf if first is None else float(first)


def _progress(connection: sqlite3.Connection, label: str) -> Progress:
    row = connection.execute(
        "SELECT serial, etag, last_modified, selection, started, tried, outcome, listed, source, since, begun FROM progress WHERE label = ?",
        (label,),
    ).fetchone()
    if row is None:
        return Progress()
    serial, etag, last_modified, *rest = row
    found = Progress(serial, Validators(etag, last_modified), *rest)
    # What makes no sense is as good as nothing: everything is compared then (F85).
    return found if _makes_sense(found) else Progress()


def _makes_sense(progress: Progress) -> bool:
    words = (progress.selection, progress.outcome, progress.source, progress.validators.etag or "", progress.validators.last_modified or "")
    counts, times = (progress.serial, progress.listed), (progress.started, progress.tried, progress.since, progress.begun)
    return (
        all(isinstance(word, str) for word in words)
        and all(isinstance(count, int) and count >= 0 for count in counts)
        and all(isinstance(time, int | float) for time in times)
    )


def _advance(connection: sqlite3.Connection, label: str, progress: Progress) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO progress (label, serial, etag, last_modified, selection, started, tried, outcome, listed, source, since, begun)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            label,
            progress.serial,
            progress.validators.etag,
            progress.validators.last_modified,
            progress.selection,
            progress.started,
            progress.tried,
            progress.outcome,
            progress.listed,
            progress.source,
            progress.since,
            progress.begun,
        ),
    )


def _references(connection: sqlite3.Connection, digest: Digest) -> int:
    counted = connection.execute("SELECT count(*) FROM mirrored_blobs WHERE digest = ?", (bytes.fromhex(digest),))
    return int(counted.fetchone()[0])


def _digests(connection: sqlite3.Connection, after: str, limit: int) -> list[Digest]:
    found = connection.execute(
        "SELECT DISTINCT digest FROM mirrored_blobs WHERE digest > ? ORDER BY digest LIMIT ?", (bytes.fromhex(after), _bounded(limit))
    )
    return [Digest(digest.hex()) for (digest,) in found]


def _bounded(limit: int) -> int:
    """A negative number would be none."""
    return min(max(limit, 0), LARGEST)


@implementer(IMirrorRecords)
@attrs.frozen(eq=False)
class SqliteMirrors:
    """
    `IMirrorRecords` in a database that survives a loss of power: what a mirror holds is not to be had again where upstream is gone.

    What is needed is written in one transaction with what needs it. Long pages are compressed on a reading thread, so that no other change waits
    meanwhile. A page that cannot be read any more is no error: it counts as not there, its blobs stay, and one line of the log says so.
    """

    database: Database

    log = Logger()

    async def page(self, label: str, name: NormalizedName) -> Mirrored | None:
        """What is offered of that project; one that cannot be read any more counts as none, and waits to be taken again."""
        try:
            return await self.database.read(sqlite_leaving.offered, label, name)
        except sqlite_leaving.SpoiltError:
            pass
        try:
            news = await self.database.write(sqlite_leaving.note_spoilt, label, name)
        except PypidaemonError as error:
            self.log.warn(
                "{label}: what is kept of {name} is damaged, which could not be noted: {error}", label=label, name=name, error=error
            )
            return None
        if news:
            self.log.warn("{label}: what is kept of {name} is damaged; it is not offered until it was taken again.", label=label, name=name)
        return None

    async def keep(self, label: str, name: NormalizedName, mirrored: Mirrored) -> None:
        """Offer this instead of what was offered before, and take the project off the list of those that wait."""
        if len(mirrored.page.files) > _MANY_FILES:
            await self.database.write(sqlite_leaving.keep, label, name, *await self.database.reading(_packed, mirrored))
        else:
            await self.database.write(_keep, label, name, mirrored)

    async def serials(self, label: str, after: str, limit: int) -> list[tuple[NormalizedName, int]]:
        """The projects after that name in order of names, at most `limit`, each with its serial."""
        return await self.database.read(_serials, label, after, limit)

    async def count(self, label: str) -> int:
        """How many projects are mirrored."""
        return await self.database.read(_count, label)

    async def leave(self, label: str, leaving: Sequence[Leaving]) -> None:
        """Offer these no longer, all in one transaction; what they were is kept."""
        if leaving:
            packed = await self.database.reading(_packed_leaving, leaving)
            await self.database.write(sqlite_leaving.leave, label, packed)

    async def leaving(self, label: str) -> list[Leaving]:
        """All that was taken away and still waits, in order."""
        return self._readable(label, await self.database.read(sqlite_leaving.rows, label, None))

    async def bring_back(self, label: str, name: NormalizedName) -> int:
        """Offer again what left of that project and still waits; answer how many files that were."""
        return await self.database.write(sqlite_leaving.bring_back, label, name)

    async def forget_leaving(self, label: str, before: float) -> list[Leaving]:
        """Forget those whose time is over by then, and answer them in order."""
        return self._readable(label, await self.database.write(sqlite_leaving.forget_over, label, before))

    async def pin(self, label: str, name: NormalizedName, pinned: bool) -> None:
        """Note that what upstream takes away of that project stays, or no longer."""
        await self.database.write(_pin, label, name, pinned)

    async def pinned(self, label: str) -> frozenset[NormalizedName]:
        """The pinned projects."""
        return await self.database.read(_pinned, label)

    async def wait(self, label: str, waiting: Sequence[Waiting]) -> None:
        """Put these on the list of what is to be done, instead of what it said of them."""
        if waiting:
            await self.database.write(_wait, label, waiting)

    async def done(self, label: str, name: NormalizedName) -> None:
        """Take that project off the list."""
        await self.database.write(_done, label, name)

    async def waiting(self, label: str) -> list[Waiting]:
        """The list, in order of names."""
        return await self.database.read(_waiting, label, LARGEST)

    async def first_waiting(self, label: str, limit: int) -> list[Waiting]:
        """The first of the list, at most `limit`."""
        return await self.database.read(_waiting, label, _bounded(limit))

    async def waiting_of(self, label: str, name: NormalizedName) -> Waiting | None:
        """What the list says of that project; None where it is not on it."""
        return await self.database.read(_waiting_of, label, name)

    async def queue(self, label: str) -> tuple[int, float]:
        """How many are on the list, and the first moment that one of them waits for."""
        return await self.database.read(_queue, label)

    async def failing(self, label: str, now: float) -> int:
        """How many on the list failed, or are due."""
        return await self.database.read(_failing, label, now)

    async def progress(self, label: str) -> Progress:
        """How far it has come."""
        return await self.database.read(_progress, label)

    async def advance(self, label: str, progress: Progress) -> None:
        """Remember this instead."""
        await self.database.write(_advance, label, progress)

    async def references(self, digest: Digest) -> int:
        """How many mirrored files, sidecars and documents of any label have these bytes, those that are leaving included."""
        return await self.database.read(_references, digest)

    async def digests(self, after: str, limit: int) -> list[Digest]:
        """All of those digests after that one in their order, at most `limit`."""
        return await self.database.read(_digests, after, limit)

    def _readable(self, label: str, rows: Sequence[sqlite_leaving.Left]) -> list[Leaving]:
        """What is leaving; that some of it cannot be read is said in one line."""
        damaged = sum(not row.readable for row in rows)
        if damaged:
            self.log.warn("{label}: of what is leaving {damaged} are damaged and cannot be brought back.", label=label, damaged=damaged)
        return [row.leaving for row in rows]
