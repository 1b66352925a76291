"""`/search/`: what is found, by whom, and what is never named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.logger import capturedLogs

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import NoSuchFile
from pypidaemon.filenames import project_name
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import NormalizedName
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.names import Names
from pypidaemon.searching.gathering import Gatherer
from pypidaemon.searching.index import FILE, SearchIndex
from pypidaemon.services.searching import EVERY, FIRST, MOST_ANNOUNCED, REST, SOON, Searching
from pypidaemon.testing.archives import core_metadata
from pypidaemon.web.finding import Query
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House, header
from tests.web.posting import look, order
from tests.web.test_uploads import upload, wheel

LIST = b'{"meta":{"api-version":"1.4","_last-serial":3},"projects":[{"name":"public-thing"},{"name":"alpha"},{"name":"corp-stolen"},{"name":"barred"}]}'


class Sought(House):
    """A house that is searched."""

    service: Searching

    def search(self, path: Path, **more: Any) -> None:
        """Have everything be found that its indexes have."""
        self.searched = SearchIndex(path / FILE, inline, inline)
        gatherer = Gatherer(
            self.records,
            lambda: dict.fromkeys(("private", "pypi", "mirror"), self.blobs),
            self.lists,
            self.reserved,
            inline,
            inline,
            self.rulings,
        )
        routes = self.door.routes
        self.open(dict(routes.indexes), routes.default)
        self.service = Searching(self.searched, gatherer, tuple(routes.indexes.values()), self.announcements, self.clock, **more)
        self.service.startService()
        self.clock.advance(FIRST)

    def found(self, words: str, token: str | None = None, path: str = "/search/") -> list[str]:
        """The names in the answer."""
        return [hit["name"] for hit in self.hits(words, token, path)]

    def hits(self, words: str, token: str | None = None, path: str = "/search/") -> Any:
        """The results in the answer."""
        reply = look(self, f"{path}?q={words}", token)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)["results"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Sought]:
    """Ours before a proxy whose list is known; ann may do everything with ours."""
    house = Sought(reserved=("corp-*",))
    house.upstream.names = LIST
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    assert upload(house, house.tokens["ann"], wheel("Our.Thing", summary="Weather for <b>everybody</b>")).status == 200
    assert upload(house, house.tokens["ann"], wheel("alpha", summary="Ours")).status == 200
    house.get("/simple/")
    house.search(tmp_path)
    yield house
    now(house.service.stopService())
    assert house.searched is not None
    now(house.searched.stopService())


def test_P9_ours_and_what_an_upstream_has_are_found_and_nobody_is_asked(house: Sought) -> None:
    """By names in any spelling and by words of a summary."""
    house.upstream.asked.clear()
    hits = house.hits("thing")
    assert hits[0] == {
        "name": "our-thing", "title": "Our.Thing", "version": "1.0", "summary": "Weather for <b>everybody</b>", "index": "private", "kind": "own",
        "url": "../project/our-thing/",
    }  # fmt: skip
    assert [hit["name"] for hit in hits] == ["our-thing", "public-thing"]
    assert (hits[1]["version"], hits[1]["summary"], hits[1]["kind"]) == (None, None, "upstream")
    assert house.found("WEATHER") == house.found("our_thing") == house.found("weather our") == ["our-thing"]
    assert [hit["index"] for hit in house.hits("alpha")] == ["private"]
    assert house.found("thing", path="/index/pypi/search/") == ["public-thing"]
    assert house.hits("thing", path="/index/private/search/")[0]["url"] == "../../../index/private/project/our-thing/"
    assert house.upstream.asked == []


def test_it_is_a_page_for_people(house: Sought) -> None:
    """Whose values are text, whoever wrote them; with what it changes by, and which script helps."""
    reply = house.get("/search/?q=weather", accept="text/html")
    text = reply.body.decode()
    assert header(reply, "Content-Type") == "text/html; charset=utf-8"
    assert 'href="../project/our-thing/"' in text
    assert "Weather for &lt;b&gt;everybody&lt;/b&gt;" in text
    assert "search.js" in text
    assert "1 project<" in text
    etag = header(reply, "ETag")
    assert etag is not None
    assert house.get("/search/?q=weather", accept="text/html", if_none_match=etag).status == 304
    evil = house.get('/search/?q="><script>alert(1)</script>', accept="text/html").body.decode()
    assert "<script>alert" not in evil
    assert "Nothing was found" in house.get("/search/?q=nowhere", accept="text/html").body.decode()
    assert 'href="../project/nowhere/"' in house.get("/search/?q=nowhere", accept="text/html").body.decode()
    assert "Look for a name" in house.get("/search/", accept="text/html").body.decode()
    own = house.get("/index/private/search/?q=thing", accept="text/html").body.decode()
    assert 'action="./"' in own
    assert 'href="../../../index/private/project/our-thing/"' in own
    assert header(house.get("/search?q=a"), "Location") == "search/?q=a"


def test_questions_that_are_none_are_one_line(house: Sought) -> None:
    """And none is an error of ours."""
    reply = look(house, "/search/?q=" + "x" * 10_000)
    assert (reply.status, reply.body.splitlines()[0]) == (400, b"look for at most 200 characters")
    shown = house.get("/search/?q=" + "x" * 10_000, accept="text/html")
    assert shown.status == 400
    assert b"Look for at most 200 characters" in shown.body
    for words in ("\x00", '"', "' OR 1=1 --", "NEAR(", "*", "a AND", "\ud800", "text:x", "(" * 200):
        assert house.hits(words) == []
    assert look(house, "/search/?q=thing&most=1").body.count(b'"name"') == 1
    assert look(house, "/search/?q=thing&most=x").body.count(b'"name"') == 2
    with pytest.raises(NoSuchFile):
        house.get("/at/2026-01-01/search/?q=thing")


def test_S42_nobody_hears_of_what_he_may_not_see(house: Sought) -> None:
    """Neither of ours, nor, under the same name, of an upstream's."""
    for right in ("list", "read"):
        house.grant("ann", right, "private")
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    house.grant("anonymous", "read", "pypi")
    assert house.found("thing") == ["public-thing"]
    assert house.found("weather") == house.found("alpha") == []
    assert house.found("thing", house.tokens["ann"]) == ["our-thing", "public-thing"]
    private = look(house, "/search/?q=thing", house.tokens["ann"])
    assert header(private, "Cache-Control") == "private, no-cache"


def test_what_is_hidden_deleted_blocked_or_reserved_is_not_found(house: Sought) -> None:
    """From the next request on, though the index of names hears of it later."""
    assert house.found("corp") == []
    order(house, "hide", house.tokens["ann"], project="our-thing", version="1.0")
    assert house.found("thing") == ["public-thing"]
    assert house.found("weather") == []
    order(house, "unhide", house.tokens["ann"], project="our-thing", version="1.0")
    house.clock.advance(SOON)
    assert house.found("weather") == ["our-thing"]
    private, pypi = house.door.routes.indexes["private"], house.door.routes.indexes["pypi"]
    house.open({"root": FirstMatch("root", (house.barred(private), house.barred(pypi)), house.records)}, "root")
    for target in ("our-thing", "public-thing"):
        now(house.door.routes.rulings.rulemaking.perform("block", {"target": target, "reason": "bad"}, THE_OPERATOR))
    assert house.found("thing") == []
    order(house, "delete", house.tokens["ann"], project="alpha")


def test_a_release_that_is_not_shown_says_nothing(house: Sought) -> None:
    """Its version is not named, its summary not quoted, and not found by."""
    assert upload(house, house.tokens["ann"], wheel("Our.Thing", "2.0", summary="Secret plans")).status == 200
    house.clock.advance(SOON)
    assert house.hits("secret")[0]["version"] == "2.0"
    order(house, "hide", house.tokens["ann"], project="our-thing", version="2.0")
    # Before the index of names has heard of it.
    assert house.found("secret") == []
    assert (house.hits("our-thing")[0]["version"], house.hits("our-thing")[0]["summary"]) == ("1.0", None)
    house.clock.advance(SOON)
    assert house.hits("our-thing")[0]["summary"] == "Weather for <b>everybody</b>"


def test_while_uploads_go_on_a_project_that_takes_long_to_read_is_not_read_all_the_time(
    house: Sought, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 10,000 files takes a tenth of a second of a thread that pages wait for too."""
    read: list[str] = []
    real = Gatherer.described

    async def described(self: Gatherer, its: Any, index: Any, name: Any) -> Any:
        if its.label == "private":
            read.append(name)
            house.clock.rightNow += 0.2
        return await real(self, its, index, name)

    monkeypatch.setattr(Gatherer, "described", described)
    before = house.clock.seconds()
    for _ in range(60):
        house.announcements.announce(project_name("our-thing"))
        house.clock.advance(0.5)
    passed = house.clock.seconds() - before
    assert 3 <= len(read) <= passed / (0.2 * REST) + 1
    # What is quick to read is found at once again.
    monkeypatch.undo()
    house.clock.advance(EVERY)
    house.announcements.announce(project_name("our-thing"))
    house.clock.advance(EVERY)
    assert upload(house, house.tokens["ann"], wheel("Our.Thing", "2.0", summary="Sunshine")).status == 200
    house.clock.advance(SOON)
    assert house.found("sunshine") == ["our-thing"]


def test_what_is_announced_while_others_are_read_is_read_soon_after_them(house: Sought, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Gatherer.described

    async def described(self: Gatherer, its: Any, index: Any, name: Any) -> Any:
        monkeypatch.undo()
        assert upload(house, house.tokens["ann"], wheel("Our.Thing", "2.0", summary="Sunshine")).status == 200
        return await real(self, its, index, name)

    monkeypatch.setattr(Gatherer, "described", described)
    house.announcements.announce(project_name("alpha"))
    house.clock.advance(SOON)
    house.clock.advance(SOON)
    assert house.found("sunshine") == ["our-thing"]


def test_what_is_blocked_does_not_speak_for_its_project(house: Sought) -> None:
    """The newest of its other releases does, once the index of names has heard of the block."""
    private = house.door.routes.indexes["private"]
    assert upload(house, house.tokens["ann"], wheel("Our.Thing", "2.0", summary="Secret plans")).status == 200
    house.clock.advance(SOON)
    house.open({"root": FirstMatch("root", (house.barred(private),), house.records)}, "root")
    perform = house.door.routes.rulings.rulemaking.perform
    now(perform("block", {"target": "our-thing==2.0", "reason": "bad"}, THE_OPERATOR))
    house.clock.advance(SOON)
    (hit,) = house.hits("weather")
    assert (hit["version"], hit["summary"]) == ("1.0", "Weather for <b>everybody</b>")
    assert house.hits("secret") == []
    now(perform("unblock", {"target": "our-thing==2.0"}, THE_OPERATOR))
    house.clock.advance(SOON)
    assert house.hits("secret")[0]["version"] == "2.0"


def test_policies_hold(house: Sought) -> None:
    """Those about names for all, those about releases for what is known of a project here."""
    documents = {version: core_metadata("young", version, summary=f"Number {version}") for version in ("1.0", "2.0")}
    entries = [
        file(f"young-{version}-py3-none-any.whl", version.encode(), core_metadata=hashlib.sha256(document).hexdigest())
        for version, document in documents.items()
    ]
    entries[1] = attrs.evolve(entries[1], upload_time="2026-05-28T19:26:40Z")
    house.upstream.pages["young"] = page("young", *entries, versions=("1.0", "2.0"))
    for entry, document in zip(entries, documents.values(), strict=True):
        house.upstream.bodies[f"{entry.url}.metadata"] = document
        house.get("/simple/young/")
        house.body(house.get(f"/packages/{entry.path}.metadata"))
    house.clock.advance(SOON)
    assert (house.hits("young")[0]["version"], house.hits("young")[0]["summary"]) == ("2.0", "Number 2.0")
    aged = MinimumAge("aged", house.rulings, 86400.0)
    policed = Policed("policed", house.proxy, (aged, Names("names", deny=("barred", "public-*"))), house.records, house.clock, inline)
    house.open({"policed": policed}, "policed")
    assert (house.hits("young")[0]["version"], house.hits("young")[0]["summary"]) == ("1.0", None)
    assert house.found("number") == house.found("barred") == house.found("thing") == []


def test_the_summary_of_a_proxied_project_is_found_when_its_metadata_is_here(house: Sought) -> None:
    """That a client has fetched, as it is announced; it is kept over a restart."""
    document = core_metadata("Seeds", "1.0", summary="Grow a garden")
    entry = file("seeds-1.0-py3-none-any.whl", b"wheel", core_metadata=hashlib.sha256(document).hexdigest())
    house.upstream.pages["seeds"] = page("seeds", entry)
    house.upstream.bodies[f"{entry.url}.metadata"] = document
    house.get("/simple/seeds/")
    house.clock.advance(SOON)
    assert house.hits("seeds")[0]["summary"] is None
    assert house.found("garden") == []
    house.body(house.get(f"/packages/{entry.path}.metadata"))
    house.announcements.announce(page("seeds").name)
    house.clock.advance(SOON)
    assert house.hits("garden")[0] == {
        "name": "seeds", "title": "Seeds", "version": "1.0", "summary": "Grow a garden", "index": "pypi", "kind": "upstream", "url": "../project/seeds/",
    }  # fmt: skip


def test_F26_a_release_that_is_withheld_is_named_nowhere(house: Sought) -> None:
    """Since upstream has other bytes for it by now: neither here, nor by XML-RPC, nor in a feed."""
    house.upstream.add("firsts", ("firsts-1.0.tar.gz", b"one"), ("firsts-2.0.tar.gz", b"two"))
    house.get("/simple/firsts/")
    house.upstream.add("firsts", ("firsts-1.0.tar.gz", b"one"), ("firsts-2.0.tar.gz", b"two, otherwise"), serial=20)
    house.clock.advance(10_000)
    assert b"firsts-2.0" not in house.body(house.get("/simple/firsts/"))
    assert house.found("firsts") == ["firsts"]
    finder = house.door.routes.feeds.finder
    hits = now(finder.search(house.proxy, now(house.doorkeeper.admit(None, "")), Query({"name": ("firsts",)}, True)))
    assert [(hit.name, hit.version) for hit in hits] == [("firsts", "1.0")]
    assert b"firsts 1.0" in house.get("/rss/updates.xml").body
    assert b"firsts 2.0" not in house.get("/rss/updates.xml").body


def test_what_came_unannounced_is_found_in_time(house: Sought) -> None:
    """A list that upstream has given since."""
    assert house.found("brand-new") == []
    house.upstream.names = LIST.replace(b"barred", b"brand-new")
    house.clock.advance(601)
    house.get("/simple/")
    house.clock.advance(EVERY)
    assert house.found("brand-new") == ["brand-new"]
    assert house.found("barred") == []


def test_an_index_that_cannot_be_made_is_told_of_once_and_made_when_it_can_be(house: Sought, tmp_path: Path) -> None:
    """And a search says so in one line."""
    now(house.service.stopService())
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with capturedLogs() as lines:
        house.search(folder)
        house.clock.advance(EVERY)
    assert [line["error"] for line in lines if line.get("error")] == [
        "the search index: others can write to the folder; take that right away"
    ]
    assert look(house, "/search/?q=thing").status == 503
    folder.chmod(0o700)
    house.clock.advance(EVERY)
    assert house.found("thing") == ["our-thing", "public-thing"]


def test_very_many_announcements_are_one(house: Sought) -> None:
    """Everything is looked at then, and what did not change is not written anew."""
    assert upload(house, house.tokens["ann"], wheel("Our.Thing", "2.0", summary="Brought by the flood")).status == 200
    for number in range(MOST_ANNOUNCED + 1):
        house.announcements.announce(NormalizedName(f"project-{number}"))
    house.clock.advance(SOON)
    assert house.found("flood") == ["our-thing"]


def test_while_the_index_is_being_made_that_is_said(house: Sought) -> None:
    """And what is there already is found."""
    assert house.searched is not None
    house.searched.complete = False
    assert json.loads(look(house, "/search/?q=thing").body)["complete"] is False
    assert "is being made" in house.get("/search/?q=thing", accept="text/html").body.decode()
    now(house.searched.begin_again())
    assert house.found("thing") == []
    house.announcements.announce(None)
    house.clock.advance(SOON)
    assert house.found("thing") == ["our-thing", "public-thing"]
