"""The scanner of HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.markup import LONGEST, Kind, Scanner, Token, unescape

PIECES = [
    "<a href='x&amp;y' B=c d>",
    "</a>",
    "<A HREF=it's/>",
    "text &lt; ",
    "<!-- c > -->",
    "<!-->",
    "<!DOCTYPE html>",
    "<script>var a = '<a href=no>';</script >",
    "<title>a <b></TITLE>",
    "<",
    "< x",
    "<?php ?>",
    "</>",
    "<a =x =y=z a=1 a=2>",
    "<br/>",
    "&#99999999999999;",
    '<a href="a>b">',
    "'\"",
]


def scan(*pieces: str) -> list[Token]:
    scanner = Scanner()
    tokens = [token for piece in pieces for token in scanner.feed(piece, False)]
    return joined([*tokens, *scanner.feed("", True)])


def joined(tokens: list[Token]) -> list[Token]:
    """The same with neighbouring texts as one."""
    together: list[Token] = []
    for token in tokens:
        if token.kind is Kind.TEXT and together and together[-1].kind is Kind.TEXT:
            together[-1] = Token(Kind.TEXT, together[-1].text + token.text)
        else:
            together.append(token)
    return together


def start(tag: str, **attributes: str) -> Token:
    return Token(Kind.START, tag, attributes)


@pytest.mark.parametrize(
    ("page", "tokens"),
    [
        ("<a href='x&amp;y' B=c d>", [start("a", href="x&y", b="c", d="")]),
        ("<A HREF=it's/>", [start("a", href="it's/")]),
        ('<a href = "a>b"/>', [start("a", href="a>b")]),
        ("<br/>", [start("br")]),
        ("<a a=1 a=2>", [start("a", a="1")]),
        ("<a =x =y=z>", [Token(Kind.START, "a", {"=x": "y=z"})]),
        ("x &lt; < y", [Token(Kind.TEXT, "x < < y")]),
        ("</a foo></>", [Token(Kind.END, "a")]),
        ("<!-- c > --><!--><!x><?y>", [Token(Kind.COMMENT, " c > "), Token(Kind.COMMENT, "")]),
        ("<script>'<a>'</scripty></SCRIPT\n>", [start("script"), Token(Kind.END, "script")]),
        ("<title><b></title>", [start("title"), Token(Kind.TEXT, "<b>"), Token(Kind.END, "title")]),
        ("<style>", [start("style")]),
        ("<a href=x", []),
        ("<a", []),
        ("<a href='x", []),
        ("<!-- x", []),
        ("</a", []),
        ("<", [Token(Kind.TEXT, "<")]),
        ("", []),
    ],
)
def test_tokens(page: str, tokens: list[Token]) -> None:
    assert joined(list(Scanner().feed(page, True))) == tokens
    assert scan(*page) == tokens


@given(st.lists(st.sampled_from(PIECES) | st.text("<>!-a=/'\"& ", max_size=8), max_size=8), st.data())
def test_however_a_page_is_cut_its_tokens_are_the_same(pieces: list[str], data: st.DataObject) -> None:
    page = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(page)), max_size=6)))
    parts = [page[first:last] for first, last in zip([0, *cuts], [*cuts, len(page)], strict=True)]
    whole = joined(list(Scanner().feed(page, True)))
    assert scan(*parts) == whole


def test_S54_numbers_that_no_character_has_are_replaced_without_a_failure() -> None:
    assert unescape("&#" + "9" * 5000 + ";&#x" + "f" * 5000 + ";&#65;") == "\ufffd\ufffdA"


@pytest.mark.parametrize(
    "unit", ["<a ", "<!--", "<![", "</", '<a x="', "&", "<a/", "<a b='", "<script>", "</script", "<a>", "<div>", "&#1", "<a href="]
)
def test_S54_broken_tags_without_number_are_read_once(unit: str) -> None:
    """A parser that goes back needs hours for this; there is no clock here, only the patience of who waits for the suite."""
    assert sum(1 for _ in Scanner().feed(unit * 100_000, True)) <= 100_000


@pytest.mark.parametrize("beginning", ["<a x='", "<!--", "text", "</"])
def test_S54_what_does_not_end_is_not_held_without_limit(beginning: str) -> None:
    with pytest.raises(Unreadable):
        scan(beginning, *["x" * 65536] * (LONGEST // 65536 + 1))


def test_a_long_script_is_passed_by() -> None:
    scanner = Scanner()
    tokens = [token for piece in ("<script>", *["x" * 65536] * 8, "</scr", "ipt><a>") for token in scanner.feed(piece, False)]
    assert tokens == [start("script"), Token(Kind.END, "script"), start("a")]
