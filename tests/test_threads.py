"""Pools of threads that live as services."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest
from twisted.application.service import IService, MultiService
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pypidaemon import threads
from pypidaemon.threads import Threads, _Pool


def fail() -> None:
    raise LookupError("broken")


class Called:
    """A reactor that notes what it is to do and does it when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def callFromThread(self, call: Callable[[], None]) -> None:  # Twisted's
        self.calls.append(call)


def test_the_reactor_is_woken_once_for_all_that_was_done_until_it_looks() -> None:
    woken = Called()
    pool = _Pool(woken, "disk", 1)  # type: ignore[arg-type]  # all of it that is used
    answers = [pool.call(int, (number,), {}) for number in range(5)]
    pool.end()
    assert len(woken.calls) == 1
    woken.calls.pop()()
    assert [answer.result for answer in answers] == list(range(5))
    pool = _Pool(woken, "disk", 1)  # type: ignore[arg-type]  # as above
    first = pool.call(int, (1,), {})
    pool.end()
    woken.calls.pop()()
    pool._calls.put(None)
    assert first.result == 1
    assert not pool._called


@pytest.mark.parametrize(("before", "after"), [(0.005, threads.SWITCH), (0.0001, 0.0001)])
def test_no_thread_has_the_interpreter_for_long(before: float, after: float) -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(before)
    try:
        Threads(Called(), "cpu", 1).startService()  # type: ignore[arg-type]  # as above
        assert sys.getswitchinterval() == pytest.approx(after)
    finally:
        sys.setswitchinterval(usual)


def test_what_takes_long_to_hand_over_is_handed_over_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which it was done; what is left when the threads have ended is handed over then."""
    now = 0.0
    monkeypatch.setattr(threads, "monotonic", lambda: now)

    def take(result: int) -> int:
        nonlocal now
        now += threads.BRIEF / 2
        seen.append(result)
        return result

    seen: list[int] = []
    woken = Called()
    pool = _Pool(woken, "disk", 1)  # type: ignore[arg-type]  # all of it that is used
    for number in range(5):
        pool.call(int, (number,), {}).addCallback(take)
    pool.end()
    woken.calls.pop()()
    assert seen == [0, 1]
    assert len(woken.calls) == 1
    woken.calls.pop()()
    assert seen == [0, 1, 2, 3]
    pool.tell_all()
    assert seen == list(range(5))
    woken.calls.pop()()
    assert woken.calls == []


class ThreadsTests(TestCase):
    """A real reactor runs these, since results come back to it."""

    def setUp(self) -> None:
        self.threads = Threads(reactor, "disk", 2)  # type: ignore[arg-type]  # the module that is the reactor
        self.parent = MultiService()
        self.threads.setServiceParent(self.parent)

    async def test_it_is_a_service_that_a_parent_can_find_by_name(self) -> None:
        verifyObject(IService, self.threads)
        assert self.parent.getServiceNamed("disk") is self.threads

    async def test_a_call_runs_on_a_thread_and_answers_what_it_returns_or_raises(self) -> None:
        self.parent.startService()
        try:
            assert await self.threads(threading.get_ident) != threading.get_ident()
            assert await self.threads(sorted, [2, 1], reverse=True) == [2, 1]
            with pytest.raises(LookupError):
                await self.threads(fail)
        finally:
            await self.parent.stopService()

    async def test_calls_before_start_and_after_stop_are_refused(self) -> None:
        with pytest.raises(RuntimeError):
            await self.threads(fail)
        await self.parent.stopService()
        self.parent.startService()
        await self.parent.stopService()
        with pytest.raises(RuntimeError):
            await self.threads(fail)

    async def test_it_can_start_again(self) -> None:
        for number in range(2):
            self.parent.startService()
            assert await self.threads(lambda number=number: number) == number
            await self.parent.stopService()

    async def test_a_waiter_who_leaves_does_not_break_the_pool(self) -> None:
        self.parent.startService()
        try:
            running, go_on = threading.Event(), threading.Event()

            def slow() -> None:
                running.set()
                go_on.wait()

            leaving = Deferred.fromCoroutine(self.threads(slow))
            await self.threads(running.wait)
            leaving.cancel()
            with pytest.raises(CancelledError):
                await leaving
            go_on.set()
            assert await self.threads(int, "7") == 7
        finally:
            await self.parent.stopService()

    async def test_stopping_finishes_what_was_accepted_and_ends_all_threads(self) -> None:
        self.parent.startService()
        go_on = threading.Event()
        seen: list[str] = []

        def slow() -> None:
            go_on.wait()
            seen.append(threading.current_thread().name)

        calls = [Deferred.fromCoroutine(self.threads(slow)) for _ in range(5)]
        stopped = self.parent.stopService()
        go_on.set()
        await stopped
        for call in calls:
            await call
        assert len(seen) == 5
        assert not [thread for thread in threading.enumerate() if thread.name in seen]

    async def test_a_pool_of_one_keeps_the_order_of_calls(self) -> None:
        one = Threads(reactor, "records-write", 1)  # type: ignore[arg-type]  # the module that is the reactor
        one.startService()
        seen: list[int] = []
        calls = [Deferred.fromCoroutine(one(seen.append, number)) for number in range(50)]
        for call in calls:
            await call
        assert seen == list(range(50))
        await one.stopService()

    async def test_threads_come_with_the_calls_that_need_them(self) -> None:
        self.parent.startService()
        try:
            for number in range(3):
                assert await self.threads(int, number) == number
            assert len(self.threads._pool._threads) == 1  # type: ignore[union-attr]  # it runs
            calls = [Deferred.fromCoroutine(self.threads(int, number)) for number in range(9)]
            assert [await call for call in calls] == list(range(9))
            assert len(self.threads._pool._threads) == 2  # type: ignore[union-attr]  # it runs
        finally:
            await self.parent.stopService()

    async def test_where_the_system_gives_no_more_threads_those_that_are_there_do_it(self) -> None:
        """And only where there is none is a call refused, which makes no later one wait for it."""

        def none(*_: object, **__: object) -> None:
            raise RuntimeError("can't start new thread")

        self.parent.startService()
        patch = self.patch(threading.Thread, "start", none)
        try:
            with pytest.raises(RuntimeError):
                await self.threads(int, "1")
            patch.restore()
            assert await self.threads(int, "2") == 2
            patch.patch()
            calls = [Deferred.fromCoroutine(self.threads(int, number)) for number in range(5)]
            assert [await call for call in calls] == list(range(5))
            pool = self.threads._pool
            assert pool is not None
            assert (pool._under_way, len(pool._threads)) == (0, 1)
        finally:
            patch.restore()
            await self.parent.stopService()

    async def test_whoever_always_has_more_to_do_keeps_nobody_else_waiting(self) -> None:
        """Each call is made when the one before it has ended, and what is done meanwhile is handed over in a later turn of the reactor."""
        self.parent.startService()
        others: list[int] = []
        try:
            reactor.callLater(0, others.append, 1)  # type: ignore[attr-defined]  # the module that is the reactor
            count = 0
            while not others:
                count += 1
                await self.threads(int, count)
        finally:
            await self.parent.stopService()
