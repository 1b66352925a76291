"""What of upstream is to be here: which projects, and which files of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.closure import Needs
from pypidaemon.errors import PypidaemonError
from pypidaemon.globs import matches_any
from pypidaemon.indexes.policed.view import View
from pypidaemon.interfaces import IFillable, IIndex, IInformant, IPolicy, IReadying, IRecords
from pypidaemon.judging import Judgement, Rules
from pypidaemon.model import InThread, Knowledge, NormalizedName, ProjectList, ProjectPage
from pypidaemon.plans import Limit, Selection, Verdict, chosen_by, drops
from pypidaemon.policies.requirement_files import Named
from pypidaemon.policies.requirements import Requirements
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.services.mirroring.ahead import fetching
from pypidaemon.settings import Lines

REQUIREMENTS = "requirements"
"""What the rule is called by which only what requirements files name is taken of a project."""

_PART = 10_000
"""Names of what is here that are read at once."""

_SAMPLE, _FETCHES = 20, 1_000
"""Projects by which it is found out how far back the history of fetches goes, and fetches of each."""


@attrs.frozen
class Choice:
    """
    What one run chooses, fixed when it begins.

    A project that only requirements files and lock files name is taken as far as they name it: versions that fit, and where they give hashes these files
    alone (M21). Of all others everything is taken. Policies then leave out what they refuse.

    :param broad: the projects that are taken for another reason than that.
    :param whole: the rules for those.
    :param narrow: the rules for what is named only.
    :param base: what the owner chose; `selection` is more where dependencies are followed.
    :param scope: tells apart for which environments dependencies are followed; empty where they are not.
    :param needs: what of the projects that are named, or needed, is wanted; None where dependencies are not followed.
    :param by: as `plans.chosen_by` says it.
    :param brief: as in `plans.drops`.
    :param private: the projects of local indexes, about which upstream is not asked because something names or needs them (P15).
    :param reserved: globs on the names about which it is not asked at all.
    """

    selection: Selection
    broad: Selection
    named: Named | None
    whole: View
    narrow: View
    clock: IReactorTime
    base: Selection
    scope: str = ""
    needs: Needs | None = None
    by: str = ""
    brief: bool = False
    private: frozenset[NormalizedName] = frozenset()
    reserved: tuple[str, ...] = ()

    def is_reserved(self, name: NormalizedName) -> bool:
        """Whether nobody is ever asked about that project, whoever has one of that name (law 3)."""
        return matches_any(name, self.reserved) is not None

    def along(self, needs: Needs) -> Choice:
        """The same with what is needed for it."""
        return attrs.evolve(self, selection=attrs.evolve(self.base, names=self.base.names | needs.names), needs=needs)

    @property
    def revision(self) -> str:
        """
        Changes whenever other projects may be chosen, or other files.

        These are four words, of which the second is for the policies, the third for requirements, and the fourth is `by`.
        """
        named = self.named.digest if self.named is not None else "-"
        return f"{self.base.revision} {self.whole.rules.revision}{self.scope} {named} {self.by}"

    def may_drop(self, count: int, held: int, limit: Limit, before: str) -> Verdict:
        """Whether so many projects may go that were chosen under the revision before, and are not now."""
        return drops(count, held, limit, before.split()[3] if before.count(" ") == 3 else "", self.by, self.brief)

    def dropped(self, before: str) -> str:
        """The revision that is on record once what was chosen by another configuration has gone, and the rest is still to be done."""
        return " ".join([*before.split()[:3], self.by]) if before.count(" ") == 3 else before

    @property
    def left_out(self) -> list[NormalizedName]:
        """The projects that requirements name and upstream is not asked about, since they are `private`."""
        wanted = self.named.wanted if self.named is not None else {}
        return sorted(name for name in self.private if name in wanted and not self.broad.chooses(name))

    @property
    def by_pattern(self) -> bool:
        """Whether upstream's list has to be known to say which projects are chosen."""
        return self.base.everything or bool(self.base.patterns)

    def chooses(self, name: NormalizedName) -> bool:
        """Whether that project is to be here. Pure, and called on threads."""
        if name in self.private and not self.broad.chooses(name):
            return False
        return self.selection.chooses(name) and self.whole.rules.on_project(name, self.clock.seconds()) is None

    def judges_anew(self, before: str) -> Callable[[NormalizedName], bool]:
        """Whether of a project other files may be chosen than under the revision before. It is asked of each project there is, so it is quick."""
        old, new = before.split(), self.revision.split()
        if len(old) != len(new) or old[1] != new[1]:
            every = bool(before)
            return lambda _: every
        named = self.named.wanted if self.named is not None and old[2] != new[2] else {}
        return named.__contains__

    async def judge(self, page: ProjectPage) -> Judgement:
        """
        What of that page is chosen.

        :raises PypidaemonError: what a policy has to know cannot be read.
        """
        named = self.named is not None and page.name in self.named.wanted and not self.broad.chooses(page.name)
        view = self.narrow if named else self.whole
        judgement = (await view.judge(page, self.clock.seconds()))[0]
        if self.needs is None or self.broad.chooses(page.name):
            return judgement
        shown = await view.cpu(self.needs.chosen, page.name, judgement.shown)
        return attrs.evolve(judgement, shown=tuple(shown))


@attrs.define
class Chooser:
    """
    What the owner of a mirror chose, as the configuration says it.

    :param projects: patterns of names, or names.
    :param requirements: requirements files and lock files, which are read again for each run.
    :param asked: how far back what clients took counts as chosen, in seconds; 0 is not at all.
    :param scope: as in `Choice`.
    :param local_indexes: those whose truth is here, whose names are nobody else's business.
    :param reserved: as in `Choice`.
    """

    projects: tuple[str, ...]
    exclude: tuple[str, ...]
    requirements: Sequence[object]
    asked: float
    policies: tuple[IPolicy, ...]
    index: IFillable
    records: IRecords
    clock: IReactorTime
    cpu: InThread
    disk: InThread
    informants: Mapping[Knowledge, IInformant]
    scope: str = ""
    local_indexes: Mapping[str, IIndex] = MappingProxyType({})
    reserved: tuple[str, ...] = ()

    async def choose(self) -> Choice:
        """
        The choice as it is now.

        :raises PypidaemonError: a requirements file cannot be read, or what clients took, or a policy does not know its rules.
        """
        for policy in self.policies:
            if IReadying.providedBy(policy):
                await policy.ready()
        named = await self._named()
        asked, brief = await self._asked() if self.asked else (frozenset[NormalizedName](), False)
        exact = frozenset(NormalizedName(one) for one in self.projects if not set(one) & set("*?["))
        patterns = tuple(one for one in self.projects if set(one) & set("*?[") and one != "*")
        everything = "*" in self.projects
        broad = Selection(patterns, self.exclude, exact | asked, everything)
        wanted = frozenset(named.wanted) if named is not None else frozenset()
        private = await self._private(wanted) if named is not None or self.scope else frozenset[NormalizedName]()
        whole = attrs.evolve(broad, names=broad.names | (wanted - private))
        rules = (Requirements(REQUIREMENTS, named), *self.policies) if named is not None else self.policies
        configured = repr((sorted(self.projects), sorted(self.exclude), bool(self.requirements), bool(self.asked)))
        by = chosen_by(configured, named=bool(wanted), asked=bool(asked))
        views = self._view(self.policies), self._view(rules)
        return Choice(
            whole, broad, named, *views, self.clock, whole, self.scope, by=by, brief=brief, private=private, reserved=self.reserved
        )

    async def _private(self, wanted: frozenset[NormalizedName]) -> frozenset[NormalizedName]:
        """The projects that there are in indexes of ours, and not in this one: what was taken of upstream is no secret to it."""
        found: set[NormalizedName] = set()
        for index in self.local_indexes.values():
            found.update(await self.cpu(_names, await index.project_names()))
        if not self.scope:
            # What is needed besides is not known yet.
            found &= wanted
        # There may be thousands, of which upstream has told us of a few at most, so only about those the index is asked.
        for name in sorted(await self._told(found)):
            if await self.index.taken(name) is not None:
                found.discard(name)
        return frozenset(found)

    async def _told(self, names: set[NormalizedName]) -> set[NormalizedName]:
        """Those of these projects of which something of upstream's is on record."""
        if not names:
            return set()
        label = self.index.label
        told = names.intersection(await self.records.pages.remembered(label))
        after = ""
        while part := await self.records.mirrors.serials(label, after, _PART):
            told |= names.intersection(name for name, _ in part)
            after = part[-1][0]
        return told

    async def _asked(self) -> tuple[frozenset[NormalizedName], bool]:
        """What clients took lately, and whether all that is known of them is more recent than that: it may have been lost, or just begun."""
        since, fetches = self.clock.seconds() - self.asked, self.records.fetches
        asked = await fetches.projects(self.index.label, since)
        if len(await fetches.projects(self.index.label, 0.0)) > len(asked):
            return frozenset(asked), False
        for name in asked[:_SAMPLE]:
            oldest = await fetches.of_project(name, None, 0.0, _FETCHES)
            if oldest and oldest[0].time < since:
                return frozenset(asked), False
        return frozenset(asked), True

    async def _named(self) -> Named | None:
        if not self.requirements:
            return None
        try:
            return await self.disk(wanted_files, Lines(self.requirements))
        except ValueError as error:
            raise PypidaemonError(f"requirements: {error}") from None

    def _view(self, policies: tuple[IPolicy, ...]) -> View:
        return View(self.index, Rules(policies), self.clock, self.cpu, fetching(self.index, self.informants))


def _names(listed: ProjectList) -> set[NormalizedName]:
    return {name for name, _ in listed.entries()}
