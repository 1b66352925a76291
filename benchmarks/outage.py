"""
How quickly a daemon answers while its upstream does not: two daemons, the line of one of them dead, and the same requests to both, one by one in turn.

So whatever else the machine does meets both alike; then they change places. The upstream is stopped by a signal: the system goes on taking connections for
it and nothing ever answers, the worst that a line can do. All that is asked for is known, past its time, and here. Bars: the p99 of each kind of request
during the outage is at most 1.5 times that without; of the answers 503 for names and files that are not known the p99 is at most 200 ms; it is noticed
within 30 s that upstream is back.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Self
from urllib.parse import urljoin, urlsplit

import attrs
import processes
from measuring import circumstances, cpu_seconds, table
from warm import FILE, PIP

RATIO, UNKNOWN, BACK = 1.5, 0.2, 30.0
"""The bars: p99 during the outage by that without, and seconds."""
AGE = 1.0
"""Seconds for which a page is fresh, so that all of them are past their time when the line is cut."""
PAGES = ("/simple/project-0/", "/simple/project-1/")
"""The first has all its files here, the second every other one."""


@attrs.define(eq=False)
class Side:
    """A daemon, its upstream, and one connection that is kept."""

    upstream: subprocess.Popen[str]
    daemon: processes.Running
    connection: HTTPConnection
    links: tuple[list[str], ...] = ()

    @classmethod
    def begin(cls, stack: ExitStack, versions: int) -> Self:
        """Start both, and take the files."""
        command = [sys.executable, "-m", "pypidaemon.testing", "--many", "2", "--versions", str(versions), "--size", "4KiB"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        stack.callback(_end, process)
        assert process.stdout is not None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="outage-", dir=processes.scratch()))
        simple = process.stdout.readline().strip()
        daemon = stack.enter_context(processes.daemon(Path(folder), simple, sections=f"max-age = {AGE:.0f}s\n"))
        parts = urlsplit(daemon.url)
        side = cls(process, daemon, HTTPConnection(parts.hostname or "", parts.port, timeout=30))
        side.links = tuple(side.listed(page) for page in PAGES)
        for link in [*side.links[0], *side.links[1][::2]]:
            side.ask(link, FILE)
        return side

    def ask(self, path: str, fields: Mapping[str, str], status: int = 200) -> tuple[Mapping[str, str], bytes, float]:
        """Header, body and seconds of an answer, which has to have that status."""
        began = time.perf_counter()
        self.connection.putrequest("GET", path, skip_accept_encoding=True)
        for name, value in fields.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()
        response = self.connection.getresponse()
        body = response.read()
        took = time.perf_counter() - began
        assert response.status == status, (path, response.status, body[:200])
        return {name.lower(): value for name, value in response.getheaders()}, body, took

    def listed(self, page: str) -> list[str]:
        """The paths of the files on a page."""
        document = json.loads(self.ask(page, {"Accept": PIP["Accept"]})[1])
        return [urlsplit(urljoin(f"http://index.example{page}", file["url"])).path for file in document["files"]]

    def reaches(self, good: Callable[[str], bool], seconds: float) -> float:
        """
        Seconds until the upstream is in such a state.

        :raises RuntimeError: it is not within so many.
        """
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            state = str(json.loads(self.ask("/+health", {})[1])["upstreams"]["pypi"]["state"])
            if good(state):
                return time.perf_counter() - began
            time.sleep(0.02)
        raise RuntimeError(f"after {seconds:.0f} s the upstream is still {state}")

    def cut(self) -> None:
        """Have its upstream say nothing any more, and let somebody find out."""
        os.kill(self.upstream.pid, signal.SIGSTOP)
        time.sleep(AGE)
        self.ask(PAGES[0], PIP)
        self.reaches(lambda state: state in {"down", "probing"}, 30)

    def mend(self) -> float:
        """Have it answer again; the seconds until that is noticed."""
        os.kill(self.upstream.pid, signal.SIGCONT)
        return self.reaches(lambda state: state == "up", BACK)


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks/outage.py", description="What an outage costs those who ask for what is here.")
    parser.add_argument("--requests", type=int, default=400, help="of each kind, to each daemon, in each half")
    parser.add_argument("--versions", type=int, default=60, help="files of each of the two projects")
    options = parser.parse_args(arguments)
    print(circumstances())
    with ExitStack() as stack:
        sides = [Side.begin(stack, options.versions) for _ in range(2)]
        seen: dict[tuple[str, bool], list[float]] = {}
        spent: dict[tuple[str, bool], float] = {}
        unknown: list[float] = []
        backs: list[float] = []
        for dead, alive in (sides, reversed(sides)):
            dead.cut()
            for what in KINDS:
                _measured(what, {True: dead, False: alive}, options.requests, seen, spent)
            for number in range(50):
                for path in (f"/simple/unknown-{number}/", dead.links[1][1]):
                    headers, _, took = dead.ask(path, FILE, 503)
                    assert 1 <= int(headers["retry-after"]) <= 60
                    unknown.append(took)
            held = dead.ask(PAGES[1], PIP)[0]["x-pypidaemon-held"]
            backs.append(dead.mend())
        return _judged(seen, spent, unknown, backs, held, 2 * options.requests)


def _page(number: int) -> Callable[[Side], tuple[str, Mapping[str, str], int]]:
    return lambda _: (PAGES[number], PIP, 200)


def _unmodified(side: Side) -> tuple[str, Mapping[str, str], int]:
    return PAGES[0], {**PIP, "If-None-Match": side.ask(PAGES[0], PIP)[0]["etag"]}, 304


def _file(side: Side) -> tuple[str, Mapping[str, str], int]:
    return side.links[0][0], FILE, 200


KINDS: Mapping[str, Callable[[Side], tuple[str, Mapping[str, str], int]]] = {
    "page, all of it here": _page(0),
    "page, half of it here": _page(1),
    "page not modified": _unmodified,
    "file": _file,
}
"""What is asked for, and how: path, header and the status that it has to have."""


def _measured(
    what: str, sides: Mapping[bool, Side], count: int, seen: dict[tuple[str, bool], list[float]], spent: dict[tuple[str, bool], float]
) -> None:
    asked = {down: KINDS[what](side) for down, side in sides.items()}
    before = {down: cpu_seconds(side.daemon.pid) for down, side in sides.items()}
    for _ in range(count):
        for down, side in sides.items():
            seen.setdefault((what, down), []).append(side.ask(*asked[down])[2])
    for down, side in sides.items():
        spent[what, down] = spent.get((what, down), 0.0) + cpu_seconds(side.daemon.pid) - before[down]


def _judged(
    seen: Mapping[tuple[str, bool], Sequence[float]],
    spent: Mapping[tuple[str, bool], float],
    unknown: Sequence[float],
    backs: Sequence[float],
    held: str,
    count: int,
) -> int:
    rows: list[list[object]] = []
    tail = sorted(unknown)[int(len(unknown) * 0.99)]
    good = tail <= UNKNOWN and max(backs) <= BACK
    for what in KINDS:
        up, down = sorted(seen[what, False]), sorted(seen[what, True])
        tails = [latencies[int(len(latencies) * 0.99)] * 1e3 for latencies in (up, down)]
        good &= tails[1] <= RATIO * tails[0]
        costs = [spent[what, state] / count * 1e6 for state in (False, True)]
        rows.append([what, median(up) * 1e3, median(down) * 1e3, *tails, tails[1] / tails[0], *costs])
    print(table(["ms", "up: median", "down: median", "up: p99", "down: p99", "ratio", "up: CPU us", "down: CPU us"], rows))
    print(
        f"half a page: {held}; what is not known: 503, p99 {tail * 1e3:.1f} ms, median {median(unknown) * 1e3:.1f} ms; up again after {max(backs):.1f} s"
    )
    print("all bars hold" if good else "a bar is missed")
    return 0 if good else 1


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait(10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
