"""`max-age = 0s`: upstream is asked each time, on condition that something has changed, and nobody waits long for its word (C3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pypidaemon.settings import duration
from pypidaemon.web.held import GLANCE
from pypidaemon.web.reply import Reply
from tests import network
from tests.gear import later, now, waiting
from tests.house import header
from tests.network import Network
from tests.web.test_outages import JSON, PATIENCE, Line

HERD = 20
NEW = (("alpha-2.0.tar.gz", b"two"), ("alpha-3.0.tar.gz", b"three"), ("alpha-4.0.tar.gz", b"four"))
"""What alpha has later; the first of what it had is not among it."""


@pytest.fixture
def line() -> Line:
    """Whose upstream says that pages live for ten minutes, which is not heeded; alpha is known."""
    line = Line()
    line.upstream.max_age = duration("0s")
    line.page("alpha")
    line.file("alpha-1.0.tar.gz")
    line.network.asked.clear()
    return line


def pages_asked(line: Line) -> int:
    """How often alpha's page was asked for since last counted."""
    count = line.network.asked.count("/simple/alpha/")
    line.network.asked.clear()
    return count


def test_C3_each_question_is_one_question_upstream_and_what_changed_is_seen_at_once(line: Line) -> None:
    """Also for who asks twice in the same moment. Unchanged, it costs an empty answer; and nobody on the way is told to believe it for longer."""
    replies: list[Reply] = []
    for _ in range(3):
        files, reply, took = line.page("alpha")
        replies.append(reply)
        assert (files, took, pages_asked(line)) == (["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"], 0.0, 1)
    assert {header(reply, "Cache-Control") for reply in replies} <= {"no-cache", "public, max-age=0", "public, no-cache"}
    line.network.add("alpha", *NEW)
    assert line.page("alpha")[0] == [name for name, _ in NEW]
    assert pages_asked(line) == 1
    # And a file that was taken back is not given any more.
    assert line.file("alpha-1.0.tar.gz")[0].status == 404


@pytest.mark.parametrize(("wrong", "over"), [(network.silent, 35), (network.dripping, 65)], ids=["silent", "dripping"])
def test_C3_whoever_is_not_answered_in_time_has_the_old_page_which_says_so(line: Line, wrong: Any, over: float) -> None:
    """
    No later than a second after upstream's patience; and from then on at once, until it answers again.

    A question that drips on is at its end after a minute, whatever others have been answered by then.
    """
    line.network.wrong = wrong
    files, reply, took = line.page("alpha")
    # It may only be slow, so for now the page is what it was; once it is known to be down, it lists what is held here.
    assert files == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert 0 < took <= PATIENCE + 1
    assert header(reply, "Cache-Control") in ("no-cache", "no-store")
    _, reply, took = line.page("alpha")
    assert took == 0
    assert header(reply, "X-Pypidaemon-Stale") is not None
    line.pass_(PATIENCE + 1)
    assert line.page("alpha")[0] == ["alpha-1.0.tar.gz"]
    line.network.wrong = None
    line.network.add("alpha", *NEW)
    line.pass_(over)
    assert line.page("alpha")[0] == [name for name, _ in NEW]


def test_C3_a_failure_is_answered_at_once_with_the_old_page(line: Line) -> None:
    for wrong in (network.refused, network.status(503), network.portal):
        line.network.wrong = wrong
        files, reply, took = line.page("alpha")
        assert "alpha-1.0.tar.gz" in files
        # In moments, in which it is found out that it was not that one connection alone.
        assert took <= GLANCE
        assert header(reply, "X-Pypidaemon-Stale") is not None


def test_C3_a_herd_asks_once_and_nobody_of_it_waits_longer_than_one(line: Line) -> None:
    """All who come while upstream is asked have that answer, or in time the old one."""
    answer: list[Deferred[Any]] = []

    def slow(path: str, net: Network) -> Deferred[Any]:
        answer.append(Deferred(lambda _: None))
        return answer[-1]

    line.network.wrong = slow
    asks = [line.house.ask("/simple/alpha/", accept=JSON) for _ in range(HERD)]
    assert all(line.house.door.routes.quick(ask) is None for ask in asks)
    herd = [later(line.house.door.routes.handle(ask)) for ask in asks]
    assert pages_asked(line) == 1
    line.pass_(PATIENCE / 2)
    assert all(waiting(one) for one in herd)
    line.pass_(PATIENCE / 2 + 1)
    bodies = {now(one).body for one in herd}
    assert len(bodies) == 1
    assert "alpha-1.0.tar.gz" in {entry["filename"] for entry in json.loads(bodies.pop())["files"]}
    assert pages_asked(line) <= 1  # by the probe
