"""
What becomes of files that upstream lists no longer (C5, F24, R211).

Only a page that is believed, or a true 404, takes something away: outages, redirects and errors never come this far, so they take nothing.
What upstream quarantines is hidden whatever is chosen here (PEP 792, R113), and what goes by way of a quarantine is not kept: malware is taken
off like that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IBlobStore, IRecords
from pypidaemon.model import File, InThread, NormalizedName, ProjectStatus, Remembered, UpstreamPage
from pypidaemon.showing import bytes_of, quarantined
from pypidaemon.simple.reading import covering
from pypidaemon.telling import enumerated
from pypidaemon.upstream_files import holding

WAYS = ("follow", "keep", "keep-if-used")
"""What `removal` can be."""
RETRY = 60.0
"""Seconds after which a page is asked for again when what it takes away could not be recorded."""
_MANY_FILES = 200

log = Logger()


def way(raw: str) -> str:
    """One of `WAYS`."""
    if raw.strip() not in WAYS:
        raise ValueError(f"{raw.strip()!r} is none of {', '.join(WAYS)}")
    return raw.strip()


class Removal(Protocol):
    """What a proxy does about removals upstream."""

    async def noted(self, name: NormalizedName, new: Remembered, before: Remembered | None) -> Remembered:
        """Note what `new` takes away of what was remembered before, and answer what is to be remembered; it is on the disk by then."""

    async def offered(self, name: NormalizedName, said: UpstreamPage | None) -> UpstreamPage | None:
        """What is offered where upstream says this; None where there is no such project."""

    async def missed(self, name: NormalizedName) -> bool:
        """Whether something may be offered of that project besides what upstream says."""

    async def projects(self) -> list[NormalizedName]:
        """The projects, in order, that are offered also where upstream's list has them no longer."""


@attrs.frozen
class Follow:
    """What upstream takes away is gone. Nothing is recorded, so a later change of mind brings nothing back that was taken before."""

    async def noted(self, name: NormalizedName, new: Remembered, before: Remembered | None) -> Remembered:
        """As `Removal`: nothing to note."""
        return new

    async def offered(self, name: NormalizedName, said: UpstreamPage | None) -> UpstreamPage | None:
        """As `Removal`: what upstream says."""
        return said

    async def missed(self, name: NormalizedName) -> bool:
        """As `Removal`: never."""
        return False

    async def projects(self) -> list[NormalizedName]:
        """As `Removal`: none."""
        return []


@attrs.define
class Keep:
    """
    What upstream takes away goes on being offered as upstream last had it.

    :param held: where given, only what is held in this store, as it is when a page is made.
    """

    label: str
    records: IRecords
    cpu: InThread
    held: IBlobStore | None = None
    _shown: dict[NormalizedName, bool] = attrs.field(factory=dict, init=False, repr=False)
    """Whether anything is offered of a project with withdrawn entries, as its page was last made."""

    async def noted(self, name: NormalizedName, new: Remembered, before: Remembered | None) -> Remembered:
        """As `Removal`; where there is no room to record it, the page before stays, since nobody else has those entries any more."""
        was = before.page if before is not None else None
        try:
            if was is not None:
                await self._withdraw(name, was, new)
            await self._note_status(name, new.page)
        except PypidaemonError as error:
            log.warn("{label}: what upstream took back of {name} cannot be recorded, so its page before stays: {error}",
                     label=self.label, name=name, error=str(error))  # fmt: skip
            return attrs.evolve(new, page=was, fresh_until=new.fetched + RETRY)
        if new.page is not None:
            await self._restore(name, new.page)
        return new

    async def offered(self, name: NormalizedName, said: UpstreamPage | None) -> UpstreamPage | None:
        """As `Removal`: with the entries that were withdrawn, save those that upstream lists again."""
        # A page that is made anew says anew whether the project is on the list.
        self._shown.pop(name, None)
        if quarantined(said):
            return said
        withdrawn = await self.records.withdrawn.withdrawn(self.label, name)
        if not withdrawn:
            return said
        status = await self.records.withdrawn.last_status(self.label, name) if said is None else None
        if status is not None and status.marker == "quarantined":
            # Deleted while it was quarantined, unseen by us.
            self._shown[name] = False
            return None
        listed = {file.filename for file in said.files} if said is not None else set()
        entries = await self._of_use(name, [one.entry for filename, one in withdrawn.items() if filename not in listed])
        self._shown[name] = said is not None or bool(entries)
        if not entries:
            return said
        base = said if said is not None else UpstreamPage(name, status=status or ProjectStatus())
        if len(base.files) + len(entries) > _MANY_FILES:
            return await self.cpu(_together, base, entries)
        return _together(base, entries)

    async def missed(self, name: NormalizedName) -> bool:
        """As `Removal`: where anything of it was withdrawn."""
        return bool(await self.records.withdrawn.withdrawn(self.label, name))

    async def projects(self) -> list[NormalizedName]:
        """As `Removal`: those of which something withdrawn is offered now."""
        found = []
        for name in sorted(await self.records.withdrawn.projects(self.label)):
            if name not in self._shown:
                remembered = await self.records.pages.recall(self.label, name)
                await self.offered(name, remembered.page if remembered is not None else None)
            if self._shown.get(name):
                found.append(name)
        return found

    async def _withdraw(self, name: NormalizedName, was: UpstreamPage, new: Remembered) -> None:
        books = self.records
        if new.page is None and quarantined(was):
            # Deleted while it was quarantined: what was kept of it before that goes as well.
            kept = await books.withdrawn.withdrawn(self.label, name)
            await books.withdrawn.restore(self.label, name, tuple(kept))
            return
        if quarantined(was) or quarantined(new.page):
            return
        listed = {file.filename for file in new.page.files} if new.page is not None else set()
        gone = tuple(file for file in was.files if file.filename not in listed)
        if gone:
            await books.withdrawn.withdraw(self.label, name, gone, new.fetched)
            log.info(
                "{label}: of {name} upstream no longer lists {files}: still offered, {until}",
                label=self.label, name=name, files=enumerated([file.filename for file in gone]),
                until="until upstream lists them again" if self.held is None else "those whose bytes are here, until they are evicted",
            )  # fmt: skip
        if new.page is None:
            await books.withdrawn.note_status(self.label, name, was.status)

    async def _restore(self, name: NormalizedName, said: UpstreamPage) -> None:
        """Forget what upstream lists again. Where that fails it is done the next time: `offered` goes by what upstream lists in any case."""
        try:
            withdrawn = await self.records.withdrawn.withdrawn(self.label, name)
            again = tuple(file.filename for file in said.files if file.filename in withdrawn)
            if again:
                await self.records.withdrawn.restore(self.label, name, again)
        except PypidaemonError as error:
            log.warn("{label}: what upstream lists again of {name} is not recorded: {error}", label=self.label, name=name, error=str(error))

    async def _of_use(self, name: NormalizedName, entries: list[File]) -> list[File]:
        if self.held is None or not entries:
            return entries
        facts = await self.records.facts.known(self.label, name)
        digests = {entry.filename: digest for entry in entries if (digest := bytes_of(entry, facts.get(entry.filename))) is not None}
        held = await holding(self.held, list(digests.values()))
        return [entry for entry in entries if digests.get(entry.filename) in held]

    async def _note_status(self, name: NormalizedName, said: UpstreamPage | None) -> None:
        """Have a quarantine, and its end, on record: the cache may be lost before upstream deletes what it quarantined."""
        known = await self.records.withdrawn.last_status(self.label, name)
        held_back = known is not None and known.marker == "quarantined"
        if said is not None and quarantined(said) != held_back:
            await self.records.withdrawn.note_status(self.label, name, said.status)


def removal(way: str, label: str, records: IRecords, blobs: IBlobStore, cpu: InThread) -> Removal:
    """What does as that one of `WAYS` says."""
    if way == "follow":
        return Follow()
    return Keep(label, records, cpu, blobs if way == "keep-if-used" else None)


def _together(said: UpstreamPage, kept: Sequence[File]) -> UpstreamPage:
    return attrs.evolve(said, files=(*said.files, *kept), versions=covering(said.name, said.versions, kept))
