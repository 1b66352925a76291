"""A daemon that may open few files, and more connections than that."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.clients.daemon import PAUSE, TRIES, Daemon

FEW = 150
"""Open files that the daemon may have."""


def gauge(daemon: Daemon, name: str) -> float:
    """The value of a metric; below zero where nobody answers now."""
    try:
        answer = daemon.ask("GET", "/+metrics")
    except OSError:
        return -1.0
    lines = (line.partition(" ") for line in answer.body.decode().splitlines())
    return next((float(value) for key, _, value in lines if key == name), -1.0)


def comes(daemon: Daemon, name: str, least: float, most: float) -> bool:
    """Whether that metric comes to lie between these."""
    for _ in range(TRIES):
        if least <= gauge(daemon, name) <= most:
            return True
        time.sleep(PAUSE)
    return False


def test_F61_S58_a_daemon_of_few_open_files_outlives_a_crowd(tmp_path: Path) -> None:
    """It has fewer places then, says so, answers among the crowd and after it, and logs no failure."""
    daemon = Daemon(tmp_path, "http://127.0.0.1:9/simple/", prefix=("/bin/sh", "-c", f'ulimit -n {FEW} && exec "$@"', "sh"))
    crowd: list[socket.socket] = []
    try:
        daemon.start()
        assert gauge(daemon, "pypidaemon_open_files_limit") == FEW
        places = gauge(daemon, "pypidaemon_connections_limit")
        assert 20 < places < FEW / 2
        crowd.extend(socket.create_connection(("127.0.0.1", daemon.port), timeout=10) for _ in range(2 * FEW))
        assert comes(daemon, "pypidaemon_connections", places - 5, places)
        assert comes(daemon, 'pypidaemon_connections_opened_total{what="closed"}', 1, 10 * FEW)
        while crowd:
            crowd.pop().close()
        assert comes(daemon, "pypidaemon_connections", 1, 1)
        assert daemon.ask("GET", "/+ready").status == 200
        assert "fewer will be let in at once" in daemon.log
        daemon.check_log()
    finally:
        while crowd:
            crowd.pop().close()
        daemon.stop()
