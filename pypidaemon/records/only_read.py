"""
Records on a disk that can only be read: what they say is given, what would change them is refused, and what is only remembered for a while is not (N8).

Pages are numbered and remembered as by whoever looks at a daemon's records from beside it (`pypidaemon.records.unwritten`).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, cast

import attrs
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import ONLY_READ, OnlyRead, PypidaemonError
from pypidaemon.interfaces import IReadable, IRecords, ISaved
from pypidaemon.records.unwritten import Unwritten

REFUSED: Mapping[str, frozenset[str]] = {
    "files": frozenset({"add", "enter", "record", "settle", "amend", "place", "forget", "give"}),
    "accounts": frozenset({"keep_user", "remove_user", "enrol", "grant", "keep_token", "revoke_token"}),
    "rulings": frozenset({"rule", "repeal"}),
    "pins": frozenset({"pin"}),
    "fetches": frozenset(),
}
"""By book, what changes something that was ordered."""

UNCLEAN = ("-wal", "-journal", "-dirty")
"""What lies beside a database from start to clean stop."""

DROPPED: Mapping[str, Mapping[str, Any]] = {
    "accounts": {"note": None, "used_token": None},
    "fetches": {"note": None, "count": None, "forget_before": 0, "forget_beyond": 0},
}
"""By book, what only notes something, and what is answered then."""


@attrs.frozen
class _Book:
    """One book, of which only questions are let through."""

    book: Any
    refused: frozenset[str]
    dropped: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name in self.refused:
            return _refuse
        if name in self.dropped:
            return _dropping(self.dropped[name])
        return getattr(self.book, name)


@implementer(IRecords)
class OnlyReadRecords(Service):
    """
    `IRecords` that write nothing, with a life.

    :param records: those that lie there, never started.
    """

    def __init__(self, records: IRecords, clock: IReactorTime) -> None:
        if not IReadable.providedBy(records):
            raise PypidaemonError("[daemon] read-only: records that are no files cannot be read alone")
        self._read = IReadable(records).for_reading()
        self._places = list(records.places().values()) if ISaved.providedBy(records) else []
        unwritten = Unwritten(self._read, clock, {})
        self.pages, self.facts, self.ledger = unwritten.pages, unwritten.facts, unwritten.ledger
        self.withdrawn, self.publishers, self.documents = unwritten.withdrawn, unwritten.publishers, unwritten.documents
        self.mirrors, self.uses = unwritten.mirrors, unwritten.uses
        self.files, self.accounts, self.rulings, self.pins, self.fetches = (
            cast(Any, _Book(getattr(self._read, word), refused, DROPPED.get(word, {})))
            for word, refused in ((word, REFUSED[word]) for word in ("files", "accounts", "rulings", "pins", "fetches"))
        )

    def startService(self) -> None:
        """
        Open them.

        :raises PypidaemonError: there are none, or they cannot be read as they are.
        """
        for place in self._places:
            # With such a log SQLite would write beside the database, where it can, and else not see what is in it, and neither would anybody say so.
            if any(os.path.lexists(f"{place}{ending}") for ending in UNCLEAN):
                raise PypidaemonError(
                    f"{place}: not closed cleanly, so part of it is in a log that has to be written back; start the daemon once where the data"
                    " folder can be written to"
                )
        IService(self._read).startService()
        Service.startService(self)

    def stopService(self) -> Deferred[Any]:
        """Close them; fires when that is done."""
        Service.stopService(self)
        return maybeDeferred(IService(self._read).stopService)

    async def identity(self) -> str:
        """As `IRecords`."""
        return await self._read.identity()


async def _refuse(*arguments: Any, **keywords: Any) -> NoReturn:
    raise OnlyRead(ONLY_READ)


def _dropping(answer: Any) -> Callable[..., Awaitable[Any]]:
    async def drop(*arguments: Any, **keywords: Any) -> Any:
        return answer

    return drop
