"""
The spool: one download, many readers (law 9).

A file that is not here yet is fetched once, into a draft of the blob store, and everybody who wants it reads from that draft. What
readers see follows law 6, "no last byte before the verdict": while it is not known whether the bytes are the promised ones, they get
all but the tail, and nothing at all of a file that is small or of unknown size. The download goes on without readers; it is slowed
by the disk alone and never by a reader, so memory stays flat however slow one of them is (F48). Where there is no room, what somebody waits for passes through without being kept (`pypidaemon.passing`, F53).
"""

from __future__ import annotations

import random as randomness
from collections.abc import Awaitable, Callable, Hashable
from contextlib import closing
from functools import partial

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import CannotStore, CorruptContent, PypidaemonError, UpstreamTooSlow, UpstreamUnavailable
from pypidaemon.flights import Flights
from pypidaemon.halves import Halves, note_prefix
from pypidaemon.handfuls import Handful
from pypidaemon.interfaces import IBlobStore, IBody, IContent, IDraft, IKeeping, IMeasured
from pypidaemon.model import Digest
from pypidaemon.passing import Given, Passing
from pypidaemon.soundness import Held
from pypidaemon.transfers import SMALL, Checks, Prefix, Reader, Transfer, agree, begun, exactly, taken_up
from pypidaemon.transfers import Want as Want
from pypidaemon.tries import ENOUGH, Tries
from pypidaemon.waits import TookTooLong, entered

QUEUE = 30.0
"""Seconds that a download waits for its turn at most; clients have gone by then."""

AGAIN = 5.0
"""Seconds after which it is tried again to keep something, once that could not be done: a store that is full is not asked for each file."""

STORING = 64
"""Small files at most that are being stored while their places serve other downloads; each is in memory."""

_UNNAMED = "of this file"


async def _always(size: int) -> bool:
    return True


@implementer(IMeasured)
@attrs.define(eq=False, slots=False)
class Spool(Service):
    """
    Downloads under way, and the way to what they bring. As a service it stops them and removes their drafts.

    :param parallel: the most downloads at once; others wait their turn.
    :param room: whether so many bytes more may be kept of what could be fetched again.
    :param random: gives numbers from 0 up to 1, for the waits before something is asked for again.
    """

    blobs: IBlobStore
    clock: IReactorTime
    parallel: int = 32
    room: Callable[[int], Awaitable[bool]] = attrs.field(default=_always, repr=False)
    random: Callable[[], float] = attrs.field(default=randomness.random, repr=False)
    started: int = attrs.field(init=False, default=0)
    landed: int = attrs.field(init=False, default=0)
    failed: int = attrs.field(init=False, default=0)
    corrupt: int = attrs.field(init=False, default=0)
    """How often other bytes came than promised, whether or not the right ones came from elsewhere then (F15)."""
    resumed: int = attrs.field(init=False, default=0)
    bytes_in: int = attrs.field(init=False, default=0)
    halves: Halves = attrs.field(init=False, repr=False)
    passing: Passing = attrs.field(init=False, repr=False)
    tries: Tries = attrs.field(init=False, repr=False)
    _transfers: dict[Hashable, Transfer] = attrs.field(init=False, factory=dict, repr=False)
    _flights: Flights[Transfer, None] = attrs.field(init=False, repr=False)
    _slots: DeferredSemaphore = attrs.field(init=False, repr=False)
    _held: Held = attrs.field(factory=Held, init=False, repr=False)
    _full_until: float = attrs.field(init=False, default=0.0, repr=False)
    _storing: int = attrs.field(init=False, default=0, repr=False)
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self.tries = Tries(self.clock, self.random)
        self.halves = Halves(self.clock)
        self.passing = Passing(self.clock, tries=self.tries)
        self._flights = Flights((PypidaemonError,))
        self._slots = DeferredSemaphore(self.parallel)

    def stopService(self) -> Deferred[None]:
        """Stop all downloads; fires when their drafts are gone. Their readers get UpstreamUnavailable."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._land())

    async def _land(self) -> None:
        await self.passing.stop()
        await self._flights.land()
        await self.halves.let_go()

    def measures(self) -> dict[str, float]:
        """As `IMeasured`."""
        words = ("started", "landed", "failed", "corrupt", "resumed", "bytes_in")
        return {**{word: getattr(self, word) for word in words}, "passed": self.passing.started, "not_resumed": self.tries.denied}

    def flights_now(self) -> int:
        """How many downloads are under way or wait their turn."""
        return len(self._transfers)

    async def open(self, want: Want) -> IContent:
        """
        Answer the wanted content: from the store, or from a download that others may share.

        Comes back when upstream has begun to answer, and for a file that is small or of unknown size when the verdict is there.

        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: it could not be had.
        :raises CorruptContent: it is not what was promised.
        :raises CannotStore: there is no room for it.
        """
        content = await self._opened(want, passing=False)
        assert content is not None  # or it would have been raised that it cannot be kept
        return content

    async def _opened(self, want: Want, *, passing: bool) -> IContent | None:
        """
        As `open`.

        :param passing: whether None is the answer where it is known beforehand that there is no room for it.
        """
        while (transfer := self._transfers.get(want.flight)) is None:
            landed = self.landed
            stored = await self._held.open(self.blobs, want)
            if stored is not None:
                return stored
            if passing and want.flight not in self._transfers and not await self._may_keep(want):
                return None
            # While others were asked, a download of the same may have begun or even landed.
            if want.flight not in self._transfers and self.landed == landed:
                return await self._hand_out(want, self._begin(want))
        return await self._hand_out(want, Reader(transfer))

    async def give(self, want: Want) -> IContent:
        """
        As `open`, for somebody who would rather have the bytes than have them kept: where there is no room, they pass through (F53, F58).

        What nobody promises a sha256 of is only given once it is pinned, hence kept.

        :raises CannotStore: it could not be kept, and may not pass through.
        """
        if want.digest is None:
            return await self.open(want)
        try:
            content = await self._opened(want, passing=True)
        except CannotStore:
            self._full_until = self.clock.seconds() + AGAIN
            content = None
        if content is None:
            return await self.passing.open(want)
        return Given(content, self.passing) if isinstance(content, Reader) else content

    async def take(self, want: Want) -> bool:
        """
        Have a file here that nobody reads now, in fewer steps than `open` takes; answer whether that was done.

        No is the answer, and nothing has happened, where it is not a small file whose sha256 is known, that the store was just found not to have, that is to
        be had in one place alone, and that nobody is fetching. Whoever wants it meanwhile shares the download, which is then no longer the caller's to end.

        :raises PypidaemonError: as `open`.
        """
        usual = want.absent and want.digest is not None and want.whole is not None and not want.elsewhere
        if not usual or want.size is None or want.size > SMALL or want.flight in self._transfers:
            return False
        if not self._slots.tokens or not IKeeping.providedBy(self.blobs):
            return False
        self._slots.tokens -= 1
        transfer = self._transfers[want.flight] = Transfer(want, want.size, placed=True)
        self.started += 1
        await self._fly(transfer, self._at_once)
        return True

    async def _may_keep(self, want: Want) -> bool:
        return self.clock.seconds() >= self._full_until and await self.halves.fits(want, self.room)

    async def _hand_out(self, want: Want, reader: Reader) -> IContent:
        """Give a reader away when law 6 allows it."""
        transfer = reader.transfer
        try:
            if want.doubted is not None:
                await begun(transfer, want.doubted)
            await transfer.until(lambda: transfer.digest is not None or (transfer.draft is not None and not transfer.small))
            agree(want.size, transfer.size)
        except BaseException:
            reader.close()
            raise
        return reader

    def _begin(self, want: Want) -> Reader:
        transfer = self._transfers[want.flight] = Transfer(want, want.size)
        self.started += 1
        self.halves.give(transfer)
        # The first reader is there before the download, which may be done before it first pauses.
        reader = Reader(transfer)
        self._flights.start(transfer, partial(self._fly, transfer))
        return reader

    async def _fly(self, transfer: Transfer, carry: Callable[[Transfer], Awaitable[Digest]] | None = None) -> None:
        want = transfer.want
        try:
            try:
                digest = await (carry or self._carry)(transfer)
            finally:
                self._leave(transfer)
        except Exception as error:
            if carry is not None and isinstance(error, CancelledError) and transfer.readers and self.running:
                await self._fly_on(transfer)
                raise
            self.failed += 1
            self.corrupt += isinstance(error, CorruptContent)
            # Readers were not cancelled, so a cancelled download must not look to them as if they were.
            told = UpstreamUnavailable(_UNNAMED, "this daemon is stopping") if isinstance(error, CancelledError) else error
            if isinstance(error, CannotStore):
                self._full_until = self.clock.seconds() + AGAIN
                await note_prefix(transfer)
            self._log.info("{title} could not be fetched: {error}", title=want.title or want.key, error=str(told))
            self.halves.keep(transfer, error)
            self._end(transfer, told)
            if transfer.draft is not None:
                await transfer.draft.abort()
            raise
        self.landed += 1
        self._end(transfer, digest)

    async def _fly_on(self, transfer: Transfer) -> None:
        """Whoever began it has left, and others wait for it."""
        draft = transfer.begin_anew()
        self._flights.start(transfer, partial(self._fly, transfer))
        if draft is not None:
            await draft.abort()
            draft.close()

    async def _take_turn(self, transfer: Transfer) -> None:
        try:
            await entered(self.clock, QUEUE, self._slots)
        except TookTooLong:
            raise UpstreamUnavailable(_UNNAMED, "too many other files are being fetched") from None
        transfer.placed = True

    def _leave(self, transfer: Transfer) -> None:
        """Give the place of that download to the next."""
        if transfer.placed:
            transfer.placed = False
            self._slots.release()

    def _end(self, transfer: Transfer, outcome: Digest | Exception) -> None:
        # First off the list, so that a reader who is told and asks again gets a new download.
        del self._transfers[transfer.want.flight]
        transfer.end(outcome)

    async def _carry(self, transfer: Transfer) -> Digest:
        """
        Make it a blob, from another place where one has other bytes than promised (M18).

        Whoever had some of those bytes must not get the rest of others, so then it is over, and the next who asks is served from elsewhere (S26).
        """
        while True:
            if not transfer.placed:
                await self._take_turn(transfer)
            try:
                return await self._fetched(transfer)
            except CorruptContent as error:
                blame = transfer.want.blame
                if blame is None or not blame() or transfer.given:
                    raise
                self.corrupt += 1
                self._log.warn("{title} is fetched from elsewhere: {error}", title=transfer.want.title, error=str(error))
                if (draft := transfer.begin_anew()) is not None:
                    await draft.abort()
                    draft.close()

    async def _at_once(self, transfer: Transfer) -> Digest:
        """As `_carry`, for a file that may come all at once."""
        want = transfer.want
        assert want.whole is not None  # or it would not be asked for in this way
        assert want.size is not None
        self.tries.first(want.origin)
        came = await want.whole(want.size)
        if not isinstance(came, bytes):
            return await self._fetched(transfer, came)
        # From now on upstream is not waited for, which matters to whoever comes meanwhile and would doubt it.
        draft = transfer.draft = Handful(IKeeping(self.blobs), want.beside)
        await draft.write(came)
        transfer.received = len(came)
        transfer.tell()
        self.bytes_in += len(came)
        want.came(len(came))
        if want.checks:
            checks = Checks.of(want)
            checks.update(came)
            checks.insist()
        digest = await self._stored(transfer, draft.commit(want.digest), in_memory=True)
        if want.landed is not None:
            await want.landed(digest, len(came))
        return digest

    async def _fetched(self, transfer: Transfer, body: IBody | None = None) -> Digest:
        """Fetch it all, through as many bodies as it takes, and make it a blob; its first one may be here already."""
        want = transfer.want
        if body is None:
            self.tries.first(want.origin)
            body = await self.halves.begun(transfer)
            self.resumed += transfer.received > 0
        checks = transfer.checks = transfer.checks or Checks.of(want)
        attempt, before = 0, transfer.received
        while True:
            try:
                if body is None:
                    body = await taken_up(transfer)
                    self.resumed += 1
                with closing(body):
                    await self._pour(transfer, body, checks)
                break
            except UpstreamUnavailable as error:
                # Where only the end mark is missing, the digest says whether all is well (F9, F12).
                if want.digest is not None and transfer.received == transfer.size:
                    break
                if isinstance(error, UpstreamTooSlow) and not want.elsewhere:
                    raise
                attempt = 0 if transfer.received - before >= ENOUGH else attempt
                before = transfer.received
                if not await self.tries.again(want.origin, attempt):
                    raise
            body = None
            attempt += 1
        want.came(transfer.received)
        checks.insist()
        draft = transfer.draft
        assert draft is not None
        digest = await self._stored(transfer, draft.commit(want.digest), in_memory=isinstance(draft, Handful))
        if want.landed is not None:
            await want.landed(digest, transfer.received)
        transfer.size = transfer.received
        return digest

    async def _stored(self, transfer: Transfer, storing: Awaitable[Digest], *, in_memory: bool) -> Digest:
        """Make it a blob. What is all in memory needs no place for that, as long as there is not too much of it."""
        apart = in_memory and self._storing < STORING
        if apart:
            self._storing += 1
            self._leave(transfer)
        try:
            return await storing
        except CannotStore:
            # It was what was expected, or that would have been the error.
            if transfer.want.digest is not None:
                transfer.prefix = Prefix(transfer.received, transfer.want.digest)
            raise
        finally:
            self._storing -= apart

    async def _draft(self, transfer: Transfer) -> IDraft:
        """What it is gathered in: in memory, where nobody reads of it before it is whole anyway and the store takes whole ones."""
        if transfer.size is not None and transfer.small and IKeeping.providedBy(self.blobs):
            return Handful(self.blobs, transfer.want.beside)
        return await self.blobs.draft()

    async def _pour(self, transfer: Transfer, body: IBody, checks: Checks) -> None:
        """Add what a body brings beyond what is here already; where they overlap they must be equal."""
        transfer.size = agree(transfer.size, body.total)
        transfer.want.bound(transfer.size or 0)
        if transfer.draft is None:
            transfer.draft = await self._draft(transfer)
            transfer.tell()
        position = body.offset
        if position > transfer.received:
            raise UpstreamUnavailable(_UNNAMED, "it answered with another part than it was asked for")
        while True:
            if position == transfer.received:
                transfer.validator = body.validator
            data = await body.read()
            if not data:
                break
            self.bytes_in += len(data)
            known = min(len(data), transfer.received - position)
            if known and await exactly(transfer.draft, position, known) != data[:known]:
                raise CorruptContent("upstream changed the file while it was fetched")
            position += len(data)
            if transfer.size is not None and position > transfer.size:
                raise CorruptContent(f"upstream sends more than the {transfer.size} bytes promised")
            transfer.want.bound(position)
            if fresh := data[known:]:
                await transfer.draft.write(fresh)
                checks.update(fresh)
                transfer.took(fresh)
        if position < transfer.received or transfer.size not in (None, position):
            raise CorruptContent(f"upstream sent {position} bytes, promised were {transfer.size or transfer.received}")
