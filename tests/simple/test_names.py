"""Project lists, read, kept, merged and written."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.names import CHUNK, merge, read_lines, read_names, render_names_html, render_names_json, write_lines
from tests.strategies import json_values, names

JSON = "application/vnd.pypi.simple.v1+json"
BASE = "https://index.example/simple/"
entries = st.dictionaries(names, st.integers(0, 2**40), max_size=20).map(lambda known: sorted(known.items()))


def read(body: bytes, content_type: str = JSON) -> list[tuple[NormalizedName, int]]:
    return list(read_names(io.BytesIO(body), content_type, BASE))


def listed(*names: str) -> list[tuple[NormalizedName, int]]:
    return [(project_name(name), 0) for name in names]


def test_R48_R61_serials_are_numbers_or_digits_or_missing() -> None:
    projects = [
        {"name": "Foo_Bar", "_last-serial": 5},
        {"_last-serial": "6", "name": "b"},
        {"name": "c"},
        {"name": "d", "_last-serial": None},
    ]
    assert read(orjson.dumps({"projects": projects})) == [("foo-bar", 5), ("b", 6), ("c", 0), ("d", 0)]


def test_S36_bad_names_and_entries_are_left_out() -> None:
    projects = [
        {"name": "-x"},
        {"name": 5},
        {"name": None},
        {"_last-serial": 1},
        "x",
        None,
        3,
        [{"name": "no"}],
        {"x": {"name": "no"}, "name": "yes"},
    ]
    assert read(orjson.dumps({"meta": {"api-version": "1.9"}, "projects": projects, "more": {"projects": [{"name": "no"}]}})) == listed(
        "yes"
    )


def test_an_empty_list_is_a_list() -> None:
    assert read(b'{"projects": []}') == []
    assert read(b"<html><body></body></html>", "text/html") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"5",
        b'{"projects": {}}',
        b'{"projects": null}',
        b'{"meta": {"projects": []}}',
        b'{"projects": [{"name": "a"}',
        b'{"projects": [{"name": "\xff"}]}',
        b'{"projects": [{"name": NaN}]}',
        b'{"projects": [{"name": "a", "_last-serial": ' + b"9" * 10_000 + b"}]}",
        b'{"projects": [{"name": "a", "_last-serial": 1e99999999999999999999}]}',
        b'{"projects": []} trailing',
        b'{"projects": [{"name": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'{"projects": [], "meta": {"api-version": "2.0"}}',
        b'{"meta": {"api-version": 2}, "projects": []}',
    ],
)
def test_F19_S36_S84_what_is_no_list_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_S84_nesting_costs_no_memory() -> None:
    """A parser that keeps the path of keys needs gigabytes for this."""
    body = b'{"projects": [{"x": ' + b'{"y": ' * 50_000
    tracemalloc.start()
    with pytest.raises(Unreadable):
        read(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/vnd.pypi.simple.v2+json"])
def test_F19_other_types_are_unreadable(content_type: str) -> None:
    with pytest.raises(Unreadable):
        read(b'{"projects": []}', content_type)


def test_R20_R61_html_lists_are_read_by_text_or_url() -> None:
    body = b"""\xef\xbb\xbf<meta name="viewport"><a name=top>top</a><a href="../">../</a> <a href="/simple/foo/">Foo</a></a><br>
    <a href="/simple/bar%2Dbaz/?x#y">the <b>bar</b></a> <a href="-/">-</a><a href="open/">open</body>"""
    assert read(body, "text/html; charset=utf-8") == listed("foo", "bar-baz")


@pytest.mark.parametrize(
    "body",
    [
        b"<html><form><a href=/home/>home</a></form></html>",
        b"<script></script><a href=/home/>home</a>",
        b"",
        b'{"projects": []}',
        b'<meta name="pypi:repository-version" content="2.0"><a href=foo/>foo</a>',
    ],
)
def test_F7_S36_a_portal_or_another_version_is_no_list(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body, "text/html")


def test_F7_a_list_that_states_its_version_may_have_scripts() -> None:
    assert read(b'<meta name="pypi:repository-version" content="1.0"><script></script><a href=foo/>foo</a>', "text/html") == listed("foo")


@given(st.binary(max_size=200) | json_values.map(lambda value: orjson.dumps({"projects": value})), st.sampled_from([JSON, "text/html"]))
def test_any_body_is_read_or_unreadable(body: bytes, content_type: str) -> None:
    with suppress(Unreadable):
        assert all(isinstance(serial, int) for _, serial in read(body, content_type))


@given(entries)
def test_what_we_write_is_what_we_read(entries: list[tuple[NormalizedName, int]]) -> None:
    assert list(read_lines(io.BytesIO(b"".join(write_lines(reversed(entries)))))) == entries
    assert read(b"".join(render_names_json(entries, 9))) == entries
    assert read(b"".join(render_names_html(entries, 9)), "text/html") == listed(*(name for name, _ in entries))


def test_lines_are_in_order_and_of_duplicates_the_higher_serial_is_kept() -> None:
    given_ = [(project_name(name), serial) for name, serial in [("b", 9), ("a-b", 1), ("a", 10), ("a", 9), ("a0", 3), ("b", 10), ("a", 2)]]
    assert b"".join(write_lines(given_)) == b"a\t10\na-b\t1\na0\t3\nb\t10\n"
    assert list(write_lines([])) == []


@pytest.mark.parametrize("data", [b"a\n", b"a\tx\n", b"a\t1\t2\n", b"\xff\t1\n"])
def test_lines_of_another_form_are_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is of no interest
        list(read_lines(io.BytesIO(data)))


@given(st.lists(entries, max_size=4))
def test_merging_takes_each_name_from_the_first_list_that_has_it(lists: list[list[tuple[NormalizedName, int]]]) -> None:
    expected: dict[str, int] = {}
    for each in lists:
        for name, serial in each:
            expected.setdefault(name, serial)
    assert list(merge([iter(each) for each in lists])) == sorted(expected.items())


@given(entries, st.integers(0, 2**40))
def test_R47_R48_R119_R120_the_json_list(entries: list[tuple[NormalizedName, int]], serial: int) -> None:
    assert orjson.loads(b"".join(render_names_json(entries, serial))) == {
        "meta": {"_last-serial": serial, "api-version": "1.4"},
        "projects": [{"_last-serial": each, "name": name} for name, each in entries],
    }


def test_R19_R20_R33_the_html_list() -> None:
    assert b"".join(render_names_html([(project_name("foo"), 5)], 7)).decode() == (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="pypi:repository-version" content="1.4">\n'
        "<title>Simple index</title>\n</head>\n<body>\n<h1>Simple index</h1>\n"
        '<a href="foo/">foo</a><br>\n</body>\n</html>\n<!--SERIAL 7-->\n'
    )


@given(entries)
def test_R20_no_other_anchors(entries: list[tuple[NormalizedName, int]]) -> None:
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)  # type: ignore[method-assign]  # the shortest subclass there is
    parser.feed(b"".join(render_names_html(entries, 0)).decode())
    assert tags.count("a") == len(entries)


def many(count: int) -> Iterator[tuple[NormalizedName, int]]:
    return ((project_name(f"some-project-{number * 7919 % count:06}"), 30_000_000 + number) for number in range(count))


def test_R82_lists_are_written_in_pieces_of_a_bounded_size() -> None:
    for pieces in (write_lines(many(20_000)), render_names_json(many(20_000), 1), render_names_html(many(20_000), 1)):
        sizes = [len(piece) for piece in pieces]
        assert len(sizes) > 5
        assert max(sizes) < CHUNK + 200


def test_R82_a_list_is_sorted_in_little_memory() -> None:
    """In 100 bytes for each name, all told: 700,000 names stay far below 120 MB."""
    count = 50_000
    tracemalloc.start()
    lines = sum(piece.count(b"\n") for piece in write_lines(many(count)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == count
    assert peak < 100 * count


def test_S84_a_value_that_does_not_end_makes_a_list_unreadable() -> None:
    """The parser begins anew at its beginning with every piece, so 60 MiB of it took minutes."""
    with pytest.raises(Unreadable, match="too long"):
        list(
            read_names(io.BytesIO(b'{"projects":[],"x":"' + b"x" * 1_000_000 + b'"}'), "application/json", "https://index.example/simple/")
        )


def test_S84_an_anchor_of_many_texts_is_named_by_its_address() -> None:
    """Longer than a name can be it is none, in however many pieces it comes."""
    texts = "".join(f"{'x' * 3000}<b>" for _ in range(5))
    assert read(f'<meta name="pypi:repository-version" content="1.0"><a href="alpha/">{texts}</a>'.encode(), "text/html") == [("alpha", 0)]


def test_of_an_entry_in_a_list_only_name_and_serial_count() -> None:
    body = b'{"meta":{"api-version":"1.0","x":1},"projects":[{"name":"a","x":"y","_last-serial":3},{"x":1},"b"],"z":[1]}'
    assert list(read_names(io.BytesIO(body), "application/vnd.pypi.simple.v1+json", "https://index.example/simple/")) == [("a", 3)]
