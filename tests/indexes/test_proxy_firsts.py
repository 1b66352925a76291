"""The first bytes of a proxy's files stay, whatever upstream says of them later (S28, F26)."""

from __future__ import annotations

from typing import Any

import pytest

from pypidaemon.errors import StorageFull
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


def test_S28_bytes_that_are_here_stay_and_of_those_nobody_ever_had_upstreams_new_word_counts(house: House) -> None:
    before = shown(house)
    for serial in (20, 30):
        replace(house, serial=serial)
        after = shown(house)
        assert (after[ONE].digest, after[ONE].size) == (before[ONE].digest, 3)
        assert after[TWO].digest != before[TWO].digest
        assert (read(house, ONE), read(house, TWO)) == (b"one", b"TWO, otherwise")
        house.restart()
    assert house.upstream.asked.count(f"body {ONE}") == 1


def test_S28_it_is_told_to_who_asks_why(house: House) -> None:
    replace(house)
    shown(house)
    told = now(house.proxy.explain(ALPHA))
    assert (ONE, "upstream has other bytes under this name by now; the first ones stay") in told.remarks


def test_where_no_pin_can_be_recorded_the_page_before_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> None:
        raise StorageFull("there is no room")

    before = shown(house)
    replace(house)
    with monkeypatch.context() as patched:
        patched.setattr(type(house.records.facts), "learn", full)
        assert {name: entry.digest for name, entry in shown(house).items()} == {name: entry.digest for name, entry in before.items()}
        assert read(house, ONE) == b"one"
    house.clock.advance(100)
    assert shown(house)[ONE].digest == before[ONE].digest
    assert shown(house)[TWO].digest != before[TWO].digest


def test_long_pages_too(house: House) -> None:
    replace(house, *((f"alpha-3.{number}.tar.gz", b"%d" % number) for number in range(300)))
    assert len(shown(house)) == 302
    assert read(house, ONE) == b"one"
