"""`/links/`: one flat page for find-links."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urljoin

import attrs
import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import NoSuchProject
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IIndex, ILocal
from pypidaemon.leaves import leaves, locals_below
from pypidaemon.model import NormalizedName
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.names import Names
from tests.gear import inline, now
from tests.house import House, header
from tests.web.posting import basic, look, order
from tests.web.test_uploads import upload, wheel


@pytest.fixture
def house() -> House:
    """A private index before the proxy, which has been asked for a project."""
    house = House()
    house.upstream.add("public", ("public-9.0.tar.gz", b"stranger"))
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    for made in (wheel("alpha"), wheel("alpha", "1.1"), wheel("beta")):
        assert upload(house, house.tokens["ann"], made).status == 200
    house.get("/simple/public/")
    return house


def linked(house: House, path: str = "/links/", token: str | None = None) -> dict[str, str]:
    """The links of the page by the names of the files."""
    reply = look(house, path, token)
    assert (reply.status, header(reply, "Content-Type")) == (200, "text/html; charset=utf-8")
    return {name: href for href, name in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', reply.body.decode())}


def test_P7_every_file_of_ours_is_on_one_page_and_can_be_had(house: House) -> None:
    """With its hash, by a relative link; nothing of an upstream's."""
    found = linked(house)
    assert set(found) == {wheel("alpha")[0], wheel("alpha", "1.1")[0], wheel("beta")[0]}
    for name, data, _ in (wheel("alpha"), wheel("beta")):
        path, _, fragment = urljoin("/links/", found[name]).partition("#")
        assert fragment == f"sha256={hashlib.sha256(data).hexdigest()}"
        assert house.body(house.get(path)) == data
    below = linked(house, "/index/private/links/")
    path, _, _ = urljoin("/index/private/links/", below[wheel("beta")[0]]).partition("#")
    assert house.body(house.get(path)) == wheel("beta")[1]
    assert header(house.get("/links"), "Location") == "links/"
    assert linked(house, "/index/pypi/links/") == {}


def test_no_request_is_made_for_it(house: House) -> None:
    """Also while upstream is down."""
    house.upstream.asked.clear()
    house.upstream.health.doubt()
    assert len(linked(house)) == 3
    assert house.upstream.asked == []


def test_R174_an_upload_and_a_deletion_are_on_the_very_next_page(house: House) -> None:
    """It is kept until then, and whoever keeps it asks again."""
    first = house.get("/links/")
    etag = header(first, "ETag")
    assert etag is not None
    assert header(first, "Cache-Control") == "no-cache"
    assert house.get("/links/", if_none_match=etag).status == 304
    rendered = house.door.routes.links.answers.misses
    assert house.get("/links/").body == first.body
    assert house.door.routes.links.answers.misses == rendered
    upload(house, house.tokens["ann"], wheel("gamma"))
    assert wheel("gamma")[0] in linked(house)
    assert house.get("/links/", if_none_match=etag).status == 200
    order(house, "hide", house.tokens["ann"], project="alpha", version="1.0")
    assert wheel("alpha")[0] not in linked(house)


def test_S42_it_shows_what_the_account_may_see(house: House) -> None:
    """And changes when rights do; what not everybody sees is not for shared caches."""
    token = house.tokens["ann"]
    assert len(linked(house)) == 3
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    house.grant("anonymous", "read", "private/beta")
    house.grant("ann", "read", "private")
    house.grant("ann", "list", "private")
    assert set(linked(house)) == {wheel("beta")[0]}
    assert len(linked(house, token=token)) == 3
    assert (header(look(house, "/links/", token), "Cache-Control") or "").startswith("private")
    assert set(linked(house)) == {wheel("beta")[0]}
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "private/beta"))
    assert linked(house) == {}
    now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "*"))
    assert look(house, "/index/private/links/").status == 401
    assert header(look(house, "/links/", authorization=basic(token)), "ETag") != header(look(house, "/links/"), "ETag")


def test_law_2_policies_between_hold(house: House) -> None:
    """What they refuse is not on the page either."""
    private, proxy = house.door.routes.indexes["private"], house.proxy
    rule = Names(label="rule", deny=("beta",))
    root = Policed("root", FirstMatch("first", (private, proxy), house.records), (rule,), house.records, house.clock, inline)
    house.open({"root": root, "private": private}, "root")
    assert set(linked(house)) == {wheel("alpha")[0], wheel("alpha", "1.1")[0]}


def test_law_4_the_first_index_that_has_a_project_answers_for_it(house: House) -> None:
    """Also where it shows nothing of it to this account."""
    other = house.with_private()
    first = attrs.evolve(other, label="first")
    now(house.records.files.add("first", NormalizedName("alpha"), now(other.release(NormalizedName("alpha"), "1.0"))[0], "add", None))
    root = FirstMatch("root", (first, other, house.proxy), house.records)
    house.open({"root": root}, "root")
    assert set(linked(house)) == {wheel("alpha")[0], wheel("beta")[0]}
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    house.grant("anonymous", "read", "private")
    assert set(linked(house)) == {wheel("beta")[0]}


def test_the_leaves_of_an_index(house: House) -> None:
    """Read off its schema; the views of ours never ask an upstream, and have the decorators above them."""
    private, proxy = house.door.routes.indexes["private"], house.proxy
    rule = Names(label="rule", deny=("beta",))
    inner = Policed("inner", proxy, (rule,), house.records, house.clock, inline)
    both: tuple[IIndex, ...] = (inner, private, private)
    root = Policed("root", FirstMatch("first", both, house.records), (rule,), house.records, house.clock, inline)
    found = list(leaves(root))
    assert [(leaf.index.label, leaf.local, leaf.plain, len(leaf.policies)) for leaf in found] == [
        ("pypi", False, True, 2),
        ("private", True, True, 1),
        ("private", True, True, 1),
    ]
    assert next(iter(leaves(private))).view is private
    (ours,) = locals_below(root)
    assert ILocal.providedBy(ours.index)
    house.upstream.asked.clear()
    with pytest.raises(NoSuchProject):
        now(ours.view.project_page(NormalizedName("absent")))
    assert house.upstream.asked == []


def test_the_end_of_an_exemption_is_on_the_very_next_page(house: House) -> None:
    """As every change that is announced."""
    cooled = Policed(
        "cooled",
        house.barred(house.door.routes.indexes["private"]),
        (MinimumAge("cooldown", house.rulings, 86400.0),),
        house.records,
        house.clock,
        inline,
    )
    house.open({"cooled": cooled}, "cooled")
    orders = house.door.routes.rulings.rulemaking
    assert linked(house) == {}
    now(orders.perform("exempt", {"target": "beta", "reason": "the fix"}, THE_OPERATOR))
    assert set(linked(house)) == {wheel("beta")[0]}
    now(orders.perform("unexempt", {"target": "beta"}, THE_OPERATOR))
    assert linked(house) == {}
