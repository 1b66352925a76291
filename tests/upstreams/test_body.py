"""`pypidaemon.upstreams.body`: pushed pieces become something to be read, and every wait has an end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
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
from pypidaemon.upstreams.body import BULK, ENOUGH, FULL, GATHERED, GATHERING, RESTING, SHORTEST, Body
from pypidaemon.upstreams.limits import Limits
from tests.gear import later, now, waiting

DONE = Failure(ResponseDone())


class Receiving:
    """A body on a clock of its own, and what it told about itself."""

    def __init__(self, total: int | None = None, offset: int = 0, limits: Limits | None = None) -> None:
        self.clock, self.transport = Clock(), StringTransport()
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
    it.clock.advance(19.9)
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
    it.clock.advance(19.9)
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


def test_the_connection_of_a_long_body_rests_once_it_gave_all_that_it_had() -> None:
    """Not while there is more to take at once, nor after the last piece, where it is the next one's."""
    it = Receiving(total=4 * BULK, limits=Limits(waiting=4 * BULK))
    it.body.dataReceived(bytes(BULK))
    it.body.dataReceived(bytes(FULL))
    it.clock.advance(0)
    assert it.transport.producerState == "producing"
    it.body.dataReceived(b"some")
    it.clock.advance(0)
    assert it.transport.producerState == "paused"
    it.clock.advance(RESTING)
    assert it.transport.producerState == "producing"
    now(it.body.read())
    it.body.dataReceived(bytes(it.body.total - it.body.received - 1))
    it.body.dataReceived(b"x")
    it.clock.advance(0)
    assert it.transport.producerState == "producing"
    it.body.connectionLost(DONE)
    assert it.told == [None]
    assert not it.clock.getDelayedCalls()


def test_what_a_connection_gives_in_one_go_counts_as_one_however_small_the_slices() -> None:
    """TLS hands on records of 16 KiB: a rest after each would bring 64 KiB in 40 ms and no more, however fast the line."""
    it = Receiving(total=8 * BULK, limits=Limits(waiting=8 * BULK))
    it.body.dataReceived(bytes(BULK))
    for _ in range(10):
        for _ in range(3):
            it.body.dataReceived(bytes(16 << 10))
            assert it.transport.producerState == "producing"
        it.clock.advance(0)
        assert it.transport.producerState == "producing"
    it.body.dataReceived(bytes(16 << 10))
    it.body.dataReceived(b"x")
    it.clock.advance(0)
    assert it.transport.producerState == "paused"
    it.body.close()


def test_a_body_that_ends_in_the_turn_of_its_last_piece_leaves_no_timer() -> None:
    it = Receiving(total=4 * BULK, limits=Limits(waiting=4 * BULK))
    it.body.dataReceived(bytes(BULK + 1))
    it.body.connectionLost(Failure(ConnectionLost()))
    assert it.told == [f"broke off after {BULK + 1} bytes"]
    assert not it.clock.getDelayedCalls()


def test_of_a_body_whose_end_nobody_knows_the_connection_never_rests() -> None:
    it = Receiving(limits=Limits(waiting=4 * BULK))
    it.body.dataReceived(bytes(BULK))
    it.body.dataReceived(b"some")
    assert not it.clock.getDelayedCalls()
    assert it.transport.producerState == "producing"


def test_the_more_a_line_brings_the_shorter_are_the_rests_and_in_the_end_there_are_none() -> None:
    it = Receiving(total=100 * ENOUGH, limits=Limits(waiting=100 * ENOUGH))
    it.body.dataReceived(bytes(BULK))
    it.clock.advance(0)
    it.body.dataReceived(b"x")
    it.clock.advance(0)
    rests = []
    while it.transport.producerState == "paused":
        (timer,) = it.clock.getDelayedCalls()
        rests.append(timer.getTime() - it.clock.seconds())
        it.clock.advance(rests[-1])
        now(it.body.read())
        it.body.dataReceived(bytes(ENOUGH))
        it.clock.advance(0)
        it.body.dataReceived(b"x")
        it.clock.advance(0)
    assert rests == pytest.approx([RESTING / 2**halved for halved in range(len(rests))])
    assert rests[-1] >= SHORTEST > rests[-1] / 2


def test_a_body_that_is_closed_while_its_connection_rests_lets_go_of_it() -> None:
    it = Receiving(total=4 * BULK)
    it.body.dataReceived(bytes(BULK))
    it.body.dataReceived(b"some")
    it.clock.advance(0)
    assert it.transport.producerState == "paused"
    it.body.close()
    assert it.transport.producerState == "producing"
    assert it.transport.disconnecting
    assert not it.clock.getDelayedCalls()


def test_what_is_paused_for_its_reader_stays_so_when_its_rest_is_over() -> None:
    it = Receiving(total=4 * BULK, limits=Limits(waiting=BULK + 10))
    it.body.dataReceived(bytes(BULK))
    it.body.dataReceived(b"some")
    it.clock.advance(0)
    it.body.dataReceived(b"what was on its way")
    it.clock.advance(RESTING)
    assert it.transport.producerState == "paused"
    now(it.body.read())
    assert it.transport.producerState == "producing"
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
