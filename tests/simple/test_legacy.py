"""The legacy JSON document."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import File, ProjectPage
from pypidaemon.simple.legacy import legacy_json, newest, newest_first
from pypidaemon.simple.links import from_page
from pypidaemon.simple.reading import covering
from tests.strategies import pages, versions

BASE = "https://index.example/index/root/"
BLAKE = "abcd" + "0" * 60
WHEEL = File(
    filename("foo-1.0+x.1-py3-none-any.whl"),
    path=f"ab/cd/{'0' * 60}/foo-1.0+x.1-py3-none-any.whl",
    hashes=(("sha256", "a" * 64), ("md5", "b" * 32), ("sha1", "c" * 40)),
    size=5,
    upload_time="2024-01-02T03:04:05.678900Z",
    requires_python=">=3.8",
    core_metadata="d" * 64,
)
METADATA = b"""Metadata-Version: 2.4
Name: Foo
Version: 1.0+x.1
Summary: A foo
Keywords: a,b
Platform: any
Platform: linux
Author-email: a@foo.example
Classifier: Topic :: Foo
Requires-Dist: bar
Requires-Python: >=3.9
Project-URL: Home, https://foo.example
Description-Content-Type: text/plain

Long\ttext
over lines
"""
INFO_KEYS = [
    "name",
    "version",
    "summary",
    "description",
    "description_content_type",
    "keywords",
    "license",
    "license_expression",
    "license_files",
    "classifiers",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "requires_python",
    "requires_dist",
    "provides_extra",
    "dynamic",
    "platform",
    "home_page",
    "download_url",
    "docs_url",
    "bugtrack_url",
    "package_url",
    "project_url",
    "project_urls",
    "release_url",
    "downloads",
    "yanked",
    "yanked_reason",
]
FILE_KEYS = [
    "filename",
    "url",
    "packagetype",
    "python_version",
    "size",
    "digests",
    "md5_digest",
    "upload_time",
    "upload_time_iso_8601",
    "requires_python",
    "yanked",
    "yanked_reason",
    "comment_text",
    "has_sig",
    "downloads",
    "core-metadata",
]


def page(*files: File, versions: tuple[str, ...] = ()) -> ProjectPage:
    return ProjectPage(project_name("foo"), files, versions, serial=7)


def sdist(version: str, yanked: str | None = None) -> File:
    return File(filename(f"foo-{version}.tar.gz"), path=f"by-name/x/foo/foo-{version}.tar.gz", yanked=yanked)


def document(page: ProjectPage, version: str | None = None, metadata: bytes | None = METADATA) -> dict[str, Any]:
    body = legacy_json(page, version, metadata, BASE)
    assert body is not None
    return orjson.loads(body)  # type: ignore[no-any-return]  # it is an object; the tests look into it


def test_R138_the_keys_of_the_document() -> None:
    project = document(page(WHEEL))
    assert set(project) == {"info", "last_serial", "releases", "urls", "vulnerabilities", "ownership"}
    assert (project["last_serial"], project["vulnerabilities"]) == (7, [])
    assert project["ownership"] == {"roles": [], "organization": None}
    assert set(document(page(WHEEL), "1.0+x.1")) == set(project) - {"releases"}


def test_R139_info_is_that_of_the_metadata() -> None:
    info = document(page(WHEEL))["info"]
    assert set(info) == set(INFO_KEYS)
    assert info["name"] == "Foo"
    assert info["description"] == "Long\ttext\nover lines\n"
    assert (info["summary"], info["keywords"], info["platform"]) == ("A foo", "a,b", "any,linux")
    assert (info["classifiers"], info["requires_dist"], info["requires_python"]) == (["Topic :: Foo"], ["bar"], ">=3.9")
    assert info["project_urls"] == {"Home": "https://foo.example"}
    assert info["downloads"] == {"last_day": -1, "last_week": -1, "last_month": -1}
    assert info["project_url"] == info["package_url"] == BASE + "project/foo/"
    assert info["release_url"] == BASE + "project/foo/1.0%2Bx.1/"


def test_R139_R141_without_metadata_info_still_has_every_key_and_a_name() -> None:
    info = document(page(WHEEL), None, None)["info"]
    assert set(info) == set(INFO_KEYS)
    assert (info["name"], info["version"], info["requires_python"]) == ("foo", "1.0+x.1", ">=3.8")


def test_R140_R141_the_whole_of_a_file() -> None:
    (file,) = document(page(WHEEL))["urls"]
    assert set(file) == set(FILE_KEYS)
    assert file == {
        "filename": "foo-1.0+x.1-py3-none-any.whl",
        "url": f"{BASE}packages/ab/cd/{'0' * 60}/foo-1.0%2Bx.1-py3-none-any.whl",
        "packagetype": "bdist_wheel",
        "python_version": "py3",
        "size": 5,
        "digests": {"sha256": "a" * 64, "md5": "b" * 32, "blake2b_256": BLAKE},
        "md5_digest": "b" * 32,
        "upload_time": "2024-01-02T03:04:05",
        "upload_time_iso_8601": "2024-01-02T03:04:05.678900Z",
        "requires_python": ">=3.8",
        "yanked": False,
        "yanked_reason": None,
        "comment_text": None,
        "has_sig": False,
        "downloads": -1,
        "core-metadata": {"sha256": "d" * 64},
    }


def test_R140_what_is_not_known_is_not_made_up() -> None:
    (file,) = document(page(sdist("1.0", "why")))["urls"]
    assert (file["digests"], file["size"], file["upload_time"], file["core-metadata"]) == ({}, None, None, False)
    assert "md5_digest" not in file
    assert (file["packagetype"], file["python_version"], file["yanked"], file["yanked_reason"]) == ("sdist", "source", True, "why")
    stated = attrs.evolve(WHEEL, hashes=(("blake2_256", "e" * 64),), core_metadata="")
    (file,) = document(page(stated))["urls"]
    assert (file["digests"], file["core-metadata"]) == ({"blake2b_256": "e" * 64}, True)


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ([sdist("1.0"), sdist("2.0"), sdist("1.10")], "2.0"),
        ([sdist("1.0"), sdist("2.0rc1")], "1.0"),
        ([sdist("1.0.dev1"), sdist("2.0rc1")], "2.0rc1"),
        ([sdist("1.0"), sdist("2.0", "bad")], "1.0"),
        ([sdist("1.0rc1"), sdist("2.0", "")], "1.0rc1"),
        ([sdist("1.0", ""), sdist("2.0", "bad")], "2.0"),
        ([sdist("1.0"), sdist("2004d-odd")], "1.0"),
    ],
)
def test_R142_the_newest_is_not_yanked_then_final_then_highest(files: list[File], chosen: str) -> None:
    found = newest(page(*files, versions=("9.0",)))
    assert found is not None
    assert found[0] == chosen
    assert document(page(*files))["info"]["version"] == chosen


def test_R142_a_release_is_yanked_when_all_its_files_are() -> None:
    wheel = File(filename("foo-2.0-py3-none-any.whl"), path="x")
    assert document(page(sdist("2.0", "bad"), wheel))["info"]["yanked"] is False
    info = document(page(sdist("2.0", "bad"), attrs.evolve(wheel, yanked="")))["info"]
    assert (info["yanked"], info["yanked_reason"]) == (True, "bad")
    assert document(page(sdist("2.0", "")))["info"]["yanked_reason"] is None


def test_R142_releases_hold_every_version_in_order_also_without_files() -> None:
    releases = document(page(sdist("2.0"), sdist("10.0"), sdist("1.0-RC1"), versions=("3.0", "2.0.0")))["releases"]
    assert {version: len(files) for version, files in releases.items()} == {"1.0rc1": 1, "2.0.0": 1, "3.0": 0, "10.0": 1}
    assert list(releases) == ["1.0rc1", "2.0.0", "3.0", "10.0"]


def test_files_that_name_no_version_are_left_out() -> None:
    odd = File(filename("foo.zip"), path="by-name/x/foo/foo.zip")
    assert list(document(page(odd, sdist("1.0")))["releases"]) == ["1.0"]


def test_R145_what_has_no_files_has_no_document() -> None:
    assert legacy_json(page(), None, None, BASE) is None
    assert legacy_json(page(versions=("1.0",)), None, None, BASE) is None
    assert legacy_json(page(sdist("1.0"), versions=("2.0",)), "2.0", None, BASE) is None
    assert legacy_json(page(sdist("1.0")), "3.0", None, BASE) is None
    assert legacy_json(page(sdist("1.0")), "nonsense", None, BASE) is None


@pytest.mark.parametrize("spelled", ["1.0", "1", "v1.0.0"])
def test_R136_a_version_is_found_in_any_spelling(spelled: str) -> None:
    assert document(page(sdist("1.0")), spelled)["info"]["version"] == "1.0"


@given(pages(), st.integers(0, 9))
def test_R142_after_the_newest_comes_what_would_be_it_without_it(page: ProjectPage, most: int) -> None:
    left = attrs.evolve(page, versions=covering(page.name, (), page.files))
    for version, files in newest_first(left, most):
        assert (version, files) == newest(left)
        rest = tuple(file for file in left.files if file not in files)
        left = attrs.evolve(left, files=rest, versions=covering(page.name, (), rest))
        most -= 1
    assert most == 0 or newest(left) is None


@given(pages())
def test_R143_urls_are_those_of_the_simple_page(page: ProjectPage) -> None:
    body = legacy_json(page, None, None, BASE)
    if body is not None:
        shown = {BASE + from_page(file.path).removeprefix("../../") for file in page.files}
        assert {file["url"] for files in orjson.loads(body)["releases"].values() for file in files} <= shown


ODD = [
    b"Content-Type: message/rfc822\n\n" * 3000,
    b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--",
    b"Name: \xff\nSummary: a\nSummary: b\nKeywords: a\nKeywords: b\n\n\xff",
    b"Description: a\n\nb",
    b"Project-URL: x\nProject-URL: x, y\nProject-URL: x, z\n",
    b"Summary: =?utf-8?b?x?=\n",
    b"Name: a\x00b\n",
]


@pytest.mark.parametrize("metadata", ODD)
def test_odd_metadata_costs_itself_only(metadata: bytes) -> None:
    info = document(page(sdist("1.0")), None, metadata)["info"]
    assert set(info) == set(INFO_KEYS)
    assert "\x00" not in info["name"]


@given(
    pages(),
    st.none() | versions | st.text(max_size=9),
    st.none() | st.binary(max_size=80) | st.lists(st.sampled_from([*METADATA.splitlines(True), *ODD[1:]])).map(b"".join),
)
def test_legacy_never_raises(page: ProjectPage, version: str | None, metadata: bytes | None) -> None:
    body = legacy_json(page, version, metadata, BASE)
    if body is not None:
        assert set(orjson.loads(body)["info"]) == set(INFO_KEYS)
    if version is None:
        assert (body is None) == (newest(page) is None)
