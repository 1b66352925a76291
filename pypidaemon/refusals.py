"""Refused uploads and orders in the audit log, no more of them than the disk can bear."""

from __future__ import annotations

from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IAccount, IAccountRecords
from pypidaemon.model import Deed

WINDOW = 60.0
"""Seconds within which the same refusal is noted once."""
MOST = 100
"""Refusals of one account that are noted within that time: more than a release has files, and some megabytes a day at worst."""
LONGEST = 1000
"""Characters of a subject or a reason; both may hold what the client sent."""


class Sender(Protocol):
    """A request, or the caller of an order: what of it came over the wire."""

    @property
    def client(self) -> str:
        """The address it came from."""


@attrs.define
class Refusals:
    """
    Notes who was refused what and why (S78).

    Those who did not log in are left out, or anybody could fill the disk; and who did could, if each of a thousand attempts left its row.
    """

    audit: IAccountRecords
    clock: IReactorTime
    _since: float = attrs.field(init=False, default=0.0)
    _noted: dict[str, set[tuple[str, str, str]]] = attrs.field(init=False, factory=dict)
    """By account what was noted since then."""
    _log = Logger()

    async def note(self, sender: Sender, account: IAccount, subject: str, reason: str, action: str = "upload") -> None:
        """A row of the audit log, unless there has just been one like it, or too many."""
        if not account.authenticated:
            return
        now = self.clock.seconds()
        if not 0 <= now - self._since < WINDOW:
            self._since = now
            self._noted.clear()
        noted = self._noted.setdefault(account.name, set())
        row = (action, subject[:LONGEST], reason[:LONGEST])
        if row in noted or len(noted) >= MOST:
            return
        noted.add(row)
        try:
            await self.audit.note(Deed(now, account.name, sender.client, *row, False))
        except PypidaemonError as error:
            # Whoever was refused is told why, and not that the log is full.
            self._log.warn("a refusal of {account} could not be noted: {error}", account=account.name, error=str(error))
