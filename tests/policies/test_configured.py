"""The filters as a configuration names them: every example can be used, is described so that it reads back, and a mistake is one line."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from pypidaemon.assembly import describe, plan
from pypidaemon.components import BUILT_IN, load
from pypidaemon.errors import ConfigError
from pypidaemon.interfaces import IPolicy
from pypidaemon.policies.names import Names
from pypidaemon.policies.requirements import Requirements

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "policies.rst").read_text("utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"^\.\. code-block:: ini\n((?:\n| +[^\n]*\n)+)", PAGE, re.MULTILINE)]
USES = [
    use
    for use, place in BUILT_IN["policy"].items()
    if place.startswith("pypidaemon.policies.") and use not in {"blocked", "minimum-age", "freeze"}
]


def written(tmp_path: Path, text: str, **lists: str) -> str:
    """That text as a configuration file, beside these lists."""
    for name, content in lists.items():
        (tmp_path / f"{name}.txt").write_text(content)
    file = tmp_path / "config.ini"
    file.write_text(text)
    return str(file)


def policy(tmp_path: Path, keys: str, **lists: str) -> IPolicy:
    """The policy that these keys make."""
    part = plan(written(tmp_path, f"[daemon]\n[policy:p]\n{keys}\n", **lists)).parts["policy:p"]
    made: IPolicy = part.component(label="p", **part.values)
    return made


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_is_described_so_that_it_reads_back_as_the_same(number: int, tmp_path: Path) -> None:
    """Relative paths as absolute ones, and lines as lines."""
    for name in re.findall(r"[\w-]+\.txt", BLOCKS[number]):
        (tmp_path / name).write_text("django\n")
    first = plan(written(tmp_path, BLOCKS[number]))
    (tmp_path / "elsewhere").mkdir()
    again = plan(written(tmp_path / "elsewhere", describe(first)))
    policies = [part for name, part in first.parts.items() if name.startswith("policy:")]
    assert policies
    for part in policies:
        made = part.component(label="p", **part.values)
        assert repr(made) == repr(again.parts[part.name].component(label="p", **again.parts[part.name].values))


@pytest.mark.parametrize("use", USES)
def test_each_filter_has_an_example(use: str) -> None:
    assert any(f"use = {use}\n" in block for block in BLOCKS)
    assert load("policy", use).__doc__


def test_lists_in_files_start_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    names = policy(tmp_path, "use = names\nallow-file = good.txt\ndeny-file = %(here)s/bad.txt", good="alpha", bad="beta")
    assert isinstance(names, Names)
    assert names.allow_file is not None
    assert names.deny_file is not None
    assert (names.allow_file.path, names.deny_file.path) == (tmp_path / "good.txt", tmp_path / "bad.txt")
    files = policy(tmp_path, "use = requirements\nfiles =\n  one.txt\n  two.txt", one="alpha", two="beta")
    assert isinstance(files, Requirements)
    assert files.files.paths == (tmp_path / "one.txt", tmp_path / "two.txt")
    assert set(files.files.wanted) == {"alpha", "beta"}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("use = names\nallow-file = none.txt", "allow-file: cannot read .*none.txt: No such file"),
        ("use = names\ndeny-file = bad.txt", "deny-file: .*bad.txt, line 1: more than one pattern"),
        ("use = names\nallow-regex = (", "allow-regex: '\\(' is no regular expression"),
        ("use = filenames\nallow = [b-a]", "allow: .* runs backwards"),
        ("use = versions\nallow = django", "allow: 'django' names no versions"),
        ("use = pre-releases\nkinds = rc", "kinds: 'rc' is none of alpha"),
        ("use = newest\ncount = 0", "count: must be 1 or more"),
        ("use = newest", "count: is missing"),
        ("use = kinds\ndeny = wheels", "deny: 'wheels' is none of"),
        ("use = platforms\ndeny =", "deny: must not be empty"),
        ("use = pythons\nversions = python3", "versions: 'python3' is not a Python"),
        ("use = sizes\nat-most = much", "at-most: 'much' is not a size"),
        ("use = sizes\nunknown = maybe", "unknown: 'maybe' is neither show nor hide"),
        ("use = maximum-age\nage = old", "age: 'old' is not a duration"),
        ("use = yanked\nexempt = a/b", "exempt: 'a/b' is not a pattern"),
        ("use = statuses", "deny: is missing"),
        ("use = licences\nallow = MIT Apache-2.0", "allow: 'MIT Apache-2.0' names several licences"),
        ("use = classifiers\nallow =", "allow: must not be empty"),
        ("use = requirements\nfiles = bad.txt", "files: .*bad.txt, line 1: 'a >= b c' is no requirement"),
        ("use = requirements\nfiles =", "files: must not be empty"),
    ],
)
def test_a_mistake_is_one_line_that_names_section_and_key(tmp_path: Path, keys: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policy(tmp_path, keys, bad="a >= b c\n")
    assert re.search(rf"\[policy:p\] {line}", str(caught.value)), str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
