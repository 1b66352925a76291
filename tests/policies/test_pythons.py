"""Which Pythons files are for."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.specifiers import Specifier

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.pythons import MOST_CLAUSES, Pythons, pythons
from pypidaemon.versions import SpecifierSet, Version, fits

FOO = NormalizedName("foo")

ODD = st.sampled_from(["", "", "", "", ".0", ".1", "rc1", ".dev0", ".post1", "a0", "+local"])
PLACES = st.one_of(
    st.builds("3.{}.{}{}".format, st.integers(10, 12), st.integers(0, 4), ODD),
    st.builds("{}.{}{}".format, st.integers(2, 4), st.integers(0, 12), ODD),
    st.sampled_from(["3", "0", "1!3.11.2", "3.11.998", "3.11.999", "3.11.1000", "3.11.02", "03.11.2", "v3.11.2"]),
)
CLAUSES = st.builds(
    "{}{}{}".format, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~=", "==="]), PLACES, st.sampled_from(["", "", ".*"])
)


def refusal(name: str, *versions: str, requires: str | None = None) -> str | None:
    return Pythons("p", versions).refusal(FOO, File(Filename(name), requires_python=requires), 0.0)


@pytest.mark.parametrize(
    "tags",
    [
        "py3-none-any",
        "py2.py3-none-any",
        "py311-none-any",
        "py38-none-any",
        "cp311-cp311-win32",
        "cp311-none-any",
        "cp311-abi3-linux_x86_64",
        "cp36-abi3-linux_x86_64",
        "cp37.cp311-cp37m.cp311-linux_x86_64",
    ],
)
def test_wheels_that_the_python_can_use_are_shown(tags: str) -> None:
    assert refusal(f"foo-1.0-{tags}.whl", "3.11") is None


@pytest.mark.parametrize(
    "tags",
    [
        "py2-none-any",
        "py27-none-any",
        "py312-none-any",
        "cp312-cp312-win32",
        "cp312-abi3-win32",
        "cp311-cp311d-win32",
        "pp311-pypy311_pp73-win32",
    ],
)
def test_wheels_that_it_cannot_use_are_hidden(tags: str) -> None:
    python, abi, _ = tags.split("-")
    assert refusal(f"foo-1.0-{tags}.whl", "3.11") == f"{python}-{abi} fits none of Python 3.11"


def test_one_of_several_pythons_will_do() -> None:
    assert refusal("foo-1.0-cp312-cp312-win32.whl", "3.11", "3.12") is None
    assert refusal("foo-1.0-cp313-cp313-win32.whl", "3.11", "3.12") == "cp313-cp313 fits none of Python 3.11, 3.12"


def test_old_pythons_and_those_with_free_threads_have_abis_of_their_own() -> None:
    assert refusal("foo-1.0-cp27-cp27mu-linux_x86_64.whl", "2.7") is None
    assert refusal("foo-1.0-py2-none-any.whl", "2.7") is None
    assert refusal("foo-1.0-cp37-cp37m-linux_x86_64.whl", "3.7") is None
    assert refusal("foo-1.0-cp314-cp314t-linux_x86_64.whl", "3.14t") is None
    assert refusal("foo-1.0-cp314-cp314-linux_x86_64.whl", "3.14t") is not None
    assert refusal("foo-1.0-cp314-cp314t-linux_x86_64.whl", "3.14") is not None
    assert refusal("foo-1.0-py3-none-any.whl", "3.14t", requires=">=3.14") is None


def test_eggs_and_installers_say_it_in_their_names() -> None:
    assert refusal("foo-1.0-py2.7.egg", "3.11") == "it is for Python 2.7 and for none of Python 3.11"
    assert refusal("foo-1.0.win32-py3.11.exe", "3.11") is None
    assert refusal("foo-1.0.win32.exe", "3.11") is None


@pytest.mark.parametrize(
    "requires",
    [">=3.8", ">=3.11.4", "<3.11.1", "==3.11.7", "!=3.11.0", "~=3.11", ">=3.12,<4 ", "", "nonsense", ">=3.x", ">=4" + " " * 1000],
)
def test_R60_requires_python_that_leaves_one_release_or_cannot_be_read_excludes_nothing(requires: str) -> None:
    assert refusal("foo-1.0.tar.gz", "3.11", "3.12", requires=requires) is None


@pytest.mark.parametrize("requires", [">=3.12", "<3.11", "==3.10.*", "!=3.11.*", "<3"])
def test_requires_python_that_leaves_none_hides(requires: str) -> None:
    assert refusal("foo-1.0.tar.gz", "3.11", requires=requires) == f"it requires Python {requires}, which excludes Python 3.11"


@given(st.lists(CLAUSES, max_size=6))
@example(["!=3.11.0", "<3.11.1"])
@example(["===3.11"])
@example([">=3.11.999"])
@example(["~=3.11.4.2"])
def test_R60_a_python_is_excluded_when_each_of_its_releases_is(clauses: list[str]) -> None:
    """Tried one by one."""
    requires = ",".join(clauses)
    try:
        specifiers = SpecifierSet(requires)
    except ValueError:
        shown = True
    else:
        shown = any(fits(specifiers, Version(f"3.11.{micro}")) for micro in range(1000))
    assert (refusal("foo-1.0.tar.gz", "3.11", requires=requires) is None) is shown


def test_R60_requires_python_in_more_clauses_than_anybody_needs_excludes_nothing() -> None:
    """To read it would take long, for each file anew."""
    few = ",".join([f"!=2.{number}" for number in range(MOST_CLAUSES - 1)])
    assert refusal("foo-1.0.tar.gz", "3.11", requires=f"{few},<3") is not None
    assert refusal("foo-1.0.tar.gz", "3.11", requires=f"{few},<3,<2") is None


def test_no_release_is_tried_that_the_specifiers_do_not_tell_from_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file costs a few comparisons for each clause, however many releases of Python there are; upstream says what each file requires."""
    contains = Specifier.contains
    tried: list[object] = []

    def counted(self: Specifier, item: Version, prereleases: bool | None = None) -> bool:
        tried.append(item)
        return contains(self, item, prereleases)

    monkeypatch.setattr(Specifier, "contains", counted)
    unsatisfiable = [f"!=3.11.{number}" for number in range(MOST_CLAUSES - 1)] + ["<2"]
    assert refusal("foo-1.0.tar.gz", "3.11", "3.12", "3.13", requires=",".join(unsatisfiable)) is not None
    assert len(tried) <= 5 * MOST_CLAUSES


def test_no_project_is_refused_as_a_whole() -> None:
    assert Pythons("p", ("3.11",)).refusal(FOO, None, 0.0) is None


def test_a_wheel_with_too_few_parts_is_shown() -> None:
    assert refusal("foo-1.0-any.whl", "3.11") is None


def test_pythons_are_versions() -> None:
    assert pythons("3.11 3.14t 3.11") == ("3.11", "3.14t")
    for raw in ("", "3", "3.11.4", "cp311", "4.0", "3.1x", "py3"):
        with pytest.raises(ValueError, match=r"a Python such as 3\.11"):
            pythons(raw)
