"""`pypidaemon.transfers`: what a download keeps in memory for readers who keep pace, and that it is the same as what the draft has."""

from __future__ import annotations

import hashlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError

from pypidaemon.interfaces import IBody
from pypidaemon.model import Digest
from pypidaemon.transfers import CHECKED, READ, RECENT, SMALL, TAIL, Checks, Reader, Transfer, Want
from tests.gear import later, now, waiting


async def nowhere(offset: int) -> IBody:
    """The source of a want that nobody fetches."""
    raise AssertionError("nobody fetches this")


@attrs.define
class Paper:
    """A draft as far as readers see it, with the offsets that were asked of it."""

    data: bytearray = attrs.field(factory=bytearray)
    asked: list[int] = attrs.field(factory=list)

    async def read(self, offset: int, limit: int) -> bytes:
        self.asked.append(offset)
        return bytes(self.data[offset : offset + limit])

    def close(self) -> None:
        """Nothing is held."""


class Arriving:
    """A transfer of that size, and the draft it goes to."""

    def __init__(self, size: int) -> None:
        self.paper = Paper()
        self.transfer = Transfer(Want("key", nowhere), size, draft=self.paper)  # type: ignore[arg-type]  # as much of one as is used

    def take(self, data: bytes) -> None:
        self.paper.data += data
        self.transfer.took(data)


def test_nobody_is_woken_for_what_he_does_not_wait_for() -> None:
    """And one who left while others are woken is not either."""
    it = Arriving(4 * SMALL)
    looked: list[str] = []

    def known(what: str, count: int) -> bool:
        looked.append(what)
        return it.transfer.received >= count

    first, second = later(it.transfer.until(lambda: known("first", 2))), later(it.transfer.until(lambda: known("second", 2)))
    first.addCallback(lambda _: second.cancel())
    it.take(b"a")
    assert looked == ["first", "second"] * 2
    assert waiting(first)
    it.take(b"b")
    with pytest.raises(CancelledError):
        now(second)
    now(first)
    it.take(b"c")
    assert looked == ["first", "second", "first", "second", "first", "first"]


def test_a_reader_who_keeps_pace_never_asks_the_draft() -> None:
    it = Arriving(4 * SMALL)
    readers = [Reader(it.transfer) for _ in range(20)]
    got = [b""] * len(readers)
    for number in range(16):
        reading = [later(reader.read(len(got[position]), READ)) for position, reader in enumerate(readers)]
        assert all(map(waiting, reading))
        it.take(bytes([number]) * 50_000)
        got = [before + now(more) for before, more in zip(got, reading, strict=True)]
    assert set(got) == {bytes(it.paper.data)}
    assert it.paper.asked == []


def test_one_who_comes_late_reads_the_draft_and_catches_up() -> None:
    it = Arriving(4 * SMALL)
    for number in range(20):
        it.take(bytes([number]) * 50_000)
    reader, got = Reader(it.transfer), b""
    while len(got) < len(it.paper.data):
        got += now(reader.read(len(got), 50_000))
    assert got == it.paper.data
    assert it.paper.asked == list(range(0, len(got) - RECENT, 50_000))


def test_law_6_the_tail_is_held_back_in_memory_as_on_the_disk() -> None:
    it = Arriving(SMALL + TAIL)
    reader = Reader(it.transfer)
    it.take(bytes(SMALL + TAIL))
    assert len(now(reader.read(SMALL - 10, READ))) == 10
    tail = later(reader.read(SMALL, READ))
    assert waiting(tail)
    it.transfer.end(Digest("ab" * 32))
    assert len(now(tail)) == TAIL


@pytest.mark.parametrize("piece", [1, 1000, RECENT, 3 * RECENT])
def test_memory_holds_no_more_than_the_recent_bytes_or_one_piece(piece: int) -> None:
    it = Arriving(100 * SMALL)
    for _ in range(4 * RECENT // piece + 4 if piece > 1 else 3000):
        it.transfer.took(bytes(piece))
    held = sum(len(data) for _, data in it.transfer._recent)
    assert held <= max(RECENT, piece)


def test_nothing_is_held_once_it_has_ended() -> None:
    it = Arriving(4 * SMALL)
    it.take(bytes(50_000))
    it.transfer.end(Digest("ab" * 32))
    assert it.transfer.recent(0, READ) == b""


@given(st.lists(st.binary(min_size=1, max_size=90_000), max_size=12), st.integers(0, 400_000), st.integers(1, 100_000))
def test_recent_bytes_are_those_of_the_draft(pieces: list[bytes], offset: int, limit: int) -> None:
    it = Arriving(100 * SMALL)
    for piece in pieces:
        it.take(piece)
    recent = it.transfer.recent(offset, limit)
    assert recent == it.paper.data[offset : offset + len(recent)]
    assert len(recent) <= limit


def test_S53_a_page_that_promises_many_hashes_costs_no_more_than_a_few() -> None:
    """All that this Python can make would take 50 ms for each piece."""
    promised = tuple((algorithm, "0") for algorithm in sorted(hashlib.algorithms_guaranteed))
    assert len(Checks.of(Want("key", nowhere, checks=promised))._expected) == CHECKED
