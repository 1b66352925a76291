"""What files of every kind ask for, and for whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.locks import Locked, read_lock
from pypidaemon.packing.needed import _Graph, needed
from pypidaemon.packing.targets import Target
from pypidaemon.packing.wants import Wants, wants

LINUX, WINDOWS = Target("3.12", "linux"), Target("3.12", "windows")
BOTH = (LINUX, WINDOWS)
A, B = "a" * 64, "b" * 64
UV = f"""
version = 1
[[package]]
name = "trip"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "alpha", extra = ["fast"] }}, {{ name = "pywin", marker = "sys_platform == 'win32'" }}]
[package.dev-dependencies]
dev = [{{ name = "checker" }}]
[package.optional-dependencies]
gui = [{{ name = "window", version = "2.0" }}]
[[package]]
name = "alpha"
version = "1.0"
source = {{ registry = "https://index.example/simple" }}
dependencies = [{{ name = "beta", marker = "sys_platform == 'linux'" }}]
optional-dependencies = {{ fast = [{{ name = "speedups" }}] }}
wheels = [{{ url = "https://index.example/packages/aa/alpha-1.0-py3-none-any.whl", hash = "sha256:{A}" }}]
"""
UV += "".join(
    f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://index.example/simple" }}\n'
    for name, version in (
        ("beta", "1.0"),
        ("speedups", "1.0"),
        ("pywin", "1.0"),
        ("checker", "1.0"),
        ("window", "1.0"),
        ("window", "2.0"),
        ("stray", "1.0"),
    )
)


def read(name: str, text: str, **others: str) -> Wants:
    return wants([name], {name: text, **others}, BOTH)


def whose(found: Wants) -> dict[str, list[str]]:
    return {piece.title: [target.platform for target in piece.targets] for piece in found.pieces}


def test_uv_says_who_needs_what_and_where() -> None:
    """By way of markers, extras, groups and versions from the project itself; what nobody needs is missed by nobody."""
    assert whose(read("uv.lock", UV)) == {
        "alpha==1.0": ["linux", "windows"],
        "beta==1.0": ["linux"],
        "speedups==1.0": ["linux", "windows"],
        "pywin==1.0": ["windows"],
        "checker==1.0": ["linux", "windows"],
        "window==1.0": [],
        "window==2.0": ["linux", "windows"],
        "stray==1.0": [],
    }


def test_poetry_says_it_of_the_package_or_of_what_needs_it() -> None:
    """2.x and 1.x; of what others need, nobody can say whether the project does too, so one that applies is enough."""
    text = f"""
[[package]]
name = "alpha"
version = "1.0"
files = [{{ file = "alpha-1.0.tar.gz", hash = "sha256:{A}" }}]
[package.dependencies]
pywin = {{ version = "*", markers = "sys_platform == \\"win32\\"" }}
both = [{{ version = "1", markers = "sys_platform == \\"win32\\"" }}, {{ version = "2", markers = "sys_platform == \\"linux\\"" }}]
[[package]]
name = "pywin"
version = "1.0"
[[package]]
name = "both"
version = "2"
[[package]]
name = "marked"
version = "1.0"
markers = "sys_platform == \\"linux\\""
[[package]]
name = "grouped"
version = "1.0"
markers = {{ main = "sys_platform == \\"linux\\"" }}
[metadata]
lock-version = "2.1"
"""
    assert whose(read("sub/poetry.lock", text)) == {
        "alpha==1.0": ["linux", "windows"],
        "pywin==1.0": ["windows"],
        "both==2": ["linux", "windows"],
        "marked==1.0": ["linux"],
        "grouped==1.0": ["linux", "windows"],
    }


def test_pylock_and_pdm_say_it_of_the_package() -> None:
    """What depends on extras that an installer is asked for counts as needed."""
    pylock = 'lock-version = "1.0"\ncreated-by = "x"\n' + "".join(
        f'[[packages]]\nname = "{name}"\nversion = "1.0"\nmarker = "{marker}"\nwheels = [{{ name = "{name}-1.0-py3-none-any.whl", '
        f'url = "https://index.example/{name}-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]\n'
        for name, marker in (("alpha", "sys_platform == 'win32'"), ("beta", "'gui' in extras"))
    )
    assert whose(read("pylock.trip.toml", pylock)) == {"alpha==1.0": ["windows"], "beta==1.0": ["linux", "windows"]}
    pdm = '[metadata]\n[[package]]\nname = "alpha"\nversion = "1.0"\nmarker = "sys_platform == \\"linux\\""\n'
    assert whose(read("pdm.lock", pdm)) == {"alpha==1.0": ["linux"]}


def test_pipenv_says_hashes_and_no_files() -> None:
    """What is from elsewhere is told of."""
    document = {
        "_meta": {"sources": []},
        "default": {"Alpha": {"version": "==1.0", "hashes": [f"sha256:{A}"]}, "mine": {"path": "."}},
        "develop": {"pywin": {"version": "==2", "markers": "sys_platform == 'win32'", "hashes": [f"sha256:{B}"]}},
    }
    found = read("Pipfile.lock", json.dumps(document))
    assert whose(found) == {"alpha==1.0": ["linux", "windows"], "pywin==2": ["windows"]}
    assert found.pieces[0].hashes == {A}
    assert found.notes == ("Pipfile.lock: 'mine' is left out, since it is no release of an index",)


def test_hashed_requirements_are_a_lock() -> None:
    """pip insists on all of them then, so there is nothing to resolve."""
    found = read("r.txt", f"alpha==1.0 --hash=sha256:{A} --hash=sha512:00\nbeta==2 ; sys_platform == 'linux' --hash=sha256:{B}\n")
    assert whose(found) == {"alpha==1.0": ["linux", "windows"], "beta==2": ["linux"]}
    assert [piece.hashes for piece in found.pieces] == [{A}, {B}]
    assert not found.goals


def test_other_requirements_are_to_be_resolved_with_their_constraints() -> None:
    """Includes are found by their names; what is from elsewhere is told of."""
    found = read(
        "sub/r.txt", "-r more.txt\n-c limits.txt\n-e .\nalpha[x]>=1\n", **{"sub/more.txt": "beta==1\n", "sub/limits.txt": "gamma<3\n"}
    )
    [goal] = found.goals
    assert [line.requires.name for line in goal.lines] == ["alpha", "beta"]
    assert goal.lines[0].requires.extras == {"x"}
    assert [str(line.requires.specifiers) for line in goal.limits] == ["<3"]
    assert "left out" in found.notes[0]
    assert read("r.txt", "# nothing\n") == Wants()


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "Trip"
dependencies = ["alpha", "git-thing", "trip[gui]", "other @ https://index.example/other-1.0.tar.gz"]
[project.optional-dependencies]
gui = ["window>=2"]
[dependency-groups]
test = ["checker"]
dev = [{ include-group = "test" }, "linter"]
[tool.uv.sources]
git-thing = { git = "https://code.index.example/x" }
beta = { index = "home" }
"""


def test_a_project_asks_for_dependencies_extras_groups_and_what_builds_it() -> None:
    """All of it together at first, and part by part where that cannot be; what builds it is apart."""
    found = read("pyproject.toml", PROJECT)
    everything, build = found.goals
    assert [line.requires.name for line in everything.lines] == ["alpha", "window", "checker", "checker", "linter"]
    assert [goal.title for goal in everything.apart] == ["project.dependencies", "the extra gui", "the group test", "the group dev"]
    assert [line.requires.name for line in build.lines] == ["hatchling"]
    assert found.notes == ("pyproject.toml: git-thing is left out, since tool.uv.sources has it come from git",)


def test_a_project_that_does_not_say_what_builds_it_is_built_by_setuptools() -> None:
    """PEP 518; `wheel` was asked for besides by older ones."""
    found = read("pyproject.toml", "[build-system]\nrequires = ['setuptools>=60']\n")
    assert [line.requires.name for line in found.goals[0].lines] == ["setuptools", "wheel"]
    assert [line.requires.name for line in read("pyproject.toml", "[project]\nname = 'trip'\n").goals[0].lines] == ["setuptools", "wheel"]
    poetry = read("pyproject.toml", "[tool.poetry.dependencies]\nalpha = '^1'\n")
    assert not poetry.goals
    assert "poetry.lock" in poetry.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("uv.lock", "[[package]]\nname = 'a/b'", "uv.lock: uv.lock is no lock file"),
        ("some.lock", "", "nobody here knows such a file"),
        ("Pipfile.lock", "[]", "no Pipfile.lock"),
        ("Pipfile.lock", '{"_meta": {}, "default": 3}', "no Pipfile.lock"),
        ("Pipfile.lock", '{"_meta":' + "[" * 100_000, "no Pipfile.lock"),
        ("r.txt", "-r missing.txt", "its text was not given"),
        ("r.txt", "alpha ===\n", "no requirement"),
        ("pyproject.toml", "[project]\ndependencies = 3", "no list of requirements"),
        ("pyproject.toml", "project = 3", "is no table"),
        ("pyproject.toml", "[project]\nname = '/'", "project name"),
        ("pyproject.toml", "[project]\ndependencies = ['a b c']", "no requirement"),
        ("pyproject.toml", "[dependency-groups]\na = [{include-group = 'b'}]\nb = [{include-group = 'a'}]", "dependency-groups"),
        ("pyproject.toml", "a" + ".a" * 40 + " = 1", "more than"),
        ("pyproject.toml", "[", "pyproject.toml"),
        ("pyproject.toml", "x = " + "[" * 10_000, "nested too deeply"),
    ],
)
def test_what_is_no_such_file_is_one_line(name: str, text: str, words: str) -> None:
    """It names the file."""
    with pytest.raises(ValueError, match=words) as raised:
        read(name, text)
    assert "\n" not in str(raised.value)
    assert name in str(raised.value) or "missing.txt" in str(raised.value)


@given(
    st.sampled_from(["uv.lock", "poetry.lock", "pylock.toml", "pdm.lock", "Pipfile.lock", "pyproject.toml", "r.txt"]), st.text(max_size=200)
)
def test_whatever_a_file_says_it_is_read_or_refused(name: str, text: str) -> None:
    """Never anything but a ValueError."""
    said = ""
    try:
        read(name, text)
    except ValueError as error:
        said = str(error)
    assert "\n" not in said


def test_a_file_that_was_not_given_is_said() -> None:
    """As one that includes others may have it."""
    with pytest.raises(ValueError, match="was not given"):
        wants(["uv.lock"], {}, BOTH)
    assert needed(read_lock("uv.lock", "version = 1\n"), BOTH) == []


def test_a_lock_of_many_packages_of_one_name_takes_no_time_with_their_square() -> None:
    """A thousand that each need that name, in one of two versions or in any, with extras."""
    text = "".join(
        f'[[package]]\nname = "alpha"\nversion = "{number}"\nsource = {{ registry = "https://index.example/simple" }}\n'
        f'dependencies = [{{ name = "alpha", version = "{number + 1}", extra = ["x{number}"] }}, {{ name = "alpha" }}]\n'
        for number in range(1000)
    )
    text = f'version = 1\n[[package]]\nname = "trip"\nsource = {{ virtual = "." }}\ndependencies = [{{ name = "alpha", version = "0" }}]\n{text}'
    lock = read_lock("uv.lock", text)
    looked = Counting(lock.packages)
    graph = _Graph.of(lock)
    assert all(_Graph(looked, graph.meant).followed(lock.roots or (), LINUX))
    assert looked.count <= 4 * len(looked)


class Counting(list[Locked]):
    """Packages that count how often they are looked at."""

    count = 0

    def __getitem__(self, number: Any) -> Any:
        """One of them."""
        self.count += 1
        return super().__getitem__(number)


def test_markers_that_take_hours_are_refused() -> None:
    """A marker that tells releases of a Python apart is evaluated for each of them."""
    marker = " or ".join(["python_full_version == '3.12.1'"] * 110)
    text = "version = 1\n" + "".join(
        f'[[package]]\nname = "a{number}"\nversion = "1"\nsource = {{ virtual = "x" }}\ndependencies = [{{ name = "b", marker = "{marker} or os_name == \'{number}\'" }}]\n'
        for number in range(150)
    )
    with pytest.raises(ValueError, match="too long to be evaluated for 2"):
        read("uv.lock", text)


def test_groups_that_include_each_other_twice_are_counted_before_they_are_resolved() -> None:
    """Sixty lines would come to more requirements than there is memory for."""
    text = '[dependency-groups]\ng0 = ["alpha"]\n' + "".join(
        f'g{number} = [{{ include-group = "G_{number - 1}" }}, {{ include-group = "g{number - 1}" }}]\n' for number in range(1, 60)
    )
    with pytest.raises(ValueError, match="more than 20000 requirements"):
        read("pyproject.toml", text.replace("G_", "G"))
    with pytest.raises(ValueError, match="Cyclic"):
        read("pyproject.toml", '[dependency-groups]\na = [{ include-group = "b" }]\nb = [{ include-group = "a" }]\n')
    with pytest.raises(ValueError, match="dependency-groups"):
        read("pyproject.toml", "[dependency-groups]\na = 5\nb = [{ include-group = 5 }]\n")
