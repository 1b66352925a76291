"""The layouts of older tools, read with suspicion."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.adoption.folder import Folder, Unfit
from pypidaemon.adoption.found import Finding, Found, Passed, Project
from pypidaemon.adoption.layouts import LAYOUTS, ILayout, layout
from pypidaemon.model import ProjectStatus
from tests.adopting import bandersnatch, md5, pep381client, put, releases, sha256, z3c

FILES = releases("alpha", "1.0")
WHEEL, SDIST = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"


def found(name: str, root: Path) -> list[Finding]:
    """All that is found there."""
    return list(layout(name).find(Folder(str(root))))


def files(findings: list[Finding]) -> dict[str, Found]:
    """The files among it, by name."""
    return {one.file.filename: one for one in findings if isinstance(one, Found)}


def passed(findings: list[Finding]) -> dict[str, str]:
    """What is not taken and ought to be looked at, with why."""
    return {one.path: one.reason for one in findings if isinstance(one, Passed) and one.wrong}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_each_layout_keeps_the_interface_and_finds_nothing_in_an_empty_folder(name: str, tmp_path: Path) -> None:
    made = layout(name)
    verifyObject(ILayout, made)
    assert made.describe()
    assert "\n" not in made.describe()
    try:
        assert [one for one in found(name, tmp_path) if isinstance(one, Found)] == []
    except OSError:
        assert made.recognised(Folder(str(tmp_path)))


class TestFolder:
    """Nothing outside is reached."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        put(tmp_path / "in" / "below", {"a.txt": b"inside"})
        put(tmp_path / "out", {"b.txt": b"outside"})
        (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
        (tmp_path / "in" / "link.txt").symlink_to(tmp_path / "out" / "b.txt")
        os.mkfifo(tmp_path / "in" / "pipe")
        return tmp_path / "in"

    def test_what_is_inside_is_read(self, root: Path) -> None:
        folder = Folder(str(root))
        assert [(one.name, one.kind) for one in folder.entries()] == [
            ("below", "folder"), ("link", "link"), ("link.txt", "link"), ("pipe", "other"),
        ]  # fmt: skip
        assert [one.path for one in folder.entries("below")] == ["below/a.txt"]
        assert folder.read("below/a.txt", 6) == b"inside"
        assert folder.modified("below/a.txt") == 1_500_000_000
        assert folder.has("below/a.txt")
        assert folder.has("below")

    @pytest.mark.parametrize(
        "path",
        ["link/b.txt", "link.txt", "../out/b.txt", "below/../../out/b.txt", "/etc/hostname", "below//a.txt", "pipe", "a\0b", "below"],
    )
    def test_what_leads_out_or_is_no_file_is_not(self, path: str, root: Path) -> None:
        folder = Folder(str(root))
        with pytest.raises(OSError, match=r"."):
            folder.read(path, 100)
        assert path == "below" or not folder.has(path)

    def test_a_folder_behind_a_link_is_not_listed_and_a_long_file_not_read(self, root: Path) -> None:
        folder = Folder(str(root))
        with pytest.raises(Unfit, match="link"):
            folder.entries("link")
        with pytest.raises(Unfit, match="more than 5 bytes"):
            folder.read("below/a.txt", 5)


class TestZ3c:
    """`Name/file` and `.file.md5`."""

    def test_files_with_their_md5(self, tmp_path: Path) -> None:
        findings = found("z3c", z3c(tmp_path, "Zope.Alpha", {SDIST: FILES[SDIST]}))
        assert [one.name for one in findings if isinstance(one, Project)] == ["zope-alpha"]
        assert files(findings)[SDIST].file.hashes == (("md5", md5(FILES[SDIST])),)
        assert files(findings)[SDIST].project == "zope-alpha"
        assert passed(findings) == {}

    def test_what_cannot_be_is_named(self, tmp_path: Path) -> None:
        z3c(tmp_path, "alpha", FILES)
        (tmp_path / "alpha" / f".{SDIST}.md5").write_text("not an md5")
        put(tmp_path / "-bad-", {WHEEL: b""})
        put(tmp_path, {"loose-1.0.zip": b""})
        put(tmp_path / "alpha" / "deeper", {})
        findings = found("z3c", tmp_path)
        assert passed(findings) == {
            "-bad-": "no project can have this name",
            f"alpha/{SDIST}": "what is kept beside it is no md5",
            "alpha/deeper": "a folder in that of a project",
            "loose-1.0.zip": "it lies in no folder of a project",
        }
        assert list(files(findings)) == [WHEEL]

    def test_a_sidecar_that_is_a_link_is_not_read(self, tmp_path: Path) -> None:
        z3c(tmp_path, "alpha", {SDIST: FILES[SDIST]})
        beside = tmp_path / "alpha" / f".{SDIST}.md5"
        beside.unlink()
        beside.symlink_to("/etc/hostname")
        assert files(found("z3c", tmp_path))[SDIST].file.hashes == ()


class TestPep381Client:
    """Pages of old."""

    def test_files_where_links_lead(self, tmp_path: Path) -> None:
        findings = found("pep381client", pep381client(tmp_path, "Alpha", FILES))
        assert files(findings)[SDIST].path == f"web/packages/source/A/Alpha/{SDIST}"
        assert files(findings)[SDIST].file.hashes == (("md5", md5(FILES[SDIST])),)
        assert passed(findings) == {}
        [project] = [one for one in findings if isinstance(one, Project)]
        assert project.name == "alpha"
        # A pickle is never read.
        assert not Path("PWNED").exists()

    def test_a_project_without_files_is_no_fault_and_links_that_lead_elsewhere_are_followed_nowhere(self, tmp_path: Path) -> None:
        pep381client(tmp_path, "Alpha", FILES)
        put(tmp_path / "web" / "simple" / "Empty", {"index.html": b'<a href="http://home.invalid/">home</a>'})
        put(tmp_path / "web" / "simple" / "none", {})
        links = "".join(
            f'<a href="{link}">{name}</a>'
            for name, link in (
                ("evil-1.0.tar.gz", "../../packages/../../../../etc/evil-1.0.tar.gz"),
                ("evil-1.1.tar.gz", "../../packages/%2e%2e/%2e%2e/secret/evil-1.1.tar.gz"),
                ("evil-1.2.tar.gz", "https://elsewhere.invalid/evil-1.2.tar.gz"),
                ("evil-1.3.tar.gz", "../../packages/gone/evil-1.3.tar.gz"),
            )
        )
        put(tmp_path / "web" / "simple" / "evil", {"index.html": links.encode()})
        put(tmp_path / "secret", {"evil-1.1.tar.gz": b"secret"})
        findings = found("pep381client", tmp_path)
        assert set(files(findings)) == set(FILES)
        reasons = passed(findings)
        assert reasons.pop("web/simple/none") == "there is no page in it"
        assert set(reasons.values()) == {"its page lists it, and it is not there"}


class TestBandersnatch:
    """Pages in JSON, and what lies beside them."""

    def test_what_the_page_says(self, tmp_path: Path) -> None:
        facts = {WHEEL: {"yanked": "bad", "upload-time": "2020-01-01T00:00:00Z", "requires-python": ">=3.8"}}
        findings = found("bandersnatch", bandersnatch(tmp_path, "alpha", FILES, facts))
        assert next(one for one in findings if isinstance(one, Project)).serial == 42
        wheel = files(findings)[WHEEL].file
        assert (wheel.yanked, wheel.upload_time, wheel.requires_python) == ("bad", "2020-01-01T00:00:00Z", ">=3.8")
        assert (wheel.digest, wheel.size, wheel.url) == (sha256(FILES[WHEEL]), len(FILES[WHEEL]), "")
        assert wheel.path.endswith(f"/{WHEEL}")

    def test_what_upstreams_own_document_says_besides(self, tmp_path: Path) -> None:
        facts: dict[str, dict[str, Any]] = {
            WHEEL: {
                "url": f"https://files.example/packages/aa/{WHEEL}", "digests": {"md5": md5(FILES[WHEEL]), "sha256": "0" * 64},
                "upload_time_iso_8601": "2020-01-01T00:00:00.5Z", "requires_python": ">=3.9", "yanked": True, "yanked_reason": "old",
            }
        }  # fmt: skip
        bandersnatch(tmp_path, "alpha", FILES, facts, legacy=True)
        wheel = files(found("bandersnatch", tmp_path))[WHEEL].file
        # Of two that say something the page's own word counts; what only the other says is checked as well.
        assert wheel.hashes == (("sha256", sha256(FILES[WHEEL])), ("md5", md5(FILES[WHEEL])))
        assert (wheel.yanked, wheel.upload_time, wheel.requires_python, wheel.url) == (
            "old", "2020-01-01T00:00:00.5Z", ">=3.9", f"https://files.example/packages/aa/{WHEEL}",
        )  # fmt: skip

    @pytest.mark.parametrize("document", [b"{", b"[]", b'{"releases": []}', b'{"releases": {"1": [1, {"filename": 3}]}}'])
    def test_a_document_that_is_none_costs_what_it_says(self, document: bytes, tmp_path: Path) -> None:
        bandersnatch(tmp_path, "alpha", FILES)
        put(tmp_path / "web" / "json", {"alpha": document})
        findings = found("bandersnatch", tmp_path)
        assert set(files(findings)) == set(FILES)
        assert passed(findings) in ({}, {"web/json/alpha": "cannot be read: it is no such document"})

    def test_folders_by_first_letter_and_pages_that_are_kept(self, tmp_path: Path) -> None:
        """`hash-index` and `keep_index_versions`."""
        bandersnatch(tmp_path, "alpha", FILES)
        simple = tmp_path / "web" / "simple"
        (simple / "a").mkdir()
        (simple / "alpha").rename(simple / "a" / "alpha")
        place = simple / "a" / "alpha"
        versions = place / "versions"
        versions.mkdir()
        for name in ("index_9_2020-01-01T000000Z.v1_json", "index_100_2020-01-01T000000Z.v1_json"):
            (versions / name).write_bytes((place / "index.v1_json").read_bytes().replace(b'"42"', b'"%b"' % name.split("_")[1].encode()))
        (place / "index.v1_json").unlink()
        (place / "index.v1_json").symlink_to(versions / "index_9_2020-01-01T000000Z.v1_json")
        findings = found("bandersnatch", tmp_path)
        assert set(files(findings)) == set(FILES)
        assert [one.serial for one in findings if isinstance(one, Project)] == [100]

    def test_html_of_older_versions_and_absolute_links(self, tmp_path: Path) -> None:
        bandersnatch(tmp_path, "alpha", FILES)
        page = tmp_path / "web" / "simple" / "alpha" / "index.v1_json"
        entries = json.loads(page.read_text())["files"]
        page.unlink()
        links = "".join(
            f'<a href="http://mirror.example:8080/pypi{entry["url"][5:]}#sha256={entry["hashes"]["sha256"]}" data-yanked="">{entry["filename"]}</a>'
            for entry in entries
        )
        page.with_name("index.html").write_text(links)
        findings = found("bandersnatch", tmp_path)
        assert {name: one.file.digest for name, one in files(findings).items()} == {name: sha256(data) for name, data in FILES.items()}
        assert {one.file.yanked for one in files(findings).values()} == {""}

    def test_pages_that_are_none_are_named(self, tmp_path: Path) -> None:
        bandersnatch(tmp_path, "alpha", FILES)
        for name, body in (("beta", b"/packages/ {"), ("gamma", (tmp_path / "web/simple/alpha/index.v1_json").read_bytes())):
            put(tmp_path / "web" / "simple" / name, {"index.v1_json": body})
        (tmp_path / "web" / "simple" / "link").symlink_to(tmp_path / "web" / "simple" / "alpha")
        findings = found("bandersnatch", tmp_path)
        assert set(passed(findings)) == {"web/simple/beta/index.v1_json", "web/simple/gamma/index.v1_json", "web/simple/link"}
        assert set(files(findings)) == set(FILES)

    def test_the_status_of_a_project_comes_along(self, tmp_path: Path) -> None:
        bandersnatch(tmp_path, "alpha", FILES)
        page = tmp_path / "web" / "simple" / "alpha" / "index.v1_json"
        page.write_text(json.dumps({**json.loads(page.read_text()), "project-status": {"status": "archived", "reason": "done"}}))
        assert [one.status for one in found("bandersnatch", tmp_path) if isinstance(one, Project)] == [ProjectStatus("archived", "done")]


def test_folders_within_folders_end_somewhere(tmp_path: Path) -> None:
    """However deep they are, and whatever they are called."""
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("a", dir_fd=place)
        deeper = os.open("a", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = deeper
    os.close(place)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "simple").symlink_to(tmp_path)
    [deep] = [one for one in found("pypiserver", tmp_path) if isinstance(one, Passed) and "deep" in one.reason]
    assert deep.path.count("a") == 21
    (tmp_path / "web" / "simple").unlink()
    (tmp_path / "a").rename(tmp_path / "web" / "simple")
    assert passed(found("bandersnatch", tmp_path)) == {"web/simple/a/a": "there is no page in it"}


_NAMES = st.sampled_from(
    [
        "a",
        "web",
        "simple",
        "packages",
        "json",
        "index.html",
        "index.v1_json",
        "alpha-1.0.tar.gz",
        ".x.md5",
        "b c",
        "..x",
        "\udcff",
        "x" * 200,
        WHEEL,
    ]
)
_LEAVES = st.one_of(
    st.binary(max_size=30).map(lambda data: data),
    st.just(b'{"name":"a","files":[{"filename":"a-1.0.tar.gz","url":"../../packages/a-1.0.tar.gz"}]}'),
    st.sampled_from(["/etc/hostname", "..", "."]),
)
_TREES = st.recursive(
    st.dictionaries(_NAMES, _LEAVES, max_size=4),
    lambda inner: st.dictionaries(_NAMES, st.one_of(_LEAVES, inner), max_size=4),
    max_leaves=12,
)


def grow(place: Path, tree: dict[str, Any]) -> None:
    """Make that tree: text is where a link leads."""
    for name, what in tree.items():
        if isinstance(what, dict):
            (place / name).mkdir()
            grow(place / name, what)
        elif isinstance(what, str):
            (place / name).symlink_to(what)
        else:
            (place / name).write_bytes(what)


@given(st.sampled_from(sorted(LAYOUTS)), _TREES)
def test_whatever_lies_there_nothing_outside_is_found_and_nothing_is_raised(name: str, tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        grow(root, tree)
        folder = Folder(str(root))
        try:
            findings = found(name, root)
        except OSError:
            # The folder itself has not what the layout needs.
            assert layout(name).recognised(folder) is not None
            return
        for one in findings:
            if isinstance(one, Found):
                os.close(folder.open(one.path))
                assert (root / one.path).resolve().is_relative_to(root.resolve())
        assert findings == found(name, root)
