"""
Every change of the files of a local index, as functions of a connection whose transaction is a writing one.

Each takes the next serial of its label in that same transaction, or changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from pypidaemon.errors import Conflict, NoSuchFile, NoSuchProject
from pypidaemon.model import Deed, Digest, Entered, File, Filename, FileRecord, NormalizedName, Settled, Standing
from pypidaemon.records import deeds, entries
from pypidaemon.records.rules import Holder, common, is_new, may_found, replaces, takes_over


@attrs.frozen
class Occasion:
    """What is done to which project, and when: all of a history row that the caller knows. `time` is in seconds since the epoch."""

    label: str
    name: NormalizedName
    time: float
    action: str

    @property
    def project(self) -> tuple[str, NormalizedName]:
        """The key of the project's row."""
        return self.label, self.name


def serial_of(connection: sqlite3.Connection, label: str, name: NormalizedName) -> int:
    """
    The serial that the project has.

    :raises NoSuchProject: there is none.
    """
    row: tuple[int] | None = connection.execute("SELECT serial FROM projects WHERE label = ? AND name = ?", (label, name)).fetchone()
    if row is None:
        raise NoSuchProject(name)
    return row[0]


def add(connection: sqlite3.Connection, occasion: Occasion, record: FileRecord, founder: str | None) -> int:
    """
    Add a file whose name is new to the index and answer the serial; with a `founder`, to a project that is new or the founder's.

    :raises Conflict: as `may_found` and `is_new` in `pypidaemon.records.rules` say.
    """
    return enter(connection, occasion, record, founder, None).serial


def enter(
    connection: sqlite3.Connection,
    occasion: Occasion,
    record: FileRecord,
    founder: str | None,
    deed: Deed | None,
    instead: str | None = None,
) -> Entered:
    """
    As `add`, and tell what was before; where anything is changed, that deed is noted with it.

    :param instead: the action where it stands in place of one with other bytes; None where it may not.
    :raises Conflict: as `add`.
    """
    row = connection.execute("SELECT owner, serial FROM projects WHERE label = ? AND name = ?", occasion.project).fetchone()
    owner, before = row or (None, None)
    may_found(occasion.name, founder, row is not None, owner)
    # Left to itself SQLite looks at all files of the index: it takes a label to have ten.
    rows = connection.execute(
        "SELECT name, digest, standing FROM files INDEXED BY files_by_filename WHERE label = ? AND filename = ?",
        (occasion.label, record.file.filename),
    ).fetchall()
    holders = [Holder(name, digest and Digest(digest), Standing(word)) for name, digest, word in rows]
    if instead is not None and replaces(occasion.name, record.file, holders):
        occasion = attrs.evolve(occasion, action=instead)
    elif not is_new(occasion.name, record.file, holders):
        return Entered(before or 0, before, is_new=False)
    serial = put(connection, occasion, record)
    if row is None:
        connection.execute("UPDATE projects SET owner = ? WHERE label = ? AND name = ?", (founder, *occasion.project))
    if deed is not None:
        deeds.note(connection, deed)
    return Entered(serial, before, noted=deed is not None)


def put(connection: sqlite3.Connection, occasion: Occasion, record: FileRecord) -> int:
    """Add a file, or replace the record of that file name, and answer the serial."""
    serial = _changed(connection, occasion, record.version)
    _write(connection, occasion, record)
    return serial


def settle(connection: sqlite3.Connection, occasion: Occasion, records: Sequence[FileRecord]) -> Settled:
    """Take these records over, each that does not conflict with one that is here, by one serial; the project exists from then on."""
    taken: list[FileRecord] = []
    conflicts: list[Filename] = []
    for record in records:
        rows = connection.execute(
            "SELECT name, entry, version, uploader, standing, uploaded FROM files INDEXED BY files_by_filename"
            " WHERE label = ? AND filename = ?",
            (occasion.label, record.file.filename),
        ).fetchall()
        holders = [
            (NormalizedName(name), FileRecord(entries.read(entry), version, uploader, Standing(word), time))
            for name, entry, version, uploader, word, time in rows
        ]
        try:
            taken += [record] if takes_over(occasion.name, record, holders) else []
        except Conflict:
            conflicts.append(record.file.filename)
    row = connection.execute("SELECT serial FROM projects WHERE label = ? AND name = ?", occasion.project).fetchone()
    if row is not None and not taken:
        return Settled(int(row[0]), (), tuple(conflicts))
    serial = _changed(connection, occasion, common(record.version for record in taken))
    for record in taken:
        _write(connection, occasion, record)
    return Settled(serial, tuple(record.file.filename for record in taken), tuple(conflicts))


def amend(connection: sqlite3.Connection, occasion: Occasion, filename: Filename, file: File) -> int:
    """
    Change what the page says of a file and answer the serial.

    :raises NoSuchFile: there is no such record.
    """
    version, _ = _found(connection, occasion, filename)
    serial = _changed(connection, occasion, version)
    connection.execute(
        "UPDATE files SET entry = ?, digest = ?, core_metadata = ? WHERE label = ? AND name = ? AND filename = ?",
        (*_entry(attrs.evolve(file, filename=filename)), *occasion.project, filename),
    )
    return serial


def place(connection: sqlite3.Connection, occasion: Occasion, filenames: tuple[Filename, ...], standing: Standing) -> int:
    """
    Give these files that standing and answer the serial.

    :raises NoSuchFile: there is no record of one of them.
    """
    found = [(filename, *_found(connection, occasion, filename)) for filename in filenames]
    concerned = {filename: version for filename, version, before in found if before is not standing}
    if not concerned:
        row = connection.execute("SELECT serial FROM projects WHERE label = ? AND name = ?", occasion.project).fetchone()
        return int(row[0]) if row else 0
    serial = _changed(connection, occasion, common(concerned.values()))
    connection.executemany(
        "UPDATE files SET standing = ? WHERE label = ? AND name = ? AND filename = ?",
        [(standing.value, *occasion.project, filename) for filename in concerned],
    )
    return serial


def forget(connection: sqlite3.Connection, occasion: Occasion, filename: Filename | None) -> int:
    """
    Take a file, or with None the project and all its files, out of the records, and answer the serial.

    :raises NoSuchFile: there is no such record.
    :raises NoSuchProject: there is no such project.
    """
    serial_of(connection, *occasion.project)
    if filename is None:
        serial = _happened(connection, occasion, None)
        connection.execute("DELETE FROM projects WHERE label = ? AND name = ?", occasion.project)
        return serial
    version, _ = _found(connection, occasion, filename)
    serial = _changed(connection, occasion, version)
    connection.execute("DELETE FROM files WHERE label = ? AND name = ? AND filename = ?", (*occasion.project, filename))
    return serial


def give(connection: sqlite3.Connection, label: str, name: NormalizedName, account: str | None) -> None:
    """
    Make that account, or with None nobody, the owner; no page changes by this, so it takes no serial.

    :raises NoSuchProject: there is no such project.
    """
    if not connection.execute("UPDATE projects SET owner = ? WHERE label = ? AND name = ?", (account, label, name)).rowcount:
        raise NoSuchProject(name)


def _write(connection: sqlite3.Connection, occasion: Occasion, record: FileRecord) -> None:
    file = record.file
    connection.execute(
        "INSERT OR REPLACE INTO files (label, name, filename, version, uploader, entry, digest, core_metadata, standing, uploaded)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*occasion.project, file.filename, record.version, record.uploader, *_entry(file), record.standing.value, record.uploaded),
    )


def _entry(file: File) -> tuple[str, str | None, str | None]:
    """The columns `entry`, `digest` and `core_metadata`."""
    return entries.write(file), file.digest, file.core_metadata


def _found(connection: sqlite3.Connection, occasion: Occasion, filename: Filename) -> tuple[str, Standing]:
    """The version and the standing of a file."""
    row: tuple[str, str] | None = connection.execute(
        "SELECT version, standing FROM files WHERE label = ? AND name = ? AND filename = ?", (*occasion.project, filename)
    ).fetchone()
    if row is None:
        raise NoSuchFile(filename)
    return row[0], Standing(row[1])


def _happened(connection: sqlite3.Connection, occasion: Occasion, version: str | None) -> int:
    """Take the label's next serial for this change, in the transaction that the change is in."""
    serial: int = connection.execute("SELECT coalesce(max(serial), 0) + 1 FROM history WHERE label = ?", (occasion.label,)).fetchone()[0]
    connection.execute(
        "INSERT INTO history (label, serial, name, version, time, action) VALUES (?, ?, ?, ?, ?, ?)",
        (occasion.label, serial, occasion.name, version, occasion.time, occasion.action),
    )
    return serial


def _changed(connection: sqlite3.Connection, occasion: Occasion, version: str | None) -> int:
    """Take the next serial and give it to the project, which exists from now on."""
    serial = _happened(connection, occasion, version)
    connection.execute(
        "INSERT INTO projects (label, name, serial) VALUES (?, ?, ?) ON CONFLICT (label, name) DO UPDATE SET serial = excluded.serial",
        (*occasion.project, serial),
    )
    return serial
