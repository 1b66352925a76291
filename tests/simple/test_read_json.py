"""Project pages in JSON, read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import project_name
from pypidaemon.model import ProjectStatus, UpstreamPage
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.read_json import read_json
from tests.strategies import json_values

FOO = project_name("foo")
BASE = "https://index.example/simple/foo/"
FILE = {"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz", "hashes": {}}


def read(**document: Any) -> UpstreamPage:
    return read_json(orjson.dumps({"files": [FILE], **{key.replace("_", "-"): value for key, value in document.items()}}), BASE, FOO)


def test_R61_the_least_that_is_a_page() -> None:
    page = read()
    assert [file.filename for file in page.files] == ["foo-1.0.tar.gz"]
    assert (page.name, page.versions, page.status, page.serial, page.refused) == ("foo", (), ProjectStatus(), None, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"3",
        b"{}",
        b'{"files": null}',
        b'{"files": {}}',
        b'{"files": []',
        b'{"files": [], "name": "\xff"}',
        b'{"files": [], "name": "\\ud800"}',
        b'{"files": [], "x": NaN}',
        b'{"files": [], "x": ' + b"9" * 1_000_000 + b"}",
        b'{"files": ' + b"[" * 100_000,
        b'{"files": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"<!DOCTYPE html><html></html>",
    ],
)
def test_F19_S84_what_is_no_page_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(body, BASE, FOO)


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1", "nonsense", 2, [], ""])
def test_S36_another_major_version_is_unreadable(version: object) -> None:
    with pytest.raises(Unreadable):
        read(meta={"api-version": version})


@pytest.mark.parametrize(
    "meta", [None, [], {}, {"api-version": None}, {"api-version": "1.0"}, {"api-version": "1.99"}, {"api-version": 1.1}]
)
def test_R61_any_minor_version_and_none_are_read(meta: object) -> None:
    assert len(read(meta=meta).files) == 1


@pytest.mark.parametrize("name", ["bar", "", "foo/", 5, ["foo"]])
def test_S32_the_page_of_another_project_is_unreadable(name: object) -> None:
    with pytest.raises(Unreadable):
        read(name=name)


@pytest.mark.parametrize("name", ["foo", "Foo", None])
def test_S32_the_name_may_be_spelled_in_any_way_or_be_missing(name: object) -> None:
    assert len(read(name=name).files) == 1


def test_S36_bad_entries_are_counted_and_cost_nothing_else() -> None:
    page = read(files=[FILE, None, "x", {}, {**FILE, "url": "ftp://x/"}, {**FILE, "filename": "bar-1.tar.gz"}])
    assert (len(page.files), page.refused) == (1, 5)


@pytest.mark.parametrize(("serial", "kept"), [(5, 5), ("5", 5), (None, None), ("x", None), (-1, None)])
def test_R61_the_serial_is_a_number_or_digits(serial: object, kept: int | None) -> None:
    assert read(meta={"_last-serial": serial}).serial == kept


def test_R50_versions_are_words_without_duplicates() -> None:
    assert read(versions=["1.0", "1.0", 5, None, "2.0 final", "2.0", "", "x" * 200, "odd_1!2+a"]).versions == ("1.0", "2.0", "odd_1!2+a")
    assert read(versions="1.0").versions == ()


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"project_status": {"status": "archived", "reason": "old"}}, ProjectStatus("archived", "old")),
        ({"project_status": {"status": "archived", "reason": "a\nb"}}, ProjectStatus("archived", "ab")),
        ({"project_status": {"state": "archived", "reason": ""}}, ProjectStatus("archived")),
        ({"project_status": {"status": "new-one", "reason": 5}}, ProjectStatus("new-one")),
        ({"project_status": "quarantined"}, ProjectStatus("quarantined")),
        ({"meta": {"project-status": "deprecated", "project-status-reason": "use bar"}}, ProjectStatus("deprecated", "use bar")),
        ({"project_status": None, "meta": {"project-status": {"status": "archived"}}}, ProjectStatus("archived")),
        ({"project_status": {"status": "Two words"}}, ProjectStatus()),
        ({"project_status": []}, ProjectStatus()),
    ],
)
def test_R59_the_status_is_read_wherever_the_texts_put_it(document: dict[str, Any], status: ProjectStatus) -> None:
    assert read(**document).status == status


def test_R119_R120_what_holds_only_at_upstream_is_ignored() -> None:
    assert read(tracks=["x"], alternate_locations=["y"], namespaces=[{"name": "foo"}], unknown=1) == read()


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read_json(b"\xef\xbb\xbf" + orjson.dumps({"files": []}), BASE, FOO).files == ()


@given(
    st.binary(max_size=200)
    | json_values.map(orjson.dumps)
    | st.dictionaries(st.sampled_from(["files", "meta", "versions", "project-status"]), json_values).map(orjson.dumps)
)
def test_S36_F19_any_body_is_read_or_unreadable(body: bytes) -> None:
    with suppress(Unreadable):
        read_json(body, BASE, FOO)
