"""What is needed for what was chosen, as pure data; the walk through random graphs is held against `packaging` itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from pypidaemon import closure
from pypidaemon.closure import Needs, Stated, stated
from pypidaemon.environments import Environment, environments
from pypidaemon.filenames import version_of
from pypidaemon.model import File, NormalizedName
from pypidaemon.policies.requirement_files import Named
from pypidaemon.policies.wanted_files import wanted_files
from pypidaemon.settings import Lines
from pypidaemon.testing.archives import core_metadata
from tests import fakes

LINUX, MAC = places = environments(("3.11",), ("linux-x86_64", "macos-arm64"))
SEEDS = NormalizedName("seeds")


def said(*requires: str) -> Stated:
    """What METADATA with these requirements says."""
    return stated(core_metadata("seeds", "1.0", requires))


def lines(tmp_path: Path, text: str) -> Named:
    """A requirements file with that text."""
    (tmp_path / "requirements.txt").write_text(text)
    return wanted_files(Lines([tmp_path / "requirements.txt"]))


def wheel(version: str, tag: str = "py3-none-any", *, yanked: str | None = None) -> File:
    return fakes.file(f"seeds-{version}-{tag}.whl", yanked=yanked)


def sdist(version: str) -> File:
    return fakes.file(f"seeds-{version}.tar.gz")


def asked(requirement: str, *, releases: int = 1, where: tuple[Environment, ...] = places) -> Needs:
    """What is needed where one file of another project requires that."""
    needs = Needs(where, releases)
    needs.visit(NormalizedName("other"), [(fakes.file("other-1.0-py3-none-any.whl"), said(requirement))])
    return needs


def chosen(needs: Needs, *files: File) -> list[str]:
    return [file.filename for file in needs.chosen(SEEDS, files)]


def test_requirements_are_read_off_metadata() -> None:
    """Names and extras are normalised."""
    [one] = said('Seeds.Beta[Big_One] >=1.0,<2 ; python_version >= "3.8"').requires
    assert (one.name, one.specifiers, one.extras) == ("seeds-beta", SpecifierSet(">=1.0,<2"), {"big-one"})
    assert one.marker == 'python_version >= "3.8"'


def test_what_is_no_requirement_on_an_index_is_left_out_with_a_word() -> None:
    """The others count."""
    found = said("seeds @ https://index.example/seeds.zip", "never mind", f"seeds{'>=1,' * 2000}>=1", "a..b!", "beta", "-bad->=1")
    assert [one.name for one in found.requires] == ["beta"]
    assert len(found.left_out) == 5
    assert all(len(one) <= 80 for one in found.left_out)
    assert said(*["beta"] * (closure.MOST_REQUIREMENTS + 3)).left_out == ("3 more requirements",)
    assert stated(b"\xff\x00").requires == ()


def test_of_each_requirement_the_newest_releases_that_fit_are_wanted() -> None:
    """As many as are asked for."""
    files = [wheel(version) for version in ("1.0", "1.5", "2.0", "2.1", "3.0")]
    assert chosen(asked("seeds"), *files) == ["seeds-3.0-py3-none-any.whl"]
    assert chosen(asked("seeds<3", releases=2), *files) == ["seeds-2.0-py3-none-any.whl", "seeds-2.1-py3-none-any.whl"]
    both = asked("seeds>=1")
    both.visit(NormalizedName("third"), [(fakes.file("third-1.0.tar.gz"), said("seeds<2"))])
    assert chosen(both, *files) == ["seeds-1.5-py3-none-any.whl", "seeds-3.0-py3-none-any.whl"]


def test_nothing_is_wanted_of_what_nobody_needs() -> None:
    needs = asked("beta")
    assert chosen(needs, wheel("1.0")) == []
    assert needs.unmet(SEEDS, []) == []
    assert needs.of(SEEDS) == frozenset()


def test_pre_releases_and_yanked_files_count_where_there_is_nothing_else() -> None:
    assert chosen(asked("seeds"), wheel("1.0"), wheel("2.0a1")) == ["seeds-1.0-py3-none-any.whl"]
    assert chosen(asked("seeds>=1.5"), wheel("1.0"), wheel("2.0a1")) == ["seeds-2.0a1-py3-none-any.whl"]
    assert chosen(asked("seeds"), wheel("1.0"), wheel("2.0", yanked="")) == ["seeds-1.0-py3-none-any.whl"]
    assert chosen(asked("seeds==2.0"), wheel("1.0"), wheel("2.0", yanked="")) == ["seeds-2.0-py3-none-any.whl"]


def test_of_a_release_the_wheels_that_fit_are_wanted_or_else_the_source() -> None:
    """And besides a release that has to be built, the newest that has not."""
    linux, mac, windows = (wheel("2.0", f"cp311-cp311-{tag}") for tag in ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64"))
    assert chosen(asked("seeds"), linux, mac, windows, sdist("2.0")) == [linux.filename, mac.filename]
    assert chosen(asked("seeds"), linux, windows, sdist("2.0")) == [linux.filename, "seeds-2.0.tar.gz"]
    assert chosen(asked("seeds"), wheel("1.0"), sdist("1.0"), sdist("2.0")) == ["seeds-1.0-py3-none-any.whl", "seeds-2.0.tar.gz"]


def test_what_names_no_version_is_never_wanted() -> None:
    assert chosen(asked("seeds"), fakes.file("seeds-nightly.tar.gz"), fakes.file("other-1.0.tar.gz")) == []


def test_markers_are_asked_for_each_environment() -> None:
    needs = asked('seeds; sys_platform == "darwin"')
    assert [need.environment for need in needs.of(SEEDS)] == [MAC]
    assert asked('seeds; sys_platform == "win32"').names == frozenset()


def test_a_file_needs_something_only_where_it_fits() -> None:
    needs = Needs(places)
    needs.visit(NormalizedName("other"), [(fakes.file("other-1.0-cp311-cp311-macosx_11_0_arm64.whl"), said("seeds"))])
    assert [need.environment for need in needs.of(SEEDS)] == [MAC]


def test_extras_bring_in_what_they_need_also_those_that_a_project_asks_of_itself() -> None:
    needs = asked("seeds[all]")
    file = wheel("1.0")
    document = said('beta; extra == "fast"', 'gamma; extra == "slow"', 'seeds[fast]; extra == "all"')
    assert needs.visit(SEEDS, [(file, document)]) == ["seeds"]
    assert needs.visit(SEEDS, [(file, document)]) == ["beta"]
    assert needs.visit(SEEDS, [(file, document)]) == []
    assert needs.names == {"seeds", "beta"}


def test_what_requirements_files_name_is_needed_everywhere(tmp_path: Path) -> None:
    """Lines with hashes mean the files they say, and constraints limit also what comes in by others."""
    digest = "0" * 64
    (tmp_path / "limits.txt").write_text("beta<2\nbeta<1.9\nbeta<1; sys_platform == 'linux'\n")
    named = lines(tmp_path, f"seeds[fast]\ngamma==1.0 --hash=sha256:{digest}\n-c limits.txt\n")
    needs = Needs.named(places, 1, named)
    assert needs.names == {"seeds", "gamma"}
    assert {need.environment for need in needs.of(SEEDS)} == set(places)
    gamma = NormalizedName("gamma")
    [whole] = needs.of(gamma)
    assert whole.environment is None
    files = [fakes.file("gamma-1.0-cp39-cp39-win32.whl"), fakes.file("gamma-1.0.tar.gz"), fakes.file("gamma-2.0.tar.gz")]
    assert needs.chosen(gamma, files) == files[:2]
    assert needs.visit(SEEDS, [(wheel("1.0"), said('beta; extra == "fast"'))]) == ["beta"]
    assert {str(need.specifiers) for need in needs.of(NormalizedName("beta"))} == {"<1.9,<2"}
    assert needs.visit(gamma, [(files[1], said("beta>=1.2"))]) == ["beta"]
    assert Needs.named(places, 1, None).names == frozenset()


def test_what_is_not_met_is_said_with_who_needs_it_and_where() -> None:
    needs = asked("seeds>=2", where=environments(("3.11", "3.12"), ("linux-x86_64", "macos-arm64")))
    [line] = needs.unmet(SEEDS, [wheel("1.0")])
    assert line == (
        "other-1.0-py3-none-any.whl: needs seeds>=2, and nothing that fits is here"
        " for 3.11 on linux-x86_64, 3.11 on macos-arm64, 3.12 on linux-x86_64 and 1 more"
    )
    assert needs.unmet(SEEDS, [wheel("2.0")]) == []


def test_two_needs_for_one_environment_are_looked_at_apart() -> None:
    needs = asked("seeds>=2", where=places[:1])
    needs.visit(NormalizedName("third"), [(fakes.file("third-1.0-py3-none-any.whl"), said("seeds>=3"))])
    [line] = needs.unmet(SEEDS, [wheel("2.0")])
    assert line.startswith("third-1.0-py3-none-any.whl: needs seeds>=3")


def test_a_locked_file_that_is_missing_is_said_without_an_environment(tmp_path: Path) -> None:
    needs = Needs.named(places, 1, lines(tmp_path, f"seeds==1.0 --hash=sha256:{'0' * 64}\n"))
    assert needs.unmet(SEEDS, []) == ["the requirements: needs seeds==1.0, and nothing that fits is here"]


def test_what_cannot_be_had_from_an_index_is_said() -> None:
    needs = asked("seeds @ https://index.example/seeds.zip")
    [line] = needs.left_out
    assert line.startswith("other-1.0-py3-none-any.whl needs seeds @")


def test_no_more_than_a_bounded_number_of_projects_is_followed() -> None:
    """Somebody may have made up a chain without an end."""
    needs = asked("seeds")
    many = [f"p{number}" for number in range(1500)]
    for number in range(4):
        file = fakes.file(f"seeds-{number}.0-py3-none-any.whl")
        needs.visit(SEEDS, [(file, said(*(f"{name}-{number}" for name in many)))])
    assert needs.full
    assert len(needs.names) == closure.MOST


@attrs.frozen
class Release:
    """A release of a made-up index: its file, and what it requires."""

    file: File
    requires: tuple[str, ...]


Index = Mapping[str, Sequence[Release]]

NAMES = ("a", "b", "c", "d", "e")
VERSIONS = ("1.0", "1.5", "2.0", "2.1a1", "3.0")
SPECIFIERS = st.sampled_from(["", "<2", ">=2", "==1.5", "!=3.0", ">=1,<3", "~=2.0", ">=9", "==2.1a1"])
MARKERS = st.sampled_from(["", 'sys_platform == "linux"', 'sys_platform == "darwin"', 'extra == "x"', 'extra == "y" or os_name == "nt"'])
TAGS = st.sampled_from(["py3-none-any", "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-macosx_11_0_arm64", "cp312-cp312-win_amd64", ""])


@st.composite
def requirements(draw: st.DrawFn) -> str:
    extras = draw(st.sampled_from(["", "[x]", "[y]", "[x,y]"]))
    marker = draw(MARKERS)
    return f"{draw(st.sampled_from(NAMES))}{extras}{draw(SPECIFIERS)}" + (f"; {marker}" if marker else "")


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    found: dict[str, list[Release]] = {}
    for name in draw(st.sets(st.sampled_from(NAMES), min_size=1)):
        for version in draw(st.sets(st.sampled_from(VERSIONS), min_size=1)):
            tag = draw(TAGS)
            filename = f"{name}-{version}-{tag}.whl" if tag else f"{name}-{version}.tar.gz"
            yanked = draw(st.sampled_from([None, None, None, ""]))
            file = fakes.file(filename, yanked=yanked)
            found.setdefault(name, []).append(Release(file, tuple(draw(st.lists(requirements(), max_size=3)))))
    return found


def followed(index: Index, needs: Needs) -> dict[str, list[Release]]:
    """What is here once nothing is new: the very loop of a mirror, over an index that is all known."""
    here: dict[str, list[Release]] = {}
    waiting = set(needs.names)
    while waiting:
        name = waiting.pop()
        releases = {release.file: release for release in index.get(name, ())}
        here[name] = [releases[file] for file in needs.chosen(NormalizedName(name), list(releases))]
        waiting.update(needs.visit(NormalizedName(name), [(one.file, said(*one.requires)) for one in here[name]]))
    return here


def answers(releases: Sequence[Release], name: str, environment: Environment, specifiers: SpecifierSet) -> list[Version]:
    """The versions that fit, best first, by `packaging` alone, of what is not yanked if there is any."""
    for yanked in (False, True):
        fitting = [
            Version(version_of(one.file.filename, NormalizedName(name)) or "")
            for one in releases
            if environment.fits(NormalizedName(name), one.file) and (one.file.yanked is not None) is yanked
        ]
        if found := sorted(specifiers.filter(fitting), reverse=True):
            return found
    return []


@given(indexes(), st.lists(requirements(), min_size=1, max_size=3), st.integers(1, 3))
def test_every_requirement_is_met_as_well_as_upstream_can(index: Index, roots: list[str], releases: int) -> None:
    """For each environment, through cycles, extras and markers: the newest that fit are here whenever there are some."""
    needs = Needs(places, releases)
    needs.visit(NormalizedName("root"), [(fakes.file("root-1.0-py3-none-any.whl"), said(*roots))])
    here = followed(index, needs)
    # Who needs what is gone through once more, by other means.
    wanted: set[tuple[str, Environment, frozenset[str]]] = set()
    waiting = [("root", Release(fakes.file("root-1.0-py3-none-any.whl"), tuple(roots)), where, frozenset[str]()) for where in places]
    while waiting:
        _, release, where, extras = waiting.pop()
        for line in release.requires:
            requirement = Requirement(line)
            about = {"sys_platform": "linux" if where == LINUX else "darwin", "os_name": "posix"}
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({**about, "extra": extra}) for extra in ("", *extras)):
                continue
            there = answers(index.get(requirement.name, ()), requirement.name, where, requirement.specifier)
            found = answers(here.get(requirement.name, ()), requirement.name, where, requirement.specifier)
            assert found[:releases] == there[:releases], (line, where)
            met = [one for one in here.get(requirement.name, ()) if where.fits(NormalizedName(requirement.name), one.file)]
            key = (requirement.name, where, frozenset(requirement.extras))
            if key not in wanted:
                wanted.add(key)
                waiting += [(requirement.name, one, where, key[2]) for one in met]
    unmet = [line for name in needs.names for line in needs.unmet(name, [one.file for one in here.get(name, ())])]
    lacking = [
        name
        for name in needs.names
        for need in needs.of(name)
        if need.environment is not None
        and not any(
            need.environment.fits(name, one.file) and need.specifiers.contains(version_of(one.file.filename, name) or "", prereleases=True)
            for one in index.get(name, ())
        )
    ]
    assert bool(unmet) == bool(lacking)


@given(st.binary(max_size=300))
def test_whatever_metadata_says_it_is_read(document: bytes) -> None:
    """Never more than words come of it."""
    for prefix in (b"", b"Requires-Dist: "):
        found = stated(prefix + document)
        assert all(one.name for one in found.requires)
