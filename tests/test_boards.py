"""The board for Grafana and the rules for Prometheus that we ship: they speak of the counts that there are, by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.web.reply import Reply
from tests.house import House

ROOT = Path(__file__).parents[1]
BOARD = json.loads((ROOT / "etc" / "grafana" / "pypidaemon.json").read_text("utf-8"))
ALERTS = (ROOT / "etc" / "prometheus" / "alerts.yml").read_text("utf-8")
NAME = re.compile(r"\bpypidaemon_\w+")


def exposition() -> Reply:
    """The counts of a daemon that was asked for something."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"))
    house.get("/simple/alpha/")
    return house.get("/+metrics")


@pytest.fixture(scope="module")
def exposed() -> dict[str, str]:
    """The kind of each by its name."""
    return dict(re.findall(r"^# TYPE (\w+) (\w+)", exposition().body.decode(), re.MULTILINE))


def panels() -> Iterator[dict[str, Any]]:
    """All but the lines between them."""
    return (panel for panel in BOARD["panels"] if panel["type"] != "row")


def questions() -> list[str]:
    """Every expression of the board."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def rules() -> list[str]:
    """Every expression of the rules, each in one line."""
    return [" ".join(found.split()) for found in re.findall(r"^ +expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", ALERTS, re.MULTILINE)]


def test_the_board_shows_every_count_and_nothing_else(exposed: dict[str, str]) -> None:
    """A count that is new is to be looked at by somebody."""
    assert set(NAME.findall("\n".join(questions()))) == set(exposed)


def test_rules_are_about_counts_that_there_are(exposed: dict[str, str]) -> None:
    assert len(rules()) == ALERTS.count("- alert: ") > 10
    assert set(NAME.findall("\n".join(rules()))) <= set(exposed)


@pytest.mark.parametrize("question", questions() + rules())
def test_each_question_fits_what_is_counted(question: str, exposed: dict[str, str]) -> None:
    """Counters are asked for their rise and gauges as they are; a value of a label is one that is documented."""
    page = (ROOT / "docs" / "reference" / "metrics.rst").read_text("utf-8")
    for name in NAME.findall(question):
        risen = re.search(rf"(?:rate|increase)\({name}\b", question) is not None
        # The one count that is shown as it stands is that of lines lost, which is to be none.
        assert risen == (exposed[name] == "counter") or name == "pypidaemon_log_lines_lost_total"
        documented = re.search(rf"^   \* - ``{name}(?:{{([^}}]*)}})?``$", page, re.MULTILINE)
        assert documented is not None
        labels = {*(documented[1] or "").split(", "), "instance"}
        assert {label for label in re.findall(rf"{name}{{([^}}]*)}}", question) for label in re.findall(r"(\w+)(?:=|!=)", label)} <= labels
        if question.count(name) == len(NAME.findall(question)):
            grouped = re.search(r"\bby \(([^)]*)\)", question)
            assert set(grouped[1].split(", ") if grouped else []) <= labels
    for what in re.findall(r'(?:what|state|route)(?:=~?|!=)"([^"$]+)"', question):
        assert all(f"``{one}``" in page for one in what.split("|"))


def test_the_board_hangs_together() -> None:
    """Numbers once, panels beside and not upon each other, and the variables that they name."""
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    named = set(re.findall(r"\$\{?(\w+)", "\n".join([*questions(), *(panel["datasource"]["uid"] for panel in panels())])))
    assert named - {"__rate_interval"} == variables
    assert all(panel["title"] and panel["description"] for panel in panels())


@pytest.mark.parametrize("name", re.findall(r"- alert: (\w+)", ALERTS))
def test_each_rule_says_how_urgent_it_is_and_what_it_means(name: str) -> None:
    """And is told by its own name, and by labels that the counts have which it is about."""
    text = ALERTS.partition(f"- alert: {name}\n")[2].partition("- alert:")[0]
    assert re.search(r"\n {10}severity: (?:page|ticket)\n", text)
    assert re.search(r'\n {10}summary: ".+"\n', text + "\n")
    assert ALERTS.count(f"- alert: {name}\n") == 1
    page = (ROOT / "docs" / "reference" / "metrics.rst").read_text("utf-8")
    documented = re.findall(rf"``(?:{'|'.join(NAME.findall(text)) or 'up'}){{([^}}]*)}}``", page)
    known = {"instance", *(label for labels in documented for label in labels.split(", "))}
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= known
