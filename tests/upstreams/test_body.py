"""`pypidaemon.upstreams.body`: pushed pieces become something to be read, and every wait has an end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from zope.interface.verify import verifyObject

from pypidaemon.errors import UpstreamTooSlow, UpstreamUnavailable
from pypidaemon.interfaces import IBody
from pypidaemon.upstreams.body import BULK, GATHERED, GATHERING, HELD, LEAST, PATIENCE, Body
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.sieve import Sieve
from tests.gear import later, now, waiting

DONE = Failure(ResponseDone())


class Line(Sieve):
    """A connection of which it is noted what its system is to gather."""

    def __init__(self, able: bool = True) -> None:
        self.able = able
        self.said: list[int] = []

    def gather(self, count: int) -> bool:
        self.said.append(count)
        return self.able

    @property
    def gathered(self) -> int:
        return self.said[-1] if self.said else 1


class Receiving:
    """A body on a clock of its own, and what it told about itself."""

    def __init__(self, total: int | None = None, offset: int = 0, limits: Limits | None = None, line: Sieve | None = None) -> None:
        self.clock, self.transport = Clock(), StringTransport()
        # Where Twisted's client has it.
        vars(self.transport)["_producer"] = line
        self.told: list[str | None] = []
        self.bytes = 0
        self.body = Body("up", self.clock, limits or Limits(), offset, total, None, self.told.append, self.count)
        self.body.makeConnection(self.transport)

    def count(self, size: int) -> None:
        self.bytes += size

    def failing(self, reading: Any) -> str:
        with pytest.raises(UpstreamUnavailable) as caught:
            now(reading)
        return caught.value.cause


@given(st.binary(max_size=2000), st.lists(st.integers(1, 400), max_size=20), st.booleans())
def test_any_chunking_gives_the_same_bytes(data: bytes, cuts: list[int], known: bool) -> None:
    it = Receiving(len(data) if known else None)
    verifyObject(IBody, it.body)
    position, got = 0, b""
    for cut in [*cuts, len(data)]:
        if position < len(data):
            it.body.dataReceived(data[position : position + cut])
            position += cut
            got += now(it.body.read())
    it.body.connectionLost(DONE)
    assert got == data
    assert now(it.body.read()) == b""
    assert it.told == [None]
    assert it.bytes == len(data)
    assert not it.clock.getDelayedCalls()


def test_a_reader_waits_for_what_comes() -> None:
    it = Receiving()
    reading = later(it.body.read())
    assert waiting(reading)
    it.body.dataReceived(b"x")
    it.clock.advance(0)
    assert now(reading) == b"x"
    ending = later(it.body.read())
    it.body.connectionLost(DONE)
    assert now(ending) == b""


def test_what_comes_in_one_go_wakes_the_reader_once() -> None:
    """Each awakening costs a trip to a thread and back; the connection hands on in slices what it read at once."""
    it = Receiving()
    reading = later(it.body.read())
    for piece in (b"one ", b"two ", b"three"):
        it.body.dataReceived(piece)
        assert waiting(reading)
    it.clock.advance(0)
    assert now(reading) == b"one two three"
    assert it.clock.getDelayedCalls() == []


def test_the_connection_is_paused_while_nobody_reads() -> None:
    it = Receiving()
    it.body.dataReceived(bytes(1000 << 10))
    assert it.transport.producerState == "producing"
    it.body.dataReceived(bytes(100 << 10))
    assert it.transport.producerState == "paused"
    assert len(now(it.body.read())) == 1100 << 10
    assert it.transport.producerState == "producing"


def test_F31_a_stall_while_somebody_reads_breaks_it_off() -> None:
    it = Receiving(100)
    it.body.dataReceived(b"abc")
    assert now(it.body.read()) == b"abc"
    reading = later(it.body.read())
    it.clock.advance(9.9)
    assert waiting(reading)
    it.clock.advance(0.2)
    assert it.failing(reading) == "stalled after 3 bytes"
    assert it.transport.disconnecting
    assert it.told == ["stalled after 3 bytes"]


def test_F31_a_short_one_that_stalls_is_noticed_as_soon_though_what_came_of_it_woke_nobody() -> None:
    it = Receiving(500_000)
    reading = later(it.body.read())
    it.clock.advance(0.1)
    it.body.dataReceived(bytes(400_000))
    it.clock.advance(9.9)
    assert waiting(reading)
    it.clock.advance(0.2)
    assert len(now(reading)) == 400_000
    assert it.failing(it.body.read()) == "stalled after 400000 bytes"


def test_F30_a_short_one_that_drips_is_cut_as_ever() -> None:
    it = Receiving(500_000)
    reading = later(it.body.read())
    for _ in range(30):
        it.clock.advance(1)
        it.body.dataReceived(bytes(100))
    assert len(now(reading)) >= 2900
    assert it.told in (["became too slow after 3000 bytes"], ["became too slow after 2900 bytes"])


def test_F30_a_drip_breaks_it_off() -> None:
    it = Receiving()
    for _ in range(29):
        reading = later(it.body.read())
        it.clock.advance(1)
        it.body.dataReceived(bytes(100))
        it.clock.advance(0)
        assert len(now(reading)) == 100
    reading = later(it.body.read())
    it.clock.advance(1)
    with pytest.raises(UpstreamTooSlow, match="became too slow after 2900 bytes"):
        now(reading)


def test_F30_a_slow_line_that_is_fast_enough_is_not_cut() -> None:
    it = Receiving()
    for _ in range(200):
        reading = later(it.body.read())
        it.clock.advance(1)
        it.body.dataReceived(bytes(1100))
        it.clock.advance(0)
        assert len(now(reading)) == 1100
    assert it.told == []


def test_F30_a_slow_reader_is_not_a_slow_upstream() -> None:
    it = Receiving()
    for _ in range(100):
        it.body.dataReceived(b"x")
        it.clock.advance(60)
        assert now(it.body.read()) == b"x"
    assert it.told == []


def test_F8_F35_an_end_that_comes_too_early_is_no_end() -> None:
    for reason in (DONE, Failure(PotentialDataLoss()), Failure(ConnectionLost())):
        it = Receiving(10)
        it.body.dataReceived(b"12345")
        it.body.connectionLost(reason)
        assert now(it.body.read()) == b"12345"
        assert it.failing(it.body.read()) == "broke off after 5 bytes"


def test_F12_the_closing_of_the_connection_ends_a_body_of_unknown_size() -> None:
    it = Receiving(None)
    it.body.dataReceived(b"12345")
    it.body.connectionLost(Failure(PotentialDataLoss()))
    assert now(it.body.read()) == b"12345"
    assert now(it.body.read()) == b""


def test_F10_more_than_was_announced_is_refused() -> None:
    it = Receiving(10, offset=5)
    it.body.dataReceived(b"123456")
    assert now(it.body.read()) == b"123456"
    assert it.failing(it.body.read()) == "sent more than the 10 bytes it announced"
    assert it.transport.disconnecting


def test_closing_drops_the_connection_and_what_still_comes() -> None:
    it = Receiving(10)
    it.body.dataReceived(bytes(5))
    it.body.close()
    it.body.close()
    it.body.dataReceived(bytes(5))
    it.body.connectionLost(Failure(ConnectionLost()))
    assert it.transport.disconnecting
    assert it.told == [None]


def test_a_reader_that_leaves_loses_nothing() -> None:
    it = Receiving()
    reading = later(it.body.read())
    reading.addErrback(lambda _: None)
    reading.cancel()
    assert not it.clock.getDelayedCalls()
    it.body.dataReceived(b"x")
    assert now(it.body.read()) == b"x"


def test_of_a_long_body_pieces_are_gathered_for_a_moment() -> None:
    """Not at its beginning, no more than are enough, not beyond its end, and never for long."""
    it = Receiving()
    it.body.dataReceived(bytes(BULK))
    assert len(now(it.body.read())) == BULK
    reading = later(it.body.read())
    it.body.dataReceived(b"some")
    it.clock.advance(GATHERING / 2)
    it.body.dataReceived(b" more")
    assert waiting(reading)
    it.clock.advance(GATHERING / 2)
    assert now(reading) == b"some more"
    reading = later(it.body.read())
    it.body.dataReceived(b"x")
    it.body.dataReceived(bytes(GATHERED))
    it.clock.advance(0)
    assert len(now(reading)) == GATHERED + 1
    reading = later(it.body.read())
    it.body.dataReceived(b"the end")
    it.body.connectionLost(DONE)
    assert now(reading) == b"the end"
    assert not it.clock.getDelayedCalls()


def test_whoever_was_busy_is_given_what_comes_together_too() -> None:
    """What came since may be one small piece, and the next is a moment away; what lies there for longer, is much, or ends is given at once."""
    it = Receiving()
    it.body.dataReceived(bytes(BULK + 1))
    assert len(now(it.body.read())) == BULK + 1
    it.body.dataReceived(b"some")
    it.clock.advance(GATHERING / 2)
    reading = later(it.body.read())
    it.body.dataReceived(b" more")
    assert waiting(reading)
    it.clock.advance(GATHERING / 2)
    assert now(reading) == b"some more"
    it.body.dataReceived(b"old")
    it.clock.advance(GATHERING)
    assert now(it.body.read()) == b"old"
    it.body.dataReceived(b"x")
    reading = later(it.body.read())
    it.body.dataReceived(bytes(GATHERED))
    it.clock.advance(0)
    assert len(now(reading)) == GATHERED + 1
    it.body.dataReceived(b"the end")
    reading = later(it.body.read())
    assert waiting(reading)
    it.body.connectionLost(DONE)
    assert now(reading) == b"the end"
    assert not it.clock.getDelayedCalls()


@given(st.integers(0, 5 * BULK), st.integers(2 * BULK, 5 * BULK), st.lists(st.integers(1, BULK), max_size=12))
@example(0, 2 * BULK, [1, BULK])
def test_of_a_long_body_the_system_gathers_what_comes_next(offset: int, size: int, cuts: list[int]) -> None:
    """No more than an eighth of what has come and than may lie unread, never beyond the end, and nothing for whoever has the connection next."""
    line = Line()
    it = Receiving(offset + size, offset, line=line)
    for cut in [*cuts, size]:
        piece = min(cut, size - it.body.received)
        if not piece:
            break
        it.body.dataReceived(bytes(piece))
        reading = later(it.body.read())
        # What is left of it when nothing is worth to be gathered by the system is gathered here.
        it.clock.advance(GATHERING)
        assert len(now(reading)) == piece
        left, gathered = size - it.body.received, line.gathered
        assert gathered == 1 or LEAST <= gathered <= min(it.body.received / 8, Limits().waiting - LEAST, left - HELD)
        if it.body.received > BULK and left >= BULK + HELD:
            assert gathered >= min(it.body.received / 16, Limits().waiting - LEAST)
        assert bool(it.clock.getDelayedCalls()) or gathered == 1
    it.body.connectionLost(DONE)
    assert line.gathered == 0
    assert it.told == [None]
    assert not it.clock.getDelayedCalls()


def test_what_was_gathered_for_long_enough_is_taken_as_it_is() -> None:
    line = Line()
    it = Receiving(16 * BULK, line=line)
    it.body.dataReceived(bytes(BULK + 1))
    now(it.body.read())
    gathered = line.gathered
    assert gathered > 1
    reading = later(it.body.read())
    it.clock.advance(PATIENCE / 2)
    it.body.dataReceived(b"some")
    it.clock.advance(0)
    # There is no more where that came from, so nothing is gained by waiting here as well.
    assert now(reading) == b"some"
    it.clock.advance(PATIENCE / 2)
    assert line.gathered == gathered
    it.clock.advance(PATIENCE / 2)
    assert line.gathered == 1
    assert not it.clock.getDelayedCalls()
    it.body.dataReceived(b"more")
    assert line.gathered == gathered
    it.body.close()


@pytest.mark.parametrize(("total", "size"), [(None, 2 * BULK), (BULK, BULK), (2 * BULK, BULK)])
def test_of_a_body_that_is_short_or_of_unknown_length_and_of_its_beginning_nothing_is_gathered(total: int | None, size: int) -> None:
    line = Line()
    it = Receiving(total, line=line)
    it.body.dataReceived(bytes(size))
    assert line.said == []


def test_where_the_system_cannot_gather_it_is_not_asked_again() -> None:
    """Then its pieces are gathered here."""
    line = Line(able=False)
    it = Receiving(16 * BULK, line=line)
    it.body.dataReceived(bytes(BULK + 1))
    now(it.body.read())
    reading = later(it.body.read())
    it.body.dataReceived(b"some")
    it.clock.advance(0)
    assert waiting(reading)
    it.clock.advance(GATHERING)
    assert now(reading) == b"some"
    assert len(line.said) == 1
    assert not it.clock.getDelayedCalls()


@pytest.mark.parametrize("end", ["close", "more", "lost"])
def test_however_a_body_ends_its_connection_is_left_as_it_was(end: str) -> None:
    line = Line()
    it = Receiving(4 * BULK, line=line)
    it.body.dataReceived(bytes(BULK + 1))
    assert line.gathered > 1
    match end:
        case "close":
            it.body.close()
        case "more":
            it.body.dataReceived(bytes(4 * BULK))
        case "lost":
            it.body.connectionLost(Failure(ConnectionLost()))
    assert line.gathered == 0
    assert not it.clock.getDelayedCalls()


def test_what_is_paused_for_its_reader_may_have_been_gathered_for_long() -> None:
    line = Line()
    it = Receiving(8 * BULK, line=line)
    it.body.dataReceived(bytes(BULK + 1))
    assert it.transport.producerState == "paused"
    it.clock.advance(PATIENCE)
    assert line.gathered == 1
    now(it.body.read())
    assert it.transport.producerState == "producing"
    it.body.dataReceived(b"x")
    assert line.gathered > 1
    it.body.close()


def test_nobody_waits_for_more_of_what_is_paused_or_closed() -> None:
    it = Receiving(limits=Limits(waiting=10))
    it.body.dataReceived(bytes(BULK + 1))
    assert it.transport.producerState == "paused"
    now(it.body.read())
    it.body.dataReceived(bytes(10))
    assert it.transport.producerState == "paused"
    assert len(now(it.body.read())) == 10
    it.body.dataReceived(bytes(9))
    reading = later(it.body.read())
    assert waiting(reading)
    it.body.close()
    assert it.failing(reading) == "it was closed"
    assert not it.clock.getDelayedCalls()
