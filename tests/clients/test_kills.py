"""A daemon that takes uploads is killed at random moments: nothing that it acknowledged is lost, and nothing is half there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.clients.daemon import Upstream
from tests.clients.kills import Ledger, Ordeal
from tests.clients.store import store

pytestmark = pytest.mark.clients

KILLS = 3
"""`benchmarks/kills.py` goes on until a thousand uploads were acknowledged."""


def test_F73_law_7_kill_9_loses_no_acknowledged_upload_and_shows_no_half_one(shared_upstream: Upstream, tmp_path: Path) -> None:
    """After each of some kills: all acknowledged files are listed and whole, the rest is absent or whole, and the daemon starts without complaint."""
    with store(tmp_path / "daemon", shared_upstream.simple) as shop:
        ordeal = Ordeal(shop, Ledger(tmp_path / "ledger"), random.Random(20))
        for _ in range(KILLS):
            ordeal.round()
        ordeal.finish()
        assert ordeal.ledger.count() > KILLS
