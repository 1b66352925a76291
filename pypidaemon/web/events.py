"""
News for pages that are open, by server-sent events: `/+events` says what has changed of what the status page shows.

A page works without. So there are only so many clients at a time, each keeps a place for only so long and then comes back by itself, and of what one does
not take in time only the last state waits for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IContent
from pypidaemon.model import Digest
from pypidaemon.waits import Bell, TookTooLong, pause, within
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply, Stream, text
from pypidaemon.web.views.markup import Markup

PACE = 2.0
"""Seconds from one look for news to the next."""
HEARTBEAT = 15.0
"""Seconds without news after which a line says that there are none, so that nothing in between takes the connection for dead."""
LIFETIME = 900.0
"""Seconds for which a client keeps its place; rights may have ended by then."""
MOST = 64
"""Clients at the same time."""
MOST_OF_ONE = 6
"""Those of one address; a browser has no more connections to one host."""
RETRY = 5
"""Seconds after which a client comes back."""

_HEADERS = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    # Or an nginx in front would wait for more of it.
    ("X-Accel-Buffering", "no"),
)

Sections = Mapping[str, Markup]
"""What of a page changes, by the ids of its elements."""


@implementer(IContent)
@attrs.define(eq=False)
class Listener:
    """
    One client: the events that are still to be sent to it, as bytes without an end.

    :param render: what the page shows now, as this client may see it.
    """

    clock: IReactorTime
    client: str
    render: Callable[[], Awaitable[Sections]]
    left: Callable[[Listener], None]
    size: int | None = None
    digest: Digest | None = None
    _ends: float = attrs.field(init=False)
    _over: bool = attrs.field(init=False, default=False)
    _shown: dict[str, Markup] = attrs.field(init=False, factory=dict)
    _waiting: dict[str, Markup] = attrs.field(init=False, factory=dict)
    _rest: bytes = attrs.field(init=False, default=b"retry: %d\n\n" % (RETRY * 1000))
    _bell: Bell = attrs.field(init=False, factory=Bell)

    def __attrs_post_init__(self) -> None:
        self._ends = self.clock.seconds() + LIFETIME

    def offer(self, sections: Sections) -> None:
        """Have it told of those that are not as it was told last."""
        for id, markup in sections.items():
            if self._shown.get(id) != markup:
                self._shown[id] = self._waiting[id] = markup
        if self._waiting:
            self._bell.ring()

    def end(self) -> None:
        """Let it go when it has what it was told."""
        self._over = True
        self._bell.ring()

    async def read(self, offset: int, limit: int) -> bytes:
        """As `IContent.read`, wherever it is; waits for news."""
        self._over = self._over or self.clock.seconds() >= self._ends
        if not self._rest and not self._waiting and not self._over:
            try:
                await within(self.clock, HEARTBEAT, self._bell.wait())
            except TookTooLong:
                self._rest = b": nothing new\n\n"
        if not self._rest and self._waiting:
            told, self._waiting = self._waiting, {}
            self._rest = b"".join(_event(id, markup) for id, markup in told.items())
        piece, self._rest = self._rest[:limit], self._rest[limit:]
        return piece

    def close(self) -> None:
        """It takes no more."""
        self.left(self)


def _event(id: str, markup: Markup) -> bytes:
    # JSON has no line breaks of its own, and each of those would begin another field.
    return b"event: section\ndata: %s\n\n" % json.dumps({"id": id, "html": markup}).encode("ascii")


@attrs.define(eq=False)
class Events:
    """Answers `/+events`. As long as anybody listens it looks for news, once for all who may see the same."""

    clock: IReactorTime
    flights: Flights[str, None] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)))
    _listeners: dict[Listener, object] = attrs.field(init=False, factory=dict)
    """With the rights by which they see."""
    _closed: bool = attrs.field(init=False, default=False)

    def __len__(self) -> int:
        return len(self._listeners)

    def answer(self, ask: Ask, sight: object, render: Callable[[], Awaitable[Sections]]) -> Reply:
        """
        The stream for this client, or that it is one too many.

        :param sight: what it may see; those of equal sights are told the same.
        :param render: what there is to be seen by it.
        """
        ours = Counter(one.client for one in self._listeners)
        if self._closed or len(self) >= MOST or ours[ask.client] >= MOST_OF_ONE:
            line = "the daemon is about to stop" if self._closed else "as many listen as may; load the page again for news"
            return text(503, line, ask.id, (("Retry-After", str(RETRY)),))
        if ask.method == "HEAD":
            return Reply(200, _HEADERS)
        listener = Listener(self.clock, ask.client, render, self._left)
        self._listeners[listener] = sight
        self.flights.start("look", self._look)
        return Reply(200, _HEADERS, stream=Stream(listener))

    def hang_up(self) -> None:
        """Let all go, as their rights may have changed; they come back by themselves."""
        for listener in list(self._listeners):
            listener.end()

    def end(self) -> None:
        """Let all go, and nobody in: others answer from now on, or nobody does."""
        self._closed = True
        self.hang_up()

    def _left(self, listener: Listener) -> None:
        self._listeners.pop(listener, None)

    async def _look(self) -> None:
        while self._listeners:
            shown: dict[object, Sections] = {}
            for listener, sight in list(self._listeners.items()):
                if sight not in shown:
                    shown[sight] = await listener.render()
                listener.offer(shown[sight])
            await pause(self.clock, PACE)
