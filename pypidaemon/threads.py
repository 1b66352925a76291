"""
A named pool of threads with a life of its own: where blocking calls go, so that the reactor's thread never waits for a disk.

Separate pools keep separate troubles apart (reliability 7.5, rule 7): a slow disk must not hold up the records.

The reactor's thread alone counts calls and threads, so nothing here needs a lock, and what threads have done is handed over in one go: a call costs
less than half of what it costs by Twisted's own pool, and a run of a mirror makes many.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.python.failure import Failure

BRIEF = 0.001
"""Seconds for which what was done is handed over at once; with what is left the reactor goes on when it has looked who asks for something."""

SWITCH = 0.001
"""
Seconds for which a thread may compute before it lets another have the interpreter; Python's own are five times as long. The reactor's thread gives it away
at each of its calls to the system, so while a list or a page is made here every answer waits that long some ten times.
"""

P = ParamSpec("P")
T = TypeVar("T")


_Call = tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


@attrs.define(eq=False)
class _Pool:
    """
    Threads that take calls from one queue until it says None to each of them. All but `_work` belongs to the reactor's thread.

    :param size: the most threads at once.
    """

    reactor: IReactorThreads
    name: str
    size: int
    _calls: SimpleQueue[_Call | None] = attrs.field(factory=SimpleQueue, init=False)
    _done: deque[tuple[Deferred[Any], Any]] = attrs.field(factory=deque, init=False)
    _threads: list[Thread] = attrs.field(factory=list, init=False)
    _under_way: int = attrs.field(default=0, init=False)
    _called: bool = attrs.field(default=False, init=False)
    """Whether the reactor's thread has been called and has not begun to hand over yet."""

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Deferred[Any]:
        """
        What that function, run on one of the threads, returns or raises.

        :raises RuntimeError: there is no thread, and the system gives none.
        """
        answer: Deferred[Any] = Deferred()
        if len(self._threads) < min(self._under_way + 1, self.size):
            self._grow()
        self._under_way += 1
        self._calls.put((answer, function, args, kwargs))
        return answer

    def _grow(self) -> None:
        """One thread more; where the system gives none, those that are there will do."""
        thread = Thread(target=self._work, name=f"{self.name}-{len(self._threads)}")
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def end(self) -> None:
        """Wait until all calls are done and the threads have ended; `tell_all` is what is left to do then."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            answer, function, args, kwargs = call
            try:
                result = function(*args, **kwargs)
            except BaseException:  # noqa: BLE001  # whatever it is, who waits has to hear of it
                result = Failure()
            self._done.append((answer, result))
            # It may be long until the next call comes.
            del call, answer, function, args, kwargs, result
            # That wakes the reactor, which costs a call to the system; two threads may do so for one thing, and never none.
            if not self._called:
                self._called = True
                self.reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        """
        Hand over what was done when this began, and no more, for whom it wakes may have more done at once; after `BRIEF` the rest of that with the
        reactor's next turn.
        """
        # What is done from now on has us called again.
        self._called = False
        began = monotonic()
        for _ in range(len(self._done)):
            self._hand_over()
            if monotonic() - began >= BRIEF:
                break
        if self._done and not self._called:
            self._called = True
            self.reactor.callFromThread(self._tell)

    def tell_all(self) -> None:
        """Hand over all that was done, once the threads have ended."""
        while self._done:
            self._hand_over()

    def _hand_over(self) -> None:
        answer, result = self._done.popleft()
        self._under_way -= 1
        # A failure makes it fail.
        answer.callback(result)


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
    _pool: _Pool | None = attrs.field(init=False, default=None, repr=False)

    def startService(self) -> None:
        """Accept calls from now on."""
        Service.startService(self)
        # It is one for the process, and whoever has made it shorter knows why.
        if sys.getswitchinterval() > SWITCH:
            sys.setswitchinterval(SWITCH)
        self._pool = _Pool(self.reactor, self.name, self.size)

    def stopService(self) -> Deferred[None] | None:
        """Accept no further calls, finish those accepted, and fire when the last thread has ended."""
        Service.stopService(self)
        pool, self._pool = self._pool, None
        if pool is None:
            return None
        ended: Deferred[None] = Deferred()

        def over() -> None:
            pool.tell_all()
            ended.callback(None)

        def stop() -> None:
            pool.end()
            self.reactor.callFromThread(over)

        # That waits for the threads, so it must not be done here; nor wait for a place in the reactor's own pool, which lookups of names may have
        # filled (F37).
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
        answer: T = await self._pool.call(function, args, kwargs)
        return answer
