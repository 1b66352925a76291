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
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import datetimeToString

from pypidaemon.shelf import Shelf
from pypidaemon.web.access import AccessLog
from pypidaemon.web.access_forms import Wording
from pypidaemon.web.ask import Ask
from pypidaemon.web.copies import Copies, Copy
from pypidaemon.web.metrics import Metrics, Tally
from pypidaemon.web.reply import Term
from pypidaemon.web.request_ids import RequestIds

LIMIT = 16 << 20
"""Bytes of heads held, of requests and of answers; the bodies are those of `Answers`, and go when they do."""
MET = 8192
"""Heads that are remembered for having come once: only what comes again is worth a place, so a flood of heads that never do takes none."""
_OVERHEAD = 2048
_BELIEVED = 2
_RENEWED = (b"date", b"x-request-id", b"cache-control")

Field = tuple[bytes, bytes]


class Hits(Protocol):
    """Whoever counts answers that were given without being made."""

    hits: int


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
    tally: Tally
    sent: int
    copy: Copy | None
    """The body in the system's own pages, where that is worth it."""
    before: bytes = b""
    behind: bytes = b""
    said: str = ""
    """What stands between client and id in the line of the log."""
    start: float = math.inf
    end: float = -math.inf

    @property
    def weight(self) -> int:
        """Bytes held, without key and body."""
        return _OVERHEAD + 2 * sum(map(len, self.pieces))

    def renew(self, now: float, said: str) -> None:
        """Make what changes with the clock as it is at that moment, which is within the term; `said` is so for that second."""
        term = self.term
        self.said = said
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
    :param answers: counts those that are not told of otherwise (`Term.given`), beside the log and the metrics.
    """

    clock: IReactorTime
    ids: RequestIds
    access: AccessLog
    metrics: Metrics
    believes: Callable[[str], bool]
    answers: Hits
    allows: Callable[[str], bool] | None = None
    """Asked with the client of each request, where that may have too many: False has the ordinary road say so."""
    copies: Copies = attrs.field(factory=Copies, init=False, repr=False)
    gave: int = attrs.field(default=0, init=False)
    """How many answers."""
    _shelf: Shelf[bytes, Ready] = attrs.field(init=False, repr=False)
    _known: dict[bytes, Ready] = attrs.field(factory=dict, init=False, repr=False)
    """What is on the shelf, found without touching it."""
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
        """What an answer may depend on besides the head: it goes before that in a key, and none begins as another, whatever a client sends behind it."""
        return b"%c%s\x00" % (_BELIEVED + secure, peer.encode()) if self.believes(peer) else b"%c" % secure

    def ready(self, key: bytes, now: float) -> Ready | None:
        """What is to be answered to that key at this moment, where it is known."""
        ready = self._known.get(key)
        if ready is None or ready.start <= now < ready.end:
            return ready
        # It counts as having been asked for once a second, then.
        self._shelf.get(key)
        term = ready.term
        if not (term.since <= now < term.until and term.still()):
            self._shelf.drop(key)
            return None
        ready.renew(now, self.access.between(ready.wording, now))
        return ready

    def answered(self, ready: Ready, client: str, id: str, now: float) -> None:
        """That was sent to that client under that id: the log and the counts say so as of any answer."""
        self.gave += 1
        tally = ready.tally
        tally.requests += 1
        tally.sent += ready.sent
        client = ready.client or client
        said = ready.said if ready.start <= now < ready.end else self.access.between(ready.wording, now)
        access = self.access
        shown = client if access.addressed is None else access.addressed(client)
        access.lines.add(now, f"{access.head}{shown}{said}{id}{access.tail}")
        given = ready.term.given
        if given is not None:
            given(client, now)
        else:
            self.answers.hits += 1

    def ended(self, ready: Ready, client: str, id: str, sent: int, seconds: float) -> None:
        """As `answered`, where it took time: so many bytes of the body went out, and nothing follows."""
        self.gave += 1
        self.answers.hits += 1
        ready.tally.requests += 1
        ready.tally.sent += sent
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
        client = (ask.client or "-") if key[0] >= _BELIEVED else ""
        wording, tally = self.access.wording(ask, code, sent, ready=True), self.metrics.tally(ask, code)
        ready = Ready(term, (first, second, third, last), body, client, wording, tally, sent, self.copies.of(body))
        self._shelf.put(key, ready, len(key) + ready.weight)
        self._known[key] = ready
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
        del self._known[key]
        keys = self._of[ready.term.project]
        keys.discard(key)
        if not keys:
            del self._of[ready.term.project]
