"""Writes down every five minutes what was given out and fetched, so that it can be shown over time, also after a restart."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pypidaemon.flights import Flights
from pypidaemon.model import InThread
from pypidaemon.traffic import LENGTH, SIZE, STEP, Traffic, TrafficRing

TRAFFIC = "traffic"
"""The name of the file below the data folder. It may be removed at any time: what is lost is a picture."""


def nothing_counted() -> Traffic:
    """The counts of a daemon that counts none."""
    return Traffic()


@attrs.define(eq=False, slots=False)
class TrafficLog(Service):
    """
    The ring in a file of its own. A time without traffic writes nothing, so that a disk may sleep; nothing is synced.

    :param path: the file.
    :param writes: whether it may be written; else it is only read.
    :param counts: what was counted since the start; there is one for all configurations, so it is set anew with each.
    """

    path: Path
    clock: IReactorTime
    disk: InThread
    writes: bool = True
    counts: Callable[[], Traffic] = attrs.field(default=nothing_counted, repr=False)
    name: str = TRAFFIC
    _ring: TrafficRing | None = attrs.field(init=False, default=None, repr=False)
    _last: Traffic = attrs.field(init=False, factory=Traffic, repr=False)
    _changed: dict[int, None] = attrs.field(init=False, factory=dict, repr=False)
    """The places of the ring that are not written yet."""
    _fails: bool = attrs.field(init=False, default=False)
    _due: IDelayedCall | None = attrs.field(init=False, default=None, repr=False)
    _flights: Flights[str, None] = attrs.field(init=False, factory=Flights, repr=False)
    _log: Logger = attrs.field(init=False, factory=lambda: Logger(namespace="pypidaemon"), repr=False)

    def startService(self) -> None:
        """Begin to count, and read what is known from before."""
        Service.startService(self)
        self._last = self.counts()
        self._flights.start("read", self._read)
        self._wait()

    def stopService(self) -> Deferred[None]:
        """Count for the last time; fires when that is written."""
        Service.stopService(self)
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        return Deferred.fromCoroutine(self._end())

    async def ring(self) -> TrafficRing:
        """All of it up to now."""
        if self._ring is None:
            await self._flights.join("read", self._read)
        return self._counted()

    async def _end(self) -> None:
        # What is being read is of no use any more, and what is being written is written again.
        await self._flights.land()
        if self._ring is not None:
            self._counted()
            await self._write()

    def _counted(self) -> TrafficRing:
        ring, now = self._ring, self.counts()
        assert ring is not None  # it was waited for
        new, self._last = now.since(self._last), now
        if new != Traffic():
            # What is counted at the end of a step was in that step.
            self._changed[ring.add(self.clock.seconds() - 0.5, new)] = None
        return ring

    def _wait(self) -> None:
        self._due = self.clock.callLater(STEP - self.clock.seconds() % STEP, self._over)

    def _over(self) -> None:
        """A step is over."""
        self._wait()
        if self._ring is not None:
            self._counted()
            if self._changed:
                self._flights.start("write", self._write)

    async def _read(self) -> None:
        if self._ring is None:
            found = await self.disk(_contents, self.path)
            self._ring = self._ring or found

    async def _write(self) -> None:
        ring = self._ring
        if not self.writes or ring is None or not self._changed:
            return
        changed, self._changed = self._changed, {}
        pieces = [(place * LENGTH, ring.piece(place)) for place in changed]
        try:
            await self.disk(_put, self.path, pieces)
        except OSError as error:
            if not self._fails:
                self._log.warn("what was given out and fetched is not written down: {error}", error=error.strerror or str(error))
            self._fails = True
            self._changed.update(changed)
        else:
            self._fails = False


def _contents(path: Path) -> TrafficRing:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return TrafficRing()
    try:
        return TrafficRing.read(os.pread(descriptor, SIZE, 0) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b"")
    except OSError:
        return TrafficRing()
    finally:
        os.close(descriptor)


def _put(path: Path, pieces: list[tuple[int, bytes]]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no file")
        for offset, piece in pieces:
            os.pwrite(descriptor, piece, offset)
    finally:
        os.close(descriptor)
