"""A fixed list of exact releases (P12)."""

from __future__ import annotations

import pytest

from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.indexes.pinned import Pinned, releases
from pypidaemon.model import Companion, Filename, NormalizedName
from tests.gear import inline, now
from tests.house import House

ALPHA, BETA = NormalizedName("alpha"), NormalizedName("beta")


def stable(*pins: str) -> tuple[House, Pinned]:
    house = House()
    house.upstream.add(
        "alpha",
        ("alpha-1.0-py3-none-any.whl", b"one"),
        ("alpha-1.0.0.tar.gz", b"same"),
        ("alpha-1.0.post1.tar.gz", b"post"),
        ("alpha-1.1.tar.gz", b"newer"),
        versions=("1.0", "1.0.post1", "1.1"),
        serial=9,
    )
    house.upstream.add("beta", ("beta-2.0.tar.gz", b"beta"), versions=("2.0",), serial=8)
    return house, Pinned("stable", house.proxy, pins or ("alpha==1.0",), house.records, inline)


def test_P12_exactly_the_listed_releases_are_there() -> None:
    """Also under another spelling of the version (R136)."""
    _, index = stable()
    page = now(index.project_page(ALPHA))
    assert [file.filename for file in page.files] == ["alpha-1.0-py3-none-any.whl", "alpha-1.0.0.tar.gz"]
    assert page.versions == ("1.0",)
    assert page.serial >= 9
    assert now(index.find(ALPHA, Filename("alpha-1.0.0.tar.gz"))).file == page.files[1]
    content = now(index.open_file(ALPHA, Filename("alpha-1.0-py3-none-any.whl"), Companion.FILE))
    assert now(content.read(0, 10)) == b"one"


def test_P12_several_releases_of_one_project() -> None:
    _, index = stable("alpha==1.0.0", "alpha==1.1", "beta==2")
    assert now(index.project_page(ALPHA)).versions == ("1.0", "1.1")
    assert len(now(index.project_page(BETA)).files) == 1


def test_law_2_other_releases_and_projects_cannot_be_opened() -> None:
    _, index = stable()
    for other in ("alpha-1.1.tar.gz", "alpha-1.0.post1.tar.gz"):
        for question in (index.find(ALPHA, Filename(other)), index.open_file(ALPHA, Filename(other), Companion.FILE)):
            with pytest.raises(NoSuchFile):
                now(question)
    for question in (index.project_page(BETA), index.find(BETA, Filename("beta-2.0.tar.gz"))):
        with pytest.raises(NoSuchProject):
            now(question)


def test_nobody_is_asked_about_projects_that_are_not_listed() -> None:
    house, index = stable()
    for name in (BETA, NormalizedName("gamma")):
        with pytest.raises(NoSuchProject):
            now(index.project_page(name))
    assert list(now(index.project_names()).entries()) == [("alpha", 1)]
    assert now(index.refresh(BETA)) == 0
    assert house.upstream.asked == []


def test_a_release_that_is_missing_behind_leaves_its_page_empty() -> None:
    _, index = stable("alpha==3.0", "gamma==1")
    page = now(index.project_page(ALPHA))
    assert (page.files, page.versions) == ((), ())
    with pytest.raises(NoSuchProject):
        now(index.project_page(NormalizedName("gamma")))


def test_law_10_an_outage_behind_is_an_outage() -> None:
    house, index = stable()
    house.upstream.fails(["alpha"])
    with pytest.raises(UpstreamUnavailable):
        now(index.project_page(ALPHA))


def test_the_rows_of_projects_no_longer_listed_are_not_told() -> None:
    house, index = stable("alpha==1.0", "beta==2.0")
    now(index.project_page(ALPHA))
    now(index.project_page(BETA))
    fewer = Pinned("stable", house.proxy, ("beta==2.0",), house.records, inline)
    assert {row.name for row in now(index.changes(0))} == {ALPHA, BETA}
    assert {row.name for row in now(fewer.changes(0))} == {BETA}
    assert now(index.project_names()).revision != now(fewer.project_names()).revision


def test_releases_are_exact() -> None:
    assert releases("Alpha_x==1.0\n beta==1!2.0+local alpha-x==1.0") == ("alpha-x==1.0", "beta==1!2.0+local")
    for raw in ("", "alpha", "alpha==", "==1.0", "alpha==1.*", "alpha>=1.0", "alpha===1.0", "alpha==1.0,!=2", "al/pha==1.0", "alpha[x]==1"):
        with pytest.raises(ValueError, match=r"release|project name"):
            releases(raw)
