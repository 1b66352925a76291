"""
`python -m benchmarks.chaos.table FILE...`: what several runs said, one JSON line for each fault, as one table.

With `--keep` the lines go to `benchmarks/chaos/results`, where those of the same subject and fault are replaced, and the chapter of the documentation is
written anew from all that lie there; `--write` does only the latter.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.chaos.faults import load
from benchmarks.chaos.tally import SUMMED

RESULTS = Path(__file__).with_name("results")
"""A file of lines for each subject, and `words.toml`: what each failure was, as somebody put it who looked at it."""
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "faults.rst"
BEGIN = ".. What follows is written by python -m benchmarks.chaos.table --write; change benchmarks/chaos/results instead.\n"
END = ".. What was written ends here.\n"
ORDER = ("pypidaemon", "devpi", "proxpi", "peryx")
WIDTH = 150
COMPLAINTS, LONG = 3, 160
"""So many complaints are kept of each fault, and so many characters of each."""

Line = dict[str, Any]
Lines = dict[str, dict[str, Line]]
"""By subject and fault."""


def read(files: Iterable[Path]) -> Lines:
    """All lines of those files; the last run of a subject counts."""
    found: Lines = {}
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                found.setdefault(said["subject"], {})[said["id"]] = said
    return {name: found[name] for name in sorted(found, key=lambda name: (*ORDER, name).index(name))}


def cell(said: Line | None) -> str:
    """What became of one subject at one fault: `yes`, or what was wrong and how often."""
    if said is None:
        return ""
    if said["survived"] is None:
        return "n/a"
    if said["survived"]:
        return "yes"
    counted = [f"{said[name]} {name.replace('_', ' ')}" for name in SUMMED if said[name]]
    return ", ".join(counted) or "no"


def table(files: Iterable[Path]) -> str:
    """A list table in reStructuredText."""
    return _table(read(files))


def _table(found: Lines) -> str:
    rows = [["", "Fault", *found]]
    rows += [[id, fault.title, *(cell(lines.get(id)) for lines in found.values())] for id, fault in load().items()]
    tried = {name: [said for said in lines.values() if said["survived"] is not None] for name, lines in found.items()}
    rows.append(
        ["", "survived, of those tried", *(f"{sum(said['survived'] for said in lines)} of {len(lines)}" for lines in tried.values())]
    )
    text = ".. list-table::\n   :header-rows: 1\n"
    for row in rows:
        text += "".join(f"\n   {'* -' if number == 0 else '  -'} {entry}".rstrip() for number, entry in enumerate(row))
    return text


def chapter(folder: Path = RESULTS) -> str:
    """The part of the documentation that says how the kept runs ended."""
    found = read(sorted(folder.glob("*.jsonl")))
    words = tomllib.loads((folder / "words.toml").read_text("utf-8"))
    parts = [_table(found) + "\n", "How each was run:\n"]
    parts += ["\n".join(_runs(name, lines)) + "\n" for name, lines in found.items()]
    for name, lines in found.items():
        failed = [said for said in lines.values() if said["survived"] is False]
        skipped = [said for said in lines.values() if said["survived"] is None]
        if failed:
            parts.append(f"What {name} did not survive:\n")
            parts.append("\n".join(_item(f"{said['id']}: {words.get(name, {}).get(said['id']) or _guess(said)}") for said in failed) + "\n")
        if skipped:
            reasons: dict[str, list[str]] = {}
            for said in skipped:
                reasons.setdefault(said["skipped"], []).append(said["id"])
            text = "; ".join(f"{' '.join(ids)}, since {reason}" for reason, ids in reasons.items())
            parts.append("\n".join(textwrap.wrap(f"Not done to {name}: {text}.", WIDTH)) + "\n")
    return "\n".join(parts)


def _runs(name: str, lines: dict[str, Line]) -> list[str]:
    runs: dict[tuple[str, str, str, str], list[Line]] = {}
    for said in lines.values():
        runs.setdefault((said["release"], said["when"], said["machine"], said["how"]), []).append(said)
    items = []
    for (release, when, machine, how), some in runs.items():
        which = "" if len(runs) == 1 else f" --fault {','.join(said['id'] for said in some)}"
        seconds = sum(said.get("seconds", 0) for said in some)
        command = f"python -m benchmarks.chaos {how} --subject {name}{which}"
        items.append(_item(f"{release}, {when}, {machine}, {len(some)} faults in {seconds / 60:.0f} minutes: ``{command}``"))
    return items


def _item(text: str) -> str:
    return "\n".join(textwrap.wrap(f"* {text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def _guess(said: Line) -> str:
    """The first complaint, where nobody has put it into words."""
    first = re.sub(r"http://127\.0\.0\.1:\d+", "", said["unmet"][0]) if said["unmet"] else "nothing is said"
    return f"``{first.replace('`', chr(39)).strip()}``"


def keep(files: Iterable[Path], folder: Path = RESULTS) -> None:
    """Put the lines of those files among the kept ones; of the complaints only a few."""
    for name, lines in read(files).items():
        place = folder / f"{name}.jsonl"
        kept = read([place]).get(name, {}) if place.exists() else {}
        for id, said in lines.items():
            kept[id] = said | ({"unmet": [one[:LONG] for one in said["unmet"][:COMPLAINTS]]} if "unmet" in said else {})
        order = sorted(kept, key=lambda one: int(one[1:]))
        place.write_text("".join(json.dumps(kept[id]) + "\n" for id in order), "utf-8")


def written(page: str, folder: Path = RESULTS) -> str:
    """A page of the documentation with that chapter in it, in the place of the one that was there."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{chapter(folder)}\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.table", description="What several runs of the chaos harness said.")
    parser.add_argument("files", nargs="*", type=Path, help="what runs printed")
    parser.add_argument("--keep", action="store_true", help="put them among the results that are kept, and write the documentation")
    parser.add_argument("--write", action="store_true", help="write the documentation from what is kept")
    options = parser.parse_args(arguments)
    if options.keep:
        keep(options.files)
    if options.keep or options.write:
        PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
    else:
        print(table(options.files))


if __name__ == "__main__":
    main(sys.argv[1:])
