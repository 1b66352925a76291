"""How many releases there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import version_of
from pypidaemon.judging import Rules
from pypidaemon.model import File, Filename, NormalizedName, ProjectPage
from pypidaemon.policies.newest import Newest, at_least_one
from pypidaemon.policies.pre_releases import PreReleases
from pypidaemon.versions import known
from tests.strategies import pages

FOO = NormalizedName("foo")


def left(policy: Newest, *names: str) -> list[str]:
    page = ProjectPage(FOO, tuple(File(Filename(name)) for name in names))
    refused = policy.refusals(page, 0.0)
    return [name for name in names if name not in refused]


def test_the_newest_are_shown_with_all_their_files() -> None:
    names = ("foo-1.0.tar.gz", "foo-10.0.tar.gz", "foo-9.0.tar.gz", "foo-9.0-py3-none-any.whl", "foo-9.0.0-py2-none-any.whl")
    assert left(Newest("p", 2), *names) == list(names[1:])
    assert left(Newest("p", 1), *names) == ["foo-10.0.tar.gz"]
    assert left(Newest("p", 9), *names) == list(names)


def test_pre_releases_count_as_any() -> None:
    assert left(Newest("p", 1), "foo-1.0.tar.gz", "foo-1.1a1.tar.gz") == ["foo-1.1a1.tar.gz"]


def test_what_is_no_version_is_older_than_all() -> None:
    names = ("foo-0.0.1.tar.gz", "foo-later.tar.gz", "foo.tar.gz")
    assert left(Newest("p", 1), *names) == ["foo-0.0.1.tar.gz"]
    assert left(Newest("p", 2), *names) == ["foo-0.0.1.tar.gz", "foo-later.tar.gz"]


def test_exempt_projects_show_all() -> None:
    assert left(Newest("p", 1, ("fo?",)), "foo-1.0.tar.gz", "foo-2.0.tar.gz") == ["foo-1.0.tar.gz", "foo-2.0.tar.gz"]


@pytest.mark.parametrize(("count", "reason"), [(1, "only the newest release is shown"), (2, "only the 2 newest releases are shown")])
def test_the_reason_says_how_many(count: int, reason: str) -> None:
    page = ProjectPage(FOO, tuple(File(Filename(f"foo-{number}.tar.gz")) for number in range(5)))
    assert Newest("p", count).refusals(page, 0.0)[Filename("foo-0.tar.gz")] == reason


def test_by_itself_no_file_is_too_old() -> None:
    assert Newest("p", 1).refusal(FOO, File(Filename("foo-1.0.tar.gz")), 0.0) is None


def test_it_counts_what_others_leave() -> None:
    """In whatever order they are named."""
    page = ProjectPage(FOO, tuple(File(Filename(f"foo-{version}.tar.gz")) for version in ("1.0", "1.1", "2.0a1", "2.0a2")))
    for policies in ((Newest("n", 1), PreReleases("p")), (PreReleases("p"), Newest("n", 1))):
        assert [file.filename for file in Rules(policies).judge(page, 0.0).shown] == ["foo-1.1.tar.gz"]


def test_a_count_is_at_least_one() -> None:
    assert at_least_one("3") == 3
    for raw in ("0", "-1", "many"):
        with pytest.raises(ValueError, match=r"1 or more|whole number"):
            at_least_one(raw)


@given(pages(), st.integers(1, 4))
def test_no_release_that_is_shown_is_older_than_one_that_is_hidden(page: ProjectPage, count: int) -> None:
    refused = Newest("p", count).refusals(page, 0.0)
    versions = {file.filename: known(version_of(file.filename, page.name) or "") for file in page.files}
    shown = {version for name, version in versions.items() if name not in refused and version is not None}
    hidden = {version for name, version in versions.items() if name in refused and version is not None}
    assert not hidden or len(shown) == count
    assert all(old < new for old in hidden for new in shown)
