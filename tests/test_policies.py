"""Patterns of names, and the policy made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.filenames import filename, project_name
from pypidaemon.globs import globs, matches_any
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File
from pypidaemon.policies.names import Names

FILE = File(filename("foo_bar-1.0.tar.gz"))


def refusal(policy: Names, name: str) -> str | None:
    return policy.refusal(project_name(name), None, 0.0)


def test_names_provides_the_interface() -> None:
    assert verifyObject(IPolicy, Names("label"))


def test_without_patterns_all_is_shown() -> None:
    assert refusal(Names("p"), "anything") is None


def test_allow_shows_only_what_it_matches() -> None:
    policy = Names("p", allow=("twisted", "zope-*"))
    assert refusal(policy, "Twisted") is None
    assert refusal(policy, "zope.interface") is None
    assert refusal(policy, "zopeish") == "the name matches none of the allowed patterns"


def test_deny_hides_and_wins() -> None:
    policy = Names("p", allow=("foo-*",), deny=("foo-b*",))
    assert refusal(policy, "foo-a") is None
    assert refusal(policy, "Foo_Bar") == "the name matches the denied pattern foo-b*"
    assert refusal(policy, "other") == "the name matches none of the allowed patterns"


def test_a_file_is_refused_as_its_project_is() -> None:
    policy = Names("p", deny=("foo-bar",))
    assert policy.refusal(project_name("foo.bar"), FILE, 0.0) == "the name matches the denied pattern foo-bar"
    assert policy.refusal(project_name("foo"), FILE, 0.0) is None


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("Foo_Bar", ("foo-bar",)),
        ("foo.*  BAR__?\n baz", ("foo-*", "bar-?", "baz")),
        ("a[A-C]b", ("a[a-c]b",)),
        ("a[!x]b", ("a[!x]b",)),
        ("a[._x]b", ("a[x-]b",)),
        ("*", ("*",)),
    ],
)
def test_R1_patterns_are_spelled_as_names_are(raw: str, normal: tuple[str, ...]) -> None:
    assert globs(raw) == normal


@pytest.mark.parametrize(
    "raw",
    ["", "  \n", "foo/bar", "é", "foo-", "_foo", "a[", "a]", "[]", "[!]", "a[b", "a[[b]", "!a", "a[z-a]b", "a{b,c}", "^a", "a,b", '""'],
)
def test_patterns_that_match_no_name_are_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        globs(raw)


@pytest.mark.parametrize("bad", ["", "a b", "foo/"])
def test_a_policy_cannot_be_made_of_bad_patterns(bad: str) -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        Names("p", deny=(bad,))
    with pytest.raises(ValueError, match="not a pattern"):
        Names("p", allow=(bad,))


@pytest.mark.parametrize(
    ("name", "glob"),
    [
        ("foo", "foo"),
        ("foo-bar", "Foo.Bar"),
        ("foo-bar", "foo*"),
        ("foo-bar", "foo?bar"),
        ("axb", "a[x-z]b"),
        ("a-b", "a[._]b"),
        ("a-b", "a[!x]b"),
        ("anything", "*"),
    ],
)
def test_a_pattern_matches_the_whole_name(name: str, glob: str) -> None:
    assert matches_any(project_name(name), ("other", glob)) == globs(glob)[0]


@pytest.mark.parametrize(
    ("name", "glob"),
    [("foobar", "foo"), ("xfoo", "foo"), ("xfoo", "foo*"), ("foo", "foo-*"), ("foo", "foo?"), ("a-b", "a[!-]b"), ("ab", "a[xyz]b")],
)
def test_a_pattern_does_not_match_a_part(name: str, glob: str) -> None:
    assert matches_any(project_name(name), (glob,)) is None


def test_S85_many_stars_are_no_burden() -> None:
    """A pattern that backtracking would try for longer than the universe lasts comes back at once."""
    assert matches_any(project_name("a" * 200), ("*a" * 60 + "*b",)) is None


@given(st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?\Z"))
def test_R1_every_name_is_a_pattern_of_itself_alone(raw: str) -> None:
    name = project_name(raw)
    assert globs(raw) == (name,)
    assert matches_any(name, (raw,)) == name
    assert matches_any(project_name(raw + "x"), (raw,)) is None


@given(st.text(st.sampled_from("ab*?[]!-._1"), max_size=12))
def test_whatever_passes_can_be_matched_with(raw: str) -> None:
    try:
        patterns = globs(raw)
    except ValueError:
        return
    assert globs(" ".join(patterns)) == patterns
    assert matches_any(project_name("a-b1"), patterns) in {None, "a-b1", *patterns}
