"""Where files are served, and how that is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename, project_name
from pypidaemon.simple.links import blake2b_of, by_name, from_page, packages_path, quote_path
from tests.strategies import digests

SDIST = filename("foo-1.0.tar.gz")
LOCAL = filename("foo-1.0+x.1-py3-none-any.whl")
PATH = f"ab/cd/{'0' * 60}"


@pytest.mark.parametrize("before", ["", "/", "/root/pypi"])
def test_R15_upstreams_own_path_is_kept_where_it_has_the_shape(before: str) -> None:
    url = f"https://files.example{before.rstrip('/')}/packages/{PATH}/foo-1.0.tar.gz?x=1"
    assert packages_path(url, {"blake2b_256": "f" * 64}, SDIST) == f"{PATH}/foo-1.0.tar.gz"


def test_R8_an_escaped_plus_is_the_same_file() -> None:
    for spelled in ("foo-1.0%2Bx.1-py3-none-any.whl", "foo-1.0+x.1-py3-none-any.whl"):
        assert packages_path(f"https://files.example/packages/{PATH}/{spelled}", {}, LOCAL) == f"{PATH}/{LOCAL}"


@pytest.mark.parametrize("key", ["blake2b_256", "blake2_256", "blake2b-256"])
def test_R15_without_that_shape_the_contents_blake2b_makes_the_path(key: str) -> None:
    assert packages_path("https://x.example/foo-1.0.tar.gz", {key: "abcd" + "0" * 60}, SDIST) == f"{PATH}/foo-1.0.tar.gz"


@pytest.mark.parametrize(
    ("url", "hashes"),
    [
        ("https://x.example/foo-1.0.tar.gz", {}),
        ("https://x.example/foo-1.0.tar.gz", {"blake2b_256": "ab"}),
        (f"https://x.example/packages/{PATH}/other-1.0.tar.gz", {}),
        (f"https://x.example/packages/{PATH.upper()}/foo-1.0.tar.gz", {}),
        (f"https://x.example/packages/{PATH}0/foo-1.0.tar.gz", {}),
        (f"https://x.example/other/{PATH}/foo-1.0.tar.gz", {}),
        ("https://[broken/foo-1.0.tar.gz", {}),
        ("", {}),
    ],
)
def test_R15_anything_else_has_no_path_yet(url: str, hashes: dict[str, str]) -> None:
    assert packages_path(url, hashes, SDIST) == ""


@given(digests(64))
def test_a_path_tells_the_blake2b_that_made_it(digest: str) -> None:
    assert blake2b_of(packages_path("", {"blake2b_256": digest}, SDIST)) == digest


def test_a_path_by_name_tells_no_blake2b() -> None:
    path = by_name("private", project_name("Foo"), SDIST)
    assert path == "by-name/private/foo/foo-1.0.tar.gz"
    assert blake2b_of(path) is None


def test_R12_R14_R143_links_are_relative_and_below_packages_with_an_escaped_plus() -> None:
    assert from_page(f"{PATH}/{LOCAL}") == f"../../packages/{PATH}/foo-1.0%2Bx.1-py3-none-any.whl"


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_a_quoted_path_has_nothing_that_a_url_gives_a_meaning_to(path: str) -> None:
    quoted = quote_path(path)
    assert quoted.isascii()
    assert not set(quoted) & set(" +#?;&=<>\"'\\:@!\x00")
    assert quoted.count("/") == path.count("/")
