"""Versions and specifiers of any spelling are read, or are none; nothing else comes of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

import pypidaemon
from pypidaemon.archives import rules
from pypidaemon.filenames import project_name
from pypidaemon.simple.reading import covering, normal_version, version_order
from pypidaemon.versions import known, same_version, specifiers

NINES = "9" * 5000
ABSURD = [NINES, f"1.{NINES}", f"{NINES}!1", f"1a{NINES}", f"1.post{NINES}", f"1.dev{NINES}", f"1+{NINES}", f"1+a.{NINES}"]


@pytest.mark.parametrize("spelled", ABSURD)
def test_numbers_too_long_to_be_read_make_no_version(spelled: str) -> None:
    """Python refuses to turn more than 4,300 digits into a number."""
    assert known(spelled) is None
    assert same_version(spelled) == normal_version(spelled) == spelled
    assert version_order(spelled) == f"0{spelled}"
    assert rules.same_version(spelled, spelled)
    assert not rules.same_version(spelled, "1")
    assert covering(project_name("foo"), (spelled, "1.0"), ()) == (spelled, "1.0")
    assert specifiers(f">=1,=={spelled}") == specifiers(f">=1, =={spelled}")


def test_R136_spellings_of_one_version_are_one() -> None:
    assert known("1.0") == Version("1")
    assert same_version("v1.0.0") == same_version("1")
    assert known("banana") is None
    assert same_version("banana") == "banana"
    assert specifiers(">=3.8, <4") == specifiers("<4,>=3.8.0".replace(".0", ""))
    assert specifiers(">=3.8") != specifiers(">=3.9")


@given(st.text("0123456789.!+-_abcdevrpost", max_size=60).map(lambda text: text.replace("0", "0" * 100).replace("9", "9" * 3000)))
def test_any_spelling_is_read_or_is_none(spelled: str) -> None:
    found = known(spelled)
    assert isinstance(version_order(spelled), str)
    assert found is None or same_version(spelled) == same_version(str(found))
    specifiers(f">={spelled}")


def test_nothing_else_reads_versions_by_itself() -> None:
    """`packaging` lets a plain ValueError through, which every caller would have to know."""
    root = Path(pypidaemon.__file__).parent
    readers = {"Version", "canonicalize_version", "SpecifierSet", "parse"}
    found = {
        path.relative_to(root).as_posix(): names
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("packaging")
        if (names := readers & {name.name for name in node.names})
    }
    # The second makes a version of a constant.
    assert set(found) == {"versions.py", "archives/promising.py"}
