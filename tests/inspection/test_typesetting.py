"""Descriptions as HTML: what renderers make of them, made to fit, and never more than that (S80)."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.inspection.typesetting import BRIEF, LONGEST, LONGEST_SOURCE, Unfit, fitted, typeset
from tests.browser.attacks import ATTACKS


class Balance(HTMLParser):
    """Fails where an element is not ended, or ended where none is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") or name in {"style", "srcset"} for name, _ in attributes)
        assert tag not in {"script", "style", "iframe", "object", "embed", "form", "base", "link", "meta", "svg", "math"}
        if tag not in {"br", "hr", "img", "input", "col"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def balanced(html: str) -> None:
    """Fail where the HTML is not whole."""
    reader = Balance()
    reader.feed(html)
    reader.close()
    assert reader.open == []


def test_markdown_as_it_is_written_today() -> None:
    """Tables, code with colours, lists to be ticked off, and headings below those of the page."""
    made = typeset("# One\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n\n- [x] done\n", "text/markdown")
    assert re.search(r"<h3[^>]*>One", made.html)
    assert "<td>1</td>" in made.html
    assert '<span class="n">x</span>' in made.html
    assert '<input type="checkbox" checked="" disabled="" aria-label="done">' in made.html
    balanced(made.html)
    plain = typeset("| a | b |\n|---|---|\n", "text/markdown; charset=UTF-8; variant=CommonMark")
    assert "<table" not in plain.html


def test_restructured_text_is_what_is_meant_where_nothing_is_said() -> None:
    for kind in ("text/x-rst", "TEXT/X-RST; charset=UTF-8", ""):
        made = typeset("Title\n=====\n\nSome *words*, `a link <https://docs.example/x?a=1&b=2>`_.\n", kind)
        assert "<em>words</em>" in made.html
        assert '<a href="https://docs.example/x?a=1&amp;b=2" rel="nofollow noreferrer noopener">a link</a>' in made.html
        balanced(made.html)


def test_pictures_are_named_and_not_fetched() -> None:
    """Whoever reads a page here is not to be seen by others. One that is part of the text stays."""
    made = typeset("![Build](https://ci.example/x.svg) ![](https://ci.example/y.svg)", "text/markdown")
    assert '<span class="image">[Build]</span>' in made.html
    assert "ci.example" not in made.html
    assert fitted('<img src="data:image/png;base64,AA==" alt="dot">').html == '<img src="data:image/png;base64,AA==" alt="dot">'


def test_places_within_it_cannot_be_taken_for_ours() -> None:
    made = fitted('<h1 id="files">x</h1><a href="#files">y</a><a href="LICENSE">z</a>')
    assert made.html == '<h3 id="readme-files">x</h3><a href="#readme-files">y</a><a>z</a>'


def test_nothing_is_in_the_way_of_who_uses_keys_or_a_reader() -> None:
    """Links without words are left out, what may be too wide can be reached, and what is no language is not said to be one."""
    made = fitted(
        '<h2>x<a href="#x"></a></h2><a href="https://a.example"><img src="https://b.example/x.svg"></a><pre lang="python">y</pre>'
    )
    assert made.html == '<h4>x</h4><pre tabindex="0">y</pre>'
    balanced(made.html)


def test_the_beginning_of_a_long_one_ends_between_paragraphs() -> None:
    made = typeset("\n\n".join(f"## Part {number}\n\n* one\n\n  * two {'word ' * 50}\n" for number in range(200)), "text/markdown")
    assert 0 < made.brief <= BRIEF < len(made.html)
    balanced(made.html)
    balanced(made.html[: made.brief] + made.closing)
    short = typeset("a\n\nb", "text/markdown")
    assert (short.brief, short.closing) == (len(short.html), "")


def test_one_long_list_is_cut_within() -> None:
    html = "<ul>" + "".join(f"<li>{'word ' * 20}</li>" for _ in range(600)) + "</ul>"
    made = fitted(html)
    assert made.closing == "</ul>"
    assert made.brief <= BRIEF
    balanced(made.html[: made.brief] + made.closing)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("x" * (LONGEST_SOURCE + 1), "text/markdown", "too long"),
        ("words", "text/plain", "plain"),
        ("words", "application/x-evil", "plain"),
        (".. raw:: html\n\n   <script>alert(1)</script>\n", "text/x-rst", "broken"),
        (".. include:: /etc/passwd\n", "", "broken"),
        ("> " * 300 + "deep", "text/markdown", "too deep"),
    ],
)
def test_S80_what_cannot_be_rendered_is_shown_as_it_is(text: str, kind: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unfit, match=words):
        typeset(text, kind)


def test_S80_html_is_held_to_a_length() -> None:
    with pytest.raises(Unfit, match="too long"):
        fitted("<p>" + "a" * LONGEST)


@pytest.mark.parametrize("kind", ["text/markdown", ""])
def test_S79_nothing_of_an_attack_is_left(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`tests/browser` shows the same to a browser."""
    for attack in ATTACKS:
        try:
            made = typeset(attack, kind)
        except Unfit:
            continue
        balanced(made.html)


@given(
    st.lists(
        st.sampled_from(
            [
                "<p>",
                "</p>",
                "<ul>",
                "<li>",
                "</li>",
                "</ul>",
                "<img src=x alt=y>",
                "<h1>",
                "</h1>",
                "</table>",
                "a",
                "&lt;",
                "<",
                '"',
                "<br>",
            ]
        ),
        max_size=40,
    )
)
def test_whatever_it_is_given_it_ends_what_it_begins(pieces: list[str]) -> None:
    balanced(fitted("".join(pieces)).html)
