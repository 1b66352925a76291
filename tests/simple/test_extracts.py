"""Objects out of a JSON document: the same as by reading all of it, whatever the pieces that it comes in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.simple import extracts as module
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.extracts import extracts, in_pieces
from pypidaemon.simple.large_json import CHUNK, DEEPEST

KEYS = st.sampled_from(["a", "b", "files"])
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
DOCUMENTS = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=20)


def found_in(document: Any, keys: tuple[str, ...], wanted: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """The same by walking through what was read as a whole."""
    if isinstance(document, dict) and keys == wanted:
        return [(keys, document)]
    if isinstance(document, dict):
        return [one for key, value in document.items() for one in found_in(value, (*keys, key), wanted)]
    if isinstance(document, list):
        return [one for value in document for one in found_in(value, (*keys, ""), wanted)]
    return []


@given(DOCUMENTS, st.lists(KEYS | st.just(""), max_size=3).map(tuple), st.integers(1, 40))
def test_an_extract_is_what_stands_there(document: Any, wanted: tuple[str, ...], size: int) -> None:
    body = json.dumps(document).encode()
    pieces = (body[position : position + size] for position in range(0, len(body), size))
    assert list(extracts(pieces, lambda keys: tuple(keys) == wanted)) == found_in(document, (), wanted)


def everything(keys: Sequence[str]) -> bool:
    return keys == ["a"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": {"b": 1}', "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"a": ' + b"[" * (DEEPEST + 1), "nested too deep"),
        (b'{"x": ' + b'{"y": ' * DEEPEST + b"1", "nested too deep"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        list(extracts(in_pieces(body), everything))


def test_an_object_has_no_more_than_somebody_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count is of one object, so a document may have any number of them."""
    monkeypatch.setattr(module, "MOST", 3)
    many = json.dumps({"a": {}, "b": [1] * 10}).encode()
    assert list(extracts(in_pieces(many), everything)) == [(("a",), {})]
    with pytest.raises(Unreadable, match="too large"):
        list(extracts(in_pieces(json.dumps({"a": {"b": [1, 2, 3]}}).encode()), everything))


def test_a_text_may_be_as_long_as_a_description() -> None:
    long = "x" * (8 * CHUNK)
    body = json.dumps({"d": long, "a": {"b": long}}).encode()
    assert list(extracts(in_pieces(body), everything)) == [(("a",), {"b": long})]
    with pytest.raises(Unreadable, match="too long"):
        list(extracts(in_pieces(json.dumps({"d": "x" * (module.LONGEST + 2 * CHUNK)}).encode()), everything))


def test_all_texts_of_an_object_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be long, so what is in memory is bounded by all of them, keys as well."""
    monkeypatch.setattr(module, "LARGEST", 20)
    one = json.dumps({"b": "x" * 19})
    assert len(list(extracts(in_pieces(f'{{"a": {one}, "a": {one}, "d": "{"x" * 99}"}}'.encode()), everything))) == 2
    for large in ({"b": ["x" * 10, "x" * 10]}, {"x" * 21: 1}):
        with pytest.raises(Unreadable, match="too large"):
            list(extracts(in_pieces(json.dumps({"a": large}).encode()), everything))
