"""Runs that follow dependencies, over a mirror and an upstream in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from pypidaemon import closure
from pypidaemon.commands.filling import lines
from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import Digest, NormalizedName, Ruling, RulingKind
from pypidaemon.policies.blocked import Blocked
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.rulings import Rulings
from pypidaemon.services.mirroring import Mirroring, following
from pypidaemon.settings import KEY, Lines
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.waits import Bell
from tests.gear import now
from tests.mirroring import Mill, Ours

DAY = 86_400.0
WHERE: dict[str, Any] = {"dependencies": True, "pythons": ("3.11",), "platforms": ("linux-x86_64",), "releases": 1}


def mill(tmp_path: Path, requirements: str = "alpha\n", *, proxied: bool = False, **settings: Any) -> Mill:
    """A mirror of what a requirements file names, and of what that needs."""
    (tmp_path / "requirements.txt").write_text(requirements)
    named = {"requirements": wanted_files(Lines([tmp_path / "requirements.txt"]))} if requirements else {}
    return Mill(tmp_path, settings={**WHERE, **named, **settings}, proxied=proxied)


def publish(mill: Mill, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> str:
    """A wheel of that release."""
    filename, data = make_wheel(name, version, requires, tag=tag)
    mill.upstream.add(name)
    mill.upstream.offers[name].files[filename] = data
    return filename


def completed(mill: Mill) -> dict[str, Any]:
    """A run that has everything; how it ended."""
    ended = mill.run()
    assert ended["complete"], ended
    return ended


def test_what_a_requirement_needs_is_here_too_and_what_that_needs(tmp_path: Path) -> None:
    """Of each project the newest release, and nothing of others; also in circles."""
    here = mill(tmp_path)
    for version in ("1.0", "2.0"):
        publish(here, "alpha", version, "beta>=1", "delta; sys_platform == 'win32'")
        publish(here, "beta", version, "gamma<2")
        publish(here, "gamma", version, "alpha")
        publish(here, "delta", version)
    ended = completed(here)
    assert here.names() == ["alpha", "beta", "gamma"]
    assert here.files("alpha") == ["alpha-2.0-py3-none-any.whl"]
    assert here.files("beta") == ["beta-2.0-py3-none-any.whl"]
    assert here.files("gamma") == ["gamma-1.0-py3-none-any.whl"]
    assert (ended["found"], ended["looked"], ended["unmet"]) == (3, 3, [])
    assert [here.upstream.count(f"page {name}") for name in ("alpha", "beta", "gamma")] == [1, 1, 1]


def test_extras_that_a_line_asks_for_are_followed(tmp_path: Path) -> None:
    here = mill(tmp_path, "alpha[fast]\n")
    publish(here, "alpha", "1.0", "beta; extra == 'fast'", "gamma; extra == 'slow'")
    publish(here, "beta", "1.0")
    publish(here, "gamma", "1.0")
    completed(here)
    assert here.names() == ["alpha", "beta"]


def test_a_project_that_turns_out_to_be_needed_more_is_looked_at_again(tmp_path: Path) -> None:
    """The line alone wants the newest, something else an older one."""
    here = mill(tmp_path, "alpha\nbeta\n")
    publish(here, "alpha", "1.0", "beta<2")
    publish(here, "beta", "1.0")
    publish(here, "beta", "2.0")
    completed(here)
    assert here.files("beta") == ["beta-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl"]


def test_M4_a_run_without_changes_costs_one_conditional_request_and_changes_what_they_changed(tmp_path: Path) -> None:
    """Where projects are chosen by patterns, upstream's list tells what is new of dependencies as well."""
    here = mill(tmp_path, "", projects=("alpha*",))
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0", "gamma")
    publish(here, "gamma", "1.0")
    completed(here)
    here.upstream.asked.clear()
    completed(here)
    assert here.upstream.asked == ["names"]
    here.upstream.asked.clear()
    publish(here, "beta", "2.0", "delta")
    publish(here, "delta", "1.0")
    completed(here)
    assert here.upstream.asked == ["names", "page beta", "body beta-2.0-py3-none-any.whl", "page delta", "body delta-1.0-py3-none-any.whl"]
    assert here.files("beta") == ["beta-2.0-py3-none-any.whl"]
    assert here.names() == ["alpha", "beta", "delta"]


def test_what_nothing_needs_any_more_goes(tmp_path: Path) -> None:
    """With the run that brings the news."""
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0")
    completed(here)
    publish(here, "alpha", "2.0")
    completed(here)
    assert here.names() == ["alpha"]


def test_what_is_missing_is_said_and_the_run_is_complete_all_the_same(tmp_path: Path) -> None:
    """Packages need things that are nowhere, for whole years."""
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "beta>=9", "nowhere", "gamma @ https://index.example/gamma.zip")
    publish(here, "beta", "1.0")
    ended = completed(here)
    assert ended["absent"] == ["nowhere"]
    assert ended["unmet"][:2] == [
        "alpha-1.0-py3-none-any.whl: needs beta>=9, and nothing that fits is here for 3.11 on linux-x86_64",
        "alpha-1.0-py3-none-any.whl: needs nowhere, and nothing that fits is here for 3.11 on linux-x86_64",
    ]
    assert "gamma @" in ended["unmet"][2]
    publish(here, "nowhere", "1.0")
    assert completed(here)["absent"] == []
    assert "nowhere" in here.names()


def test_of_a_source_distribution_it_is_said_that_its_needs_are_not_known(tmp_path: Path) -> None:
    here = mill(tmp_path)
    filename, data = make_sdist("alpha", "1.0", ["beta"])
    here.upstream.add("alpha")
    here.upstream.offers["alpha"].files[filename] = data
    assert completed(here)["unmet"] == ["alpha-1.0.tar.gz: it is not known what it needs, since it comes without metadata"]


def test_policies_and_exclude_hold_for_what_is_needed_as_well(tmp_path: Path) -> None:
    """It is missing then, which is said."""
    rulings = Rulings()
    here = mill(tmp_path, exclude=("gamma",), policies=(Blocked("blocked", rulings),))
    rulings.replace([Ruling(RulingKind.BLOCK, "beta")])
    publish(here, "alpha", "1.0", "beta", "gamma")
    publish(here, "beta", "1.0")
    publish(here, "gamma", "1.0")
    ended = completed(here)
    assert here.names() == ["alpha"]
    assert len(ended["unmet"]) == 2
    assert here.upstream.count("page") == 1


def test_what_cannot_be_had_waits_and_is_followed_when_it_came(tmp_path: Path) -> None:
    """A run for what waits alone goes on to what that needs."""
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0", "gamma")
    publish(here, "gamma", "1.0")
    here.upstream.broken["beta"] = UpstreamUnavailable("pypi", "it answers 500")
    assert not here.run()["complete"]
    assert here.names() == ["alpha"]
    here.upstream.broken.clear()
    here.clock.advance(120)
    here.upstream.asked.clear()
    here.service.runs.begin_by_itself("what waits")
    assert here.names() == ["alpha", "beta", "gamma"]
    assert here.upstream.count("page alpha") == 0


def test_one_project_alone_is_followed_too(tmp_path: Path) -> None:
    here = mill(tmp_path)
    publish(here, "alpha", "1.0")
    completed(here)
    publish(here, "alpha", "2.0", "beta")
    publish(here, "beta", "1.0")
    assert here.run("alpha")["complete"]
    assert here.names() == ["alpha", "beta"]


def test_after_a_kill_the_next_run_goes_on_from_what_is_here(tmp_path: Path) -> None:
    """Nothing is fetched twice."""
    here = mill(tmp_path, "", projects=("alpha*",))
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0", "gamma")
    publish(here, "gamma", "1.0")
    here.upstream.gate = Bell()
    here.begin()
    here.upstream.gate.ring()
    assert here.upstream.count("body beta")
    here.kill()
    here.upstream.gate = None
    completed(here)
    assert here.names() == ["alpha", "beta", "gamma"]
    assert here.upstream.count("body alpha") == 1


def test_lost_metadata_takes_nothing_off_and_is_brought_back(tmp_path: Path) -> None:
    """Who cannot read what is needed does not know what is not."""
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0")
    completed(here)
    [file] = now(here.index.project_page(NormalizedName("alpha"))).files
    here.restart()
    here.blobs._blobs.pop(Digest(file.core_metadata or ""))
    ended = here.run()
    assert not ended["complete"]
    assert "lost" in ended["errors"][0]
    assert here.names() == ["alpha", "beta"]
    here.clock.advance(120)
    completed(here)
    assert here.names() == ["alpha", "beta"]


def test_a_proxy_is_warmed_with_what_is_needed(tmp_path: Path) -> None:
    """Its pages stay upstream's."""
    here = mill(tmp_path, proxied=True)
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0")
    publish(here, "beta", "2.0")
    completed(here)
    assert here.upstream.count("body beta") == 1
    here.upstream.asked.clear()
    completed(here)
    assert here.upstream.count("body") == 0


def test_other_environments_have_everything_judged_anew(tmp_path: Path) -> None:
    here = mill(tmp_path, "", projects=("alpha",))
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    publish(here, "beta", "1.0", tag="cp311-cp311-macosx_11_0_arm64")
    completed(here)
    assert here.files("beta") == ["beta-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]
    here.settings["platforms"] = ("macos-arm64",)
    here.restart()
    completed(here)
    assert here.files("beta") == ["beta-1.0-cp311-cp311-macosx_11_0_arm64.whl"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"projects": ("a",), "dependencies": True}, "needs pythons and platforms"),
        ({"projects": ("a",), "pythons": ("3.11",)}, "are for dependencies = yes"),
        ({"projects": ("*",), **WHERE}, "is everything, dependencies included"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Mill(tmp_path, settings=settings)


def test_the_keys_are_read_from_the_configuration() -> None:
    """By the converters that refuse what is none."""
    convert = {field.name: field.metadata[KEY].convert for field in attrs.fields(Mirroring) if hasattr(field.metadata.get(KEY), "convert")}
    assert convert["pythons"]("3.11 3.12") == ("3.11", "3.12")
    assert convert["platforms"]("linux-x86_64") == ("linux-x86_64",)
    with pytest.raises(ValueError, match="1 or more"):
        convert["releases"]("0")


def test_more_projects_than_are_followed_are_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was followed is here."""
    monkeypatch.setattr(closure, "MOST", 2)
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "beta", "gamma")
    publish(here, "beta", "1.0")
    publish(here, "gamma", "1.0")
    ended = here.run()
    assert not ended["complete"]
    assert "projects are needed" in ended["errors"][0]
    assert here.names() == ["alpha", "beta"]


def test_what_documents_say_is_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was forgotten is read again."""
    monkeypatch.setattr(following, "REMEMBERED", 1)
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "beta")
    publish(here, "beta", "1.0", "gamma")
    publish(here, "gamma", "1.0")
    completed(here)
    assert here.names() == ["alpha", "beta", "gamma"]


def test_what_is_missing_is_printed_for_people(tmp_path: Path) -> None:
    here = mill(tmp_path)
    publish(here, "alpha", "1.0", "nowhere")
    printed = "\n".join(lines("nightly", completed(here), plan_wanted=False))
    assert "alpha-1.0-py3-none-any.whl: needs nowhere, and nothing that fits is here for 3.11 on linux-x86_64" in printed


@pytest.mark.parametrize("proxied", [False, True])
def test_P15_with_thousands_of_projects_of_ours_few_are_asked_about(tmp_path: Path, proxied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream hears of none of them but those that were taken before there was one of ours."""
    ours: dict[str, Ours] = {}
    here = mill(tmp_path, "alpha\n", proxied=proxied, local_indexes=ours)
    publish(here, "alpha", "1.0", "beta", "secret")
    for name in ("beta", "secret"):
        publish(here, name, "1.0")
    ours["ours"] = Ours(("secret", *(f"ours-{number}" for number in range(3_000))))
    ended = here.run()
    assert not here.upstream.count("page secret")
    assert "needs secret" in ended["unmet"][0]
    ours["ours"] = Ours(("beta", *(f"ours-{number}" for number in range(3_000))))
    asked: list[str] = []
    taken = here.index.taken

    async def noting(name: NormalizedName) -> Any:
        asked.append(name)
        return await taken(name)

    monkeypatch.setattr(here.index, "taken", noting)
    publish(here, "beta", "2.0")
    completed(here)
    assert asked == ["beta"]
    assert here.upstream.count("body beta-2.0") == 1
