"""
How soon a browser paints the pages of a real daemon, and what they weigh: `python -m benchmarks.pages`.

A Chromium without a window asks a daemon on the loopback interface, each time with nothing kept from before. The daemon has a project with a description, one with
3,000 files, uploads and traffic. The first paint is the browser's own word for when anything was to be seen, from when it was told to go there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

# The scripts beside this one find each other by their bare names, and the tests' folder is no package that is installed.
sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1]))

from measuring import circumstances, table

from tests.browser.chromium import Tab, chromium
from tests.clients.daemon import Daemon, Upstream

FIRST_PAINT = 200.0
"""Milliseconds until something is to be seen."""
WEIGHT = 60.0
"""kB on the line, with all that the page loads."""
REQUESTS = 5
FILES = 3000
PAGES = (
    "/",
    "/index/private/",
    "/project/described/",
    "/project/many/",
    "/project/many/?show=files&page=9",
    "/project/many/?show=versions",
    "/search/?q=many",
    "/status/",
    "/+why/many",
    "/project/nowhere/",
)
SECTIONS = """[index:root]
use = first-match
indexes = private pypi
[index:private]
use = private
[index:pypi]
use = proxy
upstream = pypi
"""
_PAINT = """new Promise(done => {
  const look = () => { const [one] = performance.getEntriesByName('first-contentful-paint'); one ? done(one.startTime) : setTimeout(look, 5); };
  look();
})"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and answer 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each page is asked for (9)")
    rounds = parser.parse_args(arguments).rounds
    print(circumstances())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = Upstream.begin(folder)
        stack.callback(upstream.end)
        _stock(upstream)
        daemon = Daemon(folder / "daemon", upstream.simple, sections=SECTIONS, index="root", uploads="private")
        daemon.start()
        stack.callback(daemon.stop)
        browser = stack.enter_context(chromium(folder / "profile"))
        tab = browser.open()
        tab.call("Network.setCacheDisabled", cacheDisabled=True)
        tab.screen(1280, 900)
        rows = [_looked(tab, daemon.url, path, rounds) for path in PAGES]
    print(table(("page", "first look, ms", "best, ms", "median, ms", "worst, ms", "kB", "requests"), rows))
    print(f"bars: first paint {FIRST_PAINT:.0f} ms by the median, {WEIGHT:.0f} kB, {REQUESTS} requests")
    missed = [row for row in rows if row[3] > FIRST_PAINT or row[5] > WEIGHT or row[6] > REQUESTS]
    for row in missed:
        print(f"missed: {row[0]}")
    return 1 if missed else 0


def _stock(upstream: Upstream) -> None:
    description = "".join(f"        ## Part {number}|        |        {'word ' * 60}|        |".replace("|", "\n") for number in range(100))
    upstream.tell(
        "add", "described", "1.0", fields=["Description-Content-Type: text/markdown", f"Description: # Described\n{description.rstrip()}"]
    )
    for number in range(FILES):
        name = f"many-1.{number}" if number % 2 else f"many-2.0-cp311-cp311-manylinux_2_{number}_x86_64"
        upstream.tell("add_text", "many", f"{name}.tar.gz" if number % 2 else f"{name}.whl", str(number))


def _looked(tab: Tab, root: str, path: str, rounds: int) -> tuple[str, float, float, float, float, float, int]:
    """A row: what the first look took, when the page had to be made, then the others; of a busy machine the best says most."""
    paints: list[float] = []
    for _ in range(rounds + 1):
        seen = tab.show(root + path)
        paints.append(float(tab.run(_PAINT)))
    asked = [url for url in seen.asked if not url.startswith("data:")]
    first, *others = paints
    return path, first, min(others), median(others), max(others), seen.bytes / 1000, len(asked)


if __name__ == "__main__":
    sys.exit(main())
