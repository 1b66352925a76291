"""What a mirror offers and what is leaving it, in SQLite: the statements, each for the writing thread or a reading one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import attrs

from pypidaemon.model import Digest, Filename, Leaving, Mirrored, NormalizedName, UpstreamPage
from pypidaemon.records.mirror_rules import Need, brought_back, joined, needs, remains, without
from pypidaemon.records.packing import pack_mirrored, unpack_mirrored

UNREADABLE = "what was kept of it cannot be read any more"
"""Why a project waits whose page is damaged."""

Packed = tuple[Leaving, bytes]
"""Something that leaves, with the body of its row."""


class SpoiltError(Exception):
    """What is offered of a project cannot be read any more."""


@attrs.frozen
class Left:
    """A row of what is leaving. `readable` is whether its page could be read; where not, it has an empty one."""

    leaving: Leaving
    readable: bool


def offered(connection: sqlite3.Connection, label: str, name: NormalizedName) -> Mirrored | None:
    """
    What is offered of that project.

    :raises SpoiltError: it cannot be read any more.
    """
    row = connection.execute(
        "SELECT body, serial, complete, taken FROM mirrored LEFT JOIN mirrored_pages USING (label, name) WHERE label = ? AND name = ?",
        (label, name),
    ).fetchone()
    if row is None:
        return None
    try:
        return unpack_mirrored(row[0] or b"", *row[1:])
    except ValueError as error:
        raise SpoiltError from error


def offer(connection: sqlite3.Connection, label: str, name: NormalizedName, mirrored: Mirrored, body: bytes) -> None:
    """Offer this, which therefore leaves no longer."""
    _offer(connection, label, name, mirrored, body)
    for left in rows(connection, label, name):
        rest = remains(left.leaving, mirrored) if left.readable else left.leaving
        if rest is None:
            forget(connection, label, left.leaving)
        elif rest is not left.leaving:
            _put(connection, label, rest, pack_mirrored(rest.mirrored))


def keep(connection: sqlite3.Connection, label: str, name: NormalizedName, mirrored: Mirrored, body: bytes) -> None:
    """Offer this, and let the project wait no longer."""
    offer(connection, label, name, mirrored, body)
    connection.execute("DELETE FROM waiting WHERE label = ? AND name = ?", (label, name))


def leave(connection: sqlite3.Connection, label: str, leaving: Sequence[Packed]) -> None:
    """Offer these no longer and keep what they were. Each was cut down to what leaves."""
    files: dict[NormalizedName, set[Filename]] = {}
    for one, body in leaving:
        if one.filename is None:
            earlier = next((left.leaving for left in rows(connection, label, one.name) if left.leaving.filename is None), None)
            both = joined(earlier, one)
            _put(connection, label, both, body if both is one else pack_mirrored(both.mirrored))
            connection.execute("DELETE FROM mirrored WHERE label = ? AND name = ?", (label, one.name))
            _need(connection, (label, one.name, "offered", None), ())
        else:
            _put(connection, label, one, body)
            files.setdefault(one.name, set()).add(one.filename)
    for name, gone in files.items():
        known = _offered_or_noted(connection, label, name)
        if known is not None:
            rest = without(known, gone)
            _offer(connection, label, name, rest, pack_mirrored(rest))


def bring_back(connection: sqlite3.Connection, label: str, name: NormalizedName) -> int:
    """Offer again what can be read of what is leaving of that project; answer how many files that were."""
    left = [left.leaving for left in rows(connection, label, name) if left.readable]
    if not left:
        return 0
    mirrored, count = brought_back(_offered_or_noted(connection, label, name), left)
    if mirrored is not None:
        offer(connection, label, name, mirrored, pack_mirrored(mirrored))
    return count


def rows(connection: sqlite3.Connection, label: str, name: NormalizedName | None, before: float | None = None) -> list[Left]:
    """What is leaving, of that project or of all, all of it or what is over by that time, in order."""
    found = connection.execute(
        "SELECT name, filename, since, until, body, serial, complete, taken FROM leaving"
        " WHERE label = ? AND name >= ? AND name <= coalesce(?, name) AND until <= coalesce(?, until) ORDER BY name, filename",
        (label, name or "", name, before),
    )
    return [_left(*row) for row in found]


def forget(connection: sqlite3.Connection, label: str, leaving: Leaving) -> None:
    """Let that row go, and what only it needed."""
    connection.execute("DELETE FROM leaving WHERE label = ? AND name = ? AND filename = ?", (label, leaving.name, leaving.filename or ""))
    _need(connection, _part(label, leaving), ())


def forget_over(connection: sqlite3.Connection, label: str, before: float) -> list[Left]:
    """Let those go that are over by then, and answer them in order."""
    over = rows(connection, label, None, before)
    for left in over:
        forget(connection, label, left.leaving)
    return over


def note_spoilt(connection: sqlite3.Connection, label: str, name: NormalizedName) -> bool:
    """Let a project wait whose page still cannot be read; answer whether that is news."""
    try:
        offered(connection, label, name)
    except SpoiltError:
        noted = connection.execute(
            "INSERT INTO waiting (label, name, serial, tries, due, reason) SELECT label, name, serial, 0, 0, ?3 FROM mirrored"
            " WHERE label = ?1 AND name = ?2 ON CONFLICT (label, name) DO UPDATE SET reason = excluded.reason WHERE reason != excluded.reason",
            (label, name, UNREADABLE),
        )
        return noted.rowcount > 0
    return False


def _offer(connection: sqlite3.Connection, label: str, name: NormalizedName, mirrored: Mirrored, body: bytes) -> None:
    connection.execute(
        "INSERT INTO mirrored (label, name, serial, complete, taken) VALUES (?, ?, ?, ?, ?) ON CONFLICT (label, name)"
        " DO UPDATE SET serial = excluded.serial, complete = excluded.complete, taken = excluded.taken",
        (label, name, mirrored.serial, mirrored.complete, mirrored.taken),
    )
    connection.execute("INSERT OR REPLACE INTO mirrored_pages (label, name, body) VALUES (?, ?, ?)", (label, name, body))
    _need(connection, (label, name, "offered", None), needs(mirrored))


def _offered_or_noted(connection: sqlite3.Connection, label: str, name: NormalizedName) -> Mirrored | None:
    """What is offered of that project; what cannot be read any more is noted, and counts as nothing."""
    try:
        return offered(connection, label, name)
    except SpoiltError:
        note_spoilt(connection, label, name)
        return None


def _left(name: str, filename: str, since: float, until: float, body: bytes, *rest: float) -> Left:
    try:
        mirrored, readable = unpack_mirrored(body, int(rest[0]), int(rest[1]), rest[2]), True
    except ValueError:
        mirrored, readable = Mirrored(UpstreamPage(NormalizedName(name)), int(rest[0]), bool(rest[1]), rest[2]), False
    return Left(Leaving(NormalizedName(name), Filename(filename) if filename else None, since, until, mirrored), readable)


def _put(connection: sqlite3.Connection, label: str, leaving: Leaving, body: bytes) -> None:
    was = leaving.mirrored
    connection.execute(
        "INSERT OR REPLACE INTO leaving (label, name, filename, since, until, serial, complete, taken, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (label, leaving.name, leaving.filename or "", leaving.since, leaving.until, was.serial, was.complete, was.taken, body),
    )
    _need(connection, _part(label, leaving), needs(was))


def _part(label: str, leaving: Leaving) -> tuple[str, NormalizedName, str, Filename | None]:
    """What needs the blobs of that row."""
    return label, leaving.name, "project" if leaving.filename is None else "file", leaving.filename


def _need(connection: sqlite3.Connection, whose: tuple[str, NormalizedName, str, Filename | None], wanted: Iterable[Need]) -> None:
    """Let that part need these blobs and no others; only what differs is written, since a project may have ten thousands."""
    label, name, part, filename = whose
    known: dict[Need, int] = {
        (kind, Filename(of), Digest(digest.hex())): number
        for number, kind, of, digest in connection.execute(
            "SELECT rowid, kind, filename, digest FROM mirrored_blobs"
            " WHERE label = ?1 AND name = ?2 AND part = ?3 AND filename = coalesce(?4, filename)",
            (label, name, part, filename),
        )
    }
    needed = set(wanted)
    connection.executemany("DELETE FROM mirrored_blobs WHERE rowid = ?", [(known[need],) for need in known.keys() - needed])
    connection.executemany(
        "INSERT INTO mirrored_blobs (digest, label, name, part, kind, filename) VALUES (?, ?, ?, ?, ?, ?)",
        [(bytes.fromhex(digest), label, name, part, kind, of) for kind, of, digest in sorted(needed - known.keys())],
    )
