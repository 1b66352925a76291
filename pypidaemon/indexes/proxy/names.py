"""
The proxy's project list: asked of upstream only when somebody asks for it, kept as a blob of sorted lines, read in bounded memory.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import attrs
from isal import igzip
from twisted.internet.interfaces import IReactorTime

from pypidaemon import freshness
from pypidaemon.errors import NoSuchBlob, PypidaemonError, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IBlobStore, IContent, IOnDisk, IRecords, IUpstream
from pypidaemon.model import Digest, InThread, NormalizedName, NotModified, ProjectList, RememberedNames, UpstreamNames, Validators
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.names import read_lines, read_names, write_lines
from pypidaemon.waits import first

MAX_AGE = 600.0
LARGEST = 512 << 20
"""Bytes of a project list, as sent and as decoded: more than ten times PyPI's of today (S53)."""


@attrs.define
class Names:
    """The project list of one proxy."""

    label: str
    upstream: IUpstream
    records: IRecords
    blobs: IBlobStore
    clock: IReactorTime
    cpu: InThread
    hides: Callable[[NormalizedName], bool]
    flights: Flights[str, RememberedNames] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    async def project_names(self) -> ProjectList:
        """As `IIndex.project_names`: fresh, or the last known one while upstream cannot be asked."""
        remembered = await self.records.pages.recall_names(self.label)
        if remembered is not None and freshness.is_fresh(self.clock.seconds(), remembered.fresh_until):
            try:
                return await self._list(remembered, stale=False)
            except NoSuchBlob:
                remembered = None  # the cache was emptied: ask again (law 8)
        health, trouble = self.upstream.health, None
        if health.may_ask() or self.flights.flying(self.label):
            try:
                if await first(self.flights.join(self.label, self._ask), health.doubted()) == 0:
                    kept = await self.records.pages.recall_names(self.label)
                    if kept is not None:
                        return await self._list(kept, stale=False)
            except UpstreamUnavailable as error:
                trouble = error
        if remembered is not None:
            return await self._list(remembered, stale=True)
        raise trouble or UpstreamUnavailable(self.upstream.label, health.cause or "it does not answer", health.retry_after())

    async def _ask(self) -> RememberedNames:
        before = await self.records.pages.recall_names(self.label)
        held = before is not None and await self._is_held(before.digest)
        said = await self.upstream.fetch_names(before.validators if before is not None and held else Validators())
        now = self.clock.seconds()
        if isinstance(said, NotModified):
            if before is None:
                raise UpstreamUnavailable(self.upstream.label, "it confirms a list that we do not hold")
            kept = attrs.evolve(before, fetched=now, fresh_until=_until(now, said.max_age))
        else:
            kept = await self._take(said, now)
        await self.records.pages.keep_names(self.label, kept)
        if before is not None and before.digest != kept.digest:
            await self._expire_outdated(kept)
            await self.blobs.remove(before.digest)
        return kept

    async def _is_held(self, digest: Digest) -> bool:
        try:
            (await self.blobs.open(digest)).close()
        except NoSuchBlob:
            return False
        return True

    async def _take(self, said: UpstreamNames, now: float) -> RememberedNames:
        """Store the body as it comes, then read, sort and store it as lines, piece by piece off the reactor's thread."""
        raw = await self._spool(said)
        try:
            content = await self.blobs.open(raw)
            opened = await _opener(content)
            draft = await self.blobs.draft()
            try:
                lines = await self.cpu(_Lines, opened, said.content_type, said.coding)
                while piece := await self.cpu(lines.read, 1 << 20):
                    await draft.write(piece)
            except (OSError, EOFError, ValueError, zlib.error) as error:
                await draft.abort()
                raise UpstreamUnavailable(self.upstream.label, f"its project list cannot be read: {error}") from error
            finally:
                content.close()
            digest = await draft.commit(None)
            draft.close()
        finally:
            await self.blobs.remove(raw)
        fresh_until = _until(now, said.max_age)
        return RememberedNames(digest, said.validators, max(said.serial or 0, lines.highest), now, fresh_until)

    async def _spool(self, said: UpstreamNames) -> Digest:
        draft = await self.blobs.draft()
        size = 0
        try:
            while piece := await said.body.read():
                size += len(piece)
                if size > LARGEST:
                    raise UpstreamUnavailable(self.upstream.label, "its project list is too large")
                await draft.write(piece)
            return await draft.commit(None)
        except BaseException:
            await draft.abort()
            raise
        finally:
            said.body.close()
            draft.close()

    async def _expire_outdated(self, kept: RememberedNames) -> None:
        """A page below the serial that the list now shows is old, whatever its age says (R70)."""
        numbers = await self.records.ledger.serials(self.label)
        listing = await self._opened(kept.digest)
        for name in await self.cpu(_outdated, listing, numbers):
            await self.records.pages.expire(self.label, name)

    async def _opened(self, digest: Digest) -> Callable[[], BinaryIO]:
        content = await self.blobs.open(digest)
        try:
            return await _opener(content)
        finally:
            content.close()

    async def _list(self, kept: RememberedNames, *, stale: bool) -> ProjectList:
        opened = await self._opened(kept.digest)
        numbers = await self.records.ledger.serials(self.label)
        high = await self.records.ledger.high(self.label)
        hides = self.hides

        def entries() -> Iterator[tuple[NormalizedName, int]]:
            with opened() as stream:
                for name, serial in read_lines(stream):
                    if not hides(name):
                        # bandersnatch skips a project without a serial (R48), so one that upstream does not number gets 1.
                        yield name, max(serial, numbers.get(name, 0), 1)

        return ProjectList(
            entries=entries,
            revision=f"{kept.digest[:32]}-{high}",
            serial=max(kept.serial, high, 1),
            fresh_until=kept.fresh_until,
            source=self.label,
            stale=stale,
        )


class _Lines:
    """The lines of a list, made as they are asked for; `read` runs on a thread and is never entered twice at once."""

    def __init__(self, opened: Callable[[], BinaryIO], content_type: str, coding: str) -> None:
        self.highest = 0
        stream = opened()
        decoded: BinaryIO = igzip.open(stream, "rb") if coding == "gzip" else stream
        self._pieces = write_lines(self._noted(read_names(_Capped(decoded), content_type, "")))  # type: ignore[arg-type]

    def _noted(self, entries: Iterator[tuple[NormalizedName, int]]) -> Iterator[tuple[NormalizedName, int]]:
        for name, serial in entries:
            self.highest = max(self.highest, serial)
            yield name, serial

    def read(self, limit: int) -> bytes:
        """About `limit` bytes of whole lines, b"" at the end."""
        pieces: list[bytes] = []
        size = 0
        for piece in self._pieces:
            pieces.append(piece)
            size += len(piece)
            if size >= limit:
                break
        return b"".join(pieces)


class _Capped(io.RawIOBase):
    """A stream that refuses to give more than `LARGEST` bytes (a decompression bomb, S53)."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = LARGEST

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size if size >= 0 else 1 << 16)
        self._left -= len(piece)
        if self._left < 0:
            raise Unreadable("it is too large")
        return piece


async def _opener(content: IContent) -> Callable[[], BinaryIO]:
    """A way to read that content from a thread, again and again."""
    if IOnDisk.providedBy(content):
        path = Path(content.path)
        return lambda: path.open("rb")
    pieces: list[bytes] = []
    offset = 0
    while piece := await content.read(offset, 1 << 20):
        pieces.append(piece)
        offset += len(piece)
    whole = b"".join(pieces)
    return lambda: io.BytesIO(whole)


def _outdated(opened: Callable[[], BinaryIO], numbers: Mapping[NormalizedName, int]) -> list[NormalizedName]:
    with opened() as stream:
        return [name for name, serial in read_lines(stream) if serial > numbers.get(name, serial)]


def _until(now: float, max_age: float | None) -> float:
    return now + (MAX_AGE if max_age is None else max_age)
