"""Large pages in JSON: read a piece at a time, with the same outcome as in one go."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypidaemon.filenames import project_name
from pypidaemon.model import UpstreamPage
from pypidaemon.simple import large_json, read_json
from pypidaemon.simple.entries import MOST_ENTRIES, Unreadable
from pypidaemon.simple.large_json import LARGE, LONGEST, MOST_VERSIONS, take_apart
from pypidaemon.simple.read_json import read_json as read
from tests.examples import examples
from tests.strategies import json_values

FOO = project_name("foo")
BASE = "https://index.example/simple/foo/"
ENTRY = {"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz", "hashes": {"sha256": "a" * 64}}


def large(document: bytes) -> bytes:
    """The document with so many short values ahead that it is read a piece at a time."""
    return b'{"padding":[' + b"0," * (LARGE // 2) + b"0]," + document.lstrip()[1:]


def outcome(body: bytes) -> UpstreamPage | str:
    try:
        return read(body, BASE, FOO)
    except Unreadable:
        return "unreadable"


keys = st.sampled_from(["filename", "url", "hashes", "yanked", "core-metadata", "size", "requires-python", "other"])
entries = st.fixed_dictionaries(
    {"filename": st.just("foo-1.zip"), "url": st.just("x")}, optional={"hashes": json_values}
) | st.dictionaries(keys, json_values)
documents = st.fixed_dictionaries(
    {"files": st.lists(entries | json_values, max_size=4) | json_values},
    optional={
        "meta": st.dictionaries(st.sampled_from(["api-version", "_last-serial", "project-status", "x"]), json_values) | json_values,
        "name": st.just("Foo") | json_values,
        "versions": st.lists(st.just("1.0") | json_values) | json_values,
        "project-status": st.dictionaries(st.sampled_from(["status", "reason", "x"]), st.just("archived") | json_values),
    },
)


@settings(max_examples=examples(15))
@given(documents)
def test_R61_a_large_page_is_read_as_a_small_one(document: dict[str, Any]) -> None:
    """F29."""
    body = orjson.dumps(document)
    assert len(large(body)) > LARGE > len(body)
    assert outcome(large(body)) == outcome(body)


@pytest.mark.parametrize("number", [str(2**63), str(-(2**63) - 1), "1" + "0" * 400, "1e400", "1.5", "2E3"])
def test_R61_a_number_of_any_size_ends_no_page(number: str) -> None:
    """It is no size of a file, and that is all."""
    entry = orjson.dumps(ENTRY).replace(b"{", b'{"size":' + number.encode() + b",", 1)
    page = read(large(b'{"files":[' + entry + b"]}"), BASE, FOO)
    assert [file.size for file in page.files] == [None]


@pytest.mark.parametrize("number", [b"1" + b"0" * 5000, b"1e" + b"9" * 30, b"-1.5E-" + b"9" * 30])
def test_S84_a_number_that_python_does_not_read_is_unreadable(number: bytes) -> None:
    with pytest.raises(Unreadable):
        read(large(b'{"size":' + number + b',"files":[]}'), BASE, FOO)


def test_R61_a_large_page_keeps_every_fact() -> None:
    document = {
        "meta": {"api-version": "1.4", "_last-serial": 7, "project-status": {"status": "archived", "reason": "old"}},
        "name": "Foo",
        "versions": ["1.0", "2.0"],
        "files": [
            {
                **ENTRY,
                "size": 5,
                "yanked": "bad",
                "core-metadata": {"sha256": "b" * 64},
                "requires-python": ">=3",
                "gpg-sig": True,
                "x": [{}],
            },
            {**ENTRY, "filename": "bar-1.zip"},
            [],
        ],
    }
    page = read(b"\xef\xbb\xbf" + large(orjson.dumps(document)), BASE, FOO)
    assert page == read(orjson.dumps(document), BASE, FOO)
    assert (page.files[0].core_metadata, page.files[0].yanked, page.serial, page.refused) == ("b" * 64, "bad", 7, 2)
    assert (page.status.marker, page.status.reason, page.versions) == ("archived", "old", ("1.0", "2.0"))


@pytest.mark.parametrize(
    "document",
    [
        b'{"files":[]',
        b'{"files":[]}x',
        b'{"files":[],"x":"\xff"}',
        b'{"files":[],"files":[]}',
        b'{"files":null}',
        b'{"files":[],"x":' + b"[" * 100_000,
        b'{"files":[],"x":' + b'{"":' * 40 + b"1" + b"}" * 41,
        b'{"files":[],"x":"' + b"x" * (2 * LONGEST) + b'"}',
        b'{"files":[' + b"1," * MOST_ENTRIES + b"1]}",
        b'{"files":[],"versions":[' + b"1," * MOST_VERSIONS + b"1]}",
    ],
)
def test_S84_what_is_no_page_or_too_much_of_one_is_unreadable(document: bytes) -> None:
    with pytest.raises(Unreadable):
        read(large(document), BASE, FOO)


@pytest.mark.parametrize("body", [b"[]", b"3", b'"x"', b"[" + b"[]," * LARGE + b"[]]"])
def test_F19_a_large_document_that_is_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        take_apart(body, 0, [].append)


def test_S84_small_pages_have_the_same_caps() -> None:
    for document in (b'{"files":[' + b"1," * MOST_ENTRIES + b"1]}", b'{"files":[],"versions":[' + b"1," * MOST_VERSIONS + b"1]}"):
        assert len(document) < LARGE
        with pytest.raises(Unreadable, match="too many"):
            read(document, BASE, FOO)


def test_S84_too_many_values_are_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_json, "MOST_EVENTS", 1000)
    with pytest.raises(Unreadable, match="too many values"):
        read(large(b'{"files":[]}'), BASE, FOO)


def test_S84_no_part_of_a_large_page_is_parsed_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever parses in one go holds up the reactor: so much in one call is never given to a parser."""

    def refuse(body: bytes) -> object:
        raise AssertionError("a large body was parsed whole")

    monkeypatch.setattr(read_json.orjson, "loads", refuse)
    assert read(large(b'{"files":[]}'), BASE, FOO).files == ()


def test_S84_hostile_pages_take_little_memory() -> None:
    """Twenty times their size, where each empty list was kept."""
    body = b'{"files":[],"z":[' + b"[]," * (1 << 18) + b"[]]}"
    tracemalloc.start()
    try:
        read(body, BASE, FOO)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)
    finally:
        tracemalloc.stop()
