"""
The project list, `/simple/`: rendered piece by piece off the reactor's thread, kept compressed and tagged in a store of its own, and
sent from there. Never rendered per request, never whole in memory (R82, design §7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

import attrs
import zstandard
from isal import isal_zlib
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import NoSuchBlob
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IBlobStore, IContent, IIndex
from pypidaemon.listings import Entry, seen
from pypidaemon.model import Digest, InThread, NormalizedName, ProjectList
from pypidaemon.rights import PUBLIC
from pypidaemon.simple.names import render_names_html, render_names_json
from pypidaemon.simple.negotiation import Representation, choose_coding
from pypidaemon.simple.xml_rpc import render_names_array, render_names_struct
from pypidaemon.validators import matches
from pypidaemon.web.answers import CODINGS, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import index_headers
from pypidaemon.web.pages import preferred
from pypidaemon.web.reply import Reply, Stream

_PIECE = 1 << 18
_TRIES = 3
"""How often a list is rendered for one request that finds it gone: once is usual, when an older rendering ended just now."""

RENDERINGS: Mapping[str, Callable[[Iterable[Entry], int], Iterator[bytes]]] = {
    "html": render_names_html,
    "json": render_names_json,
    "xml": render_names_array,
    "xml-serials": render_names_struct,
}
"""All forms of a list; the last two are answers of XML-RPC."""


@attrs.frozen
class _Made:
    revision: str
    digest: Digest
    size: int


@attrs.define
class Lists:
    """Answers `/simple/` of every exposed index; `store` holds nothing but rendered lists and is empty at start."""

    indexes: Mapping[str, IIndex]
    store: IBlobStore
    clock: IReactorTime
    cpu: InThread
    settle: Callable[[str, IIndex], Awaitable[None]]
    """Comes back when all that changed has its number (`History.settle`): a list with an old one would keep mirrors from a change."""
    _made: dict[tuple[str, str, str, str], _Made] = attrs.field(factory=dict, init=False)
    _age: int = attrs.field(default=0, init=False)
    """How often rights have changed; what was begun before a change serves those who asked before it, and nobody else."""
    _spent: set[Digest] = attrs.field(factory=set, init=False)
    """Renderings in the store that no request will ask for any more."""
    flights: Flights[tuple[str, ...], _Made] = attrs.field(factory=Flights, init=False)
    sweeps: Flights[str, None] = attrs.field(factory=Flights, init=False)

    async def listing(self, ask: Ask, account: IAccount, index: str) -> Reply:
        """`/simple/` with its slash."""
        age = self._age  # before anything is waited for: the account's rights are of now
        await self.settle(index, self.indexes[index])
        names = await self.indexes[index].project_names()
        form = preferred(ask)
        html = form is not Representation.JSON
        coding = choose_coding(ask.headers.every("accept-encoding"), CODINGS)
        key = (index, "html" if html else "json", coding, account.scope)
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
        made, content = await self._opened((index, form, "", account.scope), names, account, age)
        return Stream(content, 0, made.size)

    async def _current(self, key: tuple[str, str, str, str], names: ProjectList, account: IAccount, age: int) -> _Made:
        made = self._made.get(key) if age == self._age else None
        if made is None or made.revision != names.revision:
            # By its revision too: whoever comes while an older list is being rendered wants his own (R72). And by the age: the same word for
            # a scope means other rights after a change of them.
            made = await self.flights.join((*key, names.revision, str(age)), lambda: self._make(key, names, account, age))
        return made

    async def _opened(self, key: tuple[str, str, str, str], names: ProjectList, account: IAccount, age: int) -> tuple[_Made, IContent]:
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
        self.sweeps.start("", self._sweep)

    async def _sweep(self) -> None:
        """Remove what is spent, except what has been rendered again meanwhile, which has the same digest."""
        while self._spent:
            digest = self._spent.pop()
            if digest not in self._wanted():
                await self.store.remove(digest)

    def _wanted(self) -> set[Digest]:
        return {made.digest for made in self._made.values()}

    async def _make(self, key: tuple[str, str, str, str], names: ProjectList, account: IAccount, age: int) -> _Made:
        render = RENDERINGS[key[1]]

        def visible(label: str, name: NormalizedName) -> bool:
            return account.may("list", label, name)

        pieces = encoded(lambda: render(seen(names, visible), names.serial), key[2])
        draft = await self.store.draft()
        size = 0
        try:
            while piece := await self.cpu(_gather, pieces):
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
        before = self._made.get(key)
        self._made[key] = made
        if before is not None and before.digest not in self._wanted():
            await self.store.remove(before.digest)
        return made


def encoded(start: Callable[[], Iterator[bytes]], coding: str) -> Iterator[bytes]:
    """Those pieces in that content coding, begun only when the first is asked for."""
    if coding == "gzip":
        packer = isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)
        for piece in start():
            yield packer.compress(piece)
        yield packer.flush()
    elif coding == "zstd":
        squeezer = zstandard.ZstdCompressor(level=3).compressobj()
        for piece in start():
            yield squeezer.compress(piece)
        yield squeezer.flush()
    else:
        yield from start()


def _gather(pieces: Iterator[bytes]) -> bytes:
    """The next quarter of a MiB of them, b"" at the end."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _PIECE:
            break
    return b"".join(gathered)
