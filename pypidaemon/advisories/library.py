"""The copy of the advisories as a policy goes by it: read when the daemon starts, and again when another copy has taken its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.advisories.copies import BadCopy, Mark, documents, marked, some
from pypidaemon.advisories.gathering import Gathered, Gathering, changed
from pypidaemon.announcements import Announcements
from pypidaemon.archives import BadArchive
from pypidaemon.flights import Flights, landing
from pypidaemon.model import InThread
from pypidaemon.telling import plural

SOON = 10.0
"""Seconds after which a copy is looked for again where none could be read so far, so that nothing is shown."""

FEW = 10
SHARE = 0.05
"""How many advisories, and what share of those in force, may be gone from another copy without anybody being asked for a second look."""

NUMBERS = ("advisories", "projects", "misread", "parts", "widened")
"""Advisories understood, projects that those in force are about, documents and parts of advisories that were not understood, and projects that are hidden
whole, since it could not be read which of their versions are meant."""

MANY = 100
"""Projects that are named one by one when they may look different; more are said to be all."""

log = Logger()


@attrs.define(eq=False)
class Library:
    """
    The advisories in force. What was read stays in force until another copy has been read whole; a broken or empty one changes nothing.

    One that has clearly fewer advisories may be half of a copy that somebody is making, and would show what is known to do harm. So it comes into force
    only when it is still the same at the first look that is a recheck later.

    Each policy has a library of its own, of its own kind of advisory and without what it ignores. So two policies on one copy hold no more than one
    would that held everything; only the copy is read twice.

    :param empty: begins the gathering of a new copy.
    :param recheck: seconds between two looks at the copy.
    """

    label: str
    path: Path
    empty: Gathering
    recheck: float
    clock: IReactorTime
    disk: InThread
    cpu: InThread
    announcements: Announcements
    gathered: Gathered | None = attrs.field(default=None, init=False)
    trouble: str = attrs.field(default="", init=False)
    """Why the last copy could not be used."""
    numbers: Mapping[str, int] = attrs.field(factory=lambda: dict.fromkeys(NUMBERS, 0), init=False)
    """Of the copy that is in force, by `NUMBERS`."""
    _read: Mark | None = attrs.field(default=None, init=False)
    _count: int = attrs.field(default=0, init=False)
    _doubted: tuple[Mark, float] | None = attrs.field(default=None, init=False)
    """A copy with too few advisories, and when it was first seen so, in seconds since the epoch."""
    _flights: Flights[str, None] = attrs.field(factory=Flights, init=False, repr=False)
    _due: IDelayedCall | None = attrs.field(default=None, init=False, repr=False)

    @property
    def revision(self) -> str:
        """Changes whenever what is in force does."""
        return "unread" if self.gathered is None else self.gathered.revision

    @property
    def missing(self) -> str | None:
        """Why there is nothing to go by, for a person; None where there is something."""
        if self.gathered is not None:
            return None
        return f"there are no advisories to go by: {self.trouble}" if self.trouble else "the advisories are still being read"

    def read(self) -> Mapping[str, Any]:
        """As `IReading`."""
        return {"trouble": self.trouble, **self.numbers}

    def start(self) -> None:
        """Read the copy, and look for another again and again."""
        self._tick()

    def stop(self) -> Deferred[None]:
        """Look no more; fires when a look under way has ended."""
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        return landing(self._flights)

    async def look(self) -> None:
        """Look for another copy now, or wait for the look under way. Never raises on what is found there."""
        await self._flights.join("look", self._look)

    def _tick(self) -> None:
        self._flights.start("look", self._look)
        self._due = self.clock.callLater(self.recheck if self.gathered is not None else min(SOON, self.recheck), self._tick)

    async def _look(self) -> None:
        looked = self.clock.seconds()
        try:
            mark = await self.disk(marked, self.path)
            if mark == self._read and not self._is_due(mark, looked):
                return
            # A broken copy is read once, too; one that could not be read may be the same when it can.
            self._read = mark
            gathering = attrs.evolve(self.empty)
            rest = documents(self.path)
            while taken := await self.disk(some, rest):
                await self.cpu(gathering.take, taken)
            if await self.disk(marked, self.path) != mark:
                raise BadCopy("it changed while it was read")
            if not gathering.understood:
                raise BadCopy("there is no advisory about PyPI in it")
            if gathering.misread > gathering.understood:
                raise BadCopy(f"{gathering.misread} of its documents are no advisories, and only {gathering.understood} are")
            if self._has_shrunk(gathering.count) and not self._is_due(mark, looked):
                self._doubted = (mark, looked)
                raise BadCopy(
                    f"it has only {gathering.count} advisories after {self._count}, and counts when that is so for {self.recheck:g} seconds"
                )
        except OSError as error:
            self._read = None
            self._troubled(error.strerror or type(error).__name__)
            return
        except (BadArchive, BadCopy) as error:
            self._troubled(str(error))
            return
        await self._take(gathering)

    def _has_shrunk(self, count: int) -> bool:
        gone = self._count - count
        return self.gathered is not None and gone >= FEW and gone > SHARE * self._count

    def _is_due(self, mark: Mark, looked: float) -> bool:
        """Whether that copy was doubted, and has been the same for long enough."""
        return self._doubted is not None and self._doubted[0] == mark and looked >= self._doubted[1] + self.recheck

    async def _take(self, gathering: Gathering) -> None:
        after = await self.cpu(gathering.gathered)
        before, self.gathered, self.trouble = self.gathered, after, ""
        self._count, self._doubted = gathering.count, None
        counts = (gathering.understood, len(after.concerns), gathering.misread, gathering.left_out, gathering.widened)
        self.numbers = dict(zip(NUMBERS, counts, strict=True))
        # What nobody can read may be about what somebody installs.
        say = log.warn if gathering.misread else log.info
        say(
            "{label}: {count} read, {projects} concerned; not understood: {misread}, {parts}",
            label=self.label,
            count=plural(gathering.understood, "advisory", "advisories"),
            projects=plural(len(after.concerns), "project"),
            misread=plural(gathering.misread, "document"),
            parts=plural(gathering.left_out, "part"),
        )
        if gathering.widened:
            log.warn(
                "{label}: in {count} all versions count as malicious, since it cannot be read which of them are",
                label=self.label,
                count=plural(gathering.widened, "project"),
            )
        names = None if before is None else await self.cpu(changed, before, after)
        if names is None or len(names) > MANY:
            self.announcements.announce(None)
            return
        for name in names:
            self.announcements.announce(name)

    def _troubled(self, reason: str) -> None:
        if reason == self.trouble:
            return
        self.trouble = reason
        what = "nothing is shown until there is one" if self.gathered is None else "what was read before stays in force"
        log.warn(
            "{label}: the copy of the advisories {path} cannot be used: {reason}; {what}",
            label=self.label,
            path=str(self.path),
            reason=reason,
            what=what,
        )
