"""
The first bytes of a proxy's files: where upstream's page comes to promise others, the first ones are pinned, whoever has had them (S28, F26).

A pin is what `showing` goes by. So the page goes on with the first bytes where they are here; where they are not, nobody can be given them, and the file is
withheld. The others are never taken, unless somebody accepts them. What is pinned is what the page before promised: nothing is kept of files that stay as they
are, and of each file there is one pin at most.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import changes
from pypidaemon.indexes.proxy.removal import RETRY, Removal
from pypidaemon.interfaces import IBlobStore, IRecords
from pypidaemon.model import Digest, Fact, File, Filename, InThread, NormalizedName, Remembered, UpstreamPage
from pypidaemon.showing import changed, quarantined
from pypidaemon.telling import enumerated
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
        if was is not None and (new.page is None or was.files is not new.page.files):
            try:
                await self._pin(name, was, new)
            except PypidaemonError as error:
                log.warn("{label}: what upstream replaced of {name} cannot be recorded, so its page before stays: {error}",
                         label=self.label, name=name, error=str(error))  # fmt: skip
                new = attrs.evolve(new, page=was, fresh_until=new.fetched + RETRY)
        return await self.removal.noted(name, new, before)

    async def offered(self, name: NormalizedName, said: UpstreamPage | None) -> UpstreamPage | None:
        """As `Removal`, without the files that are withheld."""
        said = await self.removal.offered(name, said)
        if said is None or quarantined(said):
            return said
        withheld = await self._withheld(name, said)
        return attrs.evolve(said, files=tuple(file for file in said.files if file.filename not in withheld)) if withheld else said

    async def missed(self, name: NormalizedName) -> bool:
        """As `Removal`."""
        return await self.removal.missed(name)

    async def projects(self) -> list[NormalizedName]:
        """As `Removal`."""
        return await self.removal.projects()

    async def _pin(self, name: NormalizedName, was: UpstreamPage, new: Remembered) -> None:
        said = new.page
        many = len(was.files) + (len(said.files) if said is not None else 0) > _MANY_FILES
        lost = await self.cpu(_lost, was, said) if many else _lost(was, said)
        facts = dict(await self.records.facts.known(self.label, name))
        pins = {file.filename: _pin(file, facts.get(file.filename)) for file in lost if facts.get(file.filename, Fact()).digest is None}
        if pins:
            await self.records.facts.learn_all(self.label, name, pins)
            facts |= pins
        if said is not None and any(fact.digest is not None for fact in facts.values()):
            await self._differ(name, said, facts, new.fetched)

    async def _differ(self, name: NormalizedName, said: UpstreamPage, facts: Mapping[Filename, Fact], now: float) -> None:
        """Have it on record of which files there are other bytes, and tell of each once."""
        promised = {file.filename: str(file.digest) for file in said.files}
        others = {filename: promised[filename] for filename in await self._changed(said, facts)}
        noted = await self.records.facts.replaced((self.label, name, ""), 1)
        if others or any((one.label, one.name) == (self.label, name) for one in noted):
            new = await self.records.facts.differ(self.label, name, others, now)
            if new:
                log.warn("{label}: upstream has other bytes for {files} of {name} by now; the first ones stay, and these are withheld until they are accepted",
                         label=self.label, name=name, files=enumerated(list(new)))  # fmt: skip

    async def _changed(self, said: UpstreamPage, facts: Mapping[Filename, Fact]) -> list[Filename]:
        return await self.cpu(changed, said, facts) if len(said.files) > _MANY_FILES else changed(said, facts)

    async def _withheld(self, name: NormalizedName, said: UpstreamPage) -> frozenset[Filename]:
        """The files of which upstream has other bytes, and which are not here with the first ones."""
        facts = await self.records.facts.known(self.label, name)
        if not any(fact.digest is not None for fact in facts.values()):
            return frozenset()
        firsts = {filename: digest for filename in await self._changed(said, facts) if (digest := facts[filename].digest) is not None}
        here = await holding(self.blobs, list(firsts.values())) if firsts else frozenset()
        return frozenset(filename for filename, digest in firsts.items() if digest not in here)


def _pin(file: File, known: Fact | None) -> Fact:
    sidecar = Digest(file.core_metadata) if file.core_metadata and not (known is not None and known.metadata_broken) else None
    return Fact(file.digest, file.size, sidecar)


def _lost(was: UpstreamPage, said: UpstreamPage | None) -> list[File]:
    """The entries before of which the page does not promise the same bytes any more."""
    promised = {file.filename: file.digest for file in said.files} if said is not None else {}
    gone = [file for file in was.files if file.digest is not None and promised.get(file.filename) != file.digest]
    return [file for file in gone if not changes(file.filename)]
