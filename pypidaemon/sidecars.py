"""
The `.metadata` documents of an upstream's files (PEP 658, PEP 714): upstream's, verified, or taken out of the wheel we hold.

A client that is promised a sidecar and does not get it fails (R99), so a promise that turned out wrong is withdrawn from the page.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import attrs
from twisted.logger import Logger

from pypidaemon.archives import BadArchive, wheel_metadata
from pypidaemon.archives.promised import promised_metadata
from pypidaemon.errors import CorruptContent, NoSuchBlob, NoSuchFile, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBlobStore, IContent, IKeeping, IOnDisk, IRecords, IUpstream
from pypidaemon.model import Digest, Fact, File, Filename, InThread, NormalizedName
from pypidaemon.spool import Spool, Want
from pypidaemon.whereabouts import whereabouts

LARGEST = 8 << 20
"""Bytes of a sidecar at most, far more than any real one has (S53)."""

log = Logger()


@attrs.define
class Sidecars:
    """
    The sidecars of one index's upstream; `flights` are the extractions under way, by the wheel's digest.

    :param announce: told of a project when a sidecar came that its page promised; whoever judges by what files say of themselves now can.
    :param learned: told of one when a sidecar came of which the page knew no digest, so that its page is to be made anew.
    """

    label: str
    upstream: IUpstream
    records: IRecords
    blobs: IBlobStore
    spool: Spool
    disk: InThread
    announce: Callable[[NormalizedName], None]
    learned: Callable[[NormalizedName], Awaitable[None]]
    flights: Flights[Digest, Digest] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    async def open(
        self, name: NormalizedName, file: File, fetched: Callable[[int], None] = lambda _: None, *, keep: bool = False
    ) -> IContent:
        """
        The sidecar of a file whose page promises one: what was taken from the wheel, else upstream's.

        :param fetched: told how many bytes were fetched for it, if any were kept.
        :param keep: whether it has to be here afterwards.
        :raises NoSuchFile: the page promises none, or upstream does not have the one it promises.
        :raises NoSuchBlob: it was made from the wheel, and is to be made again.
        """
        if file.core_metadata is None:
            raise NoSuchFile(f"{file.filename}.metadata")
        fact = (await self.records.facts.known(self.label, name)).get(file.filename, Fact())
        made = fact.metadata if fact.metadata == file.core_metadata else None
        if made is not None:
            try:
                return await self.blobs.open(made)
            except NoSuchBlob:
                if fact.metadata_broken:
                    raise
        try:
            return await self._from_upstream(name, file, fetched, keep)
        except (NoSuchFile, CorruptContent) as error:
            log.warn("{label}: upstream's metadata of {file}: {error}", label=self.label, file=file.filename, error=str(error))
            raise NoSuchFile(f"{file.filename}.metadata") from error

    async def withdraw(self, name: NormalizedName, file: File) -> None:
        """Note that upstream's promise of a sidecar for this file cannot be kept (S30)."""
        await self.records.facts.learn(self.label, name, file.filename, Fact(metadata_broken=True))

    async def take_from_wheel(self, name: NormalizedName, filename: Filename, digest: Digest) -> Digest:
        """
        Take METADATA out of a wheel that is held, keep it as a blob of its own, and learn the fact.

        :raises NoSuchBlob: the wheel is not held.
        :raises NoSuchFile: it is no wheel with a METADATA.
        """
        return await self.flights.join(digest, lambda: self._take(name, filename, digest))

    async def keep_promised(self, name: NormalizedName, file: File, wheel: IContent) -> bool:
        """
        Keep the METADATA of a wheel that is held, if it is byte for byte what the page promises; answer whether it is.

        Then upstream need not be asked for it, and there is nothing to learn: the page says it already (law 12).
        """
        try:
            document = await self._document(file.filename, wheel)
        except NoSuchFile:
            return False
        promised = Digest(sha256(document).hexdigest())
        if promised != file.core_metadata:
            return False
        await stored(self.blobs, document, promised)
        self.announce(name)
        return True

    async def _from_upstream(self, name: NormalizedName, file: File, fetched: Callable[[int], None], keep: bool) -> IContent:
        promised = Digest(file.core_metadata) if file.core_metadata else None
        places = whereabouts(self.upstream, name, file, promised, ".metadata")

        async def landed(digest: Digest, size: int) -> None:
            fetched(size)
            if promised is None:
                fact = Fact(digest=file.digest, size=file.size, metadata=digest)
                await self.records.facts.learn(self.label, name, file.filename, fact)
                await self.learned(name)
            else:
                self.announce(name)

        want = Want(
            key=promised or f"{self.label}/{name}/{file.filename}.metadata",
            source=places.fetch,
            digest=promised,
            landed=landed,
            origin=self.label,
            title=f"{file.filename}.metadata",
            at_most=LARGEST,
            doubted=None if keep else places.doubted,
            blame=places.blame,
            elsewhere=places.several,
        )
        return await (self.spool.open(want) if keep else self.spool.give(want))

    async def _take(self, name: NormalizedName, filename: Filename, digest: Digest) -> Digest:
        with closing(await self.blobs.open(digest)) as wheel:
            document = await self._document(filename, wheel)
        taken = await stored(self.blobs, document, None)
        # With the wheel's digest, so that it never stands beside another wheel of that name.
        await self.records.facts.learn(self.label, name, filename, Fact(digest=digest, size=wheel.size, metadata=taken))
        return taken

    async def _document(self, filename: Filename, wheel: IContent) -> bytes:
        """METADATA of that wheel."""
        try:
            if IOnDisk.providedBy(wheel):
                return await self.disk(_metadata_at, wheel.path, filename)
            return await self.disk(_metadata_of, await _whole(wheel), filename)
        except BadArchive as error:
            raise NoSuchFile(f"{filename}.metadata") from error


def metadata_in(data: bytes, filename: Filename, digest: Digest) -> bytes | None:
    """The METADATA of that wheel, if it is byte for byte the one with that sha256; slow compared with a turn of the reactor."""
    quickly = promised_metadata(data, digest)
    if quickly is not None:
        return quickly
    try:
        document = wheel_metadata(io.BytesIO(data), filename)
    except BadArchive:
        return None
    return document if sha256(document).hexdigest() == digest else None


async def stored(blobs: IBlobStore, document: bytes, expected: Digest | None) -> Digest:
    """
    Make a document a blob, by the way that costs least; answer its digest.

    :raises CannotStore: it cannot be kept.
    """
    if IKeeping.providedBy(blobs):
        kept: Digest = await blobs.keep(document, expected)
        return kept
    draft = await blobs.draft()
    try:
        await draft.write(document)
        return await draft.commit(expected)
    finally:
        # After a commit this does nothing.
        await draft.abort()
        draft.close()


def _metadata_of(data: bytes, filename: Filename) -> bytes:
    return wheel_metadata(io.BytesIO(data), filename)


def _metadata_at(path: str, filename: Filename) -> bytes:
    with Path(path).open("rb") as source:
        return wheel_metadata(source, filename)


async def _whole(content: IContent) -> bytes:
    pieces: list[bytes] = []
    offset = 0
    while piece := await content.read(offset, 1 << 20):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)
