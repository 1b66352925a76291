"""Descriptions of projects, rendered in a process of its own and kept by their digest: each is rendered once (S80, law 11)."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any, cast

import attrs
import orjson
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime
from twisted.logger import Logger

from pypidaemon.flights import Flights
from pypidaemon.inspection import speech, workers
from pypidaemon.inspection.processes import START_PATIENCE
from pypidaemon.inspection.workers import Ended, Worker
from pypidaemon.rendered import Rendered
from pypidaemon.shelf import Shelf
from pypidaemon.waits import TookTooLong, within

REMEMBERED = 8 << 20
"""Characters of descriptions that are held in memory."""
MEMORY = 512 << 20
"""Bytes of address space that the process may use."""
ALLOWED = 2
"""Seconds of processor time that one description may take; it is shown as it is where that is not enough."""
PATIENCE = 20.0
"""The same by the clock, for a machine that has other things to do."""
AT_ONCE = 3.0
"""Seconds for which a page waits for its description; it is shown as it is then, and rendered the next time."""
IDLE = 60.0
"""Seconds after which a process that has nothing to do is ended: it takes some 40 MB."""
MOST_JOBS = 200
"""Descriptions after which the process is replaced, as one for archives is."""

_CLOSING = re.compile(r"(?:</[a-z0-9]{1,10}>)*")


@attrs.frozen
class Readme:
    """
    A rendered description.

    :param html: cleaned, fit to stand in a page; "" where it is to be shown as it is.
    :param brief: the same, or the beginning of it where the whole is long.
    :param lasting: whether asking again would give the same.
    """

    html: str = ""
    brief: str = ""
    lasting: bool = True


AS_IT_IS = Readme()
"""Shown as it is: plain text, or what cannot be rendered."""
NOT_YET = Readme(lasting=False)


def command(memory: int) -> list[str]:
    """The command line of the process, as `workers.command`."""
    return workers.command(memory, "typesetter")


def can_render() -> bool:
    """Whether `readme_renderer` is installed (the extra `pages`)."""
    return importlib.util.find_spec("readme_renderer") is not None


@attrs.define(eq=False, slots=False)
class Readmes(Service):
    """
    Renders descriptions, one at a time. As a service it ends the process.

    :param reactor: starts the process and measures time.
    :param kept: where they stay over a restart; None keeps them in memory alone.
    :param able: whether they can be rendered at all.
    """

    reactor: Any
    kept: Rendered | None = None
    able: Callable[[], bool] = can_render
    rendered: int = attrs.field(init=False, default=0)
    lost: int = attrs.field(init=False, default=0)
    """Processes that died or hung over a description."""
    _shelf: Shelf[str, Readme] = attrs.field(init=False, factory=lambda: Shelf(REMEMBERED))
    _worker: Worker | None = attrs.field(init=False, default=None)
    _dying: set[Worker] = attrs.field(init=False, factory=set)
    """Processes that are told to end and have not yet."""
    _resting: IDelayedCall | None = attrs.field(init=False, default=None)
    _turn: DeferredSemaphore = attrs.field(init=False, factory=lambda: DeferredSemaphore(1))
    _stopping: bool = attrs.field(init=False, default=False)
    flights: Flights[str, Readme] = attrs.field(init=False, factory=Flights)
    _log = Logger()

    async def render(self, text: str, content_type: str) -> Readme:
        """The description as HTML; where that takes long, for now as it is. Never raises."""
        if not text.strip() or content_type.partition(";")[0].strip().lower() == "text/plain":
            return AS_IT_IS
        key = blake2b(f"{content_type}\n{text}".encode("utf-8", "replace"), digest_size=20).hexdigest()
        known = self._shelf.get(key)
        if known is not None:
            return known
        if self._stopping or not self.able():
            return NOT_YET
        with suppress(TookTooLong):
            return await within(self._clock, AT_ONCE, self.flights.join(key, lambda: self._made(key, text, content_type)))
        return NOT_YET

    def startService(self) -> None:
        """Nothing is started before the first description."""
        self._stopping = False
        Service.startService(self)

    def stopService(self) -> Deferred[None]:
        """End the process; fires when it has ended."""
        Service.stopService(self)
        self._stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._let_go()
        await self.flights.land()
        for worker in tuple(self._dying):
            await worker.gone()

    @property
    def _clock(self) -> IReactorTime:
        return cast(IReactorTime, self.reactor)

    async def _made(self, key: str, text: str, content_type: str) -> Readme:
        kept = await self.kept.find(key) if self.kept is not None else None
        if kept is None:
            told = await self._asked(text, content_type)
            if self.kept is not None and told is not None:
                await self.kept.keep(key, orjson.dumps(told))
        else:
            told = orjson.loads(kept)
        # What killed the process would kill the next one, but that is known only until the next start.
        readme = _read(told) if told is not None else AS_IT_IS
        self._shelf.put(key, readme, len(readme.html) + len(readme.brief) + 500)
        return readme

    async def _asked(self, text: str, content_type: str) -> dict[str, Any] | None:
        """What the process says; None where it was lost over it."""
        await self._turn.acquire()
        try:
            worker = await self._ready()
            worker.jobs += 1
            worker.say(orjson.dumps({"text": text, "kind": content_type[:200], "seconds": ALLOWED}))
            _, told = await worker.hear(self._clock, PATIENCE)
        except (TookTooLong, Ended, speech.Nonsense, OSError) as error:
            self.lost += not self._stopping
            complaint = self._worker.complaint.strip().splitlines()[-1:] if self._worker is not None else []
            self._let_go()
            if not self._stopping:
                self._log.warn("a description is shown as it is: {what} {complaint}", what=type(error).__name__, complaint=complaint)
            return None
        except BaseException:
            self._let_go()
            raise
        finally:
            self._turn.release()
        self.rendered += 1
        if worker.jobs >= MOST_JOBS:
            self._let_go()
        else:
            self._resting = self._clock.callLater(IDLE, self._let_go)
        return told

    async def _ready(self) -> Worker:
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
        if self._worker is None or self._worker.over:
            self._worker = Worker.start(cast(IReactorProcess, self.reactor), command(MEMORY))
            await self._worker.hear(self._clock, START_PATIENCE)
        return self._worker

    def _let_go(self) -> None:
        """End the process, if there is one."""
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
        worker, self._worker = self._worker, None
        if worker is not None and not worker.over:
            self._dying.add(worker)
            worker.gone().addCallback(lambda _: self._dying.discard(worker))
            worker.kill()


def _read(told: dict[str, Any]) -> Readme:
    """What the process said, or said once; it may have been won over, but all that it can do is show something else in a page that runs no script."""
    html, brief, closing = told.get("html"), told.get("brief"), told.get("closing")
    if told.get("word") != speech.FOUND or not isinstance(html, str) or not isinstance(brief, int) or not isinstance(closing, str):
        return AS_IT_IS
    if not 0 <= brief <= len(html) or not _CLOSING.fullmatch(closing):
        return AS_IT_IS
    return Readme(html, html[:brief] + closing if brief < len(html) else html)
