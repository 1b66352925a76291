"""Lists of several indexes as one, whole and in stretches."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from zope.interface import implementer

from pypidaemon.errors import PolicyFailed
from pypidaemon.interfaces import ISteady
from pypidaemon.listings import in_stretches, marked, seen, state_of, states_of
from pypidaemon.model import NormalizedName, ProjectList
from tests.lists import Known, few_names, held, kept, numbered, together

borders = st.sets(few_names, max_size=6).map(lambda found: ["", *sorted(found), ""])


@given(numbered, numbered, numbered, st.frozensets(few_names, max_size=3), borders)
def test_the_stretches_of_a_list_are_the_list(
    own: Known, theirs: Known, numbers: Known, hidden: frozenset[NormalizedName], borders: list[str]
) -> None:
    listing = together((held("private", own), together((kept("proxy", theirs),), {}, hidden)), numbers)

    def visible(label: str, name: NormalizedName) -> bool:
        return (label, name) != ("private", "b")

    stretches = listing.stretches
    assert stretches is not None
    entries = list(listing.entries())
    assert [entry for start, end in pairwise(borders) for entry in stretches.entries(start, end)] == entries
    assert [entry for start, end in pairwise(borders) for entry in seen(listing, visible, start, end)] == list(seen(listing, visible))
    assert {name for name, _ in seen(listing, visible)} >= {name for name, _ in entries if name != "b"}


@given(st.tuples(numbered, numbered, numbered), st.tuples(numbered, numbered, numbered), borders)
def test_a_stretch_with_other_entries_has_another_mark(
    before: tuple[Known, Known, Known], after: tuple[Known, Known, Known], borders: list[str]
) -> None:
    one, other = (together((held("private", own), kept("proxy", theirs)), numbers) for own, theirs, numbers in (before, after))
    assert one.stretches is not None
    assert other.stretches is not None
    for start, end in pairwise(borders):
        if one.stretches.mark(start, end) == other.stretches.mark(start, end):
            assert list(one.stretches.entries(start, end)) == list(other.stretches.entries(start, end))
        again = together((held("private", before[0]), kept("proxy", before[1])), before[2]).stretches
        assert again is not None
        assert again.mark(start, end) == one.stretches.mark(start, end)


def test_a_list_with_a_part_that_can_only_be_read_as_a_whole_has_no_stretches() -> None:
    whole = ProjectList(lambda: iter([(NormalizedName("a"), 1)]), "r", 1, source="elsewhere")
    both = together((held("private", {NormalizedName("b"): 2}), whole), {})
    assert both.stretches is None
    assert list(seen(both, lambda _, __: True)) == [("a", 1), ("b", 2)]
    assert list(both.entries()) == [("a", 1), ("b", 2)]


def test_the_same_names_of_another_index_have_another_mark() -> None:
    """Who may see them is another matter there, and a part of a list that has the mark of one before is taken over without asking."""
    one, other = (together((held(label, {NormalizedName("a"): 1}),), {}).stretches for label in ("ours", "theirs"))
    assert one is not None
    assert other is not None
    assert one.mark("", "") != other.mark("", "")


def test_words_of_a_mark_are_told_apart() -> None:
    assert marked((b"a", b"bc")) != marked((b"ab", b"c"))


def test_a_stretch_without_entries_has_the_mark_of_none() -> None:
    few = in_stretches([(NormalizedName("b"), 1)])
    assert few.mark("", "b") == few.mark("c", "") != few.mark("b", "c")


@implementer(ISteady)
class Telling:
    """An index that tells whether its list is what it was, or fails to."""

    def __init__(self, state: Hashable | Exception) -> None:
        self.state = state

    def names_state(self) -> Hashable:
        """As `ISteady`."""
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


def test_where_one_of_several_cannot_tell_its_state_nobody_can() -> None:
    steady, failing, other = Telling(3), Telling(PolicyFailed("theirs", ValueError)), object()
    assert [state_of(index) for index in (steady, failing, other)] == [3, None, None]  # type: ignore[arg-type]  # all of an index that is asked
    assert states_of((steady, steady), "also") == (3, 3, "also")  # type: ignore[arg-type]  # as above
    assert [states_of((steady, index)) for index in (failing, other)] == [None, None]  # type: ignore[arg-type]  # as above
