"""Project lists that are given again without asking anybody: never another one than whoever asked everybody would be given."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import PolicyFailed, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.pinned import Pinned
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IContent, ISendable, ISteady
from pypidaemon.model import Standing
from pypidaemon.moments import written
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.web import ready_lists
from pypidaemon.web.ask import Ask
from pypidaemon.web.lent import Open
from pypidaemon.web.reply import Reply
from tests.fakes import file, page
from tests.gear import inline, later, now, waiting
from tests.house import House, header
from tests.web.posting import basic, look
from tests.web.test_lists import says
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"
NAMES = ("alpha", "beta", "gamma", "delta")
PATHS = ("/simple/", "/index/private/simple/", "/index/pypi/simple/")


@attrs.define
class Estate:
    """A private index before a proxy, all behind a policy and what was blocked; ann may upload, and read what she is granted."""

    house: House
    private: Any
    given: int = 0
    """How many answers were ready."""

    @classmethod
    def made(cls) -> Estate:
        house = House(by_both_roads=False)
        private = house.with_private()
        house.tokens["ann"] = house.token("ann")
        house.grant("ann", "upload", "private")
        ours, theirs = house.barred(private), house.barred(house.proxy)
        root = FirstMatch("root", (ours, theirs), house.records)
        cooled = Policed("root", root, (MinimumAge("cooldown", house.rulings, 1.0),), house.records, house.clock, inline)
        house.open({"root": cooled, "private": ours, "pypi": theirs}, "root")
        now(house.door.routes.rulings.rulemaking.learn())
        says(house, "alpha", "beta")
        return cls(house, private)

    def asks(self) -> list[Ask]:
        """Requests of several people for several lists, in several forms."""
        ask, token = self.house.ask, basic(self.house.tokens["ann"])
        return [
            *(ask(path, accept=JSON, accept_encoding="gzip") for path in PATHS),
            *(ask(path, accept=JSON, authorization=token) for path in PATHS),
            ask("/simple/", accept_encoding="zstd"),
            ask("/simple/", "HEAD", accept=JSON, accept_encoding="gzip"),
        ]

    def answered(self, ask: Ask) -> tuple[Any, ...] | str:
        """What everybody is asked for; what fails is told by its class."""
        try:
            return self._heard(now(self.house.door.routes.handle(ask)))
        except PypidaemonError as error:
            return type(error).__name__

    def compare(self) -> None:
        """What is ready is what asking gives; and what was asked for is ready afterwards, where it can be."""
        quick: Any = self.house.door.routes.quick
        for ask in self.asks():
            ready = quick(ask)
            heard = self._heard(ready) if ready is not None else None
            asked = self.answered(ask)
            if heard is not None:
                self.given += 1
                assert heard == asked
                tagged = attrs.evolve(ask, headers=attrs.evolve(ask.headers, pairs=(*ask.headers.pairs, ("if-none-match", heard[3]))))
                again = quick(tagged)
                assert again is None or (again.status, header(again, "ETag")) == (304, heard[3])

    def _heard(self, reply: Reply) -> tuple[Any, ...]:
        return reply.status, reply.headers, self.house.body(reply), header(reply, "ETag")


def ready(house: House, ask: Ask) -> bool:
    """Whether the answer to that is ready."""
    reply = house.door.routes.quick(ask)
    if reply is not None:
        reply.close()
    return reply is not None


changes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["upload", "delete", "yank", "block", "unblock", "page", "refresh"]), st.sampled_from(NAMES)),
        st.tuples(st.just("says"), st.lists(st.sampled_from(NAMES), min_size=1, unique=True)),
        st.tuples(st.just("later"), st.sampled_from([-50.0, 1.0, 300.0, 700.0, 7200.0])),
        st.tuples(st.sampled_from(["hide", "show", "down", "up", "nothing"]), st.none()),
    ),
    max_size=8,
)


def change(estate: Estate, what: str, about: Any, number: int) -> None:
    """Something that may change what is listed, or what is asked for it."""
    house = estate.house
    match what:
        case "upload":
            upload(house, house.tokens["ann"], wheel(about, f"1.{number}"))
        case "delete":
            now(estate.private.place(project_name(about), None, Standing.DELETED))
        case "yank":
            now(estate.private.yank(project_name(about), "1.0", "broken"))
        case "block" | "unblock":
            fields = {"target": about, **({"reason": "x"} if what == "block" else {})}
            now(house.door.routes.rulings.rulemaking.perform(what, fields, THE_OPERATOR))
        case _:
            change_elsewhere(house, what, about, number)


def change_elsewhere(house: House, what: str, about: Any, number: int) -> None:
    """The same of what is upstream's, the clock's, or about rights."""
    match what:
        case "page":
            house.upstream.pages[about] = page(about, serial=100 + number)
            look(house, f"/simple/{about}/")
        case "refresh":
            now(house.proxy.refresh(None))
        case "says":
            house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[%b]}' % b",".join(
                b'{"name":"%b"}' % name.encode() for name in about
            )
        case "later":
            house.clock.rightNow += about
        case "hide":
            now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "*"))
        case "show":
            house.grant("anonymous", "list", "*")
        case "down":
            house.upstream.health.doubt()
        case "up":
            house.upstream.health.recover()


@given(changes)
def test_R72_what_is_ready_is_what_asking_gives_whatever_happens(turns: list[tuple[str, Any]]) -> None:
    estate = Estate.made()
    estate.compare()
    estate.compare()
    assert estate.given
    for number, (what, about) in enumerate(turns):
        with suppress(PypidaemonError):
            change(estate, what, about, number)
        estate.compare()
        estate.compare()


@pytest.fixture
def estate() -> Estate:
    """One whose lists were asked for once."""
    estate = Estate.made()
    for ask in estate.asks():
        estate.answered(ask)
    return estate


def test_the_second_time_nobody_is_asked_and_no_file_opened(estate: Estate) -> None:
    lists: Any = estate.house.door.routes.lists
    lists.store, lists.indexes = None, {label: Mute(index.names_state) for label, index in lists.indexes.items()}
    replies = [estate.house.door.routes.quick(ask) for ask in estate.asks()]
    assert [reply.status for reply in replies if reply is not None] == [200] * len(replies)


@implementer(ISteady)
@attrs.define
class Mute:
    """An index that says no more than whether its list has changed."""

    names_state: Any


def test_R71_a_page_that_the_clock_has_changed_has_its_number_on_the_list(estate: Estate) -> None:
    house = estate.house
    soon = house.clock.seconds() + 119
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"x", upload_time=written(soon)), serial=50)
    look(house, "/simple/alpha/")
    ask = estate.asks()[0]
    estate.answered(ask)
    before = house.door.routes.quick(ask)
    assert before is not None
    house.clock.advance(121)
    assert not ready(house, ask)
    after = now(house.door.routes.handle(ask))
    assert int(header(after, "X-PyPI-Last-Serial") or 0) > int(header(before, "X-PyPI-Last-Serial") or 0)
    # That one was numbered on the way, so nobody could tell yet whether it would last.
    estate.answered(ask)
    again = house.door.routes.quick(ask)
    assert again is not None
    assert again.headers == after.headers


def test_R71_what_changes_below_a_fixed_list_of_releases_has_its_number_on_the_list() -> None:
    house = House(by_both_roads=False)
    private = house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    house.open({"stable": Pinned("stable", private, ("alpha==1.0",), house.records, inline), "private": private}, "stable")
    upload(house, house.tokens["ann"], wheel("alpha", "1.0"))
    estate, ask = Estate(house, private), house.ask("/simple/", accept=JSON)
    estate.answered(ask)
    before = estate.answered(ask)
    assert ready(house, ask)
    now(private.yank(project_name("alpha"), "1.0", "broken"))
    assert not ready(house, ask)
    assert estate.answered(ask) != before


def test_where_only_the_tag_was_asked_for_a_tag_is_ready(estate: Estate) -> None:
    house, ask = estate.house, estate.asks()[0]
    tag = header(now(house.door.routes.handle(ask)), "ETag")
    house.door.routes.lists.let_go()
    known = attrs.evolve(ask, headers=attrs.evolve(ask.headers, pairs=(*ask.headers.pairs, ("if-none-match", tag))))
    assert house.door.routes.quick(known) is None
    assert now(house.door.routes.handle(known)).status == 304
    ready = house.door.routes.quick(known)
    assert ready is not None
    assert (ready.status, header(ready, "ETag")) == (304, tag)
    assert house.door.routes.quick(ask) is None
    whole = now(house.door.routes.handle(ask))
    # A tag that is asked for after that takes nothing away.
    now(house.door.routes.handle(known))
    again = house.door.routes.quick(ask)
    assert again is not None
    assert house.body(again) == house.body(whole)


def test_what_changes_while_a_list_is_made_makes_it_ready_for_nobody(estate: Estate) -> None:
    house, gate = estate.house, Deferred[None]()
    lists: Any = house.door.routes.lists
    settle = lists.settle

    async def late(label: str, index: Any) -> None:
        await settle(label, index)
        await gate

    lists.settle = late
    house.clock.advance(700)
    ask = house.ask("/simple/", accept=JSON)
    asked = later(house.door.routes.handle(ask))
    assert waiting(asked)
    upload(house, house.tokens["ann"], wheel("gamma", "1.0"))
    gate.callback(None)
    now(asked).close()
    lists.settle = settle
    assert not ready(house, ask)
    assert b"gamma" in estate.answered(ask)[2]  # type: ignore[operator]


def test_R72_a_block_that_is_taken_back_while_a_list_is_made_leaves_nothing_ready(estate: Estate) -> None:
    """What it is made by is again what it was, and the list is not: it was made in between."""
    house, orders = estate.house, estate.house.door.routes.rulings.rulemaking
    lists: Any = house.door.routes.lists
    settle, cpu = lists.settle, lists.cpu
    # The first time it is given a number, and that is a change for good.
    change(estate, "block", "beta", 0)
    change(estate, "unblock", "beta", 0)

    async def blocking(label: str, index: Any) -> None:
        await settle(label, index)
        await orders.perform("block", {"target": "beta", "reason": "x"}, THE_OPERATOR)

    async def unblocking(work: Any, *given: Any) -> Any:
        lists.cpu = cpu
        await orders.perform("unblock", {"target": "beta"}, THE_OPERATOR)
        return await cpu(work, *given)

    lists.settle, lists.cpu = blocking, unblocking
    ask = house.ask("/index/pypi/simple/", accept=JSON)
    assert b"beta" not in house.body(now(house.door.routes.handle(ask)))
    lists.settle = settle
    assert not ready(house, ask)
    assert b"beta" in estate.answered(ask)[2]  # type: ignore[operator]


def test_whoever_reads_a_list_reads_on_when_it_is_replaced(estate: Estate) -> None:
    house, ask = estate.house, estate.asks()[0]
    reading = house.door.routes.quick(ask)
    assert reading is not None
    before = estate.answered(ask)
    upload(house, house.tokens["ann"], wheel("gamma", "1.0"))
    after = estate.answered(ask)
    assert before[2] != after[2]
    assert house.body(reading) == before[2]


def test_an_index_that_cannot_tell_is_asked_each_time(estate: Estate) -> None:
    house = estate.house
    house.door.routes.lists.indexes = {"root": Untold(house.door.routes.indexes["root"].project_names)}  # type: ignore[dict-item]
    house.door.routes.lists.settled = lambda *_: True
    ask = house.ask("/simple/", accept=JSON)
    for _ in range(3):
        now(house.door.routes.lists.listing(ask, house.doorkeeper.known(None), "root")).close()  # type: ignore[arg-type]
        assert not ready(house, ask)


def test_an_index_that_fails_to_tell_is_asked(estate: Estate) -> None:
    """As behind a policy of somebody else's that has begun to fail."""
    house, routes = estate.house, estate.house.door.routes
    ask = house.ask("/simple/", accept=JSON)
    expected = estate.answered(ask)
    assert ready(house, ask)

    async def settled(*_: Any) -> None:
        pass

    def fails() -> Any:
        raise PolicyFailed("theirs", ValueError)

    routes.lists.settle, index = settled, routes.lists.indexes["root"]
    routes.lists.indexes = {"root": Failing(index.project_names, fails)}  # type: ignore[dict-item]
    for _ in range(2):
        assert not ready(house, ask)
        assert house.body(now(routes.lists.listing(ask, house.doorkeeper.known(None), "root"))) == expected[2]  # type: ignore[arg-type]


@implementer(ISteady)
@attrs.define
class Failing:
    """An index that has a list, and cannot tell whether it is what it was."""

    project_names: Any
    names_state: Any


@attrs.define
class Untold:
    """An index of somebody else's."""

    project_names: Any


def test_P2_what_old_clients_ask_an_upload_address_is_no_list(estate: Estate) -> None:
    ask = estate.house.ask("/simple/?:action=list_classifiers")
    estate.answered(estate.house.ask("/simple/"))
    assert estate.house.door.routes.quick(estate.house.ask("/simple/")) is not None
    assert estate.house.door.routes.quick(ask) is None
    assert now(estate.house.door.routes.handle(ask)).status == 410


class Closing:
    """A content that counts how often it is closed."""

    size, digest, closed = 3, None, 0

    async def read(self, offset: int, limit: int) -> bytes:
        return b"abc"[offset : offset + limit]

    def close(self) -> None:
        self.closed += 1


def test_what_is_lent_is_closed_when_nobody_has_it_any_more() -> None:
    content = Closing()
    open = Open(content)  # type: ignore[arg-type]
    one, other = open.lend(), open.lend()
    assert not ISendable.providedBy(one)
    assert verifyObject(IContent, one)
    one.close()
    one.close()
    open.end()
    assert content.closed == 0
    assert now(other.read(1, 5)) == b"bc"
    other.close()
    assert content.closed == 1


def test_what_is_not_lent_is_closed_at_once() -> None:
    content = Closing()
    Open(content).end()  # type: ignore[arg-type]
    assert content.closed == 1


def test_only_so_many_have_a_file_open(monkeypatch: pytest.MonkeyPatch, estate: Estate) -> None:
    monkeypatch.setattr(ready_lists, "MOST", 2)
    house = estate.house
    asks = [house.ask("/simple/", accept=JSON, accept_encoding=coding) for coding in ("gzip", "zstd", "identity")]
    house.door.routes.lists.let_go()
    for ask in asks:
        estate.answered(ask)
    assert [house.door.routes.quick(ask) is not None for ask in asks] == [False, True, True]
