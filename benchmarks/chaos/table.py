"""`python -m benchmarks.chaos.table FILE...`: what several runs said, one JSON line for each fault, as one table for the documentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.chaos.faults import load
from benchmarks.chaos.tally import SUMMED


def cell(said: dict[str, Any] | None) -> str:
    """What became of one subject at one fault: `yes`, or what was wrong and how often."""
    if said is None:
        return ""
    if said["survived"] is None:
        return "-"
    if said["survived"]:
        return "yes"
    counted = [f"{said[name]} {name.replace('_', ' ')}" for name in SUMMED if said[name]]
    return ", ".join(counted) or "no"


def table(files: list[Path]) -> str:
    """A list table in reStructuredText; the last run of a subject counts."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                found.setdefault(said["subject"], {})[said["id"]] = said
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


if __name__ == "__main__":
    print(table([Path(name) for name in sys.argv[1:]]))
