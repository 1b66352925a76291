"""Pages that are made anew before somebody asks: at an easy pace, each once, and nothing of it is anybody's trouble."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.flights import landing
from pypidaemon.model import NormalizedName
from pypidaemon.web import ahead
from pypidaemon.web.ahead import Ahead
from pypidaemon.web.answers import AnswerKey
from tests.gear import now

JSON = "application/vnd.pypi.simple.v1+json"


def key(name: str, **more: str) -> AnswerKey:
    """Of a page."""
    return AnswerKey("root", NormalizedName(name), JSON, **more)


@attrs.define
class Maker:
    """Takes so many seconds for each page, where it does not wait for a gate; some cannot be had."""

    clock: Clock = attrs.field(factory=Clock)
    takes: float = 0.0
    gate: Deferred[None] | None = None
    missing: frozenset[str] = frozenset()
    made: list[tuple[str, tuple[str, ...], float]] = attrs.field(factory=list)

    async def make(self, asked: AnswerKey, codings: Sequence[str]) -> None:
        """Note what was to be made, and when."""
        self.made.append((asked.project, tuple(codings), self.clock.seconds()))
        self.clock.rightNow += self.takes
        if self.gate is not None:
            await self.gate
        if asked.project in self.missing:
            raise UpstreamUnavailable("pypi", "it is down")

    def ahead(self) -> Ahead:
        """What has it make pages."""
        return Ahead(self.clock, self.make)

    def pass_by(self, seconds: float) -> None:
        """So much time."""
        self.clock.pump([0.01] * round(seconds / 0.01))


def test_a_page_that_changes_many_times_at_once_is_made_once() -> None:
    maker = Maker()
    pages = maker.ahead()
    for coding in ("", "gzip", "zstd"):
        pages.changed(key("alpha"), [coding], math.inf)
    assert maker.made == []
    maker.pass_by(1)
    assert [made[:2] for made in maker.made] == [("alpha", ("zstd",))]
    assert maker.clock.getDelayedCalls() == []


def test_a_thousand_pages_take_a_fifth_of_the_time() -> None:
    maker = Maker(takes=0.02)
    pages = maker.ahead()
    for number in range(1000):
        pages.changed(key(f"p{number}"), [""], math.inf)
    maker.pass_by(10)
    spent = len(maker.made) * maker.takes
    assert 0.1 < spent / maker.clock.seconds() <= 0.21
    assert len({name for name, _, _ in maker.made}) == len(maker.made)


def test_of_too_many_those_that_changed_first_are_left_to_who_asks() -> None:
    maker = Maker()
    pages = maker.ahead()
    for number in range(ahead.MOST + 5):
        pages.changed(key(f"p{number}"), [""], math.inf)
    assert len(pages._due) <= ahead.MOST
    maker.pass_by(0.06)
    assert maker.made[0][0] == "p5"


def test_what_cannot_be_had_stops_nothing() -> None:
    maker = Maker(missing=frozenset({"alpha"}))
    pages = maker.ahead()
    pages.changed(key("alpha"), [""], math.inf)
    pages.changed(key("beta"), [""], math.inf)
    maker.pass_by(1)
    assert [name for name, _, _ in maker.made] == ["alpha", "beta"]
    assert pages.made == 1


def test_views_parts_and_other_documents_are_left_alone() -> None:
    maker = Maker()
    pages = maker.ahead()
    pages.changed(key("alpha", view="2026-01-01"), [""], math.inf)
    pages.changed(key("alpha", part="held"), [""], math.inf)
    pages.changed(AnswerKey("root", NormalizedName("alpha"), "legacy  http://127.0.0.1/"), [""], math.inf)
    assert maker.clock.getDelayedCalls() == []


def test_no_upstream_is_asked_for_what_was_past_its_time() -> None:
    maker = Maker()
    maker.clock.advance(100)
    pages = maker.ahead()
    pages.changed(key("alpha"), [""], 100.0)
    pages.changed(key("beta"), [""], 100.5)
    maker.pass_by(1)
    assert [name for name, _, _ in maker.made] == ["beta"]


def test_it_ends_with_the_door() -> None:
    for gate in (None, Deferred[None]()):
        maker = Maker(gate=gate)
        pages = maker.ahead()
        pages.changed(key("alpha"), [""], math.inf)
        if gate is not None:
            maker.pass_by(1)
            assert len(maker.made) == 1
        now(landing(pages.flights))
        maker.pass_by(1)
        assert maker.clock.getDelayedCalls() == []
        assert len(maker.made) == (gate is not None)
