"""The project list of a mirror: made when it has changed and somebody asks, of any length, and nobody else's."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.catalogues import Catalogues
from pypidaemon.errors import StorageFull, UpstreamUnavailable
from pypidaemon.indexes.mirror import Mirror, names
from pypidaemon.indexes.mirror.names import Names
from pypidaemon.model import Leaving, Mirrored, NormalizedName, ProjectStatus, UpstreamPage
from pypidaemon.waits import Bell
from tests.fakes import page
from tests.filling import bring, listed
from tests.gear import inline, later, now
from tests.house import House
from tests.indexes.test_mirror import Over, full

ALPHA, BETA, GAMMA = NormalizedName("alpha"), NormalizedName("beta"), NormalizedName("gamma")


@pytest.fixture
def house() -> House:
    """An upstream with three projects."""
    house = House()
    for number, name in enumerate((ALPHA, BETA, GAMMA)):
        house.upstream.pages[name] = page(name, serial=10 + number)
    return house


@pytest.fixture
def mirror(house: House) -> Mirror:
    """A mirror of the first and the last of them."""
    mirror = house.new_mirror()
    bring(mirror, GAMMA, 12)
    bring(mirror, ALPHA, 10)
    return mirror


def leave(house: House, name: NormalizedName) -> None:
    """Take that project off, as a run does."""
    mirrored = now(house.records.mirrors.page("mirror", name))
    assert mirrored is not None
    now(house.records.mirrors.leave("mirror", [Leaving(name, None, 1.0, 2.0, mirrored)]))
    house.announcements.announce(name)


def kept(house: House) -> int:
    """How many lists are kept."""

    async def count() -> int:
        return len([digest async for digest in house.lists.digests()])

    return now(count())


def asked(house: House) -> list[str]:
    """From now on, the parts of lists that are read."""
    parts: list[str] = []
    real = house.records.mirrors

    async def serials(label: str, after: str, limit: int) -> Any:
        parts.append(after)
        return await real.serials(label, after, limit)

    house.records.mirrors = Over(real, serials=serials)
    return parts


def test_it_has_the_mirrored_projects_in_order_with_their_serials(mirror: Mirror) -> None:
    found = now(mirror.project_names())
    assert list(found.entries()) == [(ALPHA, 10), (GAMMA, 12)]
    assert list(found.entries()) == [(ALPHA, 10), (GAMMA, 12)]
    assert (found.serial, found.source, found.fresh_until, found.stale) == (12, "mirror", None, False)


def test_a_mirror_of_nothing_has_an_empty_list(house: House) -> None:
    found = now(house.new_mirror().project_names())
    assert (list(found.entries()), found.serial) == ([], 1)


def test_it_is_made_once_until_something_changes(house: House, mirror: Mirror) -> None:
    parts = asked(house)
    first = now(mirror.project_names())
    for name in (BETA, NormalizedName("unknown")):
        house.announcements.announce(name)
    assert now(mirror.project_names()).revision == first.revision
    assert parts == [""]
    bring(mirror, BETA, 11)
    second = now(mirror.project_names())
    assert [name for name, _ in second.entries()] == [ALPHA, BETA, GAMMA]
    assert second.revision != first.revision
    assert parts == ["", "bet`\x7f"]
    assert kept(house) == 1


def test_what_may_change_anything_makes_it_anew_and_the_same_list_is_the_same(house: House, mirror: Mirror) -> None:
    parts = asked(house)
    first = now(mirror.project_names())
    house.announcements.announce(None)
    assert now(mirror.project_names()).revision == first.revision
    for number in range(names.MOST_TOUCHED + 10):
        house.announcements.announce(NormalizedName(f"p{number}"))
    assert now(mirror.project_names()).revision == first.revision
    assert parts == ["", "", ""]
    assert kept(house) == 1


def test_M6_R71_a_project_that_left_is_off_the_list_and_raises_its_serial(house: House, mirror: Mirror) -> None:
    before = now(mirror.project_names())
    leave(house, ALPHA)
    after = now(mirror.project_names())
    assert list(after.entries()) == [(GAMMA, 12)]
    assert after.serial == before.serial + 1
    assert [row.name for row in now(mirror.changes(before.serial))] == [ALPHA]
    house.announcements.announce(None)
    assert now(mirror.project_names()).serial == after.serial
    bring(mirror, ALPHA, 10)
    again = now(mirror.project_names())
    assert list(again.entries()) == [(ALPHA, 14), (GAMMA, 12)]
    leave(house, ALPHA)
    assert now(mirror.project_names()).serial == 15


def test_a_list_that_was_begun_before_a_change_does_not_serve_who_asks_after_it(house: House, mirror: Mirror) -> None:
    bell, real = Bell(), house.records.mirrors

    async def slow(label: str, after: str, limit: int) -> Any:
        found = await real.serials(label, after, limit)
        await bell.wait()
        return found

    house.records.mirrors = Over(real, serials=slow)
    first = later(mirror.project_names())
    bring(mirror, BETA, 11)
    second = later(mirror.project_names())
    bell.ring()
    bell.ring()
    assert [name for name, _ in now(first).entries()] == [ALPHA, BETA, GAMMA]
    assert [name for name, _ in now(second).entries()] == [ALPHA, BETA, GAMMA]


def test_a_list_for_which_there_is_no_room_is_made_when_there_is(house: House, mirror: Mirror) -> None:
    now(mirror.project_names())
    bring(mirror, BETA, 11)
    real = house.records.mirrors
    house.records.mirrors = Over(real, serials=full)
    with pytest.raises(StorageFull):
        now(mirror.project_names())
    house.records.mirrors = Over(real, page=full)
    with pytest.raises(StorageFull):
        now(mirror.project_names())
    house.records.mirrors = real
    assert listed(mirror) == [ALPHA, BETA, GAMMA]


def test_a_list_that_is_replaced_or_lost_while_it_is_read_is_read_to_its_end(house: House, mirror: Mirror, tmp_path: Path) -> None:
    store = DirectoryBlobs(path=tmp_path / "names", label="names", disk=inline)
    store.startService()
    house.lists = store  # type: ignore[assignment]  # a store like the other
    on_disk = house.new_mirror()
    begun = now(on_disk.project_names()).entries()
    assert next(begun) == (ALPHA, 10)
    bring(on_disk, BETA, 11)
    assert listed(on_disk) == [ALPHA, BETA, GAMMA]
    assert kept(house) == 1
    assert list(begun) == [(GAMMA, 12)]
    for one in store.path.rglob("*"):
        if one.is_file():
            one.unlink()
    assert listed(on_disk) == [ALPHA, BETA, GAMMA]


def test_the_lists_of_two_indexes_do_not_share_a_fate(house: House, mirror: Mirror) -> None:
    other = house.new_mirror("other")
    bring(other, GAMMA, 12)
    bring(other, ALPHA, 10)
    assert listed(other) == listed(mirror) == [ALPHA, GAMMA]
    assert kept(house) == 2
    leave(house, GAMMA)
    assert (listed(mirror), listed(other)) == ([ALPHA], [ALPHA, GAMMA])


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.integers(1, 5))
def test_whatever_is_mirrored_and_numbered_each_name_stands_once_in_order(mirrored: set[int], numbered: set[int], part: int) -> None:
    """Also where the parts in which the two books are read do not meet."""
    house = House()
    mirror = house.new_mirror()
    for number in mirrored:
        name = NormalizedName(f"p{number:02}")
        now(house.records.mirrors.keep("mirror", name, Mirrored(UpstreamPage(name), number)))
    for number in numbered:
        now(house.records.ledger.number("mirror", NormalizedName(f"p{number:02}"), "r", 100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "PART", part)
        found = now(mirror.project_names())
    expected = [(f"p{number:02}", 100 if number in numbered else max(number, 1)) for number in sorted(mirrored)]
    assert list(found.entries()) == expected
    gone = numbered - mirrored
    assert found.serial == max([serial for _, serial in expected] + [100 + len(gone) if numbered else 1])
    assert {row.name for row in now(mirror.changes(100))} == {f"p{number:02}" for number in gone}


happenings = st.lists(
    st.tuples(
        st.sampled_from(["bring", "change", "leave", "ask", "forget", "list", "many"]),
        st.sampled_from([NormalizedName(name) for name in ("alpha", "beta", "gamma", "a", "a-b", "z9")]),
    ),
    max_size=14,
)


def happen(house: House, mirror: Mirror, what: str, name: NormalizedName, number: int) -> None:
    """Something that may change the list, or the numbers that stand on it."""
    known = now(house.records.mirrors.page("mirror", name))
    match what:
        case "bring" if known is None:
            house.upstream.pages[name] = page(name, serial=number + 5)
            bring(mirror, name, number)
        case "change" if known is not None:
            # Upstream's page may be newer than its list, and another page gets another number.
            house.upstream.pages[name] = page(name, serial=3 * number, status=ProjectStatus("archived", str(number)))
            bring(mirror, name, number)
        case "leave" if known is not None:
            leave(house, name)
        case "ask" if known is not None:
            now(mirror.project_page(name))
        case "forget":
            mirror.pages.forget(None)
        case "list":
            now(mirror.project_names())
        case "many":
            house.announcements.announce(None)


@given(happenings)
def test_R71_a_list_that_is_amended_is_the_list_made_anew(turns: list[tuple[str, NormalizedName]]) -> None:
    house = House()
    mirror, other = house.new_mirror(), NormalizedName("other")
    house.upstream.pages[other] = page(other, serial=1)
    bring(mirror, other, 1)
    for number, (what, name) in enumerate(turns, 10):
        # A page that goes back is not taken.
        with suppress(UpstreamUnavailable):
            happen(house, mirror, what, name, number)
        # So that it is looked at, whatever of that was announced.
        house.announcements.announce(other)
        amended = now(mirror.project_names())
        anew = Names("mirror", house.records, Catalogues("other", MemoryBlobs(), inline), inline, lambda _: False)
        expected = now(anew.project_names())
        assert list(amended.entries()) == list(expected.entries())
        # What left with the highest number of all may have taken it along, and a list never goes back.
        assert amended.serial >= expected.serial
        assert amended.stretches is not None
        assert list(amended.stretches.entries("", "")) == list(expected.entries())
    assert kept(house) <= 1


@given(happenings)
def test_R72_as_long_as_a_mirror_is_in_the_same_state_it_has_the_same_list(turns: list[tuple[str, NormalizedName]]) -> None:
    house = House()
    mirror = house.new_mirror()
    known: dict[Any, Any] = {}
    for number, (what, name) in enumerate(turns, 10):
        with suppress(UpstreamUnavailable):
            happen(house, mirror, what, name, number)
        for _ in range(2):
            state = mirror.names_state()
            found = now(mirror.project_names())
            said = (list(found.entries()), found.serial, found.revision)
            assert state is None or known.setdefault(state, said) == said
        assert mirror.names_state() in known


def test_after_one_change_the_rest_of_the_list_is_not_read_again(house: House, mirror: Mirror) -> None:
    now(mirror.project_names())
    parts = asked(house)
    for number in range(3):
        house.upstream.pages[BETA] = page(BETA, serial=20 + number)
        bring(mirror, BETA, 20 + number)
        found = now(mirror.project_names())
        assert list(found.entries()) == [(ALPHA, 10), (BETA, 20 + number), (GAMMA, 12)]
    assert set(parts) == {"bet`\x7f"}


def test_what_changed_unannounced_makes_the_list_anew(house: House, mirror: Mirror) -> None:
    now(mirror.project_names())
    mirrored = now(house.records.mirrors.page("mirror", ALPHA))
    assert mirrored is not None
    now(house.records.mirrors.leave("mirror", [Leaving(ALPHA, None, 1.0, 2.0, mirrored)]))
    bring(mirror, BETA, 11)
    assert list(now(mirror.project_names()).entries()) == [(BETA, 11), (GAMMA, 12)]


def test_a_list_that_the_disk_has_damaged_is_made_anew(house: House, mirror: Mirror) -> None:
    now(mirror.project_names())
    last = mirror.names._last
    assert last is not None
    mirror.names._last = attrs.evolve(last, opened=lambda: io.BytesIO(b"#mirror\nalpha"))
    bring(mirror, BETA, 11)
    assert list(now(mirror.project_names()).entries()) == [(ALPHA, 10), (BETA, 11), (GAMMA, 12)]


def test_R71_a_number_that_a_page_got_meanwhile_is_on_the_next_list(house: House, mirror: Mirror) -> None:
    """Also one that is below the highest, since upstream gave it."""
    house.upstream.pages[ALPHA] = page(ALPHA, serial=99)
    bring(mirror, ALPHA, 10)
    assert now(mirror.project_page(ALPHA)).serial == 99
    mirrored = now(house.records.mirrors.page("mirror", GAMMA))
    assert mirrored is not None
    # As from a bundle: nobody has looked at its page yet.
    now(house.records.mirrors.keep("mirror", BETA, attrs.evolve(mirrored, page=page(BETA, serial=21), serial=11)))
    house.announcements.announce(BETA)
    assert list(now(mirror.project_names()).entries()) == [(ALPHA, 99), (BETA, 11), (GAMMA, 12)]
    assert now(mirror.project_page(BETA)).serial == 21
    house.announcements.announce(GAMMA)
    assert list(now(mirror.project_names()).entries()) == [(ALPHA, 99), (BETA, 21), (GAMMA, 12)]
