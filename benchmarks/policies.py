"""
What policies cost: the judging of a page of 3,000 files by each of them, and a warm page seen through some of them beside the same page plain.

Bars: less than 10 ms for each policy and page, and less than 5 % of processor time for each warm page.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import attrs
import processes
from measuring import circumstances, table
from store import page, with_pages
from twisted.internet import reactor
from warm import PIP, Case, press

from pypidaemon.assembly import make, plan
from pypidaemon.interfaces import IPolicy
from pypidaemon.judging import Rules, left_by
from pypidaemon.model import File, Filename, ProjectPage

FILES = 3000
JUDGING_MS = 10.0
WARM_RATIO = 1.05

POLICIES = """
[policy:names]
use = names
allow = large three-* fifty
[policy:filenames]
use = filenames
deny = *-win32.whl *.exe
[policy:versions]
use = versions
deny = large >=2,<3
[policy:pre-releases]
use = pre-releases
[policy:newest]
use = newest
count = 20
[policy:kinds]
use = kinds
deny = sdist
[policy:platforms]
use = platforms
deny = windows
[policy:pythons]
use = pythons
versions = 3.11 3.12
[policy:sizes]
use = sizes
at-most = 100MiB
[policy:maximum-age]
use = maximum-age
age = 3000d
[policy:yanked]
use = yanked
[policy:statuses]
use = statuses
deny = archived
[policy:minimum-age]
use = minimum-age
age = 3d
[policy:freeze]
use = freeze
moment = 2026-01-01
[policy:blocked]
use = blocked
[policy:licences]
use = licences
deny = AGPL*
[policy:classifiers]
use = classifiers
deny = Private ::*
"""
"""One of each that judges by what pages say; those over metadata judge here what they do not know, which is the usual case."""

TAGS = (
    "py3-none-any", "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp311-cp311-win32", "cp311-cp311-win_amd64",
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp312-cp312-win32", "cp312-cp312-macosx_11_0_arm64", "cp313-cp313-win_amd64",
    "cp313-cp313-musllinux_1_2_aarch64",
)  # fmt: skip
"""What the wheels of each release are for; the tenth file is its source distribution."""


def large() -> ProjectPage:
    """A page of 300 releases, each with ten files."""
    plain = page("large", FILES)
    files: list[File] = []
    for number, file in enumerate(plain.files):
        version, place = divmod(number, len(TAGS) + 1)
        name = f"large-1.{version}.tar.gz" if place == len(TAGS) else f"large-1.{version}-{TAGS[place]}.whl"
        files.append(attrs.evolve(file, filename=Filename(name)))
    return ProjectPage(plain.name, tuple(files), tuple(f"1.{number}" for number in range(FILES // (len(TAGS) + 1))), revision="as it is")


def judging(rounds: int) -> list[list[object]]:
    """For each policy what judging the large page by it adds: the first time, and the median of the next times."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.ini"
        names = [line[8:-1] for line in POLICIES.splitlines() if line.startswith("[policy:")]
        seen = f"[daemon]\nindex = seen\n[index:seen]\nuse = policed\nindex = pypi\npolicies = {' '.join(names)}\n"
        file.write_text(seen + POLICIES)
        made = make(plan(str(file)), reactor)
    inner = large()
    now = time.time()
    rows: list[list[object]] = []
    nothing = _timed(Rules(()), inner, now, rounds)
    for name in names:
        policy: IPolicy = made.objects[f"policy:{name}"]
        times = _timed(Rules((policy,)), inner, now, rounds)
        rows.append([name, times[0] - nothing[0], median(times[1:]) - median(nothing[1:]), len(_left(policy, inner, now).files)])
    return rows


def _left(policy: IPolicy, inner: ProjectPage, now: float) -> ProjectPage:
    return left_by(inner, Rules((policy,)).judge(inner, now))


def _timed(rules: Rules, inner: ProjectPage, now: float, rounds: int) -> list[float]:
    """Milliseconds for each time."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        rules.judge(inner, now)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def warm(options: argparse.Namespace) -> list[list[object]]:
    """CPU microseconds for each warm page, plain and through policies, and their ratio."""
    sections = POLICIES + "\n[index:seen]\nuse = policed\nindex = pypi\npolicies = names filenames pre-releases minimum-age\n"
    upstream, _ = processes.upstream("--files", "1", "--size", "50kB", "--name", "small")
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="policies-", dir=processes.scratch()) as name, upstream:
        data = Path(name) / "data"
        with_pages(data, {"fifty": 50, "three-thousand": FILES})
        with processes.daemon(Path(name), f"{upstream.url}/simple/", data, sections=sections) as daemon:
            for project in ("fifty", "three-thousand"):
                paths = {"plain": f"/index/pypi/simple/{project}/", "policed": f"/index/seen/simple/{project}/"}
                costs: dict[str, list[float]] = {}
                for _ in range(options.rounds):
                    for kind, path in paths.items():
                        case = Case(project, PIP, path, path)
                        costs.setdefault(kind, []).append(press(case, daemon, path, options.seconds, options.connections).cost)
                plain, policed = median(costs["plain"]), median(costs["policed"])
                rows.append([project, plain, policed, policed / plain])
    return rows


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks/policies.py", description="What policies cost.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="for each warm case and round")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args(arguments)
    print(circumstances())
    judged = judging(options.rounds)
    print(table(("policy", "first, ms", "again, ms", "files left"), judged))
    missed = [str(row[0]) for row in judged if float(str(row[1])) >= JUDGING_MS]
    if shutil.which("wrk") is None:
        print("the warm part is skipped: wrk is not installed")
    else:
        warmed = warm(options)
        print(table(("warm page", "plain, CPU us", "policed, CPU us", "ratio"), warmed))
        missed += [str(row[0]) for row in warmed if float(str(row[3])) >= WARM_RATIO]
    print(f"missed: {' '.join(missed)}" if missed else "all bars are met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
