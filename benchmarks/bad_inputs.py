"""
Twenty thousand bad inputs over a whole daemon in memory: heads, paths, header fields, forms, archives, orders, XML-RPC, names, and upstream's pages.

Bars: no answer of 500, no traceback in the log, no exception that escapes, no connection that stays open. A finding names the number that its daemon was
made from, so `--seed NUMBER --inputs 500` repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from measuring import circumstances, table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.bad_inputs import Tally, run

EACH = 500


def main() -> int:
    """Send them, and tell what came of them."""
    arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    arguments.add_argument("--inputs", type=int, default=20_000, help="how many")
    arguments.add_argument("--seed", type=int, default=1, help="the number that the first ones are made from")
    arguments.add_argument("--processes", type=int, default=2, help="how many at once")
    given = arguments.parse_args()
    began, tally = time.monotonic(), Tally()
    rounds = -(-given.inputs // EACH)
    with ProcessPoolExecutor(given.processes) as pool:
        for part in pool.map(run, range(given.seed, given.seed + rounds), [EACH] * rounds):
            tally.add(part)
    print(circumstances())
    print(f"{tally.inputs} inputs in {time.monotonic() - began:.0f} s, {given.processes} processes, from number {given.seed} on\n")
    print(
        table(
            ["answer", "times"],
            [[str(status) if status > 0 else "not read", str(count)] for status, count in sorted(tally.statuses.items())],
        )
    )
    print(table(["kind", "inputs"], [[kind, str(count)] for kind, count in tally.kinds.items()]))
    for finding in tally.findings[:50]:
        print(finding)
    print(f"{len(tally.findings)} findings; {tally.statuses[500]} answers of 500")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
