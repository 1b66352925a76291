"""An index as it was at a moment."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import NoSuchFile, PypidaemonError, Refused
from pypidaemon.filenames import filename
from pypidaemon.indexes.policed import AsOf, Policed
from pypidaemon.interfaces import IIndex
from pypidaemon.model import Companion, File, NormalizedName
from pypidaemon.moments import moment, uploaded, written
from pypidaemon.policies.freeze import Freeze
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House

ALPHA = NormalizedName("alpha")


def as_of(house: House, at: float) -> AsOf:
    return AsOf("pypi", at, house.clock, inline, house.proxy)


@pytest.fixture
def house() -> House:
    """Alpha with a release of January, one of March, and one that nobody can date."""
    house = House()
    entries = [
        file("alpha-1.0.tar.gz", b"one", upload_time="2026-01-02T03:04:05.678901Z"),
        file("alpha-2.0.tar.gz", b"two", upload_time="2026-03-01T00:00:00Z", yanked="too early"),
        file("alpha-3.0.tar.gz", b"three", upload_time=None),
    ]
    house.upstream.pages["alpha"] = page("alpha", *entries, versions=("0.9", "1.0", "2.0", "3.0"))
    house.upstream.bodies |= {entry.url: data for entry, data in zip(entries, (b"one", b"two", b"three"), strict=True)}
    return house


def names(index: IIndex) -> list[str]:
    return [entry.filename for entry in now(index.project_page(ALPHA)).files]


@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("2025-12-31", []),
        ("2026-01-02T03:04:05Z", []),
        ("2026-01-02T03:04:06Z", ["alpha-1.0.tar.gz"]),
        ("2026-02-28T23:59:59Z", ["alpha-1.0.tar.gz"]),
        ("2026-03-01", ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]),
        ("2999-01-01", ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]),
    ],
)
def test_what_had_been_uploaded_by_then_is_there(house: House, at: str, left: list[str]) -> None:
    """A day is its first second. What cannot be dated is not there; a moment to come is like now."""
    assert names(as_of(house, moment(at))) == left


def test_versions_go_with_their_files_and_all_else_is_as_it_is_now(house: House) -> None:
    """A release without files, which nobody hid, stays; a yank shows though it may have come later."""
    inner = now(house.proxy.project_page(ALPHA))
    seen = now(as_of(house, moment("2026-03-01")).project_page(ALPHA))
    assert seen.versions == ("0.9", "1.0", "2.0")
    assert seen.files[1].yanked == "too early"
    assert (seen.serial, seen.fresh_until, seen.source, seen.status) == (inner.serial, inner.fresh_until, inner.source, inner.status)
    assert seen.revision != inner.revision


def test_nothing_is_written_down_for_a_moment(house: House) -> None:
    """Anybody may ask for any moment, so neither the ledger nor memory grows by it."""
    now(house.proxy.project_page(ALPHA))
    before = now(house.records.ledger.changes("pypi", 0, 100))
    for day in range(1, 29):
        seen = as_of(house, moment(f"2026-02-{day:02}"))
        assert now(seen.project_page(ALPHA)).serial == now(house.proxy.project_page(ALPHA)).serial
        assert now(seen.changes(0)) == before
    assert now(house.records.ledger.changes("pypi", 0, 100)) == before
    assert now(house.records.ledger.serials("/at/")) == {}


def test_law_2_what_came_later_cannot_be_opened_and_says_why(house: House) -> None:
    """Also where its bytes are here."""
    now(house.proxy.open_file(ALPHA, filename("alpha-2.0.tar.gz"), Companion.FILE))
    seen = as_of(house, moment("2026-02-01"))
    for companion in Companion:
        with pytest.raises(Refused, match="refused by /at/: uploaded 2026-03-01T00:00:00Z, after 2026-02-01T00:00:00Z"):
            now(seen.open_file(ALPHA, filename("alpha-2.0.tar.gz"), companion))
        with pytest.raises(Refused, match="refused by /at/: its upload time is not known"):
            now(seen.open_file(ALPHA, filename("alpha-3.0.tar.gz"), companion))
    with pytest.raises(NoSuchFile):
        now(seen.find(ALPHA, filename("alpha-9.0.tar.gz")))
    assert now(now(seen.open_file(ALPHA, filename("alpha-1.0.tar.gz"), Companion.FILE)).read(0, 9)) == b"one"


def test_the_names_are_those_of_now(house: House) -> None:
    """Names cannot be judged without their pages."""
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"},{"name":"beta"}]}'
    seen = now(as_of(house, 0.0).project_names())
    assert [name for name, _ in seen.entries()] == ["alpha", "beta"]
    assert now(as_of(house, 0.0).refresh(ALPHA)) == 0


UPLOADS = st.lists(st.none() | st.integers(-3, 3), max_size=6)


@given(UPLOADS, st.integers(-3, 3))
def test_law_freezing_at_a_moment_is_policing_by_upload_time(uploads: list[int | None], at: int) -> None:
    """By way of an address, by a configured rule, and by hand: one and the same."""
    house, begin = House(), 1_770_000_000
    until = float(begin + at)
    made: list[File] = []
    for number, since in enumerate(uploads):
        entry = file(f"alpha-{number}.0.tar.gz", b"%d" % number, upload_time=None if since is None else written(begin + since))
        house.upstream.bodies[entry.url] = b"%d" % number
        made.append(entry)
    house.upstream.pages["alpha"] = page("alpha", *made, versions=tuple(f"{number}.0" for number in range(len(made))))
    inner = now(house.proxy.project_page(ALPHA))
    by_hand = [entry for entry in inner.files if (since := uploaded(entry)) is not None and since <= until]
    seen = as_of(house, until)
    policed = Policed("policed", house.proxy, (Freeze("freeze", until),), house.records, house.clock, inline)
    one, other = now(seen.project_page(ALPHA)), now(policed.project_page(ALPHA))
    assert list(one.files) == list(other.files) == by_hand
    assert one.versions == other.versions == tuple(version for version in inner.versions if f"alpha-{version}.tar.gz" in _names(by_hand))
    assert one.revision == other.revision
    for entry in inner.files:
        assert {_opened(index, entry) for index in (seen, policed)} == {entry.digest if entry in by_hand else "refused"}


def _names(files: list[File]) -> set[str]:
    return {entry.filename for entry in files}


def _opened(index: IIndex, entry: File) -> str | None:
    try:
        found = now(index.find(ALPHA, entry.filename))
        content = now(index.open_file(ALPHA, entry.filename, Companion.FILE))
    except Refused:
        return "refused"
    except PypidaemonError as error:
        return repr(error)
    assert found.file == entry
    return hashlib.sha256(now(content.read(0, 99))).hexdigest()
