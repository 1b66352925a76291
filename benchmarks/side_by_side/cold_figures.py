"""A file of 100 MB that nobody has yet, at 20 MiB a second from the upstream: for one client, and for twenty at once; directly as well."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import measuring
from measuring import first_link

from benchmarks.side_by_side.clients import Got, at_once, get
from benchmarks.side_by_side.ours import Nginx, NginxCache
from benchmarks.side_by_side.pressing import Unable, spent
from benchmarks.side_by_side.run import OURS, Run
from benchmarks.side_by_side.servers import Server, first_file

FIGURES = ("cold", "stampede")
LONG = frozenset({"devpi"})
"""These take half a minute for each stampede, so that they get one round."""
SETTLING = 60.0
"""Seconds that a server has to end the transfers it began for itself."""
QUIET = 0.5
"""It has ended them when nothing was sent for so long."""


def measure(run: Run, servers: Mapping[str, Server]) -> None:
    """Those of the figures that are asked for; one of the projects for each round and figure, which no server has seen."""
    wanted = run.wants(*FIGURES)
    if not wanted:
        return
    taking = {name: server for name, server in servers.items() if not isinstance(server, Nginx)}
    cache = NginxCache(run.folder / "warm" / "nginx-cache", f"{run.source.url}/simple/") if "nginx" in servers else None
    try:
        if cache is not None:
            with run.trying(wanted, "nginx"):
                cache.start()
                taking["nginx"] = cache
        number = 0
        for figure in wanted:
            for turn in range(run.scale.rounds):
                _round(run, figure, taking, turn, f"cold-{number:02}")
                number += 1
        if OURS in taking and run.profiler.place is not None:
            for figure in wanted:
                clients = 1 if figure == "cold" else run.scale.clients
                link = _link(run, taking[OURS], f"cold-{number:02}")
                run.profiler.during(figure, taking[OURS].pid, 6, partial(at_once, link, clients), f"clients: {clients}")
                number += 1
    finally:
        if cache is not None:
            cache.stop()


def _round(run: Run, figure: str, servers: Mapping[str, Server], turn: int, project: str) -> None:
    if figure == "cold":
        answer = get(first_link(f"{run.source.url}/simple/{project}/"))
        run.recorder.note(figure, "direct", turn, {"first_s": answer.first, "total_s": answer.total})
    for name, server in run.able(figure, servers).items():
        if figure == "stampede" and name in LONG and turn:
            continue
        with run.trying([figure], name):
            values = fetched(run, server, project, 1 if figure == "cold" else run.scale.clients)
            run.recorder.note(figure, name, turn, values)


def _link(run: Run, server: Server, project: str) -> str:
    """The URL of a project's one file at a server. Its page is looked at first, as installers do."""
    if isinstance(server, NginxCache):
        return f"{server.url}{_path(run, project)}"
    return server.url + first_file(server, project)


def _path(run: Run, project: str) -> str:
    return str(urlsplit(first_link(f"{run.source.url}/simple/{project}/")).path)


def fetched(run: Run, server: Server, project: str, clients: int) -> dict[str, float | str]:
    """
    Let clients get a project's file, all at once.

    :raises Unable: somebody got something else.
    """
    url = _link(run, server, project)
    path = _path(run, project)
    before, cost = counted(run)[path], spent(server.pid)
    began = time.perf_counter()
    answers = at_once(url, clients)
    wall = time.perf_counter() - began
    wrong = [
        answer
        for answer in answers
        if answer.status != 200 or answer.length != before["length"] or answer.sha256 not in {"", before["sha256"]}
    ]
    if wrong:
        raise Unable(f"{len(wrong)} of {clients} got something else: {[(answer.status, answer.length) for answer in wrong[:3]]}")
    after = _settled(run, path)
    return _values(answers, wall) | {
        "fetches": after["requests"] - before["requests"],
        "upstream_mb": (after["sent"] - before["sent"]) / 1e6,
        "cpu_s": spent(server.pid) - cost,
    }


def _values(answers: list[Got], wall: float) -> dict[str, float | str]:
    firsts = sorted(answer.first for answer in answers)
    return {
        "first_s": firsts[-1],
        "first_median_s": firsts[len(firsts) // 2],
        "total_s": max(answer.total for answer in answers),
        "wall_s": wall,
        "redirected": sum(answer.hops > 0 for answer in answers),
    }


def counted(run: Run) -> dict[str, dict[str, Any]]:
    """How often each large file was asked of the upstream, and how many bytes of it were sent, by its path."""
    found: dict[str, dict[str, Any]] = json.loads(measuring.get(f"{run.source.url}/+count", keep=True).body)
    return found


def _settled(run: Run, path: str) -> dict[str, Any]:
    """The same of one, once nothing of it is under way any more: a server that sent its clients elsewhere may still fetch for itself."""
    deadline = time.monotonic() + SETTLING
    last = counted(run)[path]
    while time.monotonic() < deadline:
        time.sleep(QUIET)
        now = counted(run)[path]
        if now == last:
            return now
        last = now
    return last
