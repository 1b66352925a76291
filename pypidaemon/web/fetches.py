"""Which files clients take, on record for the day when somebody has to know; and how often, for statistics that are about nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Hashable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IAccount, IFetchRecords
from pypidaemon.model import Downloads, Fetch, Listed
from pypidaemon.moments import day
from pypidaemon.shelf import Shelf
from pypidaemon.versions import same_version
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply
from pypidaemon.web.site import product

AGAIN = 60.0
"""Seconds after which the same file, taken from the same address by the same account and program, is noted again."""
_REMEMBERED = 20_000
"""Rows that are remembered for that, at some 500 bytes each."""


@attrs.define
class Fetches:
    """
    Notes every file that somebody begins to take. No download waits for it, and none fails for it.

    One row for each request that is answered with the first byte, so one for each that a client begins anew; none for what a client has already
    (304), for a HEAD, for the rest of a download that broke off, and for what the same account and program took from the same address less than a minute ago.

    What is sent whole is counted besides, by day, when its last byte goes out (PEP 381): not what broke off, and no part of a file.
    """

    book: IFetchRecords
    clock: IReactorTime
    _noted: Shelf[Hashable, float] = attrs.field(factory=lambda: Shelf(_REMEMBERED), init=False)
    """When the rows of the last minute were noted."""
    _log: Logger = attrs.field(factory=lambda: Logger(namespace="pypidaemon.web"), init=False)

    def note(self, ask: Ask, account: IAccount, listed: Listed, reply: Reply) -> None:
        """A file is about to be sent by that reply."""
        if ask.method != "GET" or reply.status not in (200, 206) or (reply.stream is not None and reply.stream.offset):
            return
        file = listed.file
        version = version_of(file.filename, listed.name)
        fetch = Fetch(
            time=self.clock.seconds(),
            account=account.name if account.authenticated else "",
            address=ask.client,
            agent=product(ask.headers.first("user-agent")),
            index=listed.source,
            name=listed.name,
            version="" if version is None else same_version(version),
            filename=file.filename,
            digest=file.digest,
        )
        if reply.status == 200 and reply.stream is not None:
            ask.notes.taking = fetch, reply.stream.length
        if not self._just_noted(fetch):
            Deferred.fromCoroutine(self._kept(self.book.note(fetch))).addErrback(self._failed)

    def _just_noted(self, fetch: Fetch) -> bool:
        """Whether there has just been a row like it, which is one for a thousand requests for the first byte of a file too."""
        key = (fetch.account, fetch.address, fetch.agent, fetch.index, fetch.name, fetch.filename, fetch.digest)
        before = self._noted.get(key)
        if before is not None and 0 <= fetch.time - before < AGAIN:
            return True
        self._noted.put(key, fetch.time, 1)
        return False

    def ended(self, ask: Ask, status: int, sent: int) -> None:
        """An answer has ended, with that status and after so many bytes of body."""
        if ask.notes.taking is None:
            return
        fetch, size = ask.notes.taking
        if status == 200 and sent == size:
            # It counts for the day on which it ended, so that a day that is over never changes.
            whole = Downloads(day(self.clock.seconds()), fetch.index, fetch.name, fetch.filename, fetch.agent)
            Deferred.fromCoroutine(self._kept(self.book.count(whole))).addErrback(self._failed)

    async def _kept(self, noting: Awaitable[None]) -> None:
        try:
            await noting
        except PypidaemonError as error:
            self._log.warn("a fetch could not be noted: {error}", error=str(error))

    def _failed(self, failure: Failure) -> None:
        self._log.failure("a fetch could not be noted", failure)
