"""Requirements resolved for one target; random worlds are held against every choice that there is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.closure import Stated, stated
from pypidaemon.model import Filename, NormalizedName, ProjectPage
from pypidaemon.packing import resolving
from pypidaemon.packing.knowledge import Absence, Known, spoken
from pypidaemon.packing.resolving import Impossible, Lacking, Solved, resolve
from pypidaemon.packing.targets import Target
from pypidaemon.packing.wants import Goal, spelled_lines
from pypidaemon.testing.archives import core_metadata
from pypidaemon.versions import Version, fits, specifier_set
from tests import fakes

LINUX = Target("3.12", "linux")
World = Mapping[str, Mapping[str, Sequence[str]]]
"""By project and version what that needs."""


def known(world: World, *, tag: str = "py3-none-any", yanked: Sequence[str] = ()) -> Known:
    found = Known()
    for name, versions in world.items():
        files = []
        for version, requires in versions.items():
            filename = Filename(f"{name}-{version}-{tag}.whl")
            files.append(fakes.file(filename, filename.encode(), yanked="" if f"{name} {version}" in yanked else None))
            found.documents[(NormalizedName(name), filename)] = stated(core_metadata(name, version, requires))
        found.pages[NormalizedName(name)] = ProjectPage(NormalizedName(name), tuple(files))
    return found


def goal(*lines: str, limits: Sequence[str] = ()) -> Goal:
    return Goal("r.txt", tuple(spelled_lines(lines, "r.txt")), tuple(spelled_lines(limits, "c.txt")))


def solve(found: Known, wanted: Goal, *, without: bool = False) -> dict[str, str]:
    solved = resolve(found, wanted, LINUX, without=without)
    assert isinstance(solved, Solved), solved
    return {one.name: str(one.version) for one in solved.picked}


def test_the_newest_that_goes_together_is_chosen() -> None:
    """It goes back where it has to; extras bring what they need, markers leave out what is not for here."""
    world = {
        "alpha": {"2.0": ["beta<2", "gamma[fast]; sys_platform == 'linux'", "never; sys_platform == 'win32'"], "1.0": ["beta"]},
        "beta": {"1.0": [], "2.0": []},
        "gamma": {"1.0": ["speed; extra == 'fast'"], "2.0": ["beta>=2", "speed; extra == 'fast'"]},
        "speed": {"1.0": []},
    }
    assert solve(known(world), goal("alpha")) == {"alpha": "2.0", "beta": "1.0", "gamma": "1.0", "speed": "1.0"}
    assert solve(known(world), goal("alpha", "beta>=2")) == {"alpha": "1.0", "beta": "2.0"}
    assert solve(known(world), goal("alpha", limits=["alpha<2"])) == {"alpha": "1.0", "beta": "2.0"}
    assert solve(known(world), goal("gamma; sys_platform == 'win32'")) == {}


def test_pre_releases_and_yanked_ones_are_for_those_who_have_no_choice() -> None:
    """PEP 440, PEP 592."""
    world: World = {"alpha": {"1.0": [], "1.1": [], "2.0a1": []}}
    assert solve(known(world), goal("alpha")) == {"alpha": "1.1"}
    assert solve(known(world), goal("alpha>=2.0a0")) == {"alpha": "2.0a1"}
    assert solve(known(world, yanked=["alpha 1.1"]), goal("alpha")) == {"alpha": "1.0"}
    assert solve(known(world, yanked=["alpha 1.1"]), goal("alpha==1.1")) == {"alpha": "1.1"}


def test_hashes_leave_only_the_files_that_have_them() -> None:
    """Another release will not do."""
    world = known({"alpha": {"1.0": [], "2.0": []}})
    page = world.pages[NormalizedName("alpha")]
    assert isinstance(page, ProjectPage)
    [line] = goal("alpha").lines
    wanted = Goal("r.txt", (type(line)(line.requires, line.by, frozenset([str(page.files[0].digest)])),))
    assert solve(world, wanted) == {"alpha": "1.0"}


def test_what_has_to_be_known_first_is_said() -> None:
    """All that is foreseen at once, so that it takes few rounds."""
    found = known({"alpha": {"1.0": ["beta", "gamma"]}})
    assert resolve(found, goal("alpha", "delta"), LINUX, without=False) == Lacking(
        frozenset(map(NormalizedName, ("beta", "gamma", "delta")))
    )
    found = known({"alpha": {"1.0": []}})
    document = (NormalizedName("alpha"), Filename("alpha-1.0-py3-none-any.whl"))
    del found.documents[document]
    assert resolve(found, goal("alpha"), LINUX, without=False) == Lacking(documents=frozenset([document]))


def test_what_cannot_be_met_is_told_with_who_needs_it() -> None:
    """And where there is nothing of a project, why."""
    found = known({"alpha": {"1.0": ["beta>2"]}, "beta": {"1.0": []}})
    told = resolve(found, goal("alpha"), LINUX, without=True)
    assert isinstance(told, Impossible)
    assert "alpha 1.0 needs beta>2" in told.reason
    told = resolve(known({"alpha": {"1.0": []}}, tag="cp312-cp312-win_amd64"), goal("alpha"), LINUX, without=True)
    assert isinstance(told, Impossible)
    assert "of alpha there is no file for it" in told.reason
    many = goal(*(f"alpha!={number}" for number in range(9)), "alpha==5")
    assert "more such" in resolve(known({"alpha": {"5": []}}), many, LINUX, without=False).reason  # type: ignore[union-attr]


def test_what_cannot_be_had_is_missing_and_the_rest_is_chosen() -> None:
    """At first it is gone round; where that cannot be it is passed over, and told of."""
    found = known({"alpha": {"2.0": ["gone"], "1.0": []}})
    found.pages[NormalizedName("gone")] = Absence("absent", "the index does not have it")
    assert solve(found, goal("alpha")) == {"alpha": "1.0"}
    told = resolve(found, goal("alpha>=2"), LINUX, without=False)
    assert isinstance(told, Impossible)
    assert "the index does not have it" in told.reason
    solved = resolve(found, goal("alpha>=2"), LINUX, without=True)
    assert isinstance(solved, Solved)
    assert [(name, by) for name, by, _ in solved.absent] == [("gone", "alpha 2.0")]


def test_who_is_asked_what_a_release_needs() -> None:
    """Rather a wheel with metadata beside it than one without, and rather that than what has to be built."""
    sdist, bare = fakes.file("alpha-1.0.tar.gz"), fakes.file("alpha-1.0-py2-none-any.whl")
    whole = fakes.file("alpha-1.0-py3-none-any.whl", core_metadata="")
    assert spoken([sdist, bare, whole]) is whole
    assert spoken([sdist, bare]) is bare
    assert spoken([sdist]) is sdist


def test_a_search_that_would_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what was looked at, and by the steps that were made; also before the first of them."""
    world = {f"p{number}": {str(version): [f"q{number % 3}=={version}"] for version in range(9)} for number in range(6)}
    world |= {f"q{number}": {str(version): [] for version in range(9)} for number in range(3)}
    wanted = goal(*(f"p{number}" for number in range(6)), "q0>8")
    for limit in ("ROUNDS", "MOST_LOOKED"):
        with monkeypatch.context() as patched:
            patched.setattr(resolving, limit, 30 if limit == "MOST_LOOKED" else 1)
            told = resolve(known(world), goal(*(f"p{number}" for number in range(6))), LINUX, without=False)
            assert isinstance(told, Impossible)
            assert "no solution" in told.reason
    assert isinstance(resolve(known(world), wanted, LINUX, without=False), Impossible)


NAMES = ("alpha", "beta", "gamma")
requirements = st.builds("{}{}{}".format, st.sampled_from(NAMES), st.sampled_from(["<", ">=", "=="]), st.sampled_from("123"))
worlds = st.fixed_dictionaries(
    {name: st.fixed_dictionaries({version: st.lists(requirements, max_size=2) for version in "12"}) for name in NAMES}
)


def meets(world: World, choice: Mapping[str, str | None], lines: Sequence[str]) -> bool:
    said: Stated = stated(core_metadata("trip", "1", lines))
    return all(
        (version := choice[one.name]) is not None and fits(specifier_set(str(one.specifiers)), Version(version)) for one in said.requires
    )


@given(worlds, st.lists(requirements, min_size=1, max_size=3))
def test_there_is_a_solution_if_and_only_if_some_choice_meets_all(world: World, lines: Sequence[str]) -> None:
    """And what is chosen is one, without anything that nobody needs."""
    choices = [dict(zip(NAMES, versions, strict=True)) for versions in itertools.product([None, "1", "2"], repeat=len(NAMES))]
    possible = any(
        meets(world, choice, lines) and all(meets(world, choice, world[name][version]) for name, version in choice.items() if version)
        for choice in choices
    )
    found = resolve(known(world), goal(*lines), LINUX, without=False)
    assert isinstance(found, Solved) is possible
    if isinstance(found, Solved):
        choice = {**dict.fromkeys(NAMES), **{one.name: str(one.version) for one in found.picked}}
        assert meets(world, choice, lines)
        assert all(meets(world, choice, world[name][version]) for name, version in choice.items() if version)


@pytest.mark.parametrize("absent", [True, False])
def test_a_circle_is_no_trouble(absent: bool) -> None:
    """Projects need each other, and themselves with extras."""
    world: World = {"alpha": {"1.0": ["beta", "alpha[all]"]}, "beta": {"1.0": ["alpha"]}}
    assert solve(known(world), goal("alpha"), without=absent) == {"alpha": "1.0", "beta": "1.0"}


def test_a_chain_that_somebody_made_up_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new project is one that is not known yet, for as long as anybody asks."""
    monkeypatch.setattr(resolving, "MOST", 20)
    found, number = known({"a0": {"1.0": ["a1"]}}), 0
    while isinstance(said := resolve(found, goal("a0"), LINUX, without=True), Lacking):
        number += 1
        more = known({f"a{number}": {"1.0": [f"a{number + 1}"]}})
        found = Known(found.pages | more.pages, found.documents | more.documents)
    assert isinstance(said, Impossible)
    assert number < 20


def test_markers_that_take_hours_are_no_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is counted once in an attempt, and one that tells releases of a Python apart as often as it is evaluated."""
    world: World = {
        "alpha": {"1.0": [f"beta; python_full_version != '3.12.1' and os_name != '{number}'" for number in range(50)]},
        "beta": {"1.0": []},
    }
    assert solve(known(world), goal("alpha")) == {"alpha": "1.0", "beta": "1.0"}
    monkeypatch.setattr(resolving, "MOST_WORK", 50 * 33 * 40)
    assert isinstance(resolve(known(world), goal("alpha"), LINUX, without=False), Impossible)
