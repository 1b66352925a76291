"""What a service manager is told (F79, F81)."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.notifying import Notifying, sender, watched
from tests.gear import now


@attrs.define(eq=False)
class Manager:
    """A service manager that writes down what it is told, and records that answer as they are told to."""

    clock: Clock = attrs.field(factory=Clock)
    told: list[str] = attrs.field(factory=list)
    asked: list[Deferred[None]] = attrs.field(factory=list)
    interval: float | None = 30.0
    notifying: Notifying = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.notifying = Notifying(
            self.clock, lambda datagram: self.told.append(datagram.decode()), self.interval, self.probe, lambda: 12345
        )

    async def probe(self) -> None:
        self.asked.append(Deferred())
        await self.asked[-1]

    def answer(self, error: Exception | None = None) -> None:
        """The records answer the last question."""
        if error is None:
            self.asked[-1].callback(None)
        else:
            self.asked[-1].errback(error)


def test_F79_it_hears_when_we_are_ready_read_again_and_stop() -> None:
    """Each with a line for people, which stays one line."""
    manager = Manager()
    manager.notifying.ready("answers at\nhttp://127.0.0.1:3141/")
    manager.notifying.reloading()
    manager.notifying.stopping("finishing what is under way")
    assert manager.told == [
        "READY=1\nSTATUS=answers at http://127.0.0.1:3141/",
        "RELOADING=1\nMONOTONIC_USEC=12345\nSTATUS=reading the configuration again",
        "STOPPING=1\nSTATUS=finishing what is under way",
    ]


def test_F81_a_sign_of_life_is_given_twice_an_interval_and_only_when_the_records_have_answered() -> None:
    """A daemon whose reactor or records are stuck gives none, and is started again."""
    manager = Manager()
    manager.notifying.startService()
    manager.clock.advance(0)
    assert (len(manager.asked), manager.told) == (1, [])
    manager.answer()
    assert manager.told == ["WATCHDOG=1"]
    manager.clock.advance(14)
    assert len(manager.asked) == 1
    manager.clock.advance(1)
    assert (len(manager.asked), manager.told) == (2, ["WATCHDOG=1"])
    manager.clock.advance(15)
    assert (manager.told, manager.notifying.failed) == (["WATCHDOG=1"], 1)
    manager.clock.advance(15)
    manager.answer()
    assert manager.told == ["WATCHDOG=1"] * 2
    now(manager.notifying.stopService())
    assert manager.clock.getDelayedCalls() == []


def test_F81_records_that_refuse_are_no_sign_of_life_and_are_asked_again(lines: list[str]) -> None:
    """The log says so, since the service manager says only that nothing came."""
    manager = Manager()
    manager.notifying.startService()
    manager.clock.advance(0)
    manager.answer(PypidaemonError("the records cannot be read"))
    assert (manager.told, manager.notifying.failed) == ([], 1)
    assert lines == ["no sign of life to the service manager: the records do not answer (the records cannot be read)"]
    manager.clock.advance(15)
    manager.answer()
    assert manager.told == ["WATCHDOG=1"]
    now(manager.notifying.stopService())


def test_F81_records_that_cannot_be_asked_at_all_are_asked_again(no_logged_failures: list[dict[str, Any]]) -> None:
    """Or one error that nobody foresaw would have the daemon ended, though all is well by then."""
    manager = Manager()
    manager.notifying.startService()
    manager.clock.advance(0)
    manager.answer(RuntimeError("no threads"))
    assert (manager.told, manager.notifying.failed, len(no_logged_failures)) == ([], 1, 1)
    no_logged_failures.clear()
    manager.clock.advance(15)
    manager.answer()
    assert manager.told == ["WATCHDOG=1"]
    now(manager.notifying.stopService())


def test_a_stop_waits_for_no_answer_of_the_records() -> None:
    """It gives the question up."""
    manager = Manager()
    manager.notifying.startService()
    manager.clock.advance(0)
    now(manager.notifying.stopService())
    assert (manager.told, manager.clock.getDelayedCalls()) == ([], [])


@pytest.mark.parametrize("interval", [None, 30.0])
def test_without_a_service_manager_nothing_is_done(interval: float | None) -> None:
    """As on a workstation."""
    clock = Clock()
    notifying = Notifying.by({} if interval is None else {"WATCHDOG_USEC": "30000000"}, clock, None)  # type: ignore[arg-type]  # never asked
    notifying.startService()
    notifying.ready("here")
    assert clock.getDelayedCalls() == []
    now(notifying.stopService())


@pytest.mark.parametrize("abstract", [False, True])
def test_a_datagram_goes_to_the_socket_that_the_environment_names(tmp_path: Path, abstract: bool) -> None:
    """A file, or a name that is none."""
    place = f"\0pypidaemon-{tmp_path.name}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(place)
        listening.settimeout(10)
        send = sender({"NOTIFY_SOCKET": place.replace("\0", "@")})
        assert send is not None
        send(b"READY=1")
        assert listening.recv(100) == b"READY=1"
    assert sender({}) is sender({"NOTIFY_SOCKET": "vsock:2:1"}) is None


def test_a_service_manager_that_has_gone_stops_nothing(tmp_path: Path, lines: list[str]) -> None:
    """It is a line in the log."""
    notifying = Notifying.by({"NOTIFY_SOCKET": str(tmp_path / "gone")}, Clock(), None)  # type: ignore[arg-type]  # never asked
    notifying.ready("here")
    assert lines == ["the service manager does not listen: No such file or directory"]


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "77"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "78"}, None),
    ],
)
def test_whose_sign_of_life_is_waited_for(environment: dict[str, str], interval: float | None) -> None:
    """Ours, or that of a process which started us."""
    assert watched(environment, 77) == interval
