"""A merged project is for those who may read it in every index that it is merged of, at every door (S42)."""

from __future__ import annotations

import json
import xmlrpc.client

import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.private import Private
from pypidaemon.interfaces import IIndex
from pypidaemon.model import NormalizedName
from tests.fakes import FakeUpstream
from tests.gear import inline, now
from tests.house import House, Inspectors, header
from tests.web.posting import look, send
from tests.web.test_uploads import JSON, upload, wheel

ALPHA = NormalizedName("alpha")


def merge(house: House, *indexes: IIndex) -> Merged:
    """Put those indexes before the door, merged at the root; ann may do everything, eve and who does not log in nothing so far."""
    root = Merged("root", indexes, ("alpha",), house.records, inline)
    house.open({"root": root, **{index.label: index for index in indexes}}, "root")
    house.tokens = {"ann": house.token("ann"), "eve": house.token("eve")}
    house.grant("ann", "admin", "*")
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
    return root


def allow(house: House, subject: str, place: str) -> None:
    """Let it look."""
    for right in ("list", "read"):
        house.grant(subject, right, place)


@pytest.fixture
def house() -> House:
    """Upstream has alpha 9.0, which anybody may read, and merged behind it stands our own alpha 1.0, which they may not."""
    house = House()
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"public"))
    private = house.with_private()
    merge(house, house.proxy, private)
    allow(house, "anonymous", "pypi")
    assert upload(house, house.tokens["ann"], wheel()).status == 200
    return house


@pytest.fixture
def teams() -> House:
    """Two private indexes, each with a release of alpha; eve may read the first."""
    house = House()
    first = house.with_private()
    second = Private(
        label="production",
        records=house.records,
        blobs=house.blobs,
        clock=house.clock,
        cpu=inline,
        announcements=house.announcements,
        inspector=Inspectors(),
    )
    merge(house, first, second)
    allow(house, "eve", "private")
    for version, path in (("1.0", "/index/private/legacy/"), ("2.0", "/index/production/legacy/")):
        assert upload(house, house.tokens["ann"], wheel("alpha", version), path).status == 200
    return house


PAGES = ("/simple/alpha/", "/pypi/alpha/json", "/pypi/alpha/1.0/json", "/pypi/alpha/9.0/json")


@pytest.mark.parametrize("path", PAGES)
def test_who_may_read_one_index_alone_does_not_see_the_page(house: House, path: str) -> None:
    """Neither before somebody else was shown it, nor out of what is kept ready after that; and again as soon as he may."""
    ann, eve = house.tokens["ann"], house.tokens["eve"]
    for _ in range(2):
        assert look(house, path).status == 401
        assert look(house, path, eve).status == 403
        reply = look(house, path, ann)
        assert reply.status == 200
        assert (header(reply, "Cache-Control") or "").startswith("private, ")
        assert header(reply, "Access-Control-Allow-Origin") is None
        assert header(reply, "X-Pypidaemon-Index") == "pypi, private"
    allow(house, "anonymous", "private")
    for _ in range(2):
        reply = look(house, path)
        assert (reply.status, (header(reply, "Cache-Control") or "").partition(",")[0]) == (200, "public")


def test_the_order_of_the_indexes_is_no_way_around(house: House) -> None:
    private = house.door.routes.indexes["private"]
    root = Merged("root", (private, house.proxy), ("alpha",), house.records, inline)
    house.open({"root": root, "private": private, "pypi": house.proxy}, "root")
    assert look(house, "/simple/alpha/").status == 401
    allow(house, "eve", "private")
    assert look(house, "/simple/alpha/", house.tokens["eve"]).status == 200


def test_files_are_those_of_the_index_that_they_are_from(house: House) -> None:
    """So the stranger's is for anybody, and ours, with its sidecar, is not."""
    page = json.loads(look(house, "/simple/alpha/", house.tokens["ann"], accept=JSON).body)
    paths = {file["filename"]: "/" + file["url"].removeprefix("../../") for file in page["files"]}
    ours, theirs = paths[wheel()[0]], paths["alpha-9.0.tar.gz"]
    assert look(house, theirs).status == 200
    assert (header(look(house, theirs), "Cache-Control") or "").startswith("public")
    for path in (ours, ours + ".metadata"):
        assert look(house, path).status == 401
        assert look(house, path, house.tokens["eve"]).status == 403
        reply = look(house, path, house.tokens["ann"])
        assert (reply.status, (header(reply, "Cache-Control") or "").partition(",")[0]) == (200, "private")
        assert header(reply, "X-Pypidaemon-Index") == "private"


def test_two_teams_of_which_one_sees_the_other(teams: House) -> None:
    ann, eve = teams.tokens["ann"], teams.tokens["eve"]
    page = json.loads(look(teams, "/simple/alpha/", ann, accept=JSON).body)
    first, second = ("/" + file["url"].removeprefix("../../") for file in page["files"])
    for path in ("/simple/alpha/", "/pypi/alpha/json", "/pypi/alpha/2.0/json", second, second + ".metadata"):
        assert (look(teams, path, eve).status, look(teams, path, ann).status) == (403, 200)
    assert look(teams, first, eve).status == 200
    assert wheel("alpha", "2.0")[0].encode() not in teams.body(look(teams, "/links/", eve))


def test_where_the_first_index_is_closed_its_neighbour_is_none_the_more_open(teams: House) -> None:
    """Who may read the second alone sees its files, and no page."""
    bob = teams.token("bob")
    allow(teams, "bob", "production")
    page = json.loads(look(teams, "/simple/alpha/", teams.tokens["ann"], accept=JSON).body)
    first, second = ("/" + file["url"].removeprefix("../../") for file in page["files"])
    assert [look(teams, path, bob).status for path in ("/simple/alpha/", first, second)] == [403, 403, 200]


def test_xml_rpc_says_nothing_of_it_either() -> None:
    """Of two upstreams, one for everybody and one that is not."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"public"))
    closed = FakeUpstream("closed")
    closed.add("alpha", ("alpha-2.0.tar.gz", b"closed"))
    merge(house, house.proxy, house.new_proxy("private", closed))
    allow(house, "anonymous", "pypi")

    def call(method: str, *given: str, token: str | None = None) -> object:
        reply = send(house, "/pypi", xmlrpc.client.dumps(given, method).encode(), "text/xml", token)
        return xmlrpc.client.loads(house.body(reply))[0][0]

    assert call("package_releases", "alpha", token=house.tokens["ann"]) == ["2.0", "1.0"]
    assert call("package_releases", "alpha") == []
    for version in ("1.0", "2.0"):
        assert call("release_urls", "alpha", version) == []
        assert call("release_data", "alpha", version) == {}


def test_a_project_that_is_hidden_is_as_if_it_were_not_there(house: House) -> None:
    house.conceal = True
    house.open(dict(house.door.routes.indexes), "root")
    assert look(house, "/simple/alpha/").status == 404
