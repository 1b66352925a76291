"""What proxies keep: evicted by use, and never what is needed, pinned or nowhere else (F51, F77)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.caches import MOMENT, YOUNG, Caches
from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import filename
from pypidaemon.interfaces import IMeasured
from pypidaemon.model import Fact, File, FileRecord, NormalizedName, Pin
from pypidaemon.services.evicting import EVERY, FIRST, LOW, SOON, Evicting
from pypidaemon.verification.holdings import Home, Role
from pypidaemon.volume import Room, Space
from tests.fakes import file, page
from tests.filling import bring, read
from tests.gear import inline, now
from tests.larder import ALPHA, Larder, digest_of

GIB = 1 << 30
NAMES = [NormalizedName(f"p{number}") for number in range(5)]
DATA = {name: name.encode() * 500 for name in NAMES}


@attrs.define
class Pantry(Larder):
    """With five projects of one file of 1,000 bytes each in the cache, asked for an hour apart, long ago."""

    caches: Caches = attrs.field(init=False)
    told: list[NormalizedName | None] = attrs.field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        Larder.__attrs_post_init__(self)
        entries = {name: file(f"{name}-1.0.tar.gz", data) for name, data in DATA.items()}
        self.house.upstream.pages |= {name: page(name, entry) for name, entry in entries.items()}
        self.house.upstream.bodies |= {entry.url: DATA[name] for name, entry in entries.items()}
        self.caches = Caches(self.house.records, self.holdings, self.clock, self.told.append)

    def take(self, *names: NormalizedName) -> None:
        for name in names:
            assert read(self.house.proxy, name, f"{name}-1.0.tar.gz") == DATA[name]
            self.clock.advance(3_600)
        self.age()

    def renew(self, name: NormalizedName) -> None:
        """It came just now, by the clock."""
        os.utime(self.place(digest_of(DATA[name])), (self.clock.seconds(),) * 2)

    def has(self) -> set[str]:
        return {name for name, data in DATA.items() if self.place(digest_of(data)).exists()}

    def noted(self) -> list[str]:
        return [one.name for one in now(self.house.records.uses.projects("", 100))]


@pytest.fixture
def pantry(tmp_path: Path) -> Pantry:
    found = Pantry(tmp_path)
    found.take(*NAMES)
    return found


def test_F51_what_was_used_longest_ago_goes_first_and_no_more_than_has_to(pantry: Pantry) -> None:
    pantry.take(NAMES[0])
    assert now(pantry.house.records.uses.weight()) == (5, 5_000)
    gone = now(pantry.caches.evict(1_500))
    assert (gone.files, gone.bytes, gone.kept) == (2, 2_000, 0)
    assert pantry.has() == {"p0", "p3", "p4"}
    assert pantry.noted() == ["p0", "p3", "p4"]
    # So that pages which list what is here are made anew.
    assert pantry.told == ["p1", "p2"]
    # It is fetched again when somebody asks for it (law 8).
    pantry.take(NAMES[1])
    assert pantry.has() == {"p0", "p1", "p3", "p4"}


def test_F51_who_is_reading_reads_on(pantry: Pantry) -> None:
    content = now(pantry.blobs.open(digest_of(DATA[NAMES[0]])))
    now(pantry.caches.evict(1 << 40))
    assert pantry.has() == set()
    assert now(content.read(0, 10_000)) == DATA[NAMES[0]]
    content.close()


def test_F77_it_is_noted_first_and_what_a_crash_leaves_is_noted_again(pantry: Pantry) -> None:
    class Killed(BaseException):
        pass

    async def kill(*_: Any) -> bool:
        raise Killed

    clear, type(pantry.blobs).clear = type(pantry.blobs).clear, kill  # type: ignore[method-assign]  # as a crash would
    try:
        with pytest.raises(Killed):
            now(pantry.caches.evict(1))
    finally:
        type(pantry.blobs).clear = clear  # type: ignore[method-assign]  # as before
    assert pantry.noted() == ["p1", "p2", "p3", "p4"]
    assert pantry.has() == set(NAMES)
    assert now(pantry.caches.survey()) == 1
    assert pantry.noted() == NAMES
    assert now(pantry.caches.survey()) == 0


def test_S28_F51_first_bytes_that_upstream_has_replaced_stay_for_nobody_has_them_any_more(pantry: Pantry) -> None:
    """Neither room nor an order makes them go; and they are worth a backup."""
    other = file("p0-1.0.tar.gz", b"other bytes")
    pantry.house.upstream.pages["p0"] = page("p0", other, serial=99)
    pantry.clock.advance(10_000)
    now(pantry.house.proxy.project_page(NAMES[0]))
    pantry.age()
    assert now(pantry.caches.evict(1 << 40)).files == 4
    assert now(pantry.caches.remove(NAMES[0], None)).files == 0
    assert pantry.has() == {"p0"}
    assert read(pantry.house.proxy, NAMES[0], "p0-1.0.tar.gz") == DATA[NAMES[0]]

    async def roles() -> set[Role]:
        return {one.role async for one in pantry.caches.proxies()[0].cached([NAMES[0]])}

    assert now(roles()) == {Role.WITHDRAWN}
    # Once the others are accepted they are like any others.
    now(pantry.house.records.facts.accept("pypi", NAMES[0], filename("p0-1.0.tar.gz")))
    assert now(pantry.caches.remove(NAMES[0], None)).files == 1


def test_F51_what_is_needed_elsewhere_stays(pantry: Pantry) -> None:
    records = pantry.house.records
    # The same bytes are a private file; these of a mirror; these upstream lists no longer; this is pinned.
    entry = File(filename("own-1.0.tar.gz"), hashes=(("sha256", digest_of(DATA[NAMES[0]])),), size=1_000)
    now(records.files.add("private", NormalizedName("own"), FileRecord(entry, "1.0"), "add", None))
    bring(pantry.mirror, NAMES[1])
    now(records.withdrawn.withdraw("pypi", NAMES[2], (file("p2-1.0.tar.gz", DATA[NAMES[2]]),), 1.0))
    now(records.pins.pin(Pin(NAMES[3], "1"), True))
    pantry.age()
    gone = now(pantry.caches.evict(1 << 40))
    assert (gone.files, gone.kept) == (1, 4)
    assert pantry.has() == {"p0", "p1", "p2", "p3"}
    now(records.pins.pin(Pin(NAMES[3], "1"), False))
    now(records.pins.pin(Pin(NAMES[3]), True))
    assert now(pantry.caches.evict(1 << 40)).files == 0
    now(records.pins.pin(Pin(NAMES[3]), False))
    assert now(pantry.caches.evict(1 << 40)).files == 1
    assert ALPHA in pantry.house.upstream.pages


def test_F51_what_another_proxys_upstream_lists_no_longer_stays_whoever_asked_for_it_last(pantry: Pantry) -> None:
    """The bytes are the same, and the other one can have them from nobody."""
    records = pantry.house.records
    pantry.holdings.homes.append(Home("other", records, pantry.blobs, pantry.house.proxy, remembers=True))
    now(records.withdrawn.withdraw("other", NAMES[2], (file("p2-1.0.tar.gz", DATA[NAMES[2]]),), 1.0))
    now(records.facts.learn("other", NAMES[3], filename("p3-1.0.tar.gz"), Fact(digest_of(DATA[NAMES[3]]), 1_000)))
    now(records.facts.differ("other", NAMES[3], {filename("p3-1.0.tar.gz"): "f" * 64}, 1.0))
    assert now(pantry.caches.evict(1 << 40)).files == 3
    assert pantry.has() == {"p2", "p3"}


def test_law_7_what_came_just_now_may_be_about_to_be_recorded(pantry: Pantry) -> None:
    pantry.renew(NAMES[0])
    gone = now(pantry.caches.evict(1 << 40))
    assert (gone.files, gone.kept) == (4, 1)
    assert pantry.noted() == ["p0"]
    pantry.clock.advance(YOUNG + 5)
    assert now(pantry.caches.evict(1 << 40)).files == 1


def test_what_others_keep_there_cannot_be_told_from_what_nobody_needs(pantry: Pantry) -> None:
    pantry.holdings.strangers.append("[index:own]")
    assert now(pantry.caches.evict(1 << 40)).files == 0
    with pytest.raises(PypidaemonError, match="others keep things there"):
        now(pantry.caches.remove(NAMES[0], None))


def test_an_order_takes_away_a_project_or_a_release_of_it_pinned_or_not(pantry: Pantry) -> None:
    records = pantry.house.records
    now(records.uses.forget([digest_of(DATA[NAMES[0]])]))
    now(records.pins.pin(Pin(NAMES[0]), True))
    assert now(pantry.caches.remove(NAMES[0], "2.0")).files == 0
    gone = now(pantry.caches.remove(NAMES[0], "1"))
    assert (gone.files, gone.bytes, gone.kept) == (1, 1_000, 0)
    assert now(pantry.caches.remove(NAMES[1], None)).files == 1
    assert pantry.has() == {"p2", "p3", "p4"}
    pantry.renew(NAMES[2])
    assert now(pantry.caches.remove(NAMES[2], None)).kept == 1
    pantry.clock.advance(MOMENT + 5)
    assert now(pantry.caches.remove(NAMES[2], None)).files == 1


def test_a_file_whose_size_nobody_says_is_measured(pantry: Pantry) -> None:
    data = b"of no known size"
    entry = attrs.evolve(file("beta-2.0.tar.gz", data), size=None)
    pantry.house.upstream.pages["beta"] = page("beta", entry)
    pantry.house.upstream.bodies[entry.url] = data
    read(pantry.house.proxy, NormalizedName("beta"), "beta-2.0.tar.gz")
    now(pantry.house.records.uses.forget([digest_of(data)]))
    now(pantry.caches.survey())
    (use,) = now(pantry.house.records.uses.listed(NormalizedName("beta")))
    assert use.size == len(data)
    assert use.used == 0


def evicting(pantry: Pantry, free: int = 50 * GIB, limit: int | None = None) -> Evicting:
    spaces = [Space(free, 100 * GIB)]
    room = Room(Path("/data"), pantry.clock, inline, lambda _: spaces[-1], limit)
    return Evicting(pantry.caches, room, pantry.clock)


def test_the_service_keeps_the_budget_with_some_room_to_spare(pantry: Pantry) -> None:
    service = evicting(pantry, limit=5_000)
    verifyObject(IMeasured, service)
    service.startService()
    pantry.clock.advance(FIRST)
    # Five thousand of five thousand: down to nine tenths, in whole files.
    assert service.room.held == 4_000 <= 5_000 * LOW
    assert pantry.has() == {"p1", "p2", "p3", "p4"}
    said = service.measures()
    assert (said["files"], said["evicted"], said["evicted_bytes"], said["limit"]) == (5, 1, 1_000, 5_000)
    pantry.clock.advance(EVERY)
    assert service.measures()["files"] == 4
    assert service.evicted == 1
    now(service.stopService())
    pantry.clock.advance(10 * EVERY)


def test_F53_what_is_half_here_goes_before_anything_that_is_whole(pantry: Pantry) -> None:
    """There are halves since the line is bad, so nothing that goes may come again."""
    service = evicting(pantry, free=0)
    halves = [True]

    async def let_go() -> bool:
        return bool(halves) and halves.pop()

    service.let_go = let_go
    now(service.look())
    assert (service.evicted, pantry.has(), halves) == (0, set(NAMES), [])
    now(service.look())
    assert pantry.has() == set()


def test_who_asks_is_told_how_it_is_now_and_not_how_it_was_at_the_last_look(pantry: Pantry) -> None:
    """In the first seconds after a start too: nothing free on the volume is what people are woken for."""
    service = evicting(pantry, limit=10_000)
    now(service.count())
    said = service.measures()
    assert (said["files"], said["bytes"], said["free"], said["floor"]) == (5, 5_000, 50 * GIB, GIB)
    # What is about to come counts for whether there is room, and not as if it were here.
    assert now(service.room.spare(4_000))
    now(service.count())
    assert (service.measures()["bytes"], service.room.held) == (5_000, 4_000)


def test_pages_are_counted_before_the_first_look_too(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would be said that there are none; after that the looks do, since it goes through all of them."""
    counted: list[int] = []

    async def pages(_: Any) -> int:
        counted.append(4_000)
        return 4_000

    service = evicting(pantry)
    monkeypatch.setattr(type(service.caches), "pages", pages)
    for _ in range(3):
        now(service.count())
    assert (service.measures()["pages"], counted) == (4_000, [4_000])


def test_a_count_of_records_that_cannot_be_read_leaves_the_one_before(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Any) -> Any:
        raise PypidaemonError("the database is busy")

    service = evicting(pantry)
    now(service.count())
    monkeypatch.setattr(type(pantry.house.records.uses), "weight", broken)
    now(service.count())
    assert service.measures()["files"] == 5


def test_what_was_evicted_is_counted_on_by_the_next_one_over_the_same_room(pantry: Pantry) -> None:
    """So it is after the configuration was read again."""
    service = evicting(pantry, limit=5_000)
    now(service.look())
    assert service.measures()["evicted"] == 1
    service.failed += 1
    later = Evicting(pantry.caches, service.room, pantry.clock)
    later.go_on_from(service)
    said = later.measures()
    assert (said["evicted"], said["evicted_bytes"], said["failed"]) == (1, 1_000, 1)


@pytest.mark.parametrize(
    ("free", "limit", "why"),
    [
        (50 * GIB, 1_000, "5000 bytes are held, 1000 may be"),
        (GIB - 100, None, f"{GIB - 100} bytes are free, {GIB} must stay so"),
    ],
)
def test_it_is_said_which_room_is_lacking(pantry: Pantry, lines: list[str], free: int, limit: int | None, why: str) -> None:
    for name in NAMES:
        now(pantry.house.records.pins.pin(Pin(name), True))
    now(evicting(pantry, free, limit).look())
    assert lines == [f"there is too little room, and nothing more may be evicted: what is fetched passes through without being kept; {why}"]


def test_F53_below_the_floor_eviction_starts_at_once(pantry: Pantry) -> None:
    service = evicting(pantry)
    service.startService()
    pantry.clock.advance(FIRST)
    assert service.evicted == 0
    service.room.measure = lambda _: Space(GIB - 100, 100 * GIB)
    pantry.clock.advance(2)
    assert not now(service.room.spare(10))
    assert not now(service.room.spare(10))
    pantry.clock.advance(SOON)
    # Each file is far less than what is lacking, so that all go, and it is said that this is not enough.
    assert pantry.has() == set()
    assert (service.free, service.floor) == (GIB - 100, GIB)
    assert service._told
    now(service.stopService())


def test_what_nobody_has_asked_for_since_uses_are_noted_is_found_when_room_is_lacking(pantry: Pantry) -> None:
    now(pantry.house.records.uses.forget([digest_of(data) for data in DATA.values()]))
    service = evicting(pantry, free=0)
    now(service.look())
    assert pantry.has() == set()
    assert service.evicted == 5


def test_records_that_cannot_be_read_are_tried_again_later(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Any) -> Any:
        raise PypidaemonError("the database is busy")

    service = evicting(pantry)
    monkeypatch.setattr(type(pantry.house.records.uses), "weight", broken)
    service.startService()
    pantry.clock.advance(FIRST)
    pantry.clock.advance(EVERY)
    assert service.failed == 2
    now(service.stopService())
