"""What two processes say to each other arrives whole, in order, and with its open files."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.workers.link import LARGEST, Link, TooLarge, pair
from tests.fronts import Loop


class Ends:
    """Both ends of a link, and what either has heard."""

    def __init__(self) -> None:
        self.loop = Loop(Clock())
        self.heard: list[tuple[str, list[Any], bytes]] = []
        self.files: list[int] = []
        self.lost: list[str] = []
        one, other = pair()
        self.one = Link(self.loop, one, self.hear, lambda: self.lost.append("one"))  # type: ignore[arg-type]  # all of it that is wanted
        self.other = Link(self.loop, other, self.hear, lambda: self.lost.append("other"))  # type: ignore[arg-type]  # as above
        self.one.begin()
        self.other.begin()

    def hear(self, word: str, facts: list[Any], data: bytes, descriptors: list[int]) -> None:
        self.heard.append((word, facts, data))
        self.files += descriptors

    def close(self) -> None:
        for one in self.files:
            os.close(one)
        self.one.end_it()
        self.other.end_it()


@pytest.fixture
def ends() -> Any:
    found = Ends()
    yield found
    found.close()


def test_messages_keep_their_bounds_and_their_order(ends: Ends) -> None:
    """Whatever is in them, none of it is taken for the end of anything."""
    said = [("a", [1, None, 1.5, "\n"], b"\n\x00"), ("b", [], b""), ("c", [[1, [2]]], b"x" * 200_000)]
    for word, facts, data in said:
        ends.one.say(word, facts, data)
    ends.loop.settle()
    assert ends.heard == said


def test_what_finds_no_room_waits_with_its_files(ends: Ends) -> None:
    """Who said it may close them meanwhile."""
    ends.loop.removeReader(ends.other)
    with socket.socket() as one:
        number = os.fstat(one.fileno()).st_ino
        count = 0
        while not ends.one.waiting:
            ends.one.say("m", [count], b"x" * 50_000, [one.fileno()])
            count += 1
        ends.one.say("m", [count], b"", [one.fileno()])
    ends.loop.addReader(ends.other)
    ends.loop.settle()
    assert [facts for _, facts, _ in ends.heard] == [[n] for n in range(count + 1)]
    assert {os.fstat(file).st_ino for file in ends.files} == {number}
    assert len(ends.files) == count + 1
    assert not ends.one.waiting
    assert ends.one not in ends.loop.writers


def test_what_is_too_large_is_not_sent(ends: Ends) -> None:
    with pytest.raises(TooLarge):
        ends.one.say("m", [], b"x" * LARGEST)
    ends.one.say("n")
    ends.loop.settle()
    assert [word for word, _, _ in ends.heard] == ["n"]


def test_one_side_hears_that_the_other_is_gone(ends: Ends) -> None:
    """After what it had said before; and who ended it himself is not told."""
    ends.one.say("last")
    ends.one.end_it()
    ends.loop.settle()
    assert [word for word, _, _ in ends.heard] == ["last"]
    assert ends.lost == ["other"]
    ends.other.say("m")
    assert not ends.loop.readers


def test_what_cannot_be_done_ends_nothing(ends: Ends, no_logged_failures: list[dict[str, Any]]) -> None:
    """It is logged, and the next message is heard."""

    def fail(*_: Any) -> None:
        raise ValueError("whatever it is")

    ends.other.heard = fail
    ends.one.say("m")
    ends.loop.settle()
    assert [str(event["log_failure"].value) for event in no_logged_failures] == ["whatever it is"]
    no_logged_failures.clear()
    ends.other.heard = ends.hear
    ends.one.say("n")
    ends.loop.settle()
    assert [word for word, _, _ in ends.heard] == ["n"]
