"""
The project list, `/simple/`: rendered piece by piece off the reactor's thread, kept compressed and tagged in a store of its own, and
sent from there. Never rendered per request, never whole in memory (R82, design §7).

What was made is on record beside the store, so a daemon that starts again has to make none anew: by what revision, by what program and configuration, and for
whose eyes. Before it is given for the first time its bytes are held against their digest.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing

import attrs
import orjson
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import NoSuchBlob
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IBlobStore, IContent, IIndex
from pypidaemon.listings import seen
from pypidaemon.model import Digest, InThread, NormalizedName, ProjectList
from pypidaemon.rendered import Rendered
from pypidaemon.rights import PUBLIC
from pypidaemon.simple.negotiation import Representation, choose_coding
from pypidaemon.validators import matches
from pypidaemon.web.answers import CODINGS, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import index_headers
from pypidaemon.web.list_pieces import PIECE, RENDERINGS, encoded, gather
from pypidaemon.web.pages import preferred
from pypidaemon.web.reply import Reply, Stream

LIMIT = 256 << 20
"""Bytes of rendered lists at most: what was not asked for longest goes first, but never the one that was asked for last."""
_RECORD = "lists"

Key = tuple[str, str, str, str]
"""An index, one of the `RENDERINGS`, a content coding, and `IAccount.sight`."""
_TRIES = 3
"""How often a list is rendered for one request that finds it gone: once is usual, when an older rendering ended just now."""


@attrs.frozen
class _Made:
    revision: str
    digest: Digest
    size: int


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
    settle: Callable[[str, IIndex], Awaitable[None]]
    """Comes back when all that changed has its number (`History.settle`): a list with an old one would keep mirrors from a change."""
    record: Rendered | None = None
    _made: OrderedDict[Key, _Made] = attrs.field(factory=OrderedDict, init=False)
    """What was asked for last stands last."""
    _doubted: set[Digest] = attrs.field(factory=set, init=False)
    """Those of an earlier time whose bytes nobody has looked at yet."""
    _learnt: bool = attrs.field(default=False, init=False)
    _changed: bool = attrs.field(default=False, init=False)
    """Whether the record is not of now."""
    _age: int = attrs.field(default=0, init=False)
    """How often rights have changed; what was begun before a change serves those who asked before it, and nobody else."""
    _spent: set[Digest] = attrs.field(factory=set, init=False)
    """Renderings in the store that no request will ask for any more."""
    flights: Flights[tuple[str, ...], _Made] = attrs.field(factory=Flights, init=False)
    sweeps: Flights[str, None] = attrs.field(factory=Flights, init=False)
    reading: Flights[str, bool] = attrs.field(factory=Flights, init=False)

    async def listing(self, ask: Ask, account: IAccount, index: str) -> Reply:
        """`/simple/` with its slash."""
        age = self._age  # before anything is waited for: the account's rights are of now
        await self.settle(index, self.indexes[index])
        names = await self.indexes[index].project_names()
        form = preferred(ask)
        html = form is not Representation.JSON
        coding = choose_coding(ask.headers.every("accept-encoding"), CODINGS)
        key = (index, "html" if html else "json", coding, account.sight)
        asked = ask.headers.every("if-none-match")
        state = State(names.revision, names.serial, (names.source,), names.fresh_until, names.stale)
        fresh = index_headers(state, self.clock.seconds(), account.scope != PUBLIC)

        def etag(made: _Made) -> str:
            return f'"{made.digest[:32]}-{form.name.lower()}{"-" + coding if coding else ""}"'

        made = await self._current(key, names, account, age)
        if asked and matches(asked, etag(made)):
            return Reply(304, (("ETag", etag(made)), *fresh))
        made, content = await self._opened(key, names, account, age)
        headers = [("ETag", etag(made)), *fresh, ("Content-Type", form.content_type), ("X-Content-Type-Options", "nosniff")]
        if coding:
            headers.append(("Content-Encoding", coding))
        return Reply(200, tuple(headers), stream=Stream(content, 0, made.size))

    async def rendered(self, account: IAccount, index: str, form: str) -> Stream:
        """The list in one of the `RENDERINGS`, as it is; whoever takes it closes its content."""
        age = self._age
        await self.settle(index, self.indexes[index])
        names = await self.indexes[index].project_names()
        made, content = await self._opened((index, form, "", account.sight), names, account, age)
        return Stream(content, 0, made.size)

    async def _current(self, key: Key, names: ProjectList, account: IAccount, age: int) -> _Made:
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

    async def _opened(self, key: Key, names: ProjectList, account: IAccount, age: int) -> tuple[_Made, IContent]:
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
        self._learnt = True
        self.sweeps.start("", self._sweep)

    async def _sweep(self) -> None:
        """Remove what is spent, except what has been rendered again meanwhile, which has the same digest."""
        while self._spent:
            digest = self._spent.pop()
            if digest not in self._wanted():
                await self.store.remove(digest)

    def _wanted(self) -> set[Digest]:
        return {made.digest for made in self._made.values()}

    async def _make(self, key: Key, names: ProjectList, account: IAccount, age: int) -> _Made:
        render = RENDERINGS[key[1]]

        def visible(label: str, name: NormalizedName) -> bool:
            return account.may("list", label, name)

        pieces = encoded(lambda: render(seen(names, visible), names.serial), key[2])
        draft = await self.store.draft()
        size = 0
        try:
            while piece := await self.cpu(gather, pieces):
                size += len(piece)
                await draft.write(piece)
            digest = await draft.commit(None)
        except BaseException:
            await draft.abort()
            raise
        finally:
            draft.close()
        made = _Made(names.revision, digest, size)
        if age != self._age:
            self._spent.add(digest)
            return made
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

    def _bound(self) -> None:
        """Let go of what was not asked for longest, until there are no more bytes than there may be."""
        held = sum({made.digest: made.size for made in self._made.values()}.values())
        while held > LIMIT and len(self._made) > 1:
            _, made = self._made.popitem(last=False)
            if made.digest not in self._wanted():
                held -= made.size
                self._spent.add(made.digest)

    async def _learn(self) -> bool:
        """Take over what is on record of an earlier time, and remove all else from the store: a crash may have left it."""
        data = await self.record.find(_RECORD) if self.record is not None else None
        # Rights may have changed meanwhile.
        if not self._learnt:
            self._learnt = True
            for index, form, coding, sight, revision, digest, size in orjson.loads(data or b"[]"):
                self._made[index, form, coding, sight] = _Made(revision, digest, size)
                self._doubted.add(digest)
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
            rows = [[*key, made.revision, made.digest, made.size] for key, made in self._made.items()]
            await record.keep(_RECORD, orjson.dumps(rows))

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
