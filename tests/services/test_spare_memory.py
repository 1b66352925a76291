"""Memory that is needed no more goes back to the system, on a thread, and only after something was done."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.services import spare_memory
from pypidaemon.services.spare_memory import EVERY, WORTH, SpareMemory, Trim, share_heaps, trim


@attrs.define(eq=False)
class Scene:
    """The service by a clock, and what it did."""

    find: Callable[[], Trim | None] | None = None
    clock: Clock = attrs.field(factory=Clock)
    spent: float = 0.0
    given_back: int = 0
    on_threads: int = 0

    def service(self) -> SpareMemory:
        """One that is started."""
        made = SpareMemory(self.clock, self._thread, self.find or (lambda: self._give_back), lambda: self.spent)
        made.startService()
        return made

    async def _thread(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.on_threads += 1
        return function(*args, **kwargs)

    def _give_back(self) -> None:
        self.given_back += 1


def test_it_gives_back_after_work_and_never_for_a_daemon_at_rest() -> None:
    scene = Scene()
    service = scene.service()
    for spent, times in ((WORTH, 1), (WORTH / 2, 1), (WORTH / 2, 2), (0, 2), (0, 2), (50, 3)):
        scene.spent += spent
        scene.clock.advance(EVERY)
        assert (scene.given_back, scene.on_threads) == (times, times)
    service.stopService()
    assert scene.clock.getDelayedCalls() == []


def test_where_the_library_gives_nothing_back_nothing_is_done() -> None:
    scene = Scene(find=lambda: None)
    service = scene.service()
    assert scene.clock.getDelayedCalls() == []
    assert service.stopService() is None


@pytest.mark.parametrize("trouble", [OSError("no such thing"), TypeError("not on this system"), None])
def test_a_library_without_it_is_none_of_our_business(trouble: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As musl, where the name is missing, and systems whose programs are no libraries."""

    def opened(_: None) -> object:
        if trouble is not None:
            raise trouble
        return object()

    monkeypatch.setattr(spare_memory.ctypes, "CDLL", opened)
    assert trim() is None
    share_heaps()


def test_the_library_of_this_process_is_asked_for_all_that_it_can_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Library:
        def mallopt(self, *what: int) -> int:
            asked.append(what)
            return 1

        def malloc_trim(self, pad: ctypes.c_size_t) -> int:
            asked.append(pad.value)
            return 1

    monkeypatch.setattr(spare_memory.ctypes, "CDLL", lambda _: Library())
    found = trim()
    assert found is not None
    found()
    assert asked == [0]
    for processors, heaps in ((None, 2), (1, 2), (8, 8)):
        monkeypatch.setattr(spare_memory.os, "cpu_count", lambda processors=processors: processors)
        share_heaps()
        assert asked.pop() == (-8, heaps)


def test_it_can_be_called_here() -> None:
    found = trim()
    assert found is None or found() in {0, 1}
    assert found is not None or not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
