"""What projects are called: expressions and files of names. Patterns and the two lists are tested in tests/test_policies.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypidaemon.filenames import project_name
from pypidaemon.patterns import regexes
from pypidaemon.policies.names import Names, name_list


def refusal(policy: Names, name: str) -> str | None:
    return policy.refusal(project_name(name), None, 0.0)


def listed(tmp_path: Path, text: str) -> Path:
    place = tmp_path / "names.txt"
    place.write_text(text)
    return place


def test_an_expression_has_to_match_the_whole_normal_name() -> None:
    policy = Names("p", allow_regex=("acme-[0-9]+", "Foo.*"))
    assert refusal(policy, "acme_12") is None
    assert refusal(policy, "FooBar") is None
    assert refusal(policy, "acme-12x") == "the name matches none of the allowed patterns"
    assert refusal(Names("p", deny_regex=(".*-evil",)), "very.evil") == "the name matches the denied pattern .*-evil"


def test_patterns_expressions_and_files_add_up(tmp_path: Path) -> None:
    policy = Names("p", allow=("a",), allow_regex=("b+",), allow_file=name_list(listed(tmp_path, "c\nd-*\n")))
    assert [name for name in ("a", "bb", "c", "d-x", "e", "d") if refusal(policy, name) is None] == ["a", "bb", "c", "d-x"]


def test_a_denied_name_is_refused_wherever_it_is_allowed(tmp_path: Path) -> None:
    listing = name_list(listed(tmp_path, "acme-*"))
    assert refusal(Names("p", allow=("*",), deny_file=listing), "acme-x") == "the name matches the denied pattern acme-*"
    assert refusal(Names("p", deny=("acme-x",), allow_file=listing), "acme-x") == "the name matches the denied pattern acme-x"


def test_a_file_of_names_has_one_on_each_line_with_comments(tmp_path: Path) -> None:
    read = name_list(listed(tmp_path, "# ours\nFoo_Bar  # the old spelling\n\n  acme.*\r\n"))
    assert read.patterns == ("foo-bar", "acme-*")
    assert str(read) == str(tmp_path / "names.txt")


def test_an_empty_file_allows_nothing(tmp_path: Path) -> None:
    """It names what is to be shown, and that is nothing; an empty list of denied names denies none."""
    empty = name_list(listed(tmp_path, "# none yet\n"))
    assert refusal(Names("p", allow_file=empty), "any") == "the name matches none of the allowed patterns"
    assert refusal(Names("p", deny_file=empty), "any") is None


def test_another_text_of_the_file_is_another_policy(tmp_path: Path) -> None:
    """What was judged by the old one holds no longer."""
    before = Names("p", allow_file=name_list(listed(tmp_path, "a")))
    after = Names("p", allow_file=name_list(listed(tmp_path, "b")))
    assert repr(before) != repr(after)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("fine\nfoo/bar\n", "line 2: 'foo/bar' is not a pattern"), ("two names\n", "line 1: more than one pattern")],
)
def test_a_line_that_is_no_name_is_said_with_its_number(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        name_list(listed(tmp_path, text))


def test_a_file_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*none: No such file"):
        name_list(tmp_path / "none")


def test_S85_a_long_list_is_looked_up_and_not_tried(tmp_path: Path) -> None:
    """Half a million plain names are one set."""
    listing = name_list(listed(tmp_path, "\n".join(f"project-{number}" for number in range(20_000))))
    policy = Names("p", allow_file=listing)
    assert policy._allowed.globs._others == ()
    assert refusal(policy, "project-19999") is None
    assert refusal(policy, "project-20000") is not None


@pytest.mark.parametrize("raw", ["", " \n ", "(", "fine\n*"])
def test_what_is_no_expression_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"empty|no regular expression"):
        regexes(raw)
