"""A daemon's account of itself, for people."""

from __future__ import annotations

from typing import Any

import pytest

from pypidaemon.commands.reporting import COUNTS, amount, report, span
from tests.house import House


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0s"), (59.9, "59s"), (60, "1m"), (3600, "1h"), (93_784.2, "1d 2h 3m"), (86_400, "1d"), (864_059, "10d")],
)
def test_a_span_is_days_hours_and_minutes(seconds: float, words: str) -> None:
    """And seconds only below a minute."""
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3_565_158, "3.4 MiB"), (2**30, "1.0 GiB"), (2**50, "1024.0 TiB")],
)
def test_an_amount_has_its_unit(count: float, words: str) -> None:
    """Powers of 1024, with the largest unit below which it would have four digits."""
    assert amount(count) == words


FULL: dict[str, Any] = {
    "version": "0.1.0",
    "pid": 7,
    "started": "2026-05-28T20:26:40Z",
    "uptime_seconds": 93_784.2,
    "index": "root",
    "indexes": ["pypi", "root"],
    "upstreams": {
        "pypi": {"state": "up", "cause": "", "since": "2026-05-28T20:26:40Z", "requests": 12, "failures": 1, "bytes_in": 2048},
        "acme": {"state": "down", "cause": "connection refused", "since": "2026-05-28T20:26:41Z", "requests": 0},
        "x": {"state": "not asked yet", "cause": "", "since": None},
    },
    "downloads": {"landed": 3, "bytes_in": 1024, "novelties": 1},
    "answers": {"ready": 5, "bytes": 10},
    "configuration": "etc/config.ini",
    "data": "/srv/var",
    "listen": ["tcp:3141"],
    "address": "http://127.0.0.1:3141/",
}


def test_a_status_is_told_in_words() -> None:
    """Every count with what it means, every time with its unit."""
    assert list(report(FULL)) == [
        "pypidaemon 0.1.0, process 7, up for 1d 2h 3m, since 2026-05-28T20:26:40Z",
        "  address        http://127.0.0.1:3141/ (tcp:3141)",
        "  configuration  etc/config.ini",
        "  data folder    /srv/var",
        "  default index  root",
        "  indexes        pypi root",
        "upstreams",
        "  pypi  up since 2026-05-28T20:26:40Z; requests 12, failed 1, received 2.0 KiB",
        "  acme  down since 2026-05-28T20:26:41Z: connection refused",
        "  x     not asked yet",
        "downloads",
        "  landed     3  arrived whole and kept",
        "  bytes      1.0 KiB  received",
        "  novelties  1",
        "answers",
        "  ready  5  given as they lay ready, since the start",
        "  bytes  10 B  of memory for those",
    ]


def test_what_another_version_does_not_say_is_left_out() -> None:
    """The daemon may be older than the command."""
    assert list(report({})) == ["pypidaemon"]
    assert list(report({"upstreams": {}, "uptime": 3.0, "pid": 3})) == ["pypidaemon, process 3"]


def test_every_count_of_a_daemon_has_a_meaning() -> None:
    """What it says and what is explained are the same."""
    house = House()
    assert set(COUNTS["downloads"]) == set(house.spool.measures())
