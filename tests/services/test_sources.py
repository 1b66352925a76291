"""Another upstream behind the same mirror, and a daemon that dies in each of its runs."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from zope.interface import implementer

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IRecords, ISourced
from pypidaemon.model import NotModified, Progress, UpstreamNames, Validators, Waiting
from pypidaemon.services.mirroring.begun import LATER, UNDER_WAY, from_source, interrupted, made_up, marked
from pypidaemon.services.mirroring.tally import Tally, outcome
from pypidaemon.waits import Bell
from tests.gear import now
from tests.mirroring import Mill, Offer, Upstream

HOUR = 3600.0
ALPHA, BETA = project_name("alpha"), project_name("beta")


@implementer(ISourced)
@attrs.define(slots=False)
class Sourced(Upstream):
    """One that says whose its numbers are, and notes what is on record whenever its list is asked for."""

    source: str = "https://one.example/simple/"
    records: IRecords | None = None
    seen: list[Progress] = attrs.field(factory=list)

    async def fetch_names(self, validators: Validators) -> UpstreamNames | NotModified:
        if self.records is not None:
            self.seen.append(await self.records.mirrors.progress("mirror"))
        return await super().fetch_names(validators)


def moved(mill: Mill, *, serials: bool = True) -> Sourced:
    """Have the mirror filled from another index from now on, which counts from the beginning, and whose projects have one file more."""
    before = mill.upstream
    mill.upstream = after = Sourced(source="https://two.example/simple/", serial=1, serials=serials, sidecars=before.sidecars)
    for number, (name, offer) in enumerate(sorted(before.offers.items()), 2):
        after.offers[name] = Offer(number, {**offer.files, f"{name}-9.0.tar.gz": b"new"})
    after.serial = len(after.offers) + 1
    mill.restart()
    return after


@pytest.fixture(params=["everything", "names"])
def mill(tmp_path: Path, request: pytest.FixtureRequest) -> Mill:
    """A mirror that is filled."""
    made = Mill(tmp_path, upstream=Sourced(), settings={"projects": ("*",) if request.param == "everything" else ("alpha", "beta")})
    for name in ("alpha", "beta"):
        made.upstream.add(name, f"{name}-1.0.tar.gz")
    assert made.run()["complete"]
    return made


@pytest.mark.parametrize("serials", [True, False])
def test_F22_serials_start_anew_with_another_upstream(mill: Mill, serials: bool) -> None:
    """Its numbers are lower, or it has none, and nothing fell; the validators of the one before are not sent to it either."""
    after = moved(mill, serials=serials)
    ended = mill.run()
    assert ended["complete"], ended["errors"]
    for name in ("alpha", "beta"):
        assert mill.files(name) == [f"{name}-1.0.tar.gz", f"{name}-9.0.tar.gz"]
    after.remove("alpha", "alpha-9.0.tar.gz")
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]
    progress = now(mill.records.mirrors.progress("mirror"))
    assert progress.source == "https://two.example/simple/"
    assert progress.serial <= after.serial


def test_F22_what_waits_with_the_number_of_another_upstream_is_had_from_the_new_one(mill: Mill) -> None:
    """That it announced a page which the new one does not have yet is nothing to wait for."""
    mill.upstream.add("beta", "beta-2.0.tar.gz")
    mill.upstream.broken["beta"] = UpstreamUnavailable("pypi", "it answers 500")
    assert not mill.run()["complete"]
    after = moved(mill)
    after.broken["beta"] = UpstreamUnavailable("pypi", "it answers 500 as well")
    assert not mill.run()["complete"]
    after.broken.clear()
    mill.service.startService()
    for _ in range(10):
        mill.clock.advance(60)
    assert mill.files("beta") == ["beta-1.0.tar.gz", "beta-2.0.tar.gz", "beta-9.0.tar.gz"]
    assert mill.state()["outcome"].startswith("not complete")
    assert mill.run()["complete"]
    now(mill.service.stopService())


def test_F22_a_first_run_that_was_cut_short_is_looked_at_again_with_another_upstream(tmp_path: Path) -> None:
    """Also where no run was ever finished with the one before."""
    made = Mill(tmp_path, upstream=Sourced())
    for name in ("alpha", "beta"):
        made.upstream.add(name, f"{name}-1.0.tar.gz")
    made.upstream.gate = Bell()
    made.begin()
    made.upstream.gate.ring()
    made.kill()
    moved(made)
    assert made.run()["complete"]
    assert made.files("alpha") == ["alpha-1.0.tar.gz", "alpha-9.0.tar.gz"]


def test_F22_a_rehearsal_with_another_upstream_changes_nothing(mill: Mill) -> None:
    """It says what would be taken."""
    before = now(mill.records.mirrors.progress("mirror"))
    moved(mill)
    assert mill.run(rehearsal=True)["plan"]["take"] == ["alpha alpha-9.0.tar.gz", "beta beta-9.0.tar.gz"]
    assert now(mill.records.mirrors.progress("mirror")) == before


def test_what_was_filled_before_sources_were_known_is_not_compared_anew() -> None:
    """The first upstream that says whose its numbers are is taken for the one before."""
    before = Progress(serial=9, selection="a b c d", listed=3)
    assert from_source(before, "https://one.example/simple/", 5.0) == attrs.evolve(before, source="https://one.example/simple/")
    assert from_source(before, "", 5.0) == before
    known = attrs.evolve(before, source="https://one.example/simple/")
    assert from_source(known, "", 5.0) == known
    assert from_source(known, "https://two.example/simple/", 5.0) == Progress(
        selection="a - c d", source="https://two.example/simple/", since=5.0
    )
    assert from_source(attrs.evolve(known, selection=""), "https://two.example/simple/", 5.0).selection == "-"


def test_a_run_is_on_record_before_upstream_is_asked(tmp_path: Path) -> None:
    """So whoever starts after a kill knows of it, however early that was."""
    upstream = Sourced()
    made = Mill(tmp_path, upstream=upstream)
    upstream.records = made.records
    upstream.add("alpha", "alpha-1.0.tar.gz")
    assert made.run()["complete"]
    [progress] = upstream.seen
    assert (progress.outcome, progress.begun) == (UNDER_WAY, made.clock.seconds())


def test_a_daemon_that_dies_in_each_run_does_not_ask_for_the_list_at_each_start(tmp_path: Path) -> None:
    """The first time it goes on at once, and then after a while."""
    made = Mill(tmp_path)
    made.upstream.add("alpha", "alpha-1.0.tar.gz")
    made.upstream.gate = Bell()
    for _ in range(60):
        made.service.startService()
        made.clock.advance(1)
        # What it leaves on record is what a kill leaves.
        now(made.service.stopService())
        made.restart()
    assert 2 <= made.upstream.count("names") <= 3
    made.upstream.gate = None
    made.service.startService()
    for _ in range(int(LATER // 60) + 1):
        made.clock.advance(60)
    assert made.names() == ["alpha"]
    now(made.service.stopService())


def test_when_an_interrupted_run_is_made_up() -> None:
    """A clock that was ahead keeps nobody waiting for longer."""
    ended = Progress(outcome="complete", begun=50.0)
    once = marked(ended, 100.0)
    twice = marked(once, 200.0)
    assert [interrupted(one) for one in (ended, once, twice, marked(twice, 300.0))] == [False, True, True, True]
    assert (once.begun, twice.begun) == (100.0, 200.0)
    assert made_up(ended, 100.0) is None
    assert made_up(once, 150.0) == 150.0
    assert made_up(twice, 250.0) == 200.0 + LATER
    assert made_up(twice, 100.0) == 100.0 + LATER
    assert made_up(twice, 200.0 + LATER + HOUR) == 200.0 + LATER + HOUR


def test_the_state_names_some_of_what_waits_and_counts_the_rest(tmp_path: Path) -> None:
    """However many there are, neither it nor a run's summary reads the whole list of them."""
    made = Mill(tmp_path, settings={"projects": ("none",)})
    books = made.records.mirrors
    now(books.wait("mirror", [Waiting(project_name(f"p{number:03}"), 1, 1, made.clock.seconds() + HOUR) for number in range(130)]))

    class Few:
        def __getattr__(self, name: str) -> object:
            assert name != "waiting", "the whole list is read"
            return getattr(books, name)

    made.records.mirrors = Few()  # type: ignore[assignment]
    state = made.state()
    assert (state["waiting"], len(state["waits"])) == (130, 100)
    assert state["waits"][0]["name"] == "p000"


def test_a_rehearsal_says_what_would_be(tmp_path: Path) -> None:
    """Also how many files are of unknown size; and one of anything is not several."""
    made = Mill(tmp_path)
    made.upstream.add("alpha", "alpha-1.0.tar.gz")
    said = made.run(rehearsal=True)["outcome"]
    size = len(made.upstream.offers["alpha"].files["alpha-1.0.tar.gz"])
    assert said == (
        f"would be complete (1 project looked at, 1 file and {size} bytes would be fetched, 0 projects and 0 files would be removed)"
    )
    tally = Tally(0.0, rehearsal=True, looked=2, files=2, bytes=11, unsized=1)
    assert outcome(tally, complete=False, waiting=1) == (
        "would not be complete: 1 project waits (2 projects looked at, 2 files and 10 bytes would be fetched besides the bytes of 1 file"
        " of unknown size, 0 projects and 0 files would be removed)"
    )
    assert outcome(Tally(0.0), complete=False, waiting=2).startswith(
        "not complete: 2 projects wait (0 projects looked at, 0 files and 0 bytes fetched,"
    )
