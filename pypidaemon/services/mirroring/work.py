"""What there is to do in a run: found out from upstream's list, from its changes, or from the names alone, and then read off one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.interfaces import IMirrorRecords
from pypidaemon.model import Change, InThread, NormalizedName, Waiting
from pypidaemon.plans import Dropped, Gone, Look, Settled, Step
from pypidaemon.services.mirroring.choosing import Choice
from pypidaemon.services.mirroring.differences import PART, Entry, differences

Reading = Callable[[], Iterator[Entry]]
"""Starts a new reading of a list, in order of the names; it reads files, so it is iterated on threads."""


@attrs.define
class Survey:
    """What a first look at the lists says: how much there is to do, and what has gone."""

    found: int = 0
    skipped: int = 0
    gone: list[NormalizedName] = attrs.field(factory=list)
    dropped: list[NormalizedName] = attrs.field(factory=list)
    settled: list[NormalizedName] = attrs.field(factory=list)
    listed: int = 0
    """Projects on upstream's list."""


@attrs.define
class Work:
    """
    Reads off what is to be done.

    :param before: what the choice was like when all was last compared.
    :param now: when this run began; what waits for a later time is passed over, unless it is an `eager` run or there is something newer.
    """

    label: str
    mirrors: IMirrorRecords
    choice: Choice
    cpu: InThread
    before: str
    waiting: Mapping[NormalizedName, Waiting]
    clock: IReactorTime
    eager: bool
    now: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.now = self.clock.seconds()

    async def survey(self, read: Reading) -> Survey:
        """What comes of comparing a list with what is here."""
        found = Survey()
        async for steps in self._differences(read, found):
            for step in steps:
                match step:
                    case Look(name, serial) if self.is_due(name, serial):
                        found.found += 1
                    case Look():
                        found.skipped += 1
                    case Gone(name):
                        found.gone.append(name)
                    case Dropped(name):
                        found.dropped.append(name)
                    case Settled(name):
                        found.settled.append(name)
        return found

    async def of_list(self, read: Reading) -> AsyncIterator[Look]:
        """What is to be looked at by that comparison."""
        async for steps in self._differences(read, Survey()):
            for step in steps:
                if isinstance(step, Look) and self.is_due(step.name, step.serial):
                    yield step

    def of_waiting(self) -> list[Look]:
        """What waits and is due, where upstream has nothing new; also what is not chosen, as of what is offered all the same bytes may be lost."""
        return [Look(one.name, one.serial) for one in self._due()]

    def of_changes(self, changes: Sequence[Change]) -> list[Look]:
        """The same with what upstream says has changed, each project once."""
        newest = {one.name: one.serial for one in self._due()}
        for change in changes:
            if self.choice.chooses(change.name):
                newest[change.name] = max(change.serial, newest.get(change.name, 0))
        return [Look(name, serial) for name, serial in sorted(newest.items()) if self.choice.chooses(name) and self.is_due(name, serial)]

    def of_names(self) -> list[Look]:
        """Every project that is chosen by its name."""
        return [Look(name, 0) for name in sorted(self.choice.selection.names) if self.choice.chooses(name) and self.is_due(name, 0)]

    async def unchosen(self) -> Survey:
        """What is here, or waits, and is not chosen, where all that is chosen is known by name."""
        found = Survey()
        after = ""
        while part := await self.mirrors.serials(self.label, after, PART):
            found.dropped += [name for name, _ in part if not self.choice.chooses(name)]
            after = part[-1][0]
        held = set(found.dropped)
        found.settled = [name for name in self.waiting if name not in held and not self.choice.chooses(name)]
        return found

    async def _differences(self, read: Reading, found: Survey) -> AsyncIterator[Sequence[Step]]:
        listed = _counted(read, found)
        try:
            waiting, again = sorted(one.name for one in self._due()), self.choice.judges_anew(self.before)
            async for steps in differences(listed, self._serials, self.choice.chooses, waiting, again, self.cpu):
                yield steps
        finally:
            listed.close()

    async def _serials(self, after: str, limit: int) -> list[Entry]:
        return await self.mirrors.serials(self.label, after, limit)

    def _due(self) -> list[Waiting]:
        return [one for one in self.waiting.values() if self.is_due(one.name, one.serial)]

    def is_due(self, name: NormalizedName, serial: int) -> bool:
        """Whether a project may be looked at now, or waits for a later time."""
        one = self.waiting.get(name)
        if one is None or one.due <= self.now or serial > one.serial:
            return True
        # What waits for a policy's time and not because it failed may have changed upstream, where no serial says so.
        return self.eager if one.tries else not serial


def _counted(read: Reading, found: Survey) -> Generator[Entry]:
    for entry in read():
        found.listed += 1
        yield entry
