"""The fronts of a daemon: how many there are, what they are told, and what becomes of those that end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from pypidaemon.web.site import DoorSite
from pypidaemon.workers.link import Link
from pypidaemon.workers.process import LINK
from pypidaemon.workers.service import LATE, SOON, STEADY, Workers
from tests.fronts import Loop
from tests.gear import now
from tests.house import House


@attrs.define(eq=False, slots=False)
class Port:
    """A port that listens, with the look of Twisted's."""

    factory: Any
    socket: socket.socket
    addressFamily: int = socket.AF_INET

    def fileno(self) -> int:
        return self.socket.fileno()

    def doRead(self) -> None:
        pass


@attrs.define(eq=False)
class Public:
    """As a `PublicSocket`."""

    port: Any


@attrs.define(eq=False)
class Process:
    """A front that was started: its side of the link is played here."""

    loop: Starting
    protocol: Any
    end: int
    heard: list[tuple[str, list[Any]]] = attrs.field(factory=list)
    over: bool = False
    link: Any = None

    def begin(self) -> None:
        self.link = Link(self.loop, socket.socket(fileno=self.end), self.hear, self.gone)  # type: ignore[arg-type]  # all of it that is wanted
        self.link.end.setblocking(False)
        self.link.begin()

    def hear(self, word: str, facts: list[Any], data: bytes, descriptors: list[int]) -> None:
        self.heard.append((word, facts))
        for one in descriptors:
            os.close(one)

    def gone(self) -> None:
        self.die()

    def die(self, number: int = 9) -> None:
        if not self.over:
            self.over = True
            self.link.end_it()
            self.protocol.processEnded(Failure(ProcessTerminated(None, number)))

    def signalProcess(self, name: str) -> None:
        if self.over:
            raise ProcessExitedAlready
        self.die()


class Starting(Loop):
    """A loop that starts processes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.processes: list[Process] = []
        self.refuses = False

    def spawnProcess(self, protocol: Any, executable: str, args: Any, env: Any, *, childFDs: dict[int, Any]) -> Process:
        if self.refuses:
            raise OSError(11, "Resource temporarily unavailable")
        assert not {"NOTIFY_SOCKET", "LISTEN_FDS"} & set(env)
        process = Process(self, protocol, os.dup(childFDs[LINK]))
        process.begin()
        self.processes.append(process)
        return process

    def adoptStreamConnection(self, *_: Any) -> None:
        raise AssertionError

    @property
    def alive(self) -> list[Process]:
        return [one for one in self.processes if not one.over]


@attrs.define(eq=False)
class Place:
    """Fronts of a site with some sockets."""

    site: DoorSite
    loop: Starting
    wanted: int = 2
    trusting: bool = False
    sockets: list[Public] = attrs.field(factory=list)
    workers: Workers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.workers = Workers(self.loop, lambda: self.wanted, lambda: self.sockets, lambda: self.site, lambda: self.trusting)  # type: ignore[arg-type,return-value]  # as much of them as is asked for

    def listen(self, factory: Any = None) -> Public:
        self.sockets.append(Public(Port(factory or self.site, socket.create_server(("127.0.0.1", 0)))))
        return self.sockets[-1]


@pytest.fixture
def place() -> Iterator[Place]:
    house = House(by_both_roads=False)
    now(house.doorkeeper.admit(None, ""))
    found = Place(house.door.site, Starting(house.clock))
    found.listen()
    yield found
    if found.workers.running:
        found.workers.stopService()
    found.workers.drop()
    found.loop.settle()
    for one in found.sockets:
        if one.port is not None:
            one.port.socket.close()
    if found.workers._generations is not None:
        found.workers._generations.close()


def words(process: Process) -> list[str]:
    return [word for word, _ in process.heard]


def test_one_process_needs_no_other(place: Place) -> None:
    place.wanted = 1
    place.workers.startService()
    place.loop.settle()
    place.workers.changed("alpha")
    assert place.loop.processes == []
    assert place.workers.measures()["processes"] == 1


def test_each_is_told_where_to_listen_and_by_which_rules(place: Place) -> None:
    """At plain TCP sockets of the site alone."""
    place.listen(object())
    place.sockets.append(Public(None))
    place.wanted = 3
    place.workers.startService()
    place.loop.settle()
    assert [words(one) for one in place.loop.processes] == [["begins", "rules", "listens"]] * 2
    assert place.workers.measures()["processes"] == 3


def test_F72_what_the_configuration_says_now_is_told_to_those_who_are_there(place: Place) -> None:
    """Sockets come and go, rules change, and so does the number."""
    place.workers.startService()
    place.loop.settle()
    (one,) = place.loop.processes
    place.workers.renew()
    place.loop.settle()
    assert words(one) == ["begins", "rules", "listens"]
    gone, place.sockets = place.sockets[0], []
    place.listen()
    place.trusting = True
    place.workers.renew()
    place.loop.settle()
    assert words(one)[3:] == ["rules", "shuts", "listens"]
    assert one.heard[3][1][-1] is True
    gone.port.socket.close()
    place.wanted = 1
    place.workers.renew()
    place.loop.settle()
    assert words(one)[-1] == "leaves"
    one.die()
    assert place.workers.measures() == {"processes": 1, "answered": 0, "asked": 0, "handed": 0, "died": 0}
    place.wanted = 2
    place.workers.renew()
    place.loop.settle()
    assert len(place.loop.alive) == 1


def test_one_that_dies_is_followed_by_another_later_and_later(place: Place, lines: list[str]) -> None:
    """Until one has lived for long enough."""
    place.workers.startService()
    place.loop.settle()
    wait = SOON
    for _ in range(12):
        place.loop.alive[0].die()
        assert not place.loop.alive
        place.loop.clock.advance(wait - 0.001)
        assert not place.loop.alive
        place.loop.clock.advance(0.002)
        place.loop.settle()
        assert len(place.loop.alive) == 1
        wait = min(wait * 2, LATE)
    place.loop.clock.advance(STEADY)
    place.loop.alive[0].die()
    place.loop.clock.advance(SOON + 0.001)
    assert len(place.loop.alive) == 1
    assert place.workers.measures()["died"] == 13
    assert lines.count("a worker process has ended by signal 9; another one begins in 0.1 s") == 2


def test_where_no_process_can_be_started_it_is_tried_again(place: Place, lines: list[str]) -> None:
    place.loop.refuses = True
    place.workers.startService()
    place.loop.settle()
    assert not place.loop.processes
    place.loop.refuses = False
    place.loop.clock.advance(SOON)
    place.loop.settle()
    assert len(place.loop.alive) == 1
    assert lines == ["no worker process can be started: Resource temporarily unavailable; another one begins in 0.1 s"]


def test_F79_stopping_waits_for_them_and_drops_them_at_last(place: Place) -> None:
    place.workers.startService()
    place.loop.settle()
    (one,) = place.loop.processes
    place.workers.stopService()
    place.loop.settle()
    assert words(one)[-1] == "leaves"
    waiting: list[None] = []
    Deferred.fromCoroutine(place.workers.empty()).addCallback(waiting.append)
    assert waiting == []
    assert place.workers.drop() == 0
    assert waiting == [None]
    place.loop.clock.advance(LATE)
    assert len(place.loop.processes) == 1


def test_a_front_that_says_nothing_more_is_ended(place: Place, lines: list[str]) -> None:
    """Its link is gone, so it answers by nobody's leave."""
    place.workers.startService()
    place.loop.settle()
    (one,) = place.loop.processes
    one.link.end_it()
    place.loop.settle()
    assert one.over
    assert len(lines) == 1


def test_one_process_imports_nothing_for_others() -> None:
    """But what looks whether there are any."""
    program = "import sys, pypidaemon.assembly, pypidaemon.web.door; print(sorted(name for name in sys.modules if name.startswith('pypidaemon.workers')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pypidaemon.workers', 'pypidaemon.workers.service']"
