"""A page that became empty or lost most of its files, without upstream saying that it changed, is not believed at first sight (F5, F6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import LogLevel, globalLogPublisher

from pypidaemon.errors import NoSuchProject
from pypidaemon.filenames import filename
from pypidaemon.indexes.proxy.doubting import AGAIN, CONFIRMED, LOOKS
from pypidaemon.model import Companion, NormalizedName, ProjectStatus, Validators
from tests.fakes import page
from tests.gear import now
from tests.house import House

ALPHA = NormalizedName("alpha")
SIX = tuple((f"alpha-{number}.0.tar.gz", b"%d" % number) for number in range(6))


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What is warned of while the test runs."""
    found: list[str] = []

    def note(event: dict[str, Any]) -> None:
        if event["log_level"] is LogLevel.warn:
            found.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(note)
    yield found
    globalLogPublisher.removeObserver(note)


def home(serial: int | None = 10, removal: str = "follow") -> House:
    """A house whose proxy has seen alpha with six files."""
    house = House(settings={"removal": removal})
    house.upstream.add("alpha", *SIX, serial=serial)
    assert count(house) == 6
    return house


def count(house: House) -> int:
    """How many files are on the page."""
    return len(now(house.proxy.project_page(ALPHA)).files)


def later(house: House, seconds: float = 700.0) -> int:
    """How many files are on the page that long after, when upstream is asked again."""
    house.clock.advance(seconds)
    return count(house)


SMALLER = [(), SIX[:1], SIX[:2], (("alpha-7.0.tar.gz", b"7"),)]


@pytest.mark.parametrize("removal", ["follow", "keep", "keep-if-used"])
@pytest.mark.parametrize("serials", [(10, 10), (10, None), (None, None), (10, 9), (None, 10)])
@pytest.mark.parametrize("left", SMALLER, ids=["empty", "one", "two", "another"])
def test_F5_F6_the_page_before_stays_where_no_serial_grew(left: Any, serials: tuple[int | None, int | None], removal: str) -> None:
    """The same serial, none any more, none ever, a lower one: it stays for as long as nothing confirms it, and its files can be had."""
    house = home(serials[0], removal)
    house.upstream.add("alpha", *left, serial=serials[1])
    for _ in range(LOOKS - 1):
        assert later(house) == 6
        assert house.proxy.pages.doubts.of(ALPHA) is not None or serials == (10, 9)
    content = now(house.proxy.open_file(ALPHA, filename("alpha-5.0.tar.gz"), Companion.FILE))
    assert now(content.read(0, 10)) == b"5"
    house.upstream.add("alpha", *SIX, serial=serials[0])
    assert later(house) == 6
    assert house.proxy.pages.doubts.of(ALPHA) is None
    assert now(house.records.withdrawn.projects("pypi")) == {}


@pytest.mark.parametrize("left", SMALLER)
def test_a_page_whose_serial_grew_is_believed_at_once(left: Any) -> None:
    house = home()
    house.upstream.add("alpha", *left, serial=11)
    assert later(house) == len(left)
    assert house.proxy.measures() == {"doubted": 0, "believed": 0}


@pytest.mark.parametrize("files", [SIX[:3], SIX[:5], (*SIX, ("alpha-7.0.tar.gz", b"7"))])
def test_half_of_the_files_may_go_without_a_word(files: Any) -> None:
    house = home()
    house.upstream.add("alpha", *files, serial=10)
    assert later(house) == len(files)


def test_one_of_two_files_may_be_replaced() -> None:
    house = House()
    house.upstream.add("alpha", *SIX[:2])
    assert count(house) == 2
    house.upstream.add("alpha", SIX[3])
    assert later(house) == 1
    house.upstream.add("alpha")
    assert later(house) == 1


def test_it_is_looked_at_again_soon() -> None:
    house = home()
    house.upstream.add("alpha", serial=10)
    later(house)
    asked = len(house.upstream.asked)
    assert later(house, AGAIN / 2) == 6
    assert len(house.upstream.asked) == asked
    house.upstream.add("alpha", ("alpha-7.0.tar.gz", b"7"), *SIX, serial=12)
    later(house, AGAIN)
    assert count(house) == 7


@pytest.mark.parametrize("serial", [10, None])
def test_F5_it_is_believed_once_several_looks_over_some_time_agree(serial: int | None, warnings: list[str]) -> None:
    """Neither many looks in a short time will do nor two that lie far apart."""
    house = home(serial)
    house.upstream.add("alpha", *SIX[:2], serial=serial)
    for _ in range(LOOKS + 3):
        assert later(house, AGAIN * 2) == 6
    assert later(house, CONFIRMED) == 2
    assert house.proxy.measures() == {"doubted": 1, "believed": 1}
    assert len(warnings) == 2
    assert "4 of 6 files" in warnings[0]
    house.upstream.add("alpha", serial=serial)
    assert later(house, CONFIRMED) == 2
    assert later(house, CONFIRMED * 2) == 2
    assert later(house, CONFIRMED) == 0


@pytest.mark.parametrize("between", ["whole", "other", "down", "gone"])
def test_looks_that_disagree_begin_anew_and_an_outage_is_no_look(between: str) -> None:
    house = home()
    house.upstream.add("alpha", *SIX[:2], serial=10)
    for _ in range(LOOKS - 1):
        assert later(house) == 6
    if between == "whole":
        house.upstream.add("alpha", *SIX, serial=10)
    elif between == "other":
        house.upstream.add("alpha", *SIX[3:5], serial=10)
    elif between == "down":
        house.upstream.fails(["alpha"])
    else:
        del house.upstream.pages["alpha"]
        house.clock.advance(700)
        with pytest.raises(NoSuchProject):
            count(house)
        assert house.proxy.pages.doubts.of(ALPHA) is None
        return
    assert later(house) == 6
    house.upstream.health.__init__()  # type: ignore[misc]  # up again
    house.upstream.add("alpha", *SIX[:2], serial=10)
    assert later(house, CONFIRMED) == (2 if between == "down" else 6)


def test_what_was_confirmed_as_unchanged_is_in_no_doubt() -> None:
    house = House()
    whole = house.upstream.add("alpha", *SIX, validators=Validators('"six"'))
    assert count(house) == 6
    house.upstream.add("alpha")
    assert later(house) == 6
    assert house.proxy.pages.doubts.of(ALPHA) is not None
    house.upstream.pages["alpha"] = whole
    assert later(house) == 6
    assert house.proxy.pages.doubts.of(ALPHA) is None


def test_an_order_settles_what_is_doubted_and_nothing_else() -> None:
    """`pypidaemon refresh alpha`, said by whoever looked at upstream; as a routine, before anything was doubted, it lets nothing in."""
    house = home()
    house.upstream.add("alpha", serial=10)
    now(house.proxy.refresh(ALPHA))
    assert count(house) == 6
    now(house.proxy.refresh(None))
    assert count(house) == 6
    now(house.proxy.refresh(ALPHA))
    assert count(house) == 0


def test_a_quarantine_is_believed_at_once() -> None:
    house = home()
    house.upstream.pages["alpha"] = page("alpha", serial=10, status=ProjectStatus("quarantined"))
    assert later(house) == 0


def test_a_run_that_fills_it_gets_the_page_before() -> None:
    house = home()
    house.upstream.add("alpha", serial=10)
    assert len(now(house.proxy.offered(ALPHA, 0)).files) == 6


def test_why_says_what_is_doubted_and_metrics_count_it() -> None:
    house = home()
    house.upstream.add("alpha", *SIX[:2], serial=10)
    later(house)
    facts = dict(now(house.proxy.explain(ALPHA)).facts)
    assert "4 of 6 files" in facts["doubted"]
    assert "pypidaemon refresh alpha" in facts["doubted"]
    assert 'pypidaemon_index_total{index="pypi",what="doubted"} 1.0' in house.body(house.get("/+metrics")).decode()
