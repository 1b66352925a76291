"""`/rss/…`: what has come lately, as a feed reader reads it (R152)."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET

import feedparser  # type: ignore[import-untyped]
import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.web.feeds import MOST_RELEASES
from tests.fakes import file, page
from tests.gear import now
from tests.house import House, header
from tests.web.posting import look, order
from tests.web.test_uploads import upload, wheel

DAY = 86400.0


@pytest.fixture
def house() -> House:
    """Alpha 1.0, beta 1.0 and alpha 1.1 of ours, each a day after the other, and of an upstream what was asked for."""
    house = House()
    dates = ("2026-01-01T00:00:00Z", "2026-05-30T00:00:00.5Z")
    house.upstream.pages["public"] = page(
        "public",
        *(file(f"public-{number}.0.tar.gz", b"x", upload_time=date) for number, date in enumerate(dates, 1)),
        versions=("1.0", "2.0"),
    )
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"stranger"))
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    for made in (wheel("alpha"), wheel("beta"), wheel("alpha", "1.1")):
        assert upload(house, house.tokens["ann"], made).status == 200
        house.clock.advance(DAY)
    house.get("/simple/public/")
    house.get("/index/pypi/simple/alpha/")
    return house


def read(house: House, path: str = "/rss/updates.xml", token: str | None = None) -> Any:
    """The feed, as a reader understands it, which has nothing to complain of."""
    reply = look(house, path, token)
    assert (reply.status, header(reply, "Content-Type")) == (200, "text/xml; charset=utf-8")
    feed = feedparser.parse(reply.body)
    assert not feed.bozo
    assert feed.version == "rss20"
    channel = ET.fromstring(reply.body).find("channel")  # ours
    assert channel is not None
    assert all(channel.findtext(name) for name in ("title", "link", "description"))
    return feed


def titles(house: House, path: str = "/rss/updates.xml", token: str | None = None) -> list[str]:
    """What stands in the feed, in its order."""
    return [entry.title for entry in read(house, path, token).entries]


def test_R152_the_newest_releases_and_projects(house: House) -> None:
    """Of ours and of what was asked for here, with times and absolute addresses."""
    assert titles(house) == ["alpha 1.1", "public 2.0", "beta 1.0", "alpha 1.0", "public 1.0"]
    assert titles(house, "/rss/packages.xml") == ["beta was added", "alpha was added", "public was added"]
    assert titles(house, "/rss/project/alpha/releases.xml") == ["1.1", "1.0"]
    assert titles(house, "/rss/project/public/releases.xml") == ["2.0", "1.0"]
    entry = read(house).entries[1]
    assert entry.link == entry.id == "http://127.0.0.1:3141/project/public/2.0/"
    assert calendar.timegm(entry.published_parsed) == datetime(2026, 5, 30, tzinfo=UTC).timestamp()
    assert entry.tags[0].term == "pypi"
    assert read(house).feed.link == "http://127.0.0.1:3141/"


def test_every_index_has_its_own(house: House) -> None:
    """Below its own root; a project of ours is not mixed with another's of that name."""
    assert titles(house, "/index/private/rss/updates.xml") == ["alpha 1.1", "beta 1.0", "alpha 1.0"]
    assert titles(house, "/index/pypi/rss/project/alpha/releases.xml") == ["9.0"]
    assert read(house, "/index/pypi/rss/packages.xml").entries[0].link.startswith("http://127.0.0.1:3141/index/pypi/project/")
    house.public_url = "https://index.example/py/"
    house.open(dict(house.door.routes.indexes), "root")
    assert read(house).entries[0].link == "https://index.example/py/project/alpha/1.1/"


def test_no_request_is_made_for_it_and_readers_ask_on_condition(house: House) -> None:
    """By tag or by date; what has not changed has neither changed, though it was looked at again."""
    house.upstream.asked.clear()
    first = house.get("/rss/updates.xml")
    etag, date = header(first, "ETag"), header(first, "Last-Modified")
    assert etag is not None
    assert date is not None
    assert parsedate_to_datetime(date).timestamp() == house.clock.seconds()
    house.clock.advance(120)
    house.announcements.announce(None)
    for headers in ({"if_none_match": etag}, {"if_modified_since": date}, {"if_none_match": etag, "if_modified_since": "x"}):
        again = house.get("/rss/updates.xml", **headers)
        assert (again.status, again.body, header(again, "ETag"), header(again, "Last-Modified")) == (304, b"", etag, date)
    for headers in ({"if_none_match": '"x"', "if_modified_since": date}, {"if_modified_since": "x"}, {"if_modified_since": "y" * 99}):
        assert house.get("/rss/updates.xml", **headers).status == 200
    assert upload(house, house.tokens["ann"], wheel("gamma")).status == 200
    assert house.get("/rss/updates.xml", if_none_match=etag, if_modified_since=date).status == 200
    assert house.upstream.asked == []


def test_what_is_hidden_or_blocked_is_in_none(house: House) -> None:
    """At once; a project is as old as what is left of it."""
    house.door.routes.indexes["private"]
    indexes = {
        "root": FirstMatch("root", tuple(house.barred(house.door.routes.indexes[label]) for label in ("private", "pypi")), house.records)
    }
    house.open({**house.door.routes.indexes, **indexes}, "root")
    assert len(titles(house)) == 5
    order(house, "hide", house.tokens["ann"], project="alpha", version="1.1")
    assert titles(house) == ["public 2.0", "beta 1.0", "alpha 1.0", "public 1.0"]
    for target in ("beta", "public==2.0"):
        now(house.door.routes.rulings.rulemaking.perform("block", {"target": target, "reason": "bad"}, THE_OPERATOR))
    assert titles(house) == ["alpha 1.0", "public 1.0"]
    with pytest.raises(NoSuchProject):
        house.get("/rss/project/beta/releases.xml")


def test_S42_only_what_the_asker_may_see_is_in_it(house: House) -> None:
    """Nor anything of an upstream under a name of ours; the next request knows of a change of rights."""
    assert len(titles(house)) == 5
    now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "*"))
    house.grant("anonymous", "list", "pypi")
    house.grant("ann", "list", "private")
    assert titles(house) == ["public 2.0", "public 1.0"]
    assert titles(house, token=house.tokens["ann"]) == ["alpha 1.1", "public 2.0", "beta 1.0", "alpha 1.0", "public 1.0"]
    assert header(look(house, "/rss/updates.xml", house.tokens["ann"]), "Cache-Control") == "private, no-cache"
    with pytest.raises(NoSuchProject):
        house.get("/rss/project/alpha/releases.xml")


def test_other_addresses(house: House) -> None:
    """Are none, and one spelling of a name leads to the other."""
    assert header(house.get("/rss/project/Alpha/releases.xml"), "Location") == "../alpha/releases.xml"
    for path in ("/rss", "/rss/", "/rss/other.xml", "/rss/project/alpha/", "/at/2026-05-01/rss/updates.xml"):
        with pytest.raises(NoSuchFile):
            house.get(path)
    for path in ("/rss/project/nowhere/releases.xml", "/rss/project/-/releases.xml"):
        assert look(house, path).status == 404


def test_text_of_others_is_text(house: House) -> None:
    """Whatever a version is."""
    assert upload(house, house.tokens["ann"], wheel("amp", "1.0+a.b")).status == 200
    assert read(house).entries[0].link.endswith("/project/amp/1.0%2Ba.b/")


def test_a_feed_is_bounded(house: House) -> None:
    """However much there is."""
    many = tuple(file(f"many-{number}.tar.gz", b"x", upload_time=f"2026-04-01T00:00:{number % 60:02}Z") for number in range(300))
    house.upstream.pages["many"] = page("many", *many, versions=tuple(str(number) for number in range(300)))
    house.get("/simple/many/")
    assert len(titles(house)) == MOST_RELEASES
    assert len(titles(house, "/rss/project/many/releases.xml")) == 40
