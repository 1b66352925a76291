"""What files are called."""

from __future__ import annotations

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.filenames import Filenames

FOO = NormalizedName("foo")


def refusal(policy: Filenames, name: str) -> str | None:
    return policy.refusal(FOO, File(Filename(name)), 0.0)


def test_without_patterns_all_is_shown() -> None:
    assert refusal(Filenames("p"), "foo-1.0.tar.gz") is None


def test_allow_shows_only_what_it_matches_in_any_case() -> None:
    policy = Filenames("p", allow=("*.WHL", "foo-?.0.tar.gz"))
    assert refusal(policy, "Foo-1.0-py3-none-any.whl") is None
    assert refusal(policy, "FOO-1.0.tar.gz") is None
    assert refusal(policy, "foo-11.0.tar.gz") == "the file name matches none of the allowed patterns"


def test_deny_hides_and_wins() -> None:
    policy = Filenames("p", allow=("foo*",), deny=("*.exe",))
    assert refusal(policy, "foo-1.0.exe") == "the file name matches the denied pattern *.exe"


def test_expressions_have_to_match_the_whole_name() -> None:
    policy = Filenames("p", allow_regex=(r"foo-\d+\.0\..*",), deny_regex=(".*ZIP",))
    assert refusal(policy, "foo-12.0.tar.gz") is None
    assert refusal(policy, "xfoo-12.0.tar.gz") is not None
    assert refusal(policy, "foo-12.0.zip") == "the file name matches the denied pattern .*ZIP"


def test_no_project_is_refused_as_a_whole() -> None:
    assert Filenames("p", allow=("nothing",)).refusal(FOO, None, 0.0) is None
