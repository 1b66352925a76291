"""Upstream pages as bytes for the page cache."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import File, ProjectStatus, UpstreamPage
from pypidaemon.stored import FORM, UNSOURCED, cut, decode, encode
from tests.strategies import json_values, upstream_pages

FILE = File(filename("foo-1.0.tar.gz"), hashes=(("sha256", "a" * 64),))
PAGE = UpstreamPage(project_name("foo"), (FILE,), ("1.0",))


@given(upstream_pages())
def test_what_is_stored_comes_back_equal(page: UpstreamPage) -> None:
    assert decode(encode(page)) == page


@given(upstream_pages())
def test_one_file_is_found_as_the_whole_page_has_it(page: UpstreamPage) -> None:
    """And one that is not there is not found."""
    data = encode(page)
    assert len(data.splitlines()) == 1 + len(page.files)
    for file in page.files:
        found = cut(data, page.name, file.filename)
        assert found.files == (file,)
        assert found.name == page.name
        assert (found.status.marker == "quarantined") == (page.status.marker == "quarantined")
    assert cut(data, page.name, filename("not-there-1.0.zip")).files == ()


@pytest.mark.parametrize("data", [b"", b"[]", b"[1,1]\n", b"[2,", b"{}\n"])
def test_no_file_is_found_in_what_is_no_page(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a stored page"):
        cut(data, project_name("foo"), filename("foo-1.0.tar.gz"))


def test_a_text_that_looks_like_a_row_is_none() -> None:
    """A line break within a text is escaped, so only rows begin with one."""
    looks = attrs.evolve(FILE, requires_python='\n["foo-2.0.tar.gz",5]\n')
    assert cut(encode(attrs.evolve(PAGE, files=(looks,))), PAGE.name, filename("foo-2.0.tar.gz")).files == ()


def test_a_row_that_is_none_is_a_value_error() -> None:
    head = encode(attrs.evolve(PAGE, files=()))
    for row in (b'["foo-1.0.tar.gz",5]', b'["foo-1.0.tar.gz",'):
        with pytest.raises(ValueError):  # noqa: PT011  # the text is of no interest
            cut(head + row + b"\n", PAGE.name, FILE.filename)


def test_a_file_with_a_very_long_text_is_found() -> None:
    long = attrs.evolve(FILE, yanked="x" * 1_000_000)
    assert cut(encode(attrs.evolve(PAGE, files=(long,))), PAGE.name, FILE.filename).files == (long,)


def test_L10_a_page_that_was_cut_short_is_none() -> None:
    """Where it was cut between two files, too: they would be gone without anyone having said so."""
    data = encode(PAGE)
    for length in range(len(data)):
        with pytest.raises(ValueError):  # noqa: PT011  # the text is of no interest
            decode(data[:length])


def test_the_form_before_is_read_too_and_its_validators_are_nobody_s() -> None:
    """A mirror must do without upstream, so what it holds is read for good; of a page cache an upgrade costs no more than conditions do."""
    said = attrs.evolve(PAGE, validators=attrs.evolve(PAGE.validators, source="https://index.example/simple/"))
    lines = [orjson.loads(line) for line in encode(said).splitlines()]
    assert lines[0].pop() == "https://index.example/simple/"
    lines[0][0] = UNSOURCED
    before = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    assert decode(before) == attrs.evolve(said, validators=attrs.evolve(said.validators, source=""))
    assert cut(before, said.name, FILE.filename).files == (FILE,)
    lines[0].append("https://index.example/simple/")
    with pytest.raises(ValueError, match="form"):
        decode(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def broken(change: Any) -> bytes:
    """The page in which one line, here as a list of all of them, has been changed."""
    lines = [orjson.loads(line) for line in encode(PAGE).splitlines()]
    change(lines)
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


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
        broken(lambda lines: lines[0].__setitem__(0, FORM + 1)),
        broken(lambda lines: lines[0].__setitem__(1, None)),
        broken(lambda lines: lines[0].__setitem__(10, [1])),
        broken(lambda lines: lines[0].__setitem__(5, True)),
        broken(lambda lines: lines[0].append(1)),
        broken(lambda lines: lines[0].__setitem__(11, None)),
        broken(lambda lines: lines.append(None)),
        broken(lambda lines: lines[1].pop()),
        broken(lambda lines: lines[1].__setitem__(3, [["sha256"]])),
        broken(lambda lines: lines[1].__setitem__(3, [["sha256", 5]])),
        broken(lambda lines: lines[1].__setitem__(4, "5")),
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is of no interest
        decode(data)


@given(
    st.binary(max_size=100)
    | json_values.map(orjson.dumps)
    | st.lists(json_values, min_size=10, max_size=11).map(lambda rest: orjson.dumps([FORM, *rest]) + b"\n")
)
def test_decode_raises_nothing_but_value_errors(data: bytes) -> None:
    with suppress(ValueError):
        decode(data)


def test_a_page_that_only_speaks_of_quarantine_is_not_in_it() -> None:
    """The word may stand in any other field of its head."""
    page = UpstreamPage(project_name("foo"), PAGE.files, ("quarantined",))
    assert cut(encode(page), page.name, PAGE.files[0].filename) == UpstreamPage(page.name, PAGE.files)


@pytest.mark.parametrize("status", [ProjectStatus("quarantined", "why"), ProjectStatus("archived", '"quarantined"')])
def test_R113_of_what_a_page_says_the_status_that_hides_the_file_is_kept(status: ProjectStatus) -> None:
    found = cut(encode(attrs.evolve(PAGE, status=status)), PAGE.name, FILE.filename)
    assert found.status == (status if status.marker == "quarantined" else ProjectStatus())
