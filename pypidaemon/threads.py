"""
A named pool of threads with a life of its own: where blocking calls go, so that the reactor's thread never waits for a disk.

Separate pools keep separate troubles apart (reliability 7.5, rule 7): a slow disk must not hold up the records.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import ParamSpec, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


@attrs.define(eq=False, slots=False)
class Threads(Service):
    """
    A pool of at most `size` threads, usable as a `pypidaemon.model.InThread` while it runs.

    With a `size` of 1 calls run one after the other in the order in which they were made. Threads come into being with the first
    calls and not with the object, because twistd forks between the two.

    :param reactor: whose thread gets the results.
    :param name: shown in the names of the threads; unique among the children of one service.
    :param size: the most threads at once, at least 1.
    """

    reactor: IReactorThreads
    name: str
    size: int
    _pool: ThreadPool | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """Accept calls from now on."""
        Service.startService(self)
        pool = ThreadPool(minthreads=0, maxthreads=self.size, name=self.name)
        pool.start()
        self._pool = pool

    def stopService(self) -> Deferred[None] | None:
        """Accept no further calls, finish those accepted, and fire when the last thread has ended."""
        Service.stopService(self)
        pool, self._pool = self._pool, None
        if pool is None:
            return None
        ended: Deferred[None] = Deferred()

        def stop() -> None:
            pool.stop()
            self.reactor.callFromThread(ended.callback, None)

        # `ThreadPool.stop` waits for its threads, and these may still be handing results to the reactor, so it must not wait here; nor for a place
        # in the reactor's own pool, which lookups of names may have filled (F37).
        Thread(target=stop, name=f"the end of {self.name}").start()
        return ended

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run `function` on one of the threads and answer what it returns, or raise what it raises.

        Whoever stops waiting leaves the function running; its outcome is then dropped.

        :raises RuntimeError: the service is not running.
        """
        if self._pool is None:
            raise RuntimeError(f"the threads {self.name!r} are not running")
        return await deferToThreadPool(self.reactor, self._pool, function, *args, **kwargs)
