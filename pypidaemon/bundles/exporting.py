"""Writing a bundle: first what it says of projects, into a file beside it, and once it is known what that comes to the whole, in one go."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import attrs

from pypidaemon.backups.tape import BLOCK, PIECE, Writer
from pypidaemon.bundles.contents import FACTS, HEAD, MOST, SIGNATURE, Head, signature
from pypidaemon.bundles.gathering import Gathering
from pypidaemon.bundles.keys import Signer
from pypidaemon.bundles.parts import LONGEST_PART
from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.interfaces import IBlobStore
from pypidaemon.model import Digest, InThread
from pypidaemon.settling import put, settle


@attrs.define
class Bundled:
    """
    What came of it.

    :param lost: what belongs into it and is not here, in words.
    """

    head: Head | None = None
    projects: int = 0
    files: int = 0
    bytes: int = 0
    lost: list[str] = attrs.field(factory=list)


@attrs.define
class Exporting:
    """
    One bundle.

    :param source: the name of this instance.
    :param taken: as of when it is, seconds since the epoch: what comes later belongs into the next.
    :param show: told of how far it has come.
    """

    gathering: Gathering
    disk: InThread
    version: str
    source: str
    taken: float
    signer: Signer | None = None
    show: Callable[[Bundled], None] = lambda _: None
    _wanted: dict[Digest, tuple[IBlobStore, int]] = attrs.field(init=False, factory=dict)

    async def write(self, target: Path) -> Bundled:
        """
        Write it to that file, which is there once it is whole and on the disk; it is for our own user alone.

        :raises PypidaemonError: the records cannot be read, a blob is damaged, or the file cannot be written.
        """
        bundled = Bundled()
        partial = target.with_name(f".{target.name}.partial")
        try:
            with tempfile.TemporaryFile(dir=target.parent) as facts:
                head = await self._gathered(facts, bundled)
                await self.disk(_insist_on_room, target.parent, head)
                descriptor = await self.disk(_begun, partial)
                with os.fdopen(descriptor, "wb") as file:
                    try:
                        await self._written(Writer(file, int(self.taken)), facts, head, bundled)
                        await self.disk(settle, file)
                        await self.disk(put, partial, target)
                    except BaseException:
                        await self.disk(partial.unlink, True)
                        raise
        except OSError as error:
            raise PypidaemonError(f"the bundle cannot be written to {target}: {os.strerror(error.errno or 0)}") from error
        bundled.head = head
        return bundled

    async def _gathered(self, facts: IO[bytes], bundled: Bundled) -> Head:
        made, size = hashlib.sha256(), 0
        async for home, part in self.gathering.parts():
            line = part.written()
            if len(line) > LONGEST_PART:
                raise PypidaemonError(f"{part.name} of {part.label} has too many files for one bundle")
            for digest, known in part.needs():
                if digest not in self._wanted:
                    self._wanted[digest] = home.blobs, await _size(home.blobs, digest) if known is None else known
            if len(self._wanted) > MOST:
                raise PypidaemonError(f"a bundle has {MOST} files at most: say --since, or name projects, and make several")
            made.update(line)
            size += len(line)
            await self.disk(facts.write, line)
            bundled.projects += 1
            self.show(bundled)
        bundled.lost = self.gathering.lost
        sizes = sum(length for _, length in self._wanted.values())
        return Head(self.version, self.source, self.taken, self.gathering.since, made.hexdigest(), size, len(self._wanted), sizes)

    async def _written(self, writer: Writer, facts: IO[bytes], head: Head, bundled: Bundled) -> None:
        said = head.written()
        await self.disk(writer.add, HEAD, said)
        if self.signer is not None:
            await self.disk(writer.add, SIGNATURE, signature(self.signer.public, self.signer.sign(said)))
        await self.disk(_copied, writer, facts, head.size)
        for digest, (store, size) in self._wanted.items():
            await self._blob(writer, store, digest, size)
            bundled.files += 1
            bundled.bytes += size
            self.show(bundled)
        await self.disk(writer.end)

    async def _blob(self, writer: Writer, store: IBlobStore, digest: Digest, size: int) -> None:
        try:
            content = await store.open(digest)
        except NoSuchBlob:
            raise PypidaemonError(f"sha256:{digest} was taken away meanwhile; say it again") from None
        try:
            made, offset = hashlib.sha256(), 0
            await self.disk(writer.begin, f"blobs/{digest}", size)
            while offset < size and (piece := await content.read(offset, min(PIECE, size - offset))):
                await self.disk(made.update, piece)
                offset += len(piece)
                await self.disk(writer.write, piece)
            if made.hexdigest() != digest or not await self.disk(writer.finish):
                raise PypidaemonError(f"sha256:{digest} is damaged here; `pypidaemon verify --repair` looks for what can be done")
        finally:
            content.close()


async def _size(store: IBlobStore, digest: Digest) -> int:
    try:
        content = await store.open(digest)
    except NoSuchBlob:
        raise PypidaemonError(f"sha256:{digest} was taken away meanwhile; say it again") from None
    size = content.size
    content.close()
    return size or 0


def _begun(partial: Path) -> int:
    """A descriptor of that file, empty and locked; what one has left there that was killed is written over."""
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it until now may have put it in its place, whole: then it is no longer ours to write over.
            another = not os.path.samestat(os.fstat(descriptor), os.lstat(partial))
        except (BlockingIOError, FileNotFoundError):
            another = True
        if another:
            raise PypidaemonError(f"somebody else writes {partial} just now")
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _insist_on_room(folder: Path, head: Head) -> None:
    needed = head.size + head.length + 2 * BLOCK * (head.blobs + 4)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PypidaemonError(f"the bundle needs {needed} bytes, and {folder} has {free}")


def _copied(writer: Writer, facts: IO[bytes], size: int) -> None:
    facts.seek(0)
    writer.begin(FACTS, size)
    while piece := facts.read(PIECE):
        writer.write(piece)
    writer.finish()
