"""
The express lane: whole request heads that were answered before, with the answer ready to be sent again.

A head is known by every byte of it, so all that a client can say (what it wants, what it has, who it is) is part of the key, and equal bytes get what
they would get on the ordinary road at this moment, byte for byte. What goes in is what that road has just answered, with the `Term` that says what
the clock does to it; what the clock has nothing to do with (a page, a right, a ruling, a line that goes down) is told by those who change it, before
anybody is answered again, and drops the entry. Nothing here judges by itself whether an answer still holds.

Of an answer only its date, its id, and the seconds that caches may keep it are new each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import datetimeToString

from pypidaemon.shelf import Shelf
from pypidaemon.web.access import AccessLog, Wording
from pypidaemon.web.ask import Ask
from pypidaemon.web.metrics import Counted, Metrics
from pypidaemon.web.reply import Term
from pypidaemon.web.request_ids import RequestIds

LIMIT = 16 << 20
"""Bytes of heads held, of requests and of answers; the bodies are those of `Answers`, and go when they do."""
MET = 8192
"""Heads that are remembered for having come once: only what comes again is worth a place, so a flood of heads that never do takes none."""
_OVERHEAD = 2048
_RENEWED = (b"date", b"x-request-id", b"cache-control")

Field = tuple[bytes, bytes]


@attrs.define(eq=False)
class Ready:
    """
    An answer as it is sent, but for the id: `before` and `behind` that, then `body`.

    These hold from `start` until before `end`, within one second of the clock; after that they are made anew from `pieces`, which lie around the values that change.
    """

    term: Term
    pieces: tuple[bytes, bytes, bytes, bytes]
    body: bytes
    client: str
    """Who asked, where the request itself says so; else whoever is at the other end."""
    wording: Wording
    counted: Counted
    sent: int
    before: bytes = b""
    behind: bytes = b""
    start: float = math.inf
    end: float = -math.inf

    @property
    def weight(self) -> int:
        """Bytes held, without key and body."""
        return _OVERHEAD + 2 * sum(map(len, self.pieces))

    def renew(self, now: float) -> None:
        """Make what changes with the clock as it is at that moment, which is within the term."""
        term = self.term
        first, second, third, last = self.pieces
        self.before = first + datetimeToString(now) + second
        self.behind = third + term.cache_control(now).encode("ascii") + last
        self.start, self.end = now, min(term.until, math.floor(now) + 1.0)
        if term.counts_to is not None and now < term.counts_to:
            self.end = min(self.end, term.counts_to - math.floor(term.counts_to - now))


@attrs.define(eq=False)
class Lane:
    """
    The heads that are known, bounded by bytes; what was asked for longest ago goes first.

    :param ids: names the requests, as those on the ordinary road.
    :param believes: whether what a peer of that address says about its own clients counts, so that it is a part of what it asks.
    :param hit: called for each answer that is not told of otherwise (`Term.given`), beside the log and the metrics.
    """

    clock: IReactorTime
    ids: RequestIds
    access: AccessLog
    metrics: Metrics
    believes: Callable[[str], bool]
    hit: Callable[[], None]
    gave: int = attrs.field(default=0, init=False)
    """How many answers."""
    _shelf: Shelf[bytes, Ready] = attrs.field(init=False, repr=False)
    _of: dict[str, set[bytes]] = attrs.field(factory=dict, init=False, repr=False)
    """The keys of each project."""
    _met: set[int] = attrs.field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._shelf = Shelf(LIMIT, self._gone)

    def __len__(self) -> int:
        return len(self._shelf)

    @property
    def weight(self) -> int:
        """Bytes held, without those of the bodies."""
        return self._shelf.weight

    def origin(self, peer: str, secure: bool) -> bytes:
        """What an answer may depend on besides the head: it goes before that in a key, and begins as no head does."""
        via = b"\x00" + peer.encode() + b"\x00" if self.believes(peer) else b""
        return b"\x01" + via if secure else via

    def ready(self, key: bytes, now: float) -> Ready | None:
        """What is to be answered to that key at this moment, where it is known."""
        ready = self._shelf.get(key)
        if ready is None or ready.start <= now < ready.end:
            return ready
        term = ready.term
        if not (term.since <= now < term.until and term.still()):
            self._shelf.drop(key)
            return None
        ready.renew(now)
        return ready

    def answered(self, ready: Ready, client: str, id: str, now: float) -> None:
        """That was sent to that client under that id: the log and the counts say so as of any answer."""
        self.gave += 1
        self.metrics.count(ready.counted, ready.sent)
        self.access.again(ready.wording, ready.client or client, id, now)
        if ready.term.given is not None:
            ready.term.given(ready.client or client, now)
        else:
            self.hit()

    def ended(self, ready: Ready, client: str, id: str, sent: int, seconds: float) -> None:
        """As `answered`, where it took time: so many bytes of the body went out, and nothing follows."""
        self.gave += 1
        self.hit()
        self.metrics.count(ready.counted, sent)
        self.access.line(ready.wording, ready.client or client, id, sent, seconds)

    def wants(self, key: bytes) -> bool:
        """Whether the answer to that key, which was not known, is worth keeping: it was asked for before."""
        met, known = self._met, hash(key)
        if known in met:
            met.discard(known)
            return True
        if len(met) >= MET:
            met.clear()
        met.add(known)
        return False

    def learn(self, key: bytes, ask: Ask, status: bytes, fields: Iterable[Field], body: bytes, term: Term) -> None:
        """
        The ordinary road has just answered that request with these fields in this order, and `body` behind them.

        :param status: the first line of the answer.
        """
        found = list(fields)
        if [name.lower() for name, _ in found if name.lower() in _RENEWED] != list(_RENEWED):
            return
        pieces = [status + b"\r\n"]
        for name, value in found:
            pieces[-1] += name + b": "
            if name.lower() in _RENEWED:
                pieces.append(b"\r\n")
            else:
                pieces[-1] += value + b"\r\n"
        pieces[-1] += b"\r\n"
        first, second, third, last = pieces
        code, sent = int(status.split(b" ", 2)[1]), len(body)
        client = (ask.client or "-") if key[:1] == b"\x00" or key[1:2] == b"\x00" else ""
        ready = Ready(
            term, (first, second, third, last), body, client, self.access.wording(ask, code, sent), self.metrics.counted(ask, code), sent
        )
        self._shelf.put(key, ready, len(key) + ready.weight)
        self._of.setdefault(term.project, set()).add(key)

    def forget(self, project: str) -> None:
        """The answers of that project may not be what they were."""
        for key in tuple(self._of.get(project, ())):
            self._shelf.drop(key)

    def clear(self) -> None:
        """No answer may be what it was."""
        if self._of:
            self._shelf.drop_where(lambda _: True)

    def _gone(self, key: bytes, ready: Ready) -> None:
        keys = self._of[ready.term.project]
        keys.discard(key)
        if not keys:
            del self._of[ready.term.project]
