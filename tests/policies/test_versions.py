"""Which versions of certain projects there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.versions import Bound, Versions, bounds
from pypidaemon.versions import SpecifierSet, known
from tests.strategies import versions


def refusal(policy: Versions, name: str) -> str | None:
    project = NormalizedName(name.replace(".", "-").partition("-")[0])
    return policy.refusal(project, File(Filename(name)), 0.0)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("django >=4,<5", ["django<5,>=4"]),
        ("django>=4, <5\nacme-* != 1.3", ["django<5,>=4", "acme-*!=1.3"]),
        ("Foo_Bar == 1.* foo~=2.1", ["foo-bar==1.*", "foo~=2.1"]),
        ("* ===whatever", ["*===whatever"]),
        ("*>0", ["*>0"]),
    ],
)
def test_lines_are_read_with_blanks_or_without(raw: str, read: list[str]) -> None:
    found = bounds(raw)
    assert [str(bound) for bound in found] == read
    assert bounds(" ".join(read)) == found


@pytest.mark.parametrize(
    "raw", ["", "django", "django 4", "django >=x", "f/o >=1", ">=1", "django >=1 flask", "django ~=1", "a>=" + "1" * 2000]
)
def test_what_cannot_be_read_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        bounds(raw)


def test_allow_shows_only_versions_that_fit_and_other_projects_whole() -> None:
    policy = Versions("p", allow=bounds("django >=4,<5"))
    assert refusal(policy, "django-4.2.tar.gz") is None
    assert refusal(policy, "django-5.0.tar.gz") == "version 5.0 is not allowed by <5,>=4"
    assert refusal(policy, "flask-5.0.tar.gz") is None
    assert policy.refusal(NormalizedName("django"), None, 0.0) is None


def test_pre_releases_are_versions_like_others() -> None:
    """PEP 440's exclusion of them is for who installs, and `pre-releases` is the policy for them."""
    policy = Versions("p", allow=bounds("foo >=1"), deny=bounds("bar ==2.0rc1"))
    assert refusal(policy, "foo-1.1rc1.tar.gz") is None
    assert refusal(policy, "bar-2.0c1.tar.gz") == "version 2.0rc1 is denied by ==2.0rc1"


def test_deny_hides_and_wins() -> None:
    policy = Versions("p", allow=bounds("foo >=1"), deny=bounds("fo* ==1.3.*"))
    assert refusal(policy, "foo-1.3.2-py3-none-any.whl") == "version 1.3.2 is denied by ==1.3.*"
    assert refusal(policy, "foo-1.4-py3-none-any.whl") is None


def test_of_several_lines_on_a_project_one_has_to_fit() -> None:
    policy = Versions("p", allow=bounds("foo ==1.* f* ==3.*"))
    assert refusal(policy, "foo-3.1.tar.gz") is None
    assert refusal(policy, "foo-2.0.tar.gz") == "version 2.0 is not allowed by ==1.* or ==3.*"


@pytest.mark.parametrize("name", ["foo-unknown.tar.gz", "foo.tar.gz", "foo-1-x-y.zip"])
def test_what_names_no_version_is_not_allowed_and_not_denied(name: str) -> None:
    assert refusal(Versions("p", allow=bounds("foo >=0")), name) == "the file names no version that could be allowed"
    assert refusal(Versions("p", deny=bounds("foo >=0")), name) is None


@given(versions, versions, st.sampled_from(["==", ">=", "<=", "!=", "<", ">"]))
def test_allow_and_deny_of_the_same_versions_leave_the_opposite(spelled: str, bound: str, operator: str) -> None:
    specifiers = f"{operator}{bound.partition('+')[0]}"
    lines = (Bound("foo", specifiers),)
    name = f"foo-{spelled}-py3-none-any.whl"
    version = known(spelled)
    assert version is not None
    fits = SpecifierSet(specifiers).contains(version, prereleases=True)
    assert (refusal(Versions("p", allow=lines), name) is None) == fits
    assert (refusal(Versions("p", deny=lines), name) is None) != fits
