"""The first bytes of a proxy's files stay, whatever upstream says of them later (S28, F26)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from pypidaemon.errors import NoSuchFile, NoSuchProject, StorageFull
from pypidaemon.filenames import filename
from pypidaemon.model import Companion, File, NormalizedName
from tests.gear import now
from tests.house import House

ALPHA = NormalizedName("alpha")
ONE, TWO = "alpha-1.0.tar.gz", "alpha-2.0.tar.gz"


@pytest.fixture
def house() -> House:
    """Whose proxy has shown two files and holds the first."""
    house = House()
    house.upstream.add("alpha", (ONE, b"one"), (TWO, b"two"), serial=10)
    shown(house)
    read(house, ONE)
    return house


def shown(house: House) -> dict[str, File]:
    """The files on the page."""
    return {entry.filename: entry for entry in now(house.proxy.project_page(ALPHA)).files}


def read(house: House, name: str) -> bytes:
    """The bytes that the proxy gives."""
    content = now(house.proxy.open_file(ALPHA, filename(name), Companion.FILE))
    try:
        return now(content.read(0, 1 << 20))
    finally:
        content.close()


def replace(house: House, *more: tuple[str, bytes], serial: int = 20) -> None:
    """Upstream has other bytes for both, and every page is old."""
    house.upstream.add("alpha", (ONE, b"ONE, otherwise"), (TWO, b"TWO, otherwise"), *more, serial=serial)
    house.clock.advance(10_000)


def test_S28_first_bytes_that_are_here_stay_and_those_that_nobody_here_has_had_are_withheld(house: House) -> None:
    """What a page once promised counts, so other bytes are given to nobody, whoever has had the first."""
    before = shown(house)
    for serial in (20, 30):
        replace(house, serial=serial)
        after = shown(house)
        assert (after[ONE].digest, after[ONE].size) == (before[ONE].digest, 3)
        assert TWO not in after
        assert read(house, ONE) == b"one"
        with pytest.raises(NoSuchFile):
            read(house, TWO)
        house.restart()
        # Nor is it found by its name alone, past the page.
        with pytest.raises(NoSuchFile):
            read(house, TWO)
    assert house.upstream.asked.count(f"body {ONE}") == 1
    assert house.upstream.asked.count(f"body {TWO}") == 0


def test_S28_what_upstream_has_replaced_is_on_record_and_told_once(house: House) -> None:
    with capturedLogs() as lines:
        for serial in (20, 30):
            replace(house, serial=serial)
            shown(house)
            house.restart()
            shown(house)
    warnings = [formatEvent(line) for line in lines if line["log_level"].name == "warn"]
    assert [("other bytes" in line, ONE in line, TWO in line) for line in warnings] == [(True, True, True)], warnings
    noted = now(house.records.facts.replaced(("", "", ""), 9))
    assert [(one.label, one.name, one.filename) for one in noted] == [("pypi", ALPHA, ONE), ("pypi", ALPHA, TWO)]
    assert all(one.first not in (None, one.other) for one in noted)


def test_S28_when_upstream_comes_back_to_the_first_bytes_all_is_as_before(house: House) -> None:
    before = shown(house)
    replace(house)
    assert TWO not in shown(house)
    house.upstream.add("alpha", (ONE, b"one"), (TWO, b"two"), serial=30)
    house.clock.advance(10_000)
    assert {name: entry.digest for name, entry in shown(house).items()} == {name: entry.digest for name, entry in before.items()}
    assert read(house, TWO) == b"two"
    assert now(house.records.facts.replaced(("", "", ""), 9)) == []


@pytest.mark.parametrize("gone", ["file", "project"])
def test_F26_a_file_that_went_and_comes_back_with_other_bytes_is_withheld(house: House, gone: str) -> None:
    """Also where the project was gone in between, and somebody else may have it by now (F25)."""
    house.upstream.add("alpha", (TWO, b"two"), serial=20)
    if gone == "project":
        house.upstream.pages.clear()
    house.clock.advance(10_000)
    with suppress(NoSuchProject):
        shown(house)
    house.upstream.add("alpha", (ONE, b"one, again"), (TWO, b"two"), ("alpha-3.0.tar.gz", b"three"), serial=30)
    house.clock.advance(10_000)
    after = shown(house)
    assert read(house, ONE) == b"one"
    assert set(after) == {ONE, TWO, "alpha-3.0.tar.gz"}


def test_F25_who_comes_after_a_project_that_is_gone_does_not_get_its_files_names(house: House) -> None:
    house.upstream.pages.clear()
    house.clock.advance(10_000)
    with pytest.raises(NoSuchProject):
        shown(house)
    house.upstream.add("alpha", (TWO, b"two, by somebody else"), serial=30)
    house.clock.advance(10_000)
    assert shown(house) == {}


def test_R123_a_file_that_is_rewritten_by_its_nature_is_what_upstream_says(house: House) -> None:
    """The list of a release's variants has a new line for each of them (PEP 825)."""
    name = "alpha-3.0-variants.json"
    for number in range(3):
        house.upstream.add("alpha", (ONE, b"one"), (name, b"{} %d" % number), serial=20 + number)
        house.clock.advance(10_000)
        assert name in shown(house)
        assert read(house, name) == b"{} %d" % number
    assert now(house.records.facts.replaced(("", "", ""), 9)) == []


def test_S28_it_is_told_to_who_asks_why(house: House) -> None:
    replace(house)
    shown(house)
    told = now(house.proxy.explain(ALPHA))
    line = f"upstream has other bytes under this name by now; the first ones stay; `pypidaemon accept alpha {ONE}` takes the others"
    assert (ONE, line) in told.remarks
    [hidden] = told.hidden
    assert hidden.file.filename == TWO
    assert "other bytes" in hidden.refusals[0].reason
    assert f"pypidaemon accept alpha {TWO}" in hidden.refusals[0].reason


def test_where_no_pin_can_be_recorded_the_page_before_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> None:
        raise StorageFull("there is no room")

    before = shown(house)
    replace(house)
    with monkeypatch.context() as patched:
        patched.setattr(type(house.records.facts), "learn_all", full)
        assert {name: entry.digest for name, entry in shown(house).items()} == {name: entry.digest for name, entry in before.items()}
        assert read(house, ONE) == b"one"
    house.clock.advance(100)
    assert shown(house)[ONE].digest == before[ONE].digest
    assert TWO not in shown(house)


def test_long_pages_too(house: House) -> None:
    replace(house, *((f"alpha-3.{number}.tar.gz", b"%d" % number) for number in range(300)))
    assert len(shown(house)) == 301
    assert read(house, ONE) == b"one"
