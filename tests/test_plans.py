"""What a run of a mirror does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import NormalizedName
from pypidaemon.plans import (
    Dropped,
    Gone,
    Limit,
    Look,
    Selection,
    Settled,
    Step,
    Verdict,
    backoff,
    chosen_by,
    compare,
    drops,
    limit,
    removals,
)


def _n(text: str) -> NormalizedName:
    return NormalizedName(text)


def _plan(
    upstream: dict[str, int],
    ours: dict[str, int],
    chooses: Callable[[NormalizedName], bool] = lambda _: True,
    waiting: frozenset[str] = frozenset(),
) -> list[Step]:
    def entries(of: dict[str, int]) -> Iterator[tuple[NormalizedName, int]]:
        return ((_n(name), of[name]) for name in sorted(of))

    return list(compare(entries(upstream), entries(ours), chooses, frozenset(_n(name) for name in waiting)))


def test_M1_a_selection_is_patterns_and_names_less_what_is_excluded() -> None:
    """In whatever spelling (PEP 503)."""
    chosen = Selection(patterns=("Django*", "zope.*"), exclude=("django-evil*", "twisted"), names=frozenset({_n("twisted"), _n("attrs")}))
    assert [name for name in ("django", "django-evil-one", "zope-interface", "attrs", "twisted", "other") if chosen.chooses(_n(name))] == [
        "django",
        "zope-interface",
        "attrs",
    ]


def test_M1_everything_is_everything_but_what_is_excluded() -> None:
    assert [name for name in ("a", "b-nightly") if Selection(exclude=("*-nightly",), everything=True).chooses(_n(name))] == ["a"]
    assert not Selection().chooses(_n("a"))


def test_a_selection_has_a_revision_that_tells_it_from_others() -> None:
    """The order in which things are named means nothing."""
    one = Selection(("a*", "b*"), ("c",), frozenset({_n("x"), _n("y")}))
    assert one.revision == Selection(("b*", "a*", "b*"), ("c",), frozenset({_n("y"), _n("x")})).revision
    others = [
        Selection(("a*",)),
        Selection((), ("a*",)),
        Selection((), (), frozenset({_n("a")})),
        Selection(everything=True),
        Selection(),
        one,
    ]
    assert len({other.revision for other in others}) == len(others)


def test_M4_what_is_new_newer_unfinished_or_without_a_serial_is_looked_at() -> None:
    steps = _plan(
        {"new": 5, "newer": 8, "none": 0, "same": 7, "todo": 7}, {"newer": 7, "none": 3, "same": 7, "todo": 7}, waiting=frozenset({"todo"})
    )
    assert steps == [Look(_n("new"), 5), Look(_n("newer"), 8), Look(_n("none"), 0), Look(_n("todo"), 7)]


def test_M4_nothing_new_is_nothing_to_do() -> None:
    assert _plan({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
    assert _plan({}, {}) == []


def test_M7_a_serial_that_fell_is_nothing_to_do() -> None:
    assert _plan({"a": 1}, {"a": 2}) == []


def test_M6_what_is_here_and_no_longer_listed_is_gone() -> None:
    assert _plan({"b": 1, "d": 1}, {"a": 1, "b": 1, "c": 1, "e": 1}, waiting=frozenset({"c"})) == [
        Gone(_n("a")),
        Gone(_n("c")),
        Look(_n("d"), 1),
        Gone(_n("e")),
    ]


def test_M1_what_is_here_and_no_longer_chosen_is_dropped_and_not_gone() -> None:
    steps = _plan({"a": 1, "b": 9, "c": 1}, {"a": 1, "b": 1}, lambda name: name == "a", waiting=frozenset({"b"}))
    assert steps == [Dropped(_n("b"))]


def test_what_waits_for_nothing_any_more_is_settled() -> None:
    """It was never here, and is no longer listed, or no longer chosen."""
    steps = _plan({"a": 1, "z": 1}, {}, lambda name: name == "a", waiting=frozenset({"z", "a", "gone"}))
    assert steps == [Look(_n("a"), 1), Settled(_n("gone")), Settled(_n("z"))]


@pytest.mark.parametrize(
    ("upstream", "ours", "words"), [("ba", "", "upstream's list"), ("aa", "", "a comes after a"), ("", "cb", "what is here")]
)
def test_a_list_out_of_order_is_no_list(upstream: str, ours: str, words: str) -> None:
    """Something would seem to be gone that is not."""
    with pytest.raises(ValueError, match=words):
        list(compare(iter([(_n(name), 1) for name in upstream]), iter([(_n(name), 1) for name in ours]), lambda _: True))


NAMES = st.sampled_from("abcdefgh")
LISTS = st.dictionaries(NAMES, st.integers(0, 3))


@given(LISTS, LISTS, st.sets(NAMES), st.sets(NAMES))
def test_the_comparison_is_that_of_two_tables(upstream: dict[str, int], ours: dict[str, int], chosen: set[str], waiting: set[str]) -> None:
    """While neither is held."""
    expected: list[Step] = []
    for name in sorted(upstream.keys() | ours.keys()):
        if name not in upstream:
            expected.append(Gone(_n(name)))
        elif name not in chosen:
            expected += [Dropped(_n(name))] if name in ours else []
        elif name not in ours or upstream[name] == 0 or upstream[name] > ours[name] or name in waiting:
            expected.append(Look(_n(name), upstream[name]))
    idle = sorted(name for name in waiting if name not in ours and not (name in upstream and name in chosen))
    assert _plan(upstream, ours, chosen.__contains__, frozenset(waiting)) == [*expected, *(Settled(_n(name)) for name in idle)]


def test_lists_are_read_no_further_than_needed() -> None:
    """So that lists of any length are compared in the memory of two entries."""
    read: list[str] = []

    def entries(prefix: str) -> Iterator[tuple[NormalizedName, int]]:
        for number in range(1000):
            read.append(prefix)
            yield _n(f"{number:04}"), 1

    steps = compare(entries("upstream"), iter(()), lambda _: True)
    assert [next(steps), next(steps)] == [Look(_n("0000"), 1), Look(_n("0001"), 1)]
    assert len(read) <= 4


@pytest.mark.parametrize(
    ("raw", "found", "spelled", "of_1000", "of_10"),
    [
        ("5%", Limit(), "5%", 50, 3),
        (" 2.5 % ", Limit(2.5), "2.5%", 25, 3),
        ("100%", Limit(100.0), "100%", 1000, 10),
        ("0%", Limit(0.0), "0%", 0, 0),
        ("0", Limit(None, 0), "0", 0, 0),
        ("40", Limit(None, 40), "40", 40, 40),
    ],
)
def test_a_limit_is_a_percentage_or_a_number(raw: str, found: Limit, spelled: str, of_1000: int, of_10: int) -> None:
    assert limit(raw) == found
    assert str(found) == spelled
    assert limit(str(found)) == found
    assert (found.of(1000), found.of(10)) == (of_1000, of_10)


@pytest.mark.parametrize("raw", ["", "%", "-1", "101%", "5.123%", "five", "1e3", "٣%", "9" * 5000, "1\n2"])
def test_what_is_no_limit_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="is neither a percentage such as 5% nor a number of projects"):
        limit(raw)


@pytest.mark.parametrize(
    ("gone", "held", "listed", "before", "serials", "reason"),
    [
        (0, 10, 0, 100, (0, 0), ""),
        (3, 10, 97, 100, (0, 0), ""),
        (3, 10, 97, 0, (5, 4), ""),
        (50, 1000, 950, 1000, (5, 5), ""),
        (1, 10, 100, 100, (0, 0), ""),
        (1, 10, 100, 100, (0, 9), "upstream's serial fell from 9 to none"),
        (2, 2, 100, 100, (0, 0), "2 of 2 projects would go, more than 1 (5%)"),
        (1, 10, 0, 100, (0, 0), "upstream's list is empty"),
        (1, 10, 0, 0, (0, 0), "upstream's list is empty"),
        (1, 10, 99, 100, (4, 5), "upstream's serial fell from 5 to 4"),
        (1, 10, 94, 100, (0, 0), "upstream's list shrank from 100 projects to 94, by more than 5%"),
        (4, 10, 1000, 1000, (0, 0), "4 of 10 projects would go, more than 3 (5%)"),
        (51, 1000, 9999, 9999, (0, 0), "51 of 1000 projects would go, more than 50 (5%)"),
    ],
)
def test_M7_what_looks_like_a_mistake_of_upstreams_removes_nothing(
    gone: int, held: int, listed: int, before: int, serials: tuple[int, int], reason: str
) -> None:
    assert removals(gone, held, Limit(), listed, before, *serials) == Verdict(not reason, reason)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 20))
def test_M7_never_more_than_the_limit_goes(gone: int, held: int, listed: int, before: int, most: int) -> None:
    verdict = removals(gone, held, Limit(None, most), listed, before)
    assert bool(verdict.reason) is not verdict.allowed
    if verdict.allowed and gone:
        assert listed
        assert gone <= most
        assert before - listed <= most


@given(st.integers(0, 200), st.floats(0, 99))
def test_M7_a_percentage_never_lets_everything_go(held: int, percent: float) -> None:
    assert Limit(percent).of(held) < max(held, 1)


MINE, OTHER = chosen_by("a*", named=False, asked=False), chosen_by("b*", named=False, asked=False)


@pytest.mark.parametrize(
    ("dropped", "before", "after", "brief", "allowed", "reason"),
    [
        (0, MINE, MINE, True, True, ""),
        (3, MINE, MINE, False, True, ""),
        (4, MINE, MINE, False, False, "4 of 10 projects would go, more than 3 (5%)"),
        (4, "", MINE, False, False, "4 of 10 projects would go, more than 3 (5%)"),
        (10, OTHER, MINE, True, True, ""),
        (10, f"{OTHER}+named+asked", MINE, True, True, ""),
        (1, f"{MINE}+named", MINE, False, False, "the requirements name no project any more"),
        (1, f"{MINE}+named+asked", f"{MINE}+named", True, False, "it is not known any more what clients took"),
        (1, f"{MINE}+named+asked", f"{MINE}+named+asked", True, False, ""),
        (1, f"{MINE}+asked", f"{MINE}+named+asked", False, True, ""),
    ],
)
def test_M1_what_is_not_chosen_any_more_goes_by_the_owners_will_alone(
    dropped: int, before: str, after: str, brief: bool, allowed: bool, reason: str
) -> None:
    assert drops(dropped, 10, Limit(), before, after, brief) == Verdict(allowed, reason)


def test_what_chooses_is_one_word() -> None:
    assert chosen_by("a b", named=True, asked=True) == chosen_by("a b", named=False, asked=False) + "+named+asked"
    assert " " not in chosen_by("a b", named=True, asked=True)


def test_M11_what_fails_is_tried_again_later_and_later() -> None:
    assert [backoff(tries) for tries in (0, 1, 2, 3, 9, 10, 10**9)] == [60, 60, 120, 240, 15360, 21600, 21600]
