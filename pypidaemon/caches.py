"""
What proxies keep of what they fetched: looked at, pinned and taken away.

Only what can be fetched again is ever taken: not what records of private files or mirrors name, not what a run is about to offer, not what upstream lists
no longer, nothing of a pinned project, and, unless somebody orders it, nothing while its upstream does not answer. Of pages those go of whose projects nothing
is here. First it is noted that a file is held no longer, then its bytes go, so that a crash in between leaves bytes that
are noted again, and never a note without bytes (F51, F77). Whoever is reading them reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IBounded, IRecords, ITended
from pypidaemon.model import Companion, Digest, NormalizedName, Pin, Use
from pypidaemon.upstream_files import holding
from pypidaemon.verification.holdings import Holdings, Home, Role
from pypidaemon.verification.pace import Pace
from pypidaemon.versions import same_version

YOUNG = 600.0
"""Seconds that bytes are left alone after they came: somebody may be about to record that he needs them (law 7)."""

MOMENT = 60.0
"""The same where a person orders it, who knows better."""

AT_ONCE = 200
"""Files that are looked at in one go."""

PACE = 500.0
"""Files, or pages, a second that are looked at, beside a daemon's other work."""

WEIGHED = 20_000.0
"""Names a second that are weighed."""


@attrs.define
class Removed:
    """What came of an order to take something away."""

    files: int = 0
    bytes: int = 0
    kept: int = 0
    """Files that are needed by others, or came just now."""


@attrs.define
class Caches:
    """
    The caches of all proxies of one place of records.

    :param announce: told of a project of which something was taken away.
    """

    records: IRecords
    holdings: Holdings
    clock: IReactorTime
    announce: Callable[[NormalizedName | None], None]

    def proxies(self) -> list[Home]:
        """The indexes that keep what they fetched on demand."""
        return [home for home in self.holdings.homes if home.remembers]

    async def survey(self) -> int:
        """
        Note what is held and not noted, from what is remembered of upstreams' pages; answer how many files that were.

        :raises PypidaemonError: the records cannot be read.
        """
        pace = Pace(self.clock, PACE)
        before, _ = await self.records.uses.weight()
        for home in self.proxies():
            batch: dict[Digest, Use] = {}
            async for named in home.cached():
                if named.companion is Companion.FILE and named.role is Role.CACHED and named.digest not in batch:
                    batch[named.digest] = Use(named.digest, home.label, named.name, named.file.filename, named.size or 0, 0.0)
                    await pace.spend(1)
                if len(batch) == AT_ONCE:
                    await self._note(home, batch)
                    batch = {}
            await self._note(home, batch)
        after, _ = await self.records.uses.weight()
        return after - before

    async def evict(self, excess: int, files: int = 0) -> Removed:
        """
        Take away what was used longest ago, until so many bytes and files are gone or nothing is left that may go.

        :raises PypidaemonError: the records cannot be read or written.
        """
        gone = Removed()
        if self.holdings.strangers:
            # They cannot be asked what they need.
            return gone
        pinned, awaited = await self.records.pins.pins(), await self._awaited()
        away, after = self._away(), (-1.0, "")
        while (gone.bytes < excess or gone.files < files) and (some := await self.records.uses.oldest(after, AT_ONCE)):
            after = (some[-1].used, some[-1].digest)
            for use in some:
                if gone.bytes >= excess and gone.files >= files:
                    break
                if use.label in away:
                    gone.kept += 1
                else:
                    await self._take(use, pinned, awaited, YOUNG, gone)
        return gone

    async def pages(self) -> int:
        """
        How many bytes upstreams' pages take, and the small documents that belong to them.

        :raises PypidaemonError: the records cannot be read.
        """
        pages = self.records.pages
        return await IBounded(pages).weight([home.label for home in self.proxies()]) if IBounded.providedBy(pages) else 0

    async def forget_pages(self, excess: int) -> Removed:
        """
        Forget what upstreams said, of projects of which nothing is here, what was confirmed longest ago first, until so many bytes are gone or nothing is left
        that may go. `files` are pages then.

        :raises PypidaemonError: the records cannot be read or written.
        """
        gone = Removed()
        if not IBounded.providedBy(self.records.pages):
            return gone
        pages, pace, away = IBounded(self.records.pages), Pace(self.clock, PACE), self._away()
        homes = {home.label: home for home in self.proxies() if home.label not in away}
        pinned = {pin.name for pin in await self.records.pins.pins()}
        after = (-1.0, "", "")
        while gone.bytes < excess and (some := await pages.oldest(sorted(homes), after, AT_ONCE)):
            after = (some[-1].fetched, some[-1].label, some[-1].name)
            for kept in some:
                if gone.bytes >= excess or kept.fetched > self.clock.seconds() - YOUNG:
                    return gone
                await pace.spend(1)
                home = homes[kept.label]
                companions = None if kept.name in pinned else await self._of_no_use(home, kept.name)
                if companions is None:
                    gone.kept += 1
                elif size := await pages.let_go(kept):
                    gone.files += 1
                    gone.bytes += size
                    await self._clear(home, companions)
        return gone

    async def weigh(self) -> Mapping[str, int]:
        """
        How many bytes there are of what is never evicted, by `Role.value`, as far as the records say how large they are.

        :raises PypidaemonError: the records cannot be read.
        """
        pace = Pace(self.clock, WEIGHED)
        found = dict.fromkeys(("private", "mirrored"), 0)
        ours: set[Digest] = set()
        for home in self.holdings.homes:
            async for named in attrs.evolve(home, remembers=False).named():
                await pace.spend(1)
                if named.role in (Role.MIRRORED, Role.LEAVING):
                    found["mirrored"] += named.size or 0
                elif named.digest not in ours:
                    ours.add(named.digest)
                    found["private"] += named.size or 0
        return found

    async def remove(self, name: NormalizedName, version: str | None) -> Removed:
        """
        Take away the files of that project, or of one release of it, whether pinned or not.

        :raises PypidaemonError: others keep things in the same stores, or the records cannot be read or written.
        """
        if self.holdings.strangers:
            raise PypidaemonError(
                f"what nobody else needs cannot be told, since others keep things there: {' '.join(self.holdings.strangers)}"
            )
        await self.survey_of(name)
        gone = Removed()
        awaited = await self._awaited()
        for use in await self.records.uses.listed(name):
            if version is None or _version(use) == same_version(version):
                await self._take(use, (), awaited, MOMENT, gone)
        return gone

    async def survey_of(self, name: NormalizedName) -> None:
        """As `survey`, of one project."""
        for home in self.proxies():
            found = {
                named.digest: Use(named.digest, home.label, name, named.file.filename, named.size or 0, 0.0)
                async for named in home.cached([name])
                if named.companion is Companion.FILE and named.role is Role.CACHED
            }
            await self._note(home, found)

    def _away(self) -> frozenset[str]:
        """The proxies whose upstream does not answer now: what is taken of theirs could not be fetched again, and nothing new of theirs comes anyway."""
        return frozenset(home.label for home in self.proxies() if _is_away(home))

    async def _of_no_use(self, home: Home, name: NormalizedName) -> list[Digest] | None:
        """
        What belongs to files of that project, where none of them is here, was taken ahead, or is listed no longer so that its page is ours; else None.

        Who resolves takes many `.metadata` documents and few files: without these nothing can be installed of it.
        """
        if await self.records.withdrawn.withdrawn(home.label, name) or await self.records.mirrors.page(home.label, name) is not None:
            return None
        files: set[Digest] = set()
        others: list[Digest] = []
        async for named in home.cached([name]):
            if named.companion is Companion.FILE:
                files.add(named.digest)
            else:
                others.append(named.digest)
        return None if await holding(home.blobs, files) else others

    async def _clear(self, home: Home, companions: Collection[Digest]) -> None:
        """Take away what belongs to files that nothing tells of any more."""
        if self.holdings.strangers or not ITended.providedBy(home.blobs):
            return
        for digest in await holding(home.blobs, companions):
            if not await self.holdings.recorded(digest):
                await home.blobs.clear(digest, self.clock.seconds() - YOUNG)

    async def _note(self, home: Home, uses: dict[Digest, Use]) -> None:
        """Those of them that are here are held; where it is noted already when one was used, that stays."""
        held = await holding(home.blobs, uses) if uses else frozenset()
        for digest in held:
            use = uses[digest]
            if not use.size:
                content = await home.blobs.open(digest)
                use = attrs.evolve(use, size=content.size or 0)
                content.close()
            await self.records.uses.note(use)
        # So that no more of them wait to be written down than may.
        await self.records.uses.weight()

    async def _take(self, use: Use, pinned: Collection[Pin], awaited: frozenset[Digest], young: float, gone: Removed) -> None:
        home = next((home for home in self.proxies() if home.label == use.label), None)
        if home is None or is_pinned(use, pinned) or use.digest in awaited or not ITended.providedBy(home.blobs):
            gone.kept += 1
            return
        # Another proxy may have last been asked for it than the one whose upstream has it no longer.
        for label in (one.label for one in self.proxies()):
            if use.filename in await self.records.withdrawn.withdrawn(label, use.name) or await self._is_replaced(label, use):
                gone.kept += 1
                return
        await self.records.uses.forget([use.digest])
        if await self.holdings.recorded(use.digest):
            # It is a matter of the cache no longer.
            gone.kept += 1
        elif await home.blobs.clear(use.digest, self.clock.seconds() - young):
            gone.files += 1
            gone.bytes += use.size
            self.announce(use.name)
        elif await holding(home.blobs, [use.digest]):
            await self.records.uses.note(use)
            gone.kept += 1

    async def _is_replaced(self, label: str, use: Use) -> bool:
        """Whether that index's upstream has other bytes for it by now, so that these are nowhere else (S28)."""
        facts = await self.records.facts.known(label, use.name)
        if use.filename not in facts or facts[use.filename].digest != use.digest:
            return False
        # Behind a name that none can have before it, the first is that file itself where it is noted.
        found = await self.records.facts.replaced((label, use.name, use.filename[:-1]), 100)
        return any((one.label, one.name, one.filename) == (label, use.name, use.filename) for one in found)

    async def _awaited(self) -> frozenset[Digest]:
        return frozenset([digest for home in self.holdings.homes async for digest in home.awaited()])


def _is_away(home: Home) -> bool:
    return home.source is not None and home.source.upstream.health.state in ("down", "probing", "offline")


def is_pinned(use: Use, pinned: Iterable[Pin]) -> bool:
    """Whether a pin keeps that file."""
    return any(pin.name == use.name and pin.version in ("", _version(use)) for pin in pinned)


def _version(use: Use) -> str:
    return same_version(version_of(use.filename, use.name) or "")
