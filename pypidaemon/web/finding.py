"""Search among the packages whose home is here and the projects that were ever asked for here (R149)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import Refused
from pypidaemon.interfaces import IAccount, IDependent, IIndex, IKnowing, IRecords
from pypidaemon.judging import Rules
from pypidaemon.leaves import Leaf, leaves, local_page, locals_below
from pypidaemon.model import Fact, File, Filename, InThread, Knowledge, NormalizedName, ProjectPage, UpstreamPage
from pypidaemon.shelf import Shelf
from pypidaemon.showing import changed, show
from pypidaemon.simple.core_metadata import read_metadata
from pypidaemon.simple.legacy import newest
from pypidaemon.simple.reading import covering
from pypidaemon.web.legacy import metadata_of

MOST = 100
"""Projects in one answer."""
MOST_EXAMINED = 5000
"""Projects whose summary is looked at for one search."""
_MOST_READ = 500
"""Metadata documents that are read for one search; those read before are remembered."""
_LONGEST = 500


@attrs.frozen
class Hit:
    """A project that was found; `version` is the one that stands for it."""

    name: NormalizedName
    version: str
    summary: str


@attrs.frozen
class Query:
    """
    What is looked for: terms by field, of `name` and `summary`, in lower case.

    :param every: whether each field that is given has to match; else one is enough. Of a field's terms one is always enough.
    """

    terms: Mapping[str, tuple[str, ...]]
    every: bool

    def of_name(self, name: NormalizedName) -> bool:
        """Whether the name matches, spelled in any way."""
        return any(term.replace("_", "-").replace(".", "-") in name for term in self.terms.get("name", ()))

    def of_summary(self, summary: str) -> bool:
        """Whether the summary matches."""
        return any(term in summary.lower() for term in self.terms.get("summary", ()))

    def needs_summary(self, named: bool) -> bool:
        """Whether the summary decides, for a project whose name matches or does not."""
        return "summary" in self.terms and (named if self.every and "name" in self.terms else not named)

    def rank(self, name: NormalizedName) -> tuple[int, str]:
        """The order of hits: names that are a term, that begin with one, that hold one, and all others."""
        terms = [term.replace("_", "-").replace(".", "-") for term in self.terms.get("name", ())]
        if name in terms:
            return 0, name
        if any(name.startswith(term) for term in terms):
            return 1, name
        return (2 if self.of_name(name) else 3), name


@attrs.define
class Finder:
    """Searches by looking through names and summaries. Nothing is asked of any upstream."""

    records: IRecords
    clock: IReactorTime
    cpu: InThread
    _summaries: Shelf[str, str] = attrs.field(factory=lambda: Shelf(4 << 20), init=False)

    async def search(self, index: IIndex, account: IAccount, query: Query) -> list[Hit]:
        """
        The best `MOST` hits below that index that the account may list and read, best first.

        :raises PypidaemonError: an index cannot be read.
        """
        taken: set[NormalizedName] = set()
        hits: list[Hit] = []
        for leaf in locals_below(index):
            hits += await self._among_ours(leaf, account, query, taken)
        for leaf in leaves(index):
            if IKnowing.providedBy(leaf.index) and leaf.plain:
                hits += await self._among_known(leaf, account, query, taken)
        hits.sort(key=lambda hit: query.rank(hit.name))
        return hits[:MOST]

    async def _among_ours(self, leaf: Leaf, account: IAccount, query: Query, taken: set[NormalizedName]) -> list[Hit]:
        label = leaf.index.label
        names = [name for name, _ in (await leaf.index.project_names()).entries() if name not in taken]
        taken.update(names)
        seen = [name for name in names if account.may("list", label, name) and account.may("read", label, name)]
        hits: list[Hit] = []
        room = [_MOST_READ]
        for name in sorted(seen, key=query.rank)[:MOST_EXAMINED]:
            named = query.of_name(name)
            if not named and not query.needs_summary(named):
                continue
            try:
                page = await local_page(leaf, name)
            except Refused:
                continue
            hit = await self._hit(leaf, page, room) if page is not None else None
            if hit is not None and (not query.needs_summary(named) or query.of_summary(hit.summary)):
                hits.append(hit)
                if len(hits) == MOST:
                    break
        return hits

    async def _hit(self, leaf: Leaf, page: ProjectPage, room: list[int]) -> Hit | None:
        found = await self.cpu(newest, page)
        if found is None:
            return None
        version, files = found
        digest = next((file.core_metadata for file in files if file.core_metadata), None)
        summary = self._summaries.get(digest) if digest is not None else ""
        if digest is not None and summary is None:
            if not room[0]:
                return Hit(page.name, version, "")
            room[0] -= 1
            document, complete = await metadata_of(leaf.view, page, files)
            said = (await self.cpu(read_metadata, document or b"")).get("summary")
            summary = said[:_LONGEST] if isinstance(said, str) else ""
            if complete:
                self._summaries.put(digest, summary, 200 + len(summary))
        return Hit(page.name, version, summary or "")

    async def _among_known(self, leaf: Leaf, account: IAccount, query: Query, taken: set[NormalizedName]) -> list[Hit]:
        """Of what a proxy remembers: by name alone, since nobody here has read what these projects say of themselves."""
        if query.every and "summary" in query.terms:
            return []
        label = leaf.index.label
        numbers = await self.records.ledger.serials(label)
        named = await self.cpu(_matching, query, numbers)
        hits: list[Hit] = []
        for name in named:
            if name in taken or not (account.may("list", label, name) and account.may("read", label, name)):
                continue
            hit = await self._remembered(leaf, name)
            if hit is not None:
                taken.add(name)
                hits.append(hit)
                if len(hits) == MOST:
                    break
        return hits

    async def _remembered(self, leaf: Leaf, name: NormalizedName) -> Hit | None:
        page = await self.known_page(leaf, name)
        found = await self.cpu(newest, page) if page is not None else None
        return Hit(name, found[0], "") if found is not None else None

    async def known_page(self, leaf: Leaf, name: NormalizedName) -> ProjectPage | None:
        """
        What that leaf, which is a proxy, would show of a project by what is remembered of it; None where it shows nothing, or that cannot be known.

        Nobody is asked for anything.
        """
        now = self.clock.seconds()
        # It also says no of a reserved name, whatever was remembered of it before (law 3).
        if not IKnowing.providedBy(leaf.index) or not await leaf.index.knows(name):
            return None
        rules = Rules(leaf.policies)
        if rules.on_project(name, now) is not None:
            return None
        remembered = await self.records.pages.recall(leaf.index.label, name)
        if remembered is None or remembered.page is None or remembered.page.status.marker == "quarantined":
            return None
        # With what was found out about the files here, as the page would have it.
        facts = await self.records.facts.known(leaf.index.label, name)
        said = attrs.evolve(remembered.page, files=await self._not_withheld(leaf, remembered.page, facts))
        whole = await self.cpu(show, leaf.index.label, said, facts)
        known: dict[Filename, File] = {}
        for knowledge, files in (await self.cpu(rules.wanted, whole, now)).items() if rules.informed else ():
            informant = leaf.informants.get(knowledge) if knowledge is Knowledge.METADATA else None
            if informant is None:
                # Somebody would have to be asked what the rules want to know, and without it what they hide might be shown.
                return None
            known.update(await informant.inform(leaf.view, name, files))
        judgement = await self.cpu(rules.judge, whole, now, known)
        return ProjectPage(name, judgement.shown, covering(name, (), judgement.shown), source=leaf.index.label, turns=judgement.turns)

    async def _not_withheld(self, leaf: Leaf, page: UpstreamPage, facts: Mapping[Filename, Fact]) -> tuple[File, ...]:
        """The files without those of which upstream has other bytes by now, and whose first ones are not here (F26)."""
        if not any(fact.digest is not None for fact in facts.values()):
            return page.files
        firsts = {filename: digest for filename in await self.cpu(changed, page, facts) if (digest := facts[filename].digest) is not None}
        here = await IDependent(leaf.index).holding([*firsts.values()]) if firsts and IDependent.providedBy(leaf.index) else frozenset()
        withheld = {filename for filename, digest in firsts.items() if digest not in here}
        return tuple(file for file in page.files if file.filename not in withheld)


def _matching(query: Query, names: Iterable[NormalizedName]) -> Sequence[NormalizedName]:
    return sorted((name for name in names if query.of_name(name)), key=query.rank)[: 5 * MOST]
