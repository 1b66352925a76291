"""
A thousand acknowledged uploads to a daemon that is killed again and again by signal 9. The bar: none lost, none half visible.

A short form of this is among the tests (`tests/clients/test_kills.py`), whose parts it uses. The moments are random, and the first line says from
which seed. It ends at the first fault::

    python benchmarks/kills.py [--uploads 1000] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path

import processes
from measuring import circumstances

# The tests' folder is no package that is installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.clients.daemon import Upstream
from tests.clients.kills import Ledger, Ordeal
from tests.clients.store import store


def main(arguments: list[str]) -> int:
    """Do it and print; the exit status is 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="benchmarks/kills.py", description="Uploads to a daemon that is killed at random moments.")
    parser.add_argument("--uploads", type=int, default=1000, help="how many have to be acknowledged")
    parser.add_argument("--longest", type=float, default=1.0, help="seconds between a start and the next kill at most")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args(arguments)
    print(circumstances())
    print(f"seed {options.seed}")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kills-", dir=processes.scratch()) as name:
        folder = Path(name)
        upstream = Upstream.begin(folder)
        try:
            with store(folder / "d", upstream.simple) as shop:
                ordeal = Ordeal(shop, Ledger(folder / "ledger"), random.Random(options.seed), options.longest)
                try:
                    while ordeal.ledger.count() < options.uploads:
                        ordeal.round()
                    unsure = len(ordeal.ledger.unsure)
                    ordeal.finish()
                    acknowledged = ordeal.ledger.count()
                except AssertionError as error:
                    print(f"after {ordeal.kills} kills and {ordeal.ledger.count()} acknowledged uploads: {str(error)[-3000:]}")
                    return 1
        finally:
            upstream.end()
    seconds = time.perf_counter() - began
    print(f"{acknowledged} acknowledged, {ordeal.kills} kills, {unsure} unanswered at the end, {seconds:.0f} s: 0 lost, 0 half visible")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
