"""
What a search may say to whoever asks: what was found in the search index, held against what the index that is asked shows now.

The index of names is a little behind, and knows neither rights nor policies. So of each project that is to be named it is looked up whether it is shown, and
of what it says of itself only what a release says that is.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.filenames import version_of
from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IAccount
from pypidaemon.judging import Rules
from pypidaemon.leaves import Leaf, bare, leaves, local_page
from pypidaemon.model import InThread, NormalizedName, ProjectPage
from pypidaemon.searching.cards import KNOWN, Found, Place
from pypidaemon.searching.gathering import place
from pypidaemon.searching.index import SearchIndex
from pypidaemon.searching.words import SAID, Question
from pypidaemon.shelf import Shelf
from pypidaemon.simple.legacy import newest
from pypidaemon.versions import same_version
from pypidaemon.web.finding import Finder
from pypidaemon.web.shown import Shown

MOST = 40
"""Projects in one answer."""

LIFETIME = 600.0
"""Seconds after which it is looked up anew what is shown of a project, though nothing was announced and no policy goes by the time."""

_REMEMBERED = 20_000


@attrs.frozen
class Hit:
    """
    A project that may be named.

    :param title: as its author spells it, or its name.
    :param version: the release that stands for it; "" where none is known here.
    :param kind: as that of a `Place`.
    """

    name: NormalizedName
    title: str
    version: str
    summary: str
    label: str
    kind: int


@attrs.frozen
class _Seen:
    """What is shown of a project: the version that stands for it, and all of them; `until` is when to look again."""

    version: str
    versions: frozenset[str]
    until: float


@attrs.define
class Seeker:
    """
    Searches. Nobody is asked for anything but the stores.

    :param reserved: patterns of names of which nothing that an upstream says counts.
    """

    index: SearchIndex
    finder: Finder
    reserved: tuple[str, ...]
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    _seen: Shelf[NormalizedName, dict[tuple[str, str], _Seen]] = attrs.field(factory=lambda: Shelf(_REMEMBERED), init=False)
    """By the project, since that is what is announced, and then by the index asked and the one that has it."""
    _age: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self.forget)

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`."""
        self._age += 1
        if name is None:
            self._seen.drop_where(lambda _: True)
        else:
            self._seen.drop(name)

    async def seek(self, account: IAccount, shown: Shown, question: Question, most: int = MOST) -> list[Hit]:
        """
        The best projects below that index that the account may list and read, best first.

        :raises NoSuchFile: it is asked for the past, which is not searched.
        :raises PypidaemonError: the search index cannot be read.
        """
        if shown.view:
            raise NoSuchFile("search")
        places = searched(shown)

        def may_see(label: str, name: NormalizedName) -> bool:
            return account.may("list", label, name) and account.may("read", label, name)

        hits: list[Hit] = []
        for found in await self.index.find(question, [its for its, _ in places], may_see):
            leaf = next(leaf for its, leaf in places if its == found.place)
            hit = await self._hit(shown.label, leaf, found, question)
            if hit is not None:
                hits.append(hit)
                if len(hits) == most:
                    break
        return hits

    async def _hit(self, asked: str, leaf: Leaf, found: Found, question: Question) -> Hit | None:
        if found.place.kind == KNOWN and not self._offers(leaf, found.name):
            return None
        said = found.described
        if said is None or (found.place.kind == KNOWN and not said.version):
            # Of most that a proxy knows no more than the name is here that a search could show.
            return Hit(found.name, found.name, "", "", found.place.label, found.place.kind)
        seen = await self._look(asked, leaf, found)
        if seen is None:
            return None
        # What a release says that is not shown is not said, and what was found by that alone was not found.
        told = same_version(said.version) in seen.versions if said.version else False
        if not told and found.rank == SAID:
            return None
        title = said.title if told and said.title else found.name
        return Hit(found.name, title, seen.version, said.summary if told else "", found.place.label, found.place.kind)

    def _offers(self, leaf: Leaf, name: NormalizedName) -> bool:
        """Whether a proxy can be taken to offer that project, as far as its name tells."""
        if self.reserved and matches_any(name, self.reserved) is not None:
            return False
        return leaf.plain and Rules(leaf.policies).on_project(name, self.clock.seconds()) is None

    async def _look(self, asked: str, leaf: Leaf, found: Found) -> _Seen | None:
        key = (asked, found.place.label)
        known = self._seen.get(found.name) or {}
        seen = known.get(key)
        now = self.clock.seconds()
        if seen is None or now >= seen.until:
            age = self._age
            try:
                page = await (self.finder.known_page(leaf, found.name) if found.place.kind == KNOWN else local_page(leaf, found.name))
            except PypidaemonError:
                page = None
            seen = await self._summed(page, now)
            if age == self._age:
                self._seen.put(found.name, {**known, key: seen}, 1 + len(known))
        return seen if seen.version else None

    async def _summed(self, page: ProjectPage | None, now: float) -> _Seen:
        if page is None or page.status.marker == "quarantined":
            return _Seen("", frozenset(), now + LIFETIME)
        version, versions = await self.cpu(_versions, page)
        return _Seen(version, versions, min(now + LIFETIME, page.turns or now + LIFETIME, page.fresh_until or now + LIFETIME))


def searched(shown: Shown) -> Sequence[tuple[Place, Leaf]]:
    """The leaves below an index that can be searched, each once, in the order in which they answer."""
    found: dict[str, tuple[Place, Leaf]] = {}
    for leaf in leaves(shown.index):
        its = place(bare(leaf.index))
        if its is not None:
            found.setdefault(its.label, (its, leaf))
    return list(found.values())


def _versions(page: ProjectPage) -> tuple[str, frozenset[str]]:
    found = newest(page)
    spelled = (version_of(file.filename, page.name) for file in page.files)
    return ("" if found is None else found[0]), frozenset(same_version(version) for version in spelled if version is not None)
