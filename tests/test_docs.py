"""The documentation says what is: generated pages are current, every example works, every command exists, and Sphinx finds no fault."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.assembly import describe, plan
from pypidaemon.commands import _parser
from pypidaemon.errors import ConfigError
from pypidaemon.model import Filename, NormalizedName
from tests.fakes import file
from tests.house import House
from tests.needs import missing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.rst") if "_build" not in page.parts)


def loaded(place: Path, name: str) -> Any:
    """That file as a module, without its folder on the path."""
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = loaded(DOCS / "generate.py", "docs_generate")


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Every code block of that language, with its page."""
    for page in PAGES:
        for found in re.finditer(rf"^\.\. code-block:: {language}\n((?:\n| +[^\n]*\n)+)", page.read_text("utf-8") + "\n", re.MULTILINE):
            yield page, textwrap.dedent(found[1]).strip() + "\n"


CONFIGURATIONS = list(blocks("ini"))
COMMANDS = sorted({line[2:] for _, block in blocks("console") for line in block.splitlines() if line.startswith("$ ")})


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    """Otherwise: `python docs/generate.py`."""
    assert (DOCS / name).read_text("utf-8") == generate.PAGES[name](), f"docs/{name} is old: run python docs/generate.py"


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
def test_each_configuration_can_be_used(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file of its own, with everything in it leading somewhere; the secrets and lists that it names are there."""
    page, text = CONFIGURATIONS[number]
    monkeypatch.syspath_prepend(str(DOCS / "howto"))
    for name in re.findall(r"env:(\w+)", text):
        monkeypatch.setenv(name, "http://user:password@proxy.example:3128")
    for name in re.findall(r"[\w-]+\.txt", text):
        (tmp_path / name).write_text("django\n")
    (tmp_path / "c.ini").write_text(text)
    found = plan(str(tmp_path / "c.ini"))
    assert all(part.needed for part in found.parts.values() if not part.implied), page
    assert describe(found)


def test_there_are_configurations_and_commands_to_look_at() -> None:
    """The tests on them must have something to do."""
    assert len(CONFIGURATIONS) >= 8
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_exists(command: str) -> None:
    """Ours with its arguments, `make` with its target, and those of others by their names."""
    program, *arguments = shlex.split(command)
    match program:
        case "pypidaemon":
            assert _parser().parse_args(arguments).act
        case "make":
            targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert set(arguments) <= {
                *targets,
                *re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[0].split(),
            }
        case "python":
            assert arguments[0] == "-m" or (ROOT / arguments[0]).exists()
        case _:
            assert program in {"curl", "pip", "pip-compile", "uv", "poetry", "pdm", "twine", "flit", "hatch"}


def test_the_example_component_does_what_its_page_says() -> None:
    """The very file that the page shows."""
    policy = loaded(DOCS / "howto" / "large_files.py", "large_files").LargerThan(label="large", limit=3)
    name = NormalizedName("alpha")
    assert policy.refusal(name, None, 0.0) is None
    assert policy.refusal(name, file("alpha-1.0.tar.gz", b"123"), 0.0) is None
    assert policy.refusal(name, file("alpha-1.0.tar.gz", b"", size=None), 0.0) is None
    assert policy.refusal(name, file(Filename("alpha-1.0.tar.gz"), b"1234"), 0.0) == "it has more than 3 bytes"


def test_the_example_component_is_chosen_in_the_file_that_its_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one line of INI: it is nowhere registered and nothing of it is installed, only its module can be imported."""
    [text] = [text for page, text in CONFIGURATIONS if page.name == "own-component.rst"]
    (tmp_path / "c.ini").write_text(text)
    monkeypatch.delitem(sys.modules, "large_files", raising=False)
    with pytest.raises(ConfigError, match="large_files"):
        plan(str(tmp_path / "c.ini"))
    monkeypatch.syspath_prepend(str(DOCS / "howto"))
    found = plan(str(tmp_path / "c.ini"))
    part = found.parts["policy:large"]
    assert part.needed
    assert found.parts[found.index].references["policies"] == ("policy:large",)
    assert Path(inspect.getfile(part.component)) == DOCS / "howto" / "large_files.py"
    policy = part.component(label="large", **part.values)
    sizes = {size: policy.refusal(NormalizedName("alpha"), file("alpha-1.0.tar.gz", b"", size=size), 0.0) for size in (52428800, 52428801)}
    assert sizes == {52428800: None, 52428801: "it has more than 52428800 bytes"}


def test_the_example_component_is_a_class_of_ten_lines() -> None:
    """Its decorators are two of them; empty lines are not counted."""
    text = (DOCS / "howto" / "large_files.py").read_text("utf-8")
    [found] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    lines = text.splitlines()[found.decorator_list[0].lineno - 1 : found.end_lineno]
    assert len([line for line in lines if line.strip()]) <= 10


def test_every_metric_is_documented_and_no_other() -> None:
    """By name, with each value of `what`."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"))
    house.get("/simple/alpha/")
    text = house.door.routes.operations.metrics.expose().decode()
    page = (DOCS / "reference" / "metrics.rst").read_text("utf-8")
    counted = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert counted == set(re.findall(r"^   \* - ``(\w+)", page, re.MULTILINE))
    for what in re.findall(r'what="(\w+)"', text):
        assert f"``{what}``" in page


def rows() -> list[dict[str, Any]]:
    """Every row of the standards."""
    return [row for section in generate.stated() for row in section["rows"]]


def test_every_standard_that_is_met_is_proved() -> None:
    """By a test that has its number in its name, and no row stands there twice."""
    proved = generate.proofs()
    assert [row["number"] for row in rows() if row["state"] == "met" and row["number"] not in proved] == []
    numbers = [row["number"] for row in rows()]
    assert len(set(numbers)) == len(numbers)
    assert {row["state"] for row in rows()} <= {"met", "not met", "not applicable"}
    assert all(row["state"] == "met" or row["note"] for row in rows())


def test_every_fault_is_done_to_the_daemon_by_a_test_or_says_why_not() -> None:
    """And no row stands there twice."""
    proved = generate.faults_proved()
    known = [row for section in generate.faults() for row in section["rows"]]
    assert [
        f"{row['letter']}{row['number']}" for row in known if f"{row['letter']}{row['number']}" not in proved and not row.get("note")
    ] == []
    assert len({(row["letter"], row["number"]) for row in known}) == len(known) > 100


@pytest.mark.parametrize(
    ("name", "docstring", "rows"),
    [
        ("test_S26_F15_a_bit", "", ["S26", "F15"]),
        ("test_F45_to_F47_one", "", ["F45", "F46", "F47"]),
        ("test_law_6", "Nothing is given (S27, F10), nor (F8-F9).", ["S27", "F10", "F8", "F9"]),
        ("test_SF1_and_F2x", "UTF8, S3x, AS1.", []),
    ],
)
def test_faults_are_read_from_names_and_docstrings(name: str, docstring: str, rows: list[str]) -> None:
    """Also from one to another."""
    assert generate.faults_named(name, docstring) == rows


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("test_R3_R43_a_page", [3, 43]),
        ("test_R35_to_R45_each", list(range(35, 46))),
        ("test_R60_and_R110_what", [60, 110]),
        ("test_F2_R210_it", [210]),
        ("test_PEP740_is_no_row", []),
        ("test_R2", [2]),
    ],
)
def test_rows_are_read_off_the_names_of_tests(name: str, numbers: list[int]) -> None:
    """In all the ways in which names have them."""
    assert generate.numbers(name) == numbers


def test_every_decision_is_on_its_page() -> None:
    """And every page is reached from the first one."""
    text = (DOCS / "decisions" / "index.rst").read_text("utf-8")
    for note in (DOCS / "decisions").glob("*.md"):
        assert note.name in text


@pytest.mark.parametrize(
    "citation", ["(law 1)", "(S1 of switching.md)", "(R128, R136)", "(design, section 10)", "(laws 1 and 4)", "(reliability.md 7.5)"]
)
def test_citations_of_notes_that_no_user_has_are_left_out(citation: str) -> None:
    """What else stands in brackets stays."""
    assert (
        generate.uncited(f"so it is {citation}, as (nobody) said (PEP 592, 2019) (1)") == "so it is, as (nobody) said (PEP 592, 2019) (1)"
    )


def test_no_page_for_users_cites_what_no_user_has() -> None:
    """The rows of the standards, and of what can go wrong, have pages of their own."""
    for page in PAGES:
        if page.name not in ("standards.rst", "robustness.rst") and "decisions" not in page.parts:
            text = page.read_text("utf-8")
            assert not re.search(r"\blaws? \d|\b[SF]\d+\b|switching\.md|design\.md", text), page


def test_no_page_names_a_path_of_this_machine() -> None:
    """What is written from running code must be the same on every machine."""
    needles = (str(ROOT), str(Path.home()) + "/" if Path.home() != Path("/") else "\0", sys.prefix)
    for page in PAGES:
        assert not any(needle in page.read_text("utf-8") for needle in needles), page


def test_sphinx_finds_no_fault(tmp_path: Path) -> None:
    """Warnings are errors, and no page loads anything from elsewhere. Only outside CI may Sphinx be missing."""
    if importlib.util.find_spec("sphinx") is None:
        missing("Sphinx is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "trees", DOCS, tmp_path / "html"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout
    built = {page: page.read_text("utf-8") for page in (tmp_path / "html").rglob("*.html")}
    assert len(built) >= len(PAGES) - 1
    for page, text in built.items():
        assert not re.search(r"""<(?:script|img|link)\b[^>]*(?:src|href)="(?:https?:)?//""", text), page
