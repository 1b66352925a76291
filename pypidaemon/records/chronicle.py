"""
A chronicle: every change of a database, one line each, in a file that a person can read and that no damage to the database touches.

The first line says what is to come. Then stand all rows as they were when the file was begun, and after them one line for each transaction. Every line
carries a check of its own, so that of a damaged file all else can still be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import orjson

from pypidaemon.errors import PypidaemonError, StorageFailed, StorageFull
from pypidaemon.records import place

FORMAT = 1
CHECK = 16
"""Hexadecimal digits of the check that each line begins with."""
ROWS = 500
"""Rows that stand in one line where a file is begun."""
STEP = 1 << 16
"""Bytes by which the end of a file is looked for."""

PUT, TAKE = "+", "-"
Row = tuple[Any, ...]
"""PUT or TAKE, a table, and the values: of all columns, or of those of the key."""


@attrs.frozen
class Shape:
    """A table's columns, and those of them that tell a row from all others."""

    columns: tuple[str, ...]
    key: tuple[str, ...]


@attrs.frozen
class Head:
    """
    What the first line says.

    :param origin: a random name that the database and all its chronicles have.
    :param schema: how many steps of the schema the database had.
    :param base: the number of the line up to which the rows at the beginning go.
    """

    origin: str
    schema: int
    base: int
    tables: Mapping[str, Shape]

    def written(self) -> bytes:
        """As it stands in the file."""
        tables = {name: [shape.columns, shape.key] for name, shape in self.tables.items()}
        return _line({"chronicle": FORMAT, "origin": self.origin, "schema": self.schema, "base": self.base, "tables": tables})

    @classmethod
    def read(cls, line: bytes) -> Head | None:
        """From the file; None where it is no first line of a known form."""
        match _said(line):
            case {"chronicle": 1, "origin": str(origin), "schema": int(schema), "base": int(base), "tables": dict(tables)}:
                return cls(origin, schema, base, {name: Shape(tuple(columns), tuple(key)) for name, (columns, key) in tables.items()})
        return None


@attrs.frozen
class Entry:
    """A line: the number that the database has once these rows are in it."""

    number: int
    rows: tuple[Row, ...]


@attrs.define(eq=False)
class Chronicle:
    """
    One such file. All of it blocks, and one thread at a time writes.

    :param title: whose it is, for messages.
    """

    path: Path
    title: str
    _descriptor: int | None = attrs.field(default=None, init=False)
    _before: int = attrs.field(default=0, init=False)
    """How long the file was before the last line."""
    unsettled: bool = attrs.field(default=False, init=False)
    """Whether something was written and is not on the disk yet."""

    def head(self) -> Head | None:
        """What its first line says; None where there is no file, or it does not begin like one."""
        try:
            with self._reading() as file:
                return Head.read(file.readline())
        except FileNotFoundError:
            return None

    def there(self) -> bool:
        """Whether there is anything, readable or not."""
        try:
            return os.lstat(self.path).st_size > 0
        except FileNotFoundError:
            return False

    def last(self) -> int:
        """The number of the last line that is whole; 0 where there is none."""
        found = self._end()[1]
        return found.number if found is not None else 0

    def lines(self) -> Iterator[Entry | None]:
        """All lines after the first, in order; None for one that is damaged. What was torn off at the very end is none."""
        end, _ = self._end()
        with self._reading() as file:
            position = len(file.readline())
            while position < end:
                line = file.readline()
                position += len(line)
                yield _entry(line)

    def damaged(self) -> int:
        """How many lines cannot be read, or are not there."""
        head = self.head()
        if head is None:
            return 0
        found, number = 0, head.base
        for entry in self.lines():
            if entry is not None and entry.number in (number, number + 1):
                number = entry.number
            elif entry is not None:
                found += max(1, entry.number - number - 1)
                number = entry.number
            else:
                found += 1
                number += 1
        return found

    def in_place(self) -> bool:
        """Whether what is open is what has its name: another process may have begun it anew, and somebody may have taken it away."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self._open_now()))
        except FileNotFoundError:
            return False

    def begin(self, head: Head, rows: Iterable[Row], *, damaged: bool = False) -> None:
        """
        Begin it anew with these rows, in place of what was there, once all of it is on the disk.

        :param damaged: whether what was there is kept under a name of its own.
        :raises OSError: it cannot be written; what was there stays.
        """
        self.close()
        beside = self.path.with_name(self.path.name + ".new")
        with suppress(FileNotFoundError):
            beside.unlink()
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(head.written())
                _write(file, head.base, rows)
                file.flush()
                os.fsync(descriptor)
            if damaged:
                self.keep_damaged()
            os.rename(beside, self.path)
        finally:
            with suppress(FileNotFoundError):
                beside.unlink()
        place.sync_folder(self.path.parent)

    def open(self) -> None:
        """
        Open it to be written to, without what a crash has left at its end.

        :raises OSError: it cannot be opened, or is a symbolic link.
        """
        self.close()
        end, _ = self._end()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.fstat(self._descriptor).st_size > end:
            os.ftruncate(self._descriptor, end)

    def put(self, number: int, rows: list[Row]) -> None:
        """
        Write a line, which is not on the disk yet; where it cannot be written, nothing is.

        :raises OSError: it cannot be written.
        """
        descriptor = self._open_now()
        self._before = os.fstat(descriptor).st_size
        line = memoryview(_line({"line": number, "rows": rows}))
        try:
            while line:
                line = line[os.write(descriptor, line) :]
        except OSError:
            self.take_back()
            raise
        self.unsettled = True

    def take_back(self) -> None:
        """Take away the line that was written last. Where even that fails, a change that failed is made by the next start after all."""
        with suppress(OSError):
            os.ftruncate(self._open_now(), self._before)

    def sync(self) -> None:
        """
        Have what was written so far on the disk.

        :raises OSError: the disk failed to keep it.
        """
        if self.unsettled:
            # Before, since more may be written meanwhile.
            self.unsettled = False
            os.fdatasync(self._open_now())

    def keep_damaged(self) -> None:
        """Move what cannot be gone by to a name of its own, in place of what was put there before; what is not there is no fault."""
        self.close()
        with suppress(FileNotFoundError):
            os.rename(self.path, self.path.with_name(f"{self.path.stem}-damaged{self.path.suffix}"))

    def size(self) -> int:
        """How long it is, in bytes."""
        return os.stat(self.path).st_size

    def close(self) -> None:
        """Close it; twice is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open_now(self) -> int:
        if self._descriptor is None:
            raise RuntimeError(f"{self.title}: the chronicle is not open")
        return self._descriptor

    def _reading(self) -> BinaryIO:
        return os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb")

    def _end(self) -> tuple[int, Entry | None]:
        """Where the last whole line ends, and what it says; the first line is whole but says nothing of this kind."""
        with self._reading() as file:
            size = file.seek(0, os.SEEK_END)
            wanted = STEP
            while True:
                begun = max(0, size - wanted)
                file.seek(begun)
                # Where it is not the beginning of the file, the first piece may be the rest of a line.
                found = _last_of(file.read(size - begun), begun, whole=begun == 0)
                if found is not None:
                    return found
                if begun == 0:
                    return 0, None
                wanted *= 4


def trouble(error: OSError, title: str) -> PypidaemonError:
    """Our error for what the system said of a chronicle: one line, no path."""
    if error.errno in place.NO_ROOM:
        return StorageFull(f"{title}: there is no room left")
    if error.errno in place.TAKES_NOTHING:
        return StorageFailed(f"{title}: its chronicle cannot be written: {os.strerror(error.errno or 0)}")
    return PypidaemonError(f"{title}: its chronicle cannot be used: {os.strerror(error.errno or 0)}")


def _last_of(data: bytes, begun: int, *, whole: bool) -> tuple[int, Entry | None] | None:
    end = data.rfind(b"\n") + 1
    while end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        if begin == 0 and not whole:
            return None
        line = data[begin:end]
        entry = _entry(line)
        if entry is not None or (begin + begun == 0 and Head.read(line) is not None):
            return begun + end, entry
        end = begin
    return None


def _line(said: Mapping[str, Any]) -> bytes:
    payload = orjson.dumps(said)
    return _check(payload) + b" " + payload + b"\n"


def _check(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=CHECK // 2).hexdigest().encode()


def _said(line: bytes) -> Any:
    """What a line says; None where it is damaged."""
    check, payload = line[:CHECK], line[CHECK + 1 : -1]
    if not line.endswith(b"\n") or check != _check(payload):
        return None
    try:
        return orjson.loads(payload)
    except ValueError:
        return None


def _entry(line: bytes) -> Entry | None:
    match _said(line):
        case {"line": int(number), "rows": list(rows)}:
            return Entry(number, tuple(tuple(row) for row in rows))
    return None


def _write(file: BinaryIO, number: int, rows: Iterable[Row]) -> None:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS:
            file.write(_line({"line": number, "rows": batch}))
            batch = []
    # Also where there is none: the last line is what says how far it goes.
    file.write(_line({"line": number, "rows": batch}))
