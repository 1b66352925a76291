"""Project pages in HTML, written."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from typing import Any

import attrs
from hypothesis import given

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Digest, File, Filename, NormalizedName, ProjectPage, ProjectStatus
from pypidaemon.simple.write_html import render_html
from tests.strategies import pages

FILE = File(filename("foo-1.0+x.tar.gz"), path="by-name/x/foo/foo-1.0+x.tar.gz", hashes=(("sha256", "a" * 64),))
PAGE = ProjectPage(project_name("foo"), (FILE,), ("1.0+x",))


def anchor(**facts: Any) -> str:
    (line,) = re.findall("<a .*", render_html(attrs.evolve(PAGE, files=(attrs.evolve(FILE, **facts),))).decode())
    return line  # type: ignore[no-any-return]  # re is typed so loosely


class Outsider(HTMLParser):
    """The standard library's reader, as a client that owes us nothing."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.anchors: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.anchors.append((dict(attributes), ""))

    def handle_data(self, data: str) -> None:
        if self.anchors and self.lasttag == "a":
            self.anchors[-1] = (self.anchors[-1][0], self.anchors[-1][1] + data)


def test_R18_R19_R20_the_whole_of_a_plain_page() -> None:
    assert render_html(attrs.evolve(PAGE, serial=7)).decode() == (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="pypi:repository-version" content="1.4">\n'
        "<title>Links for foo</title>\n</head>\n<body>\n<h1>Links for foo</h1>\n"
        f'<a href="../../packages/by-name/x/foo/foo-1.0%2Bx.tar.gz#sha256={"a" * 64}">foo-1.0+x.tar.gz</a><br>\n'
        "</body>\n</html>\n<!--SERIAL 7-->\n"
    )


def test_R33_an_unknown_serial_is_not_stated() -> None:
    assert b"SERIAL" not in render_html(PAGE)


@given(pages())
def test_R21_R23_R24_R32_one_plain_anchor_per_file_and_line(page: ProjectPage) -> None:
    body = render_html(page)
    anchors = Outsider(body).anchors
    assert [text.strip() for _, text in anchors] == [file.filename for file in page.files]
    assert "base" not in Outsider(body).tags
    for (attributes, _), file in zip(anchors, page.files, strict=True):
        assert attributes.get("data-requires-python") == file.requires_python
        assert attributes.get("data-yanked") == file.yanked
    lines = [line for line in body.decode().split("\n") if "<a" in line]
    assert len(lines) == len(page.files)
    assert all(re.fullmatch(r'<a(?: [a-z-]+="[^<>"]*")+>[^<>]+</a><br>', line) for line in lines)


@given(pages())
def test_R22_no_fragment_that_a_client_does_not_know(page: ProjectPage) -> None:
    assert set(re.findall(r"#(\w+)=", " ".join(str(a["href"]) for a, _ in Outsider(render_html(page)).anchors))) <= {
        "sha256",
        "sha384",
        "sha512",
        "md5",
    }


def test_R22_without_a_known_hash_there_is_no_fragment() -> None:
    assert "#" not in anchor(hashes=(("sha1", "a" * 40), ("blake2b_256", "b" * 64)))


def test_R25_R26_attributes_only_where_they_say_something() -> None:
    assert "data-" not in anchor()
    assert ' data-yanked=""' in anchor(yanked="")
    assert ' data-requires-python="&gt;=3.8"' in anchor(requires_python=">=3.8")


def test_R27_R28_the_sidecar_by_both_names_or_none() -> None:
    assert f' data-core-metadata="sha256={"c" * 64}" data-dist-info-metadata="sha256={"c" * 64}"' in anchor(core_metadata="c" * 64)
    assert ' data-core-metadata="true" data-dist-info-metadata="true"' in anchor(core_metadata="")
    assert "metadata" not in anchor(core_metadata=None)


def test_R29_R30_R34_the_lesser_attributes() -> None:
    line = anchor(provenance="https://x.example/p", gpg_sig=True, size=5, upload_time="2024-01-02T03:04:05Z")
    assert 'data-provenance="https://x.example/p" data-gpg-sig="true" data-size="5" data-upload-time="2024-01-02T03:04:05Z"' in line
    assert "data-provenance" not in anchor(provenance="http://x.example/p")
    assert 'data-gpg-sig="false"' in anchor(gpg_sig=False)


def test_R31_the_status_stands_in_meta_elements_unless_it_says_nothing() -> None:
    assert b"project-status" not in render_html(PAGE)
    body = render_html(attrs.evolve(PAGE, status=ProjectStatus("archived", 'old & "done"'))).decode()
    assert '<meta name="pypi:project-status" content="archived">\n' in body
    assert '<meta name="pypi:project-status-reason" content="old &amp; &quot;done&quot;">\n' in body
    assert "reason" not in render_html(attrs.evolve(PAGE, status=ProjectStatus("archived"))).decode()


def test_S59_whatever_an_entry_holds_ends_no_attribute() -> None:
    """What passed the gate has nothing to escape, and nothing goes by that."""
    odd = "a&b<c>d\"e'f"
    entry = File(filename=Filename(odd), url="", path="p", upload_time=odd, core_metadata=Digest(odd), requires_python=odd, yanked=odd)
    plain = attrs.evolve(entry, upload_time=None, core_metadata=None)
    for one in (entry, plain):
        text = render_html(ProjectPage(NormalizedName("a"), (one,)), lambda _: odd).decode()
        (anchor,) = [line for line in text.splitlines() if line.startswith("<a ")]
        attributes, _, rest = anchor.removeprefix("<a ").partition(">")
        assert rest == f"{escape(odd)}</a><br>"
        assert set(re.findall(r'="([^"]*)"', attributes)) <= {escape(odd), f"sha256={escape(odd)}"}
