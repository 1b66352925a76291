"""
Idle connections by the thousand to a real daemon, and what they cost those that ask for something.

Bars: every request among them is answered, the slowest health check takes less than a second, and once the crowd has gone there is nothing left of it. By
default there are 10,000 over the 4,000 places of an ordinary daemon; with `--places 12000` it has to hold them all.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from measuring import circumstances, resident, table


def main() -> int:
    """Start a daemon, crowd it, and measure."""
    arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    arguments.add_argument("--connections", type=int, default=10_000, help="how many stay idle")
    arguments.add_argument("--places", type=int, default=4000, help="[daemon] connections")
    arguments.add_argument(
        "--files", type=int, default=0, help="how many files the daemon may have open, where that is to be fewer than the system allows"
    )
    arguments.add_argument("--drip", action="store_true", help="each sends the beginning of a head")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return crowd(Path(folder), given)


def crowd(folder: Path, given: argparse.Namespace) -> int:
    """One round."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "c.ini").write_text(
        f"[daemon]\nlisten = tcp:{port}:interface=127.0.0.1:backlog=4096\ndata = var\nconnections = {given.places}\n"
    )
    command = [sys.executable, "-m", "pypidaemon", "run", "-c", str(folder / "c.ini")]
    if given.files:
        command = ["/bin/sh", "-c", f'ulimit -n {given.files} && exec "$@"', "sh", *command]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, given.connections + 1000), most))
    idle: list[socket.socket] = []
    try:
        while ask(port, "/+ready") is None:
            time.sleep(0.1)
        before, alone = resident(daemon.pid), timed(port, 50)
        began = time.monotonic()
        among: list[float | None] = []
        for number in range(given.connections):
            idle.append(connected(port, given.drip))
            if number % 100 == 99:
                among += timed(port, 1)
        filled = time.monotonic() - began
        crowded = resident(daemon.pid)
        after = timed(port, 50)
        told = metrics(port)
        for connection in idle:
            connection.close()
        time.sleep(2)
        rest = metrics(port)
        lost = sum(one is None for one in [*among, *after])
        rows = [
            ["alone", *shown(alone)],
            ["while they come", *shown(among)],
            ["among them", *shown(after)],
        ]
        print(circumstances())
        print(f"{given.connections} connections in {filled:.1f} s; resident {before:.0f} MiB before, {crowded:.0f} MiB with them")
        print(f"with them: {told}\nwithout:   {rest}\n")
        print(table(["health check, ms", "median", "slowest"], rows))
        log_text = (folder / "log").read_text("utf-8", "replace")
        traces = log_text.count("Traceback")
        slowest = max(one for one in [*among, *after] if one is not None)
        good = not lost and not traces and slowest < 1 and rest.get("pypidaemon_connections", 99) < 5
        print(f"{lost} lost, {traces} tracebacks: {'all bars hold' if good else 'a bar is missed'}")
        if traces:
            print(log_text[log_text.index("Traceback") :][:3000])
        return 0 if good else 1
    finally:
        for connection in idle:
            connection.close()
        daemon.terminate()
        daemon.wait(60)


def connected(port: int, drip: bool) -> socket.socket:
    """A connection that asks nothing."""
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    if drip:
        made.send(b"GET / HTTP/1.1\r\nHost: ")
    return made


def ask(port: int, path: str) -> bytes | None:
    """The body of an answer of 200; None where there is none."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


def timed(port: int, count: int) -> list[float | None]:
    """Seconds that a health check takes, on a connection of its own; None for one without an answer."""
    found: list[float | None] = []
    for _ in range(count):
        began = time.monotonic()
        found.append(time.monotonic() - began if ask(port, "/+health") is not None else None)
    return found


def shown(seconds: list[float | None]) -> list[float]:
    known = [one * 1000 for one in seconds if one is not None]
    return [median(known), max(known)] if known else [float("nan")] * 2


def metrics(port: int) -> dict[str, float]:
    """What the daemon says of its connections."""
    text = (ask(port, "/+metrics") or b"").decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(("pypidaemon_connections", "pypidaemon_open_files"))]
    return {name: float(value) for name, _, value in lines}


if __name__ == "__main__":
    sys.exit(main())
