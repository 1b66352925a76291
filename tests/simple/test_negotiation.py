"""Which representation a request gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.simple.negotiation import Representation, choose_coding, choose_type, negotiate

JSON, V1_HTML, HTML = Representation.JSON, Representation.V1_HTML, Representation.HTML
J, V = "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html"


@pytest.mark.parametrize(
    ("client", "accept", "chosen"),
    [
        ("pip", f"{J}, {V}; q=0.1, text/html; q=0.01", JSON),
        ("uv", f"{J}, {V};q=0.2, text/html;q=0.01", JSON),
        ("poetry", f"{J}, */*;q=0.1", JSON),
        ("pdm", f"{J}, {V}; q=0.1, text/html; q=0.01", JSON),
        ("devpi", f"{V};q=0.2, {J}, text/html;q=0.01", JSON),
        ("renovate", f"{J}, {V}; q=0.1, text/html; q=0.01", JSON),
        ("pypi-simple", f"{J}, {V}, text/html", JSON),
        ("bandersnatch", J, JSON),
        ("old pip", "text/html", HTML),
        ("hatch", "*/*", HTML),
        ("dependabot", "text/html", HTML),
        ("a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", HTML),
        ("urllib2 of old", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", HTML),
    ],
)
def test_R38_accept_headers_of_real_clients(client: str, accept: str, chosen: Representation) -> None:
    assert negotiate([accept], None) is chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ([], HTML),
        ([""], HTML),
        (["image/png"], HTML),
        (["application/json"], HTML),
        ([f"{J};q=0"], HTML),
        ([f"{J};q=0, {V};q=0, text/html;q=0"], HTML),
        ([f"{J};q=0, */*"], HTML),
        (["text/html;q=0, */*"], JSON),
        (["text/html;q=0", "*/*"], JSON),
        ([f"text/html;q=0.5, {J};q=0.500"], JSON),
        ([f"text/html;q=0.501, {J};q=0.5"], HTML),
        ([f"{V}, text/html"], V1_HTML),
        ([f"{J}, */*"], JSON),
        (["text/html, */*"], HTML),
        (["text/*"], HTML),
        (["application/*"], JSON),
        (["text/*, application/*"], JSON),
        ([f"application/*, {J};q=0"], V1_HTML),
        (["*/*;q=0.1, application/*;q=0.2"], JSON),
        ([f"*/*, {J};q=0.1"], HTML),
        ([J.upper() + " ;  Q = 0.5 ,TEXT/HTML;q=0.4"], JSON),
        ([f"{J};charset=utf-8;x=y"], JSON),
        (["text/html;q=0.1", J], JSON),
        ([f"{J};q=nonsense, text/html;q=0.1"], HTML),
        ([f"{J};q=-1, text/html;q=0.1"], HTML),
        ([f"{J};q=7, text/html;q=1"], JSON),
        ([f"{J};q=.9, text/html;q=.8"], JSON),
        ([",,;,/ ,", J], JSON),
        ([", " * 1000 + J], HTML),
    ],
)
def test_R36_R37_R39_R40_quality_and_specificity(accept: list[str], chosen: Representation) -> None:
    assert negotiate(accept, None) is chosen


def test_R41_latest_is_an_alias_and_the_answer_has_the_real_name() -> None:
    assert negotiate(["application/vnd.pypi.simple.latest+json"], None).content_type == J
    assert negotiate(["application/vnd.pypi.simple.latest+html"], None) is V1_HTML


@pytest.mark.parametrize(
    ("format", "chosen"),
    [
        (J, JSON),
        (V, V1_HTML),
        ("text/html", HTML),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.latest+html", V1_HTML),
    ],
)
def test_R42_a_known_format_overrules_accept(format: str, chosen: Representation) -> None:
    assert negotiate([], format) is chosen
    assert negotiate([f"{J}, {V}, text/html"], format) is chosen


@pytest.mark.parametrize("format", ["json", "", "application/json", J + ";q=1", J.upper(), None])
def test_R42_any_other_format_is_ignored(format: str | None) -> None:
    assert negotiate([V], format) is V1_HTML


def test_R18_R43_R45_content_types_are_exact() -> None:
    assert JSON.content_type == J
    assert V1_HTML.content_type == V + "; charset=utf-8"
    assert HTML.content_type == "text/html; charset=utf-8"


headers = st.lists(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from([J, V, "text/html", "*/*", "*", "text/*", ";q=", "0.5", "1", "0", ",", ";", "=", " ", '"', "gzip", "identity"])
    ).map("".join),
    max_size=3,
)


@given(headers, st.none() | st.text(max_size=20))
def test_negotiate_never_raises(accept: list[str], format: str | None) -> None:
    assert negotiate(accept, format) in Representation


@given(st.permutations([f"{J};q=0.3", f"{V};q=0.2", "text/html;q=0.1", "*/*;q=0.9", "text/*;q=1"]))
def test_R36_order_and_lines_do_not_matter(ranges: list[str]) -> None:
    assert negotiate(ranges, None) is negotiate([",".join(ranges)], None) is JSON


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ([], ""),
        ([""], ""),
        (["identity"], ""),
        (["gzip, deflate"], "gzip"),
        (["gzip, deflate, br, zstd"], "zstd"),
        (["gzip", "zstd"], "zstd"),
        (["gzip;q=1.0, zstd;q=0.5"], "gzip"),
        (["gzip;q=0"], ""),
        (["gzip;q=0, zstd;q=0, *"], ""),
        (["*"], "zstd"),
        (["*;q=0.5, gzip"], "gzip"),
        (["*;q=0"], ""),
        (["identity;q=1, gzip;q=0.5"], ""),
        (["identity, gzip"], "gzip"),
        (["identity;q=0, gzip;q=0.1"], "gzip"),
        (["GZIP"], "gzip"),
        (["x-gzip"], "gzip"),
        (["br"], ""),
        (["gzip;q=nonsense"], ""),
    ],
)
def test_R81_R89_the_coding_by_quality(accept: list[str], chosen: str) -> None:
    assert choose_coding(accept, ["zstd", "gzip"]) == chosen


@given(headers, st.lists(st.sampled_from(["zstd", "gzip"]), unique=True))
def test_choose_coding_never_raises_and_gives_what_there_is(accept: list[str], available: list[str]) -> None:
    assert choose_coding(accept, available) in {*available, ""}


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ([], "a/x"),
        (["*/*"], "a/x"),
        (["a/*"], "a/x"),
        (["b/y"], "b/y"),
        (["a/x;q=0.4, b/y;q=0.5"], "b/y"),
        (["a/x;q=0", "*/*"], "b/y"),
        (["a/*;q=0, */*"], "b/y"),
        (["c/z"], None),
        (["*/*;q=0"], None),
        (["nonsense"], None),
        ([""], None),
    ],
)
def test_a_media_type_is_chosen_or_none_is_good_enough(accept: list[str], chosen: str | None) -> None:
    """RFC 9110 §12.5.1."""
    assert choose_type(accept, ["a/x", "b/y"]) == chosen


@given(st.lists(st.text(max_size=30) | st.sampled_from(["a/x", "*/*;q=0.1", "b/*"]), max_size=4))
def test_choose_type_never_raises_and_gives_what_there_is(accept: list[str]) -> None:
    assert choose_type(accept, ["a/x", "b/y"]) in {"a/x", "b/y", None}
