"""
Bringing a backup back, into an empty data folder alone (F94).

What comes from the file is believed in nothing: names are of a few kinds, every blob is held against its own name, and every other file against the
manifest, which stands last. Until all of it is right, none of the records are in their place, so that there is nothing a daemon could begin with.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import attrs

from pypidaemon.backups.contents import BLOB, CONFIGURATION, HEAD, LARGEST, MANIFEST, RECORDS, SMALL, Entry, Head, read_manifest
from pypidaemon.backups.tape import Member, Unreadable, members
from pypidaemon.errors import CorruptContent, PypidaemonError
from pypidaemon.interfaces import IBlobStore
from pypidaemon.model import Digest, InThread
from pypidaemon.settling import put, settle

PART = ".restored"
"""What a database's name ends in until everything is here."""


@attrs.define
class Restored:
    """What came of it."""

    head: Head
    configuration: bytes = b""
    files: int = 0
    bytes: int = 0


@attrs.define
class Restoring:
    """
    One backup, brought back.

    :param stores: the stores of blobs, by their labels; running.
    :param places: where each database belongs, by its word.
    :param show: told of how far it has come.
    """

    stores: Mapping[str, IBlobStore]
    places: Mapping[str, Path]
    disk: InThread
    show: Callable[[Restored], None] = lambda _: None
    _seen: dict[str, Entry] = attrs.field(init=False, factory=dict)
    _kept: list[tuple[IBlobStore, Digest]] = attrs.field(init=False, factory=list)

    async def read(self, file: BinaryIO) -> Restored:
        """
        Read it all, and put the records in their places.

        :raises Unreadable: it is no backup, or not a whole one, or damaged; no records are in their places, and nothing is in the stores.
        :raises PypidaemonError: there is something here already, or it cannot be written.
        """
        for label, store in self.stores.items():
            async for _ in store.digests():
                raise PypidaemonError(f"the store {label} is not empty; a backup is only brought back where nothing is")
        for path in self.places.values():
            if await self.disk(os.path.lexists, path):
                raise PypidaemonError(f"{path} is there already; a backup is only brought back where nothing is")
        done = False
        try:
            restored = await self._read_all(file)
            done = True
            return restored
        except OSError as error:
            raise PypidaemonError(f"the backup cannot be brought back: {os.strerror(error.errno or 0)}") from error
        finally:
            for store, digest in () if done else self._kept:
                # A store may lie anywhere, and the next try insists on an empty one.
                await store.remove(digest)
            for path in self.places.values():
                await self.disk(_beside(path).unlink, True)

    async def _read_all(self, file: BinaryIO) -> Restored:
        found = members(file)
        head = next(found, None)
        if head is None or head.name != HEAD:
            raise Unreadable("the backup cannot be read: it is none of pypidaemon")
        written = head.whole(SMALL)
        self._seen[HEAD] = _entry(written)
        restored = Restored(Head.read(written))
        for label in restored.head.stores:
            if label not in self.stores:
                raise PypidaemonError(f"the backup has files of a store {label}, and the configuration no section [blobs:{label}]")
        listed: Mapping[str, Entry] | None = None
        while (member := await self.disk(next, found, None)) is not None:
            if listed is not None:
                raise Unreadable("the backup cannot be read: something follows its end")
            if member.name == MANIFEST:
                listed = read_manifest(await self.disk(member.whole, LARGEST))
                continue
            await self._take(member, restored)
            self.show(restored)
        self._insist(listed)
        await self._put()
        return restored

    async def _take(self, member: Member, restored: Restored) -> None:
        if blob := BLOB.match(member.name):
            await self._blob(member, restored, int(blob[1]), Digest(blob[2]))
        elif (database := RECORDS.match(member.name)) and database[1] in self.places:
            self._seen[member.name] = await self.disk(_written, member, _beside(self.places[database[1]]))
        elif member.name == CONFIGURATION:
            restored.configuration = await self.disk(member.whole, SMALL)
            self._seen[member.name] = _entry(restored.configuration)
        else:
            raise Unreadable("the backup cannot be read: it holds something unknown")

    async def _blob(self, member: Member, restored: Restored, number: int, digest: Digest) -> None:
        if number >= len(restored.head.stores):
            raise Unreadable("the backup cannot be read: it holds something unknown")
        store = self.stores[restored.head.stores[number]]
        draft = await store.draft()
        try:
            pieces = member.pieces()
            while (piece := await self.disk(next, pieces, b"")) != b"":
                await draft.write(piece)
            await draft.commit(digest)
            self._kept.append((store, digest))
        except CorruptContent as error:
            raise Unreadable(f"the backup is damaged: the bytes of {digest} are others") from error
        finally:
            # After a commit this does nothing.
            await draft.abort()
            draft.close()
        self._seen[member.name] = Entry(member.size, digest)
        restored.files += 1
        restored.bytes += member.size

    def _insist(self, listed: Mapping[str, Entry] | None) -> None:
        if listed is None:
            raise Unreadable("the backup is not whole: its end is missing")
        if listed != self._seen:
            name = min(name for name in {*listed, *self._seen} if listed.get(name) != self._seen.get(name))
            raise Unreadable(f"the backup is damaged: {name} is not what its list says")
        if "records/main.sqlite" not in listed:
            raise Unreadable("the backup is not whole: it has no records")

    async def _put(self) -> None:
        """All records in their places, the main one last: without it there is nothing to begin with."""
        for path in sorted(self.places.values(), key=lambda path: path == self.places["main"]):
            if await self.disk(_beside(path).exists):
                await self.disk(put, _beside(path), path)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _entry(data: bytes) -> Entry:
    return Entry(len(data), hashlib.sha256(data).hexdigest())


def _written(member: Member, path: Path) -> Entry:
    """Write a database beside its place, durable."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        for piece in member.pieces():
            made.update(piece)
            target.write(piece)
        settle(target)
    return Entry(member.size, made.hexdigest())
