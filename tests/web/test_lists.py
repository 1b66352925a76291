"""The project list while it changes: each request is answered with the list that it asked for."""

from __future__ import annotations

from typing import Any

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IBlobStore
from pypidaemon.waits import Bell
from tests.gear import later, now, waiting
from tests.house import House, header


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
