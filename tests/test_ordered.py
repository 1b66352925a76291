"""Services start one after another, stop one after another, and a start that fails is one line."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from zope.interface import implementer

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.ordered import CannotStart, OrderedService
from tests.gear import later, now, waiting


@implementer(IService)
@attrs.define(eq=False, slots=False)
class Noted(Service):
    """Writes down what is asked of it; fails where told to; stops when told to."""

    label: str
    diary: list[str]
    failure: Exception | None = None
    slow: bool = False
    stopped: Deferred[None] = attrs.field(factory=Deferred)

    def privilegedStartService(self) -> None:
        self.diary.append(f"bind {self.label}")

    def startService(self) -> None:
        if self.failure is not None:
            raise self.failure
        Service.startService(self)
        self.diary.append(f"start {self.label}")

    def stopService(self) -> Any:
        Service.stopService(self)
        self.diary.append(f"stop {self.label}")
        return self.stopped if self.slow else None


def test_children_start_in_order_and_stop_in_reverse_each_awaited() -> None:
    """A database does not close under a request that still runs."""
    diary: list[str] = []
    slow = Noted("b", diary, slow=True)
    whole = OrderedService([Noted("a", diary), slow, Noted("c", diary)])
    whole.privilegedStartService()
    whole.startService()
    assert diary == ["bind a", "bind b", "bind c", "start a", "start b", "start c"]
    stopping = whole.stopService()
    assert diary[6:] == ["stop c", "stop b"]
    assert waiting(stopping)
    assert whole.stopping == "Noted b"
    slow.stopped.callback(None)
    now(stopping)
    assert diary[8:] == ["stop a"]
    assert whole.stopping == ""


def test_a_child_that_fails_to_stop_keeps_none_from_stopping(no_logged_failures: list[dict[str, Any]]) -> None:
    """It is logged, and the lock on the data folder is let go all the same."""
    diary: list[str] = []
    bad = Noted("b", diary, slow=True)
    whole = OrderedService([Noted("a", diary), bad])
    whole.startService()
    bad.stopped.errback(ValueError("stuck"))
    now(whole.stopService())
    assert diary[-1] == "stop a"
    assert len(no_logged_failures) == 1
    no_logged_failures.clear()


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (PypidaemonError("the database is newer than this daemon"), "pypidaemon: the database is newer than this daemon"),
        (PermissionError(13, "Permission denied", "/x/y"), "pypidaemon: cannot start: /x/y: Permission denied"),
        (OSError(28, "No space left on device"), "pypidaemon: cannot start: No space left on device"),
        (OverflowError("bind(): port must be 0-65535."), "pypidaemon: cannot start: bind(): port must be 0-65535."),
        (
            CannotListenError("127.0.0.1", 3141, OSError(98, "Address already in use")),
            "pypidaemon: cannot listen on 127.0.0.1 port 3141: Address already in use",
        ),
        (
            CannotListenError(None, "/x.sock", OSError(98, "Address already in use")),
            "pypidaemon: cannot listen on /x.sock: Address already in use",
        ),
        (
            CannotListenError(None, b"/x.sock", "Cannot acquire lock"),
            "pypidaemon: cannot listen on /x.sock: Cannot acquire lock",
        ),
    ],
)
def test_a_start_that_fails_is_one_line_and_undoes_what_was_started(failure: Exception, line: str) -> None:
    """The process then ends with status 1: a SystemExit carries the line."""
    diary: list[str] = []
    whole = OrderedService([Noted("a", diary), Noted("b", diary), Noted("c", diary, failure), Noted("d", diary)])
    with pytest.raises(CannotStart) as caught:
        whole.startService()
    assert caught.value.code == line
    assert str(caught.value) == line
    assert diary == ["start a", "start b", "stop b", "stop a"]


def test_a_bug_is_not_dressed_up_as_a_line() -> None:
    """What nobody foresaw keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        OrderedService([Noted("a", [], ZeroDivisionError())]).startService()


def test_one_inside_another_does_not_wrap_the_line_twice() -> None:
    """Composites may nest."""
    inner = OrderedService([Noted("a", [], PypidaemonError("no"))])
    with pytest.raises(CannotStart) as caught:
        OrderedService([inner]).startService()
    assert str(caught.value) == "pypidaemon: no"


def test_twistd_is_told_an_ordinary_exception_and_the_interpreter_a_line() -> None:
    """So that pid files go and no traceback comes."""
    assert issubclass(CannotStart, Exception)
    assert issubclass(CannotStart, SystemExit)
    assert CannotStart.__module__ == "builtins"


def test_one_that_is_ending_is_waited_for_by_a_stop() -> None:
    """What stands below it, as the records do, must not stop while it is still at it."""
    diary: list[str] = []
    leaving = Noted("b", diary, slow=True)
    whole = OrderedService([Noted("a", diary), leaving])
    whole.startService()
    ending = later(whole.end([leaving]))
    stopping = whole.stopService()
    assert waiting(stopping)
    assert whole.stopping == "Noted b"
    assert diary[-1] == "stop b"
    leaving.stopped.callback(None)
    now(ending)
    now(stopping)
    assert diary[2:] == ["stop b", "stop a"]
