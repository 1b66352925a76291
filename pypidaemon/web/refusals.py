"""Refused uploads in the audit log, no more of them than the disk can bear."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.interfaces import IAccount, IAccountRecords
from pypidaemon.model import Deed
from pypidaemon.web.ask import Ask

WINDOW = 60.0
"""Seconds within which the same refusal is noted once."""
MOST = 100
"""Refusals of one account that are noted within that time: more than a release has files, and some megabytes a day at worst."""
LONGEST = 1000
"""Characters of a subject or a reason; both may hold what the client sent."""


@attrs.define
class Refusals:
    """
    Notes who was refused what and why (S78).

    Those who did not log in are left out, or anybody could fill the disk; and who did could, if each of a thousand attempts left its row.
    """

    audit: IAccountRecords
    clock: IReactorTime
    _since: float = attrs.field(init=False, default=0.0)
    _noted: dict[str, set[tuple[str, str]]] = attrs.field(init=False, factory=dict)
    """By account what was noted since then."""

    async def note(self, ask: Ask, account: IAccount, subject: str, reason: str) -> None:
        """A row of the audit log, unless there has just been one like it, or too many."""
        if not account.authenticated:
            return
        now = self.clock.seconds()
        if not 0 <= now - self._since < WINDOW:
            self._since = now
            self._noted.clear()
        noted = self._noted.setdefault(account.name, set())
        row = (subject[:LONGEST], reason[:LONGEST])
        if row in noted or len(noted) >= MOST:
            return
        noted.add(row)
        await self.audit.note(Deed(now, account.name, ask.client, "upload", *row, False))
