"""
One adoption: all that is found in one place, taken into one index.

It may end at any moment, by a crash or because it is told to: what was taken is here whole, and saying it again does the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.interfaces import IReactorTime

from pypidaemon.adoption.found import Found, Passed, Project, Role
from pypidaemon.adoption.hosting import Tell
from pypidaemon.adoption.origins import IOrigin
from pypidaemon.adoption.outcomes import Fate, Outcome, Tally
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IAccountRecords
from pypidaemon.model import Deed

AT_ONCE = 4
"""Projects, or private files, that are taken at once: each waits for a disk most of the time."""


class Taker(Protocol):
    """Takes what was found into an index."""

    async def take(self, project: Project | None, founds: Sequence[Found], tell: Tell) -> None:
        """Take these files, of that project where it is told, and tell what became of each."""


@attrs.define(eq=False)
class Adoption:
    """
    One run.

    :param title: what is adopted, for the audit log.
    :param label: the index that takes it.
    :param told: told of everything that was found, once it is known what becomes of it.
    :param audit: gets a row of what was done, and none of a rehearsal.
    :param owner: an account that must be there.
    """

    origin: IOrigin
    taker: Taker
    tally: Tally
    title: str
    label: str
    rehearsal: bool
    told: Tell
    audit: IAccountRecords
    clock: IReactorTime
    owner: str = ""
    stopped: bool = attrs.field(default=False, init=False)
    ended: bool = attrs.field(default=False, init=False)
    """Whether it came to the end of what is there."""
    _ahead: Found | Project | None = attrs.field(default=None, init=False)
    _turn: DeferredLock = attrs.field(factory=DeferredLock, init=False, repr=False)

    async def run(self) -> None:
        """
        Do it all.

        :raises PypidaemonError: it could not be done to the end.
        """
        if self.owner and await self.audit.user(self.owner) is None:
            raise PypidaemonError(f"there is no user {self.owner[:80]!a}")
        findings = self.origin.findings()
        failures: list[Exception] = []

        async def work() -> None:
            try:
                while not self.stopped and (group := await self._next(findings)) is not None:
                    await self.taker.take(*group, self._tell)
            except Exception as error:  # noqa: BLE001  # raised again below, when the others have come to an end as well
                self.stopped = True
                failures.append(error)

        try:
            await gatherResults([Deferred.fromCoroutine(work()) for _ in range(AT_ONCE)])
        finally:
            await self.origin.close()
            await self._note()
        if failures:
            raise failures[0]
        if self.stopped:
            raise PypidaemonError("it was stopped before everything was adopted")
        self.ended = True

    def stop(self) -> None:
        """Take nothing more, once what is under way has come to its end."""
        self.stopped = True

    def as_json(self) -> dict[str, Any]:
        """How far it has come, as JSON."""
        return {"index": self.label, "dry_run": self.rehearsal, **self.tally.as_json()}

    async def _next(self, findings: AsyncIterator[Any]) -> tuple[Project | None, list[Found]] | None:
        """What is to be taken together: one private file, or all files of a project; None where there is no more."""
        await self._turn.acquire()
        try:
            return await (self._one(findings) if self.origin.role is Role.PRIVATE else self._group(findings))
        finally:
            self._turn.release()

    async def _one(self, findings: AsyncIterator[Any]) -> tuple[None, list[Found]] | None:
        async for finding in findings:
            if isinstance(finding, Found):
                return None, [finding]
            self._pass(finding)
        return None

    async def _group(self, findings: AsyncIterator[Any]) -> tuple[Project, list[Found]] | None:
        project: Project | None = None
        founds: list[Found] = []
        while (finding := await self._following(findings)) is not None:
            if isinstance(finding, Project):
                if project is not None and founds:
                    self._ahead = finding
                    break
                project = finding
            else:
                assert project is not None  # what is not private comes by projects
                founds.append(finding)
        return (project, founds) if project is not None and founds else None

    async def _following(self, findings: AsyncIterator[Any]) -> Found | Project | None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead
        async for finding in findings:
            if isinstance(finding, Found | Project):
                return finding
            self._pass(finding)
        return None

    def _pass(self, finding: object) -> None:
        if isinstance(finding, Passed):
            fate = Fate.SKIPPED if finding.wrong else Fate.NOTED if finding.note else Fate.PASSED
            self._tell(Outcome(finding.path, fate, reason=finding.reason))

    def _tell(self, outcome: Outcome) -> None:
        self.tally.count(outcome)
        self.told(outcome)

    async def _note(self) -> None:
        if not self.rehearsal and self.tally.taken:
            detail = f"{self.tally.taken} files with {self.tally.bytes} bytes"
            who = THE_OPERATOR
            await self.audit.note(Deed(self.clock.seconds(), who.account.name, who.client, "adopt", f"{self.label} {self.title}", detail))
