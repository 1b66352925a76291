"""Lists of very many projects: what is read many at a time is what is read one after the other, wherever the pieces end."""

from __future__ import annotations

import gc
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pypidaemon.errors import InvalidName
from pypidaemon.filenames import project_name
from pypidaemon.simple import names, read_names
from pypidaemon.simple.entries import Unreadable, serial

JSON = "application/vnd.pypi.simple.v1+json"
TEXTS = st.sampled_from(["alpha", "Beta_2", "x", "é", "", "},{", '"},{"', "a\\b", 'projects":[', "-x", "b" * 300]) | st.text(max_size=8)
VALUES = TEXTS | st.integers(-(2**70), 2**70) | st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
DEEP = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6)
ENTRIES = st.fixed_dictionaries({}, optional={"name": TEXTS | DEEP, "_last-serial": DEEP | st.integers(0, 10**9), "more": DEEP}) | DEEP
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (",\n  ", " : "), (" ,", ": "), (", " * 1 + " " * 20, ":")])


def expected(entries: list[Any]) -> list[tuple[str, int]]:
    """What a list of these projects says."""
    found = []
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            try:
                found.append((str(project_name(entry["name"])), serial(entry.get("_last-serial")) or 0))
            except InvalidName:
                continue
    return found


def read(body: bytes, chunk: int, at_once: int) -> list[tuple[str, int]]:
    """What is read of that body in pieces of these lengths."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_names, "CHUNK", chunk)
        patch.setattr(read_names, "_AT_ONCE", at_once)
        return [(str(name), number) for name, number in read_names.read_names(io.BytesIO(body), JSON, "")]


@given(st.lists(ENTRIES, max_size=8), SEPARATORS, st.integers(1, 300), st.integers(1, 200), st.booleans(), st.booleans())
@example([{"name": f"n{number}"} for number in range(50)], (",", ":"), 64, 40, True, False)
@example([{"name": "a"}, {"name": "b"}, 7, {"name": "c"}], (",", ":"), 1000, 1000, False, True)
def test_R47_pieces_make_no_difference(
    entries: list[Any], separators: tuple[str, str], chunk: int, at_once: int, last: bool, nested: bool
) -> None:
    meta: dict[str, Any] = {"api-version": "1.1"}
    if nested:
        meta["projects"] = [{"name": "not-this"}, {"name": "nor-this"}, {"name": "nor-that"}]
    document = {"meta": meta, "projects": entries} if last else {"projects": entries, "meta": meta}
    body = json.dumps(document, separators=separators).encode()
    assert read(body, chunk, at_once) == expected(entries)


MANY = json.dumps(
    {"meta": {"api-version": "1.1"}, "projects": [{"name": f"n{number}", "_last-serial": number} for number in range(40)]}
).encode()


@given(st.integers(0, len(MANY) - 1), st.integers(1, 300), st.integers(1, 200))
def test_F19_a_list_that_is_cut_short_is_none(end: int, chunk: int, at_once: int) -> None:
    with pytest.raises(Unreadable):
        read(MANY[:end], chunk, at_once)


@given(
    st.integers(0, len(MANY) - 1),
    st.sampled_from([b"", b"x", b'"', b"}", b"]", b"\x00", b"\xff", b","]),
    st.integers(60, 300),
    st.integers(1, 200),
)
def test_F19_what_is_damaged_within_is_read_as_by_the_other_parser(at: int, put: bytes, chunk: int, at_once: int) -> None:
    """And what that one refuses is refused."""
    body = MANY[:at] + put + MANY[at + 1 :]
    try:
        one_by_one: Any = read(body, 1, 1)
    except Unreadable:
        one_by_one = None
    try:
        many: Any = read(body, chunk, at_once)
    except Unreadable:
        many = None
    assert many == one_by_one


@given(st.lists(st.tuples(st.text("abc-", min_size=1, max_size=4), st.integers(0, 5)), max_size=60), st.integers(1, 20), st.booleans())
def test_lines_are_in_order_however_they_came(entries: list[Any], run: int, in_order: bool) -> None:
    if in_order:
        entries.sort()
    best: dict[str, int] = {}
    for name, number in entries:
        best[name] = max(number, best.get(name, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "_RUN", run)
        written = b"".join(names.write_lines(entries))
    assert written == b"".join(
        b"%b\t%d\n" % (name.encode(), number) for name, number in sorted(best.items(), key=lambda one: one[0] + "\t")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "CHUNK", run)
        assert list(names.read_lines(io.BytesIO(written))) == sorted(best.items(), key=lambda one: one[0] + "\t")


@pytest.mark.parametrize("step", [1, 7_919])
def test_lines_are_let_go_of_as_they_are_given(step: int) -> None:
    """However they came; all of them at once would hold up whoever else wants the interpreter."""
    many = 60_000
    entries = ((project_name(f"name-{number * step % many:05}"), 1) for number in range(many))
    tracemalloc.start()
    try:
        pieces = names.write_lines(entries)
        next(pieces)
        first, _ = tracemalloc.get_traced_memory()
        for _ in range(many * 13 // names.CHUNK * 3 // 4):
            next(pieces)
        later, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert later < first / 2


def test_nothing_is_left_of_a_list_that_was_read() -> None:
    """Not even a text for each piece of it, one of which keeps a megabyte in use that had the names."""
    body = json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": f"name-{number}"} for number in range(60_000)]}).encode()

    def count() -> int:
        return sum(1 for _ in read_names.read_names(io.BytesIO(body), JSON, ""))

    assert count() == 60_000
    tracemalloc.start()
    try:
        count()
        gc.collect()
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, read_names.__file__)])
        left = sum(one.count for one in traces.statistics("filename"))
    finally:
        tracemalloc.stop()
    assert len(body) // read_names._AT_ONCE > 8 > left


def test_a_last_line_without_an_end_was_cut_short() -> None:
    with pytest.raises(ValueError, match="cut short"):
        list(names.read_lines(io.BytesIO(b"alpha\t1\nbeta\t2")))
