"""Which files clients take, on record for the day when somebody has to know; and how often, for statistics that are about nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IAccount, IFetchRecords
from pypidaemon.model import Downloads, Fetch, Listed
from pypidaemon.moments import day
from pypidaemon.shelf import Shelf
from pypidaemon.versions import same_version
from pypidaemon.web.access_forms import product
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply

AGAIN = 60.0
"""Seconds after which the same file, taken from the same address by the same account and program, is noted again."""
TOGETHER = 1.0
"""Seconds within which files that are sent at once, again and again, are counted together; so many are lost in a crash."""
DAY = 86_400.0
"""Seconds of a day."""
REMEMBERED = 20_000
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
    addressed: Callable[[str], str] | None = None
    """What is noted for the address of a client; None where that is the address itself."""
    _noted: Shelf[Hashable, float] = attrs.field(factory=lambda: Shelf(REMEMBERED), init=False)
    """When the rows of the last minute were noted."""
    _lately: dict[tuple[Again, str], float] = attrs.field(factory=dict, init=False, repr=False)
    """When it was noted that each address took what is sent at once, again and again, so that this costs a look for each request."""
    _counting: list[Again] = attrs.field(factory=list, init=False)
    _today: str = attrs.field(default="", init=False)
    """The day for which they count."""
    _due: IDelayedCall | None = attrs.field(default=None, init=False)
    _log: Logger = attrs.field(factory=lambda: Logger(namespace="pypidaemon.web"), init=False)

    def note(self, ask: Ask, account: IAccount, listed: Listed, reply: Reply, offset: int = 0, *, whole: bool) -> Again | None:
        """
        A file is about to be sent by that reply, or by who gets it, from that offset on; `whole` is whether that is to be all of it.

        Answers what is to be called each time that an equal request gets the same reply, where that makes any difference.
        """
        if ask.method != "GET" or reply.status not in (200, 206) or offset:
            return None
        file = listed.file
        version = version_of(file.filename, listed.name)
        fetch = Fetch(
            time=self.clock.seconds(),
            account=account.name if account.authenticated else "",
            address=self.address(ask.client),
            agent=product(ask.headers.first("user-agent")),
            index=listed.source,
            name=listed.name,
            version="" if version is None else same_version(version),
            filename=file.filename,
            digest=file.digest,
        )
        if whole:
            ask.notes.taking = fetch, len(reply.body) if reply.stream is None else reply.stream.length
        self.begun(fetch)
        return Again(self, fetch, whole)

    def address(self, client: str) -> str:
        """What is on record as the address of that client, "" where that is nothing."""
        shown = client if self.addressed is None else self.addressed(client)
        return "" if shown == "-" else shown

    def go_on_from(self, other: Fetches) -> None:
        """Note nothing again that this one has just noted, in whose place this comes."""
        self._noted = other._noted

    def begun(self, fetch: Fetch) -> None:
        """Somebody begins to take a file: note it, unless that was just done."""
        if not self._just_noted(fetch):
            Deferred.fromCoroutine(self._kept(self.book.note(fetch))).addErrback(self._failed)

    def wait_for(self, again: Again) -> None:
        """That has been counting up since just now: it is put on record with what else is."""
        self._counting.append(again)
        if self._due is None:
            now = self.clock.seconds()
            self._today = day(now)
            # No later than the day ends, since a day that is over never changes.
            self._due = self.clock.callLater(min(TOGETHER, DAY - now % DAY), self.settle)

    def is_news(self, again: Again, address: str, now: float) -> bool:
        """Whether it is to be noted that this address takes that, once more."""
        lately, key = self._lately, (again, address)
        before = lately.get(key)
        if before is not None and 0 <= now - before < AGAIN:
            return False
        # An address may have as many others as it likes, so it is all of them together that are bounded.
        if len(lately) >= REMEMBERED:
            lately.clear()
        lately[key] = now
        return True

    def settle(self) -> None:
        """Put on record what was counted together."""
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        counting, self._counting = self._counting, []
        for again in counting:
            fetch, count = again.fetch, again.taken()
            whole = Downloads(self._today, fetch.index, fetch.name, fetch.filename, fetch.agent, count)
            Deferred.fromCoroutine(self._kept(self.book.count(whole))).addErrback(self._failed)

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


@attrs.define(eq=False)
class Again:
    """Equal requests for a file, each of which is to leave the same notes as the first; called with the address that it came from, and the moment."""

    fetches: Fetches
    fetch: Fetch
    whole: bool
    _count: int = attrs.field(default=0, init=False)

    def __call__(self, address: str, now: float) -> None:
        """One more of them was answered."""
        if self.whole:
            if not self._count:
                self.fetches.wait_for(self)
            self._count += 1
        if self.fetches.is_news(self, address, now):
            self.fetches.begun(attrs.evolve(self.fetch, address=self.fetches.address(address), time=now))

    def taken(self) -> int:
        """How many there were since this was asked last."""
        count, self._count = self._count, 0
        return count
