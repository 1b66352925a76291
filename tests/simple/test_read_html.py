"""Project pages in HTML, read."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import project_name
from pypidaemon.model import File, ProjectStatus, UpstreamPage
from pypidaemon.simple import entries
from pypidaemon.simple import read_html as reading
from pypidaemon.simple.entries import Unreadable
from pypidaemon.simple.read_html import CHUNK, decoded, read_html

FOO = project_name("foo")
BASE = "https://index.example/simple/foo/"
SHA, MD5 = "a" * 64, "b" * 32


def read(html: str, charset: str | None = None, base: str = BASE) -> UpstreamPage:
    return read_html(html.encode(), charset, base, FOO)


def one(html: str) -> File:
    (file,) = read(html).files
    return file


def test_R61_an_anchor_is_a_file() -> None:
    file = one(f'<a href="../../packages/foo-1.0%2Bx.tar.gz#sha256={SHA}&amp;md5={MD5}&egg=foo">foo-1.0+x.tar.gz</a>')
    assert file == File(
        filename=file.filename,
        url="https://index.example/packages/foo-1.0%2Bx.tar.gz",
        hashes=(("sha256", SHA), ("md5", MD5)),
    )
    assert file.filename == "foo-1.0+x.tar.gz"


def test_R32_a_base_element_is_honoured_once() -> None:
    assert one('<base href="/files/"><base href="/no/"><a href=foo-1.0.zip>x</a>').url == "https://index.example/files/foo-1.0.zip"


def test_S54_a_broken_base_element_is_ignored() -> None:
    assert one('<base><base href="https://[broken"><a href=foo-1.0.zip>x</a>').url == BASE + "foo-1.0.zip"


def test_S47_a_base_element_cannot_make_http_good() -> None:
    page = read('<base href="http://index.example/"><a href=foo-1.0.zip>x</a>')
    assert (page.files, page.refused) == ((), 1)


def test_data_attributes_are_facts() -> None:
    file = one(
        '<a href="foo-1.0.tar.gz" data-requires-python="&gt;=3.8" data-yanked="bad &quot;one&quot;" data-gpg-sig="TRUE" data-size="12"'
        f' data-upload-time="2024-01-02T03:04:05Z" data-provenance="https://index.example/p" data-dist-info-metadata="sha256={SHA}">foo</a>'
    )
    assert (file.requires_python, file.yanked, file.gpg_sig, file.size) == (">=3.8", 'bad "one"', True, 12)
    assert (file.upload_time, file.provenance, file.core_metadata) == ("2024-01-02T03:04:05Z", "https://index.example/p", SHA)


@pytest.mark.parametrize(("attribute", "yanked"), [("data-yanked", ""), ('data-yanked=""', ""), ("data-yanked='why'", "why"), ("", None)])
def test_R26_a_bare_or_empty_yanked_attribute_is_yanked(attribute: str, yanked: str | None) -> None:
    assert one(f"<a href=foo-1.0.tar.gz {attribute}>x</a>").yanked == yanked


@pytest.mark.parametrize(
    ("attributes", "sidecar"),
    [
        ("data-core-metadata=true", ""),
        ("data-core-metadata=false", None),
        ("data-core-metadata", None),
        ("data-core-metadata=md5=" + MD5, ""),
        ("data-core-metadata=false data-dist-info-metadata=true", None),
        ("data-core-metadata=nonsense data-dist-info-metadata=true", ""),
        ("", None),
    ],
)
def test_R27_R28_the_sidecar_attribute_is_true_or_a_hash(attributes: str, sidecar: str | None) -> None:
    assert one(f"<a href=foo-1.0.tar.gz {attributes}>x</a>").core_metadata == sidecar


@pytest.mark.parametrize(
    "anchor",
    [
        '<a href="../">../</a>',
        '<a href="foo/">foo/</a>',
        '<a name="top">top</a>',
        '<a href="https://foo.example/foo-1.0.tar.gz" rel="Homepage">home</a>',
        '<a href="https://foo.example/foo-1.0.tar.gz" rel="download">get</a>',
        '<a href="?C=N;O=D">Name</a>',
        '<a href="foo-1.0.tar.gz.asc">signature</a>',
        '<a href="foo-1.0-py3-none-any.whl.metadata">metadata</a>',
        '<a href="mailto:a@foo.example">mail</a>',
        '<a href="https://[broken">x</a>',
        "<a>foo-1.0.tar.gz</a>",
        '<a href="index.html">index</a>',
    ],
)
def test_anchors_that_lead_to_no_file_are_passed_by_in_silence(anchor: str) -> None:
    page = read(f"{anchor}<a href=foo-1.0.zip>foo-1.0.zip</a>")
    assert ([file.filename for file in page.files], page.refused) == (["foo-1.0.zip"], 0)


def test_R21_the_anchors_text_names_the_file_where_the_url_does_not() -> None:
    assert one('<a href="/download?id=5"> foo-<b>1.0</b>.tar.gz\n</a>').filename == "foo-1.0.tar.gz"


def test_R63_files_of_unknown_type_are_kept() -> None:
    assert one('<a href="foo-1.0-variants.json">foo-1.0-variants.json</a>').filename == "foo-1.0-variants.json"


def test_S4_unclean_files_cost_themselves_only() -> None:
    page = read(
        '<a href="..%2Ffoo-1.0.zip">x</a><a href="bar-1.0.zip">x</a><a href="ftp://x/foo-1.0.zip">x</a><a href=foo-2.zip>foo-2.zip</a>'
    )
    assert ([file.filename for file in page.files], page.refused) == (["foo-2.zip"], 3)


def test_an_anchor_without_an_end_ends_at_the_next() -> None:
    assert [file.filename for file in read("<a href=foo-1.zip>foo-1.zip<a href=foo-2.zip>foo-2.zip").files] == ["foo-1.zip", "foo-2.zip"]


@pytest.mark.parametrize("version", ["2.0", "", "x"])
def test_R61_another_major_version_is_unreadable(version: str) -> None:
    with pytest.raises(Unreadable):
        read(f'<meta name="pypi:repository-version" content="{version}"><a href=foo-1.zip>foo-1.zip</a>')


def test_R31_the_status_stands_in_meta_elements() -> None:
    head = '<meta name="pypi:repository-version" content="1.4"><meta name="viewport" content="x">'
    status = '<meta name="pypi:project-status" content="archived"><meta name="pypi:project-status-reason" content="old &amp; done">'
    assert read(head + status).status == ProjectStatus("archived", "old & done")
    assert read(head + '<meta name="pypi:project-status-reason" content="x">').status == ProjectStatus()


@pytest.mark.parametrize(
    ("comment", "serial"), [("<!--SERIAL 12-->", 12), ("<!-- SERIAL 12 -->", 12), ("<!--SERIAL x-->", None), ("<!-- hello -->", None)]
)
def test_R33_the_serial_stands_in_a_comment(comment: str, serial: int | None) -> None:
    assert read("<a href=foo-1.zip>foo-1.zip</a>" + comment).serial == serial


@pytest.mark.parametrize(
    "html",
    [
        "<html><form action=/login><input name=password></form></html>",
        "<html><script>location = '/portal'</script><a href=/help>help</a></html>",
        "",
        '{"meta": {"api-version": "1.0"}, "name": "foo", "files": []}',
    ],
)
def test_F7_a_captive_portal_is_no_index_page(html: str) -> None:
    with pytest.raises(Unreadable):
        read(html)


@pytest.mark.parametrize(
    "html",
    [
        "<html><head><title>Links for foo</title></head><body><h1>Links for foo</h1></body></html>",
        '<meta name="pypi:repository-version" content="1.0"><form action=refresh></form>',
    ],
)
def test_F7_an_index_page_without_files_is_one(html: str) -> None:
    assert read(html).files == ()


def test_F7_a_page_with_files_may_have_forms() -> None:
    assert one("<form action=refresh></form><a href=foo-1.zip>foo-1.zip</a>").filename == "foo-1.zip"


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"\xc3\xbc", None, "\u00fc"),
        (b"\xc3\xbc", "UTF-8", "\u00fc"),
        (b"\xfc", "latin-1", "\u00fc"),
        (b"\xfc", "Windows-1252", "\u00fc"),
        (b"\xef\xbb\xbf\xc3\xbc", "latin-1", "\u00fc"),
        (b"\xfc", None, "\ufffd"),
        (b"x", "no such", "x"),
        (b"x", "a\x00b", "x"),
        (b"x", "rot13", "x"),
        (b"x", "idna", "x"),
        (b"x", "unicode_escape", "x"),
    ],
)
def test_S54_broken_encodings_never_fail(body: bytes, charset: str | None, text: str) -> None:
    assert "".join(piece for piece, _ in decoded(body, charset)) == text


def test_S54_ten_thousand_open_elements_are_no_matter() -> None:
    assert len(read("<div>" * 100_000 + "<a href=foo-1.zip>foo-1.zip</a>").files) == 1


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["<a ", "href=", "foo-1.zip", ">", "</a>", "<base ", "<meta name=", "'", "&#", "9" * 5000, "[", "//"])).map(
        "".join
    )
)
def test_S54_any_text_is_read_or_unreadable(html: str) -> None:
    with suppress(Unreadable):
        read_html(html.encode("utf-8", "surrogatepass"), None, BASE, FOO)


def test_S54_a_page_is_decoded_in_pieces() -> None:
    """Characters that a cut goes through included; the last piece says that it is the last, and there always is one."""
    text = "\u00fc" * CHUNK + "x"
    pieces = list(decoded(text.encode(), None))
    assert "".join(piece for piece, _ in pieces) == text
    assert [last for _, last in pieces] == [False, False, True]
    assert list(decoded(b"", None)) == [("", True)]


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<html><head><title>Welcome</title></head><body><p>Please <a href='http://portal.example/login'>log in</a>.</p></body></html>",
        "<title>502 Bad Gateway</title><h1>Index of failures</h1>",
        "<title>Simple index</title><form></form>",
        "<title>x<b>Index of</b>",
    ],
)
def test_F7_a_page_without_files_that_does_not_say_it_is_an_index_is_unreadable(html: str) -> None:
    with pytest.raises(Unreadable, match="not an index page"):
        read(html)


@pytest.mark.parametrize(
    "html",
    [
        '<meta name="pypi:repository-version" content="1.0">',
        '<meta name="api-version" value="2">',
        "<title>Links for foo</title>",
        "<TITLE>root/dev: links for foo</TITLE>",
        "<title>Simple Index</title>",
        "<title>Index of /simple/foo/</title><h1>Index of /simple/foo/</h1><a href='../'>../</a>",
        "<title>Directory listing for /</title>",
    ],
)
def test_F7_an_index_without_files_is_known_by_its_version_or_its_title(html: str) -> None:
    assert read(html).files == ()


def test_S84_more_entries_or_tags_than_a_page_may_have_are_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST_ENTRIES", 3)
    assert len(read("<a href=foo-1.zip></a>" * 3).files) == 3
    with pytest.raises(Unreadable, match="too many entries"):
        read("<a href=foo-1.zip></a>" * 4)
    monkeypatch.setattr(reading, "MOST_TAGS", 5)
    with pytest.raises(Unreadable, match="too many tags"):
        read("<b>" * 6)


def test_S84_what_is_too_long_for_a_link_or_a_name_is_none() -> None:
    assert (read(f"<a href='{'./' * 2100}foo-1.zip'>foo-1.zip</a>").refused) == 1
    page = read(f"<title>Links for</title><a href=x>{'x' * 5000}<b>foo-1.zip</a>")
    assert (page.files, page.refused) == ((), 0)
    assert one(f"<base href='{'x/' * 2100}'><a href=foo-1.zip>x</a>").url == BASE + "foo-1.zip"


def test_S84_a_tag_that_does_not_end_makes_a_large_page_unreadable() -> None:
    with pytest.raises(Unreadable, match="does not end"):
        read("<a href=foo-1.zip>foo-1.zip</a><!--" + "-" * 1_000_000)
