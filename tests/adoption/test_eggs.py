"""Folders as haufe.eggserver, EggBasket, collective.eggproxy, basketweaver and pip leave them, and what is found in each."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Found, Passed, Project
from pypidaemon.adoption.layouts import ILayout, layout
from pypidaemon.adoption.layouts.basketweaver import DEEPEST
from pypidaemon.adoption.layouts.eggs import stated
from pypidaemon.model import NormalizedName
from pypidaemon.simple.entries import Unreadable
from pypidaemon.testing.archives import make_sdist, make_wheel
from tests import strategies as made_up
from tests.adopting import means, moved, put
from tests.filling import read
from tests.house import House

SDIST = make_sdist("Seeds_Own", "0.1")
WHEEL = make_wheel("Seeds_Own", "0.2")


def laid(root: Path, *paths: str) -> Folder:
    """A folder with these files, each of which holds its own path."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return Folder(str(root))


def found(name: str, folder: Folder) -> list[Finding]:
    """What a layout finds, which has to recognise the folder and to find the same each time."""
    one: ILayout = layout(name)
    assert one.recognised(folder) is None
    assert one.describe()
    first = list(one.find(folder))
    assert first == list(one.find(folder))
    return first


def files(findings: list[Finding]) -> dict[str, NormalizedName | None]:
    """The projects of the files, by path."""
    return {finding.path: finding.project for finding in findings if isinstance(finding, Found)}


def wrong(findings: list[Finding]) -> dict[str, str]:
    """Why things are not taken that ought to be, by path."""
    return {finding.path: finding.reason for finding in findings if isinstance(finding, Passed) and finding.wrong}


@pytest.mark.parametrize("name", ["haufe", "eggbasket"])
def test_files_lie_in_the_folders_of_their_projects(name: str, tmp_path: Path) -> None:
    folder = laid(
        tmp_path,
        "Seeds_Own/Seeds_Own-0.1.tar.gz",
        "Seeds_Own/Seeds_Own-0.1-py2.5.egg",
        "Seeds_Own/README.txt",
        "Seeds_Own/old/Seeds_Own-0.0.tar.gz",
        "seeds.own/seeds.own-0.2.zip",
        "empty/.keep",
        "no project!/x-1.0.tar.gz",
        "stray-1.0.tar.gz",
        "eggbasket.sqlite",
        "server.log",
    )
    os.symlink(tmp_path / "Seeds_Own", tmp_path / "linked")
    os.symlink("/etc/passwd", tmp_path / "Seeds_Own" / "Seeds_Own-9.tar.gz")
    findings = found(name, folder)
    assert files(findings) == {
        "Seeds_Own/Seeds_Own-0.1.tar.gz": "seeds-own",
        "Seeds_Own/Seeds_Own-0.1-py2.5.egg": "seeds-own",
        "seeds.own/seeds.own-0.2.zip": "seeds-own",
    }
    assert set(wrong(findings)) == {"Seeds_Own/Seeds_Own-9.tar.gz", "linked", "no project!", "stray-1.0.tar.gz"}
    notes = [finding.reason for finding in findings if isinstance(finding, Passed) and finding.note]
    assert ("passwords cannot be taken" in "".join(notes)) == (name == "eggbasket")


@pytest.mark.parametrize(
    ("name", "paths", "words"),
    [
        ("haufe", ["a-1.0.tar.gz"], "no folders of projects"),
        ("eggbasket", ["web/simple/a/index.html"], "tree of a mirror"),
        ("eggproxy", [], "no folders of projects"),
        ("basketweaver", ["a-1.0.tar.gz"], "index/index.html"),
        ("pip-wheels", ["abc/def.whl"], "no wheels/"),
        ("devpi-export", ["ann/dev/a/1.0/a-1.0.tar.gz"], "dataindex.json"),
    ],
)
def test_another_folder_is_not_recognised(name: str, paths: list[str], words: str, tmp_path: Path) -> None:
    assert words in str(layout(name).recognised(laid(tmp_path, *paths)))


def test_the_folder_of_links_is_pointed_away_from(tmp_path: Path) -> None:
    """The `index_directory` of haufe.eggserver."""
    os.symlink("/elsewhere/a-1.0.tar.gz", tmp_path / "a-1.0.tar.gz")
    assert "only links" in str(layout("haufe").recognised(Folder(str(tmp_path))))


def test_a_cache_knows_the_md5_of_what_upstream_listed(tmp_path: Path) -> None:
    folder = laid(
        tmp_path,
        "index.html",
        "Seeds_Own/" + SDIST[0],
        "Seeds_Own/" + WHEEL[0],
        "seeds-own/" + SDIST[0],
        "asked-for/index.html",
        "stray-1.0.zip",
    )
    md5 = hashlib.md5(SDIST[1], usedforsecurity=False).hexdigest()
    (tmp_path / "Seeds_Own" / "index.html").write_text(
        f'<html><head><title>Links for Seeds_Own</title></head>\n<body><h1>Seeds_Own</h1><a href="{SDIST[0]}#md5={md5}" rel="download">{SDIST[0]}</a><br />\n'
        f'<a href="Seeds_Own-9.zip#md5={md5}" rel="download">Seeds_Own-9.zip</a><br />\n<a href="{WHEEL[0]}#" rel="download">{WHEEL[0]}</a></body></html>'
    )
    findings = found("eggproxy", folder)
    taken = [finding for finding in findings if isinstance(finding, Found | Project)]
    assert taken[0] == Project(NormalizedName("seeds-own"))
    assert [(one.path, one.file.hashes, one.file.url) for one in taken if isinstance(one, Found)] == [
        ("Seeds_Own/" + SDIST[0], (("md5", md5),), ""),
        ("Seeds_Own/" + WHEEL[0], (), ""),
    ]
    assert set(wrong(findings)) == {"seeds-own/" + SDIST[0], "stray-1.0.zip"}


@pytest.mark.parametrize("page", [b"\xff" * 100, b'<a href="other-1.0.tar.gz">x</a>'])
def test_a_page_that_cannot_be_read_costs_its_md5_alone(page: bytes, tmp_path: Path) -> None:
    folder = laid(tmp_path, "seeds-own/" + SDIST[0])
    (tmp_path / "seeds-own" / "index.html").write_bytes(page)
    findings = found("eggproxy", folder)
    assert files(findings) == {"seeds-own/" + SDIST[0]: "seeds-own"}
    assert wrong(findings) == {}


@given(st.binary(max_size=60), made_up.names)
def test_a_page_states_hashes_or_is_none(body: bytes, name: NormalizedName) -> None:
    with suppress(Unreadable):
        assert all(isinstance(key, str) for key in stated(body, name))


def test_makeindex_leaves_files_anywhere_but_in_its_index(tmp_path: Path) -> None:
    deep = "/".join(["d"] * (DEEPEST + 2))
    folder = laid(
        tmp_path,
        "index/index.html",
        "index/a/index.html",
        "index/a/a-0.1.tar.gz",
        "a-1.0.tar.gz",
        "b/B-1.0.zip",
        "b/c/c-1.0-py2.4.egg",
        f"{deep}/z-1.0.zip",
        ".hidden/h-1.0.zip",
        "notes",
    )
    findings = found("basketweaver", folder)
    assert files(findings) == dict.fromkeys(["a-1.0.tar.gz", "b/B-1.0.zip", "b/c/c-1.0-py2.4.egg"])
    assert list(wrong(findings).values()) == ["is nested too deep to be looked into"]


@pytest.mark.parametrize("lead", ["wheels/", ""])
def test_pip_keeps_what_it_built_under_the_hash_of_a_link(lead: str, tmp_path: Path) -> None:
    place = f"{lead}ab/cd/ef/0123456789"
    folder = laid(tmp_path, f"{place}/{WHEEL[0]}", f"{place}/origin.json", *(["http-v2/a/b/c/body"] if lead else []))
    findings = found("pip-wheels", folder)
    assert files(findings) == {f"{place}/{WHEEL[0]}": None}
    assert wrong(findings) == {}


@pytest.mark.parametrize("name", ["haufe", "eggproxy", "basketweaver"])
def test_a_folder_that_goes_away_meanwhile_is_named(name: str, tmp_path: Path) -> None:
    folder = laid(tmp_path, "index/index.html", "a/a-1.0.zip", "b/b-1.0.zip", "c/c-1.0.zip")
    findings = layout(name).find(folder)
    first = next(findings)
    shutil.rmtree(tmp_path / "b")
    everything = [first, *findings]
    assert wrong(everything)["b"] == "No such file or directory"
    assert set(files(everything)) == {"a/a-1.0.zip", "c/c-1.0.zip"}


def test_what_upstream_says_now_counts_for_a_cache(tmp_path: Path) -> None:
    """Its bytes and its list: what was altered, and what it does not have, is named and left. Nothing but the page is asked for."""
    house = House()
    right, altered, dropped = make_sdist("alpha", "1.0"), make_sdist("alpha", "1.1"), make_sdist("alpha", "2.0")
    house.upstream.add("alpha", right, (altered[0], altered[1] + b"x"))
    put(tmp_path / "Alpha", dict([right, altered, dropped]))
    put(tmp_path / "ours", dict([make_sdist("ours", "1.0")]))
    done = moved(means(house, pypi=house.proxy), "eggproxy", tmp_path)
    assert done.fates == {right[0]: "taken", altered[0]: "skipped", dropped[0]: "skipped", "ours-1.0.tar.gz": "skipped"}
    assert "does not list it" in done.reasons[dropped[0]]
    assert "no project of that name" in done.reasons["ours-1.0.tar.gz"]
    assert moved(means(house, pypi=house.proxy), "eggproxy", tmp_path).counts == (0, 1, 3)
    assert read(house.proxy, NormalizedName("alpha"), right[0]) == right[1]
    assert [asked for asked in house.upstream.asked if "alpha-" in str(asked)] == []


@pytest.mark.parametrize(
    ("name", "place"), [("haufe", "Alpha"), ("eggbasket", "Alpha"), ("basketweaver", "sub"), ("pip-wheels", "wheels/ab/cd/ef/01")]
)
def test_private_folders_become_a_private_index(name: str, place: str, tmp_path: Path) -> None:
    """With the times at which files were put there; twice is once."""
    house = House()
    private = house.with_private()
    wheels = dict([make_wheel("alpha", "1.0"), make_wheel("alpha", "1.1")])
    put(tmp_path / place, wheels)
    put(tmp_path / "index", {"index.html": b"<html></html>"})
    assert moved(means(house, private=private), name, tmp_path).counts == (2, 0, 0)
    assert moved(means(house, private=private), name, tmp_path).counts == (0, 2, 0)
    assert {read(private, NormalizedName("alpha"), file) for file in wheels} == set(wheels.values())
