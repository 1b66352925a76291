"""`pace.send`: as fast as the consumer takes it, and no further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from zope.interface.verify import verifyObject

from pypidaemon.errors import CorruptContent, UpstreamUnavailable
from pypidaemon.interfaces import IContent
from pypidaemon.pace import PIECE, Gone, Held, send
from tests.gear import later, now, waiting
from tests.web.wire import Trickle


class Full(StringTransport):
    """A consumer that has enough after every write, as a socket with a slow client behind it."""

    def write(self, data: bytes) -> None:
        super().write(data)
        self.producer.pauseProducing()


def test_held_is_a_content() -> None:
    """Bytes in memory read like any other content."""
    held = Held(b"abcdef")
    assert verifyObject(IContent, held)
    assert (held.size, now(held.read(2, 3)), now(held.read(6, 3))) == (6, b"cde", b"")
    held.close()


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_R90_exactly_the_slice_is_written(data: bytes, offset: int, length: int) -> None:
    """A whole slice is written to the byte; one that runs over the end is corrupt, never padded."""
    consumer = StringTransport()
    if not length or offset + length <= len(data):
        assert now(send(Held(data), offset, length, consumer)) == length
        assert consumer.value() == data[offset : offset + length]
    else:
        with pytest.raises(CorruptContent):
            now(send(Held(data), offset, length, consumer))
    assert consumer.producer is None


def test_unknown_length_sends_all_there_is() -> None:
    """Where nobody promised a length, the end of the content is the end."""
    consumer = StringTransport()
    data = bytes(range(256)) * 5000
    assert now(send(Held(data), 3, None, consumer)) == len(data) - 3
    assert consumer.value() == data[3:]


def test_a_consumer_that_is_full_gets_one_piece_and_no_more() -> None:
    """Nothing is read while paused, and pieces are at most 256 KiB."""
    consumer = Full()
    content = Held(bytes(3 * PIECE - 5))
    sending = later(send(content, 0, content.size, consumer))
    assert IPushProducer.providedBy(consumer.producer)
    sizes = []
    while waiting(sending):
        sizes.append(len(consumer.value()))
        consumer.clear()
        consumer.producer.resumeProducing()
    assert now(sending) == content.size
    assert [*sizes, len(consumer.value())] == [PIECE, PIECE, PIECE - 5]


def test_pausing_while_a_read_is_under_way_stops_the_next_read() -> None:
    """A pause that comes during a read lets that piece out and holds the next."""
    consumer = StringTransport()
    content = Trickle(None, b"cd")
    sending = later(send(content, 0, 4, consumer))
    consumer.producer.pauseProducing()
    consumer.producer.pauseProducing()
    assert content.waiting is not None
    content.waiting.callback(b"ab")
    assert (consumer.value(), content.reads) == (b"ab", [(0, 4)])
    consumer.producer.resumeProducing()
    assert now(sending) == 4
    assert consumer.value() == b"abcd"


@pytest.mark.parametrize("paused", [True, False])
def test_a_client_that_leaves_ends_it(paused: bool) -> None:
    """Being told to stop raises Gone, at once while paused, else when the read comes back; nothing more is written."""
    consumer = Full() if paused else StringTransport()
    content = Trickle(b"ab", None)
    sending = later(send(content, 0, 10, consumer))
    assert waiting(sending)
    producer = consumer.producer
    producer.stopProducing()
    if not paused:
        assert content.waiting is not None
        content.waiting.callback(b"cd")
    with pytest.raises(Gone):
        now(sending)
    producer.pauseProducing()
    producer.resumeProducing()
    assert consumer.value() == b"ab"
    assert consumer.producer is None


@pytest.mark.parametrize("paused", [True, False])
def test_cancelling_lets_go_of_the_consumer(paused: bool) -> None:
    """A cancelled sender leaves no producer behind, and a late resume harms nobody."""
    consumer = Full() if paused else StringTransport()
    sending = later(send(Trickle(b"ab", None), 0, 10, consumer))
    producer = consumer.producer
    sending.cancel()
    with pytest.raises(CancelledError):
        now(sending)
    assert consumer.producer is None
    producer.resumeProducing()


@pytest.mark.parametrize("error", [CorruptContent("wrong digest"), UpstreamUnavailable("pypi", "cut")])
def test_R221_what_reading_raises_comes_through(error: Exception) -> None:
    """The caller learns why, and the bytes before it have been written."""
    consumer = StringTransport()
    with pytest.raises(type(error)) as raised:
        now(send(Trickle(b"ab", error), 0, 10, consumer))
    assert raised.value is error
    assert consumer.value() == b"ab"
    assert consumer.producer is None


def test_a_content_that_gives_too_much_is_not_let_over_its_length() -> None:
    """More bytes than asked for never reach the wire: they would be taken for the next answer."""
    consumer = StringTransport()
    with pytest.raises(CorruptContent):
        now(send(Trickle(b"abc"), 0, 2, consumer))
    assert consumer.value() == b""
