"""The janitor: what nobody needs goes, in time and at a pace, and nothing else ever does."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Leaving, Progress
from pypidaemon.services.janitor import DAY, FIRST, Janitor, age, interval
from pypidaemon.verification.holdings import Home
from tests.contracts.blob_store import put
from tests.gear import now, waiting
from tests.larder import ALPHA, DOCUMENT, OUR_BYTES, SIDECAR, WHEEL_BYTES, Larder, digest_of


@pytest.fixture
def larder(tmp_path: Path) -> Larder:
    made = Larder(tmp_path)
    made.fill()
    return made


def started(larder: Larder, **settings: float) -> Janitor:
    """A janitor that waits."""
    janitor = Janitor(label="tidy", holdings=larder.holdings, clock=larder.clock, **settings)
    janitor.startService()
    return janitor


def test_it_begins_soon_after_a_start_and_comes_back_every_day(larder: Larder) -> None:
    janitor = started(larder)
    before = larder.held()
    larder.stray(b"nobody's")
    larder.clock.advance(FIRST - 1)
    assert len(larder.held()) == len(before) + 1
    larder.clock.advance(1)
    assert larder.held() == before
    larder.stray(b"nobody's")
    larder.clock.advance(DAY - 1)
    assert len(larder.held()) == len(before) + 1
    larder.clock.advance(1)
    assert larder.held() == before
    assert janitor.measures() == {"rounds": 2, "forgotten": 0, "removed": 2, "failed": 0}
    now(janitor.stopService())
    assert larder.clock.getDelayedCalls() == []


def test_law_7_what_came_lately_stays_until_it_is_old(larder: Larder) -> None:
    before = larder.held()
    now(put(larder.blobs, b"about to be recorded"))
    janitor = started(larder, age=4 * 3600.0, interval=3600.0)
    larder.clock.advance(FIRST)
    for _ in range(3):
        larder.clock.advance(3600)
        assert len(larder.held()) == len(before) + 1
    larder.clock.advance(3600)
    assert larder.held() == before
    now(janitor.stopService())


def test_what_left_a_mirror_is_forgotten_when_its_time_is_over_and_its_bytes_go_in_the_same_round(larder: Larder) -> None:
    records = larder.house.records.mirrors
    mirrored = now(records.page("mirror", ALPHA))
    assert mirrored is not None
    now(records.leave("mirror", [Leaving(ALPHA, None, 0.0, larder.clock.seconds() + DAY, mirrored)]))
    janitor = started(larder)
    theirs = {digest_of(data) for data in (WHEEL_BYTES, SIDECAR, DOCUMENT)}
    larder.clock.advance(FIRST)
    assert theirs <= larder.held()
    larder.clock.advance(DAY)
    assert theirs <= larder.held(), "no run has ended since its time was over, so it may be the clock that jumped (F44)"
    now(records.advance("mirror", Progress(tried=larder.clock.seconds())))
    larder.clock.advance(DAY)
    assert not theirs & larder.held()
    assert digest_of(OUR_BYTES) in larder.held()
    assert now(records.leaving("mirror")) == []
    assert janitor.measures()["forgotten"] == 1
    now(janitor.stopService())


def test_bytes_that_somebody_else_names_stay_when_a_mirror_lets_go(larder: Larder) -> None:
    """N9: a proxy over the same store remembers a page with them."""
    now(larder.house.proxy.project_page(ALPHA))
    records = larder.house.records.mirrors
    mirrored = now(records.page("mirror", ALPHA))
    assert mirrored is not None
    now(records.leave("mirror", [Leaving(ALPHA, None, 0.0, 0.0, mirrored)]))
    now(records.advance("mirror", Progress(tried=1.0)))
    janitor = started(larder)
    larder.clock.advance(FIRST)
    assert {digest_of(WHEEL_BYTES), digest_of(SIDECAR)} <= larder.held()
    assert digest_of(DOCUMENT) not in larder.held()
    now(janitor.stopService())


def test_what_cannot_be_done_now_is_done_the_next_time(larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object) -> int:
        raise PypidaemonError("the database is busy")

    larder.stray(b"nobody's")
    janitor = started(larder)
    with monkeypatch.context() as broken:
        broken.setattr(type(larder.house.records.files), "references", busy)
        larder.clock.advance(FIRST)
    assert janitor.measures()["failed"] == 1
    assert digest_of(b"nobody's") in larder.held()
    larder.clock.advance(DAY)
    assert digest_of(b"nobody's") not in larder.held()
    now(janitor.stopService())


def test_it_is_not_quick_where_there_is_much(larder: Larder) -> None:
    blobs = MemoryBlobs(clock=larder.clock)
    larder.holdings.stores["more"] = blobs
    for number in range(100):
        now(put(blobs, b"%d" % number))
    janitor = started(larder)
    larder.clock.advance(DAY + FIRST)
    assert janitor.measures()["removed"] == 0
    larder.clock.pump([0.05] * 100)
    assert janitor.measures() == {"rounds": 1, "forgotten": 0, "removed": 100, "failed": 0}
    now(janitor.stopService())


def test_F73_it_stops_before_it_begins_while_it_waits_and_while_it_works(larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
    now(started(larder).stopService())
    assert larder.clock.getDelayedCalls() == []
    slow: Deferred[int] = Deferred()

    async def asked(*_: object) -> int:
        return await slow

    larder.stray(b"nobody's")
    monkeypatch.setattr(type(larder.house.records.files), "references", asked)
    janitor = started(larder)
    larder.clock.advance(FIRST)
    stopped = janitor.stopService()
    assert not waiting(stopped)
    assert larder.clock.getDelayedCalls() == []
    assert digest_of(b"nobody's") in larder.held()


def test_a_store_without_ages_and_an_index_of_a_stranger_are_left_alone(larder: Larder) -> None:
    class Plain:
        """Has blobs, and cannot tell how old they are."""

    larder.holdings.stores["plain"] = Plain()  # type: ignore[assignment]  # nothing is asked of it
    larder.holdings.homes.append(Home("other", larder.house.records, larder.blobs))
    larder.holdings.strangers.append("[index:theirs]")
    larder.stray(b"theirs")
    janitor = started(larder)
    larder.clock.advance(FIRST)
    assert digest_of(b"theirs") in larder.held()
    assert janitor.measures()["failed"] == 0
    now(janitor.stopService())


@pytest.mark.parametrize(("read", "raw", "least"), [(age, "59m", "1h"), (interval, "59s", "1m")])
def test_nobody_can_have_it_go_to_work_too_early(read: object, raw: str, least: str) -> None:
    with pytest.raises(ValueError, match=f"{raw} is less than {least}"):
        read(raw)  # type: ignore[operator]
    assert (age("1h"), interval("1m")) == (3600.0, 60.0)
