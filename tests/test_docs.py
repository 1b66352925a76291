"""The documentation says what is: generated pages are current, every example works, every command exists, and Sphinx finds no fault."""

from __future__ import annotations

import argparse
import ast
import configparser
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import trustme

from pypidaemon import components
from pypidaemon.assembly import describe, plan
from pypidaemon.commands import _parser
from pypidaemon.errors import ConfigError
from pypidaemon.model import Filename, NormalizedName
from tests.documents import DOCS, PAGES, ROOT, Block, blocks, commands
from tests.fakes import file
from tests.house import House
from tests.needs import missing
from tests.web.test_rights_matrix import DECLARED, ORDERS, RULINGS


def loaded(place: Path, name: str) -> Any:
    """That file as a module, without its folder on the path."""
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = loaded(DOCS / "generate.py", "docs_generate")


CONTEXT = {
    "merged-and-pinned": "[daemon]\nindex = root\n[index:private]\nuse = private\n[index:pypi]\nuse = proxy\n"
    "[policy:no-malware]\nuse = names\ndeny = leftpad\n",
}
"""What is before and after an excerpt, by its page."""
CONFIGURATIONS = [
    (page, block.text if "[daemon]" in block.text else CONTEXT[page.stem] + block.text) for page in PAGES for block in blocks(page, "ini")
]
COMMANDS = sorted({command for page in PAGES for block in blocks(page, "console") for command, _ in commands(block.text)})
OTHER_FILES = [block for page in PAGES for block in blocks(page, "toml", "json", "cfg", "sh")]


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
    if ".pem" in text:
        issued = trustme.CA().issue_cert("packages.example")
        issued.private_key_pem.write_to_path(tmp_path / "key.pem")
        issued.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
        text = re.sub(r"/[\w/]+/(key|chain)\.pem", rf"{tmp_path}/\1.pem", text)
    (tmp_path / "c.ini").write_text(text)
    found = plan(str(tmp_path / "c.ini"))
    assert all(part.needed for part in found.parts.values() if not part.implied), page
    assert describe(found)


def test_there_are_configurations_and_commands_to_look_at() -> None:
    """The tests on them must have something to do."""
    assert len(CONFIGURATIONS) >= 8
    assert len(COMMANDS) >= 15
    assert {block.language for block in OTHER_FILES} >= {"toml", "json", "cfg"}


@pytest.mark.parametrize("block", OTHER_FILES, ids=[block.where for block in OTHER_FILES])
def test_each_file_of_other_programs_can_be_read(block: Block) -> None:
    """By the grammar that it says it has."""
    match block.language:
        case "toml":
            assert tomllib.loads(block.text)
        case "json":
            assert json.loads(block.text)
        case "cfg":
            found = configparser.ConfigParser(interpolation=None)
            found.read_string(block.text)
            assert found.sections()
        case "sh":
            subprocess.run(["sh", "-n"], input=block.text, text=True, check=True, timeout=30)


def test_each_command_that_a_sentence_names_exists() -> None:
    """Also in the README, where commands stand in blocks without a name."""
    verbs = {name.split()[0] for name, _ in generate.spoken(_choices())}
    for page in [*PAGES, ROOT / "README.rst"]:
        text = page.read_text("utf-8")
        for found in re.findall(r"(?:``|^    )pypidaemon ([a-z][\w-]*)", text, re.MULTILINE):
            assert found in verbs, f"{page}: pypidaemon {found}"


def test_each_command_of_the_readme_can_be_read() -> None:
    """By our own parser, as a whole."""
    text = (ROOT / "README.rst").read_text("utf-8")
    found = re.findall(r"^    pypidaemon (.+)$", text, re.MULTILINE)
    assert len(found) > 5
    for line in found:
        assert _parser().parse_args(shlex.split(line)).act, line


def _choices() -> Any:
    return next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)).choices


@cache
def parser() -> argparse.ArgumentParser:
    """Ours, which many commands are read by."""
    return _parser()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_exists(command: str) -> None:
    """Ours with its arguments, `make` with its target, and those of others by their names."""
    program, *arguments = shlex.split(command)
    match program:
        case "pypidaemon":
            assert parser().parse_args(arguments).act
        case "make":
            targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert set(arguments) <= {
                *targets,
                *re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[0].split(),
            }
        case "python":
            assert arguments[0] == "-m" or (ROOT / arguments[0]).exists()
        case "sudo":
            test_each_command_exists(command.removeprefix("sudo ").removeprefix("-u pypidaemon "))
        case _:
            theirs = {"curl", "pip", "pip-compile", "uv", "poetry", "pdm", "twine", "flit", "hatch"}
            systems = {"export", "python3", "ln", "useradd", "install", "systemctl", "mkdir", "chmod"}
            assert program in theirs | systems or program.endswith("/bin/pip")


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


def test_the_page_on_components_names_the_interface_of_each_kind() -> None:
    """And no kind that there is not."""
    rows = re.findall(
        r"^   \* - ``(\w+)``\n     - (?:Twisted's )?``(\w+)``", (DOCS / "howto" / "own-component.rst").read_text("utf-8"), re.MULTILINE
    )
    assert dict(rows) == {kind: interface.__name__ for kind, interface in components.INTERFACES.items()}


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


def test_every_address_is_documented() -> None:
    """Each word of a path that the code of the door looks for, but where only the control socket leads."""
    page = (DOCS / "reference" / "urls.rst").read_text("utf-8")
    for place, routes in DECLARED.items():
        for word in re.findall(r"'([^']+)'", place.partition(": ")[2] if routes else ""):
            assert re.search(rf"[/<`]{re.escape(word)}[/`?.>]", page), f"{word} of {place}"
    for path in (*ORDERS, *RULINGS):
        assert f"/{path.rsplit('/', 1)[1]}``" in page or f"``{path.rsplit('/', 1)[1]}``" in page, path


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
    proved = generate.proved_by(generate.faults_named)
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


def test_every_law_is_proved() -> None:
    """By a test that has its number in its own name; and no test names one that there is not."""
    proved = generate.proved_by(generate.laws_named)
    laws = range(1, len(generate.stated_laws()) + 1)
    assert set(proved) == set(laws)
    for number in laws:
        assert any(re.search(rf"_law_{number}_", test) for test in proved[number]), number


@pytest.mark.parametrize(
    ("name", "docstring", "laws"),
    [
        ("test_law_10_a", "", [10]),
        ("test_M18_law_8_law_10_b", "", [8, 10]),
        ("test_it", "Laws 1 and 4. Law 3.", [1, 4, 3]),
        ("test_the_lawn_2", "", []),
    ],
)
def test_laws_are_read_from_names_and_docstrings(name: str, docstring: str, laws: list[int]) -> None:
    """As tests name them."""
    assert generate.laws_named(name, docstring) == laws


PICTURES = sorted(picture for picture in DOCS.rglob("*.svg") if "_build" not in picture.parts)


@pytest.mark.parametrize("picture", PICTURES, ids=[picture.name for picture in PICTURES])
def test_each_picture_is_small_says_what_it_shows_and_loads_nothing(picture: Path) -> None:
    """It can be read on light and on dark paper, and each page that has it says in words what is on it."""
    text = picture.read_text("utf-8")
    assert len(text) < 60_000
    found = ET.fromstring(text)
    assert found.get("aria-labelledby") == "title desc"
    assert all(found.find(f"{{*}}{part}").text for part in ("title", "desc"))  # type: ignore[union-attr]  # None fails as well
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(?:href|src)=|url\((?!#)|@import|<script", text)
    for scheme in re.findall(r"svg \{([^}]*)\}", text):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for ink in ("ink", "soft"):
            for paper in ("paper", "panel"):
                assert contrast(colours[ink], colours[paper]) >= 7, (ink, paper)
    places = [page for page in [*PAGES, ROOT / "README.rst"] if picture.name in page.read_text("utf-8")]
    assert places
    for page in places:
        assert re.search(rf"\.\. image:: \S*{picture.name}\n +:alt: \w", page.read_text("utf-8")), page


def contrast(one: str, other: str) -> float:
    """How far two colours are apart, by WCAG 2.2."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """How bright a colour is, by WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


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
