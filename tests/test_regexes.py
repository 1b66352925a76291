"""No regular expression of ours takes more than twice the steps for twice the text (S85)."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.regexes import DYNAMIC, Expression, Matcher, expressions, growth, parsed, put_together

LINEAR = 3.0
"""Twice is linear, four times is quadratic; what leads up to the long part blurs that a little."""


@cache
def written() -> list[Expression]:
    """All that stand in the source; read here, since whoever only collects tests would wait for it too."""
    return list(expressions())


def test_S85_an_expression_takes_linear_time() -> None:
    """Counted by a matcher that backtracks as Python's does, on texts made from the expression itself."""
    every = [*(one for one in written() if one.pattern), *put_together()]
    assert [one.where for one in every if growth(one) >= LINEAR] == []


def test_S85_what_is_not_written_down_is_known() -> None:
    """Expressions that are put together at run time are looked at by hand."""
    assert {one.where.rpartition(":")[0] for one in written() if not one.pattern} == DYNAMIC
    assert len(written()) > 100


@pytest.mark.parametrize(
    ("pattern", "searching", "linear"),
    [
        (r"(a+)+b", False, False),
        (r"(?:a|a)*b", False, False),
        (r"(?:a|ab|b)*c", False, False),
        (r"a*a*b", False, False),
        (r"\s+$", True, False),
        (r".*x.*y", True, False),
        (r"(?<!\s)\s+$", True, True),
        (r"\s+", True, True),
        (r"[a-z]+(?:-[a-z]+)*", False, True),
        (r"(?:a++)*+b", False, True),
        (r"(?>a+)b", False, True),
        (r"(?i:x)?[^;]*;", False, True),
        (r"a{0,60}b", False, True),
    ],
)
def test_the_matcher_tells_what_is_linear_from_what_is_not(pattern: str, searching: bool, linear: bool) -> None:
    assert (growth(Expression("here", pattern, 0, searching)) < LINEAR) is linear


@pytest.mark.parametrize("text", ["", "a", "aab", "abab", "b", "a-b_c", "A1", "  # x", "'", "é"])
def test_the_matcher_agrees_with_pythons(text: str) -> None:
    """On whether a text matches at all."""
    for one in written():
        if one.pattern and isinstance(one.pattern, str):
            ends = set(Matcher(text, 10**6, bool(one.flags & re.IGNORECASE)).match(list(parsed(one)), 0))
            assert (len(text) in ends) is (re.fullmatch(one.pattern, text, one.flags) is not None), one
