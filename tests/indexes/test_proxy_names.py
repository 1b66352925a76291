"""The proxy's project list where it is kept: nobody's list harms a file or another's list, and nothing is left of one that failed."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon import catalogues
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.catalogues import Lines, entries
from pypidaemon.errors import StorageFull, UpstreamUnavailable
from pypidaemon.indexes.proxy import Proxy
from pypidaemon.model import Digest, ProjectList, UpstreamNames, Validators
from pypidaemon.simple.entries import Unreadable
from pypidaemon.waits import Bell
from tests.fakes import FakeBody, FakeUpstream
from tests.gear import inline, later, now, waiting
from tests.house import House

JSON = "application/vnd.pypi.simple.v1+json"


def says(*names: str) -> bytes:
    """A list of these names as an upstream sends it."""
    return b'{"meta":{"api-version":"1.4"},"projects":[%b]}' % b",".join(b'{"name":"%b"}' % name.encode() for name in names)


def listed(found: ProjectList) -> list[str]:
    """The names on it."""
    return [str(name) for name, _ in found.entries()]


def held(house: House) -> int:
    """How many lists are kept."""

    async def count() -> int:
        return len([digest async for digest in house.lists.digests()])

    return now(count())


def on_disk(house: House, folder: Path) -> Path:
    """From now on lists are kept below that folder, in one that is given back."""
    store = DirectoryBlobs(path=folder / "names", label="names", disk=inline)
    store.startService()
    house.lists = store  # type: ignore[assignment]  # a store like the other
    house.restart()
    return store.path


class Sends(FakeUpstream):
    """An upstream whose list is whatever a test wants it to be, and which remembers what it sent."""

    def __init__(self, body: bytes, coding: str = "") -> None:
        super().__init__()
        self.sent, self.coding, self.given = body, coding, list[FakeBody]()

    async def fetch_names(self, validators: Validators) -> UpstreamNames:
        self.given.append(FakeBody(self.sent))
        return UpstreamNames(self.given[-1], JSON, self.coding)


def test_F54_a_list_that_is_the_bytes_of_a_file_takes_no_file_away() -> None:
    """The list of a hostile upstream never is a blob among those of files, not for a moment."""
    house = House()
    data = b"the bytes of some file that is held"
    made = house.upstream.add("alpha", ("alpha-1.0.tar.gz", data))
    path = "/packages/" + made.files[0].path
    assert house.body(house.get(path)) == data
    hostile = house.new_proxy("other", Sends(data))
    with pytest.raises(UpstreamUnavailable):
        now(hostile.project_names())
    house.upstream.bodies.clear()
    assert house.body(house.get(path)) == data


def test_law_8_equal_lists_of_two_proxies_do_not_share_a_fate() -> None:
    house = House()
    mine, others = house.upstream, FakeUpstream(label="two")
    mine.names = others.names = says("one", "two")
    other = house.new_proxy("two", others)
    assert listed(now(house.proxy.project_names())) == listed(now(other.project_names())) == ["one", "two"]
    assert held(house) == 2
    house.clock.advance(7200)
    mine.names = says("three")
    others.names = UpstreamUnavailable("two", "it is down")
    assert listed(now(house.proxy.project_names())) == ["three"]
    assert listed(now(other.project_names())) == ["one", "two"]


@pytest.mark.parametrize("health", ["up", "down", "silent"])
def test_law_8_law_10_a_remembered_list_that_is_gone_is_asked_for_again_and_is_an_outage_while_that_fails(health: str) -> None:
    house = House()
    house.upstream.names = says("alpha")
    now(house.proxy.project_names())
    house.lists = MemoryBlobs()
    house.restart()
    if health == "up":
        assert listed(now(house.proxy.project_names())) == ["alpha"]
        return
    house.clock.advance(7200)
    house.upstream.names = UpstreamUnavailable("pypi", "it is down")
    if health == "silent":
        house.upstream.health.doubt()
    with pytest.raises(UpstreamUnavailable):
        now(house.proxy.project_names())


@pytest.mark.parametrize("disk", [True, False])
def test_a_list_that_is_replaced_while_it_is_read_is_read_to_its_end(disk: bool, tmp_path: Path) -> None:
    house = House()
    if disk:
        on_disk(house, tmp_path)
    house.upstream.names = says("older", "old")
    names = now(house.proxy.project_names())
    begun = names.entries()
    assert next(begun)[0] == "old"
    house.upstream.names = says("new")
    house.clock.advance(7200)
    assert listed(now(house.proxy.project_names())) == ["new"]
    assert held(house) == 1
    assert [str(name) for name, _ in begun] == ["older"]
    assert listed(names) == ["old", "older"]


def test_C8_nobody_waits_long_for_a_list_who_can_have_the_one_before() -> None:
    """Who asks next has the new one, which was asked for once; and who can have none waits for it."""
    house = House()
    house.upstream.names = says("alpha")
    house.upstream.gate = Bell()
    first = later(house.proxy.project_names())
    house.clock.advance(10.0)
    assert waiting(first)
    house.upstream.gate.ring()
    assert listed(now(first)) == ["alpha"]
    house.upstream.names = says("alpha", "beta")
    house.clock.advance(10_000.0)
    asking = later(house.proxy.project_names())
    house.clock.advance(1.9)
    assert waiting(asking)
    house.clock.advance(0.2)
    found = now(asking)
    assert (listed(found), found.stale) == (["alpha"], True)
    house.upstream.gate.ring()
    found = now(house.proxy.project_names())
    assert (listed(found), found.stale) == (["alpha", "beta"], False)
    assert house.upstream.asked == ["names", "names"]


def test_two_readings_of_one_list_do_not_disturb_each_other(tmp_path: Path) -> None:
    house = House()
    on_disk(house, tmp_path)
    house.upstream.names = says(*(f"p{number:06}" for number in range(20_000)))
    names = now(house.proxy.project_names())
    both = list(zip(names.entries(), names.entries(), strict=True))
    assert len(both) == 20_000
    assert all(one == other for one, other in both)


def test_what_a_crash_left_of_our_lists_is_removed_and_nobody_elses(tmp_path: Path) -> None:
    house = House()

    async def leave(data: bytes) -> Digest:
        draft = await house.lists.draft()
        await draft.write(data)
        return await draft.commit(None)

    ours, others = now(leave(b"#pypi\nx\t1\n")), now(leave(b"#pypi-2\nx\t1\n"))
    now(house.proxy.project_names())
    assert held(house) == 2
    now(house.lists.open(others))
    with pytest.raises(Exception, match=ours):
        now(house.lists.open(ours))


def failing(house: House, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes that many more pieces and is full then."""
    from pypidaemon.blobs import drafts

    real, left = drafts.FileDraft._append, [after]

    def append(self: Any, data: bytes) -> None:
        if not left[0]:
            raise StorageFull("no room")
        left[0] -= 1
        real(self, data)

    monkeypatch.setattr(drafts.FileDraft, "_append", append)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_F53_where_there_is_no_room_for_a_list_nothing_is_left_of_it_and_the_old_one_is_given(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    path = on_disk(house, tmp_path)
    upstream = Sends(says(*(f"p{number}" for number in range(200_000))))
    proxy = house.new_proxy("big", upstream)
    with monkeypatch.context() as patch:
        failing(house, after, patch)
        with pytest.raises(StorageFull):
            now(proxy.project_names())
    assert upstream.given[-1].closed
    assert list((path / "drafts").iterdir()) == []
    assert held(house) == 0
    upstream.sent = says("one")
    assert listed(now(proxy.project_names())) == ["one"]
    house.clock.advance(7200)
    failing(house, 0, monkeypatch)
    found = now(proxy.project_names())
    assert (listed(found), found.stale) == (["one"], True)
    assert len(list((path / "drafts").iterdir())) == 0


def test_F53_the_body_is_closed_also_where_not_even_a_draft_can_be_made() -> None:
    upstream = Sends(says("one"))

    class Full(MemoryBlobs):
        async def draft(self) -> Any:
            raise StorageFull("no room")

    proxy: Proxy = House(lists=Full()).new_proxy("pypi", upstream)
    with pytest.raises(StorageFull):
        now(proxy.project_names())
    assert upstream.given[0].closed


def flipped(data: bytes) -> bytes:
    return data[:3000] + bytes([data[3000] ^ 0x55, data[3001] ^ 0xFF, data[3002] ^ 0xFF]) + data[3003:]


@pytest.mark.parametrize(
    "spoil",
    [
        flipped,
        lambda data: data[: len(data) // 2],
        lambda data: data[:-4],
        lambda _: b"",
        lambda _: b"no gzip at all",
        lambda data: data[:5],
    ],
    ids=["flipped", "cut", "short", "empty", "other", "head"],
)
def test_F14_a_list_whose_coding_is_broken_is_an_outage_and_leaves_nothing(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    house = House()
    path = on_disk(house, tmp_path)
    upstream = Sends(spoil(gzip.compress(says(*(f"p{number * 7919 % 100003}" for number in range(5000))))), "gzip")
    proxy = house.new_proxy("pypi", upstream)
    with pytest.raises(UpstreamUnavailable, match="cannot be read") as caught:
        now(proxy.project_names())
    assert str(tmp_path) not in str(caught.value)
    assert upstream.given[0].closed
    assert list((path / "drafts").iterdir()) == []


def lines(body: bytes, coding: str = "") -> Lines:
    return Lines("pypi", lambda: io.BytesIO(body), len(body), JSON, coding)


def drained(made: Lines) -> bytes:
    pieces = []
    while piece := made.read(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def padded(size: int) -> bytes:
    """A list of one name in that many bytes, about, nearly all of which compress to nothing."""
    entry = b'{"name":"one","note":"%b"}' % (b" " * 2000)
    return gzip.compress(b'{"projects":[%b]}' % b",".join([entry] * (size // len(entry))))


def test_S53_a_list_compressed_beyond_belief_is_refused_after_sixteen_mebibytes() -> None:
    bomb = padded(200 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="compressed"):
            drained(lines(bomb, "gzip"))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert drained(lines(padded(15 << 20), "gzip")) == b"#pypi\none\t0\n"


@pytest.mark.parametrize(("limit", "value"), [("MOST", 3), ("ROOM", 10), ("LARGEST", 90)])
def test_S53_a_list_is_no_larger_than_any_list_can_be(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogues, limit, value)
    assert drained(lines(says("one", "two"))) == b"#pypi\none\t0\ntwo\t0\n"
    with pytest.raises(Unreadable):
        drained(lines(says("one", "two", "three", "four")))


@given(
    st.lists(st.from_regex(r"[a-z]{1,5}(?:-[a-z]{1,5})?", fullmatch=True)),
    st.booleans(),
    st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1),
)
def test_what_is_kept_of_a_list_is_its_names_in_order(names: list[str], packed: bool, label: str) -> None:
    sent = gzip.compress(says(*names)) if packed else says(*names)
    made = Lines(label, lambda: io.BytesIO(sent), len(sent), JSON, "gzip" if packed else "")
    kept = drained(made)
    assert [str(name) for name, _ in entries(lambda: io.BytesIO(kept))] == sorted(set(names))
    assert catalogues.is_of(lambda: io.BytesIO(kept), label)
    assert not catalogues.is_of(lambda: io.BytesIO(kept), label + "x")
