"""
What further processes bring (`[daemon] workers`): the requests for a warm page that one daemon answers in a second with one process, with two, and so on.

The load has to run somewhere too: where there are no more processors than processes, it takes its share from them, so look at the CPU of each request
and at what each process used of a processor. Needs `wrk`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import attrs
import processes
from measuring import circumstances, cpu_seconds, family, get, table
from store import with_pages
from warm import PIP

PROJECT = "fifty"
_TICK = 0.01


@attrs.frozen
class Load:
    """What came of some seconds: answers in a second, CPU in microseconds for each, and what each process used of a processor, the keeper first."""

    speed: float
    cost: float
    shares: tuple[float, ...]


def press(running: processes.Running, path: str, seconds: int, connections: int, threads: int) -> Load:
    """
    Ask for one page as fast as it is answered.

    :raises RuntimeError: it was not.
    """
    members = family(running.pid)
    before = [_own(member) for member in members]
    fields = [word for name, value in PIP.items() for word in ("-H", f"{name}: {value}")]
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", *fields, running.url + path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    spent = [_own(member) - was for member, was in zip(members, before, strict=True)]
    line = next((line for line in done.stdout.splitlines() if " requests in " in line), "")
    if not line or "Non-2xx" in done.stdout or not int(line.split()[0]):
        raise RuntimeError(f"{done.stdout}{done.stderr}")
    count = int(line.split()[0])
    return Load(count / seconds, sum(spent) / count * 1e6, tuple(share / seconds for share in spent if share > _TICK))


def _own(pid: int) -> float:
    # Of a process the others descend from, all is counted by `cpu_seconds`, so theirs is taken off.
    return cpu_seconds(pid) - sum(cpu_seconds(other) for other in family(pid)[1:] if _parent(other) == pid)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _await(daemon: processes.Running, path: str, count: int) -> None:
    """
    Ask until the page is ready, and every process has begun, before anybody stays connected.

    :raises RuntimeError: they do not.
    """
    for _ in range(600):
        get(daemon.url + path, {**PIP, "Connection": "close"})
        listening = [pid for pid in family(daemon.pid)[1:] if _sockets(pid) > 1]
        if len(listening) >= count - 1:
            return
        time.sleep(0.05)
    raise RuntimeError(f"there are no {count} processes")


def _sockets(pid: int) -> int:
    found = 0
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            # It may be closed by now.
            with suppress(OSError):
                found += os.readlink(file).startswith("socket:")
    return found


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks/workers.py", description="What further processes bring.")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="for each number of processes and round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1, help="of the load")
    options = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        print("skipped: wrk is not installed")
        return 0
    print(circumstances())
    loads: dict[int, list[Load]] = {count: [] for count in options.processes}
    upstream, _ = processes.upstream("--files", "1", "--size", "50kB", "--name", "file")
    with tempfile.TemporaryDirectory(prefix="workers-", dir=processes.scratch()) as name, upstream:
        for round_ in range(options.rounds):
            for count in options.processes:
                folder = Path(name) / f"{round_}-{count}"
                folder.mkdir()
                with_pages(folder / "data", {PROJECT: 50})
                settings = f"workers = {count}\n"
                with processes.daemon(folder, f"{upstream.url}/simple/", folder / "data", settings=settings) as daemon:
                    path = f"/simple/{PROJECT}/"
                    _await(daemon, path, count)
                    press(daemon, path, 1, options.connections, options.threads)
                    loads[count].append(press(daemon, path, options.seconds, options.connections, options.threads))
    one = median([load.speed for load in loads[options.processes[0]]])
    rows: list[list[object]] = []
    for count, found in loads.items():
        speed = median([load.speed for load in found])
        shares = max(found, key=lambda load: load.speed).shares
        rows.append([count, speed, speed / one, median([load.cost for load in found]), " + ".join(f"{share:.2f}" for share in shares)])
    print(table(("processes", "requests/s", "times", "CPU us", "processors used by each"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
