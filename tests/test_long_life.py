"""A daemon that runs for long: nothing that it holds grows, whatever comes and goes (issue 6: 24 simulated hours)."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter, deque
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import attrs
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.web.iweb import IAgent
from zope.interface import implementer

from pypidaemon.testing import TestIndex
from pypidaemon.upstreams.http import HttpUpstream
from tests.running import Running, running

PROJECTS = [f"project-{number}" for number in range(6)]
STEP = 1200.0
CONFIGURATION = """
[daemon]
listen = tcp:3141
index = root
uploads = private
{more}
[index:root]
use = first-match
indexes = private shown
[index:private]
use = private
[index:shown]
use = policed
index = pypi
policies = young
[index:pypi]
use = proxy
upstream = pypi
[policy:young]
use = minimum-age
age = {age}
[upstream:pypi]
use = tests.test_long_life:Wired
url = http://index.example/simple/
proxy = none
[service:warm]
use = mirroring
index = pypi
projects = project-0 project-1
schedule = every 3h
[service:clean]
use = janitor
"""


@implementer(IAgent)
class Line:
    """A line to an index in memory, which may be cut."""

    def __init__(self) -> None:
        self.index = TestIndex()
        self.up = True
        self.asked = 0
        # Such an agent remembers all that it was ever asked, so each is used once, and gone when its answer has been read.
        self._agents: deque[RequestTraversalAgent] = deque(maxlen=16)

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[Any]:
        self.asked += 1
        if not self.up:
            return fail(Refused())
        self._agents.append(RequestTraversalAgent(self.index))
        answer: Deferred[Any] = self._agents[-1].request(method, uri, headers, bodyProducer)
        return answer

    def turn(self) -> None:
        """Move what is on the line."""
        for agent in self._agents:
            agent.flush()
        self.index.clear()


LINE: list[Line] = []
"""The line of the test that runs."""


@attrs.define(eq=False, slots=False, kw_only=True)
class Wired(HttpUpstream):
    """An upstream by that line."""

    def __attrs_post_init__(self) -> None:
        self.agent = LINE[-1]
        self.random = lambda: 0.5
        super().__attrs_post_init__()


@attrs.define(eq=False)
class Day:
    """A day in the life of a daemon."""

    daemon: Running
    line: Line
    answers: Counter[int] = attrs.field(factory=Counter)
    moment: int = 0
    downloads: int = 0

    def ask(self, path: str, *headers: str) -> Any:
        """One answer, while the line moves."""
        answer = self.daemon.ask(path, *headers)
        self.answers[answer.status] += 1
        return answer

    def step(self) -> None:
        """Twenty minutes, with what clients do in them: pages by two kinds of client, the list, files, what nobody has, and a wrong word."""
        self.moment += 1
        turn, hour = self.moment % 6, self.moment // 3
        # One hour in four the line is cut.
        self.line.up = hour % 4 != 2
        name = PROJECTS[self.moment % len(PROJECTS)]
        if turn == 0:
            # A release comes and goes again, so that as much is there in the evening as in the morning.
            if hour % 4:
                for filename in [one for one in self.line.index.projects[name].files if "-3.0" in one]:
                    self.line.index.remove(name, filename)
            else:
                self.line.index.add(name, "3.0")
        page = self.ask(f"/simple/{name}/", "Accept: application/vnd.pypi.simple.v1+json")
        self.ask(f"/simple/{name}/", "Accept-Encoding: gzip")
        self.ask(f"/simple/missing-{self.moment % 5}/")
        if turn == 1:
            self.ask("/simple/")
            self.ask("/simple/project-0/", "Authorization: Basic d3Jvbmc6d29yZA==")
        if turn == 2 and page.status == 200:
            for file in json.loads(page.body)["files"][:2]:
                self.downloads += self.ask(urljoin(f"/simple/{name}/", file["url"])).status == 200
        if turn == 3:
            self.ask("/+metrics")
            self.ask("/+ready")
        if self.moment % 6 == 0:
            more = "reserved = acme-*" if hour % 4 else ""
            self.daemon.reload(CONFIGURATION.format(more=more, age=f"{1 + hour % 5}d"))
        self.daemon.loop.turn(STEP)


def held(daemon: Running) -> tuple[int, int, int]:
    """How many objects there are, how many calls are due, and how many services the daemon has."""
    for _ in range(3):
        gc.collect()
    # A connection of sqlite3 keeps up to 200 weak references to cursors that are gone, before it clears them away.
    objects = sum(type(one) is not weakref.ref for one in gc.get_objects())
    return objects, len(daemon.loop.getDelayedCalls()), len(daemon.household.services)


def test_nothing_that_is_held_grows_over_a_day_of_outages_and_changes(tmp_path: Path) -> None:
    """Counted as objects: with the same phase of the day behind it a daemon holds in the evening what it held in the morning."""
    line = Line()
    LINE.append(line)
    for name in PROJECTS:
        for version in ("1.0", "2.0"):
            line.index.add(name, version)
    # What other tests left behind is neither looked through nor counted.
    gc.collect()
    gc.freeze()
    try:
        with running(tmp_path, CONFIGURATION.format(more="", age="1d")) as daemon:
            daemon.loop.lines.append(line.turn)
            day = Day(daemon, line)
            seen = []
            for _ in range(72):
                day.step()
                if day.moment % 12 == 0:
                    seen.append(held(daemon))
            assert daemon.household.house.number == 12
    finally:
        LINE.clear()
        gc.unfreeze()
    # Whatever is begun once has been begun after four hours.
    objects, calls, services = zip(*seen[1:], strict=True)
    assert max(objects) - min(objects) < 600, seen
    assert max(calls) < 10, seen
    assert len(set(services)) == 1, seen
    # It was a day like others: files and pages were had, some not while the line was cut, and upstream was asked for each page once in ten minutes at most.
    assert day.downloads > 10
    assert {200, 401, 404, 503} <= set(day.answers)
    assert set(day.answers) <= {200, 401, 404, 503}
    assert 50 < line.asked < sum(day.answers.values())
