"""
What the list of very many projects costs: made for the first time, given again, made after a change, and after a restart; beside nginx with the same bytes.

The daemon's store knows some thousands of projects, its upstream lists very many. While a list is made, memory is watched, and somebody asks `/+health` all the
time: what he waits for is what the reactor was held up for, and the machine's other work. Then the daemon is ended and started again over the same data.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Self

import attrs
import processes
from catalogue import invented
from measuring import Answer, Watched, circumstances, cpu_seconds, get, resident, table
from store import filled
from warm import nginx

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
PIP = {**JSON, "Accept-Encoding": "gzip, deflate"}
MOST_TIMES_NGINX = 2.0
GROWTH = 100.0
"""MiB that the daemon may grow while a list is made."""
SHARE = 0.2
"""What it may cost to make the list after one change, of what making it anew costs."""
READY = 1.0
HELD_UP = 50.0
"""Milliseconds for which nobody else may be answered."""


@attrs.define(eq=False)
class Asker:
    """Asks over one connection, again and again, while it is entered; `longest` is the longest that it waited, in ms."""

    url: str
    longest: float = 0.0
    _stop: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _ask(self) -> None:
        host, _, port = self.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            while not self._stop.wait(0.002):
                began = time.perf_counter()
                connection.sendall(f"GET /+health HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
                heard = b""
                while b"\r\n\r\n" not in heard:
                    heard += connection.recv(65536)
                self.longest = max(self.longest, (time.perf_counter() - began) * 1000)


def made(what: str, running: processes.Running, path: str, fields: dict[str, str]) -> tuple[list[object], Answer, Watched, Asker]:
    """The line of one answer that has to be made."""
    with Watched(running.pid, 0.01) as watched, Asker(running.url) as asker:
        answer = get(running.url + path, fields)
    if answer.status != 200:
        raise RuntimeError(f"{what}: status {answer.status}")
    row: list[object] = [what, answer.total * 1000, watched.cpu * 1000, answer.length / 1e6, watched.before, watched.peak, asker.longest]
    return row, answer, watched, asker


def changed(running: processes.Running, upstream: str) -> tuple[list[object], float]:
    """The line of the list after a change in one place, and the processor time in s: a page is newer than the list, so its number stands there from then on."""
    get(f"{upstream}/+touch?1")
    get(f"{running.url}/simple/{invented(0)}/", PIP)
    row, _, watched, _ = made("list after one change, gzip", running, "/simple/", PIP)
    return row, watched.cpu


def again(running: processes.Running, path: str, times: int, fields: dict[str, str] | None = None) -> tuple[float, float]:
    """The median time and the processor time of one answer that is ready, in ms."""
    before, spent = cpu_seconds(running.pid), []
    for _ in range(times):
        answer = get(running.url + path, PIP if fields is None else fields)
        spent.append(answer.total * 1000)
    return median(spent), (cpu_seconds(running.pid) - before) * 1000 / times


def main(arguments: list[str]) -> int:
    """Measure, print, and answer 0 where every bar is met, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks/lists.py", description="The list of very many projects.")
    parser.add_argument("--listed", type=int, default=700_000)
    parser.add_argument("--stored", type=int, default=15_000, help="projects whose pages are here")
    parser.add_argument("--times", type=int, default=20, help="how often a ready list is asked for")
    options = parser.parse_args(arguments)
    print(circumstances())
    upstream, _ = processes.upstream("--projects", "2", "--each", "1", "--listed", str(options.listed), script="catalogue.py")
    bars: list[list[object]] = []
    rows: list[list[object]] = []
    with upstream, tempfile.TemporaryDirectory(prefix="lists-", dir=processes.scratch()) as name:
        folder = Path(name)
        data = folder / "data"
        shutil.copytree(filled(options.stored, 1), data)
        simple = f"{upstream.url}/simple/"
        # It makes its list when it is first asked for it, and answers nobody meanwhile.
        get(simple)
        with processes.daemon(folder, simple, data) as running:
            row, *_ = made("first page of a project", running, "/simple/seed-00000/", PIP)
            rows.append(row)
            bars.append(["RSS MiB after the first page", resident(running.pid), 100.0])
            row, _, watched, asker = made("list fetched and made, gzip", running, "/simple/", PIP)
            rows.append(row)
            row, _, watched, asker = made("list made, zstd", running, "/simple/", {**JSON, "Accept-Encoding": "zstd"})
            rows.append(row)
            whole = watched.cpu
            bars.append(["growth in MiB while a list is made", watched.peak - watched.before, GROWTH])
            bars.append(["longest wait of others, ms", asker.longest, HELD_UP])
            row, *_ = made("list made, HTML, gzip", running, "/simple/", {"Accept": "text/html", "Accept-Encoding": "gzip"})
            rows.append(row)
            row, spent = changed(running, upstream.url)
            rows.append(row)
            bars.append(["processor time after one change, share of making all", spent / whole, SHARE])
            ours, cost = again(running, "/simple/", options.times)
            answer = get(f"{running.url}/simple/", PIP, keep=True)
            not_modified, cheap = again(running, "/simple/", options.times, {**PIP, "If-None-Match": answer.headers["etag"]})
            after, url = resident(running.pid), running.url
        with nginx(folder, {"list": ("application/vnd.pypi.simple.v1+json", b"-", answer.body)}) as anchor:
            theirs, their_cost = again(anchor, "/list", options.times)
        # By the same configuration to the byte, or all would be rendered anew.
        command = [sys.executable, "-m", "pypidaemon", "run", "-c", str(folder / "config.ini")]
        with processes.start(command, folder, "again.log") as running:
            running.url = url
            started = processes.await_answer(running, "/+ready", lambda answer: answer.status == 200, 60, folder / "again.log").started
            row, *_ = made("list after a restart, gzip", running, "/simple/", PIP)
            rows.append(row)
            resident_after = resident(running.pid)
    print(table(("answer", "ms", "CPU ms", "MB", "RSS before", "peak", "longest wait ms"), rows))
    print(
        f"ready list: {ours:.1f} ms, CPU {cost:.1f} ms; nginx {theirs:.1f} ms, CPU {their_cost:.1f} ms; not modified {not_modified:.1f} ms, {cheap:.1f} ms CPU"
    )
    print(f"RSS after all of it {after:.0f} MiB; after the restart and one list {resident_after:.0f} MiB")
    bars.append(["ready list, times nginx", ours / theirs, MOST_TIMES_NGINX])
    bars.append(["start, s", started, READY])
    return judged(bars)


def judged(bars: list[list[object]]) -> int:
    """Print the bars with what they came to, and answer 0 where every one is met, else 1."""
    rows = [[what, value, bar, "met" if value <= bar else "MISSED"] for what, value, bar in bars]  # type: ignore[operator]
    print(table(("bar", "is", "at most", ""), rows))
    return 0 if all(row[3] == "met" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
