"""
Memory that was used and is needed no more, given back to the system.

After large pages and many transfers at once the C library has much of it in pieces between those in use, and keeps them: glibc gives back by itself what
lies at the end of a heap alone. Of a daemon that has been busy that is some ten MiB.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pypidaemon.model import InThread
from pypidaemon.services.recurring import Recurring

EVERY = 10.0
"""Seconds from one look to the next."""
WORTH = 0.2
"""Processor seconds after which there may be something to give back. That costs some hundredths of this: half a millisecond, and what is touched again."""

_ARENA_MAX = -8
"""The number of that parameter in glibc's `malloc.h`."""

Trim = Callable[[], object]


def share_heaps() -> None:
    """
    Have the threads share heaps, as many as there are processors. glibc gives each thread its own, up to eight times as many, and what is free in one is of
    no use to the others. To be called before there are threads; does nothing where the C library has no such thing.
    """
    found = _of_library("mallopt")
    if found is not None:
        found(_ARENA_MAX, max(2, os.cpu_count() or 1))


def trim() -> Trim | None:
    """What gives memory back, of the C library that this process runs on; None where that has no such thing, as musl and macOS have not."""
    found = _of_library("malloc_trim")
    # None of it is to be kept at the end of the heap for later.
    return None if found is None else lambda: found(ctypes.c_size_t(0))


def _of_library(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None


@attrs.define(eq=False, slots=False)
class SpareMemory(Service):
    """
    Gives memory back every few seconds as long as this process does anything.

    :param thread: where it is given back: that takes longer the more there is, and the interpreter goes on meanwhile.
    :param find: answers what gives it back; None where nothing does.
    :param spent: the processor seconds of this process.
    """

    clock: IReactorTime
    thread: InThread
    find: Callable[[], Trim | None] = trim
    spent: Callable[[], float] = time.process_time
    name: str = "spare-memory"
    _trim: Trim | None = attrs.field(init=False, default=None, repr=False)
    _before: float = attrs.field(init=False, default=0.0, repr=False)
    _recurring: Recurring | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """Look from now on, where that is of use."""
        Service.startService(self)
        self._trim = self.find()
        if self._trim is not None:
            self._recurring = Recurring(self.clock, self._look, EVERY, EVERY)
            self._recurring.start()

    def stopService(self) -> Deferred[None] | None:
        """Look no more; fires when what was under way has ended."""
        Service.stopService(self)
        recurring, self._recurring = self._recurring, None
        return None if recurring is None else recurring.stop()

    async def _look(self) -> None:
        now = self.spent()
        if self._trim is not None and now - self._before >= WORTH:
            self._before = now
            await self.thread(self._trim)
