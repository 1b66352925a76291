"""
What was chosen, followed to what it needs: read off the METADATA of what is here, and looked at round by round until nothing is new (PEP 658).

It starts from what is here and not from what a run has done, so a kill between two rounds costs nothing: the next run reads the same and goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

import attrs

from pypidaemon.closure import MOST, Need, Needs, Stated, stated
from pypidaemon.environments import Environment
from pypidaemon.errors import NoSuchBlob
from pypidaemon.filenames import package_type
from pypidaemon.interfaces import IBlobStore, IMirrorRecords
from pypidaemon.model import Digest, File, InThread, NormalizedName
from pypidaemon.plans import Look
from pypidaemon.services.mirroring.choosing import Choice
from pypidaemon.services.mirroring.crew import share_out
from pypidaemon.services.mirroring.looking import Looking
from pypidaemon.sidecars import LARGEST

PART = 10_000
"""Names of what is here that are asked for at once."""

REMEMBERED = 20_000
"""Documents of which it is remembered between runs what they say."""

_NOTHING = Stated(())


@attrs.frozen
class Walked:
    """What everything here needs; `lost` are projects whose METADATA was here and cannot be read, so that something may be missing."""

    needs: Needs = attrs.field(factory=lambda: Needs(()))
    unmet: tuple[str, ...] = ()
    lost: tuple[NormalizedName, ...] = ()
    open: frozenset[NormalizedName] = frozenset()
    """The projects of which not all is here that is needed."""
    here: frozenset[NormalizedName] = frozenset()
    """The needed projects of which something is here."""


@attrs.define
class Following:
    """Reads what is here of one index."""

    label: str
    mirrors: IMirrorRecords
    blobs: IBlobStore
    cpu: InThread
    environments: tuple[Environment, ...]
    releases: int
    _known: OrderedDict[Digest, Stated] = attrs.field(factory=OrderedDict, init=False)

    @property
    def scope(self) -> str:
        """Another for other environments or another number of releases; of characters that no revision is divided by."""
        return f"+{'+'.join(f'{one.python}/{one.platform}' for one in self.environments)}+{self.releases}"

    async def walk(self, choice: Choice) -> Walked:
        """
        Go from what was chosen to what it needs, through what is here.

        :raises PypidaemonError: the records cannot be read.
        """
        needs = await self.cpu(Needs.named, self.environments, self.releases, choice.named)
        roots = await self._roots(choice)
        waiting: dict[NormalizedName, None] = dict.fromkeys(sorted(roots | needs.names))
        held: dict[NormalizedName, tuple[File, ...]] = {}
        lost: dict[NormalizedName, None] = {}
        untold: dict[str, None] = {}
        while waiting:
            name = next(iter(waiting))
            del waiting[name]
            if name not in held:
                mirrored = await self.mirrors.page(self.label, name)
                held[name] = mirrored.page.files if mirrored is not None else ()
            wanted = held[name] if choice.broad.chooses(name) else await self.cpu(needs.chosen, name, held[name])
            said: list[tuple[File, Stated]] = []
            for file in wanted:
                found = await self._stated(file)
                if found is None:
                    lost[name] = None
                elif not file.core_metadata and package_type(file.filename) in ("bdist_wheel", "sdist"):
                    untold[f"{file.filename}: it is not known what it needs, since it comes without metadata"] = None
                said.append((file, found or _NOTHING))
            waiting.update(dict.fromkeys(await self.cpu(needs.visit, name, said)))
        unmet = await self.cpu(_unmet, needs, held)
        lines = [line for one in unmet.values() for line in one]
        return Walked(
            needs,
            (*lines, *needs.left_out, *untold),
            tuple(lost),
            frozenset(name for name in unmet if unmet[name]),
            frozenset(name for name in unmet if held.get(name)),
        )

    async def _roots(self, choice: Choice) -> set[NormalizedName]:
        """What is here because it was chosen itself, whole."""
        found: set[NormalizedName] = set()
        after = ""
        while part := await self.mirrors.serials(self.label, after, PART):
            found.update(name for name, _ in part if choice.broad.chooses(name))
            after = part[-1][0]
        return found

    async def _stated(self, file: File) -> Stated | None:
        """What that file says that it needs; None where that was here and is not."""
        if not file.core_metadata:
            return _NOTHING
        digest = Digest(file.core_metadata)
        known = self._known.get(digest)
        if known is None:
            try:
                content = await self.blobs.open(digest)
            except (NoSuchBlob, OSError):
                return None
            try:
                document = b""
                while piece := await content.read(len(document), LARGEST):
                    document += piece
            except OSError:
                return None
            finally:
                content.close()
            known = self._known[digest] = await self.cpu(stated, document)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(digest)
        return known


def _unmet(needs: Needs, held: Mapping[NormalizedName, Sequence[File]]) -> dict[NormalizedName, list[str]]:
    return {name: needs.unmet(name, held.get(name, ())) for name in sorted(needs.names)}


@attrs.define
class Pursuit:
    """
    One run's way from what was chosen to what it needs, and no way at all where dependencies are not followed.

    :param base: the choice without any dependency.
    """

    following: Following | None
    base: Choice
    choice: Choice = attrs.field(init=False)
    """What is chosen, with what it needs as far as that is known."""
    _walked: Walked = attrs.field(factory=Walked, init=False)
    _before: Walked = attrs.field(factory=Walked, init=False)
    _looked: dict[NormalizedName, frozenset[Need]] = attrs.field(factory=dict, init=False)
    """The projects that need not be looked at again, unless there is more need of them than this."""

    def __attrs_post_init__(self) -> None:
        self.choice = self.base

    @classmethod
    async def begin(cls, following: Following | None, base: Choice, *, killed: bool) -> Pursuit:
        """
        Find out what is needed by what is here already.

        :param killed: whether the run before did not end, so that what is here may be less than what was needed then.
        :raises PypidaemonError: the records cannot be read.
        """
        pursuit = cls(following, base)
        if following is not None:
            pursuit._before = walked = await pursuit._walk(following)
            if not killed:
                # Upstream's list tells what is new of these.
                pursuit._looked = {name: walked.needs.of(name) for name in walked.needs.names - walked.open}
        return pursuit

    async def through(
        self, looks: AsyncIterator[Look], looking: Looking, hands: int, is_due: Callable[[NormalizedName, int], bool]
    ) -> None:
        """
        Look at all of that, and then at what is needed for it until nothing is new; and say what is missing then.

        :param is_due: whether a project may be looked at, or has failed too recently.
        :raises PypidaemonError: no project can be had just now, or there is no room.
        """
        await share_out(self._noting(looks), hands, looking.look)
        if self.following is None:
            return
        looking.tally.phase = "follows"
        # From here on projects are looked at because something needs them, and not because a list has them.
        looking.listed = False
        while True:
            await self._walk(self.following)
            looking.choice = self.choice
            steps = [Look(name, 0) for name in sorted(self._walked.needs.names) if self._is_open(name) and is_due(name, 0)]
            if not steps:
                break
            looking.tally.found += len(steps)
            await share_out(self._noting(_each(steps)), hands, looking.look)
        for name in self._walked.lost:
            await looking.fail(Look(name, 0), "the METADATA of a file is lost here")
        if self._walked.needs.full:
            looking.tally.trouble(f"more than {MOST} projects are needed; those beyond are not taken")
        looking.tally.unmet[:] = self._walked.unmet

    def left(self, names: Iterable[NormalizedName]) -> list[NormalizedName]:
        """
        Of projects that were not chosen when the run began those that are not chosen now, and besides those that are not needed any more.

        There are none where not everything could be read that may need something.
        """
        if self._walked.lost:
            return []
        return [name for name in (*names, *sorted(self._before.here)) if not self.choice.chooses(name)]

    async def _walk(self, following: Following) -> Walked:
        self._walked = await following.walk(self.base)
        self.choice = self.base.along(self._walked.needs)
        return self._walked

    async def _noting(self, looks: AsyncIterator[Look]) -> AsyncIterator[Look]:
        """The same; what was looked at is not looked at again unless there is more need of it."""
        async for look in looks:
            self._looked[look.name] = self._looked.get(look.name, frozenset()) | self._walked.needs.of(look.name)
            yield look

    def _is_open(self, name: NormalizedName) -> bool:
        if self.base.broad.chooses(name) or not self.choice.chooses(name):
            return False
        return not self._walked.needs.of(name) <= self._looked.get(name, frozenset())


async def _each(looks: list[Look]) -> AsyncIterator[Look]:
    for look in looks:
        yield look
