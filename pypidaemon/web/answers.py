"""
Ready answers: every representation of a page, rendered, compressed and tagged once per revision, so that a warm request is a
look-up and a write (law 11).

A key says all that an answer depends on. `visibility` is who may see it ("public" is everybody), `view` how it is seen ("" is the
index itself), and `part` how much of it is listed ("" is all), so that neither rights nor views can ever mix answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

import attrs
import zstandard
from isal import igzip
from twisted.logger import Logger

from pypidaemon.flights import Flights
from pypidaemon.model import InThread, NormalizedName
from pypidaemon.readings import Reading, Readings
from pypidaemon.shelf import Shelf
from pypidaemon.simple.negotiation import choose_coding
from pypidaemon.simple.pieces import Piece, Pieced

CODINGS = ("zstd", "gzip")
"""What answers are stored in, besides as they are, best first: uv asks for zstd, pip for gzip, nobody for brotli."""
LIMIT = 48 << 20
"""Bytes of bodies held: some thousands of projects, compressed."""
VIEWS = 8 << 20
"""Bytes of bodies held of views: there are as many as anybody cares to ask for, and they must not push out what everybody asks for."""
PIECES = 32 << 20
"""Bytes of pieces held, of which large pages are made: some thirty of 10,000 files each."""
REST = 10.0
"""Seconds between two writings down of one large page at least."""
MOST_MADE = 20_000
"""Keys of which it is remembered that they were made since the start."""
_OVERHEAD = 2048
_WORTH_COMPRESSING = 512
_LARGE = 64 << 10

log = Logger()


@attrs.frozen
class AnswerKey:
    """What an answer depends on besides the content coding."""

    index: str
    project: NormalizedName
    form: str
    """Which document: a representation of the simple page, or another document about the project."""
    visibility: str = "public"
    view: str = ""
    part: str = ""
    """Which part of the page is listed; "" is all of it."""


@attrs.frozen
class State:
    """
    What an answer was made from. `sources` are the labels of all indexes that something in it is from, and only who may read each of them sees it;
    `fresh_until` None means until something is announced; `turns` is when a rule that goes by the clock changes it, whatever else holds. `made` is when
    that was so: a clock that was put back since makes it an answer of the future. `held` is how much of the page it lists ("2 of 7"), where that is not
    all of it.
    """

    revision: str
    serial: int
    sources: tuple[str, ...]
    fresh_until: float | None
    stale: bool = False
    turns: float | None = None
    made: float = 0.0
    held: str = ""

    def holds(self, now: float, resting: float = 0.0) -> bool:
        """
        Whether it may be given at that moment without asking the index.

        :param resting: seconds since it was made for which it may be where it is past its time, since nobody can be asked for a better one.
        """
        return self.made <= now < self.until(resting)

    def until(self, resting: float = 0.0) -> float:
        """The end of the time for which `holds` says so, by the clock alone."""
        end = self.made + resting if self.stale else math.inf if self.fresh_until is None else self.fresh_until
        return end if self.turns is None else min(end, self.turns)

    def same(self, other: State) -> bool:
        """Whether the same document is made from both, for the same readers."""
        return (self.revision, self.serial, self.sources, self.held) == (other.revision, other.serial, other.sources, other.held)


@attrs.frozen
class Making:
    """
    All that an answer is made of.

    :param render: makes the body; it runs on a thread.
    :param accepted: the `Accept-Encoding` lines of who asks first.
    :param lasting: whether it may be kept; not where something that belongs in it could not be had just now.
    """

    state: State
    content_type: str
    render: Callable[[], bytes]
    accepted: Sequence[str]
    lasting: bool = True
    pieced: Callable[[Sequence[Piece]], Pieced] | None = None
    """Makes it in pieces, of those of what it was before, where it is so long that this is worth it; on a thread as well."""


@attrs.define
class Answer:
    """
    One document in the codings asked for so far.

    A long one is kept compressed alone, at a sixth of its length; who wants it plain gets it decompressed, which is rare.
    """

    state: State
    content_type: str
    tag: str
    length: int
    bodies: dict[str, bytes]
    asked: bool = False
    """Whether somebody has had it since it was made."""
    in_pieces: bool = False
    """Whether it was made in pieces, which there is only gzip for: who is quick to ask for it gets that, though another coding would be better."""

    def etag(self, coding: str) -> str:
        """The strong ETag of that coding: one per representation and per content coding (R72)."""
        return f'"{self.tag}{"-" + coding if coding else ""}"'

    def coding(self, accepted: Sequence[str]) -> str:
        """The best coding that these `Accept-Encoding` lines allow and that is worth it."""
        if self.length < _WORTH_COMPRESSING:
            return ""
        best = choose_coding(accepted, CODINGS)
        if self.in_pieces and best not in self.bodies:
            return choose_coding(accepted, tuple(self.bodies)) or best
        return best

    def plain(self) -> bytes:
        """The document itself."""
        for coding, body in self.bodies.items():
            return decompress(body, coding)
        raise AssertionError("an answer has a body")

    @property
    def weight(self) -> int:
        """Bytes held, with what Python itself needs for them."""
        return _OVERHEAD + sum(len(body) for body in self.bodies.values())


def compress(body: bytes, coding: str) -> bytes:
    """That body in that coding, by codecs that are quick at nearly the size of the slow ones."""
    if coding == "gzip":
        return igzip.compress(body, 2, mtime=0)
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=3).compress(body)
    return body


def decompress(body: bytes, coding: str) -> bytes:
    """What `compress` was given."""
    if coding == "gzip":
        plain: bytes = igzip.decompress(body)
        return plain
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompress(body)
    return body


class Keeping(Protocol):
    """Where answers stay over a restart; `flights` is what it is at."""

    flights: Flights[str, None]

    async def recall(self, key: AnswerKey, state: State, /) -> Answer | None:
        """The answer of that key that was made of the same; None where there is none."""

    def save(self, key: AnswerKey, answer: Answer, /) -> None:
        """Keep that answer as it is now; nobody waits for it, and nothing is said where it cannot be."""


def _outdated(_: AnswerKey, __: Iterable[str], ___: float) -> None:
    pass


@attrs.define
class Answers:
    """
    The store: bounded in memory by bytes, dropped by name when something is announced.

    :param kept: what there was before a restart.
    """

    cpu: InThread
    kept: Keeping | None = None
    outdated: Callable[[AnswerKey, Iterable[str], float], None] = attrs.field(default=_outdated, init=False, repr=False)
    """Called with what is dropped since something about its project was announced, where somebody had it, with the codings it was had in, and until when it
    would have held by the clock."""
    changed: Callable[[NormalizedName], None] = attrs.field(default=lambda _: None, init=False, repr=False)
    """Called with a project of which the answers here are not what they were: whoever knows a way round this store hears of it."""
    _shelf: Shelf[AnswerKey, Answer] = attrs.field(init=False, repr=False)
    _views: Shelf[AnswerKey, Answer] = attrs.field(init=False, repr=False)
    _keys: dict[NormalizedName, dict[AnswerKey, None]] = attrs.field(factory=dict, init=False, repr=False)
    """What is on both by its project, so that of thousands of projects one is dropped without looking at the others."""
    _pieces: Shelf[AnswerKey, tuple[Piece, ...]] = attrs.field(factory=lambda: Shelf(PIECES), init=False, repr=False)
    """Of what was made in pieces, those: they stay when what they were part of is dropped."""
    _made: dict[AnswerKey, float] = attrs.field(factory=dict, init=False, repr=False)
    """What was made since the start, some of it, so that what was kept of it before is of no use any more; and when it was kept last."""
    readings: Readings[NormalizedName] = attrs.field(factory=Readings, init=False)
    flights: Flights[tuple[object, ...], Answer] = attrs.field(factory=Flights, init=False)
    improving: Flights[tuple[AnswerKey, str], None] = attrs.field(factory=Flights, init=False)
    hits: int = attrs.field(default=0, init=False)
    misses: int = attrs.field(default=0, init=False)
    recalled: int = attrs.field(default=0, init=False)
    """How many were made before the last start and did not have to be made again."""

    def __attrs_post_init__(self) -> None:
        self._shelf, self._views = (Shelf(limit, self._gone) for limit in (LIMIT, VIEWS))

    def keeps(self, key: AnswerKey, answer: Answer) -> bool:
        """Whether that is still the answer of that key. It counts as having been asked for."""
        answer.asked = True
        return self._of(key).get(key) is answer

    def fresh(self, key: AnswerKey, now: float, resting: float = 0.0) -> Answer | None:
        """The answer of that key if it may be given without asking the index; `resting` as in `State.holds`."""
        answer = self._of(key).get(key)
        if answer is None or not answer.state.holds(now, resting):
            return None
        answer.asked = True
        return answer

    async def make(self, key: AnswerKey, made: Making, reading: Reading) -> Answer:
        """
        The answer of that key: the one held where it is of the same revision, serial and sources, else rendered now, on a thread, once for all who
        ask meanwhile: a line that goes down turns all pages at once.

        :param reading: begun by `readings.of(key.project)` before the index was asked; an answer that was overtaken serves this request and no other.
        """
        held = self._of(key).get(key)
        if held is not None and held.state.same(made.state):
            self.hits += 1
            if reading.holds:
                held.state = made.state
                self.changed(key.project)
            return held
        state = made.state
        document = (key, state.revision, state.serial, state.sources, state.held, made.lasting)
        answer = await self.flights.join(document, lambda: self._render(key, made))
        if reading.holds and made.lasting:
            answer.state = state
            self._put(key, answer)
            # What is new may also go before another of the same project.
            self.changed(key.project)
        return answer

    async def _render(self, key: AnswerKey, made: Making) -> Answer:
        kept = self.kept if made.lasting else None
        answer = None if kept is None or key in self._made else await kept.recall(key, made.state)
        if answer is not None:
            self.recalled += 1
            return answer
        self.misses += 1
        if len(self._made) >= MOST_MADE:
            self._made.clear()
        saved = self._made.setdefault(key, -math.inf)
        if made.pieced is None:
            answer = await self.cpu(_rendered, key, made)
        else:
            page = await self.cpu(made.pieced, self._pieces.get(key) or ())
            self._pieces.put(key, page.pieces, sum(piece.weight for piece in page.pieces))
            answer = _joined(key, made, page)
        # A large page that changes again and again is not worth a megabyte each time.
        if kept is not None and not (answer.in_pieces and 0 <= made.state.made - saved < REST):
            self._made[key] = made.state.made
            kept.save(key, answer)
        return answer

    def improve(self, key: AnswerKey, answer: Answer, accepted: Sequence[str]) -> None:
        """Have the best coding that these lines allow at hand for the next who asks, where what was given was not that; nobody waits for it."""
        best = choose_coding(accepted, CODINGS)
        if best not in answer.bodies:
            self.improving.start((key, best), lambda: self._improve(key, answer, best))

    async def _improve(self, key: AnswerKey, answer: Answer, coding: str) -> None:
        if self._of(key).get(key) is answer:
            await self.body(key, answer, coding)

    async def body(self, key: AnswerKey, answer: Answer, coding: str) -> bytes:
        """The answer in that coding, made and kept where it was not asked for before."""
        body = answer.bodies.get(coding)
        if body is None:
            body = await self.cpu(lambda: compress(answer.plain(), coding))
            if coding or len(body) < _LARGE:
                answer.bodies[coding] = body
                if self._of(key).get(key) is answer:
                    self._put(key, answer)
                    if self.kept is not None:
                        self.kept.save(key, answer)
        return body

    def forget(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`: drop what was made of that project, or of all."""
        self.readings.spoil(name)
        keys = [] if name is None else [*self._keys.get(name, ())]
        had = [(key, answer) for key in keys if (answer := self._shelf.get(key)) is not None]
        if name is None:
            for shelf in (self._shelf, self._views):
                shelf.forget(None)
        for key in keys:
            self._of(key).drop(key)
        for key, answer in had:
            if answer.asked:
                self.outdated(key, tuple(answer.bodies), answer.state.until())

    def turn(self) -> None:
        """A line went down or came back: what pages list while one is down is made anew the next time, also what is being made now."""
        self.readings.spoil(None)
        for shelf in (self._shelf, self._views):
            shelf.drop_where(lambda key: key.part != "")

    @property
    def weight(self) -> int:
        """Bytes held."""
        return self._shelf.weight + self._views.weight

    def __len__(self) -> int:
        return len(self._shelf) + len(self._views)

    def _of(self, key: AnswerKey) -> Shelf[AnswerKey, Answer]:
        return self._views if key.view else self._shelf

    def _put(self, key: AnswerKey, answer: Answer) -> None:
        shelf = self._of(key)
        shelf.put(key, answer, answer.weight)
        if shelf.get(key) is answer:
            self._keys.setdefault(key.project, {})[key] = None

    def _gone(self, key: AnswerKey, _: Answer) -> None:
        keys = self._keys[key.project]
        del keys[key]
        if not keys:
            del self._keys[key.project]
        self.changed(key.project)


def _tag(key: AnswerKey, state: State, seen: bytes) -> str:
    seed = f"{key.form}\n{key.visibility}\n{key.view}\n{key.part}\n{state.revision}\n{state.serial}\n".encode()
    return blake2b(seed + seen, digest_size=15).hexdigest()


def _joined(key: AnswerKey, made: Making, page: Pieced) -> Answer:
    # The revision tells all that is on it, and the checksum how it is written; which pieces it is made of is no part of it.
    tag = _tag(key, made.state, b"%d %d" % (page.length, page.crc))
    return Answer(made.state, made.content_type, tag, page.length, {"gzip": page.packed}, in_pieces=True)


def _rendered(key: AnswerKey, made: Making) -> Answer:
    body = made.render()
    tag = _tag(key, made.state, blake2b(body).digest())
    answer = Answer(made.state, made.content_type, tag, len(body), {"": body})
    coding = answer.coding(made.accepted)
    if coding:
        answer.bodies[coding] = compress(body, coding)
        if len(body) >= _LARGE:
            del answer.bodies[""]
    return answer
