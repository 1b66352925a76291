"""What would be answered is found out without anything being done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogPublisher

from pypidaemon.web.express import Lane
from pypidaemon.workers.inquiry import Inquiry
from tests.gear import now
from tests.house import House
from tests.roads import Roads
from tests.web.test_express import PIP, request

HEAD = request("/simple/alpha/", *PIP)


@pytest.fixture
def house() -> Iterator[House]:
    house = House(by_both_roads=False)
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha"), serial=10)
    now(house.doorkeeper.admit(None, ""))
    yield house
    house.door.access.lines.flush()


def lane(house: House) -> Lane:
    found = house.door.site.lane
    assert found is not None
    return found


def test_what_is_ready_is_learnt_under_the_key_that_is_said(house: House) -> None:
    Roads(house.door.site).plainly(HEAD)
    Inquiry(house.door.site).learn(b"\x00key", HEAD, "192.0.2.1")
    ready = lane(house).ready(b"\x00key", house.clock.seconds())
    assert ready is not None
    assert ready.body


@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        request("/simple/unknown/"),
        request("/+health"),
        request("/simple/alpha/", "Connection: close"),
        request("/simple/alpha/", "Content-Length: 3"),
        request("/simple/alpha/", "Content-Length: 3", method="POST"),
        request("/simple/alpha/", "Transfer-Encoding: chunked"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=range(10),
)
def test_of_everything_else_there_is_no_trace(house: House, head: bytes) -> None:
    """Nobody upstream is asked, nothing is logged, counted or waited for, and nothing is known afterwards."""
    lines: list[str] = []
    house.door.access.lines.publisher = LogPublisher(lambda event: lines.append(event["line"]))
    counted, calls = house.door.routes.operations.metrics.requests, house.clock.getDelayedCalls()
    asked = list(house.upstream.asked)
    Inquiry(house.door.site).learn(b"\x00" + head, head, "192.0.2.1")
    house.door.access.lines.flush()
    assert len(lane(house)) == 0
    assert lines == []
    assert house.door.routes.operations.metrics.requests == counted
    assert house.clock.getDelayedCalls() == calls
    assert house.upstream.asked == asked
    assert len(house.door.site.places) == 0
