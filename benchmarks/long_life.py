"""
What a daemon holds after very many requests: memory and open files, looked at again and again.

Some clients on kept connections ask for pages of two kinds, lists, files, names that nobody has, with wrong words, and for the state. After every
so many the daemon is told to read its configuration again, and the upstream goes away and comes back. The first fifth warms up; the slope of a
straight line through the rest is what is judged.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import processes
from measuring import circumstances, family, first_link, resident, table

SLOPE = 5.0
"""MiB by which memory may grow over 100,000 requests."""
FILES = 2
"""Open files by which it may grow over them."""
AT_ONCE = 16
"""Requests that a client sends before it reads the answers."""
HEADING = ("requests", "seconds", "RSS MiB", "open files", "threads", "upstream", "reloads")


def kinds(projects: Sequence[str], links: Sequence[str]) -> list[bytes]:
    """The requests that clients choose among."""
    found = []
    for project in projects:
        path = f"/simple/{project}/"
        found += [_request(path, "Accept: application/vnd.pypi.simple.v1+json"), _request(path, "Accept-Encoding: gzip"), _request(path)]
    found += [_request(link) for link in links]
    found += [_request(f"/simple/missing-{number}/") for number in range(4)]
    found.append(_request("/+ready"))
    # A wrong word costs a tenth of a second of processor, so that nobody guesses many; one request in a thousand has one.
    wrong = _request(f"/simple/{projects[0]}/", "Authorization: Basic d3Jvbmc6d29yZA==")
    return [*found * (1000 // len(found)), wrong]


def _request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: long-life/1", *headers, "", ""]).encode()


def _link(page: str) -> str:
    """The path of the first file on that page, which is asked for until it is there: the machine may be busy."""
    for _ in range(30):
        try:
            return urlsplit(first_link(page)).path
        except ValueError:
            time.sleep(1)
    raise RuntimeError(f"{page} lists no file")


class Reader:
    """Reads answers from a connection, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""

    def status(self) -> int:
        """The status of the next answer, with all of it read."""
        head = self._upto(b"\r\n\r\n").decode("latin-1").lower()
        length = next((line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")), None)
        if length is not None:
            self._take(int(length))
        elif "transfer-encoding: chunked" in head:
            while size := int(self._upto(b"\r\n"), 16):
                self._take(size + 2)
            self._take(2)
        return int(head[9:12])

    def _more(self) -> None:
        piece = self._connection.recv(1 << 18)
        if not piece:
            raise ConnectionError("closed in the middle of an answer")
        self._data += piece

    def _upto(self, end: bytes) -> bytes:
        while end not in self._data:
            self._more()
        taken, _, self._data = self._data.partition(end)
        return taken

    def _take(self, count: int) -> None:
        while len(self._data) < count:
            self._more()
        self._data = self._data[count:]


def ask(url: str, choices: Sequence[bytes], count: int, seed: int, statuses: Counter[int], failures: list[str]) -> None:
    """Send so many requests, and count how they were answered; a connection is used for a few hundred."""
    chosen = random.Random(seed)
    parts = urlsplit(url)
    try:
        while count > 0:
            with socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=60) as connection:
                reader = Reader(connection)
                for _ in range(min(count, 320) // AT_ONCE or 1):
                    connection.sendall(b"".join(chosen.choices(choices, k=AT_ONCE)))
                    statuses.update(reader.status() for _ in range(AT_ONCE))
                    count -= AT_ONCE
    except (OSError, ValueError) as error:
        failures.append(f"{type(error).__name__}: {error}")


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line that is nearest to these points (least squares)."""
    x, y = (sum(point[part] for point in points) / len(points) for part in (0, 1))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def main(arguments: list[str]) -> int:
    """Measure, print, and answer 0 where every bar is met, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks/long_life.py", description="Memory and open files over very many requests.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print(circumstances())
    statuses: Counter[int] = Counter()
    failures: list[str] = []
    rows: list[list[object]] = []
    part = options.requests // 20
    with tempfile.TemporaryDirectory(prefix="long-life-", dir=processes.scratch()) as name:
        upstream, _ = processes.upstream("--files", "8", "--size", "20kB")
        # Pages are fresh for some seconds, so that they are fetched again and again.
        with upstream, processes.daemon(Path(name), f"{upstream.url}/simple/", sections="max-age = 5s\n") as running:
            projects = [f"big{number}" for number in range(8)]
            links = [_link(f"{running.url}/simple/{project}/") for project in projects]
            choices = kinds(projects, links)
            reloads = 0
            began = time.perf_counter()
            for turn in range(20):
                away = turn % 4 == 2
                os.kill(upstream.pid, signal.SIGSTOP if away else signal.SIGCONT)
                clients = [
                    threading.Thread(
                        target=ask,
                        args=(running.url, choices, part // options.clients, options.seed + turn * 100 + number, statuses, failures),
                    )
                    for number in range(options.clients)
                ]
                for client in clients:
                    client.start()
                for client in clients:
                    client.join()
                os.kill(upstream.pid, signal.SIGCONT)
                if turn % 3 == 1:
                    os.kill(running.pid, signal.SIGHUP)
                    reloads += 1
                done = sum(statuses.values())
                files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in family(running.pid))
                tasks = len(os.listdir(f"/proc/{running.pid}/task"))
                spent = time.perf_counter() - began
                print(f"{done} requests after {spent:.0f} s", file=sys.stderr, flush=True)
                rows.append([done, spent, resident(running.pid), files, tasks, "away" if away else "there", reloads])
    print(table(HEADING, rows))
    print(f"answers: {dict(sorted(statuses.items()))}; failures: {len(failures)} {failures[:3]}")
    later = rows[4:]
    grown = slope([(float(str(row[0])) / 100_000, float(str(row[2]))) for row in later])
    opened = slope([(float(str(row[0])) / 100_000, float(str(row[3]))) for row in later])
    bars = [
        ["MiB per 100,000 requests", grown, SLOPE, "met" if grown <= SLOPE else "MISSED"],
        ["open files per 100,000 requests", opened, FILES, "met" if opened <= FILES else "MISSED"],
        ["answers of 500, or cut", statuses[500] + len(failures), 0, "met" if not statuses[500] + len(failures) else "MISSED"],
    ]
    print(table(("bar", "is", "at most", ""), bars))
    return 0 if all(bar[3] == "met" for bar in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
