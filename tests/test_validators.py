"""Entity tags are made strong and compared as RFC 9110 says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon import validators

TAG = '"abc"'


@given(st.lists(st.text(max_size=20)), st.lists(st.text(max_size=20)))
def test_R72_tags_are_strong_and_tell_parts_apart(one: list[str], other: list[str]) -> None:
    assert re.fullmatch(r'"[0-9a-f]{40}"', validators.etag(*one))
    assert (validators.etag(*one) == validators.etag(*other)) == (one == other)


def test_R72_borders_between_parts_count() -> None:
    made = {validators.etag(*parts) for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (), ("",), ("\udcff",)]}
    assert len(made) == 7


@pytest.mark.parametrize(
    "lines",
    [
        ['"abc"'],
        ['W/"abc"'],
        ["*"],
        [" * "],
        ['"x", "abc"'],
        ['"x","abc"'],
        ['"x" , W/"abc" ,'],
        ['"x"', '"y", "abc"'],
        ['"a,b", "abc"'],
        ['x", "y", "abc"'],
    ],
)
def test_R73_if_none_match_finds_the_tag(lines: list[str]) -> None:
    assert validators.matches(lines, TAG)
    assert validators.matches(lines, 'W/"abc"')


@pytest.mark.parametrize(
    "lines",
    [[], [""], ["abc"], ['"x"'], ['"abc'], ['abc"'], ['"x,"abc""'], ['"ABC"'], ['"x, "abc'], ['"*"'], ["**"], ['"a,b"'], ['"ab" "c"']],
)
def test_R73_if_none_match_that_names_others(lines: list[str]) -> None:
    if lines == ['"x,"abc""']:
        assert validators.matches(lines, '"x,"')
    assert not validators.matches(lines, TAG)


def test_R73_a_comma_inside_quotes_belongs_to_the_tag() -> None:
    assert validators.matches(['"x", "a,b"'], '"a,b"')
    assert not validators.matches(['"a,b"'], '"a')


@given(st.lists(st.text(max_size=50) | st.text(st.sampled_from('W/"a, *\\'), max_size=50), max_size=4), st.text(max_size=10))
def test_R73_anything_may_come_and_nothing_raises(lines: list[str], tag: str) -> None:
    assert validators.matches([*lines, '"abc"'], TAG)
    assert isinstance(validators.matches(lines, tag), bool)
    assert isinstance(validators.if_range_holds(lines[0] if lines else None, tag), bool)


@pytest.mark.parametrize(("header", "holds"), [(None, True), (TAG, True), (' "abc" ', True), ('"x"', False), ("", False), ("*", False)])
def test_R93_if_range_holds_for_our_tag_alone(header: str | None, holds: bool) -> None:
    assert validators.if_range_holds(header, TAG) is holds


@pytest.mark.parametrize("header", ['W/"abc"', "Sun, 06 Nov 1994 08:49:37 GMT", "abc"])
def test_R93_a_date_or_a_weak_tag_never_holds(header: str) -> None:
    assert not validators.if_range_holds(header, TAG)
    assert not validators.if_range_holds(header, header)
