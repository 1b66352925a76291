"""Pages in any format: chosen, completed, ordered."""

from __future__ import annotations

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from pypidaemon.filenames import project_name
from pypidaemon.model import ProjectPage, UpstreamPage
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.reading import covering, normal_version, read_page, version_order
from pypidaemon.simple.revision import revise
from pypidaemon.simple.write_html import render_html
from pypidaemon.simple.write_json import render_json
from pypidaemon.versions import same_version
from tests.strategies import pages

FOO = project_name("foo")
BASE = "https://index.example/simple/foo/"
JSON = "application/vnd.pypi.simple.v1+json"


def read(*named: str, versions: tuple[str, ...] = ()) -> UpstreamPage:
    files = [{"filename": name, "url": f"https://files.example/{number}/{name}", "hashes": {}} for number, name in enumerate(named)]
    return read_page(orjson.dumps({"files": files, "versions": versions}), JSON, BASE, FOO)


@pytest.mark.parametrize("content_type", [JSON, "application/json", JSON.upper() + " ; charset=utf-8"])
def test_R44_R61_json_goes_by_two_names(content_type: str) -> None:
    assert read_page(b'{"files": []}', content_type, BASE, FOO).files == ()


@pytest.mark.parametrize("content_type", ["text/html", "application/vnd.pypi.simple.v1+html", 'Text/HTML; x=1; Charset="utf-8"'])
def test_R61_html_goes_by_two_names(content_type: str) -> None:
    assert len(read_page(b"<a href=foo-1.zip>foo-1.zip</a>", content_type, BASE, FOO).files) == 1


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/vnd.pypi.simple.v2+json", "application/octet-stream"])
def test_F19_other_types_are_unreadable(content_type: str) -> None:
    with pytest.raises(Unreadable):
        read_page(b'{"files": []}', content_type, BASE, FOO)


def test_F19_the_type_decides_not_the_looks() -> None:
    with pytest.raises(Unreadable):
        read_page(b"<a href=foo-1.zip>foo-1.zip</a>", JSON, BASE, FOO)
    with pytest.raises(Unreadable):
        read_page(b'{"files": []}', "text/html", BASE, FOO)


def test_the_charset_of_the_header_is_believed() -> None:
    body = b"<a href=foo-1.zip data-yanked='\xfc'>foo-1.zip</a>"
    assert read_page(body, "text/html; charset=iso-8859-1", BASE, FOO).files[0].yanked == "\u00fc"


def test_of_two_entries_for_one_name_the_first_counts() -> None:
    page = read("foo-1.0.tar.gz", "foo-1.0.tar.gz")
    assert [file.url for file in page.files] == ["https://files.example/0/foo-1.0.tar.gz"]


def test_R15_upstreams_path_is_filled_in() -> None:
    path = f"ab/cd/{'0' * 60}/foo-1.zip"
    page = read_page(f"<a href=/packages/{path}>foo-1.zip</a>".encode(), "text/html", BASE, FOO)
    assert page.files[0].path == path
    assert read("foo-1.zip").files[0].path == ""


def test_R64_files_are_in_order_of_version_then_name() -> None:
    named = ["foo-1.10.tar.gz", "foo-1.9.tar.gz", "foo-1.9-py3-none-any.whl", "foo-1.10rc1.tar.gz", "foo-1-old-odd.tar.gz"]
    in_order = ["foo-1-old-odd.tar.gz", "foo-1.9-py3-none-any.whl", "foo-1.9.tar.gz", "foo-1.10rc1.tar.gz", "foo-1.10.tar.gz"]
    assert [file.filename for file in read(*named).files] == in_order


def test_R50_versions_cover_every_file_and_may_have_none() -> None:
    page = read("foo-1.0.tar.gz", "foo-2.0.0.tar.gz", versions=("3.0", "2.0", "0.9"))
    assert page.versions == ("0.9", "1.0", "2.0", "3.0")


def test_R50_R136_versions_are_normal_and_without_duplicates() -> None:
    assert covering(FOO, ["1.0.0", "1.0", "v2", "2004d-odd", "1.0-RC1"], []) == ("2004d-odd", "1.0rc1", "1.0.0", "2")
    assert same_version("1.0.0") == same_version("1")
    assert normal_version("2004d-odd") == "2004d-odd"


@given(pages())
def test_what_we_write_in_json_is_what_we_read(page: ProjectPage) -> None:
    """Parse after render is identity for all that JSON carries."""
    upstream = read_page(render_json(page), JSON, BASE, page.name)
    shown = revise(ProjectPage(page.name, upstream.files, upstream.versions, upstream.status, upstream.serial or 0))
    assert shown.revision == revise(only_shown_hashes(page)).revision
    assert (upstream.serial or 0, upstream.refused) == (page.serial, 0)


@given(pages())
def test_what_we_write_in_html_is_what_we_read(page: ProjectPage) -> None:
    """Parse after render is identity for all that HTML carries: not the versions without files."""
    upstream = read_page(render_html(page), "text/html; charset=utf-8", BASE, page.name)
    shown = revise(ProjectPage(page.name, upstream.files, (), upstream.status, upstream.serial or 0))
    assert shown.revision == revise(attrs.evolve(only_shown_hashes(page), versions=())).revision
    assert (upstream.serial or 0, upstream.refused) == (page.serial, 0)
    assert set(upstream.versions) <= set(page.versions) | set(covering(page.name, [], page.files))


def only_shown_hashes(page: ProjectPage) -> ProjectPage:
    """The page with the hashes that a client is shown, written down a second time, independently."""
    files = []
    for file in page.files:
        known = dict(file.hashes)
        kept = [key for key in ("sha256", "sha512", "sha384", "md5") if key in known][:1]
        files.append(attrs.evolve(file, hashes=tuple((key, known[key]) for key in kept)))
    return attrs.evolve(page, files=tuple(files))


def test_F7_S32_a_page_of_which_no_entry_is_a_file_of_the_project_is_unreadable() -> None:
    """It is another project's, or none; a page that really has no files has no entries either."""
    with pytest.raises(Unreadable, match="none of its entries"):
        read("bar-1.0.zip", "bar-2.0.zip")
    others = b'<meta name="pypi:repository-version" content="1.0"><a href="bar-1.0.tar.gz">bar-1.0.tar.gz</a>'
    with pytest.raises(Unreadable, match="none of its entries"):
        read_page(others, "text/html", BASE, FOO)
    assert read("bar-1.0.zip", "foo-1.0.zip").refused == 1
    assert read().files == ()


words = st.from_regex(
    r"([0-3]!)?(0|1|2|9|10|11|100)(\.(0|1|9|10)){0,3}((a|b|rc)(0|1|10))?(\.post(0|2|10))?(\.dev(0|2|10))?"
    r"(\+[a-c0-2]{1,2}(\.[a-c0-2]{1,2})?)?",
    fullmatch=True,
)


@given(words, words)
def test_R64_the_order_of_versions_is_that_of_PEP_440(one: str, other: str) -> None:
    assert (version_order(one) < version_order(other)) == (Version(one) < Version(other))
    assert (version_order(one) == version_order(other)) == (Version(one) == Version(other))
    assert version_order("2004d-odd") < version_order(one)
