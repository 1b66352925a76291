"""An upstream's project list, asked for when it may have changed, and kept as sorted lines that are read in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import closing
from functools import partial
from hashlib import file_digest

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.catalogues import LARGEST, Catalogues, Lines, Opener, beginning
from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.interfaces import IBlobStore, IDraft, IRecords, IStandIns, IUpstream
from pypidaemon.model import Digest, InThread, NotModified, RememberedNames, UpstreamNames, Validators

MAX_AGE = 600.0
"""Seconds for which a list is fresh where upstream does not say."""
OTHERS = "others"
"""What the label goes on with, after a stroke, under which the list of those that stand in is kept, apart from the upstream's own."""
_PIECE = 1 << 20

log = Logger()


@attrs.define
class UpstreamList:
    """
    The list of one upstream, as one part of the daemon keeps it.

    :param label: what it is kept under, in the records and in the store.
    :param lists: as in `Catalogues`.
    """

    label: str
    upstream: IUpstream
    records: IRecords
    lists: IBlobStore
    clock: IReactorTime
    cpu: InThread
    disk: InThread
    catalogues: Catalogues = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.catalogues = Catalogues(self.label, self.lists, self.disk)

    async def ask(self) -> RememberedNames:
        """
        One request upstream, on condition that the list has changed; what it says is kept and remembered.

        :raises UpstreamUnavailable: there is no answer, or none that is a list.
        :raises StorageFull: there is no room for it.
        """
        before = await self._before()
        return await self._keep(before, await self.upstream.fetch_names(_validators(before)))

    async def ask_others(self) -> RememberedNames:
        """
        The same of those that stand in for the upstream, one after the other until one has given a list.

        :raises UpstreamUnavailable: none has.
        :raises StorageFull: there is no room for it.
        """
        before = await self._before()
        return await IStandIns(self.upstream).stand_in_names(_validators(before), partial(self._keep, before))

    async def _before(self) -> RememberedNames | None:
        before = await self.records.pages.recall_names(self.label)
        if before is not None and not await self._is_whole(before):
            # Upstream would confirm it, and nobody could read it.
            return None
        return before

    async def _keep(self, before: RememberedNames | None, said: UpstreamNames | NotModified) -> RememberedNames:
        now = self.clock.seconds()
        if isinstance(said, NotModified):
            if before is None:
                raise UpstreamUnavailable(self.upstream.label, "it confirms a list that we do not hold")
            kept = attrs.evolve(before, fetched=now, fresh_until=until(now, said.max_age))
        else:
            with closing(said.body):
                kept = await self._take(said, now)
        await self.records.pages.keep_names(self.label, kept)
        if before is None or before.digest != kept.digest:
            await self.catalogues.remove_others(kept.digest)
        return kept

    async def distrust(self) -> None:
        """Ask without that condition the next time: what is kept is another upstream's, and this one could confirm it by chance."""
        before = await self.records.pages.recall_names(self.label)
        if before is not None:
            await self.records.pages.keep_names(self.label, attrs.evolve(before, validators=Validators()))

    async def opened(self, kept: RememberedNames) -> Opener | None:
        """A way to read that list from threads, None where it is not here any more. It stays readable when it is replaced meanwhile."""
        return await self.catalogues.opened(kept.digest)

    async def _is_whole(self, kept: RememberedNames) -> bool:
        opened = await self.opened(kept)
        if opened is None:
            return False
        whole = await self.disk(_has, opened, kept.digest)
        if not whole:
            log.error("{label}: the kept list is damaged, so it is asked for anew", label=self.label)
            await self.lists.remove(kept.digest)
        return whole

    async def _take(self, said: UpstreamNames, now: float) -> RememberedNames:
        """Store the body as it comes, then read, sort and keep it as lines, piece by piece off the reactor's thread."""
        raw = await self.lists.draft()
        try:
            size = await self._spool(said, raw)
            lines = Lines(self.label, await beginning(raw, size), size, said.content_type, said.coding)
            digest = await self.catalogues.keep(self._pieces(lines))
        finally:
            # It was never to be a blob: an upstream could have it be the bytes of some file.
            await raw.abort()
            raw.close()
        return RememberedNames(digest, said.validators, max(said.serial or 0, lines.highest), now, until(now, said.max_age))

    async def _spool(self, said: UpstreamNames, raw: IDraft) -> int:
        size = 0
        while piece := await said.body.read():
            size += len(piece)
            if size > LARGEST:
                raise UpstreamUnavailable(self.upstream.label, "its project list is too large")
            await raw.write(piece)
        return size

    async def _pieces(self, lines: Lines) -> AsyncGenerator[bytes]:
        try:
            while piece := await self.cpu(lines.read, _PIECE):
                yield piece
        except ValueError as error:
            raise UpstreamUnavailable(self.upstream.label, f"its project list cannot be read: {error}") from error


def _has(opened: Opener, digest: Digest) -> bool:
    with opened() as stream:
        try:
            return file_digest(stream, "sha256").hexdigest() == digest  # type: ignore[arg-type]  # typeshed wants more than any file has
        except OSError:
            return False


def _validators(kept: RememberedNames | None) -> Validators:
    return kept.validators if kept is not None else Validators()


def until(now: float, max_age: float | None) -> float:
    """Until when such a list is fresh."""
    return now + (MAX_AGE if max_age is None else max_age)
