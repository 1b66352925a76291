"""One file, and everywhere it may be had from: the next place is asked where one does not answer, has not got it, or has brought other bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
from twisted.logger import Logger
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, UpstreamUnavailable
from pypidaemon.interfaces import IBody, IHealth, IPlaces
from pypidaemon.model import Digest
from pypidaemon.upstreams.blame import Blame
from pypidaemon.waits import Bell, first

T = TypeVar("T")

log = Logger()


class Silent(UpstreamUnavailable):
    """It shows no sign of life for as long as clients can wait, and there is somebody else to ask."""


@attrs.frozen(eq=False)
class Place:
    """
    One place.

    :param key: tells it from the others, and may be shown.
    :param ask: asks it for the bytes from an offset on.
    :param health: that of who is to be asked next for them.
    :param knock: has somebody who waits for nothing find out whether it is back, where that is worth trying.
    """

    key: str
    ask: Callable[[int], Awaitable[IBody]]
    health: Callable[[], IHealth]
    knock: Callable[[], None]


@implementer(IPlaces)
@attrs.define(eq=False)
class Places:
    """
    All places of one file.

    A host that is known to be down is passed over, and one that falls silent is left for the next, so a dead one costs its time-out once and not each
    request (M18). Only the last is waited for. A place from which a transfer broke off is taken up again before another is asked, once.

    :param digest: the sha256 of the bytes. It names them wherever they come from, so a transfer that broke off in one place can go on in another.
    :param blame: which place has brought other bytes of late.
    """

    label: str
    digest: Digest
    places: tuple[Place, ...]
    blamed: Blame
    _asked: Place | None = attrs.field(default=None, init=False)
    """The one that is asked now, or was asked last."""
    _is_last: bool = attrs.field(default=False, init=False)
    _breaks: dict[str, int] = attrs.field(factory=dict, init=False)
    _parts: set[str] = attrs.field(factory=set, init=False)
    """The places that what came so far is from."""
    _apart: bool = attrs.field(default=False, init=False)
    """Whether no transfer is taken up in another place any more."""
    _moved: Bell = attrs.field(factory=Bell, init=False)

    @property
    def several(self) -> bool:
        """As `IPlaces`."""
        return len(self.places) > 1

    async def fetch(self, offset: int) -> IBody:
        """As `IPlaces`."""
        if offset == 0:
            self._breaks.clear()
            self._parts.clear()
        elif self._asked is not None:
            self._breaks[self._asked.key] = self._breaks.get(self._asked.key, 0) + 1
        order = self._order(offset)
        troubles: dict[str, NoSuchFile | UpstreamUnavailable] = {}
        try:
            for place in order:
                self._asked, self._is_last = place, place is order[-1]
                self._moved.ring()
                try:
                    body = await self._ask(place, offset)
                except (NoSuchFile, UpstreamUnavailable) as error:
                    troubles[place.key] = error
                    continue
                if place is not self.places[0]:
                    log.info("{label}: {digest} comes from {place}", label=self.label, digest=self.digest, place=place.key)
                body.validator = self.digest
                self._parts.add(place.key)
                return body
        finally:
            # Who comes later asks anew.
            self._is_last = False
        # The page's own URL knows best.
        raise next(troubles[place.key] for place in self.places if place.key in troubles)

    async def doubted(self) -> UpstreamUnavailable:
        """As `IPlaces`."""
        while True:
            place = self._asked or self.places[0]
            health = place.health()
            await health.doubted()
            if place is self._asked and self._is_last:
                return UpstreamUnavailable(self.label, health.cause, health.retry_after())
            if place is (self._asked or self.places[0]):
                await self._moved.wait()

    def blame(self) -> bool:
        """
        As `IPlaces`. Where several had a part in it nobody knows which of them it was, so each is then asked for all of it, first the one that came to its end.
        """
        if len(self._parts) > 1 and not self._apart:
            self._apart = True
            log.warn("{label}: what came of {digest} from {places} together is something else; each is asked for all of it",
                     label=self.label, digest=self.digest, places=" and ".join(sorted(self._parts)))  # fmt: skip
            return True
        if self._asked is not None:
            self.blamed.note(self.digest, self._asked.key)
            log.warn("{label}: {place} has other bytes than those with sha256 {digest}",
                     label=self.label, place=self._asked.key, digest=self.digest)  # fmt: skip
        return any(not self.blamed.has(self.digest, place.key) for place in self.places)

    def _order(self, offset: int) -> list[Place]:
        if self._apart and offset and self._asked is not None:
            return [self._asked]
        good = [place for place in self.places if not self.blamed.has(self.digest, place.key)]
        if self._apart:
            return sorted(good or self.places, key=lambda place: place is not self._asked)
        return sorted(good or self.places, key=lambda place: self._breaks.get(place.key, 0) > 1)

    async def _ask(self, place: Place, offset: int) -> IBody:
        if self._is_last:
            return await place.ask(offset)
        health = place.health()
        if health.state != "up":
            place.knock()
            raise UpstreamUnavailable(self.label, health.cause, health.retry_after())
        return await unless_silent(place.ask(offset), health, self.label)


async def unless_silent(asking: Awaitable[T], health: IHealth, label: str) -> T:
    """
    What `asking` comes to, unless that health is doubted meanwhile; it is then cancelled.

    :raises Silent: it was.
    """
    landed: list[Any] = []

    async def fly() -> None:
        landed.append(await asking)

    if await first(fly(), health.doubted()):
        raise Silent(label, health.cause, health.retry_after())
    answer: T = landed[0]
    return answer
