"""Merging, for the projects that are named and no others."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest
from twisted.logger import LogLevel, globalLogPublisher

from pypidaemon.errors import NoSuchFile, NoSuchProject, Refused, UpstreamUnavailable
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import Companion, Filename, NormalizedName
from pypidaemon.policies.names import Names
from tests.fakes import FakeUpstream
from tests.gear import inline, now
from tests.house import House

ALPHA, BETA = NormalizedName("alpha"), NormalizedName("beta")
SHARED = Filename("alpha-1.0.tar.gz")
FAR = Filename("alpha-9.0.tar.gz")


@attrs.define
class Pair:
    """Two upstreams, merged for `alpha` and `lib-*`."""

    house: House = attrs.field(factory=House)
    near: FakeUpstream = attrs.field(factory=lambda: FakeUpstream("near"))
    far: FakeUpstream = attrs.field(factory=lambda: FakeUpstream("far"))
    root: Merged = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        both = (self.house.new_proxy("near", self.near), self.house.new_proxy("far", self.far))
        self.root = Merged("root", both, ("alpha", "lib-*"), self.house.records, inline)
        self.near.add("alpha", (SHARED, b"near"), serial=5)
        self.far.add("alpha", (SHARED, b"far"), (FAR, b"farther"), serial=7, versions=("1.0", "9.0", "10.0"))

    def content(self, filename: Filename, name: NormalizedName = ALPHA) -> bytes:
        opened = now(self.root.open_file(name, filename, Companion.FILE))
        data: bytes = now(opened.read(0, 100))
        opened.close()
        return data


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    found: list[str] = []

    def note(event: dict[str, object]) -> None:
        if event.get("log_level") is LogLevel.warn:
            found.append(str(event["log_format"]).format(**event))  # type: ignore[arg-type]  # names are strings

    globalLogPublisher.addObserver(note)
    yield found
    globalLogPublisher.removeObserver(note)


def test_L1_the_files_of_all_indexes_are_on_one_page(pair: Pair) -> None:
    page = now(pair.root.project_page(ALPHA))
    assert [file.filename for file in page.files] == [SHARED, FAR]
    assert page.versions == ("1.0", "9.0", "10.0")
    assert page.serial >= 7
    assert page.sources == ("near", "far")
    assert pair.content(FAR) == b"farther"


def test_of_one_file_name_the_first_index_has_the_word(pair: Pair) -> None:
    """Law 4: page, entry and bytes are of one index, also where the contents differ."""
    page = now(pair.root.project_page(ALPHA))
    assert page.files[0].digest == now(pair.root.find(ALPHA, SHARED)).file.digest
    assert pair.content(SHARED) == b"near"
    assert not any("body" in asked for asked in pair.far.asked)


def test_S42_an_entry_is_of_the_index_that_it_is_from(pair: Pair) -> None:
    """Since rights are asked of that index; also through another one that merges again, and one that only passes on."""
    third = FakeUpstream("third")
    third.add("alpha", ("alpha-10.0.tar.gz", b"third"))
    inner = Policed("inner", pair.root, (Names("names", deny=("beta",)),), pair.house.records, pair.house.clock, inline)
    root = Merged("outer", (inner, pair.house.new_proxy("third", third)), ("alpha",), pair.house.records, inline)
    page = now(root.project_page(ALPHA))
    assert page.sources == ("near", "far", "third")
    assert [now(root.find(ALPHA, file.filename)).source for file in page.files] == ["near", "far", "third"]


def test_S42_an_index_whose_files_all_stand_behind_others_is_a_source_too(pair: Pair) -> None:
    """Its versions are on the page, and that it has the project shows in it."""
    pair.far.add("alpha", (SHARED, b"far"), serial=7, versions=("1.0", "11.0"))
    page = now(pair.root.project_page(ALPHA))
    assert (len(page.files), page.versions) == (1, ("1.0", "11.0"))
    assert page.sources == ("near", "far")


def test_other_projects_are_not_merged(pair: Pair) -> None:
    pair.near.add("beta", ("beta-1.0.tar.gz", b"near"))
    pair.far.add("beta", ("beta-9.0.tar.gz", b"far"))
    page = now(pair.root.project_page(BETA))
    assert ([file.filename for file in page.files], page.source) == (["beta-1.0.tar.gz"], "near")
    assert pair.far.asked == []
    with pytest.raises(NoSuchFile):
        now(pair.root.find(BETA, Filename("beta-9.0.tar.gz")))


def test_law_1_an_index_that_fails_fails_the_merged_page(pair: Pair) -> None:
    """By every question, whichever index it is; half a page would hide releases from some and not from others."""
    for broken in (pair.near, pair.far):
        whole = dict(broken.pages)
        broken.fails(["alpha"])
        for question in (pair.root.project_page(ALPHA), pair.root.find(ALPHA, SHARED), pair.root.open_file(ALPHA, SHARED, Companion.FILE)):
            with pytest.raises(UpstreamUnavailable):
                now(question)
        broken.pages = whole


def test_law_1_a_refusal_is_an_answer(pair: Pair) -> None:
    policed = Policed("policed", pair.root.indexes[0], (Names("names", deny=("alpha",)),), pair.house.records, pair.house.clock, inline)
    root = Merged("root", (policed, pair.root.indexes[1]), ("alpha",), pair.house.records, inline)
    for question in (root.project_page(ALPHA), root.find(ALPHA, FAR)):
        with pytest.raises(Refused):
            now(question)


@pytest.mark.parametrize("lacks", ["near", "far"])
def test_one_index_alone_makes_the_page_where_the_other_has_none(pair: Pair, lacks: str) -> None:
    getattr(pair, lacks).pages.clear()
    page = now(pair.root.project_page(ALPHA))
    assert page.sources == ("far" if lacks == "near" else "near",)
    listed = now(pair.root.find(ALPHA, SHARED))
    assert (listed.file, listed.source) == (page.files[0], page.source)
    # The absence is known for 60 s, the page for longer.
    assert page.fresh_until == listed.fresh_until == pair.house.clock.seconds() + 60


def test_a_project_of_no_index_is_absent(pair: Pair) -> None:
    for name in (NormalizedName("lib-x"), BETA):
        with pytest.raises(NoSuchProject):
            now(pair.root.project_page(name))
        with pytest.raises(NoSuchProject):
            now(pair.root.find(name, Filename(f"{name}-1.0.tar.gz")))


def test_R71_a_change_in_any_index_shows(pair: Pair) -> None:
    before = now(pair.root.project_page(ALPHA))
    pair.near.add("alpha", (SHARED, b"near"), ("alpha-2.0.tar.gz", b"two"), serial=6)
    now(pair.root.refresh(ALPHA))
    after = now(pair.root.project_page(ALPHA))
    assert after.serial > before.serial
    assert after.revision != before.revision


def test_L1_it_warns_at_every_start(pair: Pair, warnings: list[str]) -> None:
    pair.root.startService()
    assert len(warnings) == 1
    assert "alpha lib-*" in warnings[0]
    assert "publish" in warnings[0]
