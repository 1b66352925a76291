"""
The project list, `/simple/`: rendered piece by piece off the reactor's thread, kept compressed and tagged in a store of its own, and
sent from there. Never rendered per request, never whole in memory (R82, design §7).

What was made is on record beside the store, so a daemon that starts again has to make none anew: by what revision, by what program and configuration, and for
whose eyes. Before it is given for the first time its bytes are held against their digest.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing

import attrs
import orjson
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.announcements import Announcements
from pypidaemon.errors import Damaged, NoSuchBlob
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IBlobStore, IContent, IIndex
from pypidaemon.listings import state_of
from pypidaemon.model import Digest, InThread, NormalizedName, ProjectList
from pypidaemon.rendered import Rendered
from pypidaemon.web.answers import State
from pypidaemon.web.ask import Ask
from pypidaemon.web.lent import Open
from pypidaemon.web.list_pieces import LAYOUTS, PIECE, Copy, Rendering, Written
from pypidaemon.web.ready_lists import Key, Made, Ready, ReadyLists, Wanted
from pypidaemon.web.reply import Reply, Stream

LIMIT = 256 << 20
"""Bytes of rendered lists at most: what was not asked for longest goes first, but never the one that was asked for last."""
_RECORD = "lists"

_log = Logger()

_TRIES = 3
"""How often a list is rendered for one request that finds it gone: once is usual, when an older rendering ended just now."""


@attrs.define
class Lists:
    """
    Answers `/simple/` of every exposed index.

    :param store: holds nothing but rendered lists.
    :param record: remembers what they are; without it those of an earlier time are of no use.
    """

    indexes: Mapping[str, IIndex]
    store: IBlobStore
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    settle: Callable[[str, IIndex], Awaitable[None]]
    """Comes back when all that changed has its number (`History.settle`): a list with an old one would keep mirrors from a change."""
    record: Rendered | None = None
    settled: Callable[[str, float], bool] | None = None
    """Whether `settle` has nothing to do at that moment, where the index has not changed; without it no answer is ready."""
    _made: OrderedDict[Key, Made] = attrs.field(factory=OrderedDict, init=False)
    """What was asked for last stands last."""
    _ready: ReadyLists = attrs.field(factory=ReadyLists, init=False)
    _doubted: set[Digest] = attrs.field(factory=set, init=False)
    """Those of an earlier time whose bytes nobody has looked at yet."""
    _learnt: bool = attrs.field(default=False, init=False)
    _changed: bool = attrs.field(default=False, init=False)
    """Whether the record is not of now."""
    _age: int = attrs.field(default=0, init=False)
    """How often rights have changed; what was begun before a change serves those who asked before it, and nobody else."""
    _told: int = attrs.field(default=0, init=False)
    """How often a change was announced, of whatever index."""
    _spent: set[Digest] = attrs.field(factory=set, init=False)
    """Renderings in the store that no request will ask for any more."""
    flights: Flights[tuple[str, ...], Made] = attrs.field(factory=Flights, init=False)
    sweeps: Flights[str, None] = attrs.field(factory=Flights, init=False)
    reading: Flights[str, bool] = attrs.field(factory=Flights, init=False)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self._hear)

    def quick(self, ask: Ask, account: IAccount, index: str) -> Reply | None:
        """`/simple/` with its slash, where nothing has changed since that was asked last: without a thread, and without asking anybody."""
        wanted = Wanted.of(ask, account, index)
        key = wanted.key
        ready = self._ready.get(key)
        if ready is None:
            return None
        now = self.clock.seconds()
        if not self._holds(key, ready, now):
            self._ready.forget(key)
            return None
        if wanted.knows(ready.made):
            return wanted.not_modified(ready.made, ready.state, now)
        if ready.content is None:
            return None
        self._made.move_to_end(key)
        return wanted.whole(ready.made, ready.state, now, ready.content.lend())

    def _holds(self, key: Key, ready: Ready, now: float) -> bool:
        """Whether asking everybody would give that answer once more."""
        return (
            self._made.get(key) is ready.made
            and ready.state.holds(now)
            and self.settled is not None
            and self.settled(key[0], now)
            and state_of(self.indexes[key[0]]) == ready.known
        )

    async def listing(self, ask: Ask, account: IAccount, index: str) -> Reply:
        """`/simple/` with its slash."""
        # Before anything is waited for: the account's rights are of now.
        age, told = self._age, self._told
        known = state_of(self.indexes[index])
        await self.settle(index, self.indexes[index])
        names = await self.indexes[index].project_names()
        wanted = Wanted.of(ask, account, index)
        state = State(names.revision, names.serial, (names.source,), names.fresh_until, names.stale, made=self.clock.seconds())
        made = await self._current(wanted.key, names, account, age)
        if wanted.knows(made):
            self._keep(wanted.key, Ready(made, state, known), age, told)
            return wanted.not_modified(made, state, self.clock.seconds())
        made, content = await self._opened(wanted.key, names, account, age)
        open = Open(content)
        lent = open.lend()
        if not self._keep(wanted.key, Ready(made, state, known, open), age, told):
            open.end()
        return wanted.whole(made, state, self.clock.seconds(), lent)

    def _hear(self, name: NormalizedName | None) -> None:
        """Something has changed, and may change back to what it was."""
        self._told += 1

    def _keep(self, key: Key, ready: Ready, age: int, told: int) -> bool:
        """Have that answer given again, unless something has changed while it was made; whether it is kept."""
        unchanged = (age, told) == (self._age, self._told) and ready.known is not None
        keeps = unchanged and self._holds(key, ready, self.clock.seconds())
        if keeps:
            self._ready.put(key, ready)
        return keeps

    def let_go(self) -> None:
        """Have no file open that nobody is reading."""
        self._ready.clear()

    async def rendered(self, account: IAccount, index: str, form: str) -> Stream:
        """The list in one of the `LAYOUTS`, as it is; whoever takes it closes its content."""
        age = self._age
        await self.settle(index, self.indexes[index])
        names = await self.indexes[index].project_names()
        made, content = await self._opened((index, form, "", account.sight), names, account, age)
        return Stream(content, 0, made.size)

    async def _current(self, key: Key, names: ProjectList, account: IAccount, age: int) -> Made:
        if not self._learnt:
            await self.reading.join("", self._learn)
        made = self._made.get(key) if age == self._age else None
        if made is None or made.revision != names.revision:
            # By its revision too: whoever comes while an older list is being rendered wants his own (R72). And by the age: the same word for
            # a scope means other rights after a change of them.
            made = await self.flights.join((*key, names.revision, str(age)), lambda: self._make(key, names, account, age))
        elif made.digest in self._doubted and not await self.reading.join(made.digest, lambda: self._whole(made.digest)):
            return await self._current(key, names, account, age)
        if key in self._made:
            self._made.move_to_end(key)
        return made

    async def _opened(self, key: Key, names: ProjectList, account: IAccount, age: int) -> tuple[Made, IContent]:
        tries = _TRIES
        while True:
            made = await self._current(key, names, account, age)
            try:
                content = await self.store.open(made.digest)
            except NoSuchBlob:
                tries -= 1
                if not tries:
                    raise
                if self._made.get(key) is made:
                    del self._made[key]
            else:
                if age != self._age:
                    # It was rendered for those who asked before the change, and whoever has it open reads on.
                    self.sweeps.start("", self._sweep)
                return made, content

    def forget(self) -> None:
        """Rights have changed: what an account may see is made anew, also for those who see what everybody sees."""
        self._age += 1
        self._spent.update(made.digest for made in self._made.values())
        self._made.clear()
        self._ready.clear()
        if not self._learnt:
            # Of what is on record none is of use any more, so nobody will come to learn it.
            self._learnt = True
            self.sweeps.start("others", self._sweep_others)
        self.sweeps.start("", self._sweep)

    async def _sweep(self) -> None:
        """Remove what is spent, except what has been rendered again meanwhile, which has the same digest."""
        while self._spent:
            digest = self._spent.pop()
            if digest not in self._wanted():
                await self.store.remove(digest)

    def _wanted(self) -> set[Digest]:
        return {made.digest for made in self._made.values()}

    async def _make(self, key: Key, names: ProjectList, account: IAccount, age: int) -> Made:
        before = self._made.get(key) if age == self._age else None
        made = None
        if before is not None and before.written.parts:
            made = await self._made_of(key, names, account, before)
        if made is None:
            made = await self._rendered(key, names, account, Written(), None)
        if age != self._age:
            self._spent.add(made.digest)
            return made
        self._ready.forget(key)
        before = self._made.pop(key, None)
        self._made[key] = made
        if before is not None:
            self._spent.add(before.digest)
        self._bound()
        self._changed = True
        if self.record is not None:
            self.sweeps.start(_RECORD, lambda record=self.record: self._note(record))  # type: ignore[misc]  # its default tells mypy that there is one
        await self.sweeps.join("", self._sweep)
        return made

    async def _made_of(self, key: Key, names: ProjectList, account: IAccount, before: Made) -> Made | None:
        """A list that takes over what it can of the one before; None where that one cannot be read any more."""
        try:
            with closing(await self.store.open(before.digest)) as content:
                return await self._rendered(key, names, account, before.written, content)
        except (NoSuchBlob, FileNotFoundError):
            return None
        except Damaged as error:
            _log.warn("{index}: {error}, so it is made anew", index=key[0], error=str(error))
            return None

    async def _rendered(self, key: Key, names: ProjectList, account: IAccount, before: Written, content: IContent | None) -> Made:
        def visible(label: str, name: NormalizedName) -> bool:
            return account.may("list", label, name)

        rendering = Rendering(names, visible, LAYOUTS[key[1]], key[2], before)
        pieces = rendering.pieces()
        draft = await self.store.draft()
        size = 0
        try:
            while (piece := await self.cpu(next, pieces, None)) is not None:
                if isinstance(piece, Copy):
                    assert content is not None
                    piece = await self._copied(content, piece)
                size += len(piece)
                await draft.write(piece)
            digest = await draft.commit(None)
        except BaseException:
            await draft.abort()
            raise
        finally:
            draft.close()
        return Made(names.revision, digest, size, rendering.written)

    async def _copied(self, content: IContent, copy: Copy) -> bytes:
        found = b""
        while len(found) < copy.size and (piece := await content.read(copy.offset + len(found), copy.size - len(found))):
            found += piece
        return await self.cpu(copy.checked, found)

    def _bound(self) -> None:
        """Let go of what was not asked for longest, until there are no more bytes than there may be."""
        held = sum({made.digest: made.size for made in self._made.values()}.values())
        while held > LIMIT and len(self._made) > 1:
            key, made = self._made.popitem(last=False)
            self._ready.forget(key)
            if made.digest not in self._wanted():
                held -= made.size
                self._spent.add(made.digest)

    async def _learn(self) -> bool:
        """Take over what is on record of an earlier time, and remove all else from the store: a crash may have left it."""
        data = await self.record.find(_RECORD) if self.record is not None else None
        found = await self.cpu(_unpacked, data) if data else {}
        # Rights may have changed meanwhile.
        if not self._learnt:
            self._learnt = True
            self._made.update(found)
            self._doubted.update(self._wanted())
        self.sweeps.start("others", self._sweep_others)
        return True

    async def _sweep_others(self) -> None:
        async for digest in self.store.digests():
            if digest not in self._wanted():
                await self.store.remove(digest)

    async def _note(self, record: Rendered) -> None:
        """Put on record what there is."""
        while self._changed:
            self._changed = False
            await record.keep(_RECORD, await self.cpu(_packed, tuple(self._made.items())))

    async def _whole(self, digest: Digest) -> bool:
        """Whether the bytes of a list of an earlier time are what they were; where they are not, it is made anew."""
        seen, offset = hashlib.sha256(), 0
        try:
            with closing(await self.store.open(digest)) as content:
                while piece := await content.read(offset, 4 * PIECE):
                    await self.cpu(seen.update, piece)
                    offset += len(piece)
        except (NoSuchBlob, OSError):
            offset = 0
        self._doubted.discard(digest)
        if whole := bool(offset) and seen.hexdigest() == digest:
            return whole
        for key in [key for key, made in self._made.items() if made.digest == digest]:
            del self._made[key]
        await self.store.remove(digest)
        return False


def _packed(made: Sequence[tuple[Key, Made]]) -> bytes:
    return orjson.dumps([[*key, one.revision, one.digest, one.size, one.written.rows()] for key, one in made])


def _unpacked(data: bytes) -> dict[Key, Made]:
    return {tuple(key): Made(revision, digest, size, Written.of(written)) for *key, revision, digest, size, written in orjson.loads(data)}
