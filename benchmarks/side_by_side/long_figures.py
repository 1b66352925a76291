"""An upstream of 700,000 projects: what its first page and its list cost, and how soon a server is there again that knows 15,000 files of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from statistics import median
from urllib.parse import urlsplit

from measuring import Watched, get, resident

from benchmarks.side_by_side.ours import Nginx
from benchmarks.side_by_side.pressing import PIP, Unable, spent
from benchmarks.side_by_side.run import OURS, Run
from benchmarks.side_by_side.servers import Pypiserver, Server
from benchmarks.side_by_side.source import JSON

FIGURES = ("first-page", "list", "start")
PAGE = "fifty-00"
TIMES = 3
"""So often the list is got in each round; the median counts."""
QUIET, PATIENCE = 2.0, 60.0
"""Work in the background has ended when a server used no processor for so many seconds; it is waited for so long."""


def measure(run: Run) -> None:
    """Those of the figures that are asked for."""
    wanted = run.wants(*FIGURES)
    if not wanted:
        return

    def before(server: Server) -> None:
        if isinstance(server, Pypiserver):
            server.shelve(
                {
                    f"thousands_{project}-1.{number}-py3-none-any.whl": b"-"
                    for project in range(run.scale.thousands)
                    for number in range(3000)
                }
            )

    # It is made when it is first asked for, and nobody is to wait for that.
    get(f"{run.source.url}/long/simple/", {"Accept": JSON})
    with run.started("long", run.servers, f"{run.source.url}/long/simple/", wanted, before) as servers:
        _first_pages(run, servers)
        _lists(run, servers)
        _starts(run, servers)


def _first_pages(run: Run, servers: Mapping[str, Server]) -> None:
    if not run.wants("first-page"):
        return
    time.sleep(run.scale.idle)
    for name, server in run.able("first-page", servers).items():
        with run.trying(["first-page"], name), Watched(server.pid) as watched:
            began = time.perf_counter()
            statuses: list[int] = []
            while not statuses or (statuses[-1] != 200 and time.perf_counter() - began < PATIENCE):
                statuses.append(get(server.url + server.page(PAGE), {**PIP, "Connection": "close"}, deadline=120).status)
            seconds = time.perf_counter() - began
            if statuses[-1] != 200:
                raise Unable(f"the page was answered {statuses[-1]} for {PATIENCE:.0f} s")
            _settle(server)
            run.recorder.note(
                "first-page",
                name,
                0,
                {
                    "mib": resident(server.pid),
                    "before_mib": watched.before,
                    "peak_mib": watched.peak,
                    "seconds": seconds,
                    "asked": len(statuses),
                },
            )


def _lists(run: Run, servers: Mapping[str, Server]) -> None:
    if not run.wants("list"):
        return
    taking = run.able("list", servers)
    held: dict[str, float] = {}
    for name in sorted(taking, key=lambda name: (name == "nginx", name != OURS)):
        # nginx is last, since it gets its list from ours.
        server = taking[name]
        with run.trying(["list"], name):
            if isinstance(server, Nginx):
                server.copy(servers[OURS], "")
            with Watched(server.pid) as watched:
                first, _, length = received(server.url, _list(server))
                _settle(server)
            if length < run.scale.names:
                raise Unable(f"its list of {length} bytes has only what it was asked for")
            run.recorder.note(
                "list-first", name, 0, {"seconds": first, "growth_mib": watched.peak - watched.before, "after_mib": watched.after}
            )
            held[name] = length
    for turn in range(run.scale.rounds):
        for name in held:
            server = taking[name]
            with run.trying(["list"], name):
                cost = spent(server.pid)
                totals, firsts = [], []
                for _ in range(TIMES):
                    total, first, length = received(server.url, _list(server))
                    totals.append(total)
                    firsts.append(first)
                values: dict[str, float | str] = {"seconds": median(totals), "first_s": median(firsts), "bytes": length}
                run.recorder.note("list", name, turn, values | {"cpu_s": (spent(server.pid) - cost) / TIMES})
    if OURS in held:
        ours = taking[OURS]
        run.profiler.during("list", ours.pid, 3, _getting(ours, 3), "one client gets it again and again")


def _getting(server: Server, seconds: float) -> Callable[[], object]:
    def load() -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            received(server.url, _list(server))

    return load


def _list(server: Server) -> str:
    return server.page("") if isinstance(server, Nginx) else server.simple


def _starts(run: Run, servers: Mapping[str, Server]) -> None:
    if not run.wants("start"):
        return
    taking = run.able("start", servers)
    known: list[str] = []
    for name, server in taking.items():
        with run.trying(["start"], name):
            for number in range(run.scale.thousands):
                if not isinstance(server, Nginx):
                    get(server.url + server.page(f"thousands-{number}"), {**PIP, "Connection": "close"}, deadline=180)
            if not isinstance(server, Nginx | Pypiserver):
                received(server.url, _list(server))
            _settle(server)
            known.append(name)
    for turn in range(run.scale.rounds):
        for name in known:
            server = taking[name]
            with run.trying(["start"], name):
                server.stop()
                first = "/" if isinstance(server, Nginx) else server.page("thousands-0")
                seconds = server.start(first)
                run.recorder.note("start", name, turn, {"page_s": seconds, "cpu_s": spent(server.pid), "mib": resident(server.pid)})
    if OURS in known:
        ours = taking[OURS]
        ours.stop()
        with run.trying([], OURS):
            run.profiler.starting("start", ours.command(), ours.folder, 4, "started on what is known, for four seconds")


def _settle(server: Server) -> None:
    """Wait until it has done what it does in the background."""
    until, last, since = time.monotonic() + PATIENCE, spent(server.pid), time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < QUIET:
        time.sleep(0.1)
        now = spent(server.pid)
        if now > last + 0.02:
            last, since = now, time.monotonic()


def received(url: str, path: str) -> tuple[float, float, int]:
    """
    Get something as pip does and throw it away: the seconds until it was there, those until its first byte, and how many bytes there were.

    :raises Unable: it was not answered with 200.
    """
    parts = urlsplit(url)
    began = time.perf_counter()
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=180) as connection:
        fields = {"Host": parts.netloc, **PIP, "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        buffer = bytearray(1 << 18)
        count = connection.recv_into(buffer)
        first, length, head = time.perf_counter() - began, count, bytes(buffer[:64])
        while count := connection.recv_into(buffer):
            length += count
    if b" 200 " not in head.partition(b"\r\n")[0] + b" ":
        raise Unable(f"the list was answered {head.partition(b' ')[2][:30]!r}")
    return time.perf_counter() - began, first, length
