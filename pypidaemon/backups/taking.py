"""
Taking a backup, while a daemon works or not: first the records, by SQLite's own way to copy a database that is written to, and then every blob that the
copies name. Blobs never change, so what comes after the copy of the records disturbs nothing (F93).
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import maybeDeferred

from pypidaemon.backups.contents import CONFIGURATION, HEAD, MANIFEST, Entry, Head, manifest
from pypidaemon.backups.tape import PIECE, Writer
from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.interfaces import IBlobStore, IContent, IRecords, ISaved
from pypidaemon.model import Digest, InThread
from pypidaemon.settling import put, settle
from pypidaemon.verification.holdings import Holdings, Role

_Blob = tuple[int, Digest]
"""A store by its number, and what is in it."""


@attrs.define
class Taken:
    """
    What came of it.

    :param lost: what has to be here and is not, or is damaged, in words; it is not in the backup.
    """

    head: Head
    files: int = 0
    bytes: int = 0
    lost: list[str] = attrs.field(factory=list)


@attrs.define
class Taking:
    """
    One backup.

    :param configuration: the text of the configuration, kept for whoever has to write it anew.
    :param everything: whether what can be fetched again is in it too.
    :param show: told of how far it has come.
    """

    records: IRecords
    holdings: Holdings
    disk: InThread
    head: Head
    time: int
    configuration: str
    everything: bool = False
    show: Callable[[Taken], None] = lambda _: None

    async def write(self, target: Path) -> Taken:
        """
        Write it to that file, which is there once it is whole and on the disk; it is for our own user alone.

        :raises PypidaemonError: the records cannot be copied, or the file cannot be written.
        """
        taken = Taken(self.head)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        partial, copies = beside.with_suffix(".partial"), beside.with_suffix(".records")
        try:
            await self.disk(_sweep, target)
            descriptor = await self.disk(_begun, partial)
            with os.fdopen(descriptor, "wb") as file:
                await self.disk(copies.mkdir, 0o700)
                await self._write_all(Writer(file, self.time), copies, taken)
                await self.disk(settle, file)
            await self.disk(put, partial, target)
        except OSError as error:
            raise PypidaemonError(f"the backup cannot be written to {target}: {os.strerror(error.errno or 0)}") from error
        finally:
            await self.disk(shutil.rmtree, copies, True)
            await self.disk(partial.unlink, True)
        return taken

    async def _write_all(self, writer: Writer, copies: Path, taken: Taken) -> None:
        entries: dict[str, Entry] = {}
        await self._add(writer, entries, HEAD, self.head.written())
        await self._add(writer, entries, CONFIGURATION, self.configuration.encode())
        saved, wanted, needed = await self._copied(copies)
        for word, path in sorted(saved.items()):
            entries[f"records/{word}.sqlite"] = await self.disk(_add_file, writer, f"records/{word}.sqlite", path)
        for (number, digest), title in wanted.items():
            label = self.head.stores[number]
            try:
                entry = await self._add_blob(writer, f"blobs/{number}/{digest}", self.holdings.stores[label], digest)
            except NoSuchBlob:
                if (number, digest) in needed:
                    taken.lost.append(f"{title} sha256:{digest}")
                continue
            if entry is None:
                taken.lost.append(f"{title} sha256:{digest}")
                continue
            entries[f"blobs/{number}/{digest}"] = entry
            taken.files += 1
            taken.bytes += entry.size
            self.show(taken)
        await self.disk(writer.add, MANIFEST, manifest(entries))
        await self.disk(writer.end)

    async def _add(self, writer: Writer, entries: dict[str, Entry], name: str, data: bytes) -> None:
        await self.disk(writer.add, name, data)
        entries[name] = Entry(len(data), hashlib.sha256(data).hexdigest())

    async def _copied(self, copies: Path) -> tuple[Mapping[str, Path], dict[_Blob, str], set[_Blob]]:
        """Copy the records; answer the copies, and every blob that they name and that belongs into the backup, with who names it, and those that must be here."""
        records = self.records
        if not ISaved.providedBy(records) or any(home.records is not records for home in self.holdings.homes):
            raise PypidaemonError("a backup can only be taken of one place of records, and one of files")
        saved = await self.disk(records.save, copies, self.everything)
        wanted: dict[_Blob, str] = {}
        needed: set[_Blob] = set()
        copy: Any = records.saved(copies)
        copy.startService()
        try:
            for home in self.holdings.homes:
                number = self._number(home.blobs)
                async for named in attrs.evolve(home, records=copy).named():
                    if self.everything or named.role is not Role.CACHED:
                        wanted.setdefault((number, named.digest), f"{named.title} of {named.name} in {named.label}")
                    if named.role not in (Role.CACHED, Role.WITHDRAWN):
                        needed.add((number, named.digest))
        finally:
            # Closed in order, all of it is in the files themselves.
            await maybeDeferred(copy.stopService)
        return saved, wanted, needed

    def _number(self, blobs: IBlobStore) -> int:
        return next(number for number, label in enumerate(self.head.stores) if self.holdings.stores[label] is blobs)

    async def _add_blob(self, writer: Writer, name: str, store: IBlobStore, digest: Digest) -> Entry | None:
        """
        Add a blob, and answer its entry; None where it is damaged, and so was not added.

        :raises NoSuchBlob: it is not here.
        """
        try:
            content = await store.open(digest)
        except OSError:
            return None
        try:
            size, made, offset = content.size or 0, hashlib.sha256(), 0
            await self.disk(writer.begin, name, size)
            while offset < size and (piece := await _read(content, offset)):
                made.update(piece)
                offset += len(piece)
                await self.disk(writer.write, piece)
            if made.hexdigest() != digest:
                await self.disk(writer.undo)
                return None
            return Entry(size, digest) if await self.disk(writer.finish) else None
        finally:
            content.close()


async def _read(content: IContent, offset: int) -> bytes:
    """As `IContent.read`; what cannot be read is not there."""
    try:
        return await content.read(offset, PIECE)
    except OSError:
        return b""


def _add_file(writer: Writer, name: str, path: Path) -> Entry:
    with path.open("rb") as source:
        size, made = os.fstat(source.fileno()).st_size, hashlib.sha256()
        writer.begin(name, size)
        while piece := source.read(PIECE):
            made.update(piece)
            writer.write(piece)
        writer.finish()
    return Entry(size, made.hexdigest())


def _begun(partial: Path) -> int:
    """A descriptor of that new file, locked for as long as this process has it open."""
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _sweep(target: Path) -> None:
    """Remove what earlier ones to the same file have left that were killed: each may be as large as a backup."""
    for partial in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        with suppress(OSError):
            descriptor = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(partial.with_suffix(".records"), True)
                partial.unlink()
            finally:
                os.close(descriptor)
