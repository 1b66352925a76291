"""Changelogs by XML-RPC: as PyPI and pypidaemon write them, and as nobody should (R146, R147)."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import Change, NormalizedName
from pypidaemon.simple import changelog
from pypidaemon.simple.changelog import HIGHEST, Part, read_changelog, read_last_serial
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.xml_rpc import Fault as OurFault
from pypidaemon.simple.xml_rpc import write_answer, write_call, write_fault

ROW = ["Some.Thing", "1.0", 1_700_000_000, "add py3 file some_thing-1.0-py3-none-any.whl", 7]
BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<methodResponse><params><param><value><string>&b;</string></value></param></params></methodResponse>"""


def answer(value: Any) -> bytes:
    """A response as the standard library writes it."""
    return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()


def wrong(body: bytes) -> str:
    """Why it cannot be read."""
    with pytest.raises(Unreadable) as caught:
        read_changelog(body, 5)
    return str(caught.value)


def test_rows_are_changes() -> None:
    rows = [ROW, ["other", None, 1_700_000_001.5, "create", 7], ["other", "", 0, "remove project", 9]]
    assert read_changelog(answer(rows), 6) == Part(
        (
            Change(NormalizedName("some-thing"), "1.0", 1_700_000_000.0, "add py3 file some_thing-1.0-py3-none-any.whl", 7),
            Change(NormalizedName("other"), None, 1_700_000_001.5, "create", 7),
            Change(NormalizedName("other"), None, 0.0, "remove project", 9),
        ),
        last=9,
        count=3,
    )


def test_nothing_new_is_no_row() -> None:
    assert read_changelog(answer([]), 5) == Part((), 5, 0)


def test_what_pypidaemon_writes_is_read() -> None:
    """A serial above 32 bits goes as a double."""
    assert read_changelog(write_answer([["a", None, 1, "create", 2**40]]), 5).last == 2**40
    assert read_last_serial(write_answer(2**40)) == 2**40
    assert read_last_serial(write_answer(12)) == 12


def test_a_name_that_no_project_can_have_is_passed_over() -> None:
    """PyPI had some once. Its serial counts, so that nobody asks for it again."""
    assert read_changelog(answer([["../x", None, 1, "create", 8], ["", None, 1, "create", 9]]), 5) == Part((), 9, 2)


def test_long_texts_are_cut() -> None:
    (change,) = read_changelog(answer([["a", "1" * 10_000, 1, "x" * 10_000, 9]]), 5).rows
    assert change.version is not None
    assert len(change.version) < 1000
    assert len(change.action) == 200


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "x",
        {},
        [7],
        [[]],
        [ROW[:4]],
        [[*ROW, 8]],
        [[None, *ROW[1:]]],
        [[*ROW[:1], 1.0, *ROW[2:]]],
        [[*ROW[:2], "yesterday", *ROW[3:]]],
        [[*ROW[:2], True, *ROW[3:]]],
        [[*ROW[:2], float("nan"), *ROW[3:]]],
        [[*ROW[:2], float("inf"), *ROW[3:]]],
        [[*ROW[:3], None, 7]],
        [[*ROW[:4], "7"]],
        [[*ROW[:4], True]],
        [[*ROW[:4], 7.5]],
        [[*ROW[:4], -7]],
        [[*ROW[:4], 5]],
        [[*ROW[:4], float(2**70)]],
        [[*ROW[:4], 8], [*ROW[:4], 7]],
    ],
)
def test_what_is_no_changelog_is_refused(value: Any) -> None:
    """Rows out of order too: whoever asks on from the last one would miss some."""
    assert wrong(answer(value))


def test_more_rows_than_there_may_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelog, "MOST_ROWS", 1)
    assert read_changelog(answer([ROW]), 5).count == 1
    assert "at most 1 row" in wrong(answer([ROW, ROW]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html></html>",
        BOMB,
        BOMB.decode().encode("utf-16"),
        b"<?xml version='1.0' encoding='utf-7'?><methodResponse/>",
        answer([ROW])[:-30],
        b"<methodResponse><params></params></methodResponse>",
        b"<methodResponse><params><param><value><int>" + b"9" * 5000 + b"</int></value></param></params></methodResponse>",
        write_call("changelog_since_serial", 5),
        xmlrpc.client.dumps((1, 2), methodresponse=None).encode(),
    ],
)
def test_S83_what_is_no_response_is_refused(body: bytes) -> None:
    assert wrong(body)
    with pytest.raises(Unreadable):
        read_last_serial(body)


def test_S83_deep_and_many_elements_do_no_harm() -> None:
    assert wrong(b"<methodResponse><params><param>" + b"<value><array><data>" * 50_000)
    assert wrong(b"<methodResponse>" + b"<x>" * 100_000)


def test_a_fault_is_told_in_one_clean_line() -> None:
    assert wrong(write_fault(OurFault(-32500, "RuntimeError: no more\nof this"))) == "fault -32500: RuntimeError: no more of this"
    assert wrong(xmlrpc.client.dumps(xmlrpc.client.Fault("x", "y" * 1000), methodresponse=True).encode()) == "fault -32700: " + "y" * 200  # type: ignore[arg-type]


def test_a_last_serial_is_a_number() -> None:
    for value in (None, "7", True, -1, 7.5, [7], float("inf"), HIGHEST * 4.0):
        with pytest.raises(Unreadable):
            read_last_serial(answer(value))


def test_a_call_says_what_is_asked() -> None:
    assert xmlrpc.client.loads(write_call("changelog_since_serial", 5)) == ((5,), "changelog_since_serial")


@given(st.binary(max_size=200) | st.builds(lambda start, end: answer([ROW])[:start] + end, st.integers(0, 600), st.binary(max_size=60)))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        part = read_changelog(body, 5)
    except Unreadable:
        return
    assert part.count == 0 or part.last > 5


SCALARS = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats() | st.sampled_from(["a", "", "A.b", "../x"])


@given(st.lists(st.lists(SCALARS, min_size=4, max_size=6), max_size=4))
def test_no_rows_raise_anything_else_and_those_that_are_taken_ascend(rows: list[Any]) -> None:
    try:
        part = read_changelog(answer(rows), 5)
    except Unreadable:
        return
    serials = [5, *(row.serial for row in part.rows), part.last]
    assert serials == sorted(serials)
    assert part.count == len(rows)
