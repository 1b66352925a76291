"""
`python -m benchmarks.side_by_side.table FILE...`: what runs wrote, as the tables of the documentation.

With `--keep` the lines go to `benchmarks/results/side_by_side.jsonl`, where those of the same figure are replaced, and the chapter of the documentation is
written anew from all that lies there; `--write` does only the latter. Nothing of it is written by hand but `words.toml`, which says of a bar that is missed
what was tried.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.figures import BARS, ROWS, SERVERS, Row, Verdict, absences, judge, middle

RESULTS = Path(__file__).parents[1] / "results"
KEPT = "side_by_side.jsonl"
PROFILES = "profiles"
SEEN_IN = {"list-first": "list", "upload-seen": "uploads"}
"""Figures whose profile is that of another."""
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "performance.rst"
BEGIN = ".. What follows is written by python -m benchmarks.side_by_side.table --write; change benchmarks/results instead.\n"
END = ".. What was written ends here.\n"
WIDTH = 150
COMMAND = "python -m benchmarks.side_by_side"
DASH = "\N{EN DASH}"
"""What stands where there is no value."""
Line = dict[str, Any]


def read(files: Iterable[Path]) -> list[Line]:
    """All lines of those files."""
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines() if line.startswith("{")]


def keep(files: Iterable[Path], folder: Path = RESULTS) -> None:
    """Put the lines of those files among the kept ones: a figure that was run anew replaces all that was kept of it."""
    place = folder / KEPT
    found = read(files)
    anew = {line["figure"] for line in found}
    kept = [line for line in read([place]) if line["figure"] not in anew] if place.exists() else []
    order = list(dict.fromkeys(row.figure for row in ROWS))
    servers = [*SERVERS, "direct"]
    lines = sorted([*kept, *found], key=lambda line: (order.index(line["figure"]), servers.index(line["server"]), line.get("round", -1)))
    folder.mkdir(exist_ok=True)
    place.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def cell(lines: Sequence[Line], row: Row, server: str) -> str:
    """A server's median in a row; a dash where it has none."""
    value = middle(lines, row.figure, server, row.value)
    return DASH if value is None else f"{value:,.{row.digits}f}"


def measured(lines: Sequence[Line]) -> str:
    """The table of all figures."""
    return listed(
        [["Median of the rounds", *SERVERS], *([named(lines, row), *(cell(lines, row, server) for server in SERVERS)] for row in ROWS)]
    )


def named(lines: Sequence[Line], row: Row) -> str:
    """What stands before a row."""
    direct = middle(lines, "cold", "direct", "total_s")
    return row.what.format(direct=DASH if direct is None else f"{direct:.2f}")


def judged(lines: Sequence[Line]) -> str:
    """The table of the bars."""
    verdicts = [judge(lines, bar) for bar in BARS]
    known = [verdict.met for verdict in verdicts if verdict.met is not None]
    rows = [[verdict.bar.what, *said(verdict)] for verdict in verdicts]
    return listed([["Bar", "Is", "Should be", ""], *rows, ["met, of those that were judged", f"{sum(known)} of {len(known)}", "", ""]])


def said(verdict: Verdict) -> tuple[str, str, str]:
    """What is, what should be, and whether it is so."""
    sign, limit = ("≥" if verdict.bar.least else "≤"), verdict.bar.limit
    bound = f"{sign} 1/{round(1 / limit)}" if limit < 0.3 else f"{sign} {limit:g}"
    if verdict.is_ is None:
        return DASH, bound, "not judged"
    is_ = f"1/{1 / verdict.is_:.1f}" if limit < 0.3 and verdict.is_ else f"{verdict.is_:.3g}"
    return is_, bound, "met" if verdict.met else "**missed**"


def listed(rows: Sequence[Sequence[str]]) -> str:
    """A list table in reStructuredText."""
    text = ".. list-table::\n   :header-rows: 1\n"
    for row in rows:
        text += "".join(f"\n   {'* -' if number == 0 else '  -'} {entry}".rstrip() for number, entry in enumerate(row))
    return text + "\n"


def chapter(folder: Path = RESULTS) -> str:
    """The part of the documentation that says how the kept runs came out."""
    place = folder / KEPT
    lines = read([place]) if place.exists() else []
    if not lines:
        return "No run is kept.\n"
    words = folder / "words.toml"
    tried: dict[str, str] = tomllib.loads(words.read_text("utf-8")) if words.exists() else {}
    parts = [measured(lines), "What it has to come to:\n", judged(lines)]
    missed = [verdict for verdict in (judge(lines, bar) for bar in BARS) if verdict.met is False]
    if missed:
        parts += ["What is missed:\n", "\n".join(_missed(verdict, tried, folder) for verdict in missed) + "\n"]
    parts += ["How it was run:\n", "\n".join(_runs(lines)) + "\n"]
    reasons = _reasons(lines)
    if reasons:
        parts += ["Who has no part in a figure, and why:\n", "\n".join(map(_item, reasons)) + "\n"]
    return "\n".join(parts)


def _reasons(lines: Sequence[Line]) -> list[str]:
    """Each reason once, with the figures and the servers that it is about."""
    figures: dict[tuple[str, str], list[str]] = {}
    for (figure, server), reason in absences(lines).items():
        figures.setdefault((reason, server), []).append(figure)
    servers: dict[tuple[str, str], list[str]] = {}
    for (reason, server), some in figures.items():
        servers.setdefault((", ".join(some), reason), []).append(server)
    return [f"{which}: {', '.join(some)}, since {reason}" for (which, reason), some in servers.items()]


def _missed(verdict: Verdict, tried: dict[str, str], folder: Path) -> str:
    bar = verdict.bar
    place = folder / PROFILES / f"{SEEN_IN.get(bar.figure, bar.figure)}.txt"
    profile = f" Profile: ``benchmarks/results/{PROFILES}/{place.name}``." if place.exists() else ""
    return _item(
        f"{bar.what}: {said(verdict)[0]} instead of {said(verdict)[1]}.{profile} {tried.get(f'{bar.figure} {bar.value}', '')}".strip()
    )


def _runs(lines: Sequence[Line]) -> list[str]:
    runs: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        runs.setdefault((line["when"], line["machine"], line["python"], line["how"]), []).append(line)
    items = []
    for (when, machine, python, how), some in runs.items():
        figures = dict.fromkeys(line["figure"] for line in some)
        which = "" if len(runs) == 1 else f": {', '.join(figures)}"
        items.append(
            _item(f"{when}, {machine}, CPython {python}, load {some[0]['load']} at the start, ``{COMMAND}{how and ' ' + how}``{which}")
        )
    releases = dict.fromkeys(line["release"] for server in SERVERS for line in lines if line["server"] == server and line["release"])
    return [*items, _item(f"servers: {'; '.join(releases)}")]


def _item(text: str) -> str:
    return "\n".join(textwrap.wrap(f"* {text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False))


def written(page: str, folder: Path = RESULTS) -> str:
    """A page of the documentation with that chapter in it, in the place of the one that was there."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{chapter(folder)}\n{END}{rest.partition(END)[2]}"


def summary(lines: Sequence[Line]) -> str:
    """Both tables as they are read on a terminal."""
    from measuring import table

    rows = [
        [named(lines, row), *(cell(lines, row, server) for server in SERVERS)]
        for row in ROWS
        if any(line["figure"] == row.figure for line in lines)
    ]
    some = [verdict for verdict in (judge(lines, bar) for bar in BARS) if verdict.is_ is not None]
    bars = [[verdict.bar.what, *(word.strip("*") for word in said(verdict))] for verdict in some]
    return f"{table(('median of the rounds', *SERVERS), rows)}\n\n{table(('bar', 'is', 'should be', ''), bars)}"


def main(arguments: list[str]) -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog=f"{COMMAND}.table", description="What runs wrote, as tables.")
    parser.add_argument("files", nargs="*", type=Path, help="what runs wrote")
    parser.add_argument("--keep", action="store_true", help="put them among the results that are kept, and write the documentation")
    parser.add_argument("--write", action="store_true", help="write the documentation from what is kept")
    options = parser.parse_args(arguments)
    if options.keep:
        keep(options.files)
    if options.keep or options.write:
        PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
    else:
        print(summary(read(options.files or [RESULTS / KEPT])))


if __name__ == "__main__":
    main(sys.argv[1:])
