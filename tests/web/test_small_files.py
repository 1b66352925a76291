"""Small files in memory: what is given from there is what the index would give, and is counted as what it gives is."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pypidaemon.accounts.people import OPERATOR, Unacceptable
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import NotAllowed, PypidaemonError
from pypidaemon.model import Digest, NormalizedName
from pypidaemon.web.fetches import REMEMBERED
from pypidaemon.web.reply import Reply
from pypidaemon.web.small_files import LARGEST, LASTS, LIMIT
from tests.fakes import file
from tests.gear import now
from tests.house import House, header

DATA = b"a small file"
ENTRY = file("alpha-1.0.tar.gz", DATA)
PATH = f"/packages/{ENTRY.path}"
ALPHA = NormalizedName("alpha")


@pytest.fixture
def house() -> House:
    """Alpha with one small file that was taken once, which stored it, and once more."""
    house = House(fetches=True)
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))
    for _ in range(2):
        assert house.body(house.get(PATH)) == DATA
    return house


def quick(house: House, path: str = PATH, method: str = "GET", **headers: str) -> Reply | None:
    """What is given without asking anybody."""
    return house.door.routes.quick(house.ask(path, method, **headers))


def ordinary(house: House, path: str = PATH, method: str = "GET", **headers: str) -> Reply:
    """What the index gives."""
    return now(house.door.routes.handle(house.ask(path, method, **headers)))


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"range": "bytes=2-4"}),
        ("GET", {"range": "bytes=-3"}),
        ("GET", {"range": "bytes=99-"}),
        ("GET", {"range": "bytes=2-4", "if_range": '"other"'}),
        ("GET", {"if_none_match": f'"{ENTRY.digest}"'}),
        ("GET", {"if_none_match": '"other"'}),
    ],
)
def test_it_is_the_same_answer_as_the_index_gives(house: House, method: str, headers: dict[str, str]) -> None:
    """Status, headers and bytes, whole, in part, and not at all."""
    found, made = quick(house, method=method, **headers), ordinary(house, method=method, **headers)
    assert found is not None
    assert (found.status, found.headers) == (made.status, made.headers)
    if method == "GET":
        assert house.body(found) == house.body(made)


def test_nobody_is_asked(house: House) -> None:
    """Neither upstream nor the store."""
    house.upstream.asked.clear()
    now(house.blobs.remove(Digest(ENTRY.digest or "")))
    found = quick(house)
    assert found is not None
    assert found.body == DATA
    assert house.upstream.asked == []


def test_a_minute_later_the_index_is_asked(house: House) -> None:
    """So that it is known which files are in use; and a clock that was put back makes it one of the future."""
    house.clock.advance(LASTS - 1)
    assert quick(house) is not None
    house.clock.advance(1)
    assert quick(house) is None
    house.body(house.get(PATH))
    assert quick(house) is not None
    house.clock.rightNow -= 10
    assert quick(house) is None


def test_law_2_it_is_gone_with_its_entry(house: House) -> None:
    """At once when the index says so, without anybody having to ask for the page."""
    house.announcements.announce(NormalizedName("beta"))
    assert quick(house) is not None
    house.announcements.announce(ALPHA)
    assert quick(house) is None
    house.body(house.get(PATH))
    house.announcements.announce(None)
    assert quick(house) is None


def test_S53_it_ends_with_the_page_that_lists_it() -> None:
    """What is fresh for ten seconds is not given for a minute."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))
    for _ in range(2):
        house.body(house.get(PATH))
    listed = now(house.proxy.find(ALPHA, ENTRY.filename))
    assert listed.fresh_until is not None
    house.clock.advance(listed.fresh_until - house.clock.seconds())
    assert quick(house) is None


def test_S73_rights_are_asked_each_time(house: House) -> None:
    """Who may not read it any more is refused by the next request."""
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    with pytest.raises(NotAllowed):
        house.get(PATH)
    assert quick(house) is None
    assert len(house.door.routes.files.small) == 1


def test_damaged_bytes_are_not_kept() -> None:
    """Whoever asks gets them from the store, as always, and sees by the digest what they are."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))
    house.body(house.get(PATH))
    house.blobs._blobs[Digest(ENTRY.digest or "")] = DATA[:-1] + b"!"
    house.body(house.get(PATH))
    assert len(house.door.routes.files.small) == 0


def test_large_files_are_not_kept() -> None:
    """They are sent from where they lie."""
    house = House()
    data = bytes(LARGEST + 1)
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", data))
    path = f"/packages/{file('alpha-1.0.tar.gz', data).path}"
    for _ in range(2):
        assert house.body(house.get(path)) == data
    assert quick(house, path) is None


def test_what_was_overtaken_while_it_was_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change between the question and the bytes."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))
    house.body(house.get(PATH))
    small = house.door.routes.files.small
    real = MemoryBlobs.open

    async def opening(store: MemoryBlobs, digest: Digest) -> Any:
        house.announcements.announce(ALPHA)
        return await real(store, digest)

    monkeypatch.setattr(MemoryBlobs, "open", opening)
    house.body(house.get(PATH))
    assert len(small) == 0


def test_memory_is_bounded() -> None:
    """By bytes, whatever is asked for."""
    house = House()
    files = [(f"alpha-{number}.tar.gz", bytes([number]) * LARGEST) for number in range(LIMIT // LARGEST + 10)]
    house.upstream.add("alpha", *files)
    for filename, data in files:
        path = f"/packages/{file(filename, data).path}"
        for _ in range(2):
            house.body(house.get(path))
    small = house.door.routes.files.small
    assert LIMIT - 2 * LARGEST < small.weight <= LIMIT
    assert small._of[ALPHA] == set(small._shelf._held)


def test_each_taking_is_noted_and_counted_as_on_the_ordinary_road(house: House) -> None:
    """Rows by address and minute, counts by day; those of the express lane are counted together."""
    reply = quick(house)
    assert reply is not None
    assert reply.term is not None
    again, fetches = reply.term().given, house.door.routes.files.fetches
    assert again is not None
    assert fetches is not None

    def whole() -> int:
        fetches.settle()
        return sum(one.count for one in now(house.records.fetches.counts("2026-05-28", 10)))

    before = whole()
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "-"):
        again(address, house.clock.seconds())
    house.clock.advance(1)
    rows = now(house.records.fetches.of_project(ALPHA, None, 0.0, 100))
    assert sorted(row.address for row in rows) == ["", "127.0.0.1", "192.0.2.1", "192.0.2.2"]
    assert sum(one.count for one in now(house.records.fetches.counts("2026-05-28", 10))) == before + 4
    again("192.0.2.1", house.clock.seconds() + 60)
    assert whole() == before + 5
    assert len(now(house.records.fetches.of_project(ALPHA, None, 0.0, 100))) == 5


def test_what_is_remembered_of_who_takes_what_is_bounded_over_all_files(house: House) -> None:
    """An address of IPv6 has as many others as it likes, and there are as many equal requests as there are spellings of one."""
    fetches = house.door.routes.files.fetches
    assert fetches is not None
    agains = []
    for agent in range(4):
        reply = house.door.routes.quick(house.ask(PATH, user_agent=f"pip/{agent}"))
        assert reply is not None
        assert reply.term is not None
        again = reply.term().given
        assert again is not None
        agains.append(again)
    for number in range(REMEMBERED // 2):
        for again in agains:
            again(f"2001:db8::{number:x}", house.clock.seconds())
    assert len(fetches._lately) <= REMEMBERED
    fetches.settle()


def test_what_was_counted_is_on_record_when_the_door_is_closed(house: House) -> None:
    """Though nobody waits the second for it."""
    reply = quick(house)
    assert reply is not None
    assert reply.term is not None
    again = reply.term().given
    assert again is not None
    assert house.door.routes.files.fetches is not None
    house.door.routes.files.fetches.settle()
    before = sum(one.count for one in now(house.records.fetches.counts("2026-05-28", 10)))
    again("192.0.2.1", house.clock.seconds())
    now(house.door.stopService())
    assert sum(one.count for one in now(house.records.fetches.counts("2026-05-28", 10))) == before + 1
    assert house.clock.getDelayedCalls() == []


def test_a_part_is_no_ready_answer(house: House) -> None:
    """There are as many as anybody cares to ask for, and each is a copy."""
    part, whole = quick(house, range="bytes=1-2"), quick(house)
    assert part is not None
    assert whole is not None
    assert (part.term, whole.term is None) == (None, False)


class Changing(RuleBasedStateMachine):
    """Whatever changes, what is given at once is what the index gives at this moment."""

    @initialize()
    def begin(self) -> None:
        self.house = House()
        self.private = self.house.with_private()
        self.versions = 0
        self.house.upstream.add("alpha", ("alpha-1.0.tar.gz", DATA))

    @rule(times=st.integers(1, 3))
    def take(self, times: int) -> None:
        for _ in range(times):
            try:
                self.house.body(self.house.get(PATH))
            except PypidaemonError:
                continue

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0, 700.0, -5.0]))
    def time_passes(self, seconds: float) -> None:
        if seconds > 0:
            self.house.clock.advance(seconds)
        else:
            self.house.clock.rightNow += seconds

    @rule(other=st.booleans())
    def upstream_changes(self, other: bool) -> None:
        self.house.upstream.pages.pop("alpha", None)
        self.house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"another" if other else DATA))
        now(self.house.proxy.refresh(ALPHA))

    @rule(right=st.booleans())
    def rights_change(self, right: bool) -> None:
        change = self.house.door.people.grant if right else self.house.door.people.ungrant
        with suppress(Unacceptable):
            now(change(OPERATOR, "anonymous", "read", "*"))

    @invariant()
    def at_once_is_as_ever(self) -> None:
        if not hasattr(self, "house"):
            return
        found = quick(self.house)
        if found is None:
            return
        made = ordinary(self.house)
        assert (found.status, found.headers, self.house.body(found)) == (made.status, made.headers, self.house.body(made))


TestChanging = Changing.TestCase
TestChanging.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


def test_headers_of_what_not_everybody_may_see(house: House) -> None:
    """As on the ordinary road, `private` where anonymous may not read it."""
    token = house.token("ann")
    house.grant("ann", "read", "pypi")
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    login = "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()
    for _ in range(2):
        reply = house.get(PATH, authorization=login)
    assert header(reply, "Cache-Control") == "private, max-age=365000000, immutable"
    found = quick(house, authorization=login)
    assert found is not None
    assert found.headers == reply.headers
