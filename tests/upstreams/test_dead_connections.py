"""Connections that are kept and dead: the line was cut, or this machine has another address since, and nobody was told."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from pypidaemon.model import NormalizedName, Validators
from pypidaemon.testing import Fault, TestIndex
from pypidaemon.upstreams.limits import Limits
from tests.gear import later
from tests.upstreams.parts import broken, page, serve, started, whole
from tests.upstreams.test_http import cause

NAME, NOTHING = NormalizedName("thing"), Validators()
PATIENT = Limits(head=5.0)
"""Nobody gives up by himself what is asked of the dead."""


class DeadConnections(TestCase):
    """What is sent over one that stood when the line was cut comes to nobody; new ones are as good as ever."""

    def setUp(self) -> None:
        self.index = TestIndex()
        self.wheel = self.index.add("thing", "1.0")
        self.served = serve(self, self.index)

    def upstream(self, **settings: Any) -> Any:
        return started(self, self.served.simple, **settings)

    async def kept(self, upstream: Any, count: int) -> None:
        """Have that many connections kept."""
        self.index.break_("/simple/*", Fault(delay=0.02))
        await gatherResults([later(upstream.fetch_page(NAME, NOTHING)) for _ in range(count)])
        self.index.heal()
        assert len(self.served._factory.protocols) == count

    def cut(self) -> None:
        """Nothing that is sent over those that there are is heard, and nobody says so."""
        for connection in self.served._factory.protocols:
            connection.transport.pauseProducing()

    def left(self, asking: Any) -> Deferred[Any]:
        """That goes on until the test is over, and what comes of it is of no interest."""
        going = later(asking).addErrback(lambda _: None)
        self.addCleanup(going.cancel)
        return going

    def url(self) -> str:
        return self.served.url + self.index.path("thing", self.wheel)

    async def test_F40_who_looks_whether_it_is_back_uses_none_of_them(self) -> None:
        """Each would take its time-out, and there may be ten of them: it may be back for a minute and longer until the last is dropped."""
        upstream = self.upstream(limits=PATIENT, patience=0.3)
        await self.kept(upstream, 3)
        upstream.health.attend()
        self.cut()
        asking = self.left(upstream.fetch_page(NAME, NOTHING))
        await upstream.health.doubted()
        assert upstream.health.state == "suspect"
        await upstream.probe(NAME)
        assert upstream.health.state == "up"
        assert not asking.called
        page(await upstream.fetch_page(NAME, NOTHING))

    async def test_F40_nor_where_what_is_asked_for_is_a_small_file(self) -> None:
        upstream = self.upstream(limits=PATIENT, patience=0.3)
        await self.kept(upstream, 3)
        upstream.health.attend()
        self.cut()
        asking = self.left(upstream.fetch_whole(self.url(), len(self.index.data("thing", self.wheel))))
        await upstream.health.doubted()
        await upstream.probe(NAME)
        assert upstream.health.state == "up"
        assert not asking.called

    async def test_F40_nor_where_clients_wait_for_longer_than_upstream_is_given(self) -> None:
        upstream = self.upstream(limits=Limits(head=1.0), patience=60.0)
        await self.kept(upstream, 3)
        self.cut()
        assert await cause(upstream.fetch_page(NAME, NOTHING)) == "it does not answer"
        await upstream.probe(NAME)
        assert upstream.health.state == "up"

    async def test_F40_what_was_asked_before_it_came_back_and_is_given_up_later_is_no_news(self) -> None:
        """Two such would take it down at once, and what is not here off pages, when it has been back for seconds."""
        upstream = self.upstream(limits=Limits(head=1.0), patience=0.3)
        await self.kept(upstream, 3)
        upstream.health.attend()
        self.cut()
        asking = [later(cause(upstream.fetch_page(NAME, NOTHING))) for _ in range(2)]
        await upstream.health.doubted()
        states: list[str] = []
        upstream.health.listen(lambda: states.append(upstream.health.state))
        while upstream.health.state != "up":
            # Those who asked are silent one after the other.
            await upstream.probe(NAME)
        assert await gatherResults(asking) == ["it does not answer"] * 2
        assert states == ["up"]

    async def test_F31_a_body_that_stalls_is_taken_up_over_another(self) -> None:
        """Else pip, which gives up after 15 seconds of silence, would have to wait for two silences, one after the other."""
        upstream = self.upstream(limits=attrs.evolve(PATIENT, idle=0.5))
        await self.kept(upstream, 2)
        self.index.break_("/packages/*", Fault(stall_after=100))
        body = await upstream.fetch_body(self.url(), 0)
        self.cut()
        self.index.heal()
        came, data = len((await broken(body))[0]), self.index.data("thing", self.wheel)
        assert await whole(await upstream.fetch_body(self.url(), came)) == data[came:]

    async def test_the_connections_to_others_are_kept(self) -> None:
        """One host of files that is dead takes nothing from the index."""
        other = TestIndex()
        far = serve(self, other)
        wheel = other.add("thing", "1.0")
        upstream = self.upstream(limits=PATIENT, patience=0.3)
        await self.kept(upstream, 1)
        other.break_("*", Fault(stall=True))
        asking = self.left(upstream.fetch_body(far.url + other.path("thing", wheel), 0))
        await upstream.health_of(far.url).doubted()
        page(await upstream.fetch_page(NAME, NOTHING))
        assert len(self.served._factory.protocols) == 1
        assert not asking.called
