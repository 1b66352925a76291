"""Runs of the mirroring service, over a mirror and an upstream in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer

from pypidaemon.descriptions import Descriptions
from pypidaemon.errors import CorruptContent, NoSuchProject, StorageFull, UpstreamUnavailable
from pypidaemon.interfaces import ILocal
from pypidaemon.model import Change, Knowledge, NormalizedName, Progress, Ruling, RulingKind
from pypidaemon.moments import written
from pypidaemon.policies.filenames import Filenames
from pypidaemon.policies.licences import Licences
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.rulings import Rulings
from pypidaemon.settings import Lines
from tests.gear import inline, now
from tests.mirroring import Mill, Offer, Ours

DAY = 86_400.0


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """A mirror of everything, with nothing in it yet."""
    return Mill(tmp_path)


def filled(mill: Mill) -> Mill:
    """The same with three projects of an upstream."""
    for name in ("alpha", "beta", "gamma"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz", f"{name}-2.0.tar.gz")
    assert mill.run()["complete"]
    mill.upstream.asked.clear()
    return mill


def test_everything_that_upstream_lists_is_here_after_a_run(mill: Mill) -> None:
    """With one request for the list, one for each page and one for each file."""
    for name in ("alpha", "beta"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz", f"{name}-2.0.tar.gz")
    ended = mill.run()
    assert ended["complete"], ended
    assert (ended["found"], ended["looked"], ended["files"]) == (2, 2, 4)
    assert sorted(mill.upstream.asked) == sorted(
        ["names", "page alpha", "page beta", *(f"body {name}-{version}.0.tar.gz" for name in ("alpha", "beta") for version in (1, 2))]
    )
    assert mill.names() == ["alpha", "beta"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert mill.state()["serial"] == mill.upstream.serial


def test_M4_a_run_without_changes_costs_one_conditional_request(mill: Mill) -> None:
    """And is complete, so that its beginning is what is told of the last one."""
    filled(mill)
    mill.clock.advance(DAY)
    assert mill.run()["complete"]
    assert mill.upstream.asked == ["names"]
    assert now(mill.records.mirrors.progress("mirror")).started == mill.clock.seconds()


def test_M4_a_change_costs_its_project_and_its_new_files(mill: Mill) -> None:
    """And nothing else."""
    filled(mill)
    mill.upstream.add("beta", "beta-3.0.tar.gz")
    assert mill.run()["files"] == 1
    assert mill.upstream.asked == ["names", "page beta", "body beta-3.0.tar.gz"]


def test_M4_without_serials_every_page_is_asked_whether_it_has_changed(mill: Mill) -> None:
    """Which costs no file."""
    mill.upstream.serials = False
    filled(mill)
    assert mill.run()["complete"]
    assert mill.upstream.asked == ["names", "page alpha", "page beta", "page gamma"]


def test_M4_an_upstream_that_tells_its_changes_is_not_asked_for_the_list(mill: Mill) -> None:
    """But for the first time."""
    mill.upstream.rows = []
    filled(mill)
    mill.upstream.add("beta", "beta-3.0.tar.gz")
    mill.upstream.rows = [Change(NormalizedName("beta"), "3.0", 0.0, "new release", mill.upstream.serial)]
    assert mill.run()["complete"]
    assert mill.upstream.asked == ["changes 103", "page beta", "body beta-3.0.tar.gz"]
    assert mill.state()["serial"] == 104


def test_M6_what_is_gone_by_the_changes_goes_when_the_list_confirms_it(mill: Mill) -> None:
    """Its page alone takes nothing away."""
    mill.upstream.rows = []
    filled(mill)
    mill.upstream.remove("beta")
    mill.upstream.rows = [Change(NormalizedName("beta"), None, 0.0, "remove project", mill.upstream.serial)]
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "gamma"]


def test_M5_a_file_that_upstream_lists_no_longer_goes(mill: Mill) -> None:
    """The others of its project stay."""
    filled(mill)
    mill.upstream.remove("alpha", "alpha-1.0.tar.gz")
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-2.0.tar.gz"]


def test_M6_a_project_that_is_off_the_list_and_has_no_page_goes(mill: Mill) -> None:
    """Its files wait for a while, and can be brought back."""
    filled(mill)
    mill.upstream.remove("beta")
    ended = mill.run()
    assert (ended["complete"], ended["removed"]) == (True, 1)
    assert mill.names() == ["alpha", "gamma"]
    [left] = now(mill.records.mirrors.leaving("mirror"))
    assert (left.name, left.until - left.since) == ("beta", 7 * DAY)
    for waiting in (1, 0):
        mill.clock.advance(8 * DAY)
        mill.run()
        assert len(now(mill.records.mirrors.leaving("mirror"))) == waiting


def test_F44_a_clock_that_jumps_ahead_ends_no_waiting_before_it_can_be_put_right(mill: Mill) -> None:
    """What had left can be brought back as before."""
    filled(mill)
    mill.upstream.remove("beta")
    mill.run()
    mill.clock.advance(50 * 365 * DAY)
    mill.run()
    assert [one.name for one in now(mill.records.mirrors.leaving("mirror"))] == ["beta"]
    mill.clock.rightNow -= 50 * 365 * DAY
    mill.clock.advance(DAY)
    mill.run()
    assert [one.name for one in now(mill.records.mirrors.leaving("mirror"))] == ["beta"]


def test_M7_a_project_whose_page_is_there_stays_though_it_is_off_the_list(mill: Mill) -> None:
    """Both have to say so."""
    filled(mill)
    mill.upstream.unlisted.add("beta")
    mill.upstream.add("gamma", "gamma-3.0.tar.gz")
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "beta", "gamma"]


def test_M7_a_listed_project_whose_page_is_not_there_stays_and_waits(mill: Mill) -> None:
    """A single 404 is no removal."""
    filled(mill)
    mill.upstream.add("beta", "beta-3.0.tar.gz")
    mill.upstream.broken["beta"] = NoSuchProject("beta")
    assert not mill.run()["complete"]
    assert mill.names() == ["alpha", "beta", "gamma"]
    assert [one["name"] for one in mill.state()["waits"]] == ["beta"]


@pytest.mark.parametrize("how", ["empty", "error", "serial"])
def test_M7_a_list_that_cannot_be_right_removes_nothing(mill: Mill, how: str) -> None:
    """And the run says so, each time, until it is right again (F87)."""
    filled(mill)
    offers = dict(mill.upstream.offers)
    if how == "empty":
        mill.upstream.offers.clear()
    elif how == "error":
        mill.upstream.broken[""] = UpstreamUnavailable("pypi", "it answers 500")
    else:
        del mill.upstream.offers["beta"]
        mill.upstream.serial = 50
        mill.upstream.offers = {name: Offer(40, offer.files) for name, offer in mill.upstream.offers.items()}
    for _ in range(2):
        ended = mill.run()
        assert not ended["complete"]
        assert ended["errors"]
        assert mill.names() == ["alpha", "beta", "gamma"]
    mill.upstream.broken.clear()
    mill.upstream.offers = offers
    mill.upstream.serial = 104
    assert mill.run()["complete"]


def test_M7_more_than_the_limit_removes_nothing(tmp_path: Path) -> None:
    """Whatever was looked at besides is taken all the same (F88)."""
    mill = Mill(tmp_path)
    for number in range(10):
        mill.upstream.add(f"seed-{number}", f"seed_{number}-1.0.tar.gz")
    assert mill.run()["complete"]
    for number in range(4):
        mill.upstream.remove(f"seed-{number}")
    mill.upstream.add("seed-9", "seed_9-2.0.tar.gz")
    ended = mill.run()
    assert not ended["complete"]
    assert "4 of 10 projects would go" in ended["errors"][0] or "shrank" in ended["errors"][0]
    assert len(mill.names()) == 10
    assert mill.files("seed-9") == ["seed_9-1.0.tar.gz", "seed_9-2.0.tar.gz"]


def test_M7_a_page_without_files_counts_as_a_project_that_is_gone(tmp_path: Path) -> None:
    """Four of them at once are more than may go."""
    mill = Mill(tmp_path)
    for number in range(10):
        mill.upstream.add(f"seed-{number}", f"seed_{number}-1.0.tar.gz")
    assert mill.run()["complete"]
    for number in range(4):
        mill.upstream.remove(f"seed-{number}", f"seed_{number}-1.0.tar.gz")
    assert not mill.run()["complete"]
    assert mill.files("seed-0") == ["seed_0-1.0.tar.gz"]
    mill.index_settings["removal_limit"] = __import__("pypidaemon.plans", fromlist=["Limit"]).Limit(None, 4)
    mill.restart()
    assert mill.run()["complete"]
    assert mill.files("seed-0") == []


def test_M7_what_is_pinned_stays(mill: Mill) -> None:
    """Nothing of it is even asked for."""
    filled(mill)
    now(mill.records.mirrors.pin("mirror", NormalizedName("beta"), True))
    mill.upstream.remove("beta")
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "beta", "gamma"]


def test_M7_a_mirror_that_keeps_removes_nothing(tmp_path: Path) -> None:
    """Neither files nor projects."""
    mill = filled(Mill(tmp_path, index_settings={"removal": "keep"}))
    mill.upstream.remove("beta")
    mill.upstream.remove("alpha", "alpha-1.0.tar.gz")
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "beta", "gamma"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_M7_a_rehearsal_says_what_would_be_done_and_does_nothing(mill: Mill) -> None:
    """Neither to files nor to projects, nor to what is on record (F89)."""
    filled(mill)
    before = now(mill.records.mirrors.progress("mirror"))
    mill.upstream.remove("beta")
    mill.upstream.remove("alpha", "alpha-1.0.tar.gz")
    mill.upstream.add("gamma", "gamma-3.0.tar.gz")
    plan = mill.run(rehearsal=True)["plan"]
    assert plan == {
        "take": ["gamma gamma-3.0.tar.gz"],
        "remove": ["alpha alpha-1.0.tar.gz: upstream lists it no longer", "beta: upstream has it no longer"],
    }
    assert mill.names() == ["alpha", "beta", "gamma"]
    assert now(mill.records.mirrors.progress("mirror")) == before
    assert mill.upstream.count("body") == 0


def test_M8_a_page_that_is_older_than_announced_is_not_taken(mill: Mill) -> None:
    """The old one stays, the project waits, and the serial does not pass it (F20, S33)."""
    filled(mill)
    before = mill.state()["serial"]
    mill.upstream.add("beta", "beta-3.0.tar.gz")
    mill.upstream.offers["beta"].page = 50
    ended = mill.run()
    assert not ended["complete"]
    state = mill.state()
    assert state["serial"] == before
    assert [one["name"] for one in state["waits"]] == ["beta"]
    assert mill.files("beta") == ["beta-1.0.tar.gz", "beta-2.0.tar.gz"]
    mill.upstream.offers["beta"].page = None
    assert mill.run()["complete"]
    assert mill.state()["serial"] == mill.upstream.serial
    assert mill.files("beta")[-1] == "beta-3.0.tar.gz"


def test_M10_a_second_run_of_another_process_ends_at_once(mill: Mill, tmp_path: Path) -> None:
    """Nothing is asked of upstream, and a holder that was killed needs no cleaning up after (F90)."""
    other = Mill(tmp_path)
    holding = other.service.runs.lock.held()
    now(holding.__aenter__())
    ended = mill.run()
    assert (ended["complete"], ended["ended"]) == (False, False)
    assert "another process" in ended["outcome"]
    assert mill.upstream.asked == []
    now(holding.__aexit__(None, None, None))
    assert mill.run()["complete"]


def test_M11_one_broken_project_stops_none_of_the_others(mill: Mill) -> None:
    """It is tried again later, ever later, and is seen to wait (F86)."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.upstream.add("beta", "beta-1.0.tar.gz")
    mill.upstream.broken["alpha"] = UpstreamUnavailable("pypi", "it answers 500")
    assert not mill.run()["complete"]
    assert mill.names() == ["beta"]
    [waits] = mill.state()["waits"]
    assert (waits["name"], waits["tries"]) == ("alpha", 1)
    assert "it answers 500" in waits["reason"]
    del mill.upstream.broken["alpha"]
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "beta"]


def test_M11_one_broken_file_stops_none_of_the_others_of_its_project(mill: Mill) -> None:
    """What is there is offered, and the project waits for the rest."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    mill.upstream.broken["alpha-2.0.tar.gz"] = UpstreamUnavailable("pypi", "it answers 500")
    number = mill.begin()
    for _ in range(10):
        mill.clock.advance(10)
    assert not mill.state()["ended"][number]["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]
    del mill.upstream.broken["alpha-2.0.tar.gz"]
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_a_run_ends_where_upstream_is_down(mill: Mill) -> None:
    """Seven hundred thousand projects need not fail one by one."""
    for number in range(40):
        mill.upstream.add(f"seed-{number}", f"seed_{number}-1.0.tar.gz")
        mill.upstream.broken[f"seed-{number}"] = UpstreamUnavailable("pypi", "it is down")
    mill.upstream.health.state = "down"
    ended = mill.run()
    assert not ended["ended"]
    assert mill.upstream.count("page") <= mill.service.parallel
    mill.upstream.broken.clear()
    mill.upstream.health.state = "up"
    assert mill.run()["complete"]
    assert len(mill.names()) == 40


def test_M1_what_is_chosen_no_longer_goes(mill: Mill) -> None:
    """The owner's own will knows no limit."""
    filled(mill)
    mill.settings = {"projects": ("a*",), "exclude": ()}
    mill.restart()
    assert mill.run()["removed"] == 2
    assert mill.names() == ["alpha"]
    mill.settings = {"projects": ("*",), "exclude": ("gamma",)}
    mill.restart()
    mill.upstream.asked.clear()
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "beta"]
    assert mill.upstream.count("body") == 0


def test_M1_names_alone_need_no_list(tmp_path: Path) -> None:
    """Each page is asked whether it has changed; what upstream does not have is named, and fails nothing."""
    mill = Mill(tmp_path, settings={"projects": ("alpha", "gamma", "not-there")})
    for name in ("alpha", "beta", "gamma"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz")
    ended = mill.run()
    assert ended["complete"]
    assert ended["absent"] == ["not-there"]
    mill.upstream.asked.clear()
    assert mill.run()["complete"]
    assert sorted(mill.upstream.asked) == ["page alpha", "page gamma", "page not-there"]
    mill.upstream.remove("alpha")
    assert mill.run()["complete"]
    assert mill.names() == ["gamma"]


@implementer(ILocal)
def test_P15_upstream_is_not_asked_about_projects_of_ours_that_requirements_name(tmp_path: Path) -> None:
    """Nor is what was taken before it was ours given up: that is no secret. Whoever names one among the projects means upstream's."""
    (tmp_path / "r.txt").write_text("alpha==1.0\nsecret==1.0\nbeta\ngamma\n")
    ours: dict[str, Ours] = {}
    found = wanted_files(Lines([tmp_path / "r.txt"]))
    mill = Mill(tmp_path, settings={"projects": ("gamma",), "requirements": found, "local_indexes": ours})
    for name in ("alpha", "beta", "gamma", "secret"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz")
    ours["ours"] = Ours(("secret", "gamma", "unnamed"))
    ended = mill.run()
    assert (ended["complete"], ended["private"]) == (True, ["secret"])
    assert not [asked for asked in mill.upstream.asked if "secret" in asked]
    assert mill.names() == ["alpha", "beta", "gamma"]
    ours["ours"] = Ours(("beta",))
    ended = mill.run()
    assert (ended["complete"], ended["private"]) == (True, [])
    assert mill.names() == ["alpha", "beta", "gamma", "secret"]


def test_M21_what_requirements_and_locks_name_is_taken_and_nothing_else(tmp_path: Path) -> None:
    """They are read again for each run."""
    from pypidaemon.policies.wanted_files import wanted_files
    from pypidaemon.settings import Lines

    file = tmp_path / "requirements.txt"
    file.write_text("alpha==1.0\n")
    mill = Mill(tmp_path, settings={"requirements": wanted_files(Lines([file]))})
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    mill.upstream.add("beta", "beta-1.0.tar.gz")
    assert mill.run()["complete"]
    assert (mill.names(), mill.files("alpha")) == (["alpha"], ["alpha-1.0.tar.gz"])
    file.write_text("alpha==2.0\nbeta\n")
    assert mill.run()["complete"]
    assert (mill.names(), mill.files("alpha")) == (["alpha", "beta"], ["alpha-2.0.tar.gz"])
    file.write_text("alpha ==\n")
    assert "requirements" in mill.run()["errors"][0]
    assert mill.names() == ["alpha", "beta"]


def test_a_policys_time_brings_what_it_held_back(tmp_path: Path) -> None:
    """Though nothing changes upstream meanwhile."""
    mill = Mill(tmp_path, settings={"projects": ("*",), "policies": (MinimumAge(label="cooldown", rulings=Rulings(), age=300 * DAY),)})
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    assert mill.run()["complete"]
    assert mill.files("alpha") == []
    mill.upstream.asked.clear()
    assert mill.run()["complete"]
    assert mill.upstream.asked == ["names"]
    [waits] = mill.state()["waits"]
    assert waits["tries"] == 0
    mill.clock.advance(300 * DAY)
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]


def test_M16_one_project_is_brought_up_to_date_beside_a_run(mill: Mill) -> None:
    """Without the list, and whatever else goes on."""
    filled(mill)
    mill.upstream.add("beta", "beta-3.0.tar.gz")
    assert mill.run("beta")["complete"]
    assert mill.upstream.asked == ["page beta", "body beta-3.0.tar.gz"]
    assert mill.files("beta")[-1] == "beta-3.0.tar.gz"


def test_what_goes_on_twice_is_one_run(mill: Mill) -> None:
    """Whoever asks for a run that goes on is given its number."""
    from pypidaemon.waits import Bell

    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.upstream.gate = Bell()
    number = mill.begin()
    assert mill.begin() == number
    assert mill.state()["running"][number]["phase"] == "takes"
    mill.upstream.gate.ring()
    assert mill.state()["ended"][number]["complete"]


def test_M3_a_run_that_was_killed_goes_on_where_it_was(mill: Mill) -> None:
    """At most what was in flight is fetched again, and nothing half is offered meanwhile."""
    from pypidaemon.waits import Bell

    for number in range(20):
        mill.upstream.add(f"seed-{number}", f"seed_{number}-1.0.tar.gz")
    mill.upstream.gate = Bell()
    mill.begin()
    for _ in range(3):
        mill.upstream.gate.ring()
    before = mill.names()
    assert before
    for name in before:
        assert mill.files(name)
    mill.kill()
    mill.upstream.gate = None
    assert mill.run()["complete"]
    assert len(mill.names()) == 20
    bodies = [one for one in mill.upstream.asked if one.startswith("body")]
    assert len(set(bodies)) == 20
    assert len(bodies) <= 20 + mill.service.parallel


def test_a_proxy_is_warmed(tmp_path: Path) -> None:
    """Its pages are upstream's, and what was chosen is here when upstream is gone."""
    mill = Mill(tmp_path, settings={"projects": ("alpha",)}, proxied=True)
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    assert mill.run()["complete"]
    mill.upstream.broken = {"alpha": UpstreamUnavailable("pypi", "it is down"), "alpha-1.0.tar.gz": UpstreamUnavailable("pypi", "x")}
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]


def test_what_clients_asked_for_is_taken(tmp_path: Path) -> None:
    """Of that index, and as far back as was said."""
    from pypidaemon.filenames import filename
    from pypidaemon.model import Fetch

    mill = Mill(tmp_path, settings={"asked": 30 * DAY}, proxied=True)
    for name in ("alpha", "beta", "gamma"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz")
    for name, index, age in (("alpha", "mirror", 1), ("beta", "elsewhere", 1), ("gamma", "mirror", 31)):
        fetch = Fetch(
            mill.clock.seconds() - age * DAY, "", "", "", index, NormalizedName(name), "1.0", filename(f"{name}-1.0.tar.gz"), None
        )
        now(mill.records.fetches.note(fetch))
    assert mill.run()["complete"]
    assert mill.upstream.asked == ["page alpha", "body alpha-1.0.tar.gz"]


def test_it_runs_by_its_schedule(mill: Mill) -> None:
    """At once where it never ran, then six hours later, and sooner where something waits."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.service.startService()
    mill.clock.advance(0)
    assert mill.names() == ["alpha"]
    assert mill.upstream.count("names") == 1
    mill.upstream.add("beta", "beta-1.0.tar.gz")
    mill.upstream.broken["beta"] = UpstreamUnavailable("pypi", "it answers 500")
    for _ in range(6 * 60):
        mill.clock.advance(60)
    assert mill.upstream.count("names") == 2
    assert mill.upstream.count("page beta") >= 1
    del mill.upstream.broken["beta"]
    for _ in range(10):
        mill.clock.advance(60)
    assert mill.names() == ["alpha", "beta"]
    assert mill.upstream.count("names") == 2
    now(mill.service.stopService())
    assert mill.clock.getDelayedCalls() == []


def test_its_hours_end_a_run_which_goes_on_the_next_time(tmp_path: Path) -> None:
    """Within them it begins as soon as they open."""
    from datetime import UTC

    from pypidaemon.waits import Bell
    from pypidaemon.windows import windows

    mill = Mill(tmp_path, settings={"projects": ("*",), "hours": windows("22:00-23:00", UTC)})
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.upstream.gate = Bell()
    mill.service.startService()
    opens = mill.service.hours.opens(mill.clock.seconds())  # type: ignore[union-attr]
    while mill.clock.seconds() < opens:
        assert mill.upstream.asked == []
        mill.clock.advance(60)
    assert mill.upstream.count("body") == 1
    mill.clock.advance(3600)
    state = mill.state()
    assert state["running"] == {}
    assert state["outcome"] == "under way"
    gate, mill.upstream.gate = mill.upstream.gate, None
    gate.ring()
    for _ in range(23 * 60 + 1):
        mill.clock.advance(60)
    assert mill.names() == ["alpha"]
    now(mill.service.stopService())


def test_bandwidth_is_kept_to(tmp_path: Path) -> None:
    """Over the time that some files take."""
    mill = Mill(tmp_path, settings={"projects": ("*",), "bandwidth": 100, "parallel": 1})
    for number in range(4):
        mill.upstream.add(f"seed-{number}", f"seed_{number}-1.0.tar.gz", size=1000)
    number = mill.begin()
    assert mill.upstream.count("body") == 1
    mill.clock.advance(9)
    assert mill.upstream.count("body") == 1
    for _ in range(40):
        mill.clock.advance(1)
    assert mill.state()["ended"][number]["complete"]


def test_a_service_that_chooses_nothing_is_refused(tmp_path: Path) -> None:
    """It would empty what it is to fill."""
    with pytest.raises(ValueError, match="chooses nothing"):
        Mill(tmp_path, settings={})


def test_a_policy_that_goes_by_metadata_judges_files_that_are_not_here_yet(tmp_path: Path) -> None:
    """The sidecar is fetched first, and of what is refused nothing else."""
    mill = Mill(tmp_path)
    mill.settings = {
        "projects": ("*",),
        "policies": (Licences(label="licences", allow=("MIT",), unknown="hide"),),
        "informants": {Knowledge.METADATA: Descriptions(mill.blobs, inline, mill.announcements)},
    }
    mill.restart()
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    for version, licence in (("1.0", "MIT"), ("2.0", "AGPL-3.0-only")):
        metadata = f"Metadata-Version: 2.4\nName: alpha\nVersion: {version}\nLicense-Expression: {licence}\n"
        mill.upstream.sidecars[f"alpha-{version}.tar.gz"] = metadata.encode()
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]
    assert mill.upstream.count("body alpha-2.0.tar.gz.metadata") == 1
    assert mill.upstream.asked.count("body alpha-2.0.tar.gz") == 0


@pytest.mark.parametrize(("what", "left"), [("alpha==2", ["alpha-1.0.tar.gz"]), ("alpha", [])])
def test_what_is_blocked_is_not_taken_and_no_failure(tmp_path: Path, what: str, left: list[str]) -> None:
    """It is looked at again the next day, since the block may have been taken back."""
    mill = Mill(tmp_path)
    rulings = Rulings()
    mill.settings["rulings"] = rulings
    mill.restart()
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    rulings.replace([Ruling(RulingKind.BLOCK, what, "malware")])
    assert mill.run()["complete"]
    assert mill.files("alpha") == left
    assert mill.upstream.count("body") == len(left)
    rulings.replace([])
    mill.clock.advance(DAY)
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_M3_what_is_not_finished_is_looked_at_again_though_the_note_that_it_waits_was_lost(mill: Mill) -> None:
    """A crash between the two costs nothing."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    mill.upstream.broken["alpha-2.0.tar.gz"] = CorruptContent("other bytes")
    assert not mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]
    now(mill.records.mirrors.done("mirror", NormalizedName("alpha")))
    now(mill.records.mirrors.advance("mirror", Progress(outcome="under way")))
    mill.restart()
    mill.upstream.broken.clear()
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_bytes_that_were_lost_are_brought_back(mill: Mill) -> None:
    """By the next run after somebody missed them, though upstream has nothing new."""
    filled(mill)
    page = now(mill.index.project_page(NormalizedName("alpha")))
    now(mill.blobs.remove(page.files[0].digest))
    with pytest.raises(UpstreamUnavailable):
        mill.files("alpha")
    assert mill.run()["complete"]
    assert mill.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert mill.upstream.asked == ["names", "page alpha", "body alpha-1.0.tar.gz"]


def test_a_full_disk_ends_the_run_and_loses_nothing(mill: Mill) -> None:
    """It is said, and the next run goes on."""
    filled(mill)
    mill.upstream.add("beta", "beta-3.0.tar.gz")
    mill.upstream.broken["beta-3.0.tar.gz"] = StorageFull("no room")
    ended = mill.run()
    assert (ended["complete"], ended["ended"], ended["errors"]) == (False, False, ["no room"])
    assert mill.files("beta") == ["beta-1.0.tar.gz", "beta-2.0.tar.gz"]
    mill.upstream.broken.clear()
    assert mill.run()["complete"]
    assert mill.files("beta")[-1] == "beta-3.0.tar.gz"


def test_each_line_on_what_goes_says_of_what_and_why_and_until_when(tmp_path: Path) -> None:
    """A file that upstream took back, one that is not chosen any more, and a project that is gone."""
    mill = Mill(tmp_path, index_settings={"removal_delay": DAY})
    for name in ("alpha", "beta", "gamma", "delta"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz", f"{name}-2.0.tar.gz", f"{name}-3.0.tar.gz")
    assert mill.run()["complete"]
    mill.upstream.remove("alpha", "alpha-1.0.tar.gz")
    mill.upstream.remove("beta")
    mill.settings["policies"] = (Filenames(label="filenames", deny=("*-3.0*",)),)
    mill.restart()
    with capturedLogs() as seen:
        assert mill.run()["complete"]
    said = [formatEvent(event) for event in seen]
    until = written(mill.clock.seconds() + DAY)
    for line in (
        f"mirror: of alpha upstream no longer lists alpha-1.0.tar.gz: offered no longer, and can be brought back until {until}",
        "mirror: of alpha alpha-3.0.tar.gz: offered no longer, since not chosen any more",
        f"mirror: beta is offered no longer: upstream has it no longer; it can be brought back until {until}",
        "mirror: of gamma gamma-3.0.tar.gz: offered no longer, since not chosen any more",
    ):
        assert said.count(line) == 1, (line, said)


def test_of_very_many_projects_that_go_at_once_the_log_names_some(tmp_path: Path) -> None:
    """The owner may have chosen another hundred thousand."""
    mill = Mill(tmp_path)
    for number in range(103):
        mill.upstream.add(f"seed-{number:03}", f"seed_{number:03}-1.0.tar.gz")
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    assert mill.run()["complete"]
    mill.settings = {"projects": ("alpha",)}
    mill.restart()
    with capturedLogs() as seen:
        assert mill.run()["removed"] == 103
    said = [formatEvent(event) for event in seen]
    assert sum("is offered no longer: it is not chosen any more; it can be brought back until" in line for line in said) == 100
    assert said.count("mirror: nor are 3 projects more, for the same reason and as long") == 1
