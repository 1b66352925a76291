"""
Pages that changed, made anew before somebody asks for them again.

Only those that were asked for since they were made last, one after the other and at an easy pace: a run of a mirror that changes a thousand pages is not to
keep anybody waiting. Whoever asks meanwhile is not kept waiting either: what is being made for nobody is the same flight as what is made for him.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IIndex
from pypidaemon.waits import pause
from pypidaemon.web.answer_files import takes
from pypidaemon.web.answers import AnswerKey
from pypidaemon.web.pages import Pages
from pypidaemon.web.shown import Shown

MOST = 2000
"""Pages that wait to be made; of more, those that changed longest ago are made when somebody asks for them."""
SOON = 0.05
"""Seconds between a change and the making, and between two: who published something asks for it himself just then."""
EASE = 4
"""A pause is so many times as long as what was made before took, so that a fifth of one processor goes into this at most."""


@attrs.define(eq=False)
class Ahead:
    """
    What is to be made anew.

    :param make: has the page of that key ready in these codings; raises whatever keeps it from being so.
    """

    clock: IReactorTime
    make: Callable[[AnswerKey, tuple[str, ...]], Awaitable[None]]
    flights: Flights[str, None] = attrs.field(factory=Flights, init=False)
    made: int = attrs.field(default=0, init=False)
    """How many were made."""
    _due: OrderedDict[AnswerKey, tuple[str, ...]] = attrs.field(factory=OrderedDict, init=False, repr=False)
    _log: Logger = attrs.field(factory=lambda: Logger(namespace="pypidaemon.web"), init=False, repr=False)

    def changed(self, key: AnswerKey, codings: Iterable[str], until: float) -> None:
        """
        The answer of that key, which was asked for in these codings, is not what it was.

        :param until: until when it would have held by the clock; for a page that was past its time no upstream is asked before somebody wants it.
        """
        if key.part or not takes(key) or until <= self.clock.seconds():
            return
        self._due[key] = tuple(codings)
        self._due.move_to_end(key)
        if len(self._due) > MOST:
            self._due.popitem(last=False)
        self.flights.start("", self._work)

    async def _work(self) -> None:
        wait = SOON
        while self._due:
            await pause(self.clock, wait)
            key, codings = self._due.popitem(last=False)
            began = self.clock.seconds()
            try:
                await self.make(key, codings)
                self.made += 1
            except PypidaemonError as error:
                # Who asks for it hears of that.
                self._log.debug("{name} is not made ahead: {error}", name=key.project, error=str(error))
            wait = max(SOON, EASE * (self.clock.seconds() - began))


def ahead_of(pages: Pages, indexes: Mapping[str, IIndex], clock: IReactorTime) -> Ahead:
    """What has pages made anew that changed."""
    ahead = Ahead(clock, lambda key, codings: pages.ahead(key, Shown(key.index, indexes[key.index]), codings))
    pages.answers.outdated = ahead.changed
    return ahead
