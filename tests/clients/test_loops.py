"""Daemons that have each other as upstream: the request that comes back is refused, and nobody hangs (L9)."""

from __future__ import annotations

import time
from pathlib import Path

from tests.clients.daemon import Daemon, free_port

BOUND = 20.0
"""Seconds after which an answer is none; a loop that nobody notices has no end but time-outs behind time-outs."""


def test_L9_a_loop_of_three_daemons_is_noticed_and_is_an_outage(tmp_path: Path) -> None:
    """None of them sees its own name in what the one before it says of itself alone."""
    ports = [free_port() for _ in range(3)]
    ring = [
        Daemon(tmp_path / name, f"http://127.0.0.1:{ports[(place + 1) % 3]}/simple/", port=ports[place]) for place, name in enumerate("abc")
    ]
    try:
        for daemon in ring:
            daemon.start()
        for path in ("/simple/nothing/", "/simple/"):
            began = time.monotonic()
            answer = ring[0].ask("GET", path)
            assert answer.status == 503, (path, answer)
            assert time.monotonic() - began < BOUND
        # The third asked the first, which found its own mark in what was passed on.
        assert " 508 " in ring[0].log
        assert ring[0].ask("GET", "/+ready").status == 200
    finally:
        for daemon in ring:
            daemon.stop()
    for daemon in ring:
        daemon.check_log()
