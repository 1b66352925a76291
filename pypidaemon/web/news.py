"""
What has come lately, for feeds: of each leaf below an index the projects that changed last, and of these the releases with their upload times.

Nothing is asked of any upstream. What was read of a project is kept until it is announced, so a feed is not gathered anew for each request.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IAccount, IHostedIndex
from pypidaemon.leaves import Leaf, bare, local_page
from pypidaemon.model import Change, InThread, NormalizedName, ProjectPage
from pypidaemon.moments import uploaded
from pypidaemon.searching.cards import KNOWN, OWN, Place
from pypidaemon.serials import highest
from pypidaemon.shelf import Shelf
from pypidaemon.versions import same_version
from pypidaemon.web.finding import Finder
from pypidaemon.web.seeking import searched
from pypidaemon.web.shown import Shown

MOST_LOOKED_AT = 200
"""Projects of each leaf that are looked at."""

LIFETIME = 60.0
"""Seconds for which that is kept at most: policies may go by the time."""

_WINDOWS = (1_000, 100_000, 10_000_000, 1 << 62)
"""How far back in the serials changes are looked for; those that an upstream gave have great gaps."""

_REMEMBERED = 200_000


@attrs.frozen
class Release:
    """A release that came: `time` is that of its first file, and `first` whether nothing of the project is older. Both times are in seconds since the epoch."""

    name: NormalizedName
    version: str
    label: str
    time: float
    first: bool = False


@attrs.define
class News:
    """Gathers and remembers it, for all who ask."""

    finder: Finder
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    _kept: Shelf[NormalizedName, dict[tuple[str, str], tuple[float, tuple[Release, ...]]]] = attrs.field(
        factory=lambda: Shelf(_REMEMBERED), init=False
    )
    """By the project, since that is what is announced, and then by the index asked and the one that has it."""
    _age: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self.forget)

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`."""
        self._age += 1
        if name is None:
            self._kept.drop_where(lambda _: True)
        else:
            self._kept.drop(name)

    async def lately(self, account: IAccount, shown: Shown) -> list[Release]:
        """
        The releases of the projects that changed last, newest first, as far as the account may list and read them.

        :raises PypidaemonError: an index cannot be read; a feed without its releases would tell readers that they are gone.
        """
        places = searched(shown)
        found: list[Release] = []
        taken: set[NormalizedName] = set()
        for its, leaf in sorted(places, key=lambda one: one[0].kind != OWN):
            for name in await self._changed(leaf):
                if name not in taken and not await self._is_anothers(its, places, name) and _may_see(account, its.label, name):
                    taken.add(name)
                    found += await self._releases(shown.label, its, leaf, name)
        return sorted(found, key=lambda one: (-one.time, one.name, one.version))

    async def of(self, account: IAccount, shown: Shown, name: NormalizedName) -> list[Release] | None:
        """The releases of one project, newest first; None where the account sees none."""
        places = searched(shown)
        for its, leaf in sorted(places, key=lambda one: one[0].kind != OWN):
            if _may_see(account, its.label, name) and not await self._is_anothers(its, places, name):
                found = await self._releases(shown.label, its, leaf, name)
                if found:
                    return sorted(found, key=lambda one: (-one.time, one.version))
        return None

    async def _is_anothers(self, its: Place, places: Sequence[tuple[Place, Leaf]], name: NormalizedName) -> bool:
        """Whether an index of ours has the project, whose it then is alone: of those that come before, where this is one itself."""
        for other, leaf in places:
            if other == its and its.kind == OWN:
                return False
            if other.kind == OWN and await _has(leaf, name):
                return True
        return False

    async def _changed(self, leaf: Leaf) -> list[NormalizedName]:
        """The projects that changed last, the last one first."""
        index = bare(leaf.index)
        rows: list[Change] = []
        high = await highest(self.finder.records, index)
        for window in _WINDOWS:
            rows = await index.changes(max(high - window, 0))
            if len(rows) >= MOST_LOOKED_AT or window >= high:
                break
        return list(dict.fromkeys(row.name for row in reversed(rows)))[:MOST_LOOKED_AT]

    async def _releases(self, asked: str, its: Place, leaf: Leaf, name: NormalizedName) -> tuple[Release, ...]:
        key = (asked, its.label)
        known = self._kept.get(name) or {}
        kept = known.get(key)
        now = self.clock.seconds()
        if kept is not None and kept[0] > now:
            return kept[1]
        age = self._age
        try:
            page = await (self.finder.known_page(leaf, name) if its.kind == KNOWN else local_page(leaf, name))
        except PypidaemonError:
            # A rule hides it as a whole, or it cannot be read just now.
            page = None
        found = await self.cpu(_read, page, its.label) if page is not None else ()
        if age == self._age:
            until = (
                min((moment for moment in (page.turns, page.fresh_until) if moment), default=now + LIFETIME) if page is not None else now
            )
            known = {**known, key: (min(until, now + LIFETIME), found)}
            self._kept.put(name, known, sum(1 + len(releases) for _, releases in known.values()))
        return found


def _may_see(account: IAccount, label: str, name: NormalizedName) -> bool:
    return account.may("list", label, name) and account.may("read", label, name)


async def _has(leaf: Leaf, name: NormalizedName) -> bool:
    index = bare(leaf.index)
    try:
        return await index.has(name) if IHostedIndex.providedBy(index) else await local_page(leaf, name) is not None
    except PypidaemonError:
        return True


def _read(page: ProjectPage, label: str) -> tuple[Release, ...]:
    """The releases of a page whose files say when they came."""
    firsts: dict[str, tuple[float, str]] = {}
    for file in page.files:
        time, version = uploaded(file), version_of(file.filename, page.name)
        if time is not None and version is not None:
            key = same_version(version)
            firsts[key] = min(firsts.get(key, (time, version)), (time, version))
    oldest = min((time for time, _ in firsts.values()), default=0.0)
    return tuple(Release(page.name, version, label, time, time == oldest) for time, version in firsts.values())
