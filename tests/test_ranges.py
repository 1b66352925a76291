"""One range or the whole, never more work than that."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pypidaemon import ranges


@pytest.mark.parametrize(
    ("header", "slice_"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 4)),
        ("bytes=2-", (2, 98)),
        ("bytes=0-", (0, 100)),
        ("bytes=99-", (99, 1)),
        ("bytes=-1", (99, 1)),
        ("bytes=-100", (0, 100)),
        ("bytes=90-1000", (90, 10)),
        ("Bytes=1-2", (1, 2)),
        (" bytes= 1-2 ", (1, 2)),
        ("bytes=0001-002", (1, 2)),
        ("bytes=1-" + "9" * 5000, (1, 99)),
    ],
)
def test_R90_a_single_range(header: str, slice_: tuple[int, int]) -> None:
    assert ranges.wanted(header, 100) == slice_


@pytest.mark.parametrize("header", ["bytes=-10000", "bytes=-" + "9" * 5000])
def test_R91_a_suffix_longer_than_the_file_is_all_of_it(header: str) -> None:
    assert ranges.wanted(header, 3000) == (0, 3000)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=-000", "bytes=" + "9" * 5000 + "-"])
def test_R92_a_range_without_a_byte_is_unsatisfiable(header: str) -> None:
    with pytest.raises(ranges.Unsatisfiable):
        ranges.wanted(header, 100)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5",
        "bytes=5-2",
        "bytes=-5-",
        "bytes=--5",
        "bytes=1-2,3-4",
        "bytes=1-2,",
        "bytes =1-2",
        "bytes=1 - 2",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=" + chr(0x661) + "-2",
        "items=0-1",
        "lines=0-1",
        "bytes=1-2\nx",
        "bytes=0.5-2",
        "bytes=200-100",
    ],
)
def test_R94_no_one_plain_range_means_the_whole(header: str | None) -> None:
    assert ranges.wanted(header, 100) is None


def test_S63_a_thousand_ranges_are_one_whole() -> None:
    assert ranges.wanted("bytes=" + ",".join(["0-"] * 1000), 100) is None


def test_an_empty_file_has_no_part() -> None:
    assert ranges.wanted("bytes=-5", 0) is None
    with pytest.raises(ranges.Unsatisfiable):
        ranges.wanted("bytes=0-", 0)


def test_R90_R92_content_range() -> None:
    assert ranges.content_range(2, 4, 100) == "bytes 2-5/100"
    assert ranges.unsatisfied(100) == "bytes */100"


@given(st.text(max_size=30) | st.from_regex(r"\Abytes=[0-9]{0,3}-[0-9]{0,3}\Z"), st.integers(0, 300))
@example("bytes=-0", 0)
def test_S63_a_slice_lies_inside_the_file(header: str, size: int) -> None:
    try:
        slice_ = ranges.wanted(header, size)
    except ranges.Unsatisfiable:
        return
    if slice_ is not None:
        offset, length = slice_
        assert 0 <= offset < offset + length <= size
