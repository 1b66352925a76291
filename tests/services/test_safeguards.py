"""What keeps a run of the mirroring service from removing what is not really gone, or not really unwanted (M7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.model import Change, Fetch, NormalizedName
from pypidaemon.plans import Limit
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.settings import Lines
from tests.gear import now
from tests.mirroring import Mill, Offer

DAY = 86_400.0


def mill(tmp_path: Path, *names: str, others: int = 0, **settings: object) -> Mill:
    """A mirror of these projects, with all of them; upstream has some others besides."""
    made = Mill(tmp_path, settings={"projects": names, **settings})
    for name in (*(name for name in names if name != "*"), *(f"other-{number:03}" for number in range(others))):
        made.upstream.add(name, f"{name}-1.0.tar.gz", f"{name}-2.0.tar.gz")
    assert made.run()["complete"]
    made.upstream.asked.clear()
    return made


def named(tmp_path: Path, count: int) -> Mill:
    """A mirror of what a requirements file names."""
    file = tmp_path / "requirements.txt"
    file.write_text("".join(f"p{number:02}==1.0\n" for number in range(count)))
    made = Mill(tmp_path, settings={"projects": (), "requirements": wanted_files(Lines([file]))})
    for number in range(count):
        made.upstream.add(f"p{number:02}", f"p{number:02}-1.0.tar.gz")
    assert made.run()["complete"]
    return made


def note(mill: Mill, name: str, age: float) -> None:
    """Have a client have taken a file so long ago."""
    fetched = Fetch(
        mill.clock.seconds() - age, "", "", "pip/26.3", "mirror", NormalizedName(name), "1.0", filename(f"{name}-1.0.tar.gz"), None
    )
    now(mill.records.fetches.note(fetched))


@pytest.mark.parametrize("left", ["others", "nothing"])
def test_a_mirror_of_a_few_names_never_loses_all_of_them_at_once(tmp_path: Path, left: str) -> None:
    """Another upstream that has none of them is no reason."""
    made = mill(tmp_path, "alpha", "beta", others=30)
    made.upstream.offers = {name: offer for name, offer in made.upstream.offers.items() if left == "others" and name.startswith("other")}
    ended = made.run()
    assert not ended["complete"]
    assert ended["errors"][0].startswith("nothing is removed: ")
    assert made.names() == ["alpha", "beta"]


def test_a_mirror_of_names_knows_how_long_the_list_was_when_it_was_last_asked_for(tmp_path: Path) -> None:
    """The first project that went had it asked for; then it shrank."""
    made = mill(tmp_path, "alpha", "beta", "gamma", others=30)
    made.upstream.remove("alpha")
    assert made.run()["removed"] == 1
    progress = now(made.records.mirrors.progress("mirror"))
    assert (progress.listed, progress.serial) == (32, made.upstream.serial)
    made.upstream.remove("beta")
    made.upstream.offers = {name: offer for name, offer in made.upstream.offers.items() if not name.startswith("other-01")}
    assert "shrank from 32 projects to 21" in made.run()["errors"][0]
    assert made.names() == ["beta", "gamma"]


def test_a_list_that_had_a_serial_and_has_none_removes_nothing(tmp_path: Path) -> None:
    """It is another one."""
    made = mill(tmp_path, "*", others=30)
    made.upstream.serials = False
    del made.upstream.offers["other-001"]
    ended = made.run()
    assert (ended["complete"], ended["removed"]) == (False, 0)
    assert "to none" in ended["errors"][0]
    assert "other-001" in made.names()


def test_a_list_whose_serial_fell_leaves_a_run_incomplete_each_time(tmp_path: Path) -> None:
    """Nobody knows what is new on it, also where nothing is gone."""
    made = mill(tmp_path, "*", others=3)
    serial = made.upstream.serial
    made.upstream.serial = 10
    made.upstream.offers = {name: Offer(9, offer.files) for name, offer in made.upstream.offers.items()}
    for _ in range(2):
        ended = made.run()
        assert not ended["complete"]
        assert ended["errors"] == [f"upstream's serial fell from {serial} to 10, so it is not known what is new"]
    assert made.state()["serial"] == serial


def test_a_page_whose_serial_fell_may_add_and_not_remove(tmp_path: Path) -> None:
    """The run says so; once the page is as new as it was, it is believed again."""
    made = mill(tmp_path, "alpha", "beta")
    serial = made.upstream.offers["alpha"].serial
    made.upstream.offers["alpha"] = Offer(50, {"alpha-3.0.tar.gz": b"third"})
    made.clock.advance(DAY)
    for _ in range(2):
        ended = made.run()
        assert not ended["complete"]
        assert ended["errors"] == [f"alpha: upstream's page fell from serial {serial} to 50; what it does not list stays"]
        assert made.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz", "alpha-3.0.tar.gz"]
    made.upstream.offers["alpha"].serial = serial + 50
    assert made.run()["complete"]
    assert made.files("alpha") == ["alpha-3.0.tar.gz"]


def test_an_older_page_that_takes_nothing_away_is_no_trouble(tmp_path: Path) -> None:
    """It lists all that is here."""
    made = mill(tmp_path, "alpha")
    made.upstream.offers["alpha"].serial = 50
    made.clock.advance(DAY)
    assert made.run()["complete"]
    assert made.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


@pytest.mark.parametrize("how", ["names", "changes"])
def test_an_emptied_project_is_settled_where_no_list_was_compared(tmp_path: Path, how: str) -> None:
    """The list is asked for then, and only then."""
    made = mill(tmp_path, *(("alpha", "beta") if how == "names" else ("*",)), others=2)
    if how == "changes":
        made.upstream.add("alpha", "alpha-1.0.tar.gz")
        assert made.run()["complete"]
        made.upstream.rows = [Change(NormalizedName("alpha"), None, 0.0, "remove", made.upstream.serial + 1)]
    made.upstream.add("alpha")
    made.upstream.offers["alpha"].files.clear()
    made.upstream.asked.clear()
    ended = made.run()
    assert (ended["complete"], made.upstream.count("names")) == (True, 1)
    assert ended["files_removed"] == (2 if how == "names" else 1)
    assert made.files("alpha") == []
    made.upstream.asked.clear()
    assert made.run()["complete"]
    assert made.upstream.count("names") == 0


def test_an_emptied_project_waits_while_the_list_cannot_be_had(tmp_path: Path) -> None:
    """Nothing is removed on the word of its page alone."""
    made = mill(tmp_path, "alpha", "beta")
    made.upstream.add("alpha")
    made.upstream.offers["alpha"].files.clear()
    made.upstream.broken[""] = UpstreamUnavailable("pypi", "it answers 500")
    assert not made.run()["complete"]
    assert made.files("alpha") == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    made.upstream.broken.clear()
    assert made.run()["complete"]
    assert made.files("alpha") == []


def test_projects_that_lose_most_of_their_files_count_as_projects_that_go(tmp_path: Path) -> None:
    """What is new of them is taken all the same, and they wait; a higher limit lets them go."""
    made = mill(tmp_path, "*", others=10)
    for number in range(10):
        name = f"other-{number:03}"
        made.upstream.add(name, f"{name}-3.0.tar.gz")
        del made.upstream.offers[name].files[f"{name}-1.0.tar.gz"]
        del made.upstream.offers[name].files[f"{name}-2.0.tar.gz"]
    ended = made.run()
    assert (ended["complete"], ended["removed"], ended["files_removed"]) == (False, 0, 0)
    assert ended["errors"][0] == "nothing is removed: 10 of 10 projects would go, more than 3 (5%)"
    assert made.files("other-000") == ["other-000-1.0.tar.gz", "other-000-2.0.tar.gz", "other-000-3.0.tar.gz"]
    assert "other-000" in [one["name"] for one in made.state()["waits"]]
    made.index_settings["removal_limit"] = Limit(None, 10)
    made.restart()
    ended = made.run()
    assert (ended["complete"], ended["files_removed"]) == (True, 20)
    assert made.files("other-000") == ["other-000-3.0.tar.gz"]


def test_a_project_that_loses_half_of_its_files_is_none_of_those(tmp_path: Path) -> None:
    """That is everyday."""
    made = mill(tmp_path, "*", others=10)
    for number in range(10):
        made.upstream.remove(f"other-{number:03}", f"other-{number:03}-1.0.tar.gz")
    ended = made.run()
    assert (ended["complete"], ended["files_removed"]) == (True, 10)


def test_pinned_projects_do_not_use_up_the_limit(tmp_path: Path) -> None:
    """They lose nothing, whatever upstream lists of them."""
    made = mill(tmp_path, "*", others=10)
    for number in range(6):
        name = f"other-{number:03}"
        now(made.records.mirrors.pin("mirror", NormalizedName(name), number < 4))
        made.upstream.add(name)
        made.upstream.offers[name].files.clear()
    assert made.run()["complete"]
    assert len(made.files("other-000")) == 2
    assert made.files("other-005") == []


def test_requirements_that_name_nothing_any_more_drop_nothing(tmp_path: Path) -> None:
    """The file was cut short; once it is whole again, so is the mirror."""
    made = named(tmp_path, 2)
    file = tmp_path / "requirements.txt"
    whole = file.read_text()
    file.write_text("")
    for _ in range(2):
        ended = made.run()
        assert not ended["complete"]
        assert ended["errors"] == ["nothing that is not chosen any more is removed: the requirements name no project any more"]
    assert made.names() == ["p00", "p01"]
    file.write_text(whole)
    assert made.run()["complete"]


def test_requirements_that_name_much_less_drop_nothing_and_a_little_less_does(tmp_path: Path) -> None:
    """By the limit for what upstream removes."""
    made = named(tmp_path, 20)
    file = tmp_path / "requirements.txt"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[4:]))
    ended = made.run()
    assert ended["errors"] == ["nothing that is not chosen any more is removed: 4 of 20 projects would go, more than 3 (5%)"]
    file.write_text("".join(lines[3:]))
    ended = made.run()
    assert (ended["complete"], ended["removed"]) == (True, 3)
    assert len(made.names()) == 17


def test_M1_another_configuration_drops_without_a_limit_and_only_once(tmp_path: Path) -> None:
    """Also where something else of that run is refused; from then on the limit holds."""
    made = mill(tmp_path, "*", others=30)
    old = now(made.records.mirrors.progress("mirror")).selection.split()
    del made.upstream.offers["other-001"]
    made.upstream.serials = False
    made.settings = {"projects": ("other-00*",), "exclude": ()}
    made.restart()
    ended = made.run()
    assert (ended["complete"], ended["removed"]) == (False, 20)
    assert ended["errors"] == [f"nothing is removed: upstream's serial fell from {made.upstream.serial} to none"]
    assert len(made.names()) == 10
    new = now(made.records.mirrors.progress("mirror")).selection.split()
    assert new[:3] == old[:3]
    assert new[3] == now(made.service.runs.means.chooser.choose()).by != old[3]


def test_what_clients_took_is_dropped_once_it_is_known_to_be_long_ago(tmp_path: Path) -> None:
    """A history that was lost, or has only just begun, drops nothing."""
    made = Mill(tmp_path, settings={"projects": (), "asked": 30 * DAY})
    for name in ("alpha", "beta", "gamma"):
        made.upstream.add(name, f"{name}-1.0.tar.gz")
        note(made, name, DAY)
    assert made.run()["complete"]
    fetches = made.records.fetches
    made.records.fetches = MemoryRecords(label="records", clock=made.clock).fetches
    made.restart()
    assert made.run()["errors"] == ["nothing that is not chosen any more is removed: it is not known any more what clients took"]
    note(made, "alpha", DAY)
    ended = made.run()
    assert (ended["complete"], ended["removed"]) == (True, 0)
    assert made.names() == ["alpha", "beta", "gamma"]
    made.records.fetches = fetches
    made.restart()
    made.clock.advance(29.5 * DAY)
    note(made, "beta", DAY)
    note(made, "gamma", DAY)
    ended = made.run()
    assert (ended["complete"], ended["removed"]) == (True, 1)
    assert made.names() == ["beta", "gamma"]


def test_a_history_is_long_enough_where_all_that_was_taken_is_taken_still(tmp_path: Path) -> None:
    """Its oldest fetch says so."""
    made = Mill(tmp_path, settings={"projects": (), "asked": 30 * DAY})
    for age in (40, 1):
        note(made, "alpha", age * DAY)
    assert not now(made.service.runs.means.chooser.choose()).brief
    made.records.fetches = MemoryRecords(label="records", clock=made.clock).fetches
    made.restart()
    note(made, "alpha", DAY)
    assert now(made.service.runs.means.chooser.choose()).brief


def test_a_warmed_proxy_lets_go_of_what_is_not_chosen_any_more(tmp_path: Path) -> None:
    """It has no limit, as it fetches again what is asked for; that nothing is named any more is a mistake all the same."""
    file = tmp_path / "requirements.txt"
    lines = [f"p{number:02}==1.0\n" for number in range(20)]
    file.write_text("".join(lines))
    made = Mill(tmp_path, settings={"projects": (), "requirements": wanted_files(Lines([file]))}, proxied=True)
    for number in range(20):
        made.upstream.add(f"p{number:02}", f"p{number:02}-1.0.tar.gz")
    assert made.run()["complete"]
    file.write_text("")
    assert made.run()["errors"] == ["nothing that is not chosen any more is removed: the requirements name no project any more"]
    file.write_text("".join(lines[10:]))
    ended = made.run()
    assert (ended["complete"], ended["removed"]) == (True, 10)


def test_projects_of_a_warmed_proxy_may_lose_most_of_their_files(tmp_path: Path) -> None:
    """Its pages are upstream's."""
    made = mill(tmp_path, "*", others=10)
    made = Mill(tmp_path, settings={"projects": ("*",)}, proxied=True, upstream=made.upstream)
    assert made.run()["complete"]
    for number in range(10):
        name = f"other-{number:03}"
        made.upstream.add(name, f"{name}-3.0.tar.gz")
        del made.upstream.offers[name].files[f"{name}-1.0.tar.gz"]
        del made.upstream.offers[name].files[f"{name}-2.0.tar.gz"]
    ended = made.run()
    assert (ended["complete"], ended["files_removed"]) == (True, 20)
