"""
Answers with project lists that are given again: as long as all that one is made of is what it was, it needs no thread and asks nobody.

Whether it is what it was the index says itself, for everything but the clock and rights (`ISteady`), each time it is given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import attrs

from pypidaemon.interfaces import IAccount, IContent
from pypidaemon.model import Digest
from pypidaemon.rights import PUBLIC
from pypidaemon.simple.negotiation import Representation, choose_coding
from pypidaemon.validators import matches
from pypidaemon.web.answers import State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import index_headers
from pypidaemon.web.lent import Open
from pypidaemon.web.list_pieces import Written
from pypidaemon.web.pages import preferred
from pypidaemon.web.reply import Reply, Stream

MOST = 16
"""Answers that are kept; each has a file open."""

CODINGS = ("gzip", "zstd")
"""What lists are given in, best first, other than pages: in zstd one is many frames, of which aiohttp before 3.13.4, bandersnatch's, reads the first alone."""

Key = tuple[str, str, str, str]
"""An index, one of the `LAYOUTS`, a content coding, and `IAccount.sight`."""


@attrs.frozen
class Made:
    """A list that was rendered, of names with that revision."""

    revision: str
    digest: Digest
    size: int
    written: Written = attrs.field(factory=Written, eq=False, repr=False)
    """What the next one may take over; of one of an earlier time that is not known."""


@attrs.frozen
class Wanted:
    """One request for a list, taken apart."""

    ask: Ask
    account: IAccount
    form: Representation
    key: Key

    @classmethod
    def of(cls, ask: Ask, account: IAccount, index: str) -> Wanted:
        """What that account asks of that index."""
        form = preferred(ask)
        coding = choose_coding(ask.headers.every("accept-encoding"), CODINGS)
        return cls(ask, account, form, (index, "json" if form is Representation.JSON else "html", coding, account.sight))

    def knows(self, made: Made) -> bool:
        """Whether the client says that it has that list."""
        asked = self.ask.headers.every("if-none-match")
        return bool(asked) and matches(asked, self._etag(made))

    def not_modified(self, made: Made, state: State, now: float) -> Reply:
        """The answer that it has not changed."""
        return Reply(304, (("ETag", self._etag(made)), *self._fresh(state, now)))

    def whole(self, made: Made, state: State, now: float, content: IContent) -> Reply:
        """The answer with all of it."""
        headers = [("ETag", self._etag(made)), *self._fresh(state, now)]
        headers += [("Content-Type", self.form.content_type), ("X-Content-Type-Options", "nosniff")]
        if self.key[2]:
            headers.append(("Content-Encoding", self.key[2]))
        return Reply(200, tuple(headers), stream=Stream(content, 0, made.size))

    def _etag(self, made: Made) -> str:
        coding = self.key[2]
        return f'"{made.digest[:32]}-{self.form.name.lower()}{"-" + coding if coding else ""}"'

    def _fresh(self, state: State, now: float) -> list[tuple[str, str]]:
        return index_headers(state, now, self.account.scope != PUBLIC)


@attrs.define(eq=False)
class Ready:
    """
    What such an answer is made of.

    :param known: the `ISteady.names_state` of the index.
    :param content: the list, open; None where only its tag was asked for so far.
    """

    made: Made
    state: State
    known: Hashable
    content: Open | None = None

    def end(self) -> None:
        """It is given no more."""
        if self.content is not None:
            self.content.end()

    def adds_to(self, other: Ready | None) -> bool:
        """Whether it has something that the other has not."""
        same = other is not None and (other.made, other.known) == (self.made, self.known)
        return not same or self.content is not None


@attrs.define(eq=False)
class ReadyLists:
    """Those there are; what was not asked for longest goes first."""

    _ready: OrderedDict[Key, Ready] = attrs.field(factory=OrderedDict, init=False)

    def get(self, key: Key) -> Ready | None:
        """That of this key. It counts as having been asked for."""
        ready = self._ready.get(key)
        if ready is not None:
            self._ready.move_to_end(key)
        return ready

    def put(self, key: Key, ready: Ready) -> None:
        """Keep that instead of another, if it has more."""
        if not ready.adds_to(self._ready.get(key)):
            return
        self.forget(key)
        self._ready[key] = ready
        while len(self._ready) > MOST:
            self.forget(next(iter(self._ready)))

    def forget(self, key: Key) -> None:
        """It may not be what it was."""
        ready = self._ready.pop(key, None)
        if ready is not None:
            ready.end()

    def clear(self) -> None:
        """None may be what it was."""
        while self._ready:
            self.forget(next(iter(self._ready)))
