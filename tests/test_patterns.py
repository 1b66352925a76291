"""Patterns of other texts than project names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.patterns import Texts, regexes, text_globs, word_globs


@pytest.mark.parametrize(
    ("glob", "text"),
    [("*.whl", "Foo.WHL"), ("a ? c", "a b c"), ("[ab]x", "BX"), ("a[!b]", "ac"), ("a.b", "A.B"), ("x*", "x\ny"), ("[", "[")],
)
def test_a_glob_matches_a_whole_text_in_any_case(glob: str, text: str) -> None:
    assert Texts((glob,)).first(text) == glob
    assert Texts((glob,)).first(text + "more") in {None, glob if glob.endswith("*") else None}


def test_a_regular_expression_matches_a_whole_text_in_any_case() -> None:
    texts = Texts(regexes=("a+", "b|c"))
    assert (texts.first("AAA"), texts.first("C"), texts.first("ab")) == ("a+", "b|c", None)


def test_the_first_that_matches_is_the_one() -> None:
    texts = Texts(("a*", "*b"), ("ab",))
    assert texts.first("ab") == "a*"
    assert texts.first_of(["x", "xb", "ab"]) == "xb"
    assert texts.first_of(["x"]) is None


def test_there_may_be_none() -> None:
    assert not Texts()
    assert Texts(("a",))
    assert Texts().first("a") is None


def test_S85_many_stars_are_no_burden() -> None:
    assert Texts(("*a" * 60 + "*b",)).first("a" * 250) is None


def test_words_and_lines_are_read() -> None:
    assert word_globs(" *.whl\n *.zip ") == ("*.whl", "*.zip")
    assert text_globs("a  b\n\n c ") == ("a b", "c")
    assert regexes(" a  b \n(?x) c ") == ("a  b", "(?x) c")


@pytest.mark.parametrize(
    ("read", "raw"),
    [(word_globs, ""), (word_globs, "[z-a]"), (text_globs, " "), (text_globs, "x [9-0]"), (regexes, "\n"), (regexes, "a{2,1}")],
)
def test_what_cannot_match_is_refused(read: object, raw: str) -> None:
    with pytest.raises(ValueError, match=r"empty|backwards|no regular expression"):
        read(raw)  # type: ignore[operator]  # each reads a text


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_glob_can_be_matched_with_any_text_or_is_refused(glob: str, text: str) -> None:
    try:
        found = Texts((glob,)).first(text)
    except ValueError:
        return
    assert found in {None, glob}
