"""
How soon a daemon answers after its start, and how much memory it takes when it has nothing to do.

With an empty store, and with one that knows many projects. Times run from the start of the process to the first answer of 200 to `/+ready`
and, asked for right after that, to a project's page: with the empty store one that has to be fetched from an upstream on this machine,
with the full one a page that is held. Memory is looked at after some idle seconds.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import processes
from measuring import circumstances, cpu_seconds, get, resident, table
from store import filled

READY = 1.0
"""Seconds that a start may take."""
IDLE = 60.0
"""MiB that an idle daemon may have resident; the unit in which the reference has its peers' figures."""
HEADING = ("store", "ready s", "page s", "RSS MiB", "threads", "CPU s to ready", "idle CPU %")


def measure(name: str, folder: Path, simple: str, data: Path | None, *, project: str, idle: float) -> list[object]:
    """The line of one start."""
    began = time.perf_counter()
    with processes.daemon(folder, simple, data) as running:
        ready, spent = running.started, cpu_seconds(running.pid)
        answer = get(f"{running.url}/simple/{project}/", {"Accept": "application/vnd.pypi.simple.v1+json"})
        page = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{name}: the page of {project} has status {answer.status}")
        time.sleep(1)
        before = cpu_seconds(running.pid)
        time.sleep(idle)
        busy = (cpu_seconds(running.pid) - before) / idle * 100
        threads = len(list(Path(f"/proc/{running.pid}/task").iterdir()))
        return [name, ready, page, resident(running.pid), threads, spent, busy]


def main(arguments: list[str]) -> int:
    """Measure, print, and answer 0 where every bar is met, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks/footprint.py", description="Start-up time and idle memory.")
    parser.add_argument("--projects", type=int, default=100_000, help="in the full store")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=5.0, help="seconds to wait before memory is looked at")
    options = parser.parse_args(arguments)
    print(circumstances())
    full = filled(options.projects)
    rows: list[list[object]] = []
    upstream, _ = processes.upstream("--files", "1", "--size", "1kB")
    with upstream:
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory(prefix="footprint-", dir=processes.scratch()) as name:
                folder = Path(name)
                rows.append(measure("empty", folder, f"{upstream.url}/simple/", None, project="big0", idle=options.idle))
                # A copy, because a daemon writes; made with its pages still in the machine's cache, which is a restart's usual case.
                data = folder / "full"
                shutil.copytree(full, data)
                project = f"project-{options.projects * (number + 1) // (options.rounds + 1)}"
                rows.append(
                    measure(f"{options.projects} projects", folder, "http://127.0.0.1:9/simple/", data, project=project, idle=options.idle)
                )
    print(table(HEADING, rows))
    bars = []
    for store in dict.fromkeys(str(row[0]) for row in rows):
        chosen = [row for row in rows if row[0] == store]
        for column, what, bar in ((1, "ready s", READY), (2, "page s", READY), (3, "RSS MiB", IDLE)):
            value = median([float(str(row[column])) for row in chosen])
            bars.append([f"{store}: {what}", value, bar, "met" if value <= bar else "MISSED"])
    print(table(("median of the rounds", "is", "bar", ""), bars))
    return 0 if all(bar[3] == "met" for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
