"""An index as rules leave it: asked, judged, and remembered until index, rules or clock change."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import NoSuchFile, Refused
from pypidaemon.interfaces import IAgeing, IContent, IIndex, IInformant
from pypidaemon.judging import NOTHING_KNOWN, Judgement, Refusal, Rules, left_by, sooner
from pypidaemon.model import Companion, Digest, File, Filename, InThread, Knowledge, Listed, NormalizedName, ProjectPage
from pypidaemon.opening import opened, with_digest
from pypidaemon.shelf import Shelf

_REMEMBERED = 100_000
"""Files on the pages that are remembered as judged."""


@attrs.frozen
class Seen:
    """
    A page as it was judged: `inner` is the page itself, `page` what is left of it, with its serial, freshness and staleness still those of `inner`.

    :param judged: when, seconds since the epoch.
    :param ages: those of the informants before they were asked; None where it is not known whether they would say the same again.
    """

    inner: ProjectPage
    page: ProjectPage
    judgement: Judgement
    rules: str
    judged: float
    ages: tuple[Hashable, ...] | None = ()


@attrs.define
class View:
    """
    What is seen of an index through rules (law 2): a file that they hide is on no page and is opened by no question.

    :param informants: who finds out what policies want to know besides what a page says.
    """

    index: IIndex
    rules: Rules
    clock: IReactorTime
    cpu: InThread
    informants: Mapping[Knowledge, IInformant]
    _seen: Shelf[NormalizedName, Seen] = attrs.field(factory=lambda: Shelf(_REMEMBERED), init=False)

    async def see(self, name: NormalizedName) -> Seen:
        """
        The project's page as judged now.

        :raises Refused: the whole project is hidden; the index was not asked.
        :raises PypidaemonError: as `IIndex.project_page`.
        """
        self.check(name)
        inner = await self.index.project_page(name)
        now, rules = self.clock.seconds(), self.rules.revision
        seen = self._seen.get(name)
        ages = self._ages(name)
        if seen is None or seen.rules != rules or seen.ages != ages or not _holds(seen, inner, now):
            judgement, known = await self.judge(inner, now)
            many = self.rules.slow(len(inner.files))
            page = await self.cpu(left_by, inner, judgement) if many else left_by(inner, judgement)
            seen = Seen(inner, page, judgement, rules, now, ages)
            if ages is not None and all(file.attested is None or file.attested.lasting for file in known.values()):
                self._seen.put(name, seen, len(inner.files) + 10)
        turns = sooner(inner.turns, seen.judgement.turns)
        page = attrs.evolve(seen.page, serial=inner.serial, fresh_until=inner.fresh_until, stale=inner.stale, turns=turns)
        return attrs.evolve(seen, inner=inner, page=page)

    async def find(self, name: NormalizedName, filename: Filename) -> Listed:
        """
        The entry of that file, judged by itself where that is enough.

        :raises Refused: it is hidden, and why.
        :raises PypidaemonError: as `IIndex.find`.
        """
        return await self._found(name, filename, None)

    async def _found(self, name: NormalizedName, filename: Filename, digest: Digest | None) -> Listed:
        """As `find`, judged with that sha256 where the entry has none."""
        self.check(name)
        listed = await self.index.find(name, filename)
        refusal, turns = None, listed.turns
        if self.rules.by_page:
            seen = await self.see(name)
            refusal, turns = seen.judgement.hidden.get(filename), seen.page.turns
            if refusal is None and seen.page.file(filename) is None:
                raise NoSuchFile(filename)
        if refusal is None and (self.rules.informed or not self.rules.by_page or digest is not None):
            # Pages show some files of which not all is known yet (`ISamplingPolicy`), so each is judged by itself too.
            now = self.clock.seconds()
            file = with_digest(listed.file, digest)
            file = (await self._known(name, file, now)).get(filename, file)
            slow = self.rules.slow(1)
            refusal = await self.cpu(self.rules.on_file, name, file, now) if slow else self.rules.on_file(name, file, now)
            turns = sooner(turns, self.rules.turns(name, file, now))
        if refusal is not None:
            raise refused(refusal)
        return attrs.evolve(listed, turns=turns)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> IContent:
        """As `IIndex`: only what can be found here, and those very bytes."""
        # Of a companion nothing is judged, so of that it is enough that it still belongs to the same file.
        again = partial(self._found, name, filename) if companion is Companion.FILE else lambda _: self.index.find(name, filename)
        _, content = await opened(self.index, companion, partial(self.find, name, filename), again)
        return content

    def check(self, name: NormalizedName) -> None:
        """
        :raises Refused: the whole project is hidden.
        """
        refusal = self.rules.on_project(name, self.clock.seconds())
        if refusal is not None:
            raise refused(refusal)

    async def judge(self, inner: ProjectPage, now: float) -> tuple[Judgement, Mapping[Filename, File]]:
        """
        What the rules make of that page, and what was found out for it besides what the page says: `NOTHING_KNOWN` itself where nobody wanted to know.
        """
        # Whoever remembers it does so by what the rules are now, whatever is ordered, and taken back, before this ends.
        rules = self.rules.frozen()
        many = rules.slow(len(inner.files))
        known: Mapping[Filename, File] = NOTHING_KNOWN
        if rules.informed:
            wanted = await self.cpu(rules.wanted, inner, now) if many else rules.wanted(inner, now)
            known = await self._found_out(inner.name, wanted) if wanted else NOTHING_KNOWN
        if many:
            return await self.cpu(rules.judge, inner, now, known), known
        return rules.judge(inner, now, known), known

    def _ages(self, name: NormalizedName) -> tuple[Hashable, ...] | None:
        """How old what the informants know of that project is; None where one of them cannot tell."""
        if not self.rules.informed:
            return ()
        ageing = [IAgeing(one) for one in self.informants.values() if IAgeing.providedBy(one)]
        return tuple([one.age(name) for one in ageing]) if len(ageing) == len(self.informants) else None

    async def _known(self, name: NormalizedName, file: File, now: float) -> dict[Filename, File]:
        """That file with what the rules want to know of it, as far as there is anything and it can be found out."""
        return await self._found_out(name, dict.fromkeys(self.rules.wants(name, file, now), (file,)))

    async def _found_out(self, name: NormalizedName, wanted: Mapping[Knowledge, Sequence[File]]) -> dict[Filename, File]:
        """Those of the files of which something could be found out, each with all of it."""
        known: dict[Filename, File] = {}
        for knowledge, concerned in wanted.items():
            informant = self.informants.get(knowledge)
            if informant is not None:
                current = [known.get(file.filename, file) for file in concerned]
                known.update(await informant.inform(self.index, name, current))
        return known


def refused(refusal: Refusal) -> Refused:
    """The error that a refusal is."""
    return Refused(refusal.rule, refusal.reason)


def _holds(seen: Seen, inner: ProjectPage, now: float) -> bool:
    """Whether that page judged now would come out as it did. A clock that was put back makes a judgement one of the future."""
    turns = seen.judgement.turns
    same = seen.inner.revision == inner.revision and seen.inner.source == inner.source
    return same and seen.judged <= now and (turns is None or now < turns)
