"""
What the spool's download and its readers know of each other, and what of a file under way may be read (law 6).

While it is not known whether the bytes are the promised ones, readers get all but the tail, and nothing at all of a file that is small or
of unknown size.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.errors import CorruptContent, NoSuchFile, PypidaemonError, UpstreamUnavailable
from pypidaemon.interfaces import IBody, IContent, IDraft, ISendable
from pypidaemon.model import Digest
from pypidaemon.waits import first

SMALL = 2**20
"""Files of up to this many bytes are verified before the first byte is given (law 6)."""

TAIL = 64 * 2**10
"""How many bytes at the end of larger files are held back until the verdict."""

READ = 256 * 2**10
"""The most bytes that one read of a file under way gives."""

LARGEST = 16 * 2**30
"""How many bytes a file may have whose size nobody promised: no index has any that comes near."""

CHECKED = 4
"""How many hashes besides sha256 are made of a file at most; a page may promise as many as it likes, and each costs time."""

RECENT = 256 * 2**10
"""How many of the bytes that came last stay in memory, for readers who keep pace; at least one piece, however long."""


def _unheard(count: int) -> None:
    """Nobody waits for so many bytes."""


@attrs.frozen
class Want:
    """
    What somebody wants to read, where it comes from, and what is promised of it.

    Wants that overlap share one transfer where they are of one `flight`; then the first one's `source` and `landed` count.

    :param key: what makes two wants the same: the sha256 where known, else `label/project/filename`.
    :param source: starts the transfer at an offset; raises NoSuchFile or UpstreamUnavailable.
    :param digest: the sha256 the page promises.
    :param size: the number of bytes the page promises.
    :param checks: other hashes the page promises, as (algorithm, hexadecimal digest); those that hashlib knows are verified too.
    :param landed: called with digest and size when the blob is durable and before any reader gets the tail, so that a record can be
        made (law 7); what it raises fails the transfer.
    :param origin: names whom `source` asks. Two upstreams that promise the same digest are asked apart: one that is slow, or whose
        bytes are wrong, must not do harm to those who asked the other.
    :param title: what it is called in the log; the key where nothing is said.
    :param doubted: comes back with what to tell whoever waits once nobody should wait any longer for upstream to begin its answer; the download goes
        on. Where there is none, they wait for as long as the download does.
    :param at_most: how many bytes there may be, where the size is not promised; more are refused as soon as they are known of (S53).
    :param beside: makes of a small file something that is kept at the same stroke, as in `IKeeping.keep`, where that is this want's own download.
    :param absent: whether the store was just found not to have it, so that it need not be asked again.
    :param whole: as `IWhole.fetch_whole` for that many bytes; None where `source` alone is to be asked.
    :param came: called with the number of bytes when the last has come and all are about to be stored, so that others can be asked for meanwhile.
    :param blame: called where `source` brought other bytes than promised, so that it does not ask there again for a while; answers whether it has
        another place to ask.
    :param elsewhere: whether there is another place where it may come faster: one alone that is too slow is not asked for the rest (F30).
    """

    key: str
    source: Callable[[int], Awaitable[IBody]]
    digest: Digest | None = None
    size: int | None = None
    checks: tuple[tuple[str, str], ...] = ()
    landed: Callable[[Digest, int], Awaitable[None]] | None = None
    origin: str = ""
    title: str = ""
    at_most: int | None = None
    doubted: Callable[[], Awaitable[PypidaemonError]] | None = None
    blame: Callable[[], bool] | None = None
    elsewhere: bool = False
    beside: Callable[[bytes], bytes | None] | None = None
    absent: bool = False
    came: Callable[[int], None] = _unheard
    whole: Callable[[int], Awaitable[bytes | IBody]] | None = None

    @property
    def flight(self) -> Hashable:
        """What wants must have in common to share a transfer: source and promises, so that nobody else's can fail it."""
        return (self.key, self.origin, self.digest, self.size, self.checks, self.at_most)

    def bound(self, size: int) -> None:
        """
        Insist that a file of this wanted kind may have so many bytes.

        :raises CorruptContent: it may not.
        """
        if self.at_most is not None and size > self.at_most:
            raise CorruptContent(f"upstream has more than the {self.at_most} bytes that it may be")
        if self.at_most is None and self.size is None and size > LARGEST:
            raise CorruptContent(f"upstream has more than the {LARGEST} bytes that any file may be")


@attrs.frozen
class Prefix:
    """How many bytes from the beginning a transfer had brought when there was no room for more, and their sha256."""

    length: int
    digest: str


@attrs.define(eq=False)
class Checks:
    """The hashes besides sha256. A chunk costs less to hash here than to hand to a thread."""

    _expected: list[tuple[str, Any, str]]

    @classmethod
    def of(cls, want: Want) -> Checks:
        """Those that `want` promises and this Python can make, the first `CHECKED` of them."""
        expected: list[tuple[str, Any, str]] = []
        for algorithm, value in want.checks:
            if len(expected) == CHECKED:
                break
            # The names are upstream's, and which ones hashlib lists but cannot make differs from system to system.
            with suppress(ValueError, TypeError):
                function = hashlib.new(algorithm.lower(), usedforsecurity=False)
                # Those of variable length (shake) say 0; no index promises them. The draft makes the sha256 anyway.
                if function.digest_size and want.digest != value:
                    expected.append((algorithm, function, value.lower()))
        return cls(expected)

    def update(self, data: bytes) -> None:
        """Take the next bytes into account."""
        for _, function, _ in self._expected:
            function.update(data)

    def insist(self) -> None:
        """
        Compare what came with what was promised.

        :raises CorruptContent: they differ.
        """
        for algorithm, function, value in self._expected:
            if function.hexdigest() != value:
                raise CorruptContent(f"the content has {algorithm} {function.hexdigest()}, promised was {value}")


@attrs.define(eq=False)
class Transfer:
    """What readers and the download know of each other."""

    want: Want
    size: int | None
    digest: Digest | None = None
    draft: IDraft | None = None
    received: int = 0
    validator: str | None = None
    """Names the state of the file upstream that the bytes received are the beginning of."""
    failure: Exception | None = None
    prefix: Prefix | None = None
    """Of a transfer that failed for want of room: what its readers may have had."""
    readers: int = 0
    given: bool = False
    """Whether any of its bytes may have gone to a reader."""
    placed: bool = False
    """Whether the download has one of the places that there are."""
    half: IDraft | None = None
    """The draft in which what was received is, while it is not known yet whether it goes on from there."""
    half_until: float = 0.0
    """When that is worth nothing any more."""
    checks: Checks | None = None
    """As far as they have come."""
    _waiting: dict[Deferred[None], Callable[[], bool]] = attrs.field(factory=dict, init=False, repr=False)
    """Those who wait, and for what."""
    _recent: deque[tuple[int, bytes]] = attrs.field(factory=deque, init=False, repr=False)

    @property
    def small(self) -> bool:
        """Whether nothing may be given out before the verdict; a size not known counts as small."""
        return self.size is None or self.size <= SMALL

    @property
    def readable(self) -> int:
        """How many bytes from the beginning may be given out now (law 6)."""
        if self.digest is not None:
            return self.received
        return 0 if self.size is None or self.small else min(self.received, self.size - TAIL)

    def begin_anew(self) -> IDraft | None:
        """Forget all that came, and answer the draft that it is in; whoever waits goes on waiting."""
        draft, self.draft, self.half = self.draft or self.half, None, None
        self.size, self.received, self.validator, self.checks = self.want.size, 0, None, None
        self._recent.clear()
        return draft

    def goes_on(self) -> None:
        """Upstream has begun to answer."""
        if self.half is not None:
            self.draft, self.half = self.half, None
            self.tell()

    def took(self, data: bytes) -> None:
        """The draft has these bytes too, the next ones: count them and tell the readers."""
        self._recent.append((self.received, data))
        self.received += len(data)
        while len(self._recent) > 1 and self.received - self._recent[0][0] > RECENT:
            self._recent.popleft()
        self.tell()

    def recent(self, offset: int, limit: int) -> bytes:
        """
        Bytes at `offset`, at most `limit`, if they came lately; b"" otherwise.

        Twenty readers of one download would else send as many threads to the disk for each piece of it, and wait for them.
        """
        for begins, piece in reversed(self._recent):
            if begins <= offset:
                return piece[offset - begins : offset - begins + limit]
        return b""

    async def until(self, condition: Callable[[], bool]) -> IDraft:
        """Wait for that, and give the draft; raise what the transfer failed with."""
        while self.failure is None and not condition():
            # Nobody is woken for what is not what he waits for: a small file has nothing for anybody before its end.
            waiter: Deferred[None] = Deferred(self._forget)
            self._waiting[waiter] = condition
            await waiter
        if self.failure is not None:
            # All readers share the one error, and each raising would add to its traceback.
            raise self.failure.with_traceback(None)
        assert self.draft is not None
        return self.draft

    def _forget(self, waiter: Deferred[None]) -> None:
        self._waiting.pop(waiter, None)

    def tell(self) -> None:
        """Something has changed: wake those who waited for it."""
        for waiter, condition in list(self._waiting.items()):
            # One who was woken may have cancelled another, which then is here no more.
            if waiter in self._waiting and (self.failure is not None or condition()):
                del self._waiting[waiter]
                waiter.callback(None)

    def end(self, outcome: Digest | Exception) -> None:
        """Tell the readers how it ended."""
        if isinstance(outcome, Exception):
            self.failure = outcome
        else:
            self.digest = outcome
        self._recent.clear()
        self.tell()
        self.release()

    def release(self) -> None:
        """Close the draft when neither the download nor a reader needs it."""
        if not self.readers and self.draft is not None and (self.digest is not None or self.failure is not None):
            self.draft.close()


@implementer(IContent, ISendable)
@attrs.define(eq=False)
class Reader:
    """The bytes of a transfer for one reader."""

    transfer: Transfer
    _closed: bool = False

    def __attrs_post_init__(self) -> None:
        self.transfer.readers += 1

    @property
    def size(self) -> int | None:
        """How many bytes there are: the page's word, else upstream's, else known when all have come."""
        return self.transfer.size

    @property
    def digest(self) -> Digest | None:
        """The sha256: the promised one from the beginning, since nobody is given the last byte of anything else (law 6), else when all have come."""
        return self.transfer.digest or self.transfer.want.digest

    async def read(self, offset: int, limit: int) -> bytes:
        """
        Give bytes from `offset` on as `IContent.read`; those at the end, and the word that there are no more, after the verdict.

        :raises StorageFull: there was no room for the rest.
        """
        transfer = self.transfer
        count = min(limit, READ, await self._readable(offset))
        if count <= 0:
            return b""
        assert transfer.draft is not None  # or nothing of it could be read
        return transfer.recent(offset, count) or await transfer.draft.read(offset, count)

    def descriptor(self) -> int | None:
        """As `ISendable`: the draft's, where that is in a file."""
        draft = self.transfer.draft
        return draft.descriptor() if ISendable.providedBy(draft) and not self._closed else None

    async def reach(self, offset: int) -> int:
        """As `ISendable`: what may be given out by now, all but the tail before the verdict (law 6)."""
        return max(await self._readable(offset), 0) if ISendable.providedBy(self.transfer.draft) else 0

    async def _readable(self, offset: int) -> int:
        """Wait until there is something to read at `offset`, or never will be; how many bytes that is."""
        transfer = self.transfer
        await transfer.until(lambda: transfer.digest is not None or transfer.readable > offset)
        count = transfer.readable - offset
        transfer.given = transfer.given or count > 0
        return count

    def close(self) -> None:
        """Leave; the download goes on."""
        if not self._closed:
            self._closed = True
            self.transfer.readers -= 1
            self.transfer.release()


def agree(promised: int | None, told: int | None) -> int | None:
    """
    The one length that is left of two statements, None where neither says anything.

    :raises CorruptContent: they contradict each other (S27).
    """
    if promised is not None and told is not None and promised != told:
        raise CorruptContent(f"upstream has {told} bytes, promised were {promised}")
    return told if promised is None else promised


async def hashed(content: IContent, end: int | None = None) -> str:
    """The sha256 of a content, or of its bytes up to `end`."""
    digest, offset = hashlib.sha256(), 0
    while offset != end and (piece := await content.read(offset, READ if end is None else min(READ, end - offset))):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()


async def exactly(draft: IDraft, offset: int, count: int) -> bytes:
    """So many bytes of a draft, which has them."""
    pieces: list[bytes] = []
    while count:
        pieces.append(await draft.read(offset, count))
        offset += len(pieces[-1])
        count -= len(pieces[-1])
    return b"".join(pieces)


async def taken_up(transfer: Transfer) -> IBody:
    """
    A transfer that broke off, taken up: from where it stopped if upstream's file is provably the same, else from the beginning.

    :raises UpstreamUnavailable: it could not be taken up.
    :raises NoSuchFile: it began with what another had left, and there is no such file any more.
    """
    source = transfer.want.source
    try:
        # At the very end there is no byte left to ask for, and of what has no name nothing can be the same.
        goes_on = transfer.received != transfer.size and transfer.validator is not None
        body = await source(transfer.received if goes_on else 0)
        same = body.validator is not None and body.validator == transfer.validator
        if body.offset and not (same and body.offset == transfer.received):
            body.close()
            body = await source(0)
    except NoSuchFile as error:
        if transfer.half is not None:
            # Nobody has been given anything yet, so it is an answer as good as any.
            raise
        raise UpstreamUnavailable("of this file", "the file went away while it was fetched") from error
    return body


async def begun(transfer: Transfer, doubted: Callable[[], Awaitable[PypidaemonError]]) -> None:
    """Wait until upstream has begun to answer, or is doubted, which fails the one who waits and not the transfer."""
    told: list[PypidaemonError] = []

    async def wait() -> None:
        told.append(await doubted())

    if await first(transfer.until(lambda: transfer.draft is not None), wait()):
        raise told[0]
