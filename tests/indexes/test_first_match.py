"""Index priority and its laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import NoSuchFile, NoSuchProject, Refused, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import Companion, NormalizedName
from pypidaemon.policies.names import Names
from tests.fakes import FakeUpstream
from tests.gear import inline, now
from tests.house import House

ALPHA = NormalizedName("alpha")


def chain() -> tuple[House, FakeUpstream, FakeUpstream, FirstMatch]:
    """Two proxies in order, each with an upstream of its own."""
    house = House()
    near, far = FakeUpstream("near"), FakeUpstream("far")
    both = (house.new_proxy("near", near), house.new_proxy("far", far))
    return house, near, far, FirstMatch("root", both, house.records)


def test_L1_the_first_index_that_has_a_project_answers_alone() -> None:
    """Law 4, and who answered is told."""
    _, near, far, root = chain()
    near.add("alpha", ("alpha-1.0.tar.gz", b"near"))
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"))
    page = now(root.project_page(ALPHA))
    assert [file.filename for file in page.files] == ["alpha-1.0.tar.gz"]
    assert page.source == "near"
    assert far.asked == []
    with pytest.raises(NoSuchFile):
        now(root.open_file(ALPHA, filename("alpha-9.0.tar.gz"), Companion.FILE))


def test_law_1_only_absence_falls_through() -> None:
    """A page further down is found where the first index has none."""
    _, near, far, root = chain()
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"))
    assert now(root.project_page(ALPHA)).source == "far"
    content = now(root.open_file(ALPHA, filename("alpha-9.0.tar.gz"), Companion.FILE))
    assert now(content.read(0, 10)) == b"far"
    assert near.asked == ["page alpha"]


def test_law_1_an_outage_is_an_answer() -> None:
    """The index below is not even asked."""
    _, near, far, root = chain()
    near.fails(["alpha"])
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"))
    with pytest.raises(UpstreamUnavailable):
        now(root.project_page(ALPHA))
    with pytest.raises(UpstreamUnavailable):
        now(root.open_file(ALPHA, filename("alpha-9.0.tar.gz"), Companion.FILE))
    assert far.asked == []


def test_law_1_a_refusal_is_an_answer() -> None:
    """A policy on the first index hides the project in the whole chain."""
    house, near, far, _ = chain()
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"))
    policed = Policed("strict", house.new_proxy("near", near), (Names("no-alpha", deny=("alpha",)),), house.records, house.clock, inline)
    root = FirstMatch("root", (policed, house.new_proxy("far", far)), house.records)
    with pytest.raises(Refused):
        now(root.project_page(ALPHA))
    assert near.asked == far.asked == []


def test_law_3_an_empty_page_is_an_answer() -> None:
    """A claimed name without files does not fall through."""
    _, near, far, root = chain()
    near.add("alpha")
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"))
    page = now(root.project_page(ALPHA))
    assert page.files == ()
    assert far.asked == []


def test_absent_everywhere_is_absent() -> None:
    """And only that."""
    _, _, _, root = chain()
    with pytest.raises(NoSuchProject):
        now(root.project_page(ALPHA))


def test_R68_one_rising_space_of_serials_covers_all_indexes() -> None:
    """A project whose answer moves to another index, with smaller numbers, still gets a higher one."""
    house, near, far, root = chain()
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"), serial=1000)
    first = now(root.project_page(ALPHA))
    near.add("alpha", ("alpha-1.0.tar.gz", b"near"), serial=5)
    house.clock.advance(100_000)
    second = now(root.project_page(ALPHA))
    assert (first.serial, second.source) == (1000, "near")
    assert second.serial > 1000
    assert now(root.changes(1000))[-1].serial == second.serial


def test_the_list_is_the_union_and_the_first_index_numbers_a_name() -> None:
    """C8, sorted, each name once."""
    _, near, far, root = chain()
    near.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"b","_last-serial":3}]}'
    far.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"a","_last-serial":7},{"name":"b","_last-serial":9}]}'
    listing = now(root.project_names())
    assert list(listing.entries()) == [("a", 7), ("b", 3)]
    assert listing.serial == 9


def test_a_list_that_one_index_cannot_give_is_unavailable() -> None:
    """A shorter list would be a wrong one."""
    _, _, far, root = chain()
    far.names = UpstreamUnavailable("far", "it is down")
    with pytest.raises(UpstreamUnavailable):
        now(root.project_names())


def test_refresh_reaches_every_index() -> None:
    """Each forgets what it remembered."""
    _, near, far, root = chain()
    far.add("alpha", ("alpha-9.0.tar.gz", b"far"))
    now(root.project_page(ALPHA))
    assert now(root.refresh(ALPHA)) >= 1
    now(root.project_page(ALPHA))
    assert near.asked == far.asked == ["page alpha", "page alpha"]


OUTCOMES = st.sampled_from(["has it", "is empty", "has none", "is down"])


@given(st.lists(OUTCOMES, min_size=1, max_size=4))
def test_a_chain_never_shows_a_lower_index_for_a_project_that_a_higher_one_has(outcomes: list[str]) -> None:
    """Laws 1, 3 and 4 together, for every chain."""
    house = House()
    proxies = []
    for position, outcome in enumerate(outcomes):
        upstream = FakeUpstream(f"u{position}")
        if outcome == "has it":
            upstream.add("alpha", (f"alpha-{position}.tar.gz", b"%d" % position))
        elif outcome == "is empty":
            upstream.add("alpha")
        elif outcome == "is down":
            upstream.fails(["alpha"])
        proxies.append(house.new_proxy(f"i{position}", upstream))
    root = FirstMatch("root", tuple(proxies), house.records)
    deciding = next((position for position, outcome in enumerate(outcomes) if outcome != "has none"), None)
    if deciding is None:
        with pytest.raises(NoSuchProject):
            now(root.project_page(ALPHA))
    elif outcomes[deciding] == "is down":
        with pytest.raises(UpstreamUnavailable):
            now(root.project_page(ALPHA))
    else:
        page = now(root.project_page(ALPHA))
        assert page.source == f"i{deciding}"
        assert len(page.files) == (outcomes[deciding] == "has it")
