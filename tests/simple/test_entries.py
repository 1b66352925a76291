"""One upstream entry, checked."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pypidaemon.filenames import project_name
from pypidaemon.model import File
from pypidaemon.simple.entries import (
    BIGGEST,
    LONGEST_TEXT,
    LONGEST_URL,
    MOST_HASHES,
    clean,
    entry,
    remark,
    resolve,
    resolved,
    serial,
    status_marker,
    whole,
)
from tests.strategies import hostile_filenames, json_values

FOO = project_name("foo")
BASE = "https://index.example/simple/foo/"
SHA = "a" * 64


def read(base: str = BASE, **facts: Any) -> File | None:
    raw: dict[str, Any] = {"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz"}
    raw.update({key.replace("_", "-"): value for key, value in facts.items()})
    return entry(raw, base, FOO)


def taken(**facts: Any) -> File:
    file = read(**facts)
    assert file is not None
    return file


@pytest.mark.parametrize(
    "named",
    ["../../x", "..%2fx", "a%00.whl", "foo\x00-1.0.whl", "C:\\x", "bar-1.0.tar.gz", "foobar-1.0.tar.gz", "", None, 7, ["foo-1.0.tar.gz"]],
)
def test_S4_names_that_break_out_or_belong_to_others_are_refused(named: object) -> None:
    assert read(filename=named) is None


@given(hostile_filenames)
def test_S4_R214_whatever_passes_is_one_clean_segment(named: str) -> None:
    file = read(filename=named)
    assert file is None or not (set(file.filename) & set("/\\\x00:") or ".." in file.filename)


@pytest.mark.parametrize("named", ["foo-1.0-variants.json", "foo-1.0-py3-none-any.whlx", "Foo-1.0.win32-py2.7.exe", "foo-1.0.rpm"])
def test_R63_files_of_unknown_type_pass(named: str) -> None:
    assert taken(filename=named).filename == named


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example/foo-1.0.tar.gz",
        "file:///etc/passwd",
        "ftp://files.example/foo-1.0.tar.gz",
        "gopher://files.example/x",
        "data:text/plain,x",
        "javascript:x",
        "",
        " ",
        "https://:80/x",
        "https://[broken/",
        "https://a b/",
        "https://host:99999999/",
        "https://h\u00f6st/",
        "https://host\\@other/",
        "https://host/\x00",
        "https://host/\ud800",
        None,
        3,
    ],
)
def test_S47_only_https_urls_with_a_host_are_followed(url: object) -> None:
    assert read(url=url) is None


def test_S47_http_is_followed_from_http_pages_only() -> None:
    assert taken(base="http://index.example/simple/foo/").url == "http://index.example/simple/foo/foo-1.0.tar.gz"


def test_S51_userinfo_and_fragment_are_dropped() -> None:
    file = taken(url="https://user:pw@files.example:8443/a/foo-1.0.tar.gz?q=1#sha256=00")
    assert file.url == "https://files.example:8443/a/foo-1.0.tar.gz?q=1"


def test_R61_relative_urls_are_resolved_against_the_page() -> None:
    assert (
        taken(url=" ../../packages/x y/\u00fc/foo-1.0%2Bx.tar.gz").url == "https://index.example/packages/x%20y/%C3%BC/foo-1.0%2Bx.tar.gz"
    )


@given(st.text(max_size=40) | st.from_regex(r"(https?:)?//[^/]{0,10}/.{0,10}"))
@example("//[::1]:80/x")
def test_S47_S51_whatever_is_followed_is_https_without_userinfo(url: str) -> None:
    found = resolve(url, BASE)
    if found is not None:
        parts = urlsplit(found)
        assert (parts.scheme, parts.username, parts.fragment) == ("https", None, "")
        assert parts.hostname
        assert found.isascii()


@given(
    st.sampled_from(["https", "http", "HTTPS", "ftp"]),
    st.sampled_from(["index.example", "INDEX.example:80", "h:", "h:999999", "_h", "-h", "a:b@h", "[::1]", ""]),
    st.text("/a.%~-_+!:@;=,?#$&'()*Z9", max_size=12),
    st.sampled_from([BASE, BASE.replace("https", "http"), BASE.replace("https", "HTTP")]),
)
@example("https", "index.example", "/a/../b", BASE)
@example("https", "index.example", "//a;b", BASE)
def test_whatever_the_url_the_short_way_says_what_the_long_one_says(scheme: str, host: str, path: str, base: str) -> None:
    url = f"{scheme}://{host}{path}"
    assert resolve(url, base) == resolved(url, base)


def test_R53_hashes_are_lower_case_well_formed_and_sha256_first() -> None:
    hashes = {
        "MD5": "B" * 32,
        "sha512": "c" * 128,
        "SHA256": "A" * 64,
        "sha1": "short",
        "new-one": "0f",
        "bad name": "0f",
        "x": "zz",
        "y": 1,
        3: "aa",
    }
    assert taken(hashes=hashes).hashes == (("sha256", SHA), ("md5", "b" * 32), ("new-one", "0f"), ("sha512", "c" * 128))


@pytest.mark.parametrize("hashes", [None, [], "sha256", 5, {}])
def test_R51_R61_an_entry_without_hashes_has_none(hashes: object) -> None:
    assert taken(hashes=hashes).hashes == ()


@pytest.mark.parametrize(
    ("size", "kept"), [(0, 0), (5, 5), (BIGGEST, BIGGEST), (BIGGEST + 1, None), (-1, None), (True, None), (1.5, None), ("5", None)]
)
def test_S36_a_size_is_a_whole_number(size: object, kept: int | None) -> None:
    assert taken(size=size).size == kept
    assert whole(size) == kept


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.120000Z", "2024-01-02T03:04:05.120000Z"),
        ("2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.1Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("2024-01-02 03:04:05.5+00:00", "2024-01-02T03:04:05.500000Z"),
        ("2024-01-02T03:04:05.1234567Z", "2024-01-02T03:04:05.123456Z"),
        ("2024-01-02T03:04:05", None),
        ("2024-13-02T03:04:05Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("2" * 100, None),
        (5, None),
        (None, None),
    ],
)
def test_R55_upload_times_are_verbatim_or_brought_into_shape(time: object, kept: str | None) -> None:
    assert taken(upload_time=time).upload_time == kept


@pytest.mark.parametrize(
    ("said", "kept"), [(">=3.8", ">=3.8"), (" not PEP 440 ", " not PEP 440 "), ("", None), ("  ", None), (">=3\n", None), (3, None)]
)
def test_R60_requires_python_is_verbatim(said: object, kept: str | None) -> None:
    assert taken(requires_python=said).requires_python == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [(True, ""), (False, None), (None, None), ("", None), ("broken", "broken"), ("a\r\nb\u2028c", "abc"), ("\n", ""), (1, None)],
)
def test_R54_yanked_is_true_or_a_reason(said: object, kept: str | None) -> None:
    assert taken(yanked=said).yanked == kept


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        ({"core_metadata": {"sha256": SHA.upper()}}, SHA),
        ({"dist_info_metadata": {"sha256": SHA}}, SHA),
        ({"data_dist_info_metadata": {"sha256": SHA}}, SHA),
        ({"core_metadata": True}, ""),
        ({"core_metadata": {"md5": "b" * 32}}, ""),
        ({"core_metadata": {"sha256": "nonsense"}}, ""),
        ({"core_metadata": False, "dist_info_metadata": True}, None),
        ({"core_metadata": None, "dist_info_metadata": True}, ""),
        ({"core_metadata": "true"}, None),
        ({}, None),
    ],
)
def test_R58_R61_every_spelling_of_the_sidecar_is_read_and_the_first_counts(facts: dict[str, Any], kept: str | None) -> None:
    assert taken(**facts).core_metadata == kept


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://index.example/integrity/x", True),
        ("http://index.example/x", False),
        ("/integrity/x", False),
        ("https://", False),
        ("https://u:p@index.example/x", False),
        ("https://[broken", False),
        ("https://index.example/a b", False),
        ("https://index.example/\u00fc", False),
        (True, False),
    ],
)
def test_R29_R116_provenance_is_an_absolute_https_url_unchanged(url: object, kept: bool) -> None:
    assert taken(provenance=url).provenance == (url if kept else None)


@pytest.mark.parametrize(("said", "kept"), [(True, True), (False, False), (None, None), ("true", None), (1, None)])
def test_R30_gpg_sig_is_a_boolean(said: object, kept: bool | None) -> None:
    assert taken(gpg_sig=said).gpg_sig is kept


KEYS = ["hashes", "size", "upload-time", "requires-python", "yanked", "core-metadata", "dist-info-metadata", "provenance", "gpg-sig"]


@given(st.dictionaries(st.sampled_from(KEYS), json_values))
def test_S36_wrong_types_lose_the_fact_and_never_the_entry(facts: dict[str, Any]) -> None:
    file = entry({"filename": "foo-1.0.tar.gz", "url": "x", **facts}, BASE, FOO)
    assert file is not None
    assert not re.search(r"[\x00-\x1f]", f"{file.requires_python}{file.yanked}{file.provenance}{file.upload_time}")


@given(st.dictionaries(st.sampled_from(["filename", "url", *KEYS]), json_values))
def test_S36_an_entry_never_raises(raw: dict[str, Any]) -> None:
    entry(raw, BASE, FOO)


@pytest.mark.parametrize(
    ("raw", "kept"), [(5, 5), ("5", 5), ("05", 5), ("", None), ("-5", None), ("5" * 17, None), ("\u0665", None), (True, None), (None, None)]
)
def test_R61_serials_come_as_numbers_or_digits(raw: object, kept: int | None) -> None:
    assert serial(raw) == kept


def test_clean_leaves_one_line() -> None:
    assert clean("a\x00b\x7f\u2029\ud800c d") == "abc d"


@pytest.mark.parametrize(("raw", "kept"), [("archived", "archived"), ("new-one", "new-one"), ("Two words", None), ("", None), (1, None)])
def test_R112_status_markers_are_single_words(raw: object, kept: str | None) -> None:
    assert status_marker(raw) == kept


def test_S84_texts_that_are_too_long_count_as_not_stated() -> None:
    """But a file whose reason is too long stays yanked: nobody shall install what upstream withdrew."""
    longest, longer = "x" * LONGEST_TEXT, "x" * (LONGEST_TEXT + 1)
    raw = {"filename": "foo-1.zip", "url": "foo-1.zip"}
    kept = entry({**raw, "requires-python": longest, "yanked": longest}, BASE, FOO)
    dropped = entry({**raw, "requires-python": longer, "yanked": longer, "provenance": "https://x.example/" + longer}, BASE, FOO)
    assert kept is not None
    assert dropped is not None
    assert (kept.requires_python, kept.yanked) == (longest, longest)
    assert (dropped.requires_python, dropped.yanked, dropped.provenance) == (None, "", None)
    assert (remark(longest), remark(longer), remark("\n"), remark(5)) == (longest, None, None, None)


def test_S84_a_link_that_is_too_long_is_not_followed() -> None:
    assert resolve("x" * (LONGEST_URL + 1), BASE) is None
    assert resolve("x" * LONGEST_URL, BASE) is not None


def test_S84_only_so_many_hashes_are_looked_at() -> None:
    stated = {f"x{number}": "ab" for number in range(1000)} | {"sha256": "a" * 64}
    file = entry({"filename": "foo-1.zip", "url": "foo-1.zip", "hashes": stated}, BASE, FOO)
    assert file is not None
    assert len(file.hashes) == MOST_HASHES
