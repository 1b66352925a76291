"""Upstream pages as bytes for the page cache."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import File, UpstreamPage
from pypidaemon.stored import FORM, cut, decode, encode
from tests.strategies import json_values, upstream_pages

PAGE = UpstreamPage(project_name("foo"), (File(filename("foo-1.0.tar.gz"), hashes=(("sha256", "a" * 64),)),), ("1.0",))


@given(upstream_pages())
def test_what_is_stored_comes_back_equal(page: UpstreamPage) -> None:
    assert decode(encode(page)) == page


@given(upstream_pages())
def test_one_file_is_found_as_the_whole_page_has_it(page: UpstreamPage) -> None:
    """And one that is not there is not found."""
    data = encode(page)
    for file in page.files:
        found = cut(data, page.name, file.filename)
        assert found.files == (file,)
        assert found.name == page.name
        assert (found.status.marker == "quarantined") == (page.status.marker == "quarantined")
    assert cut(data, page.name, filename("not-there-1.0.zip")).files == ()


@pytest.mark.parametrize("data", [b"", b"[]", b"[2,", b"{}"])
def test_no_file_is_found_in_what_is_no_page(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a stored page"):
        cut(data, project_name("foo"), filename("foo-1.0.tar.gz"))


def test_a_row_that_only_looks_like_a_file_is_passed_over() -> None:
    assert cut(b'[1,"foo",[["foo-1.0.tar.gz",5]', project_name("foo"), filename("foo-1.0.tar.gz")).files == ()


def broken(change: Any) -> bytes:
    document = copy.deepcopy(orjson.loads(encode(PAGE)))
    change(document)
    return orjson.dumps(document)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b"null",
        b"\xff",
        encode(PAGE)[:-1],
        broken(lambda page: page.__setitem__(0, FORM + 1)),
        broken(lambda page: page.__setitem__(1, None)),
        broken(lambda page: page.__setitem__(3, [1])),
        broken(lambda page: page.__setitem__(6, True)),
        broken(lambda page: page.append(1)),
        broken(lambda page: page[2].append(None)),
        broken(lambda page: page[2][0].pop()),
        broken(lambda page: page[2][0].__setitem__(3, [["sha256"]])),
        broken(lambda page: page[2][0].__setitem__(3, [["sha256", 5]])),
        broken(lambda page: page[2][0].__setitem__(4, "5")),
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is of no interest
        decode(data)


@given(
    st.binary(max_size=100)
    | json_values.map(orjson.dumps)
    | st.lists(json_values, min_size=10, max_size=10).map(lambda rest: orjson.dumps([FORM, *rest]))
)
def test_decode_raises_nothing_but_value_errors(data: bytes) -> None:
    with suppress(ValueError):
        decode(data)
