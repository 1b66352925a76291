"""Bytes of files that a server has, fetched one file at a time into a file without a name, since they are read more than once before they are taken."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from pypidaemon.adoption.checking import NotTaken
from pypidaemon.adoption.found import Found
from pypidaemon.adoption.origins import ILinkable
from pypidaemon.blobs.descriptors import OpenFile, room
from pypidaemon.errors import NoSuchBlob, NoSuchFile, NoSuchProject, UpstreamDeclines, UpstreamUnavailable
from pypidaemon.interfaces import IBlobStore, IBody, IContent, IDating, IUpstream
from pypidaemon.model import AWAY, Digest, InThread, Validators
from pypidaemon.volume import Room

TRIES = 3
"""How often something is asked for that cannot be had."""

LARGEST = 16 << 30
"""Bytes of one file."""

_STEP = 16 << 20
"""Bytes of a file for which room is asked at once where the server does not say how long it is."""

_LONGEST_PAUSE = 5
"""Seconds between two tries."""

T = TypeVar("T")


async def patiently(clock: IReactorTime, ask: Callable[[], Awaitable[T]]) -> T:
    """
    What that question answers, asked again after a pause where it cannot be had.

    :raises UpstreamUnavailable: it could not be had; one who declines to answer is not asked again.
    """
    for left in reversed(range(TRIES)):
        try:
            return await ask()
        except UpstreamDeclines:
            raise
        except UpstreamUnavailable as error:
            if not left:
                raise
            await deferLater(clock, min(error.retry_after, _LONGEST_PAUSE))
    raise AssertionError("there is a first try")


def unnamed(folder: Path) -> OpenFile:
    """
    A new file there that is gone when it is closed, or when its process is.

    :raises StorageFull: there is no room for it.
    :raises StorageFailed: there can be none.
    """
    with room(), tempfile.TemporaryFile(dir=folder, buffering=0) as made:
        return OpenFile(os.dup(made.fileno()))


def put(descriptor: int, data: bytes, offset: int) -> None:
    """
    Write all of it there.

    :raises StorageFull: there is no room.
    :raises StorageFailed: the disk takes nothing.
    """
    with room():
        while data:
            written = os.pwrite(descriptor, data, offset)
            data, offset = data[written:], offset + written


@implementer(IContent)
@attrs.frozen(eq=False)
class FetchedContent:
    """A file that was fetched; it is gone once this is closed."""

    size: int
    _file: OpenFile
    _disk: InThread
    digest: Digest | None = None

    async def read(self, offset: int, limit: int) -> bytes:
        """As `IContent.read`."""
        return await self._file.read(self._disk, offset, limit)

    def close(self) -> None:
        """As `IContent.close`."""
        self._file.close()


@implementer(ILinkable)
@attrs.frozen(eq=False)
class DatedContent:
    """A content of which the server says when it was last changed."""

    content: IContent
    modified: float

    @property
    def size(self) -> int | None:
        """As `IContent`."""
        return self.content.size

    @property
    def digest(self) -> Digest | None:
        """As `IContent`."""
        return self.content.digest

    async def read(self, offset: int, limit: int) -> bytes:
        """As `IContent.read`."""
        return await self.content.read(offset, limit)

    def descriptor(self) -> int | None:
        """As `ILinkable`: there is nobody to share it with."""
        return None

    def close(self) -> None:
        """As `IContent.close`."""
        self.content.close()


@attrs.frozen
class Fetching:
    """
    Fetches from one server, by the deadlines, bounds and rules of every upstream.

    :param blobs: what is in there already is not fetched again.
    :param folder: where what is fetched lies meanwhile.
    """

    upstream: IUpstream
    blobs: IBlobStore
    folder: Path
    room: Room | None
    clock: IReactorTime
    disk: InThread

    async def open(self, found: Found) -> IContent:
        """
        As `IOrigin.open`.

        :raises NotTaken: the server is there, and this file cannot be had from it.
        :raises UpstreamUnavailable: the server is gone.
        """
        modified = None if found.file.upload_time is not None else await self._modified(found.path)
        content = await self._here(found.file.digest)
        if content is None:
            content = await self._fetched(found)
        return content if modified is None else DatedContent(content, modified)

    async def _modified(self, url: str) -> float | None:
        """When the server says that it was changed. Where it does not, the file is as good without."""
        try:
            return await IDating(self.upstream).last_modified(url)
        except (NoSuchFile, UpstreamUnavailable):
            return None

    async def _here(self, digest: Digest | None) -> IContent | None:
        if digest is None:
            return None
        try:
            return await self.blobs.open(digest)
        except NoSuchBlob:
            return None

    async def _fetched(self, found: Found) -> IContent:
        file = await self.disk(unnamed, self.folder)
        transfer = _Transfer(self, found.path, file)
        try:
            await patiently(self.clock, transfer.run)
        except NoSuchFile:
            file.close()
            raise NotTaken("the server lists it, and does not have it") from None
        except UpstreamUnavailable as error:
            file.close()
            if not isinstance(error, UpstreamDeclines) and await self._gone(found):
                raise
            raise NotTaken(f"it cannot be fetched: {error.cause}") from error
        except BaseException:
            file.close()
            raise
        return FetchedContent(transfer.size, file, self.disk)

    async def _gone(self, found: Found) -> bool:
        """Whether nothing more can be had from whoever has that file. One that is broken for good makes its host look so as well."""
        health = self.upstream.health_of(found.path)
        if health.state not in AWAY or health is not self.upstream.health or found.project is None:
            return health.state in AWAY
        try:
            await self.upstream.fetch_page(found.project, Validators())
        except NoSuchProject:
            return False
        except UpstreamUnavailable:
            return True
        return False


@attrs.define
class _Transfer:
    """One file on its way: what broke off is taken up where it ended, as long as the server says that it is still the same."""

    fetching: Fetching
    url: str
    file: OpenFile
    size: int = 0
    _validator: str | None = None
    _allowed: int = 0
    """Up to which size there was room."""

    async def run(self) -> None:
        """
        Fetch what is missing.

        :raises UpstreamUnavailable: it broke off.
        """
        body = await self.fetching.upstream.fetch_body(self.url, self.size if self._validator is not None else 0)
        with closing(body):
            if body.offset and (body.offset != self.size or body.validator != self._validator):
                self._validator = None
                raise UpstreamUnavailable(self.fetching.upstream.label, "the file changed while it was fetched", 1)
            self.size, self._validator = body.offset, body.validator
            await self._insist(body)
            while piece := await body.read():
                self.size += len(piece)
                if self.size > LARGEST:
                    raise NotTaken(f"it has more than {LARGEST} bytes")
                if body.total is None and self.size > self._allowed:
                    await self._find_room(_STEP)
                    self._allowed = self.size + _STEP
                await self.file.use(self.fetching.disk, put, self.file.descriptor, piece, self.size - len(piece))
            if body.total is not None and body.total != self.size:
                raise UpstreamUnavailable(self.fetching.upstream.label, f"it broke off after {self.size} bytes", 1)

    async def _insist(self, body: IBody) -> None:
        if body.total is not None:
            if body.total > LARGEST:
                raise NotTaken(f"it has more than {LARGEST} bytes")
            await self._find_room(body.total - body.offset)

    async def _find_room(self, size: int) -> None:
        """
        Insist that so many bytes more may be kept.

        :raises StorageFull: they may not.
        """
        if self.fetching.room is not None:
            await self.fetching.room.insist(size)
