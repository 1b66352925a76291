"""What was measured, one line of JSON for each figure, server and round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

DIGITS = 4
"""So many significant ones are written."""


@attrs.define(eq=False)
class Recorder:
    """Writes lines to a file, and says in short what they say."""

    about: Mapping[str, str]
    """What each line has besides: when it was, on what, and how it was called."""
    releases: Mapping[str, str]
    place: Path
    lines: list[dict[str, Any]] = attrs.field(factory=list)

    def note(self, figure: str, server: str, number: int, values: Mapping[str, float | str]) -> None:
        """A server's values of one round."""
        rounded = {name: rounded_to(value) if isinstance(value, float) else value for name, value in values.items()}
        self._write({"figure": figure, "server": server, "round": number, "values": rounded})
        print(f"  {figure} {server} {number}: " + ", ".join(f"{name} {value}" for name, value in rounded.items()), flush=True)

    def absent(self, figure: str, server: str, reason: str) -> None:
        """A server has no part in a figure; said once."""
        if not any((line["figure"], line["server"]) == (figure, server) and "absent" in line for line in self.lines):
            self._write({"figure": figure, "server": server, "absent": " ".join(reason.split())[:300]})
            print(f"  {figure} {server}: - ({reason})", flush=True)

    def _write(self, line: dict[str, Any]) -> None:
        line |= {"release": self.releases.get(line["server"], ""), **self.about}
        self.lines.append(line)
        with self.place.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def rounded_to(value: float) -> float:
    """The value with so many significant digits."""
    return float(f"{value:.{DIGITS}g}")
