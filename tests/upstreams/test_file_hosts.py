"""The hosts of an upstream's files when this machine comes into another network."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pypidaemon.model import AWAY
from pypidaemon.upstreams.file_hosts import LONGEST, FileHosts

PLACE, URL = "files.example", "https://files.example/a"


@attrs.define
class Glimpses:
    """Looks that come to nothing for as long as nobody ends them."""

    asked: list[str] = attrs.field(factory=list)

    async def __call__(self, url: str) -> None:
        self.asked.append(url)
        never: Deferred[None] = Deferred()
        await never


def test_N1_a_look_that_hangs_in_the_network_before_is_given_up_and_takes_nobody_down() -> None:
    clock, glimpses = Clock(), Glimpses()
    hosts = FileHosts(clock, 2.0, 4, glimpses)
    hosts.begin()
    health: Any = hosts.at(PLACE)
    hosts.note(PLACE, URL)
    states: list[str] = []
    health.listen(lambda: states.append(health.state))
    health.failed("it does not answer")
    clock.advance(1)
    assert glimpses.asked == [URL]
    hosts.moved()
    clock.advance(0)
    assert glimpses.asked == [URL] * 2
    assert set(states) == {"suspect"}
    clock.advance(LONGEST)
    assert health.state in AWAY
    hosts.end()
