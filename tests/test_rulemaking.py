"""Orders about packages below the door: on record, then in force, then announced; and nothing of it lost by a restart."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.announcements import Announcements
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import PypidaemonError, StorageFull
from pypidaemon.model import Fetch, Ruling, RulingKind
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.rulings import Rulings
from pypidaemon.services.second_look import SecondLook
from tests.gear import inline, later, now, waiting
from tests.records_gear import sqlite_records

BAD = {"target": "alpha", "reason": "malware"}


@attrs.define
class Book:
    """A book of rulings that a test holds up, or lets fail, and that notes what was in force when it was asked."""

    rulings_: dict[tuple[str, str], Ruling] = attrs.field(factory=dict)
    slow: list[Deferred[None]] = attrs.field(factory=list)
    fault: PypidaemonError | None = None

    async def _pass(self) -> None:
        if self.slow:
            await self.slow.pop(0)
        if self.fault is not None:
            raise self.fault

    async def rulings(self) -> list[Ruling]:
        await self._pass()
        return [self.rulings_[key] for key in sorted(self.rulings_)]

    async def rule(self, ruling: Ruling) -> None:
        await self._pass()
        self.rulings_[ruling.kind.value, ruling.target] = ruling

    async def repeal(self, kind: RulingKind, target: str) -> bool:
        await self._pass()
        return self.rulings_.pop((kind.value, target), None) is not None


@attrs.define
class World:
    """What a `Rulemaking` has around it; `told` are the announcements."""

    clock: Clock = attrs.field(factory=Clock)
    book: Book = attrs.field(factory=Book)
    told: list[str | None] = attrs.field(factory=list)
    made: Rulemaking = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        records = MemoryRecords(label="records", clock=self.clock)
        records.rulings = self.book
        announcements = Announcements()
        announcements.listen(self.told.append)
        self.made = Rulemaking(records, Rulings(), announcements, self.clock, inline)

    def targets(self) -> list[str]:
        """What is in force."""
        return [ruling.target for ruling in self.made.rulings.all()]


@pytest.fixture
def world() -> World:
    return World()


def test_law_7_a_block_is_on_record_before_it_is_in_force_and_in_force_before_it_is_announced(world: World) -> None:
    now(world.made.learn())
    world.told.clear()
    seen: list[list[str]] = []
    world.made.announcements.listen(lambda _: seen.append(world.targets()))
    written: Deferred[None] = Deferred()
    world.book.slow.append(written)
    answer = later(world.made.perform("block", BAD, THE_OPERATOR))
    assert (world.targets(), world.told, waiting(answer)) == ([], [], True)
    written.callback(None)
    assert now(answer)["target"] == "alpha"
    assert (world.told, seen) == (["alpha"], [["alpha"]])
    now(world.made.perform("block", {"target": "sha256:" + "0" * 64, "reason": "x"}, THE_OPERATOR))
    assert world.told == ["alpha", None]


def test_what_could_not_be_put_on_record_is_not_in_force(world: World) -> None:
    """Who ordered it hears so, and the audit log has it as refused."""
    now(world.made.learn())
    world.book.fault = StorageFull("the disk is full")
    with pytest.raises(StorageFull):
        now(world.made.perform("block", BAD, THE_OPERATOR))
    assert world.targets() == []
    world.book.fault = None
    (deed,) = now(world.made.records.accounts.deeds(0.0, 10))
    assert (deed.action, deed.subject, deed.detail, deed.done) == ("block", "alpha", "the disk is full", False)
    now(world.made.perform("block", BAD, THE_OPERATOR))
    assert world.targets() == ["alpha"]


def test_orders_at_the_same_time_lose_nothing_of_each_other(world: World) -> None:
    """The last one on record is the one in force, whatever finishes first."""
    now(world.made.learn())
    gates: list[Deferred[None]] = [Deferred(), Deferred(), Deferred()]
    world.book.slow += gates
    asked = [
        later(world.made.perform("block", BAD, THE_OPERATOR)),
        later(world.made.perform("block", {"target": "beta", "reason": "x"}, THE_OPERATOR)),
        later(world.made.perform("unblock", {"target": "alpha"}, THE_OPERATOR)),
    ]
    for gate in reversed(gates):
        gate.callback(None)
    for one in asked:
        now(one)
    assert world.targets() == ["beta"] == [ruling.target for ruling in now(world.book.rulings())]


def test_F73_who_leaves_stops_no_order_halfway(world: World) -> None:
    now(world.made.learn())
    written: Deferred[None] = Deferred()
    world.book.slow.append(written)
    asked = later(world.made.perform("block", BAD, THE_OPERATOR))
    asked.addErrback(lambda _: None)
    asked.cancel()
    written.callback(None)
    assert world.targets() == ["alpha"]
    assert now(world.made.records.accounts.deeds(0.0, 10))[-1].done


def test_an_order_waits_for_what_is_on_record(world: World) -> None:
    """Else it would be the only one in force."""
    world.book.rulings_["block", "beta"] = Ruling(RulingKind.BLOCK, "beta")
    read: Deferred[None] = Deferred()
    world.book.slow.append(read)
    world.made.startService()
    asked = later(world.made.perform("block", BAD, THE_OPERATOR))
    assert (waiting(asked), world.made.known) == (True, False)
    read.callback(None)
    now(asked)
    assert world.targets() == ["alpha", "beta"]
    assert now(world.made.stopService()) is None


def test_the_answer_counts_the_fetches_and_does_without_where_it_cannot(world: World) -> None:
    class FailingFetches:
        async def of_project(self, *given: object) -> list[Fetch]:
            raise PypidaemonError("damaged")

    world.made.records.fetches = FailingFetches()  # type: ignore[assignment]  # nothing else of it is asked
    assert now(world.made.perform("block", BAD, THE_OPERATOR))["fetched"] is None
    assert world.targets() == ["alpha"]


def test_F53_a_block_outlives_the_process(tmp_path: Path) -> None:
    """Killed right after the answer, and begun anew on the same records."""
    clock = Clock()
    clock.advance(1_780_000_000.0)
    records = sqlite_records(tmp_path / "records.sqlite", clock)
    records.startService()
    made = Rulemaking(records, Rulings(), Announcements(), clock, inline)
    now(made.perform("block", BAD, THE_OPERATOR))
    now(made.perform("exempt", {"target": "beta==2.0", "reason": "the fix", "for": "24h"}, THE_OPERATOR))
    # Nothing of the first is stopped: it might have been killed.
    again = sqlite_records(tmp_path / "records.sqlite", clock)
    again.startService()
    second = Rulemaking(again, Rulings(), Announcements(), clock, inline)
    second.startService()
    assert second.rulings.all() == made.rulings.all()
    assert [one["target"] for one in now(second.listed())["rulings"]] == ["alpha", "beta==2"]
    with pytest.raises(Unacceptable, match="beta is not exempt; what is exempt: beta==2"):
        now(second.perform("unexempt", {"target": "beta"}, THE_OPERATOR))
    for one in (second.stopService(), again.stopService(), records.stopService()):
        now(one)


@pytest.mark.parametrize("about", [[[[]]], {"a": 1}, 7, None])
def test_only_text_is_put_into_the_log_of_what_was_refused(world: World, about: object) -> None:
    """Nested deeply enough nothing else can be spelled at all."""
    for _ in range(3000):
        about = [about]
    with pytest.raises(Unacceptable, match="the field target is no text"):
        now(world.made.perform("block", {"target": about, "reason": "x"}, THE_OPERATOR))
    (deed,) = now(world.made.records.accounts.deeds(0.0, 10))
    assert (deed.subject, deed.done) == ("", False)


def test_there_is_an_end_to_rulings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there can still be renewed, and taken back."""
    monkeypatch.setattr("pypidaemon.rulemaking.MOST_RULINGS", 2)
    for about in ("alpha", "beta"):
        now(world.made.perform("block", {"target": about, "reason": "x"}, THE_OPERATOR))
    with pytest.raises(Unacceptable, match="2 rulings are in force, and there can be no more"):
        now(world.made.perform("block", {"target": "gamma", "reason": "x"}, THE_OPERATOR))
    now(world.made.perform("block", {"target": "beta", "reason": "y"}, THE_OPERATOR))
    now(world.made.perform("unblock", {"target": "alpha"}, THE_OPERATOR))
    now(world.made.perform("block", {"target": "gamma", "reason": "x"}, THE_OPERATOR))
    assert world.targets() == ["beta", "gamma"]


def test_what_came_on_record_past_the_daemon_is_heeded_once_it_listens(world: World) -> None:
    """And where nothing did, nobody is told anything."""
    now(world.made.learn())
    world.told.clear()
    look = SecondLook(world.made)
    look.startService()
    assert world.told == []
    now(world.book.rule(Ruling(RulingKind.BLOCK, "alpha", "x")))
    look.startService()
    assert (world.targets(), world.told) == (["alpha"], [None])
    world.book.fault = PypidaemonError("the disk is gone")
    look.startService()
    assert world.targets() == ["alpha"]
