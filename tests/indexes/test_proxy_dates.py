"""Upload times that upstream does not give: found on another upstream or on the files themselves, kept for good, and never instead of upstream's."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from zope.interface import implementer_only

from pypidaemon.errors import NoSuchFile, Refused, StorageFull, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.indexes.policed import Policed
from pypidaemon.indexes.proxy import dates
from pypidaemon.interfaces import IUpstream
from pypidaemon.model import Companion, Fact, Filename, NormalizedName, NotModified, UpstreamPage, Validators
from pypidaemon.moments import written
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.waits import Bell
from tests.contracts.blob_store import put
from tests.fakes import FakeUpstream, file, page
from tests.gear import inline, later, now, waiting
from tests.house import NOON, House

ALPHA = NormalizedName("alpha")
ONE, TWO = "alpha-1.0.tar.gz", "alpha-2.0.tar.gz"
SAID = "2021-05-06T07:08:09.000123Z"


def undated(*names: str, **more: Any) -> Any:
    """Upstream's page of these files, none of which has a date."""
    return page("alpha", *(file(name, name.encode(), upload_time=None) for name in names), **more)


def other(*names: str, label: str = "other", date: str | None = SAID, **more: Any) -> FakeUpstream:
    """Another upstream that has the same bytes, with a date."""
    found = page("alpha", *(file(name, name.encode(), upload_time=date, **more) for name in names))
    return FakeUpstream(label=label, pages={"alpha": found})


@implementer_only(IUpstream)
class Plain(FakeUpstream):
    """An upstream from elsewhere, which promises nothing about dates."""


class Confirms(FakeUpstream):
    """An upstream that confirms what nobody has asked it to confirm."""

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        return NotModified()


@attrs.frozen
class FullBook:
    """A book of facts in which there is no room for another."""

    book: Any

    async def learn(self, label: str, name: NormalizedName, filename: Filename, fact: Fact) -> Fact:
        raise StorageFull("no room")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.book, name)


def home(*others: Any, files: tuple[str, ...] = (ONE, TWO), from_files: bool = False) -> House:
    """A house whose upstream gives no dates, and whose proxy asks these others, or the files."""
    house = House(settings={"dates": others, "dates_from_files": from_files})
    house.upstream.pages["alpha"] = undated(*files)
    return house


def shown(house: House) -> dict[str, str | None]:
    """The dates on the page."""
    return {entry.filename: entry.upload_time for entry in now(house.proxy.project_page(ALPHA)).files}


def facts(house: House) -> dict[str, tuple[str | None, str | None]]:
    """What was found, and who says so."""
    return {name: (fact.upload_time, fact.dated_by) for name, fact in now(house.records.facts.known("pypi", ALPHA)).items()}


def asked_files(house: House) -> list[str]:
    """The files that were asked for their dates."""
    return [what.removeprefix("date ") for what in house.upstream.asked if what.startswith("date ")]


def test_by_default_nobody_is_asked() -> None:
    house = House()
    house.upstream.pages["alpha"] = undated(ONE)
    assert shown(house) == {ONE: None}
    assert house.upstream.asked == ["page alpha"]


def test_the_same_bytes_elsewhere_give_the_date_and_it_is_remembered_who_said_so() -> None:
    first, second = other(ONE, label="first"), other(ONE, TWO, label="second", date="2022-01-01T00:00:00Z")
    house = home(first, second)
    assert shown(house) == {ONE: SAID, TWO: "2022-01-01T00:00:00Z"}
    assert facts(house) == {ONE: (SAID, "first"), TWO: ("2022-01-01T00:00:00Z", "second")}
    assert now(house.proxy.find(ALPHA, Filename(ONE))).file.upload_time == SAID
    first.pages["alpha"] = second.pages["alpha"] = page("alpha", file(ONE, ONE.encode(), upload_time="2023-01-01T00:00:00Z"))
    house.clock.advance(10_000)
    house.restart()
    assert shown(house)[ONE] == SAID
    assert now(house.proxy.find(ALPHA, Filename(ONE))).file.upload_time == SAID
    assert first.asked == second.asked == ["page alpha"]


def test_another_is_asked_only_where_something_lacks_a_date_and_once_for_each_refresh() -> None:
    first, second = other(ONE), other(label="second")
    house = home(first, second, files=(ONE,))
    for _ in range(3):
        shown(house)
    assert (first.asked, second.asked) == (["page alpha"], [])
    house.upstream.pages["alpha"] = undated(ONE, "alpha-3.0.tar.gz", serial=11)
    for refresh in (2, 3):
        house.clock.advance(10_000)
        for _ in range(3):
            assert shown(house)["alpha-3.0.tar.gz"] is None
        house.restart()
        shown(house)
        assert first.asked == ["page alpha"] * refresh
        assert second.asked == ["page alpha"] * (refresh - 1)


@pytest.mark.parametrize(
    "twin",
    [
        file(ONE, b"other bytes", upload_time=SAID),
        file(ONE, ONE.encode(), upload_time=None),
        file(ONE, ONE.encode(), upload_time=SAID, hashes=()),
        file(ONE, ONE.encode(), upload_time=written(NOON + 86_401)),
        file(ONE, ONE.encode(), upload_time="1999-12-31T23:59:59Z"),
    ],
    ids=["other bytes", "no date", "no hash", "tomorrow and later", "before there was packaging"],
)
def test_what_is_no_date_of_these_bytes_is_not_taken(twin: Any) -> None:
    house = home(FakeUpstream(label="other", pages={"alpha": page("alpha", twin)}), files=(ONE,))
    assert shown(house) == {ONE: None}
    assert facts(house) == {}


def test_a_file_whose_hash_upstream_does_not_tell_is_known_by_the_bytes_first_seen() -> None:
    data = b"\x1f\x8b" + ONE.encode()
    twin = page("alpha", file(ONE, data, upload_time=SAID))
    house = home(FakeUpstream(label="other", pages={"alpha": twin}))
    entry = file(ONE, hashes=(), size=None, path="", url="https://files.example/old/alpha-1.0.tar.gz", upload_time=None)
    house.upstream.pages["alpha"] = page("alpha", entry)
    house.upstream.bodies[entry.url] = data
    assert shown(house) == {ONE: None}
    now(house.proxy.open_file(ALPHA, filename(ONE), Companion.FILE)).close()
    assert shown(house) == {ONE: None}
    house.clock.advance(10_000)
    assert shown(house) == {ONE: SAID}


def test_L12_upstreams_own_date_goes_before_one_that_was_found() -> None:
    """Also where it comes later, and where it goes again."""
    house = home(other(ONE), files=(ONE,))
    assert shown(house) == {ONE: SAID}
    own = "2020-02-02T02:02:02Z"
    house.upstream.pages["alpha"] = page("alpha", file(ONE, ONE.encode(), upload_time=own), serial=11)
    house.clock.advance(10_000)
    assert shown(house) == {ONE: own}
    assert facts(house) == {ONE: (SAID, "other")}
    house.upstream.pages["alpha"] = page("alpha", file(ONE, b"replaced", upload_time=None), serial=12)
    now(put(house.blobs, ONE.encode()))
    house.clock.advance(10_000)
    assert shown(house) == {ONE: SAID}


@pytest.mark.parametrize("trouble", ["down", "absent", "reserved", "confirms"])
def test_another_that_fails_costs_nothing_but_the_dates(trouble: str) -> None:
    """And a reserved name never reaches it (law 3)."""
    helper = other(ONE, TWO)
    asked: Any = helper
    if trouble == "down":
        helper.fails(["alpha"])
    elif trouble == "absent":
        helper.pages.clear()
    elif trouble == "reserved":
        asked = Guarded(helper, ("alph*",))
    else:
        asked = Confirms(label="other")
    house = home(asked, other(ONE, label="last"))
    assert shown(house) == {ONE: SAID, TWO: None}
    assert house.upstream.health.state == "up"
    if trouble == "reserved":
        assert helper.asked == []


def test_files_say_when_they_last_changed() -> None:
    """To the second, as PEP 700 has it; only where nobody else knows."""
    house = home(other(ONE), from_files=True)
    house.upstream.changed = {ONE: 1.6e9, TWO: 1_600_000_000.9}
    assert shown(house) == {ONE: SAID, TWO: "2020-09-13T12:26:40Z"}
    assert facts(house)[TWO] == ("2020-09-13T12:26:40Z", "last-modified")
    assert asked_files(house) == [TWO]
    house.upstream.changed[TWO] = 1.7e9
    house.clock.advance(10_000)
    assert shown(house)[TWO] == "2020-09-13T12:26:40Z"
    assert asked_files(house) == [TWO]


@pytest.mark.parametrize(
    "moment", [None, 0.0, 946_684_799.0, NOON + 86_401, -1e30, 1e30, NoSuchFile(ONE), UpstreamUnavailable("pypi", "x")]
)
def test_what_a_file_says_is_believed_only_where_it_makes_sense(moment: Any) -> None:
    """A clock that was never set, one from the future, no answer at all."""
    house = home(from_files=True, files=(ONE,))
    house.upstream.changed[ONE] = moment
    assert shown(house) == {ONE: None}
    assert facts(house) == {}
    assert asked_files(house) == [ONE]
    house.upstream.changed[ONE] = NOON + 80_000
    house.clock.advance(10_000)
    shown(house)
    assert shown(house) == {ONE: written(NOON + 80_000)}


def test_an_upstream_without_such_a_question_is_not_asked() -> None:
    """Nor a file that upstream has replaced: it is not the one that is given."""
    house = home(from_files=True, files=(ONE,))
    house.upstream.changed[ONE] = 1.6e9
    now(house.records.facts.learn("pypi", ALPHA, Filename(ONE), Fact(digest=now(put(house.blobs, b"first")))))
    assert shown(house) == {ONE: None}
    assert asked_files(house) == []

    plain = Plain(pages={"alpha": undated(ONE)}, changed={ONE: 1.6e9})
    elsewhere = House(upstream=plain, settings={"dates_from_files": True})
    assert shown(elsewhere) == {ONE: None}
    assert asked_files(elsewhere) == []
    assert now(Guarded(plain, ()).last_modified("https://files.example/x")) is None


MANY = tuple(f"alpha-{number}.0.tar.gz" for number in range(1, 1101))


def test_no_more_than_eight_files_are_asked_at_once_and_no_more_than_500_for_a_page() -> None:
    """The newest first; the next refresh asks for the next, behind the clients' backs; and an upstream that fails is left alone."""
    house = home(from_files=True, files=MANY)
    house.upstream.changed = dict.fromkeys(MANY, 1.6e9)
    house.upstream.slow = Bell()
    first = later(house.proxy.project_page(ALPHA))
    assert waiting(first)
    assert asked_files(house) == list(reversed(MANY[-8:]))
    slow, house.upstream.slow = house.upstream.slow, None
    slow.ring()
    found = now(first)
    assert len(asked_files(house)) == 500
    assert sum(entry.upload_time is not None for entry in found.files) == 500
    house.clock.advance(10_000)
    house.upstream.changed[MANY[300]] = UpstreamUnavailable("pypi", "it is down")
    shown(house)
    assert sum(date is not None for date in shown(house).values()) == 500 + (600 - 301)
    assert len(asked_files(house)) == 500 + 300


def test_an_upstream_that_never_says_is_not_asked_about_all_of_its_files() -> None:
    house = home(from_files=True, files=MANY)
    shown(house)
    assert len(asked_files(house)) <= dates.FRUITLESS + dates.AT_ONCE
    assert house.upstream.health.state == "up"


def test_the_first_page_waits_two_seconds_for_dates_and_no_longer() -> None:
    """What comes later is announced, and is on the page from then on, with a higher serial (R71)."""
    house = home(from_files=True, files=(ONE,))
    house.upstream.changed[ONE] = 1.6e9
    slow = house.upstream.slow = Bell()
    heard: list[NormalizedName | None] = []
    house.announcements.listen(heard.append)
    answer = later(house.proxy.project_page(ALPHA))
    house.clock.advance(1.9)
    assert waiting(answer)
    house.clock.advance(0.2)
    before = now(answer)
    assert before.files[0].upload_time is None
    assert now(house.proxy.project_page(ALPHA)) == before
    heard.clear()
    slow.ring()
    assert heard == [ALPHA]
    after = now(house.proxy.project_page(ALPHA))
    assert after.files[0].upload_time == "2020-09-13T12:26:40Z"
    assert after.serial > before.serial
    assert house.upstream.asked.count("page alpha") == 1


def test_a_new_file_is_waited_for_and_one_that_was_looked_for_before_is_not() -> None:
    house = home(from_files=True, files=(ONE,))
    shown(house)
    house.upstream.slow = Bell()
    house.clock.advance(10_000)
    assert shown(house) == {ONE: None}
    assert asked_files(house) == [ONE, ONE]
    house.upstream.slow.ring()
    house.upstream.pages["alpha"] = undated(ONE, TWO, serial=11)
    house.clock.advance(10_000)
    answer = later(house.proxy.project_page(ALPHA))
    assert waiting(answer)
    assert asked_files(house)[2:] == [TWO, ONE]
    house.upstream.changed[TWO] = 1.6e9
    house.upstream.slow.ring()
    assert {entry.filename: entry.upload_time for entry in now(answer).files} == {ONE: None, TWO: "2020-09-13T12:26:40Z"}


def test_a_repaired_date_lets_a_file_pass_a_minimum_age() -> None:
    """Which hides what has no date; what turns out to be new stays hidden."""
    house = home(from_files=True)
    cool = MinimumAge("cool", house.rulings, age=86_400.0, unknown="hide")
    index = Policed("policed", house.proxy, (cool,), house.records, house.clock, inline)
    slow = house.upstream.slow = Bell()
    house.upstream.changed = {ONE: 1.6e9, TWO: NOON - 60}
    answer = later(index.project_page(ALPHA))
    house.clock.advance(3)
    assert now(answer).files == ()
    with pytest.raises(Refused):
        now(index.find(ALPHA, Filename(ONE)))
    slow.ring()
    assert [entry.filename for entry in now(index.project_page(ALPHA)).files] == [ONE]
    assert now(index.find(ALPHA, Filename(ONE))).file.upload_time == "2020-09-13T12:26:40Z"
    with pytest.raises(Refused):
        now(index.find(ALPHA, Filename(TWO)))


def test_F53_where_there_is_no_room_for_a_fact_the_page_is_given_without_dates() -> None:
    house = home(other(ONE, TWO), from_files=True)

    book = house.records.facts
    house.records.facts = FullBook(book)  # type: ignore[assignment]  # as good a book, until somebody writes
    assert shown(house) == {ONE: None, TWO: None}
    house.proxy.dating.others = ()
    house.upstream.changed = {ONE: 1.6e9, TWO: 1.6e9}
    house.clock.advance(10_000)
    assert shown(house) == {ONE: None, TWO: None}
    house.records.facts = book
    house.clock.advance(10_000)
    shown(house)
    assert set(shown(house).values()) == {"2020-09-13T12:26:40Z"}


def test_of_two_who_find_a_date_the_first_is_believed() -> None:
    """It is never changed afterwards."""
    house = home(from_files=True, files=(ONE,))
    house.upstream.changed = {ONE: 1.6e9}
    slow = house.upstream.slow = Bell()
    answer = later(house.proxy.project_page(ALPHA))
    now(house.records.facts.learn("pypi", ALPHA, Filename(ONE), Fact(upload_time=SAID, dated_by="other")))
    slow.ring()
    assert now(answer).files[0].upload_time == SAID
    assert facts(house) == {ONE: (SAID, "other")}


def test_a_stop_ends_what_is_still_asked() -> None:
    """And nothing is learned afterwards."""
    house = home(from_files=True)
    house.upstream.changed = {ONE: 1.6e9, TWO: 1.6e9}
    slow = house.upstream.slow = Bell()
    answer = later(house.proxy.project_page(ALPHA))
    house.clock.advance(3)
    now(answer)
    house.proxy.startService()
    now(house.proxy.stopService())
    assert slow.listeners == 0
    assert facts(house) == {}


def test_an_upstream_is_not_asked_for_what_it_lacks_itself() -> None:
    with pytest.raises(ValueError, match="dates: names the upstream itself"):
        home(FakeUpstream(label="pypi"))


def test_a_quarantined_project_is_not_asked_about() -> None:
    house = home(other(ONE))
    house.upstream.pages["alpha"] = undated(ONE, status=attrs.evolve(page("x").status, marker="quarantined"))
    assert shown(house) == {}
