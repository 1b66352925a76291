"""
The first bytes of a proxy's files: where upstream's page comes to promise others, those that are here are pinned (S28, F26).

A pin is what `showing` goes by, so the page goes on with the first bytes, and the others are never taken. Bytes that nobody here has ever had are
no loss, so of them upstream's new word counts.
"""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.indexes.proxy.removal import RETRY, Removal
from pypidaemon.interfaces import IBlobStore, IRecords
from pypidaemon.model import Digest, Fact, File, InThread, NormalizedName, Remembered, UpstreamPage
from pypidaemon.upstream_files import holding

_MANY_FILES = 200

log = Logger()


@attrs.frozen
class Firsts:
    """
    A `Removal` that pins first, for a replacement takes away what was there.

    :param removal: what is done about what upstream no longer lists.
    """

    removal: Removal
    label: str
    records: IRecords
    blobs: IBlobStore
    cpu: InThread

    async def noted(self, name: NormalizedName, new: Remembered, before: Remembered | None) -> Remembered:
        """As `Removal`; where there is no room to record a pin, the page before stays, for after it nobody would know of the first bytes."""
        was = before.page if before is not None else None
        if was is not None and new.page is not None and was.files is not new.page.files:
            try:
                await self._pin(name, was, new.page)
            except PypidaemonError as error:
                log.warn("{label}: what upstream replaced of {name} cannot be recorded, so its page before stays: {error}",
                         label=self.label, name=name, error=str(error))  # fmt: skip
                new = attrs.evolve(new, page=was, fresh_until=new.fetched + RETRY)
        return await self.removal.noted(name, new, before)

    async def offered(self, name: NormalizedName, said: UpstreamPage | None) -> UpstreamPage | None:
        """As `Removal`."""
        return await self.removal.offered(name, said)

    async def missed(self, name: NormalizedName) -> bool:
        """As `Removal`."""
        return await self.removal.missed(name)

    async def projects(self) -> list[NormalizedName]:
        """As `Removal`."""
        return await self.removal.projects()

    async def _pin(self, name: NormalizedName, was: UpstreamPage, said: UpstreamPage) -> None:
        many = len(was.files) + len(said.files) > _MANY_FILES
        replaced = await self.cpu(_replaced, was, said) if many else _replaced(was, said)
        if not replaced:
            return
        facts = await self.records.facts.known(self.label, name)
        here = await holding(self.blobs, [file.digest for file in replaced if file.digest is not None])
        for file in replaced:
            known = facts.get(file.filename, Fact())
            if file.digest in here and known.digest is None:
                sidecar = Digest(file.core_metadata) if file.core_metadata and not known.metadata_broken else None
                await self.records.facts.learn(self.label, name, file.filename, Fact(file.digest, file.size, sidecar))


def _replaced(was: UpstreamPage, said: UpstreamPage) -> list[File]:
    """The entries before of which the page does not promise the same bytes any more."""
    promised = {file.filename: file.digest for file in said.files}
    return [file for file in was.files if file.digest is not None and promised.get(file.filename, file.digest) != file.digest]
