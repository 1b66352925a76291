"""
A file that is not here yet: how soon and how fast it comes through, for one client and for twenty at once, and at what cost.

Every round takes three files that nobody asked for before: one is got from the upstream directly, one through the daemon by one client,
one through the daemon by many at once. Everything is checked against the sha256 that the upstream made its files with.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import attrs
import processes
from measuring import Answer, Watched, at_once, circumstances, first_link, get, table
from upstream import size

FLAT = 16.0
"""By how many MiB memory may move while a file of any size passes."""


@attrs.frozen
class Case:
    """What one way of getting a file came to; `watched` is None where no server of ours was between."""

    way: str
    answers: Sequence[Answer]
    requests: int
    sent: int
    watched: Watched | None = None

    @property
    def totals(self) -> list[float]:
        """How long each client took."""
        return [answer.total for answer in self.answers]

    def row(self, direct: float) -> list[object]:
        """The line of the table."""
        firsts = [answer.first for answer in self.answers]
        redirected = sum(bool(answer.hops) for answer in self.answers)
        watched = self.watched
        memory = ("-", "-", "-", "-") if watched is None else (watched.cpu, watched.before, watched.peak, watched.after)
        return [
            self.way, median(firsts), max(firsts), median(self.totals), max(self.totals), max(self.totals) / direct,
            self.requests, f"{self.sent / 1e6:.0f}", redirected, *(f"{cell:.2f}" if isinstance(cell, float) else cell for cell in memory),
        ]  # fmt: skip


HEADING = (
    "way", "first s", "worst", "total s", "worst", "/ direct", "transfers", "MB up", "redirected", "CPU s", "RSS before", "peak", "after MiB",
)  # fmt: skip


def through(way: str, page: str, told: dict[str, Any], upstream: processes.Running, pid: int, *, clients: int) -> Case:
    """
    Let clients get the one file of a project from an index, all at once. Its page is looked at first, as installers do.

    :raises ValueError: somebody got other bytes.
    """
    url = first_link(page)
    project = urlsplit(page).path.split("/")[-2]
    with Watched(pid) as watched:
        answers = at_once(url, clients)
    for answer in answers:
        if answer.status != 200 or answer.sha256 != told["sha256"]:
            raise ValueError(f"{way}: status {answer.status}, {answer.length} bytes, sha256 {answer.sha256}")
    # A server that sent its clients elsewhere may still be fetching for itself.
    deadline = time.monotonic() + 60
    requests, sent = processes.transfers(upstream, project)
    while sent < requests * told["size"] and time.monotonic() < deadline:
        time.sleep(0.2)
        requests, sent = processes.transfers(upstream, project)
    return Case(way, answers, requests, sent, watched)


def directly(project: str, told: dict[str, Any], upstream: processes.Running) -> Case:
    """Get a file from the upstream itself."""
    answer = get(told["url"])
    assert answer.sha256 == told["sha256"]
    return Case("direct", [answer], *processes.transfers(upstream, project))


def throttled(options: argparse.Namespace, folder: Path) -> bool:
    """The table of one, and of many, clients; answer whether the bars are met."""
    arguments = ("--files", str(3 * options.rounds), "--size", options.size, "--rate", options.rate)
    rows: list[list[object]] = []
    cases: dict[str, list[Case]] = {"direct": [], "one": [], "many": []}
    upstream, files = processes.upstream(*arguments)
    with upstream:
        running, simple = _server(options.peer, folder, f"{upstream.url}/simple/")
        with running:
            for number in range(options.rounds):
                one, many, plain = (f"big{3 * number + offset}" for offset in range(3))
                cases["direct"].append(directly(plain, files[plain], upstream))
                cases["one"].append(through("1 client", f"{simple}{one}/", files[one], upstream, running.pid, clients=1))
                way = f"{options.clients} clients"
                cases["many"].append(through(way, f"{simple}{many}/", files[many], upstream, running.pid, clients=options.clients))
                direct = cases["direct"][-1].totals[0]
                rows += [cases[kind][-1].row(direct) for kind in ("direct", "one", "many")]
    print(f"\n{options.peer or 'pypidaemon'}: a cold file of {options.size}, {options.rate} a second for each connection")
    print(table(HEADING, rows))
    return _verdict(cases)


def _verdict(cases: dict[str, list[Case]]) -> bool:
    late = median([one.answers[0].first - direct.answers[0].first for one, direct in zip(cases["one"], cases["direct"], strict=True)])
    longer = median([one.totals[0] / direct.totals[0] for one, direct in zip(cases["one"], cases["direct"], strict=True)])
    slower = median([max(many.totals) / one.totals[0] for many, one in zip(cases["many"], cases["one"], strict=True)])
    most = max(case.requests for case in (*cases["one"], *cases["many"]))
    grown = max(case.watched.peak - case.watched.before for case in (*cases["one"], *cases["many"]) if case.watched is not None)
    bars = [
        ("first byte later than direct, ms", late * 1000, 50.0),
        ("total / direct", longer, 1.05),
        ("slowest of many / one", slower, 1.1),
        ("upstream transfers of one file", float(most), 1.0),
        ("memory grown by, MiB", grown, FLAT),
    ]
    return _report(bars)


def _report(bars: Sequence[tuple[str, float, float]]) -> bool:
    print(
        table(("median of the rounds", "is", "bar", ""), [[what, is_, bar, "met" if is_ <= bar else "MISSED"] for what, is_, bar in bars])
    )
    return all(is_ <= bar for _, is_, bar in bars)


def big(options: argparse.Namespace, folder: Path) -> bool:
    """One file far larger than memory should ever hold, as fast as it goes; answer whether memory stayed flat."""
    upstream, files = processes.upstream("--files", "3", "--size", options.big, "--name", "huge")
    with upstream:
        running, simple = _server(options.peer, folder, f"{upstream.url}/simple/")
        with running:
            # The first file of all also pays for what is only made once, threads and connections among them.
            first = through("1 client, first of all", f"{simple}huge0/", files["huge0"], upstream, running.pid, clients=1)
            case = through("1 client", f"{simple}huge1/", files["huge1"], upstream, running.pid, clients=1)
            direct = directly("huge2", files["huge2"], upstream)
    print(f"\n{options.peer or 'pypidaemon'}: a cold file of {options.big}, unthrottled")
    print(table(HEADING, [each.row(direct.totals[0]) for each in (direct, first, case)]))
    assert case.watched is not None
    assert first.watched is not None
    return _report(
        [
            ("memory grown by, MiB, first of all", first.watched.peak - first.watched.before, FLAT),
            ("memory grown by, MiB, then", case.watched.peak - case.watched.before, FLAT),
        ]
    )


def _server(peer: str | None, folder: Path, simple: str) -> tuple[processes.Running, str]:
    if peer is not None:
        return processes.peer(peer, folder, simple)
    running = processes.daemon(folder, simple)
    return running, f"{running.url}/simple/"


def main(arguments: list[str]) -> int:
    """Measure, print, and answer 0 where every bar is met, 1 where one is missed (peers always answer 0)."""
    parser = argparse.ArgumentParser(prog="benchmarks/cold.py", description="Cold files through the daemon.")
    parser.add_argument("--size", default="100MB")
    parser.add_argument("--rate", default="20MB", help="bytes a second of each connection to the upstream")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--big", nargs="?", const="2GB", default=None, metavar="SIZE", help="measure memory on one huge file instead")
    parser.add_argument("--peer", choices=("devpi", "proxpi"), help="measure this server instead, installed below .cache/peers")
    options = parser.parse_args(arguments)
    for given in (options.size, options.rate, options.big or "0"):
        size(given)
    print(circumstances())
    with tempfile.TemporaryDirectory(prefix="pypidaemon-cold-", dir=processes.scratch()) as folder:
        try:
            met = (big if options.big else throttled)(options, Path(folder))
        except LookupError as error:
            print(f"skipped: {error}")
            return 0
    return 0 if met or options.peer else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
