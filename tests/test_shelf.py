"""The bounded shelf."""

from __future__ import annotations

import weakref

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pypidaemon.announcements import Announcements
from pypidaemon.model import NormalizedName
from pypidaemon.shelf import Shelf


def test_what_was_not_asked_for_longest_goes_first() -> None:
    """Looking at a value counts as asking."""
    shelf: Shelf[str, int] = Shelf(3)
    for key in "abc":
        shelf.put(key, 1, 1)
    assert shelf.get("a") == 1
    shelf.put("d", 2, 1)
    assert [shelf.get(key) for key in "abcd"] == [1, None, 1, 2]


def test_what_is_heavier_than_the_shelf_is_not_kept_and_takes_nothing_away() -> None:
    """But what had its key goes."""
    shelf: Shelf[str, int] = Shelf(3)
    shelf.put("a", 1, 1)
    shelf.put("b", 1, 1)
    shelf.put("b", 2, 4)
    assert (shelf.get("a"), shelf.get("b"), shelf.weight) == (1, None, 1)


def test_whoever_wants_to_know_is_told_of_all_that_goes() -> None:
    """Dropped, replaced, too heavy to be replaced, or pushed out by others; and when it is told, the value is not here any more."""
    told: list[tuple[str, int, int | None]] = []
    shelf: Shelf[str, int] = Shelf(3, lambda key, value: told.append((key, value, shelf.get(key))))
    for number, key in enumerate("abcb"):
        shelf.put(key, number, 1)
    assert told == [("b", 1, None)]
    shelf.put("d", 4, 2)
    assert told[1:] == [("a", 0, None), ("c", 2, None)]
    shelf.put("d", 5, 9)
    shelf.drop_where(lambda key: key == "b")
    shelf.drop("x")
    assert told[3:] == [("d", 4, None), ("b", 3, None)]
    assert (len(shelf), shelf.weight) == (0, 0)


class Shelves(RuleBasedStateMachine):
    """Against a dictionary: what the shelf has is right, and it never holds more than it may."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf: Shelf[int, int] = Shelf(20)
        self.kept: dict[int, tuple[int, int]] = {}

    @rule(key=st.integers(0, 9), value=st.integers(), weight=st.integers(0, 25))
    def put(self, key: int, value: int, weight: int) -> None:
        self.shelf.put(key, value, weight)
        self.kept[key] = (value, weight)

    @rule(key=st.integers(0, 9))
    def get(self, key: int) -> None:
        found = self.shelf.get(key)
        assert found is None or found == self.kept[key][0]

    @rule(key=st.integers(0, 9))
    def drop(self, key: int) -> None:
        self.shelf.drop(key)
        assert self.shelf.get(key) is None

    @rule(rest=st.integers(0, 2))
    def drop_where(self, rest: int) -> None:
        self.shelf.drop_where(lambda key: key % 3 == rest)
        assert all(self.shelf.get(key) is None for key in range(10) if key % 3 == rest)

    @rule(key=st.none() | st.integers(0, 9))
    def forget(self, key: int | None) -> None:
        before = len(self.shelf) - (key is not None and self.shelf.get(key) is not None)
        self.shelf.forget(key)
        assert len(self.shelf) == (0 if key is None else before)
        assert key is None or self.shelf.get(key) is None

    @invariant()
    def within_its_limit(self) -> None:
        held = [key for key in range(10) if self.shelf.get(key) is not None]
        assert len(held) == len(self.shelf)
        assert self.shelf.weight == sum(self.kept[key][1] for key in held) <= 20


TestShelves = Shelves.TestCase


def test_announcements_reach_every_listener() -> None:
    """With the name, or with None for everything."""
    heard: list[object] = []
    announcements = Announcements()
    announcements.listen(heard.append)
    announcements.listen(heard.append)
    announcements.announce(NormalizedName("a"))
    announcements.announce(None)
    assert heard == ["a", "a", None, None]


def test_a_listener_that_is_gone_is_called_no_more_and_is_not_kept() -> None:
    """What a reload has replaced must go; an object that is there is called, and what is no method is kept."""
    heard: list[object] = []

    class Part:
        def change(self, name: object) -> None:
            heard.append(name)

    announcements = Announcements()
    there, gone = Part(), Part()
    announcements.listen(there.change)
    announcements.listen(gone.change)
    announcements.announce(NormalizedName("a"))
    assert heard == ["a", "a"]
    known = weakref.ref(gone)
    del gone
    assert known() is None
    announcements.announce(NormalizedName("b"))
    announcements.listen(heard.append)
    announcements.announce(NormalizedName("c"))
    assert heard == ["a", "a", "b", "c", "c"]
    assert len(announcements._listeners) == 2
