"""
How long one page takes, asked again and again: `python -m benchmarks.side_by_side.probe HOST:PORT PATH` does so until its standard input ends.

It prints one line of JSON then. Its own lateness is among it, so that waits for a processor are not mistaken for waits for a server; where it may, it
runs before everything else on its processor.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from contextlib import suppress

PAUSE = 0.005
FIELDS = {"Accept": "application/vnd.pypi.simple.v1+json", "Accept-Encoding": "gzip", "User-Agent": "pip/26.3"}


def share(values: list[float], part: float) -> float:
    """The value that this part of them does not exceed, in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1e3 if ordered else 0.0


def main(address: str, path: str) -> None:
    """Ask, and print."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    connection = http.client.HTTPConnection(address, timeout=120)
    waits: list[float] = []
    lates: list[float] = []
    failed = 0
    print("ready", flush=True)
    while not over.is_set():
        began = time.perf_counter()
        time.sleep(PAUSE)
        lates.append(time.perf_counter() - began - PAUSE)
        began = time.perf_counter()
        try:
            connection.request("GET", path, headers=FIELDS)
            answer = connection.getresponse()
            answer.read()
            failed += answer.status != 200
        except (OSError, http.client.HTTPException):
            failed += 1
            connection.close()
        waits.append(time.perf_counter() - began)
    said = {
        "asked": len(waits),
        "failed": failed,
        "p50_ms": share(waits, 0.5),
        "p99_ms": share(waits, 0.99),
        "longest_ms": share(waits, 1.0),
    }
    print(json.dumps(said | {"late_p99_ms": share(lates, 0.99), "late_longest_ms": share(lates, 1.0)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
