"""What mirrors of us hear of orders, and of what the clock shows and hides: new numbers, though nobody asked for a page."""

from __future__ import annotations

import hashlib
import xmlrpc.client
from typing import Any

import pytest

from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import StorageFull
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import NormalizedName
from pypidaemon.moments import written
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.web.renumbering import Renumbering
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import NOON, House, header
from tests.web.posting import look, send
from tests.web.test_uploads import upload, wheel

DAY = 86_400.0
PLACES = ("/pypi", "/index/private/pypi")


def order(house: House, verb: str, about: str) -> None:
    """An order, as the command line gives it."""
    more = {} if verb.startswith("un") else {"reason": "x"}
    now(house.door.routes.rulings.rulemaking.perform(verb, {"target": about, **more}, THE_OPERATOR))


def call(house: House, path: str, method: str, *given: Any) -> Any:
    """What XML-RPC answers."""
    reply = send(house, path, xmlrpc.client.dumps(given, method).encode(), "text/xml")
    return xmlrpc.client.loads(house.body(reply))[0][0]


def last(house: House, path: str) -> int:
    found: int = call(house, path, "changelog_last_serial")
    return found


def news(house: House, path: str, since: int) -> list[tuple[str, int]]:
    """The projects that changed after that serial, with their serials, which go no further than the last one."""
    rows = call(house, path, "changelog_since_serial", since)
    assert all(since < row[4] <= last(house, path) for row in rows)
    assert not any("1.1" in str(cell) for row in rows for cell in row[:4])
    return [(row[0], row[4]) for row in rows]


def serial(house: House, path: str, name: str) -> int:
    """The serial of the page of that project below the same index."""
    return int(header(look(house, f"{path.removesuffix('pypi')}simple/{name}/"), "X-PyPI-Last-Serial") or 0)


@pytest.fixture
def house() -> House:
    """Ours are beta with two releases, and others that came after it; upstream has public."""
    house = House(fetches=True)
    house.upstream.add("public", ("public-1.0.tar.gz", b"1"), ("public-2.0.tar.gz", b"2"), versions=("1.0", "2.0"), serial=500)
    private = house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    for made in (wheel("beta", "1.0"), wheel("beta", "1.1"), wheel("gamma", "2.0"), wheel("delta", "2.0")):
        upload(house, house.tokens["ann"], made)
    leaves = [house.barred(private), house.barred(house.proxy)]
    root = FirstMatch("root", tuple(leaves), house.records)
    house.open({"root": root, "private": leaves[0], "pypi": leaves[1]}, "root")
    return house


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("about", ["beta==1.1", "sha256:{}", "beta"])
def test_R146_a_block_and_its_end_are_news_at_once(house: House, place: str, about: str) -> None:
    """By project, release and bytes; above all that was told before, and in the list too. What is hidden is named in no row."""
    about = about.format(hashlib.sha256(wheel("beta", "1.1")[1]).hexdigest())
    call(house, place, "changelog_since_serial", 0)
    for verb in ("block", "unblock", "block"):
        before = last(house, place)
        order(house, verb, about)
        ((name, number),) = news(house, place, before) if verb == "block" else rows(house, place, before)
        assert name == "beta"
        assert number == last(house, place) > before
        if verb == "unblock" or about != "beta":
            assert serial(house, place, "beta") == number
            assert call(house, place, "list_packages_with_serial")["beta"] == number
        else:
            assert look(house, f"{place.removesuffix('pypi')}simple/beta/").status == 404
    assert news(house, place, last(house, place)) == []


def rows(house: House, place: str, since: int) -> list[tuple[str, int]]:
    """The same where everything is shown."""
    return [(row[0], row[4]) for row in call(house, place, "changelog_since_serial", since)]


def test_R146_a_block_of_what_was_taken_from_upstream_is_news(house: House) -> None:
    """By its bytes, since somebody took it."""
    files = house.upstream.pages["public"].files
    house.body(look(house, f"/packages/{files[1].path}"))
    assert serial(house, "/pypi", "public") > 0
    before = {place: last(house, place) for place in ("/pypi", "/index/pypi/pypi")}
    order(house, "block", f"sha256:{files[1].digest}")
    for place, since in before.items():
        ((name, number),) = news(house, place, since)
        assert (name, number) == ("public", serial(house, place, "public"))


def test_S39_an_order_tells_no_upstream_a_name(house: House) -> None:
    """Nor is there any news of what was never shown."""
    house.upstream.asked.clear()
    since = {place: last(house, place) for place in PLACES}
    for about in ("public==1.0", "secret", "secret==1", f"sha256:{'0' * 64}"):
        order(house, "block", about)
    for place in PLACES:
        assert news(house, place, since[place]) == []
    assert house.upstream.asked == []


def test_what_is_blocked_at_a_start_is_news_once(house: House) -> None:
    """Somebody may have blocked it while no daemon ran; and another start changes no number."""
    for place in PLACES:
        call(house, place, "changelog_since_serial", 0)
    since = {place: last(house, place) for place in PLACES}
    records = house.records
    order(house, "block", "beta")
    order(house, "block", "gamma==2.0")
    told = {place: rows(house, place, since[place]) for place in PLACES}
    for _ in range(2):
        private = house.door.routes.indexes["private"].index  # type: ignore[attr-defined]  # it is a barrier
        leaves = [house.barred(private), house.barred(house.proxy)]
        house.open({"root": FirstMatch("root", tuple(leaves), records), "private": leaves[0], "pypi": leaves[1]}, "root")
        for place in PLACES:
            assert sorted(name for name, _ in told[place]) == ["beta", "gamma"]
            assert rows(house, place, since[place]) == told[place]


def test_R146_the_end_of_a_cool_down_is_news(house: House) -> None:
    """When somebody asks what changed, of what was ever shown here; also where upstream fails for a while."""
    house.upstream.pages["new"] = page(
        "new", file("new-2.0.tar.gz", b"2", upload_time=written(NOON - 100)), versions=("2.0",), max_age=9 * DAY
    )
    cooled = Policed(
        "cooled", house.barred(house.proxy), (MinimumAge("cooldown", house.rulings, 3 * DAY),), house.records, house.clock, inline
    )
    house.open({"cooled": cooled, "root": FirstMatch("root", (cooled,), house.records)}, "root")
    look(house, "/simple/new/")
    look(house, "/index/cooled/simple/new/")
    places = ("/pypi", "/index/cooled/pypi")
    since = {place: last(house, place) for place in places}
    house.clock.advance(2 * DAY)
    assert [rows(house, place, since[place]) for place in places] == [[], []]
    house.clock.advance(2 * DAY)
    for place in places:
        assert [name for name, _ in rows(house, place, since[place])] == ["new"]


def test_what_cannot_be_looked_at_now_is_looked_at_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a ledger that cannot be written keeps nobody from giving orders or asking."""
    look(house, "/index/pypi/simple/public/")
    house.clock.advance(10 * DAY)
    house.upstream.fails(["public"])
    monkeypatch.setattr(house.upstream, "pages", {})
    renumbering = house.door.history.renumbering
    renumbering.learnt(["public==1.0", "sha256:" + "0" * 64])
    now(renumbering.settle("pypi"))

    async def full(*asked: object) -> int:
        raise StorageFull("the disk is full")

    with monkeypatch.context() as patch:
        for method in ("number", "serial"):
            patch.setattr(type(house.records.ledger), method, full)
        patch.setattr(type(house.records.files), "holders", full)
        order(house, "block", "beta")
        order(house, "block", "sha256:" + "0" * 64)
        assert look(house, "/simple/beta/").status == 404


def test_there_is_an_end_to_what_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """And to what one question has looked at."""
    monkeypatch.setattr("pypidaemon.web.renumbering.MOST_DUE", 4)
    monkeypatch.setattr("pypidaemon.web.renumbering.MOST_EXAMINED", 3)
    made = Renumbering({"private": house.door.routes.indexes["private"]}, house.records, house.clock)
    made.learnt(f"p{number}" for number in range(9))
    assert len(made._due) == 4
    now(made.settle("private"))
    assert len(made._due) == 1
    made.learnt(["beta", "gamma", "delta"])
    monkeypatch.setattr("pypidaemon.web.renumbering.AT_ONCE", 1)
    now(made.settle("private"))
    assert len(made._due) == 2
    made.shown("private", now(house.door.routes.indexes["private"].project_page(NormalizedName("beta"))))
    assert len(made._due) == 2
