"""The project list while it changes: each request is answered with the list that it asked for."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IBlobStore
from pypidaemon.model import Validators
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.waits import Bell
from tests.fakes import FakeUpstream
from tests.gear import inline, later, now, waiting
from tests.house import House, header
from tests.web.posting import look
from tests.web.test_uploads import upload, wheel


@implementer(IBlobStore)
@attrs.define
class Slow:
    """A store whose drafts begin only when a bell rings."""

    store: Any
    bell: Bell = attrs.field(factory=Bell)

    async def draft(self) -> Any:
        await self.bell.wait()
        return await self.store.draft()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def says(house: House, *names: str) -> None:
    """From now on upstream's list is these names; what was known is old."""
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[%b]}' % b",".join(b'{"name":"%b"}' % name.encode() for name in names)
    house.clock.advance(7200)


def test_R72_who_comes_while_an_older_list_is_rendered_gets_the_newer_one_under_its_own_tag() -> None:
    house = House()
    says(house, "old")
    lists = house.door.routes.lists
    slow = lists.store = Slow(lists.store)
    one = later(house.door.routes.handle(house.ask("/simple/")))
    says(house, "new")
    other = later(house.door.routes.handle(house.ask("/simple/")))
    assert waiting(one)
    assert waiting(other)
    slow.bell.ring()
    first, second = now(one), now(other)
    assert b"old" in house.body(first)
    assert b"new" in house.body(second)
    assert header(first, "ETag") != header(second, "ETag")
    lists.store = slow.store
    tag = header(second, "ETag")
    assert tag is not None
    assert house.get("/simple/", if_none_match=tag).status == 304


def test_law_8_a_rendered_list_that_is_gone_is_rendered_again_and_tagged_as_what_is_sent() -> None:
    house = House()
    says(house, "alpha")
    tag = header(house.get("/simple/"), "ETag")
    store: Any = house.door.routes.lists.store
    for digest in list(store._blobs):
        now(store.remove(digest))
    again = house.get("/simple/")
    assert header(again, "ETag") == tag
    assert b"alpha" in house.body(again)


@pytest.fixture
def secretive() -> House:
    """A private project that everybody may list and read, until `revoke`."""
    house = House()
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    assert upload(house, house.tokens["ann"], wheel("secret-plan", "1.0")).status == 200
    return house


def revoke(house: House) -> None:
    """From now on who does not log in sees other projects alone."""
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "private/public-*")


def test_S73_a_list_that_was_being_rendered_when_rights_changed_answers_nobody_who_asks_later(secretive: House) -> None:
    house, lists = secretive, secretive.door.routes.lists
    slow = lists.store = Slow(lists.store)
    before = later(house.door.routes.handle(house.ask("/index/private/simple/")))
    assert waiting(before)
    revoke(house)
    meanwhile = later(house.door.routes.handle(house.ask("/index/private/simple/")))
    for one in (before, meanwhile):
        while waiting(one):
            slow.bell.ring()
    assert b"secret-plan" in house.body(now(before))
    assert b"secret-plan" not in house.body(now(meanwhile))
    lists.store = slow.store
    assert b"secret-plan" not in house.body(look(house, "/index/private/simple/"))


def test_S73_who_was_let_in_before_rights_changed_leaves_no_list_behind(secretive: House) -> None:
    """The account was known, and the index's names were still on their way."""
    house, gate = secretive, Deferred[None]()
    index: Any = house.door.routes.indexes["private"]

    class Late:
        async def project_names(self) -> Any:
            await gate
            return await index.project_names()

    look(house, "/index/private/simple/absent/")
    lists: Any = house.door.routes.lists
    account = house.doorkeeper.known(None)
    lists.indexes = {**lists.indexes, "private": Late()}
    early = later(lists.listing(house.ask("/index/private/simple/"), account, "private"))
    revoke(house)
    gate.callback(None)
    assert b"secret-plan" in house.body(now(early))
    assert b"secret-plan" not in house.body(look(house, "/index/private/simple/"))


def test_S73_who_is_let_in_while_rights_change_has_the_new_ones(secretive: House) -> None:
    house = secretive
    realm: Any = house.doorkeeper.realm
    gate = Deferred[None]()
    house.doorkeeper.changed()

    class Late:
        async def account(self, *given: Any) -> Any:
            found = await realm.account(*given)
            await gate
            return found

    house.doorkeeper.realm = Late()  # type: ignore[assignment]  # the one method that is asked here
    coming = later(house.door.routes.handle(house.ask("/index/private/simple/")))
    assert waiting(coming)
    revoke(house)
    gate.callback(None)
    assert b"secret-plan" not in house.body(now(coming))


def test_rendered_lists_that_rights_made_useless_leave_the_store(secretive: House) -> None:
    house, lists = secretive, secretive.door.routes.lists
    store: Any = lists.store
    for version in ("2.0", "3.0", "4.0"):
        assert upload(house, house.tokens["ann"], wheel(f"other-{version[0]}", version)).status == 200
        reading = look(house, "/index/private/simple/")
        lists.forget()
        assert b"secret-plan" in house.body(reading)
        assert not store._blobs
    slow = lists.store = Slow(store)
    overtaken = later(house.door.routes.handle(house.ask("/index/private/simple/")))
    lists.forget()
    while waiting(overtaken):
        slow.bell.ring()
    assert b"secret-plan" in house.body(now(overtaken))
    assert not store._blobs


@pytest.mark.parametrize(
    ("asked", "coding"),
    [("gzip, deflate, zstd", "gzip"), ("zstd, gzip", "gzip"), ("*", "gzip"), ("zstd", "zstd"), ("zstd, gzip;q=0.5", "zstd")],
)
def test_who_reads_gzip_too_is_not_given_zstd(asked: str, coding: str) -> None:
    """Of a list in zstd some clients read the first frame alone, and take that for all of it."""
    house = House(by_both_roads=False)
    says(house, "alpha")
    assert [header(house.get("/simple/", accept_encoding=asked), "Content-Encoding") for _ in range(2)] == [coding, coding]


def test_what_an_earlier_time_left_in_the_store_goes_also_where_rights_change_first() -> None:
    store = MemoryBlobs()
    draft = now(store.draft())
    now(draft.write(b"a list of an earlier time"))
    now(draft.commit(None))
    house = House(rendered_lists=store)
    house.door.routes.lists.forget()
    assert not store._blobs
    says(house, "alpha")
    assert b"alpha" in house.body(house.get("/simple/"))
    assert len(store._blobs) == 1


def test_R72_a_block_that_is_taken_back_while_a_list_is_rendered_leaves_no_gap_in_it() -> None:
    """The list after it has the revision of the one before, and so the names too."""
    house = House()
    says(house, "alpha", "beta")
    barred = house.barred(house.proxy)
    cooled = Policed("cooled", barred, (MinimumAge("cooldown", house.rulings, 1.0),), house.records, house.clock, inline)
    house.open({"cooled": cooled}, "cooled")
    orders = house.door.routes.rulings.rulemaking
    now(orders.learn())
    lists = house.door.routes.lists
    slow = lists.store = Slow(lists.store)
    asked = later(house.door.routes.handle(house.ask("/simple/")))
    now(orders.perform("block", {"target": "alpha", "reason": "x"}, THE_OPERATOR))
    slow.bell.ring()
    assert b"alpha" in house.body(now(asked))
    lists.store = slow.store
    assert b"alpha" not in house.body(look(house, "/simple/"))
    now(orders.perform("unblock", {"target": "alpha"}, THE_OPERATOR))
    assert b"alpha" in house.body(look(house, "/simple/"))


class Numbering(FakeUpstream):
    """An upstream whose list has that serial."""

    serial = 0

    async def fetch_names(self, validators: Validators) -> Any:
        """As `IUpstream`."""
        return attrs.evolve(await super().fetch_names(validators), serial=self.serial)  # type: ignore[type-var]  # it never says that it is not modified


def test_R71_a_list_of_the_same_names_with_another_serial_is_another_list() -> None:
    """What stands in it is what the header says: mirrors go by either."""
    upstream = Numbering()
    house = House(upstream=upstream)
    tags = set()
    for serial in (7, 9):
        upstream.serial = serial
        says(house, "alpha")
        reply = house.get("/simple/", accept="application/vnd.pypi.simple.v1+json")
        assert (header(reply, "X-PyPI-Last-Serial"), json.loads(house.body(reply))["meta"]["_last-serial"]) == (str(serial), serial)
        tags.add(header(reply, "ETag"))
    assert len(tags) == 2


def test_R69_R71_what_is_uploaded_has_a_number_beyond_what_mirrors_have_read() -> None:
    """Our own serials begin at 1, and a mirror that has read upstream's list passes over whatever has a number below that (M15)."""
    house = House()
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "create", "private")
    house.upstream.names = b'{"meta":{"api-version":"1.4","_last-serial":1024},"projects":[{"name":"public","_last-serial":1024}]}'

    def listed() -> dict[str, int]:
        reply = look(house, "/simple/", accept="application/vnd.pypi.simple.v1+json")
        document = json.loads(house.body(reply))
        assert document["meta"]["_last-serial"] == max(project["_last-serial"] for project in document["projects"])
        return {project["name"]: project["_last-serial"] for project in document["projects"]}

    assert listed() == {"public": 1024}
    assert upload(house, house.tokens["ann"], wheel("private")).status == 200
    first = listed()
    assert first["private"] > 1024
    assert listed() == first
    assert header(look(house, "/simple/private/"), "X-PyPI-Last-Serial") == str(first["private"])
    assert upload(house, house.tokens["ann"], wheel("private", "1.1")).status == 200
    assert listed()["private"] > first["private"]
