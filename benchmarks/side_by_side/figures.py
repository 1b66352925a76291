"""What is measured and what it should come to: the rows of the table, the bars, and whether they are met. Nothing here measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import attrs

OURS = "pypidaemon"
SERVERS = (OURS, "nginx", "peryx", "devpi", "proxpi", "pypiserver", "bandersnatch")
"""The columns of the table, in this order."""
Line = Mapping[str, Any]


@attrs.frozen
class Row:
    """One line of the table: a value of a figure, and what it is. `shown` is in the unit that `what` names."""

    figure: str
    value: str
    what: str
    digits: int = 0


ROWS = (
    Row("page", "cpu_us", "page of 50 files as pip asks, CPU µs"),
    Row("page-uv", "cpu_us", "the same as uv asks (zstd where it is to be had)"),
    Row("large-page", "cpu_us", "page of 3,000 files as pip asks, CPU µs"),
    Row("large-page-uv", "cpu_us", "the same as uv asks"),
    Row("not-modified", "cpu_us", "page of 50 files not modified (304), CPU µs", 1),
    Row("page-token", "cpu_us", "page of 50 files by token, CPU µs", 1),
    Row("large-page-token", "cpu_us", "page of 3,000 files by token, CPU µs", 1),
    Row("not-modified-token", "cpu_us", "304 by token, CPU µs", 1),
    Row("small-file", "cpu_us", "file of 50 kB, CPU µs", 1),
    Row("large-file", "cpu_s_gb", "file of 100 MB, CPU s/GB", 2),
    Row("cold", "first_s", "cold 100 MB, one client: first byte, s", 3),
    Row("cold", "total_s", "all of it, s (directly: {direct})", 2),
    Row("cold", "cpu_s", "CPU s", 2),
    Row("stampede", "fetches", "20 clients, one cold file: fetches upstream"),
    Row("stampede", "first_s", "slowest first byte, s", 3),
    Row("stampede", "wall_s", "until the last one has it, s", 2),
    Row("stampede", "cpu_s", "CPU s", 2),
    Row("list", "seconds", "list of 700,000 as pip asks, s", 3),
    Row("list-first", "seconds", "the same for the first time, s", 2),
    Row("list-first", "growth_mib", "memory it takes meanwhile, MiB"),
    Row("idle", "mib", "resident when idle, MiB"),
    Row("after", "mib", "after the warm and cold figures, MiB"),
    Row("first-page", "mib", "after the first page of an upstream of 700,000, MiB"),
    Row("start", "page_s", "start with 15,000 files and 700,000 names known, to the first page, s", 2),
    Row("uploads", "per_second", "uploads of 20 kB, four clients, a second"),
    Row("uploads", "cpu_ms", "CPU ms", 2),
    Row("upload-seen", "page_ms", "until the page has it, 10,000 files stored, ms", 1),
    Row("mirror", "per_second", "mirror, wheels of 20 kB, files a second"),
    Row("mirror", "cpu_ms", "CPU ms a file", 2),
    Row("mirror", "quiet_s", "a run when nothing has changed, s", 2),
    Row("mixed", "idle_p99_ms", "page, nothing else to do: p99 ms", 2),
    Row("mixed", "p99_ms", "page among 20 cold downloads and 4 uploads: p99 ms", 2),
    Row("mixed", "longest_ms", "the longest wait of them, ms", 1),
)


@attrs.frozen
class Other:
    """What a bar compares with: a value of another server, or of another figure of ours, in the same run."""

    server: str = OURS
    figure: str = ""
    value: str = ""


@attrs.frozen
class Bar:
    """
    What a value of ours has to come to: at most `limit`, or with `least` at least that.

    With `other` it is the ratio of the two that is judged, round by round, and the median of those.
    """

    figure: str
    value: str
    what: str
    limit: float
    other: Other | None = None
    least: bool = False
    worst: bool = False
    """The worst round counts, since a bar that must never be missed has no median."""


BARS = (
    Bar("page", "cpu_us", "page of 50 files / nginx", 1.25, Other("nginx")),
    Bar("page", "cpu_us", "page of 50 files / peryx", 1 / 12, Other("peryx")),
    Bar("page", "cpu_us", "page of 50 files / devpi", 1 / 150, Other("devpi")),
    Bar("large-page", "cpu_us", "page of 3,000 files / nginx", 1.5, Other("nginx")),
    Bar("large-page", "cpu_us", "page of 3,000 files / peryx", 1 / 8, Other("peryx")),
    Bar("not-modified", "cpu_us", "304 / nginx", 1.25, Other("nginx")),
    Bar("page-token", "cpu_us", "page of 50 files by token / without", 1.15, Other(figure="page")),
    Bar("large-page-token", "cpu_us", "page of 3,000 files by token / without", 1.15, Other(figure="large-page")),
    Bar("not-modified-token", "cpu_us", "304 by token / without", 1.15, Other(figure="not-modified")),
    Bar("small-file", "cpu_us", "file of 50 kB / nginx", 1.3, Other("nginx")),
    Bar("small-file", "cpu_us", "file of 50 kB / peryx", 1 / 6, Other("peryx")),
    Bar("large-file", "cpu_s_gb", "file of 100 MB / nginx", 1.1, Other("nginx")),
    Bar("cold", "first_s", "cold file, first byte / peryx", 1.0, Other("peryx")),
    Bar("cold", "total_s", "cold file, total / directly", 1.02, Other("direct")),
    Bar("cold", "cpu_s", "cold file, CPU / peryx", 1.0, Other("peryx")),
    Bar("stampede", "fetches", "20 clients, fetches upstream", 1.0, worst=True),
    Bar("stampede", "first_s", "20 clients, slowest first byte / peryx", 1.0, Other("peryx")),
    Bar("stampede", "wall_s", "20 clients, all / one client", 1.05, Other(figure="cold", value="total_s")),
    Bar("stampede", "cpu_s", "20 clients, CPU / peryx", 1.0, Other("peryx")),
    Bar("list", "seconds", "list of 700,000 / nginx", 2.0, Other("nginx")),
    Bar("list-first", "growth_mib", "list of 700,000, memory while it is made, MiB", 100.0),
    Bar("idle", "mib", "resident when idle, MiB", 60.0),
    Bar("after", "mib", "resident after the suite, MiB", 150.0),
    Bar("first-page", "mib", "resident after the first page of 700,000, MiB", 100.0),
    Bar("start", "page_s", "start, 15,000 files and 700,000 names, s", 1.0),
    Bar("uploads", "per_second", "uploads a second / pypiserver", 1.0, Other("pypiserver"), least=True),
    Bar("upload-seen", "page_ms", "page has the upload, 10,000 stored, ms", 10.0),
    Bar("mirror", "per_second", "mirror, files a second / bandersnatch", 3.0, Other("bandersnatch"), least=True),
    Bar("mirror", "cpu_ms", "mirror, CPU / bandersnatch", 0.4, Other("bandersnatch")),
    Bar("mixed", "ratio", "page p99 among downloads and uploads / idle", 3.0),
    Bar("mixed", "longest_ms", "the longest wait meanwhile, ms (the reactor's longest is less)", 50.0, worst=True),
)


@attrs.frozen
class Verdict:
    """What became of a bar; `is_` is None where a server that it needs had no part."""

    bar: Bar
    is_: float | None

    @property
    def met(self) -> bool | None:
        """Whether it is met; None where that cannot be said."""
        if self.is_ is None:
            return None
        return self.is_ >= self.bar.limit if self.bar.least else self.is_ <= self.bar.limit


def rounds(lines: Iterable[Line], figure: str, server: str, value: str) -> dict[int, float]:
    """A server's values, by round."""
    return {
        line["round"]: float(line["values"][value])
        for line in lines
        if (line["figure"], line["server"]) == (figure, server) and value in line.get("values", ())
    }


def middle(lines: Iterable[Line], figure: str, server: str, value: str) -> float | None:
    """The median of the rounds; None where there are none."""
    found = rounds(lines, figure, server, value)
    return median(found.values()) if found else None


def judge(lines: Sequence[Line], bar: Bar) -> Verdict:
    """Hold what was measured against a bar."""
    ours = rounds(lines, bar.figure, OURS, bar.value)
    values = list(ours.values())
    if bar.other is not None:
        theirs = rounds(lines, bar.other.figure or bar.figure, bar.other.server, bar.other.value or bar.value)
        values = [value / theirs[number] for number, value in ours.items() if theirs.get(number)]
    if not values:
        return Verdict(bar, None)
    return Verdict(bar, (min(values) if bar.least else max(values)) if bar.worst else median(values))


def absences(lines: Iterable[Line]) -> dict[tuple[str, str], str]:
    """Why a server has no part in a figure, by figure and server."""
    return {(line["figure"], line["server"]): str(line["absent"]) for line in lines if "absent" in line}
